/* cli/policy.c: kith policy: is a policy file right, what does it decide, and why? */
#include <errno.h>
#include <string.h>

#include <kith/config.h>

#include "base/error.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/policy-subject.h"
#include "gateway/cleanup.h"

KITH_DEFINE_CLEANUP(kith_policy_state *, kith_policy_state_free)

/* Enough to see any rate come to its end in a moment. */
#define REPEAT_MAX 10000000

struct test {
    const char *file;
    unsigned verbs; /* 0: all that the policy governs */
    bool json;
    bool explain; /* who asks, the rules behind the one that decides, what the verdict depends on */
    int64_t repeat;
    struct policy_subject subject;
};

enum { KEY_VERB = POLICY_KEY_END_, KEY_REPEAT, KEY_JSON };

static const struct cli_option options[] = {
    {KEY_VERB, "verb", 0, "VERB", "what is asked for: connect, send, subscribe, receive or serve (all that are governed)"},
    {KITH_FACT_PID, "pid", 0, "PID", "a process; alone: the running one, with all that is known of it"},
    {KITH_FACT_UID, "uid", 0, "UID", "a user, by number"},
    {KITH_FACT_GID, "gid", 0, "GID", "a group, by number"},
    {KITH_FACT_GROUPS, "groups", 0, "GID,...", "supplementary groups, by number"},
    {POLICY_KEY_USER, "user", 0, "NAME", "uid, gid and groups of this user"},
    {KITH_FACT_EXE, "exe", 0, "PATH", "the program"},
    {KITH_FACT_UNIT, "unit", 0, "UNIT", "the systemd unit"},
    {KITH_FACT_CGROUP, "cgroup", 0, "PATH", "the cgroup"},
    {KITH_FACT_LABEL, "label", 0, "LABEL", "the security label"},
    {KITH_FACT_CONTAINER, "container", 0, "NAME", "the container"},
    {KITH_FACT_SESSION, "session", 0, "ID", "the login session"},
    {KITH_FACT_PID_NAMESPACE, "pid-namespace", 0, "INODE", "the pid namespace"},
    {KITH_FACT_USER_NAMESPACE, "user-namespace", 0, "INODE", "the user namespace"},
    {KITH_FACT_MAY_FORGE, "may-forge", 0, "0|1", "whether it can state ids of others"},
    {KITH_FACT_CONNECTOR, "connector", 0, "PID", "who made the connection, when another wrote"},
    {KITH_FACT_THREAD, "thread", 0, "TID", "a thread of this process (inproc)"},
    {KITH_FACT_ADDRESS, "address", 0, "HOST:PORT", "where it comes from"},
    {KITH_FACT_DESTINATION, "destination", 0, "HOST:PORT", "where a datagram was sent to"},
    {KITH_FACT_INTERFACE, "interface", 0, "NAME", "where it came in"},
    {KITH_FACT_TTL, "ttl", 0, "N", "hops it had left"},
    {KITH_FACT_TOS, "tos", 0, "N", "type of service"},
    {KITH_FACT_CID, "cid", 0, "CID", "its machine, on vsock"},
    {KITH_FACT_KEY, "key", 0, "Z85", "the public key that it proved (with --witness key)"},
    {KITH_FACT_USER, "user-id", 0, "NAME", "the name that it proved (with --witness key)"},
    {KITH_FACT_MODULE, "module", 0, "NAME", "the kernel module"},
    {POLICY_KEY_WITNESS, "witness", 0, "WITNESS", "who vouches for these facts (kernel-message)"},
    {POLICY_KEY_PATTERN, "pattern", 0, "TYPE", "our socket: REP, PUB, ..."},
    {POLICY_KEY_SERVICE, "service", 0, "NAME", "our service"},
    {POLICY_KEY_ENDPOINT, "endpoint", 0, "ENDPOINT", "ours"},
    {POLICY_KEY_TOPIC, "topic", 0, "TEXT", "the message's or the subscription's topic, or the group"},
    {POLICY_KEY_SIZE, "size", 0, "OCTETS", "the message's size (0)"},
    {POLICY_KEY_FDS, "fds", 0, "N", "descriptors in the message (0)"},
    {POLICY_KEY_FD_KIND, "fd-kind", 0, "KIND", "file, memfd, ...; may be given several times"},
    {POLICY_KEY_AT, "at", 0, "TIME", "when: 2026-11-29T14:00, local, or with Z for UTC (now)"},
    {KEY_REPEAT, "repeat", 0, "N", "ask so many times at once, for rates; the last answer is told (1)"},
    {KEY_JSON, "json", 0, NULL, "print a JSON object a verb"},
    {0},
};

