/* flow/decode/symbols.c: a sorted array. */
#include <errno.h>
#include <stdlib.h>

#include "flow/decode/symbols.h"

/* How far behind a function's first octet ftrace's call can lie: endbr64 on x86, bti and the patched instructions on arm64. */
#define ENTRY_OCTETS 16

static bool parse_line(struct flow_span line, struct flow_symbol *ret_symbol) {
    struct flow_span address;
    struct flow_symbol symbol = {0};

    if (!flow_span_cut(&line, ' ', &address) || !flow_span_number(address, 16, &symbol.address))
        return false;
    if (!flow_span_cut(&line, ' ', &symbol.name) || symbol.name.size == 0)
        return false;
    symbol.module = line;
    *ret_symbol = symbol;
    return true;
}

static int compare(const void *a, const void *b) {
    const struct flow_symbol *x = a, *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

int flow_symbols_parse(struct flow_symbols *symbols, struct flow_span text) {
    struct flow_span line, rest = text;
    size_t lines = 0;
    bool sorted = true;

    while (flow_span_cut(&rest, '\n', &line))
        lines++;
    struct flow_symbol *items = reallocarray(symbols->items, symbols->count + lines + 1, sizeof(*items));
    if (!items)
        return -ENOMEM;
    symbols->items = items;
    while (flow_span_cut(&text, '\n', &line))
        if (parse_line(line, &items[symbols->count]))
            symbols->count++;
    for (size_t i = 1; i < symbols->count && sorted; i++)
        sorted = items[i - 1].address <= items[i].address;
    if (!sorted)
        qsort(items, symbols->count, sizeof(*items), compare);
    return 0;
}

void flow_symbols_deinit(struct flow_symbols *symbols) {
    free(symbols->items);
    *symbols = (struct flow_symbols){0};
}

size_t flow_symbols_find(const struct flow_symbols *symbols, uint64_t address) {
    size_t low = 0, high = symbols->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (symbols->items[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || address - symbols->items[low - 1].address > ENTRY_OCTETS)
        return SIZE_MAX;
    return low - 1;
}
