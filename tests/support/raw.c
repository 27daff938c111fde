#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/raw.h"
#include "support/support.h"

void raw_greeting(uint8_t greeting[static RAW_GREETING]) {
    memset(greeting, 0, RAW_GREETING);
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[11] = 1;
    memcpy(greeting + 12, "NULL", 4);
}

static size_t put_property(uint8_t *to, const char *name, const char *value, size_t value_size) {
    size_t name_size = strlen(name);
    to[0] = (uint8_t)name_size;
    memcpy(to + 1, name, name_size);
    uint32_t big_endian = htonl((uint32_t)value_size);
    memcpy(to + 1 + name_size, &big_endian, 4);
    memcpy(to + 5 + name_size, value, value_size);
    return 5 + name_size + value_size;
}

size_t raw_ready(uint8_t frame[static RAW_READY_MAX], const char *socket_type, const struct raw_property *properties) {
    uint8_t body[RAW_READY_MAX - 9];
    size_t size = 6;
    memcpy(body, "\5READY", 6);
    size += put_property(body + size, "Socket-Type", socket_type, strlen(socket_type));
    for (; properties && properties->name; properties++)
        size +=
            put_property(body + size, properties->name, properties->value, properties->size ? properties->size : strlen(properties->value));
    size_t header = raw_header(frame, RAW_COMMAND, size);
    memcpy(frame + header, body, size);
    return header + size;
}

size_t raw_header(uint8_t header[static 9], unsigned flags, uint64_t size) {
    if (size < 256) {
        header[0] = (uint8_t)flags;
        header[1] = (uint8_t)size;
        return 2;
    }
    header[0] = (uint8_t)(flags | RAW_LONG);
    for (int i = 0; i < 8; i++)
        header[1 + i] = (uint8_t)(size >> (56 - 8 * i));
    return 9;
}

/* Connections ------------------------------------------------------------------------------------------------------ */

static int parse_endpoint(const char *endpoint, struct sockaddr_storage *ret_address, socklen_t *ret_size) {
    memset(ret_address, 0, sizeof(*ret_address));
    if (strncmp(endpoint, "ipc://", 6) == 0) {
        struct sockaddr_un *address = (struct sockaddr_un *)ret_address;
        size_t size = strlen(endpoint + 6);
        address->sun_family = AF_UNIX;
        memcpy(address->sun_path, endpoint + 6, size);
        bool abstract = address->sun_path[0] == '@';
        if (abstract)
            address->sun_path[0] = '\0';
        *ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + (abstract ? 0 : 1));
        return AF_UNIX;
    }
    char host[64];
    unsigned port;
    struct sockaddr_in *address = (struct sockaddr_in *)ret_address;
    if (sscanf(endpoint, "tcp://%63[0-9.]:%u", host, &port) != 2 || inet_pton(AF_INET, host, &address->sin_addr) != 1)
        return -EINVAL;
    address->sin_family = AF_INET;
    address->sin_port = htons((uint16_t)port);
    *ret_size = sizeof(*address);
    return AF_INET;
}

