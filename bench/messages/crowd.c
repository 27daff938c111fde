/* See crowd.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "bench/measure.h"
#include "bench/messages/address.h"
#include "bench/messages/crowd.h"

/* RFC 37: the greeting of a client with the mechanism NULL, then READY as a command frame. */
#define GREETING_SIZE 64
#define READY                                                                                                                              \
    "\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06"                                                                                     \
    "DEALER"
#define READY_SIZE (sizeof(READY) - 1)
#define ANSWER_MAX 1024 /* with what a server says of itself */
#define MESSAGE_MAX (2 + UINT8_MAX)

static size_t hello_write(char *hello) {
    memset(hello, 0, GREETING_SIZE);
    hello[0] = (char)0xff;
    hello[8] = 1;
    hello[9] = 0x7f;
    hello[10] = 3;
    hello[11] = 1;
    memcpy(hello + 12, "NULL", 4);
    memcpy(hello + GREETING_SIZE, READY, READY_SIZE);
    return GREETING_SIZE + READY_SIZE;
}

/* Until what has come is the greeting and one frame, READY: some servers refuse what comes sooner. */
static int await_ready(int fd) {
    unsigned char answer[ANSWER_MAX];
    size_t have = 0;
    while (have < GREETING_SIZE + 2 || have < GREETING_SIZE + 2 + (size_t)answer[GREETING_SIZE + 1]) {
        ssize_t n = recv(fd, answer + have, sizeof(answer) - have, 0);
        if (n <= 0)
            return n == 0 ? -ECONNRESET : -errno;
        have += (size_t)n;
    }
    return 0;
}

static int send_all(int fd, const char *octets, size_t size) {
    return send(fd, octets, size, MSG_NOSIGNAL) == (ssize_t)size ? 0 : -EIO;
}

static int greet(int fd) {
    char hello[GREETING_SIZE + READY_SIZE];
    int r = send_all(fd, hello, hello_write(hello));
    return r < 0 ? r : await_ready(fd);
}

/* A message and its answer, which is the same. */
static int converse(int fd, const char *message, size_t size) {
    char answer[MESSAGE_MAX];
    int r = send_all(fd, message, size);
    if (r < 0)
        return r;
    ssize_t n = recv(fd, answer, size, MSG_WAITALL);
    if (n < 0)
        return -errno;
    return (size_t)n == size && memcmp(answer, message, size) == 0 ? 0 : -EBADMSG;
}

static int client(const struct setup *setup, bool octets, unsigned serial) {
    char message[MESSAGE_MAX] = {0, (char)setup->size}; /* as a frame */
    int fd = address_connect_many(setup, serial);
    int r = fd < 0 ? fd : octets ? 0 : greet(fd);
    return r < 0 ? r : converse(fd, message, 2 + setup->size);
}

static _Noreturn void gather(const struct setup *setup, bool octets, unsigned clients, int ready) {
    int r = 0;
    for (unsigned i = 0; i < clients && r == 0; i++)
        r = client(setup, octets, i);
    if (r < 0)
        fprintf(stderr, "bench-messages: a client of many: %s\n", kith_error_name(r));
    if (r < 0 || write(ready, "r", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

pid_t crowd_start(const struct setup *setup, bool octets, unsigned clients) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = measure_fork();
    if (pid == 0)
        gather(setup, octets, clients, ends[1]);
    char word;
    kith_close(ends[1]);
    bool gathered = pid > 0 && read(ends[0], &word, 1) == 1;
    kith_close(ends[0]);
    if (!gathered && pid > 0)
        measure_kill(pid);
    return gathered ? pid : pid < 0 ? pid : -EIO;
}
