/* cli/policy.c: kith policy: is a policy file right, and what does it decide? */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include <kith/config.h>

#include "base/error.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/output.h"
#include "gateway/cleanup.h"

/* NGROUPS_MAX of the kernel is 65536; a test does not need them all. */
#define GROUPS_MAX 1024

struct test {
    const char *file;
    unsigned verbs;
    bool json;
    const char *user;
    int64_t pid, uid, gid; /* -1: not given */
    gid_t groups[GROUPS_MAX];
    size_t group_count;
    bool has_groups;
    const char *texts[KITH_FACT_COUNT_]; /* NULL: not given */
    enum kith_witness witness;
};

enum { KEY_VERB = KITH_FACT_COUNT_, KEY_USER, KEY_WITNESS, KEY_JSON }; /* below: the fact that is given */

static const struct cli_option options[] = {
    {KEY_VERB, "verb", 0, "VERB", "what is asked for: connect or send (both, one after the other)"},
    {KITH_FACT_PID, "pid", 0, "PID", "a process; alone: the running one, with all that is known of it"},
    {KITH_FACT_UID, "uid", 0, "UID", "a user, by number"},
    {KITH_FACT_GID, "gid", 0, "GID", "a group, by number"},
    {KITH_FACT_GROUPS, "groups", 0, "GID,...", "supplementary groups, by number"},
    {KEY_USER, "user", 0, "NAME", "uid, gid and groups of this user"},
    {KITH_FACT_EXE, "exe", 0, "PATH", "the program"},
    {KITH_FACT_UNIT, "unit", 0, "UNIT", "the systemd unit"},
    {KITH_FACT_CGROUP, "cgroup", 0, "PATH", "the cgroup"},
    {KITH_FACT_LABEL, "label", 0, "LABEL", "the security label"},
    {KEY_WITNESS, "witness", 0, "WITNESS", "who vouches for these facts (kernel-message)"},
    {KEY_JSON, "json", 0, NULL, "print a JSON object a verb"},
    {0},
};

/* Options ------------------------------------------------------------------------------------------------------------ */

static int take_groups(struct test *test, const char *value) {
    char copy[16 * GROUPS_MAX];
    if (strlen(value) >= sizeof(copy)) {
        cli_error("--groups: more than %d groups", GROUPS_MAX);
        return CLI_USAGE;
    }
    strcpy(copy, value); /* its size was looked at */
    test->has_groups = true;
    test->group_count = 0;
    char *rest = copy;
    for (char *word = strsep(&rest, ","); word && *word; word = strsep(&rest, ",")) {
        int64_t gid;
        int status = cli_number("--groups", word, 0, UINT32_MAX - 1, &gid);
        if (status != 0)
            return status;
        if (test->group_count == GROUPS_MAX) {
            cli_error("--groups: more than %d groups", GROUPS_MAX);
            return CLI_USAGE;
        }
        test->groups[test->group_count++] = (gid_t)gid;
    }
    return 0;
}

static int take_option(void *state, int key, const char *value) {
    struct test *test = state;
    enum kith_verb verb;
    switch (key) {
    case KITH_FACT_PID:
        return cli_number("--pid", value, 1, INT32_MAX, &test->pid);
    case KITH_FACT_UID:
        return cli_number("--uid", value, 0, UINT32_MAX - 1, &test->uid);
    case KITH_FACT_GID:
        return cli_number("--gid", value, 0, UINT32_MAX - 1, &test->gid);
    case KITH_FACT_GROUPS:
        return take_groups(test, value);
    case KEY_USER:
        test->user = value;
        return 0;
    case KEY_JSON:
        test->json = true;
        return 0;
    case KEY_VERB:
        if (kith_verb_parse(value, &verb) < 0) {
            cli_error("--verb: '%s' is nothing a policy decides: connect or send", value);
            return CLI_USAGE;
        }
        test->verbs = (unsigned)verb;
        return 0;
    case KEY_WITNESS:
        if (kith_witness_parse(value, &test->witness) < 0 || test->witness == KITH_WITNESS_NONE) {
            cli_error("--witness: '%s' is none: kernel-message, kernel-connect, key, inferred or claimed", value);
            return CLI_USAGE;
        }
        return 0;
    default:
        test->texts[key] = value;
        return 0;
    }
}