int raw_connect(struct support *support, const char *endpoint, struct raw *ret_raw) {
    struct sockaddr_storage address;
    socklen_t size = 0;
    int family = parse_endpoint(endpoint, &address, &size);
    if (family < 0)
        return family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    /* Blocking: the kernel completes it against the listener's backlog, without the server's help. */
    if (connect(fd, (struct sockaddr *)&address, size) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    *ret_raw = (struct raw){.fd = fd, .support = support};
    return 0;
}

int raw_listen(const char *endpoint) {
    struct sockaddr_storage address;
    socklen_t size = 0;
    int family = parse_endpoint(endpoint, &address, &size);
    if (family < 0)
        return family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 16) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

static int wait_for(struct support *support, int fd, short events) {
    if (support) {
        support_wait(support, fd, events);
        return 0;
    }
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int ready = poll(&poll_fd, 1, SUPPORT_PATIENCE_MS);
    return ready < 0 ? -errno : ready == 0 ? -ETIMEDOUT : 0;
}

int raw_accept(struct support *support, int listener, struct raw *ret_raw) {
    struct pollfd poll_fd = {.fd = listener, .events = POLLIN};
    while (poll(&poll_fd, 1, 0) == 0) {
        int result = wait_for(support, listener, POLLIN);
        if (result < 0)
            return result;
    }
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return -errno;
    *ret_raw = (struct raw){.fd = fd, .support = support};
    return 0;
}

void raw_close(struct raw *raw) {
    close(raw->fd);
    raw->fd = -1;
}

int raw_write(struct raw *raw, const void *data, size_t size) {
    const uint8_t *octets = data;
    while (size > 0) {
        ssize_t count = send(raw->fd, octets, size, MSG_NOSIGNAL);
        if (count >= 0) {
            octets += count;
            size -= (size_t)count;
            continue;
        }
        int result = errno == EAGAIN ? wait_for(raw->support, raw->fd, POLLOUT) : -errno;
        if (result < 0)
            return result;
    }
    return 0;
}

int raw_read(struct raw *raw, void *data, size_t size) {
    uint8_t *octets = data;
    while (size > 0) {
        ssize_t count = recv(raw->fd, octets, size, 0);
        if (count == 0)
            return -ECONNRESET;
        if (count > 0) {
            octets += count;
            size -= (size_t)count;
            continue;
        }
        int result = errno == EAGAIN ? wait_for(raw->support, raw->fd, POLLIN) : -errno;
        if (result < 0)
            return result;
    }
    return 0;
}

int raw_until_closed(struct raw *raw) {
    uint8_t octet;
    int result;
    do
        result = raw_read(raw, &octet, 1);
    while (result == 0);
    /* A peer that closes with our octets unread resets the connection: closed as well. */
    return result == -ECONNRESET || result == -EPIPE ? 0 : result;
}

/* ZMTP ------------------------------------------------------------------------------------------------------------- */

int raw_send(struct raw *raw, unsigned flags, const void *body, size_t size) {
    uint8_t *frame = malloc(9 + size);
    if (!frame)
        return -ENOMEM;
    size_t header = raw_header(frame, flags, size);
    memcpy(frame + header, body, size);
    int result = raw_write(raw, frame, header + size);
    free(frame);
    return result;
}

int raw_recv(struct raw *raw, unsigned *ret_flags, void *body, size_t room, size_t *ret_size) {
    uint8_t header[9];
    int result = raw_read(raw, header, 2);
    if (result < 0)
        return result;
    uint64_t size = header[1];
    if (header[0] & RAW_LONG) {
        result = raw_read(raw, header + 2, 7);
        if (result < 0)
            return result;
        for (int i = 2; i < 9; i++)
            size = size << 8 | header[i];
    }
    if (size > room)
        return -EMSGSIZE;
    *ret_flags = header[0];
    *ret_size = (size_t)size;
    return raw_read(raw, body, (size_t)size);
}

int raw_recv_text(struct raw *raw, char *text, size_t room) {
    unsigned flags = 0;
    size_t size = 0;
    int result;
    do
        result = raw_recv(raw, &flags, text, room - 1, &size);
    while (result == 0 && (flags & RAW_COMMAND));
    if (result == 0)
        text[size] = '\0';
    return result;
}

/* Skips what may come before READY: nothing does by the RFC, so anything else than READY or ERROR is wrong. */
static int read_ready(struct raw *raw) {
    uint8_t body[1024];
    unsigned flags = 0;
    size_t size = 0;
    int result = raw_recv(raw, &flags, body, sizeof(body), &size);
    if (result < 0)
        return result;
    if (!(flags & RAW_COMMAND) || size < 6)
        return -EPROTO;
    if (memcmp(body, "\5READY", 6) == 0)
        return 0;
    if (memcmp(body, "\5ERROR", 6) != 0 || size < 7 || (size_t)body[6] + 7 != size)
        return -EPROTO;
    memcpy(raw->refusal, body + 7, body[6]);
    raw->refusal[body[6]] = '\0';
    return -EACCES;
}

int raw_handshake(struct raw *raw, const char *socket_type, const struct raw_property *properties) {
    uint8_t greeting[RAW_GREETING], ready[RAW_READY_MAX];
    raw_greeting(greeting);
    int result = raw_write(raw, greeting, sizeof(greeting));
    if (result == 0)
        result = raw_read(raw, greeting, sizeof(greeting));
    if (result < 0)
        return result;
    if (greeting[0] != 0xff || greeting[9] != 0x7f || greeting[10] != 3)
        return -EPROTO;
    result = raw_write(raw, ready, raw_ready(ready, socket_type, properties));
    return result < 0 ? result : read_ready(raw);
}

int raw_join(struct support *support, const char *endpoint, const char *socket_type, const struct raw_property *properties,
             struct raw *ret_raw) {
    int result = raw_connect(support, endpoint, ret_raw);
    if (result < 0)
        return result;
    result = raw_handshake(ret_raw, socket_type, properties);
    if (result < 0)
        raw_close(ret_raw);
    return result;
}
