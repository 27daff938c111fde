/* cli/wiretest/report.h: what a run prints: TAP, or a JSON object a line. */
#ifndef KITH_CLI_WIRETEST_REPORT_H
#define KITH_CLI_WIRETEST_REPORT_H

#include "cli/wiretest/suite.h"

struct report {
    bool json;
    size_t number;                 /* of cases told */
    size_t counts[SUITE_SKIP + 1]; /* by verdict */
};

const char *report_level(enum suite_level level);
/* Each returns 0, or the error of cli_output(), -ENOMEM. */
int report_begin(struct report *report, const struct suite *suite, size_t planned);
int report_case(struct report *report, const struct suite *suite, const struct suite_case *one);
/* The peer went away before the last case. */
int report_bail_out(struct report *report, const char *reason);
int report_end(struct report *report);
/* One line of --list. */
int report_list(const struct report *report, const struct suite_case *one);

#endif
