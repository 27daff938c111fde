/* flow/source/source.c: one file after the other is read and scanned. */
#include "flow/source/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/fd.h"
#include "flow/decode/source-table.h"
#include "flow/decode/texts.h"
#include "flow/source/scan.h"

#define FILE_MAX ((size_t)16 * 1024 * 1024)

struct search {
    struct flow_model *model;
    const char *file;
};

static void take(void *userdata, struct flow_span name, bool is_call, unsigned line) {
    struct search *search = userdata;

    for (size_t i = 0; i < search->model->function_count; i++) {
        struct flow_function *function = &search->model->functions[i];
        if (!function->file || function->line > 0 || strcmp(function->file, search->file) != 0)
            continue;
        struct flow_span plain = flow_source_plain_name((struct flow_span){function->name, strlen(function->name)});
        if (is_call && flow_span_begins(plain, "sys_"))
            plain = (struct flow_span){plain.text + 4, plain.size - 4};
        else if (is_call)
            continue;
        if (plain.size == name.size && memcmp(plain.text, name.text, name.size) == 0)
            function->line = line;
    }
}

static void scan_file(struct flow_model *model, int directory, const char *file) {
    _cleanup_(freep) char *text = NULL;
    struct search search = {model, file};
    size_t size;

    if (kith_file_read(directory, file, FILE_MAX, &text, &size) == 0)
        flow_scan((struct flow_span){text, size}, take, &search);
}

/* Files that several functions are in are read once. */
static void scan_files(struct flow_model *model, int directory) {
    for (size_t i = 0; i < model->function_count; i++) {
        const char *file = model->functions[i].file;
        size_t k = 0;
        while (file && k < i && (!model->functions[k].file || strcmp(model->functions[k].file, file) != 0))
            k++;
        if (file && k == i)
            scan_file(model, directory, file);
    }
}

/* VERSION, PATCHLEVEL and SUBLEVEL of the tree's Makefile. */
static bool read_version(int directory, unsigned version[3]) {
    static const char *const names[] = {"\nVERSION = ", "\nPATCHLEVEL = ", "\nSUBLEVEL = "};
    _cleanup_(freep) char *text = NULL;

    if (kith_file_read(directory, "Makefile", FILE_MAX, &text, NULL) < 0)
        return false;
    for (size_t i = 0; i < 3; i++) {
        const char *line = strstr(text, names[i]);
        if (!line)
            return false;
        version[i] = (unsigned)strtoul(line + strlen(names[i]), NULL, 10);
    }
    return true;
}

static int add_note(struct flow_model *model, const char *directory, const unsigned version[3]) {
    struct flow_note *notes = reallocarray(model->notes, model->note_count + 1, sizeof(*notes));
    struct flow_texts *texts = model->memory;
    size_t found = 0;

    if (!notes)
        return -ENOMEM;
    model->notes = notes;
    for (size_t i = 0; i < model->function_count; i++)
        found += model->functions[i].line > 0;
    const char *text = flow_texts_printf(&texts, "Lines are those of %.200s, Linux %u.%u.%u: found for %zu of %zu functions.", directory,
                                         version[0], version[1], version[2], found, model->function_count);
    model->memory = texts;
    if (!text)
        return -ENOMEM;
    notes[model->note_count++] = (struct flow_note){.text = text};
    return 0;
}

int flow_source_add_lines(struct flow_model *model, const char *directory, struct kith_error *ret_error) {
    _cleanup_(kith_closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    unsigned version[3], major = 0, minor = 0;

    if (fd < 0)
        return kith_error_set(ret_error, -EINVAL, "%s: %s", directory, kith_error_name(-errno));
    if (!read_version(fd, version))
        return kith_error_set(ret_error, -EINVAL, "%s: no source tree of a kernel: its Makefile names no version", directory);
    if (!model->kernel || sscanf(model->kernel, "%u.%u", &major, &minor) != 2 || major != version[0] || minor != version[1])
        return kith_error_set(ret_error, -EINVAL, "%s: the source of Linux %u.%u, but the recording is of %s", directory, version[0],
                              version[1], model->kernel ? model->kernel : "an unknown one");
    scan_files(model, fd);
    int r = add_note(model, directory, version);
    return r < 0 ? kith_error_set(ret_error, r, "%s", kith_error_name(r)) : 0;
}
