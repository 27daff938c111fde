/*
 * config/policy.c: rule sections become a policy.
 *
 * Every option of a rule is in kith_config_rule_options: allow, deny and witness are the rule's own; user and group are names for values of
 * the conditions uid and gid; any other is a condition of kith/policy.h by that name. not_ in front of either negates it.
 */
#include <errno.h>
#include <kith/config.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "config/internal.h"

KITH_DEFINE_CLEANUP(kith_policy *, kith_policy_unref)

#define CONDITION(name) KITH_CONFIG_VALUES(name), KITH_CONFIG_VALUES("not_" name)

const cfg_opt_t kith_config_rule_options[] = {
    KITH_CONFIG_VALUES("allow"),
    KITH_CONFIG_VALUES("deny"),
    CONDITION("uid"),
    CONDITION("gid"),
    CONDITION("user"),
    CONDITION("group"),
    CONDITION("pid"),
    CONDITION("pattern"),
    CONDITION("service"),
    CONDITION("endpoint"),
    CONDITION("address"),
    CONDITION("cid"),
    CONDITION("destination"),
    CONDITION("interface"),
    CONDITION("ttl"),
    CONDITION("tos"),
    CONDITION("key"),
    CONDITION("module"),
    CONDITION("exe"),
    CONDITION("unit"),
    CONDITION("cgroup"),
    CONDITION("label"),
    CONDITION("topic"),
    CONDITION("fds"),
    CONDITION("fd_kind"),
    CONDITION("size"),
    CONDITION("time"),
    KITH_CONFIG_VALUES("rate"),
    KITH_CONFIG_VALUE("witness"),
    CFG_END(),
};

const cfg_opt_t kith_config_policy_options[] = {KITH_CONFIG_RULE_SECTION, CFG_END()};

/* What a rule is made from and for. */
struct maker {
    const char *source_name;
    const struct kith_config_names *names;
    kith_policy *policy;
    struct kith_error *error;
};

#define maker_fail(maker, code, line, ...) kith_config_error((maker)->error, code, (maker)->source_name, line, __VA_ARGS__)

/* {"connect", "send"} or "*". Those that are named are governed from then on. */
static int read_verbs(const struct maker *maker, cfg_t *section, const char *option, unsigned *ret_verbs) {
    const struct kith_config_value *value;
    unsigned verbs = 0, named = 0;

    for (size_t i = 0; (value = kith_config_get(section, option, i)); i++) {
        enum kith_verb verb;
        if (strcmp(value->text, "*") == 0)
            verbs |= KITH_VERB_ALL;
        else if (kith_verb_parse(value->text, &verb) == 0)
            named |= (unsigned)verb;
        else
            return maker_fail(maker, -EINVAL, value->line,
                              "\"%.64s\" is nothing that could be done: %s connect, send, subscribe, receive, serve or \"*\"", value->text,
                              option);
    }
    *ret_verbs = verbs | named;
    return kith_policy_govern(maker->policy, named);
}

static int add_rule(const struct maker *maker, cfg_t *section, kith_policy_rule **ret_rule) {
    bool allow = kith_config_count(section, "allow") > 0;
    unsigned line = (unsigned)section->line, verbs = 0;
    struct kith_error error = KITH_ERROR_NONE;

    if (allow == (kith_config_count(section, "deny") > 0))
        return maker_fail(maker, -EINVAL, line, "rule \"%s\" has %s: give it exactly one of them", cfg_title(section),
                          allow ? "both allow and deny" : "neither allow nor deny");
    int r = read_verbs(maker, section, allow ? "allow" : "deny", &verbs);
    if (r < 0)
        return r;
    r = kith_policy_add_rule(maker->policy, cfg_title(section), allow, verbs, ret_rule, &error);
    return r < 0 ? maker_fail(maker, r, line, "%s", error.text) : 0;
}

/* A name becomes the number it stands for now. */
static int resolve(const struct maker *maker, const struct kith_config_value *value, bool group, char *number, size_t size) {
    uid_t id = 0; /* gid_t is the same type */
    int r = group ? maker->names->group(maker->names->userdata, value->text, &id)
                  : maker->names->user(maker->names->userdata, value->text, &id);

    if (r == -ENOENT)
        return maker_fail(maker, -EINVAL, value->line, "there is no %s \"%.64s\": correct the name, or write its number with %s",
                          group ? "group" : "user", value->text, group ? "gid" : "uid");
    if (r < 0)
        return maker_fail(maker, r, value->line, "%s \"%.64s\" cannot be looked up: %s", group ? "group" : "user", value->text,
                          kith_error_name(r));
    snprintf(number, size, "%u", id);
    return 0;
}

/* What an option of a rule says a condition's values are. */
struct condition_option {
    enum kith_condition condition;
    bool negated;
    bool user, group; /* names, to be looked up */
};

