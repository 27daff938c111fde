/*
 * zmtp/frame.c: frames of handshake and traffic: headers, bodies of messages in pieces, commands and sealed frames gathered.
 *
 * A header is collected octet by octet, unless it is that of a long message frame and lies whole in the input. Then a message's body is
 * handed out as it lies in the input. What is needed whole, the body of a command or of a sealed frame, is used where it lies when it is
 * whole there; else it is gathered in a block that grows with what has arrived, never with what was announced.
 *
 * Reserved flag bits end the connection. RFC 37 says they MUST be zero and its grammar knows only flags 00 to 04 and 06; libzmq does not
 * look at them. No deployed peer sets them, so a set one means that the two sides no longer agree where frames begin, and what would follow
 * is noise delivered under the name of a vouched sender.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "zmtp/engine.h"

#define SHORT_HEADER KITH_ZMTP_SHORT_HEADER
#define LONG_HEADER KITH_ZMTP_HEADER_MAX
#define GATHER_FIRST ((size_t)64)

/* Bodies ------------------------------------------------------------------------------------------------------------ */

static void tell_piece(struct kith_zmtp *engine, const uint8_t *data, size_t size, struct kith_zmtp_event *event) {
    event->type = KITH_ZMTP_FRAME;
    event->frame.data = data;
    event->frame.size = size;
    event->frame.frame_size = engine->frame_size;
    event->frame.offset = engine->frame_offset;
    engine->frame_offset += size;
    event->frame.last = engine->frame_offset == engine->frame_size;
    event->frame.more = engine->frame_more;
    event->frame.gathered = false;
    if (event->frame.last) {
        engine->message_open = engine->frame_more;
        engine->step = KITH_ZMTP_STEP_HEADER;
    }
}

static size_t eat_body(struct kith_zmtp *engine, const uint8_t *data, size_t size, struct kith_zmtp_event *event) {
    const uint64_t left = engine->frame_size - engine->frame_offset;
    const size_t piece = size < left ? size : (size_t)left;
    tell_piece(engine, data, piece, event);
    return piece;
}

/* libzmq up to 4.3.4 as a PLAIN server says ERROR as 5E "RROR": "\x5ERROR" in its source. Of a length that no other command has. */
static bool parse_odd_error(uint8_t *body, size_t size, struct kith_zmtp_command *ret_command) {
    static const char start[] = "\x5e"
                                "RROR";
    const size_t start_size = sizeof(start) - 1;
    if (size <= start_size || size > start_size + 1 + KITH_ZMTP_REASON_MAX || memcmp(body, start, start_size) != 0)
        return false;
    *ret_command =
        (struct kith_zmtp_command){.name = (const uint8_t *)"ERROR", .name_size = 5, .data = body + start_size, .size = size - start_size};
    return true;
}

static void take_handshake_command(struct kith_zmtp *engine, uint8_t *body, size_t size, struct kith_zmtp_event *event) {
    const struct kith_zmtp_expected *expected = &engine->handshake->mechanism->expected[engine->handshake->step];
    struct kith_zmtp_command command;
    if (!kith_zmtp_command_parse(body, size, &command) && !parse_odd_error(body, size, &command)) {
        kith_zmtp_fail(engine, event, -EPROTO, "a malformed command of %zu octets came in the handshake", size);
    } else if (kith_zmtp_command_is(&command, "ERROR")) {
        kith_zmtp_command_refused(engine, &command, true, event);
    } else if (kith_zmtp_command_is(&command, expected->name)) {
        expected->take(engine, &command, event);
    } else {
        char name[64];
        kith_zmtp_printable(name, sizeof(name), command.name, command.name_size);
        kith_zmtp_fail(engine, event, -EPROTO, "command \"%s\" came before %s", name, expected->name);
    }
}

static void take_whole(struct kith_zmtp *engine, uint8_t *body, size_t size, struct kith_zmtp_event *event) {
    if (engine->state == KITH_ZMTP_STATE_HANDSHAKE)
        take_handshake_command(engine, body, size, event);
    else if (engine->seal)
        kith_zmtp_seal_receive(engine, body, size, event);
    else
        kith_zmtp_command_receive(engine, body, size, event);
}

static int gather(struct kith_zmtp *engine, const uint8_t *data, size_t size) {
    const size_t have = (size_t)engine->frame_offset;
    if (engine->gathered_capacity - have < size) {
        size_t capacity = engine->gathered_capacity ? engine->gathered_capacity : GATHER_FIRST;
        while (capacity - have < size)
            capacity *= 2;
        uint8_t *grown = realloc(engine->gathered, capacity);
        if (!grown)
            return -ENOMEM;
        engine->gathered = grown;
        engine->gathered_capacity = capacity;
    }
    memcpy(engine->gathered + have, data, size);
    engine->frame_offset += size;
    return 0;
}

