/*
 * flow/btf/prototype.c: a function's prototype as C writes it, and what its arguments tell of it.
 *
 * A type in C stands around its name: what comes before (`int (*`) and what comes behind (`)(void)`) are written by two functions that walk
 * the same way.
 */
#include <string.h>

#include "flow/btf/internal.h"

/* Types within types: BTF of the kernel has chains of six; a file may have circles. */
#define DEPTH_MAX 12

static void write_proto_arguments(const struct flow_btf *btf, const struct btf_type *proto, unsigned depth, struct kith_text *text);

static const struct btf_type *type_of(const struct flow_btf *btf, unsigned id) {
    return id ? btf__type_by_id(btf->types, id) : NULL;
}

static const char *name_of(const struct flow_btf *btf, const struct btf_type *type) {
    const char *name = btf__name_by_offset(btf->types, type->name_off);

    return name && *name ? name : "(anonymous)";
}

static bool is_wrapped(const struct btf_type *target) {
    return target && (btf_is_func_proto(target) || btf_is_array(target));
}

static void write_qualified(const struct flow_btf *btf, const struct btf_type *type, const char *word, unsigned depth,
                            struct kith_text *text);

static void write_before(const struct flow_btf *btf, unsigned id, unsigned depth, struct kith_text *text) {
    const struct btf_type *type = type_of(btf, id);

    if (!type || depth == DEPTH_MAX) {
        kith_text_puts(text, type ? "..." : "void");
        return;
    }
    switch (btf_kind(type)) {
    case BTF_KIND_PTR:
        write_before(btf, type->type, depth + 1, text);
        kith_text_puts(text, text->length > 0 && text->length < text->size && text->text[text->length - 1] == '*' ? "" : " ");
        kith_text_puts(text, is_wrapped(type_of(btf, type->type)) ? "(*" : "*");
        break;
    case BTF_KIND_CONST:
        write_qualified(btf, type, "const", depth, text);
        break;
    case BTF_KIND_VOLATILE:
        write_qualified(btf, type, "volatile", depth, text);
        break;
    case BTF_KIND_RESTRICT:
    case BTF_KIND_TYPE_TAG:
    case BTF_KIND_FUNC_PROTO:
        write_before(btf, type->type, depth + 1, text);
        break;
    case BTF_KIND_ARRAY:
        write_before(btf, btf_array(type)->type, depth + 1, text);
        break;
    default: {
        const char *tag = btf_is_struct(type) || (btf_is_fwd(type) && !btf_kflag(type)) ? "struct "
                          : btf_is_union(type) || btf_is_fwd(type)                      ? "union "
                          : btf_is_any_enum(type)                                       ? "enum "
                                                                                        : "";
        kith_text_puts(text, tag);
        kith_text_puts(text, name_of(btf, type));
    }
    }
}

/* In front of what is no pointer, behind the star of one. */
static void write_qualified(const struct flow_btf *btf, const struct btf_type *type, const char *word, unsigned depth,
                            struct kith_text *text) {
    const struct btf_type *target = type_of(btf, type->type);
    bool is_pointer = target && btf_is_ptr(target);

    if (!is_pointer) {
        kith_text_puts(text, word);
        kith_text_putc(text, ' ');
    }
    write_before(btf, type->type, depth + 1, text);
    if (is_pointer) {
        kith_text_putc(text, ' ');
        kith_text_puts(text, word);
    }
}

static void write_behind(const struct flow_btf *btf, unsigned id, unsigned depth, struct kith_text *text) {
    const struct btf_type *type = type_of(btf, id);

    if (!type || depth == DEPTH_MAX)
        return;
    if (btf_is_array(type)) {
        kith_text_printf(text, "[%u]", btf_array(type)->nelems);
        write_behind(btf, btf_array(type)->type, depth + 1, text);
    } else if (btf_is_func_proto(type)) {
        write_proto_arguments(btf, type, depth + 1, text);
        write_behind(btf, type->type, depth + 1, text);
    } else if (btf_is_ptr(type)) {
        if (is_wrapped(type_of(btf, type->type)))
            kith_text_putc(text, ')');
        write_behind(btf, type->type, depth + 1, text);
    } else if (btf_is_mod(type)) {
        write_behind(btf, type->type, depth + 1, text);
    }
}

