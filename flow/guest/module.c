/*
 * flow/guest/module.c: see module.h. What a module depends on stands in its section .modinfo, texts that each end in a NUL: "depends=A,B".
 * (modules.dep is made when a kernel is installed: a package has none.)
 */
#include "flow/guest/module.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow/guest/image.h"

#define DEPENDS "depends="

void flow_modules_deinit(struct flow_modules *modules) {
    for (size_t i = 0; i < modules->count; i++) {
        free(modules->modules[i].name);
        free(modules->modules[i].data);
    }
    *modules = (struct flow_modules){0};
}

/* The kernel takes '-' and '_' for the same. */
static bool is_name(const char *name, const char *word, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (name[i] != word[i] && !(strchr("-_", name[i]) && strchr("-_", word[i]) && name[i]))
            return false;
    return name[size] == '\0';
}

static struct flow_module *find(const struct flow_modules *modules, const char *word, size_t size) {
    for (size_t i = 0; i < modules->count; i++)
        if (is_name(modules->modules[i].name, word, size))
            return (struct flow_module *)&modules->modules[i];
    return NULL;
}

static int want(struct flow_modules *modules, const char *word, size_t size, bool is_optional) {
    if (size == 0 || find(modules, word, size))
        return 0;
    if (modules->count == FLOW_MODULES_MAX)
        return -E2BIG;
    char *name = strndup(word, size);
    if (!name)
        return -ENOMEM;
    modules->modules[modules->count++] = (struct flow_module){.name = name, .is_optional = is_optional};
    return 0;
}

int flow_modules_want(struct flow_modules *modules, const char *name, bool is_optional) {
    return want(modules, name, strlen(name), is_optional);
}

/* "net/ipv6/ipv6.ko.xz" is of ipv6. */
static struct flow_module *find_file(const struct flow_modules *modules, const char *path) {
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path, *end = strstr(file, ".ko");

    return end && (end[3] == '\0' || end[3] == '.') ? find(modules, file, (size_t)(end - file)) : NULL;
}

bool flow_modules_wants(const struct flow_modules *modules, const char *path) {
    const struct flow_module *module = find_file(modules, path);

    return module && !module->data;
}

/* The text behind "depends=", which ends within the data; or NULL. */
static const char *depends_of(const uint8_t *data, size_t size) {
    const uint8_t *found = memmem(data, size, "\0" DEPENDS, sizeof(DEPENDS));

    if (!found)
        return NULL;
    found += sizeof(DEPENDS);
    return memchr(found, '\0', size - (size_t)(found - data)) ? (const char *)found : NULL;
}

static int want_all(struct flow_modules *modules, const char *list) {
    int r = 0;

    for (size_t size; r == 0 && list && *list; list += size + (list[size] == ',')) {
        size = strcspn(list, ",");
        r = want(modules, list, size, false);
    }
    return r;
}

int flow_modules_add(struct flow_modules *modules, const char *path, const uint8_t *data, size_t size) {
    struct flow_module *module = find_file(modules, path);
    if (!module || module->data)
        return 0;
    int r = flow_image_unpack_data(data, size, &module->data, &module->size);
    return r < 0 ? r : want_all(modules, depends_of(module->data, module->size));
}

const char *flow_modules_missing(const struct flow_modules *modules, bool also_optional) {
    for (size_t i = 0; i < modules->count; i++)
        if (!modules->modules[i].data && (also_optional || !modules->modules[i].is_optional))
            return modules->modules[i].name;
    return NULL;
}

/* Does the module depend on one of those from `begin` on? */
static bool has_to_wait(const struct flow_modules *modules, const struct flow_module *module, size_t begin) {
    const char *list = depends_of(module->data, module->size);

    for (size_t size; list && *list; list += size + (list[size] == ',')) {
        size = strcspn(list, ",");
        const struct flow_module *other = find(modules, list, size);
        if (other && other != module && other >= &modules->modules[begin])
            return true;
    }
    return false;
}

void flow_modules_order(struct flow_modules *modules) {
    size_t found = 0;

    for (size_t i = 0; i < modules->count; i++) {
        struct flow_module module = modules->modules[i];
        if (!module.data)
            free(module.name);
        else
            modules->modules[found++] = module;
    }
    modules->count = found;
    for (size_t begin = 0; begin < found; begin++)
        for (size_t i = begin; i < found; i++)
            if (!has_to_wait(modules, &modules->modules[i], begin)) {
                struct flow_module first = modules->modules[i];
                modules->modules[i] = modules->modules[begin];
                modules->modules[begin] = first;
                break;
            }
}
