/* flow/guest/guest.c: see guest.h. */
#include "flow/guest/guest.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "flow/guest/cpio.h"
#include "flow/guest/frame.h"
#include "flow/guest/kernel.h"
#include "flow/guest/machine.h"
#include "flow/guest/request.h"

#define FILE_MAX_SIZE ((size_t)256 * 1024 * 1024)

static int read_file(const char *path, char **ret_data, size_t *ret_size, struct kith_error *error) {
    int r = kith_file_read(AT_FDCWD, path, FILE_MAX_SIZE, ret_data, ret_size);

    return r < 0 ? kith_error_set(error, r, "%s: %s", path, kith_error_name(r)) : 0;
}

/* Its file system ------------------------------------------------------------------------------------------------------ */

static int add_program(struct flow_cpio *cpio, const char *path, const char *name, struct kith_error *error) {
    _cleanup_(freep) char *data = NULL;
    size_t size;
    int r = read_file(path, &data, &size, error);

    if (r < 0)
        return r;
    if (size > 64 && memcmp(data, ELFMAG, SELFMAG) == 0 && memmem(data, size < 4096 ? size : 4096, "ld-linux", 8))
        return kith_error_set(error, -ENOEXEC, "%s: it needs shared libraries, and the guest has none: it must be linked with -static",
                              path);
    flow_cpio_add_file(cpio, name, 0755, data, size);
    return 0;
}

static int add_request(struct flow_cpio *cpio, const struct flow_guest_options *options, const char *name, struct kith_error *error) {
    bool is_emulated = !options->accelerator || strcmp(options->accelerator, FLOW_MACHINE_EMULATION) == 0;
    char *text = NULL;
    size_t size = 0, count = FLOW_REQUEST_COMMAND + 1;
    FILE *file = open_memstream(&text, &size);
    if (!file)
        return kith_error_set(error, -ENOMEM, "no memory");
    fprintf(file, "%s%c", options->probes_only ? FLOW_REQUEST_PROBES : FLOW_REQUEST_FUNCTIONS, 0);
    fprintf(file, "%s%c",
            is_emulated ? "recorded in a guest under software emulation: durations are instructions, two nanoseconds each"
                        : "recorded in a guest",
            0);
    fprintf(file, "%s%c", options->scenario ? options->scenario : "", 0);
    if (!options->scenario)
        fprintf(file, "/%s%c", name, 0);
    for (char *const *word = options->words; !options->scenario && word && *word; word++, count++)
        fprintf(file, "%s%c", *word, 0);
    fclose(file);
    if (count <= FLOW_REQUEST_WORDS_MAX)
        flow_cpio_add_file(cpio, FLOW_REQUEST_FILE, 0644, text, size);
    free(text);
    return count <= FLOW_REQUEST_WORDS_MAX ? 0
                                           : kith_error_set(error, -E2BIG, "the command has more than %d words", FLOW_REQUEST_WORDS_MAX);
}

/* Their names say in which order they are loaded. */
static void add_modules(struct flow_cpio *cpio, const struct flow_modules *modules) {
    char name[64];

    for (size_t i = 0; i < modules->count; i++) {
        snprintf(name, sizeof(name), FLOW_REQUEST_MODULE, (unsigned)i);
        flow_cpio_add_file(cpio, name, 0644, modules->modules[i].data, modules->modules[i].size);
    }
}

static int fill(struct flow_cpio *cpio, const struct flow_guest_options *options, const struct flow_modules *modules,
                struct kith_error *error) {
    static const char *const folders[] = {"bin", "dev", "modules", "proc", "sys", "run", "tmp"};
    const char *base = strrchr(options->program, '/');
    char name[128];

    snprintf(name, sizeof(name), "bin/%s", base ? base + 1 : options->program);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(folders); i++)
        flow_cpio_add_folder(cpio, folders[i]);
    flow_cpio_add_device(cpio, "dev/console", 5, 1);
    int r = add_program(cpio, options->init, "init", error);
    if (r == 0)
        r = add_program(cpio, options->program, options->scenario ? FLOW_REQUEST_SCENARIO_PROGRAM : name, error);
    if (r == 0)
        r = add_request(cpio, options, name, error);
    add_modules(cpio, modules);
    if (r == 0 && flow_cpio_finish(cpio) < 0)
        r = kith_error_set(error, cpio->error, "the guest's file system cannot be made: %s", kith_error_name(cpio->error));
    return r;
}

