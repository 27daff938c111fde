/*
 * stream/inherit.h: inherited sockets together with the paths that come to be ours with them.
 */
#ifndef KITH_STREAM_INHERIT_H
#define KITH_STREAM_INHERIT_H

#include <kith/inherit.h>

#include "stream/path.h"

/* As kith_inherited_add(), with a path that is moved into the set on success. */
int kith_inherited_add_bound(kith_inherited *inherited, const char *name, int fd, struct kith_bound_path *path,
                             struct kith_error *ret_error);
/* As kith_inherited_take_address(), with the path. A set that is NULL has nothing. */
int kith_inherited_take_bound(kith_inherited *inherited, const struct kith_address *address, struct kith_bound_path *ret_path);

#endif
