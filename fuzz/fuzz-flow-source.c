/* fuzz-flow-source.c: any text as a C file: scanning ends, names lie in the text and lines do not exceed it. */
#include <stdlib.h>

#include "flow/source/scan.h"
#include "fuzz.h"

struct text {
    const char *begin, *end;
    unsigned lines;
};

static void check(void *userdata, struct flow_span name, bool is_call, unsigned line) {
    const struct text *text = userdata;

    if (name.size == 0 || name.text < text->begin || name.text + name.size > text->end || line == 0 || line > text->lines)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct text text = {(const char *)data, (const char *)data + size, 1};

    for (size_t i = 0; i < size; i++)
        text.lines += data[i] == '\n';
    flow_scan((struct flow_span){(const char *)data, size}, check, &text);
    return 0;
}
