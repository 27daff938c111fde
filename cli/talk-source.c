/*
 * cli/talk-source.c: messages to be sent: given frames, files, or lines of standard input as they come.
 *
 * Standard input is read only when a message is asked for and no whole line is at hand, so what cannot be sent yet stays where it is. A
 * file is read at once, a pipe or terminal when the loop says that it has something.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/error.h"
#include "base/fd.h"
#include "cli/json.h"
#include "cli/talk.h"
#include "gateway/cleanup.h"

/* A longer line, or file, is taken for a mistake: it has to fit in memory, and few peers accept as much. */
#define MESSAGE_MAX ((size_t)1024 * 1024 * 1024)
#define READ_SIZE ((size_t)64 * 1024)

enum kind {
    FROM_FRAMES,
    FROM_FILES,
    FROM_INPUT,
};

struct cli_source {
    enum kind kind;
    struct cli_source_options options;
    kith_loop *loop;
    kith_io *io; /* NULL: standard input is never waited for */
    void (*ready)(void *userdata);
    void *userdata;
    char *buffer; /* of standard input: buffer[begin, end) is not used yet, [begin, looked) has no newline */
    size_t begin, looked, end, capacity;
    bool ended;
};

KITH_DEFINE_CLEANUP(struct cli_source *, cli_source_free)

static void on_input(kith_io *io, int fd, unsigned events, void *userdata) {
    struct cli_source *source = userdata;
    (void)fd;
    (void)events;
    kith_io_set_events(io, 0);
    source->ready(source->userdata);
}

int cli_source_new(kith_loop *loop, const struct cli_source_options *options, void (*ready)(void *userdata), void *userdata,
                   struct cli_source **ret_source, struct kith_error *ret_error) {
    _cleanup_(cli_source_freep) struct cli_source *source = calloc(1, sizeof(*source));
    if (!source)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    source->options = *options;
    source->kind = options->frames && options->frames[0] ? FROM_FRAMES : options->files[0] ? FROM_FILES : FROM_INPUT;
    source->loop = loop;
    source->ready = ready;
    source->userdata = userdata;
    if (source->kind == FROM_INPUT) {
        int r = kith_io_new(loop, STDIN_FILENO, 0, on_input, source, &source->io);
        if (r < 0 && r != -EPERM) /* a regular file is always ready */
            return kith_error_set(ret_error, r, "standard input: %s", kith_error_name(r));
    }
    *ret_source = KITH_STEAL(source);
    return 0;
}

struct cli_source *cli_source_free(struct cli_source *source) {
    if (!source)
        return NULL;
    kith_io_free(source->io);
    free(source->buffer);
    free(source);
    return NULL;
}

/* Message ------------------------------------------------------------------------------------------------------------ */

static int begin_message(const struct cli_source *source, kith_msg **ret_msg) {
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    int r = kith_msg_new(&msg);
    if (r >= 0 && source->options.topic)
        r = kith_msg_add(msg, source->options.topic, strlen(source->options.topic));
    if (r >= 0 && source->options.group)
        r = kith_msg_set_group(msg, source->options.group);
    if (r >= 0)
        r = cli_passed_attach(source->options.passed, msg);
    if (r < 0)
        return r;
    *ret_msg = KITH_STEAL(msg);
    return 0;
}

static int from_frames(const struct cli_source *source, kith_msg **ret_msg, struct kith_error *ret_error) {
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    int r = begin_message(source, &msg);
    for (char **frame = source->options.frames; r >= 0 && *frame; frame++)
        r = kith_msg_add(msg, *frame, strlen(*frame));
    if (r < 0)
        return kith_error_set(ret_error, r, "%s", kith_error_name(r));
    *ret_msg = KITH_STEAL(msg);
    return 1;
}

static int from_octets(const struct cli_source *source, const void *data, size_t size, kith_msg **ret_msg, struct kith_error *ret_error) {
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    int r = begin_message(source, &msg);
    if (r >= 0)
        r = kith_msg_add(msg, data, size);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s", kith_error_name(r));
    *ret_msg = KITH_STEAL(msg);
    return 1;
}

