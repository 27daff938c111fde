/*
 * flow/trace/functions.h: which functions are recorded.
 *
 * All of net/, which the kernel's link order makes one range of addresses, and everything elsewhere that is about sockets and packets by
 * its arguments (BTF), the system calls that carry traffic, and what runs softirqs. Where net/ begins and ends is found: it is where
 * functions with such arguments are densest.
 */
#ifndef KITH_FLOW_FUNCTIONS_H
#define KITH_FLOW_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>

#include "base/cleanup.h"
#include "flow/btf/btf.h"

struct flow_function_entry {
    const char *name;
    const char *module; /* NULL: the kernel itself */
    uint64_t address;   /* 0: unknown */
    bool is_network;    /* by its arguments */
    bool in_net;        /* in net/'s range */
    bool selected;
};

/* All that ftrace can record, in its order: entry i is number i + 1 there. */
struct flow_functions {
    struct flow_function_entry *entries;
    size_t count, selected;
    size_t net_begin, net_end; /* entries[net_begin..net_end) */
    char *names, *symbols;     /* memory of the texts */
};

/* `available`: the text of available_filter_functions; `symbols`: of /proc/kallsyms. Both are taken over, also on failure (to free()). btf
 * may be NULL: then nothing is known of arguments. Errors: -ENOMEM, -ENODATA (there are no functions). */
int flow_functions_new(char *available, char *symbols, const struct flow_btf *btf, struct flow_functions **ret_functions);
struct flow_functions *flow_functions_free(struct flow_functions *functions);
KITH_DEFINE_CLEANUP(struct flow_functions *, flow_functions_free)

#endif
