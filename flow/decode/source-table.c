/* flow/decode/source-table.c: looking up a name, by halving a sorted text. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "flow/decode/source-table.h"

struct flow_span flow_source_plain_name(struct flow_span name) {
    static const char *const fronts[] = {"__x64_", "__ia32_", "__arm64_", "__riscv_", "__s390x_", "__se_", "__do_"};
    const char *dot = memchr(name.text, '.', name.size);

    if (dot && dot != name.text)
        name.size = (size_t)(dot - name.text);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(fronts); i++) {
        size_t size = strlen(fronts[i]);
        if (name.size <= size || memcmp(name.text, fronts[i], size) != 0)
            continue;
        struct flow_span rest = {name.text + size, name.size - size};
        bool is_call =
            (rest.size > 4 && memcmp(rest.text, "sys_", 4) == 0) || (rest.size > 11 && memcmp(rest.text, "compat_sys_", 11) == 0);
        return is_call ? rest : name;
    }
    return name;
}

static const char *line_begin(const char *at) {
    while (at > flow_source_names && at[-1] != '\n')
        at--;
    return at;
}

/* Less than 0: the line's name comes before `name`. */
static int compare_line(const char *line, struct flow_span name) {
    size_t length = strcspn(line, " ");
    size_t shorter = length < name.size ? length : name.size;
    int r = memcmp(line, name.text, shorter);

    return r != 0 ? r : length < name.size ? -1 : length > name.size;
}

void flow_source_find(struct flow_span name, struct flow_source_candidates *ret_candidates) {
    const char *low = flow_source_names, *end = flow_source_names + flow_source_names_size, *high = end;
    struct flow_source_candidates candidates = {.count = 0};

    name = flow_source_plain_name(name);
    while (low < high) { /* both are beginnings of lines */
        const char *middle = line_begin(low + (high - low) / 2);
        if (compare_line(middle, name) < 0)
            low = strchr(middle, '\n') + 1;
        else
            high = middle;
    }
    for (; low < end && compare_line(low, name) == 0; low = strchr(low, '\n') + 1) {
        char *mark;
        unsigned long file = strtoul(low + name.size, &mark, 10);
        candidates.elsewhere |= *mark == '*';
        if (candidates.count == FLOW_SOURCE_CANDIDATES_MAX || file >= flow_source_file_count) {
            candidates.count = 0;
            break;
        }
        candidates.files[candidates.count++] = (uint16_t)file;
    }
    *ret_candidates = candidates;
}
