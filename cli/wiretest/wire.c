/* cli/wiretest/wire.c: see wire.h. */
#include "cli/wiretest/wire.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/time.h"
#include "cli/wiretest/curve.h"

/* Waiting ---------------------------------------------------------------------------------------------------------------- */

static int wait_for(int fd, short events, uint64_t deadline) {
    for (;;) {
        const uint64_t now = kith_time_now();
        if (now >= deadline)
            return -ETIMEDOUT;
        struct pollfd pollfd = {.fd = fd, .events = events};
        int r = poll(&pollfd, 1, (int)((deadline - now + KITH_NS_PER_MS - 1) / KITH_NS_PER_MS));
        if (r > 0)
            return 0;
        if (r < 0 && errno != EINTR)
            return -errno;
    }
}

/* Everything that means that the peer has ended the connection is one error. */
static int closed(int error) {
    return error == EPIPE || error == ECONNRESET || error == ENOTCONN ? -ECONNRESET : -error;
}

/* Connecting ------------------------------------------------------------------------------------------------------------- */

static int start(struct wire *wire, const struct sockaddr *address, socklen_t size) {
    wire->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (wire->fd < 0)
        return -errno;
    if (connect(wire->fd, address, size) == 0)
        return 0;
    int r = errno == EINPROGRESS ? wait_for(wire->fd, POLLOUT, kith_time_now() + wire->timeout) : -errno;
    int error = 0;
    socklen_t error_size = sizeof(error);
    if (r == 0 && getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &error, &error_size) == 0)
        r = -error;
    if (r < 0)
        wire->fd = kith_close(wire->fd);
    return r;
}

static int start_unix(struct wire *wire, const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t size = strlen(name);
    if (size == 0 || size >= sizeof(address.sun_path))
        return -EINVAL;
    memcpy(address.sun_path, name, size);
    if (name[0] == '@') /* abstract: the length ends the name, a NUL would be part of it */
        address.sun_path[0] = '\0';
    return start(wire, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + (name[0] != '@')));
}

static int start_tcp(struct wire *wire, const char *name) {
    char host[256];
    const char *colon = strrchr(name, ':');
    if (!colon || colon == name || (size_t)(colon - name) >= sizeof(host))
        return -EINVAL;
    const bool bracketed = name[0] == '[' && colon[-1] == ']';
    const size_t size = (size_t)(colon - name) - (bracketed ? 2 : 0);
    memcpy(host, name + bracketed, size);
    host[size] = '\0';
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    if (getaddrinfo(host, colon + 1, &hints, &list) != 0)
        return -EHOSTUNREACH;
    int r = -EHOSTUNREACH;
    for (const struct addrinfo *one = list; one; one = one->ai_next) {
        r = start(wire, one->ai_addr, one->ai_addrlen);
        if (r == 0)
            break;
    }
    freeaddrinfo(list);
    return r;
}

int wire_open(struct wire *wire, const char *endpoint, uint64_t timeout, struct wire_framing *framing, struct kith_error *ret_error) {
    int r;
    *wire = (struct wire){.fd = -1, .timeout = timeout, .framing = framing};
    if (strncmp(endpoint, "ipc://", 6) == 0)
        r = start_unix(wire, endpoint + 6);
    else if (strncmp(endpoint, "tcp://", 6) == 0)
        r = start_tcp(wire, endpoint + 6);
    else
        return kith_error_set(ret_error, -EINVAL, "%s: only ipc:// and tcp:// endpoints carry ZMTP octets that can be looked at", endpoint);
    if (r == -EINVAL)
        return kith_error_set(ret_error, r, "%s: no such endpoint: ipc://PATH, ipc://@NAME and tcp://HOST:PORT are", endpoint);
    return r < 0 ? kith_error_set(ret_error, r, "%s: %s: does the peer listen here?", endpoint, kith_error_name(r)) : 0;
}

void wire_close(struct wire *wire) {
    wire->fd = kith_close(wire->fd);
    wire->curve = wire_curve_free(wire->curve);
}

int wire_shut(struct wire *wire) {
    return shutdown(wire->fd, SHUT_WR) < 0 ? closed(errno) : 0;
}

/* Octets ----------------------------------------------------------------------------------------------------------------- */

