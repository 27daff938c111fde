/*
 * flow/btf/btf.h: what a kernel says of its own types: /sys/kernel/btf/vmlinux, or a copy of it from any other kernel.
 *
 * Nothing that is read there is written down anywhere: members move between kernels, and functions get arguments within a stable series.
 */
#ifndef KITH_FLOW_BTF_H
#define KITH_FLOW_BTF_H

#include <stdbool.h>
#include <stddef.h>

#include <kith/error.h>

#include "base/cleanup.h"
#include "base/text.h"

#define FLOW_BTF_RUNNING "/sys/kernel/btf/vmlinux"

struct flow_btf;

/* From a file, of raw BTF or ELF (vmlinux), or from memory. Errors, with text: -ENOENT..., -EINVAL (no BTF), -ENOMEM. */
int flow_btf_open(const char *path, struct flow_btf **ret_btf, struct kith_error *ret_error);
int flow_btf_from_memory(const void *data, size_t size, struct flow_btf **ret_btf, struct kith_error *ret_error);
struct flow_btf *flow_btf_free(struct flow_btf *btf);
KITH_DEFINE_CLEANUP(struct flow_btf *, flow_btf_free)

/* Octets from the beginning of a structure to a member: "sock", "__sk_common.skc_family"; members of nameless members count as the
 * structure's own. Errors: -ENOENT (no such structure or member), -EINVAL (a bit field that begins within an octet). */
int flow_btf_offset(const struct flow_btf *btf, const char *structure, const char *path);

/* Whether there is a function of this name. */
bool flow_btf_has_function(const struct flow_btf *btf, const char *name);
/* The prototype of the nth function (0: the first) of this name, "int tcp_v4_rcv(struct sk_buff *skb)": false when there are not so many.
 * Static functions of several files may share a name. */
bool flow_btf_prototype(const struct flow_btf *btf, const char *name, size_t nth, struct kith_text *text);

/* Is an argument of the function what only network code works on (a socket, a packet, a route...)? Hooks of security modules are not
 * meant: they only look on. */
bool flow_btf_is_network(const struct flow_btf *btf, const char *name);

/* Functions in all. */
size_t flow_btf_function_count(const struct flow_btf *btf);

#endif
