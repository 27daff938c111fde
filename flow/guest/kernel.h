/* flow/guest/kernel.h: a guest's kernel with its modules: from a file, a package (.deb), or from where kernels are installed. */
#ifndef KITH_FLOW_KERNEL_H
#define KITH_FLOW_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>

#include "flow/guest/module.h"

struct flow_kernel {
    uint8_t *image; /* what QEMU gets */
    size_t size;
    struct flow_modules modules; /* in the order of loading */
};

#define FLOW_KERNEL_NONE ((struct flow_kernel){0})

/* path: vmlinuz, vmlinux or a package of a kernel; NULL: one that is found here. modules: names, ended by NULL, or NULL; those that
 * scenarios need are added. Errors, with text: -ENOENT (the file, a module, dpkg-deb), -EINVAL, -EPROTONOSUPPORT, -EBADMSG, -EOPNOTSUPP (it
 * cannot be recorded), -E2BIG, -ENOMEM. */
int flow_kernel_load(struct flow_kernel *kernel, const char *path, const char *const *modules, struct kith_error *ret_error);
void flow_kernel_deinit(struct flow_kernel *kernel);

#endif
