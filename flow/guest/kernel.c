/* flow/guest/kernel.c: see kernel.h. */
#include "flow/guest/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "flow/guest/image.h"
#include "flow/guest/package.h"

#define FILE_MAX_SIZE ((size_t)512 * 1024 * 1024)

/* What scenarios use and some kernels have as modules. */
static const char *const usual_modules[] = {"unix", "ipv6"};

void flow_kernel_deinit(struct flow_kernel *kernel) {
    free(kernel->image);
    flow_modules_deinit(&kernel->modules);
    *kernel = FLOW_KERNEL_NONE;
}

static int want_modules(struct flow_modules *modules, const char *const *names, struct kith_error *error) {
    int r = 0;

    for (; r == 0 && names && *names; names++)
        r = flow_modules_want(modules, *names, false);
    for (size_t i = 0; r == 0 && i < KITH_ARRAY_SIZE(usual_modules); i++)
        r = flow_modules_want(modules, usual_modules[i], true);
    return r < 0 ? kith_error_set(error, r, "more than %d modules, or no memory", FLOW_MODULES_MAX) : 0;
}

/* Modules of an installed kernel ------------------------------------------------------------------------------------------ */

static int take_file(struct flow_modules *modules, const char *path, struct kith_error *error) {
    _cleanup_(freep) char *data = NULL;
    size_t size = 0;
    int r = kith_file_read(AT_FDCWD, path, FILE_MAX_SIZE, &data, &size);

    if (r == 0)
        r = flow_modules_add(modules, path, (const uint8_t *)data, size);
    return r < 0 ? kith_error_set(error, r, "%s: the module cannot be read: %s", path, kith_error_name(r)) : 0;
}

static int walk(struct flow_modules *modules, char *folder, struct kith_error *error) {
    char *const folders[] = {folder, NULL};
    FTS *tree = fts_open(folders, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    int r = 0;

    for (FTSENT *entry; r == 0 && tree && (entry = fts_read(tree));)
        if (entry->fts_info == FTS_F && flow_modules_wants(modules, entry->fts_path))
            r = take_file(modules, entry->fts_path, error);
    if (tree)
        fts_close(tree);
    return r;
}

/* Until nothing more is found: a module may depend on one that was passed already. */
static int find_installed(struct flow_kernel *kernel, struct kith_error *error) {
    char version[128], folder[192];
    int r = 0;

    flow_image_version(kernel->image, kernel->size, version, sizeof(version));
    snprintf(folder, sizeof(folder), "/lib/modules/%s/kernel", version);
    for (size_t before = 0; r == 0 && *version && flow_modules_missing(&kernel->modules, true) && before != kernel->modules.count;) {
        before = kernel->modules.count;
        r = walk(&kernel->modules, folder, error);
    }
    return r;
}

static int finish_modules(struct flow_kernel *kernel, const char *path, struct kith_error *error) {
    const char *missing = flow_modules_missing(&kernel->modules, false);

    if (missing)
        return kith_error_set(error, -ENOENT, "%s: there is no module '%s' with this kernel (a kernel's package has its modules)", path,
                              missing);
    flow_modules_order(&kernel->modules);
    return 0;
}

/* The kernel -------------------------------------------------------------------------------------------------------------- */

/* The image in a package takes the place of the package. */
static int read_image(struct flow_kernel *kernel, const char *path, uint8_t **ret_image, size_t *ret_size, bool *ret_is_package,
                      struct kith_error *error) {
    int r = kith_file_read(AT_FDCWD, path, FILE_MAX_SIZE, (char **)ret_image, ret_size);

    if (r < 0)
        return kith_error_set(error, r, "%s: %s", path, kith_error_name(r));
    *ret_is_package = flow_package_is(*ret_image, *ret_size);
    if (!*ret_is_package)
        return 0;
    free(*ret_image);
    *ret_image = NULL;
    return flow_package_read(path, &kernel->modules, ret_image, ret_size, error);
}

/* QEMU gets the unpacked kernel when it can enter it. */
static int unpack(struct flow_kernel *kernel, const char *path, const uint8_t *image, size_t size, struct kith_error *error) {
    int r = flow_image_unpack(path, image, size, &kernel->image, &kernel->size, error);

    return r < 0 ? r : flow_image_check(path, kernel->image, kernel->size, error);
}

int flow_kernel_load(struct flow_kernel *kernel, const char *path, const char *const *modules, struct kith_error *ret_error) {
    _cleanup_(freep) char *found = NULL;
    _cleanup_(freep) uint8_t *image = NULL;
    bool is_package = false;
    size_t size = 0;
    int r = path ? 0 : flow_image_find(&found, ret_error);

    path = path ? path : found;
    if (r == 0)
        r = want_modules(&kernel->modules, modules, ret_error);
    if (r == 0)
        r = read_image(kernel, path, &image, &size, &is_package, ret_error);
    if (r == 0)
        r = unpack(kernel, path, image, size, ret_error);
    if (r == 0 && !is_package)
        r = find_installed(kernel, ret_error);
    if (r == 0)
        r = finish_modules(kernel, path, ret_error);
    if (r == 0 && !flow_image_is_entered_directly(kernel->image, kernel->size)) {
        free(kernel->image);
        kernel->image = KITH_STEAL(image);
        kernel->size = size;
    }
    return r;
}
