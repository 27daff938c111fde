/*
 * zmtp/engine.h: the engine from inside, for the files of this room.
 *
 * zmtp.c holds the public entry points and the decisions; the parts are greeting.c (64 octets in, 64 out), frame.c (headers, bodies,
 * gathering of what is needed whole), command.c (commands in traffic), metadata.c (READY's properties), output.c (what the engine has to
 * say), write.c (what its owner says), seal.c (CURVE's traffic) and one file a security mechanism (null.c, plain.c, curve.c).
 *
 * Invariants: nothing is allocated for octets that have not arrived; `fast` is true only in traffic that is not sealed, between frames,
 * with nothing held back; a dead engine never tells another event, but what it had to say can still be taken; what only the handshake needs
 * (struct kith_zmtp_handshake: the larger part) is there exactly until the call after READY, so that an idle peer has one small block.
 */
#ifndef KITH_ZMTP_ENGINE_H
#define KITH_ZMTP_ENGINE_H

#include <endian.h>
#include <string.h>

#include "base/cleanup.h"
#include "zmtp/zmtp.h"

#define KITH_ZMTP_GREETING_SIZE 64
/* RFC 37: the mechanism's name in the greeting, padded with NUL. */
#define KITH_ZMTP_MECHANISM_SIZE 20
/* Octets of a command's body, both ways. READY with its metadata is the largest that has a use. */
#define KITH_ZMTP_COMMAND_MAX ((size_t)64 * 1024)
#define KITH_ZMTP_PROPERTIES_MAX 64
/* RFC 37: context of PING and PONG. */
#define KITH_ZMTP_CONTEXT_MAX 16
/* RFC 48: the name of a group. */
#define KITH_ZMTP_GROUP_MAX 255
/* RFC 37: an ERROR's reason. */
#define KITH_ZMTP_REASON_MAX 255
/* Octets of traffic commands that may wait for being fetched; a peer that asks and does not read gets no more answers. */
#define KITH_ZMTP_OUTPUT_MAX 4096
/* Room for what an event says to a person. */
#define KITH_ZMTP_TEXT_MAX 512

enum kith_zmtp_flag {
    KITH_ZMTP_FLAG_MORE = 1,
    KITH_ZMTP_FLAG_LONG = 2,
    KITH_ZMTP_FLAG_COMMAND = 4,
};

/* Where the engine is within the frames of handshake and traffic. */
enum kith_zmtp_step {
    KITH_ZMTP_STEP_HEADER,
    KITH_ZMTP_STEP_BODY,  /* of a message frame: handed out as it comes */
    KITH_ZMTP_STEP_WHOLE, /* body of a command or of a sealed frame: gathered */
    KITH_ZMTP_STEP_SHOWN, /* the last event points into what was gathered: it is let go with the next call */
};

/* A command's body, taken apart; points into it. What is in a box there is opened where it lies. */
struct kith_zmtp_command {
    const uint8_t *name;
    size_t name_size;
    uint8_t *data;
    size_t size;
};

struct kith_zmtp_handshake;

/* A command of the peer's in the handshake. take() tells CREDENTIALS, READY or FAILED in *event, or leaves it at NONE when more has to
 * come. */
struct kith_zmtp_expected {
    const char *name;
    void (*take)(struct kith_zmtp *engine, const struct kith_zmtp_command *command, struct kith_zmtp_event *event);
};

/* A security mechanism's handshake: one file each; kith_zmtp_new() picks it. */
struct kith_zmtp_mechanism {
    const char *name; /* in the greeting; at most KITH_ZMTP_MECHANISM_SIZE characters */
    bool roles;       /* as-server has a meaning; else it is zero in the greeting (RFC 37) */
    size_t overhead;  /* octets of the command that tells our metadata, beside them */
    /* Looks at the options and makes what the handshake needs. NULL: nothing. Errors: -EINVAL, -ENOMEM, -ENOSYS. */
    int (*init)(struct kith_zmtp *engine);
    void (*deinit)(struct kith_zmtp_handshake *handshake);
    /* The owner has accepted: queues what opens the handshake on our side. Errors: -ENOMEM. */
    int (*start)(struct kith_zmtp *engine);
    /* The owner has let the peer in after CREDENTIALS. Errors: -ENOMEM. */
    int (*admit)(struct kith_zmtp *engine);
    /* By handshake->step: the command that has to come (or ERROR, which may always come). */
    const struct kith_zmtp_expected *expected;
};

extern const struct kith_zmtp_mechanism kith_zmtp_mechanism_null;
extern const struct kith_zmtp_mechanism kith_zmtp_mechanism_plain;
extern const struct kith_zmtp_mechanism kith_zmtp_mechanism_curve;

/* Properties, in one block of memory. */
struct kith_zmtp_metadata {
    struct kith_zmtp_property *properties; /* NULL when there is none */
    size_t count;
};

struct kith_zmtp_curve;