/* The origin ----------------------------------------------------------------------------------------------------------- */

/* Only --pid: the running process is meant. */
static bool is_running_process(const struct test *test) {
    for (size_t i = 0; i < KITH_FACT_COUNT_; i++)
        if (test->texts[i])
            return false;
    return test->pid >= 0 && test->uid < 0 && test->gid < 0 && !test->has_groups && !test->user;
}

/* What is given by number stays. */
static int look_up_user(struct test *test, struct kith_error *error) {
    errno = 0;
    const struct passwd *user = getpwnam(test->user);
    if (!user)
        return kith_error_set(error, -ENOENT, "--user: there is no user '%s' here%s%s", test->user, errno ? ": " : "",
                              errno ? kith_error_name(-errno) : "");
    if (test->uid < 0)
        test->uid = user->pw_uid;
    if (!test->has_groups) {
        int count = GROUPS_MAX;
        if (getgrouplist(test->user, user->pw_gid, test->groups, &count) < 0)
            return kith_error_set(error, -E2BIG, "--user: '%s' is in more than %d groups", test->user, GROUPS_MAX);
        test->group_count = (size_t)count;
        test->has_groups = true;
    }
    if (test->gid < 0)
        test->gid = user->pw_gid;
    return 0;
}

static int set_facts(const struct test *test, kith_origin *origin) {
    const struct {
        enum kith_fact fact;
        int64_t value;
    } numbers[] = {{KITH_FACT_PID, test->pid}, {KITH_FACT_UID, test->uid}, {KITH_FACT_GID, test->gid}};
    int r = 0;
    for (size_t i = 0; r >= 0 && i < KITH_ARRAY_SIZE(numbers); i++)
        if (numbers[i].value >= 0)
            r = kith_origin_set_number(origin, numbers[i].fact, (uint64_t)numbers[i].value, test->witness);
    if (r >= 0 && test->has_groups)
        r = kith_origin_set_groups(origin, test->groups, test->group_count, test->witness);
    for (size_t i = 0; r >= 0 && i < KITH_FACT_COUNT_; i++)
        if (test->texts[i])
            r = kith_origin_set_text(origin, (enum kith_fact)i, test->texts[i], test->witness);
    return r;
}

static int make_origin(struct test *test, kith_origin **ret_origin, struct kith_error *error) {
    if (is_running_process(test))
        return kith_origin_of_pid((pid_t)test->pid, ret_origin, error);
    int r = test->user ? look_up_user(test, error) : 0;
    if (r < 0)
        return r;
    _cleanup_(kith_origin_unrefp) kith_origin *origin = NULL;
    r = kith_origin_new(&origin);
    if (r >= 0)
        r = set_facts(test, origin);
    if (r < 0)
        return kith_error_set(error, r, "the facts make no origin: %s", kith_error_name(r));
    *ret_origin = KITH_STEAL(origin);
    return 0;
}

/* Verdicts ----------------------------------------------------------------------------------------------------------- */

/* Rules that were looked at: all up to the one that decided. */
static size_t rules_looked_at(const kith_policy *policy, const struct kith_verdict *verdict) {
    return verdict->rule >= 0 ? (size_t)verdict->rule + 1 : kith_policy_rule_count(policy);
}

static int print_text(const struct test *test, const kith_policy *policy, enum kith_verb verb, kith_origin *origin) {
    struct kith_verdict verdict = kith_policy_decide(policy, verb, origin);
    int r;
    if (verdict.rule >= 0)
        r = cli_print("%s: %s by rule \"%s\"\n", kith_verb_name(verb), verdict.allow ? "allowed" : "denied", verdict.rule_name);
    else
        r = cli_print("%s: denied, because no rule applies\n", kith_verb_name(verb));
    for (size_t i = 0; r >= 0 && i < rules_looked_at(policy, &verdict); i++) {
        char why[512];
        kith_policy_explain(policy, i, verb, origin, why, sizeof(why));
        r = cli_print("  rule \"%s\" (%s): %s\n", kith_policy_rule_name(policy, i), kith_policy_rule_allows(policy, i) ? "allow" : "deny",
                      why);
    }
    return r;
}

