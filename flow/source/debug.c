/*
 * flow/source/debug.c: files and lines of functions from DWARF, by libdw.
 *
 * A name alone says little: static functions share names, and another kernel has the same ones. So a function counts when it lies where the
 * debug symbols say, moved by the one distance (KASLR) by which most functions are.
 */
#include "flow/source/source.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "flow/decode/source-table.h"
#include "flow/decode/texts.h"

struct candidate {
    size_t function;
    uint64_t moved; /* the recording's address less that of the symbols */
    const char *file;
    unsigned line;
};

struct search {
    struct flow_model *model;
    struct flow_texts *texts;
    struct candidate *candidates;
    size_t count, room;
    bool is_module; /* a file of a module: its addresses begin at 0 in each section */
    int error;
};

static bool is_name(const struct flow_function *function, const char *name) {
    struct flow_span plain = flow_source_plain_name((struct flow_span){function->name, strlen(function->name)});

    return strcmp(function->name, name) == 0 || (plain.size == strlen(name) && memcmp(plain.text, name, plain.size) == 0);
}

/* "/build/linux/./net/socket.c" of "/build/linux": "net/socket.c". */
static const char *below(const char *path, const char *directory) {
    size_t size = directory ? strlen(directory) : 0;

    if (size > 0 && strncmp(path, directory, size) == 0 && path[size] == '/')
        path += size + 1;
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    return path;
}

/* libdw takes the number 0 for no file, but from DWARF 5 on it is the unit's own: 6.2.4.1. */
static const char *file_of(Dwarf_Die *unit, Dwarf_Die *die) {
    const char *path = dwarf_decl_file(die);
    Dwarf_Attribute attribute;
    Dwarf_Half version = 0;
    Dwarf_Word number;

    if (path || dwarf_formudata(dwarf_attr_integrate(die, DW_AT_decl_file, &attribute), &number) != 0 || number != 0 ||
        dwarf_cu_info(unit->cu, &version, NULL, NULL, NULL, NULL, NULL, NULL) != 0 || version < 5)
        return path;
    return dwarf_diename(unit);
}

static void add(struct search *search, size_t function, Dwarf_Die *unit, Dwarf_Die *die, const char *directory) {
    Dwarf_Addr address;
    int line;
    const char *path = file_of(unit, die);

    if (dwarf_entrypc(die, &address) != 0 || dwarf_decl_line(die, &line) != 0 || !path || line <= 0)
        return;
    if (search->count == search->room) {
        size_t room = search->room > 0 ? search->room * 2 : 256;
        struct candidate *candidates = reallocarray(search->candidates, room, sizeof(*candidates));
        if (!candidates) {
            search->error = -ENOMEM;
            return;
        }
        search->candidates = candidates;
        search->room = room;
    }
    path = below(path, directory);
    char *file = flow_texts_add(&search->texts, path, strlen(path));
    if (!file)
        search->error = -ENOMEM;
    else
        search->candidates[search->count++] =
            (struct candidate){function, search->model->functions[function].address - address, file, (unsigned)line};
}

/* The functions of one compilation unit, which are its own children. */
static void look_in(struct search *search, Dwarf_Die *unit) {
    Dwarf_Attribute attribute;
    const char *directory = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));
    Dwarf_Die die;

    if (dwarf_child(unit, &die) != 0)
        return;
    do {
        const char *name = dwarf_tag(&die) == DW_TAG_subprogram ? dwarf_diename(&die) : NULL;
        for (size_t i = 0; name && search->error == 0 && i < search->model->function_count; i++) {
            const struct flow_function *function = &search->model->functions[i];
            if ((function->module != NULL) == search->is_module && is_name(function, name))
                add(search, i, unit, &die, directory);
        }
    } while (search->error == 0 && dwarf_siblingof(&die, &die) == 0);
}

static int by_distance(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    return x->moved < y->moved ? -1 : x->moved > y->moved;
}

/* Takes those that lie where they should; returns for how many functions that is so. */
static size_t take(struct search *search) {
    size_t best = 0, best_count = 0, taken = 0;

    if (search->count > 0)
        qsort(search->candidates, search->count, sizeof(*search->candidates), by_distance);
    for (size_t i = 0, first = 0; i < search->count; i++) {
        if (search->candidates[i].moved != search->candidates[first].moved)
            first = i;
        if (i - first + 1 > best_count) {
            best_count = i - first + 1;
            best = first;
        }
    }
    for (size_t i = search->is_module ? 0 : best; i < (search->is_module ? search->count : best + best_count); i++) {
        struct flow_function *function = &search->model->functions[search->candidates[i].function];
        taken += function->line == 0;
        function->file = search->candidates[i].file;
        function->line = search->candidates[i].line;
    }
    return taken;
}

static size_t functions_met(const struct search *search) {
    size_t met = 0;
    uint8_t *seen = calloc(search->model->function_count + 1, 1);

    for (size_t i = 0; seen && i < search->count; i++) {
        met += !seen[search->candidates[i].function];
        seen[search->candidates[i].function] = 1;
    }
    free(seen);
    return met;
}

static int add_note(struct search *search, const char *path, size_t found) {
    struct flow_model *model = search->model;
    struct flow_note *notes = reallocarray(model->notes, model->note_count + 1, sizeof(*notes));

    if (!notes)
        return -ENOMEM;
    model->notes = notes;
    const char *text =
        flow_texts_printf(&search->texts, "Files and lines are those of the debug symbols in %.200s: found for %zu of %zu functions.", path,
                          found, model->function_count);
    if (!text)
        return -ENOMEM;
    notes[model->note_count++] = (struct flow_note){.text = text};
    return 0;
}

static int look_in_all(struct search *search, Dwarf *dwarf) {
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;
    GElf_Ehdr header;

    search->is_module = gelf_getehdr(dwarf_getelf(dwarf), &header) && header.e_type == ET_REL;
    while (search->error == 0 && dwarf_get_units(dwarf, unit, &unit, NULL, NULL, &die, NULL) == 0)
        if (dwarf_tag(&die) == DW_TAG_compile_unit)
            look_in(search, &die);
    return search->error;
}

int flow_source_add_debug(struct flow_model *model, const char *path, struct kith_error *ret_error) {
    _cleanup_(kith_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct search search = {.model = model, .texts = model->memory};

    if (fd < 0)
        return kith_error_set(ret_error, -errno, "%s: %s", path, kith_error_name(-errno));
    Dwarf *dwarf = dwarf_begin(fd, DWARF_C_READ);
    if (!dwarf)
        return kith_error_set(ret_error, -EINVAL, "%s: no debug symbols: %s", path, dwarf_errmsg(-1));
    int r = look_in_all(&search, dwarf);
    size_t met = functions_met(&search), found = r == 0 ? take(&search) : 0;
    if (r == 0 && !search.is_module && found * 2 < met) {
        kith_error_set(ret_error, -EINVAL, "%s: debug symbols of another kernel: of %zu functions %zu lie where they should", path, met,
                       found);
        r = -EINVAL;
    } else if (r == 0) {
        r = add_note(&search, path, found);
    }
    if (r == -ENOMEM)
        kith_error_set(ret_error, r, "%s", kith_error_name(r));
    dwarf_end(dwarf);
    free(search.candidates);
    model->memory = search.texts;
    return r;
}
