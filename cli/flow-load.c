/* cli/flow-load.c: what the verbs that look at recordings share: reading one, and narrowing a view. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "cli/flow.h"
#include "cli/options.h"
#include "cli/output.h"
#include "flow/decode/decode.h"
#include "flow/recording/recording.h"

#define DEPTH_MAX 100000

int cli_flow_read(const char *path, struct flow_recording **ret_recording, struct kith_error *ret_error) {
    _cleanup_(freep) char *data = NULL;
    struct kith_error reason = KITH_ERROR_NONE;
    size_t size = 0;
    int r = kith_file_read(AT_FDCWD, path, FLOW_UNPACKED_MAX, &data, &size);

    if (r < 0)
        return kith_error_set(ret_error, r, "%s: %s", path, kith_error_name(r));
    r = flow_recording_read(data, size, FLOW_UNPACKED_MAX, ret_recording, &reason);
    return r < 0 ? kith_error_set(ret_error, r, "%s: %s", path, reason.text) : 0;
}

int cli_flow_load(const char *path, struct flow_model **ret_model, struct kith_error *ret_error) {
    _cleanup_(flow_recording_freep) struct flow_recording *recording = NULL;
    struct kith_error reason = KITH_ERROR_NONE;
    int r = cli_flow_read(path, &recording, ret_error);

    if (r < 0)
        return r;
    r = flow_model_new(recording, NULL, ret_model, &reason);
    return r < 0 ? kith_error_set(ret_error, r, "%s: %s", path, reason.text) : 0;
}

/* Hexadecimal, as views print it; 0x may stand in front. */
static int take_socket(struct flow_select *select, const char *value) {
    char *end;

    errno = 0;
    unsigned long long socket = strtoull(value, &end, 16);
    if (end == value || *end || errno || socket == 0) {
        cli_error("--socket: '%s' is no hexadecimal address", value);
        return CLI_USAGE;
    }
    select->socket = socket;
    return 0;
}

/* "send", or "send:2": the second. The text is the command line's, which is ours to change. */
static int take_call(struct flow_select *select, const char *value) {
    const char *colon = strrchr(value, ':');
    int64_t nth = 0;

    if (colon && cli_number("--call", colon + 1, 1, UINT32_MAX, &nth) != 0)
        return CLI_USAGE;
    if (colon)
        *(char *)(uintptr_t)colon = '\0';
    select->call = value;
    select->nth = (unsigned)nth;
    return 0;
}

int cli_flow_narrow(struct flow_select *select, int key, const char *value) {
    int64_t depth;

    switch (key) {
    case CLI_FLOW_CALL:
        return take_call(select, value);
    case CLI_FLOW_LANE:
        select->lane = value;
        return 0;
    case CLI_FLOW_FROM:
        select->from = value;
        return 0;
    case CLI_FLOW_TO:
        select->to = value;
        return 0;
    case CLI_FLOW_SOCKET:
        return take_socket(select, value);
    default:
        if (cli_number("--depth", value, 1, DEPTH_MAX, &depth) != 0)
            return CLI_USAGE;
        select->depth = (unsigned)depth;
        return 0;
    }
}
