/* flow/guest/image.h: kernels as files. */
#ifndef KITH_FLOW_IMAGE_H
#define KITH_FLOW_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>

/* The ELF file (vmlinux) in a bzImage: QEMU enters it directly (PVH), and the guest need not unpack it under emulation, which is the
 * longest part of a boot. A copy when the image is one already. To free(). Errors, with text that begins with `name`: -EINVAL (no kernel),
 * -EPROTONOSUPPORT (packed in another way than gzip, xz, lzma or zstd), -EBADMSG (broken), -ENOMEM. */
int flow_image_unpack(const char *name, const uint8_t *image, size_t size, uint8_t **ret_kernel, size_t *ret_size,
                      struct kith_error *ret_error);

/* Finds a kernel here: the newest in /boot that can be read, or Debian's installer's. Into a new string, to free(). Errors, with text:
 * -ENOENT. */
int flow_image_find(char **ret_path, struct kith_error *ret_error);

#endif