static size_t eat_whole(struct kith_zmtp *engine, uint8_t *data, size_t size, struct kith_zmtp_event *event) {
    const uint64_t left = engine->frame_size - engine->frame_offset;
    const size_t piece = size < left ? size : (size_t)left;
    if (engine->frame_offset == 0 && piece == left) {
        engine->step = KITH_ZMTP_STEP_HEADER;
        take_whole(engine, data, piece, event);
        return piece;
    }
    if (gather(engine, data, piece) < 0) {
        kith_zmtp_fail(engine, event, -ENOMEM, "no memory for %" PRIu64 " octets that are needed whole", engine->frame_size);
        return piece;
    }
    if (piece == left) {
        engine->step = KITH_ZMTP_STEP_SHOWN;
        take_whole(engine, engine->gathered, (size_t)engine->frame_size, event);
        if (event->type == KITH_ZMTP_FRAME)
            event->frame.gathered = true;
    }
    return piece;
}

static void let_gathered_go(struct kith_zmtp *engine) {
    free(engine->gathered);
    engine->gathered = NULL;
    engine->gathered_capacity = 0;
    engine->step = KITH_ZMTP_STEP_HEADER;
}

/* Headers ----------------------------------------------------------------------------------------------------------- */

static bool check_flags(struct kith_zmtp *engine, uint8_t flags, struct kith_zmtp_event *event) {
    if (flags & ~(KITH_ZMTP_FLAG_MORE | KITH_ZMTP_FLAG_LONG | KITH_ZMTP_FLAG_COMMAND))
        kith_zmtp_fail(engine, event, -EPROTO, "frame flags %02x use reserved bits", flags);
    else if ((flags & KITH_ZMTP_FLAG_COMMAND) && (flags & KITH_ZMTP_FLAG_MORE))
        kith_zmtp_fail(engine, event, -EPROTO, "frame flags %02x: a command that says more frames follow", flags);
    else if ((flags & KITH_ZMTP_FLAG_MORE) && engine->seal)
        kith_zmtp_fail(engine, event, -EPROTO, "frame flags %02x: more frames follow, outside of the seal", flags);
    else if (!(flags & KITH_ZMTP_FLAG_COMMAND) && engine->state != KITH_ZMTP_STATE_TRAFFIC)
        kith_zmtp_fail(engine, event, -EPROTO, "a message came before the handshake was done");
    else
        return true;
    return false;
}

/* How large may it be? Whether a sealed frame is a command or a message is seen only when it has been opened. */
static uint64_t frame_limit(const struct kith_zmtp *engine, bool is_command) {
    if (!engine->seal)
        return is_command ? KITH_ZMTP_COMMAND_MAX : engine->max_frame;
    const uint64_t limit = engine->max_frame > KITH_ZMTP_COMMAND_MAX ? engine->max_frame : KITH_ZMTP_COMMAND_MAX;
    return limit > INT64_MAX - KITH_ZMTP_SEAL_SIZE ? INT64_MAX : limit + KITH_ZMTP_SEAL_SIZE;
}

static void begin_frame(struct kith_zmtp *engine, uint8_t flags, uint64_t size, struct kith_zmtp_event *event) {
    const bool is_command = flags & KITH_ZMTP_FLAG_COMMAND;
    const uint64_t limit = frame_limit(engine, is_command);
    engine->header_size = 0;
    engine->frame_size = size;
    engine->frame_offset = 0;
    engine->frame_more = flags & KITH_ZMTP_FLAG_MORE;
    if (size > INT64_MAX)
        kith_zmtp_fail(engine, event, -EPROTO, "frame size %016" PRIx64 " has its top bit set", size);
    else if (size > limit)
        kith_zmtp_fail(engine, event, -EMSGSIZE, "%s of %" PRIu64 " octets exceeds the limit of %" PRIu64, is_command ? "command" : "frame",
                       size, limit);
    else if (is_command || engine->seal)
        engine->step = KITH_ZMTP_STEP_WHOLE;
    else
        engine->step = KITH_ZMTP_STEP_BODY;
    /* Without a body there are no more octets to wait for. */
    if (size == 0 && engine->step == KITH_ZMTP_STEP_WHOLE)
        eat_whole(engine, engine->header, 0, event);
    else if (size == 0)
        eat_body(engine, engine->header, 0, event);
}

/*
 * The odd long command. libzmq 4.3.3 and 4.3.4 decide on LONG before they add the name: SUBSCRIBE and CANCEL of topics up to 255 octets
 * whose body with the name has 256 and more go out as 04 and an 8-octet size. Read by the RFC, that is an empty command (04 00), empty
 * frames, a frame of one octet and then flags that no frame has. So after 04 00 octets are held back as long as they can still be this:
 *
 *     04  00 00 00 00 00 00 01 xx  09 "SUBSCRIBE" | 06 "CANCEL"
 *
 * When they can not, 04 00 was an empty command and the others are read again as what they are.
 */
enum odd {
    ODD_NO,
    ODD_MAYBE,
    ODD_YES,
};

#define ODD_SIZE_AT 7
#define ODD_NAME_AT 9

static enum odd match_name(const uint8_t *octets, size_t size, const char *name, size_t name_size) {
    if (memcmp(octets, name, size < name_size ? size : name_size) != 0)
        return ODD_NO;
    return size < name_size ? ODD_MAYBE : ODD_YES;
}

