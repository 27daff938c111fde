/* policy/condition-kind.c: of what kind the descriptors of a message are. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "policy/condition.h"

static const char *const names[] = {"file", "directory", "socket", "pipe", "memfd", "device", "pidfd", "eventfd", "other"};

const char *kith_fd_kind_name(enum kith_fd_kind kind) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(names); i++)
        if ((unsigned)kind == 1u << i)
            return names[i];
    return "unknown";
}

int kith_fd_kind_parse(const char *name, enum kith_fd_kind *ret_kind) {
    for (size_t i = 0; name && ret_kind && i < KITH_ARRAY_SIZE(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_kind = (enum kith_fd_kind)(1u << i);
            return 0;
        }
    }
    return -EINVAL;
}

int kith_condition_kind_parse(const struct kith_condition_type *type, const char *text, struct kith_condition_value *ret_value,
                              struct kith_error *ret_error) {
    enum kith_fd_kind kind;
    if (kith_fd_kind_parse(text, &kind) < 0)
        return kith_error_set(
            ret_error, -EINVAL,
            "%s \"%.64s\" is no kind of descriptor: write file, directory, socket, pipe, memfd, device, pidfd, eventfd or "
            "other",
            type->name, text);
    ret_value->kind = (unsigned)kind;
    return 0;
}

void kith_condition_kind_put(const struct kith_condition_value *value, struct kith_text *text) {
    kith_text_puts(text, kith_fd_kind_name((enum kith_fd_kind)value->kind));
}

static void explain(const struct kith_condition_ask *ask, unsigned kinds) {
    const char *between = ask->any ? "no descriptor of " : "a descriptor of ";
    for (size_t i = 0; i < KITH_ARRAY_SIZE(names); i++) {
        if (kinds & 1u << i) {
            kith_text_puts(ask->why, between);
            kith_text_puts(ask->why, names[i]);
            between = ", ";
        }
    }
}

/* No descriptor at all is none of a kind, and all of every kind. */
enum kith_match kith_condition_kind_match(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                          const struct kith_condition_ask *ask) {
    unsigned kinds = ask->request->fd_kinds, accepted = 0;

    if (ask->request->fd_count > 0 && kinds == 0)
        return kith_condition_unknown(ask, type->name);
    for (size_t i = 0; i < values->count; i++)
        accepted |= values->values[i].kind;
    if (ask->any ? kinds & accepted : !(kinds & ~accepted))
        return KITH_MATCH_YES;

    if (ask->why && kinds == 0)
        kith_text_puts(ask->why, "no descriptor");
    else if (ask->why)
        explain(ask, ask->any ? kinds : kinds & ~accepted);
    return kith_condition_differs(type, values, ask);
}