static int write_file_system(const struct flow_guest_options *options, const struct flow_modules *modules, int fd,
                             struct kith_error *error) {
    _cleanup_(flow_cpio_deinit) struct flow_cpio cpio = {0};
    int r = fill(&cpio, options, modules, error);

    return r < 0 ? r : flow_machine_write(fd, cpio.data, cpio.size, error);
}

/* What comes back ------------------------------------------------------------------------------------------------------ */

/* The last lines that the kernel printed, as one. */
static int died(int console, struct kith_error *error) {
    _cleanup_(freep) char *text = NULL;
    size_t size = 0;

    lseek(console, 0, SEEK_SET);
    if (kith_fd_read(console, FILE_MAX_SIZE, &text, &size) < 0 || size == 0)
        return kith_error_set(error, -EIO, "the guest ended without a recording, and its kernel has printed nothing");
    while (size > 0 && strchr("\r\n ", text[size - 1]))
        text[--size] = '\0';
    char *last = text;
    for (size_t i = size, lines = 0; i > 0 && lines < 3; i--)
        if (text[i - 1] == '\n' && ++lines == 3)
            last = text + i;
    for (char *c = last; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = *c == '\n' ? '|' : ' ';
    return kith_error_set(error, -EIO, "the guest ended without a recording; its kernel's last words: %s", last);
}

static int take(const struct flow_machine *machine, int fd, struct kith_error *error) {
    _cleanup_(freep) char *data = NULL;
    struct flow_frame frame;
    size_t size = 0;

    lseek(machine->results, 0, SEEK_SET);
    int r = kith_fd_read(machine->results, SIZE_MAX, &data, &size);
    if (r == 0)
        r = flow_frame_read((const uint8_t *)data, size, &frame);
    if (r == -ENODATA)
        return died(machine->console, error);
    if (r < 0)
        return kith_error_set(error, r, "what the guest sent is broken: %s", kith_error_name(r));
    if (frame.type == FLOW_FRAME_FAILURE)
        return kith_error_set(error, -EPROTO, "%.*s", (int)frame.size, (const char *)frame.data);
    return flow_machine_write(fd, frame.data, frame.size, error);
}

/* What QEMU gets is in its own files: this memory is free again before it starts. */
static int write_machine(const struct flow_guest_options *options, const struct flow_machine *machine, struct kith_error *error) {
    _cleanup_(flow_kernel_deinit) struct flow_kernel kernel = FLOW_KERNEL_NONE;
    int r = flow_kernel_load(&kernel, options->kernel, options->modules, error);

    if (r == 0)
        r = flow_machine_write(machine->kernel, kernel.image, kernel.size, error);
    return r < 0 ? r : write_file_system(options, &kernel.modules, machine->file_system, error);
}

int flow_guest_record(const struct flow_guest_options *options, int fd, struct kith_error *ret_error) {
    _cleanup_(flow_machine_deinit) struct flow_machine machine = FLOW_MACHINE_NONE;
    const char *accelerator = options->accelerator ? options->accelerator : FLOW_MACHINE_EMULATION;
    int r = flow_machine_check(accelerator, ret_error);

    if (r == 0)
        r = flow_machine_init(&machine, ret_error);
    if (r == 0)
        r = write_machine(options, &machine, ret_error);
    if (r == 0)
        r = flow_machine_run(&machine, accelerator, options->seconds ? options->seconds : FLOW_GUEST_SECONDS, ret_error);
    return r < 0 ? r : take(&machine, fd, ret_error);
}
