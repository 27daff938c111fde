/*
 * zmtp/null.c: the NULL mechanism: no authentication, no secrecy. READY of both sides, in any order, then traffic; or ERROR.
 *
 * RFC 37 has the connecting side speak first; like the deployed implementations we send READY as soon as the connection is accepted.
 */
#include <errno.h>

#include "zmtp/engine.h"

static int null_start(struct kith_zmtp *engine) {
    size_t size;
    int r = kith_zmtp_metadata_size(&engine->options, &size);
    if (r < 0)
        return r;
    uint8_t *place = kith_zmtp_command_queue(engine, "READY", size);
    if (!place)
        return -ENOMEM;
    kith_zmtp_metadata_write(&engine->options, place);
    return 0;
}

static void null_ready(struct kith_zmtp *engine, const struct kith_zmtp_command *command, struct kith_zmtp_event *event) {
    const char *reason = "out of memory";
    int r = kith_zmtp_metadata_parse(command->data, command->size, &engine->peer, &reason);
    if (r < 0)
        kith_zmtp_fail(engine, event, r, "READY: %s", reason);
    else
        kith_zmtp_enter_traffic(engine, event);
}

static void null_command(struct kith_zmtp *engine, const struct kith_zmtp_command *command, struct kith_zmtp_event *event) {
    if (kith_zmtp_command_is(command, "READY")) {
        null_ready(engine, command, event);
    } else if (kith_zmtp_command_is(command, "ERROR")) {
        kith_zmtp_command_refused(engine, command, true, event);
    } else {
        char name[64];
        kith_zmtp_printable(name, sizeof(name), command->name, command->name_size);
        kith_zmtp_fail(engine, event, -EPROTO, "command \"%s\" came before READY", name);
    }
}

const struct kith_zmtp_mechanism kith_zmtp_mechanism_null = {
    .name = "NULL",
    .roles = false,
    .start = null_start,
    .command = null_command,
};
