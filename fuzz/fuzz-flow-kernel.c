/* fuzz-flow-kernel.c: octets that are said to be a kernel, a package's archive and a module: each is read to its end or refused. */
#include <stdio.h>
#include <stdlib.h>

#include "flow/guest/image.h"
#include "flow/guest/module.h"
#include "flow/guest/tar.h"
#include "fuzz.h"

static void read_archive(const uint8_t *data, size_t size, struct flow_modules *modules) {
    struct flow_tar tar = {.file = fmemopen((void *)(uintptr_t)data, size, "r")};

    while (tar.file && flow_tar_next(&tar) > 0) {
        uint8_t *octets = NULL;
        if (flow_modules_wants(modules, tar.name) && flow_tar_read(&tar, size, &octets) == 0)
            (void)flow_modules_add(modules, tar.name, octets, (size_t)tar.size);
        free(octets);
    }
    if (tar.file)
        fclose(tar.file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct flow_modules modules = {0};
    uint8_t *kernel = NULL;
    size_t kernel_size = 0;
    char version[32];

    if (size == 0)
        return 0;
    if (flow_image_unpack("kernel", data, size, &kernel, &kernel_size, NULL) == 0) {
        (void)flow_image_check("kernel", kernel, kernel_size, NULL);
        (void)flow_image_is_entered_directly(kernel, kernel_size);
        flow_image_version(kernel, kernel_size, version, sizeof(version));
    }
    free(kernel);
    flow_modules_want(&modules, "a", false);
    read_archive(data, size, &modules);
    (void)flow_modules_add(&modules, "a.ko", data, size);
    flow_modules_order(&modules);
    flow_modules_deinit(&modules);
    return 0;
}
