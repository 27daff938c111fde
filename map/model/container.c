/* map/model/container.c: see container.h. */
#include <string.h>

#include "map/model/container.h"

#define ID_SIZE 64

/* A prefix of a path's part; what is behind it is the container's id (64 digits) or its name up to `end`. */
static const struct {
    const char *prefix, *end;
    bool id;
} forms[] = {
    {"docker-", ".scope", true},         /* Docker with systemd's cgroups */
    {"libpod-", ".scope", true},         /* Podman */
    {"cri-containerd-", ".scope", true}, /* Kubernetes on containerd */
    {"crio-", ".scope", true},           /* Kubernetes on CRI-O */
    {"", "", true},                      /* Docker and Kubernetes with cgroupfs: the id itself */
    {"lxc.payload.", "", false},         /* LXC */
    {"machine-", ".scope", false},       /* systemd-nspawn */
};

static bool ends_with(const char *part, size_t size, const char *end) {
    size_t length = strlen(end);
    return size >= length && memcmp(part + size - length, end, length) == 0;
}

static bool take_part(const char *part, size_t size, struct kith_text *text) {
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        size_t prefix = strlen(forms[i].prefix), end = strlen(forms[i].end);
        if (size <= prefix + end || memcmp(part, forms[i].prefix, prefix) != 0 || !ends_with(part, size, forms[i].end))
            continue;
        const char *name = part + prefix;
        size_t length = size - prefix - end;
        if (forms[i].id && (length != ID_SIZE || strspn(name, "0123456789abcdef") < ID_SIZE))
            continue;
        kith_text_put(text, name, forms[i].id ? MAP_CONTAINER_DIGITS : length);
        return true;
    }
    return false;
}

bool map_container_of_cgroup(const char *cgroup, struct kith_text *ret_text) {
    for (const char *part = cgroup; *part;) {
        size_t size = strcspn(part, "/");
        if (size > 0 && take_part(part, size, ret_text))
            return true;
        part += size;
        part += *part == '/';
    }
    return false;
}
