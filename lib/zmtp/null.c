/*
 * zmtp/null.c: the NULL mechanism: no authentication, no secrecy. READY of both sides, in any order, then traffic; or ERROR.
 *
 * RFC 37 has the connecting side speak first; like the deployed implementations we send READY as soon as the connection is accepted, or,
 * when the owner wants to be asked (as by a ZAP handler, which may judge by the address alone), as soon as it has let the peer in.
 */
#include "zmtp/engine.h"

static int null_admit(struct kith_zmtp *engine) {
    return kith_zmtp_command_queue_metadata(engine, "READY");
}

static int null_start(struct kith_zmtp *engine) {
    if (!engine->handshake->options.ask)
        return null_admit(engine);
    engine->handshake->pending = KITH_ZMTP_CREDENTIALS;
    return 0;
}

static void null_ready(struct kith_zmtp *engine, const struct kith_zmtp_command *command, struct kith_zmtp_event *event) {
    if (kith_zmtp_take_metadata(engine, "READY", command->data, command->size, event))
        kith_zmtp_enter_traffic(engine, event);
}

static const struct kith_zmtp_expected expected[] = {{"READY", null_ready}};

const struct kith_zmtp_mechanism kith_zmtp_mechanism_null = {
    .name = "NULL",
    .overhead = sizeof("?READY") - 1,
    .start = null_start,
    .admit = null_admit,
    .expected = expected,
};