static void write_declaration(const struct flow_btf *btf, unsigned id, const char *name, unsigned depth, struct kith_text *text) {
    write_before(btf, id, depth, text);
    bool sticks = text->length > 0 && text->length < text->size && text->text[text->length - 1] == '*';
    if (name && *name) {
        kith_text_puts(text, sticks ? "" : " ");
        kith_text_puts(text, name);
    }
    write_behind(btf, id, depth, text);
}

static void write_proto_arguments(const struct flow_btf *btf, const struct btf_type *proto, unsigned depth, struct kith_text *text) {
    const struct btf_param *param = btf_params(proto);
    unsigned count = btf_vlen(proto);

    kith_text_puts(text, count == 0 ? "(void" : "(");
    for (unsigned i = 0; i < count && depth < DEPTH_MAX; i++, param++) {
        kith_text_puts(text, i > 0 ? ", " : "");
        if (param->type == 0)
            kith_text_puts(text, "...");
        else
            write_declaration(btf, param->type, btf__name_by_offset(btf->types, param->name_off), depth + 1, text);
    }
    kith_text_putc(text, ')');
}

static void write_prototype(const struct flow_btf *btf, const struct btf_type *proto, const char *name, struct kith_text *text) {
    write_declaration(btf, proto->type, NULL, 0, text);
    bool sticks = text->length > 0 && text->length < text->size && text->text[text->length - 1] == '*';
    kith_text_puts(text, sticks ? "" : " ");
    kith_text_puts(text, name);
    write_proto_arguments(btf, proto, 0, text);
}

bool flow_btf_prototype(const struct flow_btf *btf, const char *name, size_t nth, struct kith_text *text) {
    size_t begin, end = flow_btf_find_all(btf, name, &begin);
    const struct btf_type *proto = begin + nth < end ? flow_btf_proto_of(btf, &btf->functions[begin + nth]) : NULL;

    if (proto)
        write_prototype(btf, proto, name, text);
    return proto != NULL;
}

/* What network code, and nothing else, is about. */
static const char *const network_structures[] = {
    "sock",
    "socket",
    "sk_buff",
    "request_sock",
    "msghdr",
    "flowi",
    "flowi4",
    "flowi6",
    "net_device",
    "dst_entry",
    "neighbour",
    "rtable",
    "rt6_info",
    "fib_result",
    "sockaddr",
    "sockaddr_in",
    "tcp_sock",
    "inet_sock",
    "unix_sock",
    "net",
    "sk_buff_head",
    "proto",
    "netlink_sock",
    "nlmsghdr",
    "napi_struct",
    "softnet_data",
    "inet_connection_sock",
    "inet_bind_bucket",
    "inet_hashinfo",
    "scm_cookie",
    "netdev_queue",
    "Qdisc",
};
static const char *const onlookers[] = {"security_", "apparmor_", "tomoyo_", "bpf_lsm_", "aa_", "selinux_", "smack_"};

static bool is_network_type(const struct flow_btf *btf, unsigned id) {
    for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
        const struct btf_type *type = type_of(btf, id);
        if (!type)
            return false;
        if (btf_is_struct(type) || (btf_is_fwd(type) && !btf_kflag(type))) {
            const char *name = name_of(btf, type);
            for (size_t i = 0; i < KITH_ARRAY_SIZE(network_structures); i++)
                if (strcmp(network_structures[i], name) == 0)
                    return true;
            return false;
        }
        if (!btf_is_ptr(type) && !btf_is_mod(type))
            return false;
        id = type->type;
    }
    return false;
}

bool flow_btf_is_network(const struct flow_btf *btf, const char *name) {
    const struct btf_type *proto = flow_btf_find_proto(btf, name);

    if (!proto)
        return false;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(onlookers); i++)
        if (strncmp(name, onlookers[i], strlen(onlookers[i])) == 0)
            return false;
    const struct btf_param *param = btf_params(proto);
    for (unsigned i = 0; i < btf_vlen(proto); i++)
        if (is_network_type(btf, param[i].type))
            return true;
    return false;
}