/* What only greeting and handshake need. */
struct kith_zmtp_handshake {
    struct kith_zmtp_options options;
    const struct kith_zmtp_mechanism *mechanism;
    unsigned step;                     /* into mechanism->expected */
    enum kith_zmtp_event_type pending; /* READY or CREDENTIALS: to be told with the next call; NONE */
    struct kith_zmtp_curve *curve;     /* curve.c */
    struct kith_zmtp_metadata peer;
    const char *peer_type; /* its Socket-Type, known to fit; NULL until its metadata came */
    uint8_t greeting_size;
    uint8_t greeting[KITH_ZMTP_GREETING_SIZE]; /* of the peer */
};

/* What the engine has to say: data[0, size), taken as a whole. Frames are in it as they are without a seal. */
struct kith_zmtp_output {
    uint8_t *data;
    uint32_t size, capacity;
    uint32_t open;  /* octets at the front that go out as they are: of greeting and handshake */
    uint32_t limit; /* of size, for commands of the traffic */
};

/* Keys and numbers of CURVE's traffic. */
struct kith_zmtp_seal {
    uint8_t sent_key[KITH_ZMTP_KEY_SIZE], received_key[KITH_ZMTP_KEY_SIZE]; /* of both transient keys, for each direction: box.h */
    uint64_t sent, received;                                                /* short nonces: the last of each direction */
};

/* The longest header is that of the odd long command (frame.c): 9 octets and the 10 of "\x09SUBSCRIBE" by which it is known. */
#define KITH_ZMTP_HELD_MAX 19

struct kith_zmtp {
    /* Read for every frame: first and together. */
    bool fast;         /* a frame that lies whole in the input may be taken straight from it */
    bool message_open; /* the last frame said MORE */
    bool frame_more;
    uint8_t header_size; /* octets in `header` */
    enum kith_zmtp_state state;
    enum kith_zmtp_step step;
    uint64_t max_frame;
    uint64_t frame_size;   /* of the frame or command whose body is expected */
    uint64_t frame_offset; /* octets of it that have come */

    uint8_t header[KITH_ZMTP_HELD_MAX];
    /* Octets that were eaten as one thing and turned out to be others: input that comes before the caller's. */
    uint8_t replay[KITH_ZMTP_HELD_MAX];
    uint8_t replay_begin, replay_end;

    uint8_t peer_major, peer_minor;
    bool peer_is_libzmq; /* see zmtp.h */
    uint8_t *gathered;   /* frame_offset octets of a body that is needed whole */
    size_t gathered_capacity;

    struct kith_zmtp_handshake *handshake; /* NULL in traffic */
    struct kith_zmtp_seal *seal;           /* NULL: frames are not sealed */
    struct kith_zmtp_output output;
    char *text; /* KITH_ZMTP_TEXT_MAX octets once something had to be said */
};

#define KITH_ZMTP_SHORT_HEADER 2

static inline uint64_t kith_zmtp_read_be64(const uint8_t octets[static 8]) {
    uint64_t value;
    memcpy(&value, octets, sizeof(value));
    return be64toh(value);
}

static inline void kith_zmtp_write_be64(uint8_t octets[static 8], uint64_t value) {
    value = htobe64(value);
    memcpy(octets, &value, sizeof(value));
}

/* A message frame that is there in one piece. */
static inline void kith_zmtp_tell_whole(struct kith_zmtp *engine, const uint8_t *data, size_t size, bool more,
                                        struct kith_zmtp_event *event) {
    engine->message_open = more;
    event->type = KITH_ZMTP_FRAME;
    event->frame.data = data;
    event->frame.size = size;
    event->frame.frame_size = size;
    event->frame.offset = 0;
    event->frame.last = true;
    event->frame.more = more;
    event->frame.gathered = false;
}