int wire_write(struct wire *wire, const void *data, size_t size) {
    const uint64_t deadline = kith_time_now() + wire->timeout;
    const uint8_t *octets = data;
    if (size > WIRE_OCTETS_MAX - wire->written)
        return -ENOBUFS;
    while (size > 0) {
        ssize_t n = send(wire->fd, octets, size, MSG_NOSIGNAL);
        if (n >= 0) {
            octets += n;
            size -= (size_t)n;
            wire->written += (size_t)n;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return closed(errno);
        int r = wait_for(wire->fd, POLLOUT, deadline);
        if (r < 0)
            return r;
    }
    return 0;
}

static void note_seen(struct wire *wire, const uint8_t *data, size_t size) {
    if (size > WIRE_SEEN_MAX) {
        data += size - WIRE_SEEN_MAX;
        size = WIRE_SEEN_MAX;
    }
    const size_t over = wire->seen_size + size > WIRE_SEEN_MAX ? wire->seen_size + size - WIRE_SEEN_MAX : 0;
    memmove(wire->seen, wire->seen + over, wire->seen_size - over);
    wire->seen_size -= over;
    memcpy(wire->seen + wire->seen_size, data, size);
    wire->seen_size += size;
}

/* At least one octet. */
static int read_some(struct wire *wire, uint8_t *data, size_t size, uint64_t deadline, size_t *ret_size) {
    for (;;) {
        ssize_t n = recv(wire->fd, data, size, 0);
        if (n > 0) {
            wire->received += (size_t)n;
            note_seen(wire, data, (size_t)n);
            *ret_size = (size_t)n;
            return wire->received > WIRE_OCTETS_MAX ? -ENOBUFS : 0;
        }
        if (n == 0)
            return -ECONNRESET;
        if (errno == EINTR)
            continue;
        int r = errno == EAGAIN ? wait_for(wire->fd, POLLIN, deadline) : closed(errno);
        if (r < 0)
            return r;
    }
}

int wire_read_within(struct wire *wire, void *data, size_t size, uint64_t timeout) {
    const uint64_t deadline = kith_time_now() + timeout;
    uint8_t *octets = data;
    while (size > 0) {
        size_t piece;
        int r = read_some(wire, octets, size, deadline, &piece);
        if (r < 0)
            return r;
        octets += piece;
        size -= piece;
    }
    return 0;
}

int wire_read(struct wire *wire, void *data, size_t size) {
    return wire_read_within(wire, data, size, wire->timeout);
}

int wire_until_closed(struct wire *wire, uint64_t timeout) {
    const uint64_t deadline = kith_time_now() + timeout;
    uint8_t octets[4096];
    size_t size;
    int r;
    do
        r = read_some(wire, octets, sizeof(octets), deadline, &size);
    while (r == 0);
    return r == -ECONNRESET ? 0 : r;
}

/* Frames ----------------------------------------------------------------------------------------------------------------- */

size_t wire_header(uint8_t header[static 9], unsigned flags, uint64_t size) {
    header[0] = (uint8_t)flags;
    header[1] = (uint8_t)size;
    if (!(flags & WIRE_LONG))
        return 2;
    for (size_t i = 0; i < 8; i++)
        header[1 + i] = (uint8_t)(size >> (56 - 8 * i));
    return 9;
}

/* Header and body in one write: what a peer does with a split frame is a case of its own. */
static int send_plain(struct wire *wire, unsigned flags, const void *body, size_t size) {
    uint8_t octets[9 + WIRE_BODY_MAX];
    if (size > WIRE_BODY_MAX)
        return -EMSGSIZE;
    const size_t header_size = wire_header(octets, flags | (size > UINT8_MAX ? WIRE_LONG : 0), size);
    if (size > 0)
        memcpy(octets + header_size, body, size);
    return wire_write(wire, octets, header_size + size);
}

int wire_send(struct wire *wire, unsigned flags, const void *body, size_t size) {
    if (!wire->curve)
        return send_plain(wire, flags, body, size);
    uint8_t box[WIRE_BODY_MAX];
    size_t box_size = sizeof(box);
    int r = wire_curve_seal(wire->curve, flags, body, size, box, &box_size);
    return r < 0 ? r : send_plain(wire, 0, box, box_size);
}

int wire_send_command(struct wire *wire, const char *name, const void *data, size_t size) {
    uint8_t body[WIRE_BODY_MAX];
    const size_t name_size = strlen(name);
    if (size > sizeof(body) - 1 - name_size)
        return -EMSGSIZE;
    body[0] = (uint8_t)name_size;
    memcpy(body + 1, name, name_size);
    if (size > 0)
        memcpy(body + 1 + name_size, data, size);
    return wire_send(wire, WIRE_COMMAND, body, 1 + name_size + size);
}

static void judge(struct wire_framing *framing, unsigned flags, uint64_t size) {
    framing->frames++;
    framing->reserved += (flags & ~(unsigned)(WIRE_MORE | WIRE_LONG | WIRE_COMMAND)) != 0;
    framing->more_on_command += (flags & WIRE_COMMAND) && (flags & WIRE_MORE);
    framing->long_small += (flags & WIRE_LONG) && size <= UINT8_MAX;
}

int wire_recv(struct wire *wire, struct wire_frame *frame, uint64_t timeout) {
    uint8_t header[9];
    int r = wire_read_within(wire, header, 2, timeout);
    if (r < 0)
        return r;
    uint64_t size = header[1];
    if (header[0] & WIRE_LONG) {
        r = wire_read(wire, header + 2, 7);
        for (size_t i = 1; i < 8; i++)
            size = size << 8 | header[1 + i];
    }
    if (r < 0)
        return r;
    judge(wire->framing, header[0], size);
    if (size > WIRE_BODY_MAX)
        return -EMSGSIZE;
    frame->flags = header[0];
    frame->size = (size_t)size;
    r = wire_read(wire, frame->body, frame->size);
    return r < 0 || !wire->curve ? r : wire_curve_unseal(wire->curve, frame);
}

bool wire_is_command(const struct wire_frame *frame, const char *name, const uint8_t **ret_data, size_t *ret_size) {
    const size_t size = strlen(name);
    if (!(frame->flags & WIRE_COMMAND) || frame->size < 1 + size || frame->body[0] != size || memcmp(frame->body + 1, name, size) != 0)
        return false;
    if (ret_data)
        *ret_data = frame->body + 1 + size;
    if (ret_size)
        *ret_size = frame->size - 1 - size;
    return true;
}

/* Handshake ------------------------------------------------------------------------------------------------------------ */

void wire_greeting(uint8_t greeting[static WIRE_GREETING], unsigned minor, const char *mechanism, bool as_server) {
    memset(greeting, 0, WIRE_GREETING);
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[11] = (uint8_t)minor;
    memcpy(greeting + 12, mechanism, strnlen(mechanism, WIRE_MECHANISM));
    greeting[32] = as_server;
}

void wire_metadata_add_size(struct wire_metadata *metadata, const char *name, const void *value, size_t size, uint32_t told) {
    const size_t name_size = strlen(name);
    if (sizeof(metadata->data) - metadata->size < 1 + name_size + 4 + size)
        return; /* the cases' own properties are known to fit */
    uint8_t *to = metadata->data + metadata->size;
    *to++ = (uint8_t)name_size;
    memcpy(to, name, name_size);
    to += name_size;
    for (int shift = 24; shift >= 0; shift -= 8)
        *to++ = (uint8_t)(told >> shift);
    if (size > 0)
        memcpy(to, value, size);
    metadata->size += 1 + name_size + 4 + size;
}

void wire_metadata_add(struct wire_metadata *metadata, const char *name, const void *value, size_t size) {
    wire_metadata_add_size(metadata, name, value, size, (uint32_t)size);
}

const uint8_t *wire_metadata_find(const uint8_t *data, size_t data_size, const char *name, size_t *ret_size) {
    while (data_size > 0) {
        const size_t name_size = data[0];
        if (data_size < 1 + name_size + 4)
            return NULL;
        const uint8_t *told = data + 1 + name_size;
        const size_t size = (size_t)told[0] << 24 | (size_t)told[1] << 16 | (size_t)told[2] << 8 | told[3];
        const size_t before = 1 + name_size + 4;
        if (size > data_size - before)
            return NULL;
        if (name_size == strlen(name) && strncasecmp((const char *)data + 1, name, name_size) == 0) {
            *ret_size = size;
            return data + before;
        }
        data += before + size;
        data_size -= before + size;
    }
    return NULL;
}