static json_t *rules_json(const kith_policy *policy, enum kith_verb verb, kith_origin *origin, const struct kith_verdict *verdict) {
    json_t *rules = json_array();
    for (size_t i = 0; rules && i < rules_looked_at(policy, verdict); i++) {
        char why[512];
        kith_policy_explain(policy, i, verb, origin, why, sizeof(why));
        json_array_append_new(rules, json_pack("{s:s, s:b, s:s}", "name", kith_policy_rule_name(policy, i), "allow",
                                               (int)kith_policy_rule_allows(policy, i), "why", why));
    }
    return rules;
}

static int print_json(const kith_policy *policy, enum kith_verb verb, kith_origin *origin) {
    struct kith_verdict verdict = kith_policy_decide(policy, verb, origin);
    json_auto_t *line = json_pack("{s:s, s:b, s:s?, s:o}", "verb", kith_verb_name(verb), "allow", (int)verdict.allow, "rule",
                                  verdict.rule >= 0 ? verdict.rule_name : NULL, "rules", rules_json(policy, verb, origin, &verdict));
    int r = line ? cli_json_add_origin(line, origin) : -ENOMEM;
    return r < 0 ? r : cli_json_print(line);
}

static int test_policy(struct test *test) {
    static const enum kith_verb verbs[] = {KITH_VERB_CONNECT, KITH_VERB_SEND};
    _cleanup_(kith_policy_unrefp) kith_policy *policy = NULL;
    _cleanup_(kith_origin_unrefp) kith_origin *origin = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    if (kith_config_policy_load(test->file, &policy, &error) < 0 || make_origin(test, &origin, &error) < 0)
        return cli_fail(&error);
    int status = CLI_OK;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(verbs); i++) {
        if (!(test->verbs & (unsigned)verbs[i]))
            continue;
        if (!kith_policy_decide(policy, verbs[i], origin).allow)
            status = CLI_REFUSED;
        int r = test->json ? print_json(policy, verbs[i], origin) : print_text(test, policy, verbs[i], origin);
        if (r == -ENOMEM) {
            cli_error("out of memory");
            return CLI_ERROR;
        }
    }
    return status;
}

static int check_policy(const char *file) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    if (kith_config_policy_load(file, &policy, &error) < 0)
        return cli_fail(&error);
    cli_print("%s: a policy of %zu rule(s)%s\n", file, kith_policy_rule_count(policy),
              kith_policy_rule_count(policy) ? "" : ": everything is denied");
    return CLI_OK;
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    struct test test = {.verbs = KITH_VERB_ALL, .pid = -1, .uid = -1, .gid = -1, .witness = KITH_WITNESS_KERNEL_MESSAGE};
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &test, &words, &count);
    if (status != CLI_GO_ON)
        return status;
    if (count != 2)
        return cli_usage(verb, "say check or test, and the policy's file");
    test.file = words[1];
    if (strcmp(words[0], "check") == 0)
        return check_policy(test.file);
    if (strcmp(words[0], "test") == 0)
        return test_policy(&test);
    return cli_usage(verb, "%s: there are check and test", words[0]);
}

const struct cli_verb cli_policy = {
    .name = "policy",
    .summary = "check a policy, or test what it decides and why",
    .usage = "check FILE | test FILE [FACT...] [--verb VERB] [--json]",
    .details =
        "check reads a policy file and says what is wrong with it. test says what it decides on the given facts, by which rule, and why\n"
        "the rules before that one do not apply. Exit status of test: 0 allowed, 4 denied, 1 error, 2 usage.",
    .options = options,
    .run = run,
};