static enum odd match_odd(const uint8_t *header, size_t size) {
    static const uint8_t start[] = {KITH_ZMTP_FLAG_COMMAND, 0, 0, 0, 0, 0, 0, 1};
    if (memcmp(header, start, size < sizeof(start) ? size : sizeof(start)) != 0)
        return ODD_NO;
    if (size <= ODD_NAME_AT)
        return ODD_MAYBE;
    enum odd odd = match_name(header + ODD_NAME_AT, size - ODD_NAME_AT, "\x09SUBSCRIBE", 10);
    return odd != ODD_NO ? odd
                         : match_name(header + ODD_NAME_AT, size - ODD_NAME_AT,
                                      "\x06"
                                      "CANCEL",
                                      7);
}

/* header[2, header_size) was not what it could have been. It cannot hold a second empty command: what matched is zeros, or ends in flags
 * that are refused; so the replay is never replaced before it is read. */
static void replay_header(struct kith_zmtp *engine, struct kith_zmtp_event *event) {
    engine->replay_begin = 0;
    engine->replay_end = engine->header_size - SHORT_HEADER;
    memcpy(engine->replay, engine->header + SHORT_HEADER, engine->replay_end);
    begin_frame(engine, KITH_ZMTP_FLAG_COMMAND, 0, event);
}

static void begin_odd_command(struct kith_zmtp *engine, struct kith_zmtp_event *event) {
    const size_t held = engine->header_size - ODD_NAME_AT;
    begin_frame(engine, KITH_ZMTP_FLAG_COMMAND, (uint64_t)engine->header[ODD_SIZE_AT] << 8 | engine->header[ODD_SIZE_AT + 1], event);
    eat_whole(engine, engine->header + ODD_NAME_AT, held, event);
}

/* libzmq puts the name in front of a sealed body before it seals: no such header there. */
static bool may_be_odd(const struct kith_zmtp *engine) {
    return engine->state == KITH_ZMTP_STATE_TRAFFIC && !engine->seal && engine->header[0] == KITH_ZMTP_FLAG_COMMAND &&
           engine->header[1] == 0;
}

/* Judges the header with its newest octet. */
static void take_header(struct kith_zmtp *engine, struct kith_zmtp_event *event) {
    const uint8_t *header = engine->header;
    const size_t size = engine->header_size;
    if (size == 1) {
        check_flags(engine, header[0], event);
    } else if (header[0] & KITH_ZMTP_FLAG_LONG) {
        if (size == LONG_HEADER)
            begin_frame(engine, header[0], kith_zmtp_read_be64(header + 1), event);
    } else if (!may_be_odd(engine)) {
        begin_frame(engine, header[0], header[1], event);
    } else {
        const enum odd odd = match_odd(header, size);
        if (odd == ODD_NO)
            replay_header(engine, event);
        else if (odd == ODD_YES)
            begin_odd_command(engine, event);
    }
}

static size_t eat_header(struct kith_zmtp *engine, const uint8_t *data, size_t size, struct kith_zmtp_event *event) {
    const bool is_whole = engine->state == KITH_ZMTP_STATE_TRAFFIC && engine->header_size == 0 && size >= LONG_HEADER;
    if (is_whole && (data[0] & ~(engine->seal ? 0 : KITH_ZMTP_FLAG_MORE)) == KITH_ZMTP_FLAG_LONG) {
        begin_frame(engine, data[0], kith_zmtp_read_be64(data + 1), event);
        return LONG_HEADER;
    }
    size_t eaten = 0;
    while (eaten < size && engine->step == KITH_ZMTP_STEP_HEADER && event->type == KITH_ZMTP_NONE) {
        engine->header[engine->header_size++] = data[eaten++];
        take_header(engine, event);
    }
    return eaten;
}

/* Input ------------------------------------------------------------------------------------------------------------- */

static size_t eat(struct kith_zmtp *engine, uint8_t *data, size_t size, struct kith_zmtp_event *event) {
    if (engine->step == KITH_ZMTP_STEP_HEADER)
        return eat_header(engine, data, size, event);
    if (engine->step == KITH_ZMTP_STEP_BODY)
        return eat_body(engine, data, size, event);
    return eat_whole(engine, data, size, event);
}

size_t kith_zmtp_frames_receive(struct kith_zmtp *engine, uint8_t *data, size_t size, struct kith_zmtp_event *event) {
    size_t eaten = 0;
    while (event->type == KITH_ZMTP_NONE) {
        const size_t held = (size_t)engine->replay_end - engine->replay_begin;
        if (engine->step == KITH_ZMTP_STEP_SHOWN)
            let_gathered_go(engine);
        else if (held > 0)
            engine->replay_begin += (uint8_t)eat(engine, engine->replay + engine->replay_begin, held, event);
        else if (eaten < size)
            eaten += eat(engine, data + eaten, size - eaten, event);
        else
            break;
    }
    engine->fast = engine->state == KITH_ZMTP_STATE_TRAFFIC && !engine->handshake && !engine->seal &&
                   engine->step == KITH_ZMTP_STEP_HEADER && engine->header_size == 0 && engine->replay_begin == engine->replay_end;
    return eaten;
}
