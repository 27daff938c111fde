/* cli/wiretest/report.c: see report.h. */
#include "cli/wiretest/report.h"

#include <errno.h>
#include <jansson.h>

#include "cli/json.h"
#include "cli/output.h"

const char *report_level(enum suite_level level) {
    static const char *const names[] = {[SUITE_MUST] = "MUST", [SUITE_SHOULD] = "SHOULD", [SUITE_OPEN] = "OPEN"};
    return names[level];
}

/* Takes the object. */
static int print_object(json_t *object) {
    json_auto_t *line = object;
    return line ? cli_json_print(line) : -ENOMEM;
}

static const char *known(const char *text) {
    return text[0] ? text : "unknown";
}

int report_begin(struct report *report, const struct suite *suite, size_t planned) {
    const struct suite_peer *peer = &suite->peer;
    if (report->json)
        return print_object(json_pack("{ss ss ss si si si}", "endpoint", suite->config->endpoint, "type", known(peer->type), "mechanism",
                                      peer->mechanism, "major", peer->greeting[10], "minor", peer->greeting[11], "cases", (int)planned));
    cli_print("TAP version 13\n1..%zu\n", planned);
    cli_print("# peer at %s: ZMTP %u.%u, mechanism %s, type %s%s\n", suite->config->endpoint, peer->greeting[10], peer->greeting[11],
              peer->mechanism, known(peer->type), peer->why[0] || peer->pongs ? "" : ", answers no PING");
    return peer->why[0] ? cli_print("# %s: cases that need a handshake are skipped\n", peer->why) : 0;
}

static int print_case(struct report *report, const struct suite *suite, const struct suite_case *one) {
    cli_print("%s %zu - %s", suite->verdict == SUITE_NOT_OK ? "not ok" : "ok", report->number, one->name);
    if (suite->verdict == SUITE_SKIP)
        return cli_print(" # SKIP %s\n", suite->reason);
    int r = cli_print("\n");
    if (suite->note[0])
        r = cli_print("# note %s: %s\n", one->name, suite->note);
    if (suite->verdict != SUITE_NOT_OK)
        return r;
    cli_print("  ---\n  rule: '%s'\n  source: '%s'\n  level: %s\n  reason: '", one->rule, one->source, report_level(one->level));
    for (const char *at = suite->reason; *at; at++)
        cli_print(*at == '\'' ? "''" : "%c", *at); /* YAML doubles it */
    return cli_print("'\n  seen: '%s'\n  ...\n", suite->seen);
}

int report_case(struct report *report, const struct suite *suite, const struct suite_case *one) {
    static const char *const results[] = {[SUITE_OK] = "ok", [SUITE_NOT_OK] = "not ok", [SUITE_SKIP] = "skip"};
    report->number++;
    report->counts[suite->verdict]++;
    if (!report->json)
        return print_case(report, suite, one);
    return print_object(json_pack("{ss ss ss ss ss ss* ss* ss*}", "case", one->name, "source", one->source, "level",
                                  report_level(one->level), "rule", one->rule, "result", results[suite->verdict], "reason",
                                  suite->reason[0] ? suite->reason : NULL, "seen", suite->seen[0] ? suite->seen : NULL, "note",
                                  suite->note[0] ? suite->note : NULL));
}

int report_bail_out(struct report *report, const char *reason) {
    if (report->json)
        return print_object(json_pack("{ss}", "bail_out", reason));
    return cli_print("Bail out! %s\n", reason);
}

int report_end(struct report *report) {
    const size_t *counts = report->counts;
    if (report->json)
        return print_object(
            json_pack("{si si si}", "ok", (int)counts[SUITE_OK], "not_ok", (int)counts[SUITE_NOT_OK], "skipped", (int)counts[SUITE_SKIP]));
    return cli_print("# %zu ok, %zu not ok, %zu skipped\n", counts[SUITE_OK], counts[SUITE_NOT_OK], counts[SUITE_SKIP]);
}

int report_list(const struct report *report, const struct suite_case *one) {
    if (report->json)
        return print_object(json_pack("{ss ss ss ss sb}", "case", one->name, "source", one->source, "level", report_level(one->level),
                                      "rule", one->rule, "hostile", one->needs & SUITE_HOSTILE ? 1 : 0));
    return cli_print("%-36s %-6s %-34s %s%s\n", one->name, report_level(one->level), one->source, one->rule,
                     one->needs & SUITE_HOSTILE ? " (--hostile)" : "");
}
