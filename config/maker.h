/*
 * config/maker.h: a policy while it is made from text, and the sets that its rules may name.
 *
 * The policy may come from several texts, each of which stays parsed until the policy is made, since sets are values in them.
 */
#ifndef KITH_CONFIG_MAKER_H
#define KITH_CONFIG_MAKER_H

#include <stdbool.h>
#include <stddef.h>

#include "config/internal.h"

/* One set "NAME" { ... }. */
struct kith_config_set {
    cfg_t *section;
    const char *source_name;
};

/* What a policy is made from and for. */
struct kith_config_maker {
    const struct kith_config_names *names;
    kith_policy *policy;
    struct kith_config_set *sets; /* in the order in which they stand; a set names those before it */
    size_t set_count;
    const char *default_source; /* which text gave the default; NULL: none so far */
    struct kith_error *error;
};

#define kith_config_maker_fail(maker, source_name, code, line, ...) kith_config_error((maker)->error, code, source_name, line, __VA_ARGS__)

/* Notes a set. Errors: -EINVAL (the name is taken, or cannot be used), -E2BIG, -ENOMEM; with text. */
int kith_config_maker_set(struct kith_config_maker *maker, cfg_t *section, const char *source_name);
/* Appends the rule that the section describes. */
int kith_config_maker_rule(struct kith_config_maker *maker, cfg_t *section, const char *source_name);

#endif
