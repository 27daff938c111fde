/* cli/flow-diff.c: kith flow diff: what is different between two recordings. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "cli/flow.h"
#include "cli/options.h"
#include "cli/output.h"
#include "flow/view/diff.h"

static int write_stdout(void *userdata, const void *data, size_t size) {
    return cli_output(data, size);
}

static int print(const struct flow_model *before, const struct flow_model *after, bool json) {
    _cleanup_(flow_diff_freep) struct flow_diff *diff = NULL;
    struct flow_out *out = malloc(sizeof(*out));
    int r = out ? flow_diff_new(before, after, &diff) : -ENOMEM;

    if (r == 0) {
        flow_out_init(out, write_stdout, NULL);
        r = json ? flow_view_diff_json(diff, out) : flow_view_diff(diff, out);
    }
    free(out);
    if (r == -ENOMEM)
        cli_error("%s", kith_error_name(r));
    return r == -ENOMEM ? CLI_ERROR : CLI_OK; /* what standard output says is said at the end */
}

static int take_option(void *state, int key, const char *value) {
    *(bool *)state = true;
    return 0;
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    _cleanup_(flow_model_freep) struct flow_model *before = NULL;
    _cleanup_(flow_model_freep) struct flow_model *after = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    bool json = false;
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &json, &words, &count);

    if (status != CLI_GO_ON)
        return status;
    if (count != 2)
        return cli_usage(verb, "which two recordings?");
    if (cli_flow_load(words[0], &before, &error) < 0 || cli_flow_load(words[1], &after, &error) < 0)
        return cli_fail(&error);
    return print(before, after, json);
}

static const struct cli_option options[] = {{0, "json", 0, NULL, "print a JSON object"}, {0}};

const struct cli_verb cli_flow_diff = {
    .name = "flow diff",
    .summary = "compare two recordings",
    .usage = "BEFORE AFTER [--json]",
    .details = "Says which functions are gone, new, called from elsewhere or of another prototype, in all and below each system call.",
    .options = options,
    .run = run,
};