/* False for the rule's own options. */
static bool read_option(const char *option, struct condition_option *ret_option) {
    bool negated = strncmp(option, "not_", strlen("not_")) == 0;
    const char *name = negated ? option + strlen("not_") : option;

    *ret_option = (struct condition_option){.negated = negated, .user = strcmp(name, "user") == 0, .group = strcmp(name, "group") == 0};
    ret_option->condition = ret_option->group ? KITH_CONDITION_GID : KITH_CONDITION_UID;
    return ret_option->user || ret_option->group || kith_condition_parse(name, &ret_option->condition) == 0;
}

static int add_value(const struct maker *maker, kith_policy_rule *rule, const struct condition_option *option,
                     const struct kith_config_value *value) {
    int (*add)(kith_policy_rule *, enum kith_condition, const char *, struct kith_error *) =
        option->negated ? kith_policy_rule_add_not : kith_policy_rule_add;
    struct kith_error error = KITH_ERROR_NONE;
    char number[16];
    bool name = option->user || option->group;
    int r = name ? resolve(maker, value, option->group, number, sizeof(number)) : 0;

    if (r < 0)
        return r;
    r = add(rule, option->condition, name ? number : value->text, &error);
    return r < 0 ? maker_fail(maker, r, value->line, "%s", error.text) : 0;
}

static int add_condition(const struct maker *maker, kith_policy_rule *rule, cfg_t *section, const char *name) {
    const struct kith_config_value *value;
    struct condition_option option;
    int r = 0;

    if (!read_option(name, &option))
        return 0;
    for (size_t i = 0; r == 0 && (value = kith_config_get(section, name, i)); i++)
        r = add_value(maker, rule, &option, value);
    return r;
}

static int set_witness(const struct maker *maker, kith_policy_rule *rule, cfg_t *section) {
    const struct kith_config_value *value = kith_config_get(section, "witness", 0);
    enum kith_witness witness;

    if (value && (kith_witness_parse(value->text, &witness) < 0 || kith_policy_rule_set_witness(rule, witness) < 0))
        return maker_fail(maker, -EINVAL, value->line,
                          "\"%.64s\" is no witness to rely on: write inferred, key, kernel-connect or kernel-message", value->text);
    return 0;
}

static int make_rule(const struct maker *maker, cfg_t *section) {
    kith_policy_rule *rule;
    int r = add_rule(maker, section, &rule);

    if (r == 0)
        r = set_witness(maker, rule, section);
    for (const cfg_opt_t *option = kith_config_rule_options; r == 0 && option->name; option++)
        r = add_condition(maker, rule, section, option->name);
    return r;
}

int kith_config_policy_from_section_names(cfg_t *section, const char *source_name, const struct kith_config_names *names,
                                          kith_policy **ret_policy, struct kith_error *ret_error) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = NULL;
    int r = kith_policy_new(&policy);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: %s", source_name, kith_error_name(r));

    const struct maker maker = {.source_name = source_name, .names = names, .policy = policy, .error = ret_error};
    for (unsigned i = 0; i < cfg_size(section, "rule"); i++) {
        r = make_rule(&maker, cfg_getnsec(section, "rule", i));
        if (r < 0)
            return r;
    }
    *ret_policy = KITH_STEAL(policy);
    return 0;
}

int kith_config_policy_from_section(cfg_t *section, const char *source_name, kith_policy **ret_policy, struct kith_error *ret_error) {
    return kith_config_policy_from_section_names(section, source_name, &kith_config_system_names, ret_policy, ret_error);
}

int kith_config_policy_parse_names(const char *text, size_t size, const char *name, const struct kith_config_names *names,
                                   kith_policy **ret_policy, struct kith_error *ret_error) {
    _cleanup_(kith_config_freep) cfg_t *cfg = NULL;
    int r = kith_config_parse_text(text, size, name, kith_config_policy_options, &cfg, ret_error);

    return r < 0 ? r : kith_config_policy_from_section_names(cfg, name, names, ret_policy, ret_error);
}

int kith_config_policy_parse(const char *text, size_t size, const char *name, kith_policy **ret_policy, struct kith_error *ret_error) {
    if ((!text && size > 0) || !name || !ret_policy)
        return kith_error_set(ret_error, -EINVAL, "a policy needs a text and a name for it");
    return kith_config_policy_parse_names(text, size, name, &kith_config_system_names, ret_policy, ret_error);
}

int kith_config_policy_load(const char *path, kith_policy **ret_policy, struct kith_error *ret_error) {
    char *text;
    size_t size;

    if (!path || !ret_policy)
        return kith_error_set(ret_error, -EINVAL, "a policy file needs a path");
    int r = kith_config_read_file(path, &text, &size, ret_error);
    if (r < 0)
        return r;
    r = kith_config_policy_parse(text, size, path, ret_policy, ret_error);
    free(text);
    return r;
}
