/*
 * zmtp/engine.h: the engine from inside, for the files of this room.
 *
 * zmtp.c holds the public entry points and the decision; the parts are greeting.c (64 octets in, 64 out), frame.c (headers, bodies,
 * gathering of commands), command.c (commands in traffic), metadata.c (READY's properties), output.c (what is to be sent) and one file a
 * security mechanism (null.c).
 *
 * Invariants: nothing is allocated for octets that have not arrived; `fast` is true only in traffic, between frames, with nothing held
 * back; a dead engine never tells another event, but what it had to say can still be fetched.
 */
#ifndef KITH_ZMTP_ENGINE_H
#define KITH_ZMTP_ENGINE_H

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
    KITH_ZMTP_STEP_BODY,    /* of a message frame: handed out as it comes */
    KITH_ZMTP_STEP_COMMAND, /* body of a command: gathered */
    KITH_ZMTP_STEP_SHOWN,   /* the last event points into the gathered command: it is let go with the next call */
};

/* A command's body, taken apart; points into it. */
struct kith_zmtp_command {
    const uint8_t *name;
    size_t name_size;
    const uint8_t *data;
    size_t size;
};

/* A security mechanism's handshake: one file each; kith_zmtp_new() picks it. */
struct kith_zmtp_mechanism {
    const char *name; /* in the greeting; at most KITH_ZMTP_MECHANISM_SIZE characters */
    bool roles;       /* as-server has a meaning; else it is zero in the greeting (RFC 37) */
    /* The owner has accepted: queues what opens the handshake on our side. Errors: -ENOMEM. */
    int (*start)(struct kith_zmtp *engine);
    /* A command came before the traffic. Tells READY, REFUSED or FAILED in *event, or leaves it at NONE when more has to come. */
    void (*command)(struct kith_zmtp *engine, const struct kith_zmtp_command *command, struct kith_zmtp_event *event);
};

extern const struct kith_zmtp_mechanism kith_zmtp_mechanism_null;

/* Properties, in one block of memory. */
struct kith_zmtp_metadata {
    struct kith_zmtp_property *properties; /* NULL when there is none */
    size_t count;
};

struct kith_zmtp_output {
    uint8_t *data;
    size_t capacity;
    size_t begin, end; /* what is to be sent: data[begin, end) */
    size_t limit;      /* of end - begin, for commands of the traffic */
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

    uint8_t *command; /* gathered octets: frame_offset of them */
    size_t command_capacity;

    const struct kith_zmtp_mechanism *mechanism;
    struct kith_zmtp_options options;
    int peer_major, peer_minor;
    struct kith_zmtp_metadata peer;
    struct kith_zmtp_output output;
    char *text; /* KITH_ZMTP_TEXT_MAX octets once something had to be said */

    uint8_t greeting_size;
    uint8_t greeting[KITH_ZMTP_GREETING_SIZE]; /* of the peer */
};

/* zmtp.c: the engine dies and says why. */
void kith_zmtp_fail(struct kith_zmtp *engine, struct kith_zmtp_event *event, int error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* zmtp.c: both READYs are through: from here on traffic. */
void kith_zmtp_enter_traffic(struct kith_zmtp *engine, struct kith_zmtp_event *event);
/* zmtp.c: KITH_ZMTP_TEXT_MAX octets, valid until something else is said; NULL without memory. */
char *kith_zmtp_text(struct kith_zmtp *engine);

/* greeting.c */
void kith_zmtp_greeting_write(const struct kith_zmtp *engine, uint8_t greeting[static KITH_ZMTP_GREETING_SIZE]);
size_t kith_zmtp_greeting_receive(struct kith_zmtp *engine, const uint8_t *data, size_t size, struct kith_zmtp_event *event);

/* frame.c: eats up to one event in the states HANDSHAKE and TRAFFIC; *event is NONE before. */
size_t kith_zmtp_frames_receive(struct kith_zmtp *engine, const uint8_t *data, size_t size, struct kith_zmtp_event *event);

/* command.c */
/* False: malformed (empty, no name, a name longer than the body). */
bool kith_zmtp_command_parse(const uint8_t *body, size_t size, struct kith_zmtp_command *ret_command);
bool kith_zmtp_command_is(const struct kith_zmtp_command *command, const char *name);
/* A body of a command in traffic: tells its event. */
void kith_zmtp_command_receive(struct kith_zmtp *engine, const uint8_t *body, size_t size, struct kith_zmtp_event *event);
/* ERROR came: tells REFUSED; the owner of the handshake ends the engine itself. */
void kith_zmtp_command_refused(struct kith_zmtp *engine, const struct kith_zmtp_command *command, bool handshake,
                               struct kith_zmtp_event *event);
/* Queues a command's header and name and returns the place for its `size` octets of data, to be written at once. NULL: no memory. */
uint8_t *kith_zmtp_command_queue(struct kith_zmtp *engine, const char *name, size_t size);
/* Queues ERROR; the reason is cut and made printable. Errors: -ENOMEM. */
int kith_zmtp_command_queue_error(struct kith_zmtp *engine, const char *reason);
/* Copies at most `room` - 1 octets as printable ASCII, others as '?'; always terminates. Returns the length. */
size_t kith_zmtp_printable(char *text, size_t room, const uint8_t *octets, size_t size);

/* metadata.c */
/* Octets of our properties on the wire. Errors: -EINVAL (names, sizes), -EMSGSIZE (READY would exceed KITH_ZMTP_COMMAND_MAX). */
int kith_zmtp_metadata_size(const struct kith_zmtp_options *options, size_t *ret_size);
/* Writes them; the size is known from kith_zmtp_metadata_size(). */
void kith_zmtp_metadata_write(const struct kith_zmtp_options *options, uint8_t *to);
/* Takes a peer's properties apart into a copy. Errors: -EPROTO with *ret_reason (static), -ENOMEM. */
int kith_zmtp_metadata_parse(const uint8_t *data, size_t size, struct kith_zmtp_metadata *ret_metadata, const char **ret_reason);
void kith_zmtp_metadata_deinit(struct kith_zmtp_metadata *metadata);
/* Property by name, case-insensitive. NULL: none. */
const struct kith_zmtp_property *kith_zmtp_metadata_find(const struct kith_zmtp_metadata *metadata, const char *name);

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
