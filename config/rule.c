/*
 * config/rule.c: a rule section becomes a rule of the policy; set sections are what its values may name.
 *
 * Every option of a rule is in kith_config_rule_options: allow, deny and witness are the rule's own; user and group are names for values of
 * the conditions uid and gid; any other is a condition of kith/policy.h by that name. not_ in front of either negates it. A value "@NAME"
 * stands for what the set NAME has for that condition. Sets name only sets that stand before them, so there are no cycles.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "config/maker.h"

/* A set is looked for by its name, one after the other. */
#define SETS_MAX 1024
/* Sets in sets. */
#define DEPTH_MAX 8
/* A value of so many characters for key is a key: '@' is a digit of Z85. */
#define KEY_SIZE 40

/* clang-format off */
#define CONDITIONS(X) \
    X("uid") X("gid") X("user") X("group") X("pid") X("pattern") X("service") X("endpoint") X("address") \
    X("cid") X("destination") X("interface") X("ttl") X("tos") X("key") X("user_id") X("module") X("thread") \
    X("connector") X("exe") X("unit") X("cgroup") X("label") X("container") X("session") X("pid_namespace") \
    X("user_namespace") X("may_forge") X("topic") X("fds") X("fd_kind") X("size") X("time")
/* clang-format on */

#define RULE_OPTIONS(name) KITH_CONFIG_VALUES(name), KITH_CONFIG_VALUES("not_" name),
#define SET_OPTION(name) KITH_CONFIG_VALUES(name),

const cfg_opt_t kith_config_rule_options[] = {
    KITH_CONFIG_VALUES("allow"),
    KITH_CONFIG_VALUES("deny"),
    CONDITIONS(RULE_OPTIONS) KITH_CONFIG_VALUES("rate"),
    KITH_CONFIG_VALUE("witness"),
    CFG_END(),
};

const cfg_opt_t kith_config_set_options[] = {CONDITIONS(SET_OPTION) CFG_END()};

/* A section of a text, for the maker. */
struct source {
    struct kith_config_maker *maker;
    const char *name;
};

#define source_fail(source, code, line, ...) kith_config_maker_fail((source)->maker, (source)->name, code, line, __VA_ARGS__)

/* Sets ------------------------------------------------------------------------------------------------------------ */

/* Those before `below`. */
static size_t find_set(const struct kith_config_maker *maker, const char *name, size_t below) {
    size_t i = 0;
    while (i < below && strcmp(cfg_title(maker->sets[i].section), name) != 0)
        i++;
    return i;
}

int kith_config_maker_set(struct kith_config_maker *maker, cfg_t *section, const char *source_name) {
    const char *title = cfg_title(section);
    size_t there = find_set(maker, title, maker->set_count);

    if (title[0] == '\0' || title[0] == '@')
        return kith_config_maker_fail(maker, source_name, -EINVAL, (unsigned)section->line,
                                      "\"%.64s\" is no name for a set: begin it with another character than @", title);
    if (there < maker->set_count)
        return kith_config_maker_fail(maker, source_name, -EINVAL, (unsigned)section->line,
                                      "set \"%.64s\" is there already, in %s line %d: give each set a name of its own", title,
                                      maker->sets[there].source_name, maker->sets[there].section->line);
    if (maker->set_count == SETS_MAX)
        return kith_config_maker_fail(maker, source_name, -E2BIG, (unsigned)section->line, "more than %d sets: merge some", SETS_MAX);

    struct kith_config_set *sets = (struct kith_config_set *)reallocarray(maker->sets, maker->set_count + 1, sizeof(*sets));
    if (!sets)
        return kith_config_maker_fail(maker, source_name, -ENOMEM, (unsigned)section->line, "out of memory");
    maker->sets = sets;
    sets[maker->set_count++] = (struct kith_config_set){.section = section, .source_name = source_name};
    return 0;
}