static int take_option(void *state, int key, const char *value) {
    struct test *test = state;
    enum kith_verb verb;
    switch (key) {
    case KEY_JSON:
        test->json = true;
        return 0;
    case KEY_REPEAT:
        return cli_number("--repeat", value, 1, REPEAT_MAX, &test->repeat);
    case KEY_VERB:
        if (kith_verb_parse(value, &verb) < 0) {
            cli_error("--verb: '%s' is nothing a policy decides: connect, send, subscribe, receive or serve", value);
            return CLI_USAGE;
        }
        test->verbs |= (unsigned)verb;
        return 0;
    default:
        return policy_subject_take(&test->subject, key, value);
    }
}

/* Verdicts ----------------------------------------------------------------------------------------------------------- */

/* A decision on one verb, and why each rule does or does not apply. */
struct decision {
    const kith_policy *policy;
    struct kith_policy_request request;
    struct kith_verdict verdict;
    json_t *rules; /* of {"name", "allow", "why"}: up to the one that decided, or all */
};

static const struct {
    unsigned looked_at;
    const char *name;
} inputs[] = {
    {KITH_LOOKED_AT_ORIGIN, "origin"},     {KITH_LOOKED_AT_PATTERN, "pattern"}, {KITH_LOOKED_AT_SERVICE, "service"},
    {KITH_LOOKED_AT_ENDPOINT, "endpoint"}, {KITH_LOOKED_AT_TOPIC, "topic"},     {KITH_LOOKED_AT_SIZE, "size"},
    {KITH_LOOKED_AT_FDS, "fds"},           {KITH_LOOKED_AT_TIME, "time"},       {KITH_LOOKED_AT_RATE, "rate"},
};

static json_t *rule_json(const struct decision *decision, size_t rule, kith_policy_state *state) {
    char why[512];
    kith_policy_explain_request(decision->policy, rule, &decision->request, state, why, sizeof(why));
    return json_pack("{s:s, s:b, s:s}", "name", kith_policy_rule_name(decision->policy, rule), "allow",
                     (int)kith_policy_rule_allows(decision->policy, rule), "why", why);
}

/* The rules are asked for their reasons before the last decision, which takes from rates. Errors: -ENOMEM. */
static int decide(struct decision *decision, const struct test *test) {
    _cleanup_(kith_policy_state_freep) kith_policy_state *state = NULL;
    size_t count = kith_policy_governs(decision->policy, decision->request.verb) ? kith_policy_rule_count(decision->policy) : 0;

    decision->rules = json_array();
    if (!decision->rules || kith_policy_state_new(&state) < 0)
        return -ENOMEM;
    for (int64_t i = 1; i < test->repeat; i++)
        kith_policy_decide_request(decision->policy, &decision->request, state);
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(decision->rules, rule_json(decision, i, state)) < 0)
            return -ENOMEM;
    decision->verdict = kith_policy_decide_request(decision->policy, &decision->request, state);
    while (!test->explain && decision->verdict.rule >= 0 && json_array_size(decision->rules) > (size_t)decision->verdict.rule + 1)
        json_array_remove(decision->rules, json_array_size(decision->rules) - 1);
    return 0;
}

static int print_verdict(const struct decision *decision) {
    const struct kith_verdict *verdict = &decision->verdict;
    const char *verb = kith_verb_name(decision->request.verb), *answer = verdict->allow ? "allowed" : "denied";

    if (verdict->rule >= 0)
        return cli_print("%s: %s by rule \"%s\"\n", verb, answer, verdict->rule_name);
    if (!kith_policy_governs(decision->policy, decision->request.verb))
        return cli_print("%s: %s, because no rule names this verb\n", verb, answer);
    return cli_print("%s: %s, because no rule applies\n", verb, answer);
}

static int print_who(const struct decision *decision) {
    char who[1024];
    kith_origin_format(decision->request.origin, who, sizeof(who));
    return cli_print("  for %s\n", who);
}

static int print_looked_at(const struct decision *decision) {
    const char *between = "  the verdict depends on ";
    int r = 0;
    for (size_t i = 0; r >= 0 && i < KITH_ARRAY_SIZE(inputs); i++) {
        if (!(decision->verdict.looked_at & inputs[i].looked_at))
            continue;
        r = cli_print("%s%s", between, inputs[i].name);
        between = ", ";
    }
    return r < 0 ? r : cli_print("%s\n", decision->verdict.looked_at ? "" : "  the verdict depends on nothing");
}

static int print_text(const struct test *test, const struct decision *decision) {
    int r = print_verdict(decision);
    size_t index;
    json_t *rule;

    if (r >= 0 && test->explain)
        r = print_who(decision);
    json_array_foreach(decision->rules, index, rule) {
        bool behind = decision->verdict.rule >= 0 && index > (size_t)decision->verdict.rule;
        if (r < 0)
            break;
        r = cli_print("  rule \"%s\" (%s): %s%s\n", json_string_value(json_object_get(rule, "name")),
                      json_is_true(json_object_get(rule, "allow")) ? "allow" : "deny", behind ? "not reached; else: " : "",
                      json_string_value(json_object_get(rule, "why")));
    }
    return r >= 0 && test->explain ? print_looked_at(decision) : r;
}

