/*
 * zmtp/plain.c: the PLAIN mechanism (RFC 24): a user name and a password in clear, for transports that nobody else reads.
 *
 *     client                                    server
 *     HELLO (name, password)     ------------>  the owner decides: WELCOME, or ERROR
 *     INITIATE (metadata)        ------------>
 *                                <------------  READY (metadata)
 *
 * The octets of a password are not wiped behind its way: they lie in the kernel's buffers and on the wire as well.
 */
#include <errno.h>
#include <string.h>

#include "zmtp/engine.h"

#define WORD_MAX 255

enum step {
    EXPECT_HELLO,
    EXPECT_WELCOME,
    EXPECT_INITIATE,
    EXPECT_READY,
};

static int plain_init(struct kith_zmtp *engine) {
    const struct kith_zmtp_options *options = &engine->handshake->options;
    engine->handshake->step = options->as_server ? EXPECT_HELLO : EXPECT_WELCOME;
    return options->username_size > WORD_MAX || options->password_size > WORD_MAX ? -EINVAL : 0;
}

static uint8_t *write_word(uint8_t *to, const uint8_t *word, size_t size) {
    *to++ = (uint8_t)size;
    if (size > 0)
        memcpy(to, word, size);
    return to + size;
}

static int plain_start(struct kith_zmtp *engine) {
    const struct kith_zmtp_options *options = &engine->handshake->options;
    if (options->as_server)
        return 0;
    uint8_t *place = kith_zmtp_command_queue(engine, "HELLO", 2 + options->username_size + options->password_size);
    if (!place)
        return -ENOMEM;
    place = write_word(place, options->username, options->username_size);
    write_word(place, options->password, options->password_size);
    return 0;
}

/* Server --------------------------------------------------------------------------------------------------------------------- */

/* Takes one length and its octets off the front. False: there are not so many. */
static bool read_word(const uint8_t **data, size_t *size, const uint8_t **ret_word, size_t *ret_size) {
    if (*size == 0 || **data > *size - 1)
        return false;
    *ret_size = **data;
    *ret_word = *data + 1;
    *data += 1 + *ret_size;
    *size -= 1 + *ret_size;
    return true;
}

static void hello(struct kith_zmtp *engine, const struct kith_zmtp_command *command, struct kith_zmtp_event *event) {
    const uint8_t *data = command->data, *username, *password;
    size_t size = command->size, username_size, password_size;
    if (!read_word(&data, &size, &username, &username_size) || !read_word(&data, &size, &password, &password_size) || size > 0) {
        kith_zmtp_fail(engine, event, -EPROTO, "HELLO: not a user name and a password");
        return;
    }
    kith_zmtp_ask(engine, event);
    event->credentials.username = username;
    event->credentials.username_size = username_size;
    event->credentials.password = password;
    event->credentials.password_size = password_size;
}

static int plain_admit(struct kith_zmtp *engine) {
    engine->handshake->step = EXPECT_INITIATE;
    return kith_zmtp_command_queue(engine, "WELCOME", 0) ? 0 : -ENOMEM;
}

static void initiate(struct kith_zmtp *engine, const struct kith_zmtp_command *command, struct kith_zmtp_event *event) {
    if (!kith_zmtp_take_metadata(engine, "INITIATE", command->data, command->size, event))
        return;
    if (kith_zmtp_command_queue_metadata(engine, "READY") < 0)
        kith_zmtp_fail(engine, event, -ENOMEM, "no memory for READY");
    else
        kith_zmtp_enter_traffic(engine, event);
}

/* Client --------------------------------------------------------------------------------------------------------------------- */

static void welcome(struct kith_zmtp *engine, const struct kith_zmtp_command *command, struct kith_zmtp_event *event) {
    engine->handshake->step = EXPECT_READY;
    if (command->size > 0)
        kith_zmtp_fail(engine, event, -EPROTO, "WELCOME: %zu octets that do not belong there", command->size);
    else if (kith_zmtp_command_queue_metadata(engine, "INITIATE") < 0)
        kith_zmtp_fail(engine, event, -ENOMEM, "no memory for INITIATE");
}

static void ready(struct kith_zmtp *engine, const struct kith_zmtp_command *command, struct kith_zmtp_event *event) {
    if (kith_zmtp_take_metadata(engine, "READY", command->data, command->size, event))
        kith_zmtp_enter_traffic(engine, event);
}

/* ---------------------------------------------------------------------------------------------------------------------------- */

static const struct kith_zmtp_expected expected[] = {
    [EXPECT_HELLO] = {"HELLO", hello},
    [EXPECT_WELCOME] = {"WELCOME", welcome},
    [EXPECT_INITIATE] = {"INITIATE", initiate},
    [EXPECT_READY] = {"READY", ready},
};

const struct kith_zmtp_mechanism kith_zmtp_mechanism_plain = {
    .name = "PLAIN",
    .roles = true,
    .overhead = sizeof("?INITIATE") - 1,
    .init = plain_init,
    .start = plain_start,
    .admit = plain_admit,
    .expected = expected,
};