/* Conditions ------------------------------------------------------------------------------------------------------ */

/* What an option of a rule or a set says its values are. */
struct option {
    enum kith_condition condition;
    bool negated;
    bool user, group; /* names, to be looked up */
};

/* False for the rule's own options. */
static bool read_option(const char *name, struct option *ret_option) {
    bool negated = strncmp(name, "not_", strlen("not_")) == 0;
    const char *condition = negated ? name + strlen("not_") : name;

    *ret_option = (struct option){.negated = negated, .user = strcmp(condition, "user") == 0, .group = strcmp(condition, "group") == 0};
    ret_option->condition = ret_option->group ? KITH_CONDITION_GID : KITH_CONDITION_UID;
    return ret_option->user || ret_option->group || kith_condition_parse(condition, &ret_option->condition) == 0;
}

/* A name becomes the number it stands for now. */
static int resolve(const struct source *source, const struct kith_config_value *value, bool group, char *number, size_t size) {
    const struct kith_config_names *names = source->maker->names;
    uid_t id = 0; /* gid_t is the same type */
    int r = group ? names->group(names->userdata, value->text, &id) : names->user(names->userdata, value->text, &id);

    if (r == -ENOENT)
        return source_fail(source, -EINVAL, value->line, "there is no %s \"%.64s\": correct the name, or write its number with %s",
                           group ? "group" : "user", value->text, group ? "gid" : "uid");
    if (r < 0)
        return source_fail(source, r, value->line, "%s \"%.64s\" cannot be looked up: %s", group ? "group" : "user", value->text,
                           kith_error_name(r));
    snprintf(number, size, "%u", id);
    return 0;
}

static int add_literal(const struct source *source, kith_policy_rule *rule, const struct option *option,
                       const struct kith_config_value *value) {
    int (*add)(kith_policy_rule *, enum kith_condition, const char *, struct kith_error *) =
        option->negated ? kith_policy_rule_add_not : kith_policy_rule_add;
    struct kith_error error = KITH_ERROR_NONE;
    char number[16];
    bool name = option->user || option->group;
    int r = name ? resolve(source, value, option->group, number, sizeof(number)) : 0;

    if (r < 0)
        return r;
    r = add(rule, option->condition, name ? number : value->text, &error);
    return r < 0 ? source_fail(source, r, value->line, "%s", error.text) : 0;
}

static bool is_set_name(const struct option *option, const char *text) {
    return text[0] == '@' && (option->condition != KITH_CONDITION_KEY || strlen(text) != KEY_SIZE);
}

/* What a value is read for. */
struct use {
    kith_policy_rule *rule;
    const struct option *option; /* of the rule */
    size_t below;                /* sets that may be named: those before this one */
    unsigned depth;
};

static int add_values(const struct source *source, const struct use *use, cfg_t *section, const char *name);

/* Adds what the set has for the condition. */
static int add_set(const struct source *source, const struct use *use, const struct kith_config_value *value) {
    struct kith_config_maker *maker = source->maker;
    size_t index = find_set(maker, value->text + 1, use->below);
    const struct kith_config_set *set;
    size_t count = 0;
    int r = 0;

    if (index == use->below)
        return source_fail(source, -EINVAL, value->line, "there is no set \"%.64s\" before this line: write set \"%.64s\" { ... } above",
                           value->text + 1, value->text + 1);
    if (use->depth == DEPTH_MAX)
        return source_fail(source, -EINVAL, value->line, "set \"%.64s\" is more than %d sets deep: write its values here", value->text + 1,
                           DEPTH_MAX);
    set = &maker->sets[index];
    const struct source inside = {.maker = maker, .name = set->source_name};
    const struct use next = {.rule = use->rule, .option = use->option, .below = index, .depth = use->depth + 1};
    for (const cfg_opt_t *row = kith_config_set_options; r == 0 && row->name; row++) {
        struct option option;
        if (!read_option(row->name, &option) || option.condition != use->option->condition)
            continue;
        count += kith_config_count(set->section, row->name);
        r = add_values(&inside, &next, set->section, row->name);
    }
    if (r == 0 && count == 0)
        return source_fail(source, -EINVAL, value->line, "set \"%.64s\" has no %s: give it some, or name another set", value->text + 1,
                           kith_condition_name(use->option->condition));
    return r;
}