static json_t *looked_at_json(const struct decision *decision) {
    json_t *names = json_array();
    for (size_t i = 0; names && i < KITH_ARRAY_SIZE(inputs); i++)
        if (decision->verdict.looked_at & inputs[i].looked_at)
            json_array_append_new(names, json_string(inputs[i].name));
    return names;
}

static int print_json(const struct decision *decision) {
    const struct kith_verdict *verdict = &decision->verdict;
    json_auto_t *line = json_pack("{s:s, s:b, s:s?, s:b, s:O, s:o}", "verb", kith_verb_name(decision->request.verb), "allow",
                                  (int)verdict->allow, "rule", verdict->rule >= 0 ? verdict->rule_name : NULL, "governed",
                                  (int)kith_policy_governs(decision->policy, decision->request.verb), "rules", decision->rules, "looked_at",
                                  looked_at_json(decision));
    int r = line ? cli_json_add_origin(line, decision->request.origin) : -ENOMEM;
    return r < 0 ? r : cli_json_print(line);
}

/* Verbs -------------------------------------------------------------------------------------------------------------- */

static int test_verb(const struct test *test, const kith_policy *policy, enum kith_verb verb, kith_origin *origin) {
    struct decision decision = {.policy = policy, .request = policy_subject_request(&test->subject, verb, origin)};
    int r = decide(&decision, test);
    if (r >= 0)
        r = test->json ? print_json(&decision) : print_text(test, &decision);
    json_decref(decision.rules);
    if (r == -ENOMEM) {
        cli_error("out of memory");
        return CLI_ERROR;
    }
    return decision.verdict.allow ? CLI_OK : CLI_REFUSED;
}

static int test_policy(struct test *test) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = NULL;
    _cleanup_(kith_origin_unrefp) kith_origin *origin = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    if (kith_config_policy_load(test->file, &policy, &error) < 0 || policy_subject_origin(&test->subject, &origin, &error) < 0)
        return cli_fail(&error);
    int status = CLI_OK;
    for (unsigned verb = 1; verb < KITH_VERB_ALL; verb <<= 1) {
        bool asked = test->verbs ? test->verbs & verb : kith_policy_governs(policy, (enum kith_verb)verb);
        int result = asked ? test_verb(test, policy, (enum kith_verb)verb, origin) : CLI_OK;
        if (result == CLI_ERROR)
            return result;
        if (result != CLI_OK)
            status = result;
    }
    return status;
}

static int check_policy(const char *file) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    if (kith_config_policy_load(file, &policy, &error) < 0)
        return cli_fail(&error);
    bool empty = kith_policy_rule_count(policy) == 0, allow = kith_policy_default(policy);
    cli_print("%s: a policy of %zu rule(s)%s%s\n", file, kith_policy_rule_count(policy), allow ? ", and what none decides is allowed" : "",
              empty && !allow ? ": everything is denied" : "");
    return CLI_OK;
}

/* All files are looked at, whatever is wrong with one. */
static int check_policies(char **files, int count) {
    int status = CLI_OK;
    for (int i = 0; i < count; i++) {
        int result = check_policy(files[i]);
        if (result != CLI_OK)
            status = result;
    }
    return status;
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    struct test test = {.repeat = 1};
    char **words;
    policy_subject_init(&test.subject);
    int count, status = cli_options_parse(verb, argc, argv, take_option, &test, &words, &count);
    if (status != CLI_GO_ON)
        return status;
    if (count < 2)
        return cli_usage(verb, "say check, test or explain, and the policy's file");
    if (strcmp(words[0], "check") == 0)
        return check_policies(words + 1, count - 1);
    if (strcmp(words[0], "test") != 0 && strcmp(words[0], "explain") != 0)
        return cli_usage(verb, "%s: there are check, test and explain", words[0]);
    if (count != 2)
        return cli_usage(verb, "%s takes one file", words[0]);
    test.file = words[1];
    test.explain = strcmp(words[0], "explain") == 0;
    return test_policy(&test);
}

const struct cli_verb cli_policy = {
    .name = "policy",
    .summary = "check a policy, or tell what it decides and why",
    .usage = "check FILE... | test FILE [FACT...] [REQUEST...] | explain FILE [FACT...] [REQUEST...]",
    .details =
        "check reads policy files and says what is wrong with them. test says what one decides on the given facts, by which rule, and why\n"
        "the rules before that one do not apply. explain tells more: for whom, what the rules behind it would say, and what the verdict\n"
        "depends on. Exit status of test and explain: 0 allowed, 4 denied, 1 error, 2 usage.",
    .options = options,
    .run = run,
};
