/* map/kernel/load.h: putting a program into the kernel, and saying why that was not possible. */
#ifndef KITH_MAP_KERNEL_LOAD_H
#define KITH_MAP_KERNEL_LOAD_H

#include <stddef.h>

#include <kith/error.h>

struct bpf_object;

/* An object of clang's, made from program/NAME.bpf.c by the build. */
struct map_kernel_program {
    const char *name;
    const unsigned char *octets;
    size_t size;
};

extern const struct map_kernel_program map_kernel_tables_program;
extern const struct map_kernel_program map_kernel_follow_program;

/* To bpf_object__close(). Errors, with text: -ENOTSUP (the kernel does not tell its types), -ENOMEM. */
int map_kernel_open(const struct map_kernel_program *program, struct bpf_object **ret_object, struct kith_error *ret_error);
/* Puts it into the kernel; it is attached to nothing yet. Errors, with text: as map_kernel_explain(), -ENOMEM. */
int map_kernel_load(struct bpf_object *object, struct kith_error *ret_error);

/* Sets and returns the error for what libbpf or the kernel has refused with `code`: -EPERM (with the capabilities that are missing),
 * -ENOTSUP (not on this kernel), else the code itself. `step`: what was tried. `log`: what the kernel said, changed here; may be NULL. */
int map_kernel_explain(int code, const char *step, char *log, struct kith_error *ret_error);

#endif