/* The values of a section's option `name`, which is of the same condition as use->option. */
static int add_values(const struct source *source, const struct use *use, cfg_t *section, const char *name) {
    const struct kith_config_value *value;
    struct option option;
    int r = 0;

    read_option(name, &option);
    option.negated = use->option->negated;
    for (size_t i = 0; r == 0 && (value = kith_config_get(section, name, i)); i++)
        r = is_set_name(&option, value->text) ? add_set(source, use, value) : add_literal(source, use->rule, &option, value);
    return r;
}

/* Rules ----------------------------------------------------------------------------------------------------------- */

/* {"connect", "send"} or "*". Those that are named are governed from then on. */
static int read_verbs(const struct source *source, cfg_t *section, const char *option, unsigned *ret_verbs) {
    const struct kith_config_value *value;
    unsigned verbs = 0, named = 0;

    for (size_t i = 0; (value = kith_config_get(section, option, i)); i++) {
        enum kith_verb verb;
        if (strcmp(value->text, "*") == 0)
            verbs |= KITH_VERB_ALL;
        else if (kith_verb_parse(value->text, &verb) == 0)
            named |= (unsigned)verb;
        else
            return source_fail(source, -EINVAL, value->line,
                               "\"%.64s\" is nothing that could be done: %s connect, send, subscribe, receive, serve or \"*\"", value->text,
                               option);
    }
    *ret_verbs = verbs | named;
    return kith_policy_govern(source->maker->policy, named);
}

static int add_rule(const struct source *source, cfg_t *section, kith_policy_rule **ret_rule) {
    bool allow = kith_config_count(section, "allow") > 0;
    unsigned line = (unsigned)section->line, verbs = 0;
    struct kith_error error = KITH_ERROR_NONE;

    if (allow == (kith_config_count(section, "deny") > 0))
        return source_fail(source, -EINVAL, line, "rule \"%s\" has %s: give it exactly one of them", cfg_title(section),
                           allow ? "both allow and deny" : "neither allow nor deny");
    int r = read_verbs(source, section, allow ? "allow" : "deny", &verbs);
    if (r < 0)
        return r;
    r = kith_policy_add_rule(source->maker->policy, cfg_title(section), allow, verbs, ret_rule, &error);
    return r < 0 ? source_fail(source, r, line, "%s", error.text) : 0;
}

static int set_witness(const struct source *source, kith_policy_rule *rule, cfg_t *section) {
    const struct kith_config_value *value = kith_config_get(section, "witness", 0);
    enum kith_witness witness;

    if (value && (kith_witness_parse(value->text, &witness) < 0 || kith_policy_rule_set_witness(rule, witness) < 0))
        return source_fail(source, -EINVAL, value->line,
                           "\"%.64s\" is no witness to rely on: write inferred, key, kernel-connect or kernel-message", value->text);
    return 0;
}

int kith_config_maker_rule(struct kith_config_maker *maker, cfg_t *section, const char *source_name) {
    const struct source source = {.maker = maker, .name = source_name};
    kith_policy_rule *rule;
    int r = add_rule(&source, section, &rule);

    if (r == 0)
        r = set_witness(&source, rule, section);
    for (const cfg_opt_t *row = kith_config_rule_options; r == 0 && row->name; row++) {
        struct option option;
        const struct use use = {.rule = rule, .option = &option, .below = maker->set_count};
        if (read_option(row->name, &option))
            r = add_values(&source, &use, section, row->name);
    }
    return r;
}
