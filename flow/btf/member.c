/* flow/btf/member.c: where a member lies. */
#include <errno.h>
#include <string.h>

#include "flow/btf/internal.h"

/* Nameless members within each other; the kernel's own have three. */
#define DEPTH_MAX 16

static const struct btf_type *resolve(const struct flow_btf *btf, unsigned id) {
    int resolved = btf__resolve_type(btf->types, id);

    return resolved > 0 ? btf__type_by_id(btf->types, (unsigned)resolved) : NULL;
}

/* The member `name[0..size)`, in a structure or in a nameless member of it: bits from its beginning, or -ENOENT. */
static long find_member(const struct flow_btf *btf, const struct btf_type *type, const char *name, size_t size, unsigned depth,
                        const struct btf_type **ret_type) {
    if (!type || !btf_is_composite(type) || depth == DEPTH_MAX)
        return -ENOENT;
    const struct btf_member *member = btf_members(type);
    for (unsigned i = 0; i < btf_vlen(type); i++, member++) {
        const char *label = btf__name_by_offset(btf->types, member->name_off);
        long at = (long)btf_member_bit_offset(type, i), r = 0;
        if (label && *label) {
            if (strlen(label) != size || memcmp(label, name, size) != 0)
                continue;
            *ret_type = resolve(btf, member->type);
        } else {
            r = find_member(btf, resolve(btf, member->type), name, size, depth + 1, ret_type);
            if (r < 0)
                continue;
        }
        return at + r;
    }
    return -ENOENT;
}

int flow_btf_offset(const struct flow_btf *btf, const char *structure, const char *path) {
    int id = btf__find_by_name_kind(btf->types, structure, BTF_KIND_STRUCT);
    const struct btf_type *type = id > 0 ? btf__type_by_id(btf->types, (unsigned)id) : NULL;
    long bits = 0;

    for (;;) {
        size_t size = strcspn(path, ".");
        long r = find_member(btf, type, path, size, 0, &type);
        if (r < 0)
            return (int)r;
        bits += r;
        if (path[size] == '\0')
            break;
        path += size + 1;
    }
    return bits % 8 ? -EINVAL : (int)(bits / 8);
}
