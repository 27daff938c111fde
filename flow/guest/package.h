/* flow/guest/package.h: Debian's package of a kernel, read as a stream: nothing is unpacked into files, and no root is needed. */
#ifndef KITH_FLOW_PACKAGE_H
#define KITH_FLOW_PACKAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>

#include "flow/guest/module.h"

/* By its first octets: an archive of ar(1). */
bool flow_package_is(const uint8_t *data, size_t size);
/* The vmlinuz in it, to free(). Modules that the configuration in it calls modules, of those that are optional, stay wanted; what is wanted
 * is read too, with what it depends on. Errors, with text: -ENOENT (no kernel in it; no dpkg-deb), -EBADMSG, -E2BIG, -ENOMEM. */
int flow_package_read(const char *path, struct flow_modules *modules, uint8_t **ret_image, size_t *ret_size, struct kith_error *ret_error);

#endif
