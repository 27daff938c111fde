/*
 * cli/wiretest.c: kith wiretest: looks whether a peer keeps the rules of ZMTP, in raw octets.
 *
 * First the peer is looked at (wiretest/probe.c), then every case that was asked for is run or skipped with its reason, in the order of the
 * tables. A case has its own connections; what it decides is printed at once.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include <kith/curve.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/wiretest/report.h"
#include "cli/wiretest/suite.h"

/* All cases, in the order in which they run. */
static const struct suite_case *const tables[] = {
    suite_cases_greeting,     suite_cases_ready, suite_cases_command, suite_cases_frame, suite_cases_heartbeat,
    suite_cases_subscription, suite_cases_group, suite_cases_plain,   suite_cases_curve, suite_cases_pattern,
};

#define GLOBS_MAX 16

struct wiretest {
    struct suite_config config;
    struct report report;
    int64_t timeout, quiet; /* ms */
    const char *globs[GLOBS_MAX];
    size_t glob_count;
    bool list;
};

/* Options -------------------------------------------------------------------------------------------------------------- */

enum {
    KEY_CASE,
    KEY_LIST,
    KEY_JSON,
    KEY_TYPE,
    KEY_MECHANISM,
    KEY_USERNAME,
    KEY_PASSWORD,
    KEY_SERVER_KEY,
    KEY_SECRET_KEY,
    KEY_TIMEOUT,
    KEY_QUIET,
    KEY_HOSTILE,
    KEY_NO_MESSAGES,
};

static const struct cli_option options[] = {
    {KEY_CASE, "case", 'c', "GLOB", "run only the cases whose names match; may come again"},
    {KEY_LIST, "list", 'l', NULL, "list the cases and run none"},
    {KEY_JSON, "json", 0, NULL, "print a JSON object a case instead of TAP"},
    {KEY_TYPE, "type", 0, "TYPE", "the peer's socket type, such as ROUTER (found out)"},
    {KEY_MECHANISM, "mechanism", 0, "NAME", "refuse to look at a peer of another mechanism"},
    {KEY_USERNAME, "plain-username", 0, "NAME", "for PLAIN"},
    {KEY_PASSWORD, "plain-password", 0, "WORD", "for PLAIN"},
    {KEY_SERVER_KEY, "curve-server-key", 0, "KEY", "for CURVE: the peer's public key, 40 characters of Z85"},
    {KEY_SECRET_KEY, "curve-secret-key", 0, "KEY", "for CURVE: our secret key (one of this run only)"},
    {KEY_TIMEOUT, "timeout", 't', "MS", "how long what has to come is waited for (5000)"},
    {KEY_QUIET, "quiet", 0, "MS", "how long nothing has to come until that counts (250)"},
    {KEY_HOSTILE, "hostile", 0, NULL, "also cases that are known to end weak peers"},
    {KEY_NO_MESSAGES, "no-messages", 0, NULL, "send the peer's application nothing and take nothing from it"},
    {0},
};

static int take_key(const char *name, const char *text, uint8_t key[static CURVE_KEY], bool *ret_has) {
    *ret_has = strlen(text) == KITH_CURVE_TEXT_SIZE - 1 && kith_z85_decode(text, strlen(text), key, CURVE_KEY) == 0;
    if (*ret_has)
        return 0;
    cli_error("%s: a key has 40 characters of Z85 (RFC 32)", name);
    return CLI_USAGE;
}

static int take_glob(struct wiretest *test, const char *glob) {
    if (test->glob_count == GLOBS_MAX) {
        cli_error("--case: at most %d", GLOBS_MAX);
        return CLI_USAGE;
    }
    test->globs[test->glob_count++] = glob;
    return 0;
}

static int take_flag(struct wiretest *test, int key) {
    if (key == KEY_LIST)
        test->list = true;
    else if (key == KEY_JSON)
        test->report.json = true;
    else if (key == KEY_HOSTILE)
        test->config.hostile = true;
    else
        test->config.no_messages = true;
    return 0;
}

static int take_type(struct wiretest *test, const char *type) {
    test->config.type = type;
    if (suite_partner(type))
        return 0;
    cli_error("--type: '%s' is no socket type of ZMTP, such as REP or XPUB", type);
    return CLI_USAGE;
}

static int take_option(void *state, int key, const char *value) {
    struct wiretest *test = state;
    struct suite_config *config = &test->config;
    switch (key) {
    case KEY_CASE:
        return take_glob(test, value);
    case KEY_TYPE:
        return take_type(test, value);
    case KEY_MECHANISM:
        config->mechanism = value;
        return 0;
    case KEY_USERNAME:
        config->username = value;
        return 0;
    case KEY_PASSWORD:
        config->password = value;
        return 0;
    case KEY_SERVER_KEY:
        return take_key("--curve-server-key", value, config->server_key, &config->has_server_key);
    case KEY_SECRET_KEY:
        return take_key("--curve-secret-key", value, config->secret_key, &config->has_secret_key);
    case KEY_TIMEOUT:
        return cli_number("--timeout", value, 1, INT32_MAX, &test->timeout);
    case KEY_QUIET:
        return cli_number("--quiet", value, 1, INT32_MAX, &test->quiet);
    default:
        return take_flag(test, key);
    }
}

/* Cases -------------------------------------------------------------------------------------------------------------------- */