static int from_line(const struct cli_source *source, const char *line, size_t size, kith_msg **ret_msg, struct kith_error *ret_error) {
    if (!source->options.json)
        return from_octets(source, line, size, ret_msg, ret_error);
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    int r = begin_message(source, &msg);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s", kith_error_name(r));
    r = cli_json_read(line, size, msg, ret_error);
    if (r < 0)
        return r;
    *ret_msg = KITH_STEAL(msg);
    return 1;
}

static int from_file(struct cli_source *source, kith_msg **ret_msg, struct kith_error *ret_error) {
    _cleanup_(freep) char *text = NULL;
    size_t size;
    const char *path = *source->options.files;
    if (!path)
        return -ENODATA;
    source->options.files++;
    int r = kith_file_read(AT_FDCWD, path, MESSAGE_MAX, &text, &size);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: %s", path, kith_error_name(r));
    return from_octets(source, text, size, ret_msg, ret_error);
}

/* Standard input ------------------------------------------------------------------------------------------------------ */

static int make_room(struct cli_source *source) {
    if (source->begin > 0) {
        memmove(source->buffer, source->buffer + source->begin, source->end - source->begin);
        source->end -= source->begin;
        source->looked -= source->begin;
        source->begin = 0;
    }
    if (source->capacity - source->end >= READ_SIZE)
        return 0;
    if (source->end > MESSAGE_MAX)
        return -EFBIG;
    size_t capacity = source->capacity * 2 + READ_SIZE;
    char *grown = realloc(source->buffer, capacity);
    if (!grown)
        return -ENOMEM;
    source->buffer = grown;
    source->capacity = capacity;
    return 0;
}

/* The line that begins at `begin`: 1, 0: it is not whole yet. At the end the last line needs no newline. */
static int take_line(struct cli_source *source, const char **ret_line, size_t *ret_size) {
    const char *from = source->buffer + source->looked;
    const char *newline = source->end > source->looked ? memchr(from, '\n', source->end - source->looked) : NULL;
    source->looked = source->end;
    if (!newline && !(source->ended && source->end > source->begin))
        return 0;
    *ret_line = source->buffer + source->begin;
    *ret_size = newline ? (size_t)(newline - *ret_line) : source->end - source->begin;
    source->begin += *ret_size + (newline ? 1 : 0);
    source->looked = source->begin;
    return 1;
}

/* Returns 1 when something came or it ended, 0 when it has to be waited for. */
static int read_more(struct cli_source *source, bool may_block, struct kith_error *ret_error) {
    int r = make_room(source);
    if (r < 0)
        return kith_error_set(ret_error, r, "standard input: %s", r == -EFBIG ? "a line is longer than 1 GiB" : kith_error_name(r));
    if (source->io && !may_block) {
        kith_io_set_events(source->io, KITH_IO_READ);
        return 0;
    }
    ssize_t n = read(STDIN_FILENO, source->buffer + source->end, source->capacity - source->end);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        if (source->io)
            kith_io_set_events(source->io, KITH_IO_READ);
        return source->io ? 0 : 1;
    }
    if (n < 0) {
        r = -errno;
        return kith_error_set(ret_error, r, "standard input: %s", kith_error_name(r));
    }
    source->ended = n == 0;
    source->end += (size_t)n;
    return 1;
}

/* Is there something to be read without waiting? */
static bool input_ready(void) {
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) > 0;
}

static int from_input(struct cli_source *source, kith_msg **ret_msg, struct kith_error *ret_error) {
    const char *line;
    size_t size;
    for (;;) {
        if (source->buffer && take_line(source, &line, &size) > 0)
            return from_line(source, line, size, ret_msg, ret_error);
        if (source->ended)
            return -ENODATA;
        int r = read_more(source, !source->io || input_ready(), ret_error);
        if (r <= 0)
            return r;
    }
}

int cli_source_next(struct cli_source *source, kith_msg **ret_msg, struct kith_error *ret_error) {
    switch (source->kind) {
    case FROM_FRAMES:
        return from_frames(source, ret_msg, ret_error);
    case FROM_FILES:
        return from_file(source, ret_msg, ret_error);
    case FROM_INPUT:
        return from_input(source, ret_msg, ret_error);
    }
    return -EINVAL;
}
