/* flow/diff/prototype.h: prototypes as flow/btf writes them. */
#ifndef KITH_FLOW_PROTOTYPE_H
#define KITH_FLOW_PROTOTYPE_H

#include <stdbool.h>

/* Have they the same types? Names of parameters do not count: "int f(struct sock *sk)" is "int f(struct sock *ssk)". */
bool flow_prototype_is_same(const char *a, const char *b);

#endif
