/*
 * tests/support/support.h: what the tests that cross rooms share.
 *
 * One test has one loop, one directory for its sockets, one deadline, the record of all its sockets' events, and the proof that no
 * descriptor was leaked: open descriptors are counted before and after. Kith sockets are made through the fixture, which frees them also
 * when a test fails half way.
 *
 * Waiting is always for an event, never for time to pass: support_wait() runs the loop until it, or one more descriptor, has something to
 * do. A test whose event does not come fails at its deadline and names the line that waited.
 */
#ifndef KITH_TESTS_SUPPORT_H
#define KITH_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <kith/kith.h>

#include "base/cleanup.h"

KITH_DEFINE_CLEANUP(kith_msg *, kith_msg_free)
KITH_DEFINE_CLEANUP(kith_policy *, kith_policy_unref)

/* A test that has not finished by then hangs: far more than any needs, valgrind included. */
#define SUPPORT_PATIENCE_MS 40000
#define SUPPORT_SOCKETS 128

struct support_event {
    const kith_socket *socket;
    enum kith_event_type type;
    int error;
    uint64_t count;
    pid_t pid; /* of the event's origin, or 0 */
    char *text;
    bool taken;
};

struct support {
    kith_loop *loop;
    char directory[64];
    size_t fds; /* open before the test */
    uint64_t deadline;
    kith_socket *sockets[SUPPORT_SOCKETS];
    struct support_event *events;
    size_t event_count, event_capacity;
    unsigned names; /* for support_ipc() */
};

void support_init(struct support *support);
/* Frees everything; returns false, with a word on stderr, when descriptors were leaked. */
bool support_deinit(struct support *support);
/* For cmocka_unit_test_setup_teardown: *state is a struct support. */
int support_setup(void **state);
int support_teardown(void **state);

/* Open descriptors of this process. */
size_t support_fd_count(void);
/* Kilobytes resident. */
size_t support_rss_kb(void);
/* Octets that malloc has handed out, mapped blocks included. */
size_t support_heap(void);

/* Milliseconds until the deadline, at least 0. */
int support_left(const struct support *support);
/* Runs the loop once when it has something to do, or until `fd` (-1: none) has one of `events` (poll(2)). Fails the test at its deadline.
 */
void support_wait_at(struct support *support, int fd, short events, const char *file, int line);
#define support_wait(support, fd, events) support_wait_at((support), (fd), (events), __FILE__, __LINE__)
/* Runs the loop until the condition holds. */
#define support_until(support, condition)                                                                                                  \
    do {                                                                                                                                   \
        while (!(condition))                                                                                                               \
            support_wait((support), -1, 0);                                                                                                \
    } while (0)
/* Runs the loop for as long as a timer of so many milliseconds takes: for proofs that something stays as it is meanwhile. */
void support_run_for(struct support *support, unsigned ms);

/* A new path endpoint in the test's directory, and a new abstract one; static memory that the fixture's next 8 calls leave alone. */
const char *support_ipc(struct support *support);
const char *support_abstract(struct support *support);

/* A socket whose events are recorded, freed with the fixture; what it binds may be connected to by every user. */
kith_socket *support_socket(struct support *support, enum kith_socket_type type);
void support_socket_free(struct support *support, kith_socket *socket);
/* Each fails the test with the library's own text. */
void support_bind(kith_socket *socket, const char *endpoint);
void support_connect(kith_socket *socket, const char *endpoint);
void support_set(kith_socket *socket, enum kith_option option, int64_t value);
void support_set_id(kith_socket *socket, const char *routing_id);
/* A socket bound to the endpoint. */
kith_socket *support_server(struct support *support, enum kith_socket_type type, const char *endpoint);
/* Answers every message with itself, in the loop. */
void support_echo(struct support *support, kith_socket *socket);

/* Waits for an event of this type on the socket that was not yet taken, and takes it. Valid until the next event. */
const struct support_event *support_event_at(struct support *support, const kith_socket *socket, enum kith_event_type type,
                                             const char *file, int line);
#define support_event(support, socket, type) support_event_at((support), (socket), (type), __FILE__, __LINE__)
/* Takes all events so far: what is waited for next is new. */
void support_forget_events(struct support *support);
/* Events of this type seen so far, taken or not. */
size_t support_event_total(const struct support *support, const kith_socket *socket, enum kith_event_type type);

/* Messages. A body of `parts` frames of `size` octets; the frames whose number is in `empty` (a bit set over first, middle, last) are
 * empty. Contents depend on the frame's number, so that an order lost is seen. */
enum { EMPTY_FIRST = 1, EMPTY_MIDDLE = 2, EMPTY_LAST = 4 };
kith_msg *support_body(size_t parts, size_t size, unsigned empty);
/* Frames given as strings; ends with NULL. */
kith_msg *support_msg(const char *frame, ...) __attribute__((sentinel));
kith_msg *support_copy(const kith_msg *msg);
/* Fails the test unless `msg`, without its first `skip` frames, is `body` frame by frame. */
void support_assert_body(const kith_msg *msg, size_t skip, const kith_msg *body);
void support_assert_frame(const kith_msg *msg, size_t index, const char *text);
/* Send (msg is taken) and receive, waiting as long as the deadline allows; failures fail the test. */
void support_send(struct support *support, kith_socket *socket, kith_msg *msg);
kith_msg *support_recv(struct support *support, kith_socket *socket);

#endif
