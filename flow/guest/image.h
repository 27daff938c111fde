/* flow/guest/image.h: kernels as files. */
#ifndef KITH_FLOW_IMAGE_H
#define KITH_FLOW_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>

/* The ELF file (vmlinux) in a bzImage: QEMU enters it directly (PVH), and the guest need not unpack it under emulation, which is the
 * longest part of a boot. A copy when the image is one already. To free(). Errors, with text that begins with `name`: -EINVAL (no kernel),
 * -EPROTONOSUPPORT (packed in another way than gzip, xz, lzma, lz4 or zstd), -EBADMSG (broken), -ENOMEM. */
int flow_image_unpack(const char *name, const uint8_t *image, size_t size, uint8_t **ret_kernel, size_t *ret_size,
                      struct kith_error *ret_error);

/* An ELF file, packed in one of these ways or not (a module). To free(). Errors: as above, without text. */
int flow_image_unpack_data(const uint8_t *data, size_t size, uint8_t **ret_data, size_t *ret_size);
/* Can an unpacked kernel be recorded in a guest? Errors, with text that says what it lacks: -EOPNOTSUPP. */
int flow_image_check(const char *name, const uint8_t *kernel, size_t size, struct kith_error *ret_error);
/* One that QEMU enters without its boot loader's part (CONFIG_PVH). */
bool flow_image_is_entered_directly(const uint8_t *kernel, size_t size);
/* "6.1.0-50-amd64"; "" when it is not found. */
void flow_image_version(const uint8_t *kernel, size_t size, char *version, size_t room);

/* Finds a kernel here: the newest in /boot that can be read, or Debian's installer's. Into a new string, to free(). Errors, with text:
 * -ENOENT. */
int flow_image_find(char **ret_path, struct kith_error *ret_error);
/* All of them, the one that flow_image_find() takes last, ended by NULL. To free(), each and the list. Errors, with text: -ENOENT, -ENOMEM.
 */
int flow_image_find_all(char ***ret_paths, struct kith_error *ret_error);

#endif