static bool is_asked_for(const struct wiretest *test, const struct suite_case *one) {
    for (size_t i = 0; i < test->glob_count; i++)
        if (fnmatch(test->globs[i], one->name, 0) == 0)
            return true;
    return test->glob_count == 0;
}

/* Decides a case that does not fit this peer or is not wanted. */
static void look_whether_it_fits(struct suite *suite, const struct suite_case *one) {
    const struct suite_config *config = suite->config;
    const struct suite_peer *peer = &suite->peer;
    if ((one->needs & SUITE_HOSTILE) && !config->hostile)
        suite_skip(suite, "only with --hostile");
    else if ((one->needs & SUITE_MESSAGES) && config->no_messages)
        suite_skip(suite, "it exchanges messages with the peer's application");
    else if (one->mechanism && strcmp(one->mechanism, peer->mechanism) != 0)
        suite_skip(suite, "the peer's mechanism is %s", peer->mechanism);
    else if ((one->needs & SUITE_TALK) && peer->why[0])
        suite_skip(suite, "%s", peer->why);
    else if (one->types && !suite_has_word(one->types, peer->type))
        suite_skip(suite, "not for a %s", peer->type[0] ? peer->type : "peer of unknown type");
    else if ((one->needs & SUITE_CLEAR) && strcmp(peer->mechanism, "CURVE") == 0)
        suite_skip(suite, "under CURVE frames are sealed");
    else if ((one->needs & SUITE_PONG) && !peer->pongs)
        suite_skip(suite, "the peer answers no PING");
    else if ((one->needs & SUITE_SHARED) && suite_has_word("PAIR CHANNEL", peer->type))
        suite_skip(suite, "a %s has one peer at a time", peer->type);
}

static void run_case(struct suite *suite, const struct suite_case *one) {
    suite->decided = false;
    suite->verdict = SUITE_OK;
    suite->reason[0] = suite->note[0] = suite->seen[0] = '\0';
    look_whether_it_fits(suite, one);
    if (!suite->decided)
        one->run(suite);
    const bool exclusive = suite_has_word("PAIR CHANNEL", suite->peer.type);
    for (size_t i = 0; i < suite->wire_count; i++) {
        if (exclusive) /* the next case's connection comes when this one is known to have gone */
            suite_close(suite, &suite->wires[i]);
        wire_close(&suite->wires[i]);
    }
    suite->wire_count = 0;
}

/* Calls fn for each case that was asked for, until it returns a negative number. */
static int for_each_case(struct wiretest *test, int (*fn)(struct wiretest *test, const struct suite_case *one, void *data), void *data) {
    int r = 0;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(tables); i++)
        for (const struct suite_case *one = tables[i]; one->name && r >= 0; one++)
            if (is_asked_for(test, one))
                r = fn(test, one, data);
    return r;
}

static int count_case(struct wiretest *test, const struct suite_case *one, void *data) {
    ++*(size_t *)data;
    return 0;
}

static int list_case(struct wiretest *test, const struct suite_case *one, void *data) {
    return report_list(&test->report, one);
}

static int run_and_report(struct wiretest *test, const struct suite_case *one, void *data) {
    struct suite *suite = data;
    run_case(suite, one);
    int r = report_case(&test->report, suite, one);
    return r == 0 && suite->gone ? -1 : r;
}

static int run_suite(struct wiretest *test, size_t planned) {
    struct kith_error error = KITH_ERROR_NONE;
    /* Frames are large: not on the stack. */
    static struct suite suite;
    suite = (struct suite){.config = &test->config};
    for (size_t i = 0; i < SUITE_WIRES; i++)
        suite.wires[i].fd = -1;
    if (suite_probe(&suite, &error) < 0)
        return cli_fail(&error);
    report_begin(&test->report, &suite, planned);
    for_each_case(test, run_and_report, &suite);
    if (suite.gone)
        report_bail_out(&test->report, suite.reason);
    report_end(&test->report);
    return test->report.counts[SUITE_NOT_OK] > 0 ? CLI_ERROR : CLI_OK;
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    struct wiretest test = {.timeout = 5000, .quiet = 250};
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &test, &words, &count);
    if (status != CLI_GO_ON)
        return status;
    if (count != (test.list ? 0 : 1))
        return cli_usage(verb, test.list ? "--list takes no endpoint" : "one endpoint is wanted, such as ipc:///run/x.sock");
    size_t planned = 0;
    for_each_case(&test, count_case, &planned);
    if (planned == 0)
        return cli_usage(verb, "no case matches: --list names them");
    if (test.list)
        return for_each_case(&test, list_case, NULL) < 0 ? CLI_ERROR : CLI_OK;
    test.config.endpoint = words[0];
    test.config.timeout = (uint64_t)test.timeout * KITH_NS_PER_MS;
    test.config.quiet = (uint64_t)test.quiet * KITH_NS_PER_MS;
    return run_suite(&test, planned);
}

const struct cli_verb cli_wiretest = {
    .name = "wiretest",
    .summary = "look whether a peer keeps the rules of ZMTP",
    .usage = "ENDPOINT [OPTION...]",
    .details = "Talks to the peer that listens at the endpoint (ipc:// or tcp://, of any implementation) in raw octets, one case a rule of "
               "the RFCs,\n"
               "and prints TAP. It loads nothing but its own connections. Messages of some cases reach the peer's application: see "
               "--no-messages.\n"
               "Exit status: 0 all rules are kept, 1 some are not, or an error, 2 usage.",
    .options = options,
    .run = run,
};
