/*
 * fuzz-kernel-wire.c: a datagram of generic netlink that may be anything is read without looking beyond it, and all that it lends lies in
 * it. The family is 30.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "kernel/wire.h"

struct bounds {
    const uint8_t *begin, *end;
};

static void must_lie_within(const struct bounds *bounds, const void *octets, size_t size) {
    const uint8_t *begin = octets;
    if (begin && (begin < bounds->begin || begin > bounds->end || size > (size_t)(bounds->end - begin)))
        abort();
}

static void look_at(const struct bounds *bounds, struct kith_kernel_word *word) {
    const char *const texts[] = {word->text, word->channel, word->module};
    struct kith_kernel_message message;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i])
            must_lie_within(bounds, texts[i], strlen(texts[i]) + 1);
    must_lie_within(bounds, word->data, word->size);
    if (word->error > 0)
        abort();
    if (word->type == KITH_KERNEL_MESSAGES)
        while (kith_kernel_message_next(word, &message) > 0)
            must_lie_within(bounds, message.data, message.header.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct bounds bounds = {.begin = data, .end = data + size};
    struct kith_kernel_word word;
    while (kith_kernel_word_next(30, &data, &size, &word) > 0)
        look_at(&bounds, &word);
    return 0;
}
