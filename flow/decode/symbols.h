/* flow/decode/symbols.h: SYMS: addresses and names. Names lie in the recording. */
#ifndef KITH_FLOW_SYMBOLS_H
#define KITH_FLOW_SYMBOLS_H

#include "flow/decode/lines.h"

struct flow_symbol {
    uint64_t address;
    struct flow_span name, module;
};

/* An all-zero table is valid and empty. */
struct flow_symbols {
    struct flow_symbol *items; /* by address */
    size_t count;
};

/* Lines that are none are left out. Errors: -ENOMEM. */
int flow_symbols_parse(struct flow_symbols *symbols, struct flow_span text);
void flow_symbols_deinit(struct flow_symbols *symbols);

/* The symbol that begins at or a little before the address (ftrace's place is behind endbr64 and the like); SIZE_MAX: none. */
size_t flow_symbols_find(const struct flow_symbols *symbols, uint64_t address);

#endif
