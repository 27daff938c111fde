/*
 * flow/decode/files.c: in which source file a function is.
 *
 * By its name, from the table of Linux 6.1. net/ is one range of addresses, in which a file's functions lie together: so of several files
 * with a function of that name it is the one of a neighbour, and a name that the table does not have is in the file of both neighbours,
 * when that is one. What remains open has no file.
 */
#include <errno.h>
#include <stdlib.h>

#include "flow/decode/build.h"
#include "flow/decode/source-table.h"

#define NO_FILE UINT16_MAX

struct place {
    uint16_t file, before, after; /* those before and after: of the nearest function whose name has one file */
};

static bool is_of_net(uint16_t file) {
    return strncmp(flow_source_files[file], "net/", 4) == 0;
}

/* In net/ only net/'s files count. */
static void find_candidates(const struct flow_build *build, const struct flow_symbol *symbol,
                            struct flow_source_candidates *ret_candidates) {
    bool inside = flow_build_is_inside(build, symbol->address, symbol->module.size > 0);
    size_t kept = 0;

    flow_source_find(symbol->name, ret_candidates);
    for (size_t i = 0; i < ret_candidates->count; i++)
        if (!inside || is_of_net(ret_candidates->files[i]))
            ret_candidates->files[kept++] = ret_candidates->files[i];
    ret_candidates->count = kept;
    ret_candidates->elsewhere &= !inside || symbol->module.size > 0;
}

/* Module nf_tables is made of nf_tables.c, or of others; af_packet.c has '_' where a module's file may have '-'. */
static bool is_of_module(const char *file, struct flow_span module) {
    const char *base = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    size_t i = 0;

    while (i < module.size && (base[i] == module.text[i] || (base[i] == '-' && module.text[i] == '_')))
        i++;
    return i == module.size && strcmp(base + i, ".c") == 0;
}

static uint16_t decide_alone(const struct flow_symbol *symbol, const struct flow_source_candidates *candidates) {
    for (size_t i = 0; symbol->module.size > 0 && i < candidates->count; i++)
        if (is_of_module(flow_source_files[candidates->files[i]], symbol->module))
            return candidates->files[i];
    return candidates->count == 1 && !candidates->elsewhere ? candidates->files[0] : NO_FILE;
}

static uint16_t decide_by_neighbours(const struct place *place, const struct flow_source_candidates *candidates, bool inside) {
    bool before = false, after = false;

    for (size_t i = 0; i < candidates->count; i++) {
        before |= candidates->files[i] == place->before;
        after |= candidates->files[i] == place->after;
    }
    if (candidates->count == 0)
        before = after = inside;
    if (place->before == place->after)
        return before ? place->before : NO_FILE;
    return before == after ? NO_FILE : before ? place->before : place->after;
}

/* What stands alone is no neighbour: modules are not in the kernel's order. */
static void find_neighbours(const struct flow_build *build, struct place *places) {
    uint16_t last = NO_FILE;

    for (size_t i = 0; i < build->symbols.count; i++) {
        places[i].before = last;
        if (places[i].file != NO_FILE && build->symbols.items[i].module.size == 0)
            last = places[i].file;
    }
    last = NO_FILE;
    for (size_t i = build->symbols.count; i-- > 0;) {
        places[i].after = last;
        if (places[i].file != NO_FILE && build->symbols.items[i].module.size == 0)
            last = places[i].file;
    }
}

int flow_build_files(struct flow_build *build) {
    size_t count = build->symbols.count;
    struct place *places = malloc((count + 1) * sizeof(*places));
    struct flow_source_candidates candidates;

    if (!places)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        find_candidates(build, &build->symbols.items[i], &candidates);
        places[i].file = decide_alone(&build->symbols.items[i], &candidates);
    }
    find_neighbours(build, places);
    for (size_t i = 0; i < count; i++) {
        const struct flow_symbol *symbol = &build->symbols.items[i];
        uint32_t function = build->function_of[i];
        uint16_t file = places[i].file;
        if (function == FLOW_NONE)
            continue;
        if (file == NO_FILE && symbol->module.size == 0) {
            find_candidates(build, symbol, &candidates);
            file = decide_by_neighbours(&places[i], &candidates, flow_build_is_inside(build, symbol->address, false));
        }
        build->model->functions[function].file = file != NO_FILE ? flow_source_files[file] : NULL;
    }
    free(places);
    return 0;
}