/* zmtp.c: the engine dies and says why. */
void kith_zmtp_fail(struct kith_zmtp *engine, struct kith_zmtp_event *event, int error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* zmtp.c: the peer's metadata came, in the command of that name: kept, and looked at. False: the engine is dead and has said why. */
bool kith_zmtp_take_metadata(struct kith_zmtp *engine, const char *name, const uint8_t *data, size_t size, struct kith_zmtp_event *event);
/* zmtp.c: both sides have said and heard all: from here on traffic. */
void kith_zmtp_enter_traffic(struct kith_zmtp *engine, struct kith_zmtp_event *event);
/* zmtp.c: the owner is to decide on the peer; the mechanism adds who it is to event->credentials. */
void kith_zmtp_ask(struct kith_zmtp *engine, struct kith_zmtp_event *event);
/* zmtp.c: KITH_ZMTP_TEXT_MAX octets, valid until something else is said; NULL without memory. */
char *kith_zmtp_text(struct kith_zmtp *engine);

/* greeting.c */
void kith_zmtp_greeting_write(const struct kith_zmtp *engine, uint8_t greeting[static KITH_ZMTP_GREETING_SIZE]);
size_t kith_zmtp_greeting_receive(struct kith_zmtp *engine, const uint8_t *data, size_t size, struct kith_zmtp_event *event);

/* frame.c: eats up to one event in the states HANDSHAKE and TRAFFIC; *event is NONE before. */
size_t kith_zmtp_frames_receive(struct kith_zmtp *engine, uint8_t *data, size_t size, struct kith_zmtp_event *event);

/* command.c */
/* False: malformed (empty, no name, a name longer than the body). */
bool kith_zmtp_command_parse(uint8_t *body, size_t size, struct kith_zmtp_command *ret_command);
bool kith_zmtp_command_is(const struct kith_zmtp_command *command, const char *name);
/* A body of a command in traffic: tells its event. */
void kith_zmtp_command_receive(struct kith_zmtp *engine, uint8_t *body, size_t size, struct kith_zmtp_event *event);
/* ERROR came: tells REFUSED; the owner of the handshake ends the engine itself. */
void kith_zmtp_command_refused(struct kith_zmtp *engine, const struct kith_zmtp_command *command, bool handshake,
                               struct kith_zmtp_event *event);
/* Queues a command's header and name and returns the place for its `size` octets of data, to be written at once. NULL: no memory. */
uint8_t *kith_zmtp_command_queue(struct kith_zmtp *engine, const char *name, size_t size);
/* Queues the command `name` with our metadata. Errors: -ENOMEM. */
int kith_zmtp_command_queue_metadata(struct kith_zmtp *engine, const char *name);
/* Queues ERROR; the reason is cut and made printable. Errors: -ENOMEM. */
int kith_zmtp_command_queue_error(struct kith_zmtp *engine, const char *reason);
/* Copies at most `room` - 1 octets as printable ASCII, others as '?'; always terminates. Returns the length. */
size_t kith_zmtp_printable(char *text, size_t room, const uint8_t *octets, size_t size);

/* metadata.c */
/* Errors: -EINVAL (names, sizes), -EMSGSIZE (with `overhead` octets our properties would exceed KITH_ZMTP_COMMAND_MAX). */
int kith_zmtp_metadata_check(const struct kith_zmtp_options *options, size_t overhead);
/* Octets of our properties on the wire. */
size_t kith_zmtp_metadata_size(const struct kith_zmtp_options *options);
/* Writes them: so many octets. */
void kith_zmtp_metadata_write(const struct kith_zmtp_options *options, uint8_t *to);
/* Takes a peer's properties apart into a copy. Errors: -EPROTO with *ret_reason (static), -ENOMEM. */
int kith_zmtp_metadata_parse(const uint8_t *data, size_t size, struct kith_zmtp_metadata *ret_metadata, const char **ret_reason);
void kith_zmtp_metadata_deinit(struct kith_zmtp_metadata *metadata);
/* Property by name, case-insensitive. NULL: none. */
const struct kith_zmtp_property *kith_zmtp_metadata_find(const struct kith_zmtp_metadata *metadata, const char *name);

/* write.c: a body that is put together of two parts. `flags`: MORE or COMMAND, not LONG. */
struct kith_zmtp_body {
    uint8_t flags;
    const void *head;
    size_t head_size;
    const void *data;
    size_t size;
};
size_t kith_zmtp_body_wire_size(const struct kith_zmtp *engine, const struct kith_zmtp_body *body);
/* Writes the frame, sealed where the mechanism seals. Returns its end. */
uint8_t *kith_zmtp_body_write(struct kith_zmtp *engine, const struct kith_zmtp_body *body, uint8_t *out);
/* A frame's header with these flags; returns its length. */
size_t kith_zmtp_header_write(uint8_t *to, uint64_t size, uint8_t flags);

/* seal.c: "\x07MESSAGE", short nonce, authenticator and the flags octet: what a sealed body has beside the frame's own (RFC 26). */
#define KITH_ZMTP_SEAL_SIZE 33
/* From here on all that is queued and written is sealed. `key` is that of both transient keys. Errors: -ENOMEM. */
int kith_zmtp_seal_start(struct kith_zmtp *engine, const uint8_t key[static KITH_ZMTP_KEY_SIZE], bool server, uint64_t sent,
                         uint64_t received);
struct kith_zmtp_seal *kith_zmtp_seal_free(struct kith_zmtp_seal *seal);
/* Seals a body where it lies: `size` octets behind room[KITH_ZMTP_SEAL_SIZE]. `flags` are those of a frame: MORE or COMMAND. */
void kith_zmtp_seal_close(struct kith_zmtp_seal *seal, uint8_t *room, uint8_t flags, size_t size);
/* Opens a sealed body where it lies and tells what was in it. */
void kith_zmtp_seal_receive(struct kith_zmtp *engine, uint8_t *body, size_t size, struct kith_zmtp_event *event);

/* output.c */
/* Room for `size` octets at the end, counted as queued. NULL: no memory. */
uint8_t *kith_zmtp_output_extend(struct kith_zmtp_output *output, size_t size);
/* May a traffic command with a body of `size` octets be queued? */
bool kith_zmtp_output_has_room(const struct kith_zmtp_output *output, size_t size);

/* socket-type.c: the type's own static name, or NULL. */
const char *kith_zmtp_socket_type_find(const void *name, size_t size);
/* REQ, DEALER and ROUTER tell their routing id (RFC 37, "The Identity Property"). */
bool kith_zmtp_socket_type_has_identity(const char *type);

#endif
