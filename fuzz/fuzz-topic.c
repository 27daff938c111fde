/*
 * fuzz-topic.c: a history of subscriptions and messages of several subscribers: the set answers what a plain list of them does
 * (topic/testing.h), whatever the topics are.
 *
 * A step is an octet that says what to do and for whom, an octet with the topic's length, and its octets; a length from 240 on stands for a
 * run of one octet, so that topics longer than a node's label come up soon.
 */
#include <stdio.h>

#include "fuzz.h"
#include "topic/testing.h"

#define LIMIT 20000
#define RUN_FROM 240
#define RUN_STEP 40

struct input {
    const uint8_t *data;
    size_t size;
};

static uint8_t next_octet(struct input *input) {
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->data++;
}

/* `octets` has room for the longest run. */
static size_t next_topic(struct input *input, uint8_t *octets) {
    size_t size = next_octet(input);

    if (size >= RUN_FROM) {
        size = (size - RUN_FROM + 1) * RUN_STEP;
        memset(octets, next_octet(input), size);
        return size;
    }
    if (size > input->size)
        size = input->size;
    for (size_t i = 0; i < size; i++)
        octets[i] = next_octet(input);
    return size;
}

static const char *step(struct both *both, struct input *input) {
    uint8_t what = next_octet(input), octets[(256 - RUN_FROM) * RUN_STEP];
    unsigned s = what / 8 % BOTH_SUBSCRIBERS;
    size_t size = next_topic(input, octets);

    switch (what % 8) {
    case 0:
    case 1:
    case 2:
        return both_add(both, s, octets, size);
    case 3:
    case 4:
        return both_remove(both, s, octets, size);
    case 5:
        return both_leave(both, s);
    default:
        return both_match(both, octets, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {.data = data, .size = size};
    struct both *both = malloc(sizeof(*both));
    const char *differs = NULL;

    if (!both)
        return 0;
    both_init(both, LIMIT);
    while (input.size > 0 && !differs)
        differs = step(both, &input);
    if (!differs)
        differs = both_check(both);
    if (differs) {
        fprintf(stderr, "not as the plain list: %s\n", differs);
        abort();
    }
    both_deinit(both);
    if (both->topics.root.branches)
        abort();
    free(both);
    return 0;
}
