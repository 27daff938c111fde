/*
 * Two thousand clients that come and go at random (seeded, the seed is printed when something fails): they write, read, stop reading, end,
 * reset, pass descriptors; the server echoes, pauses, drains, closes inside callbacks. Whatever happens, what a client reads is a beginning
 * of what it wrote, whole where the server drained in peace, and at the end no descriptor, no octet and no slab is left.
 */
#include "stream/testing-service.h"

#define CLIENTS 2000
#define AT_ONCE 60

struct client {
    int fd; /* -1: gone */
    size_t sent, received;
    bool quiet; /* wrote its last octet and waits for the end: it is owed everything */
    bool rude;  /* may leave at any time */
};

struct visit {
    struct visit *next;
    kith_conn *conn;
    struct fair *fair;
    bool over;
};

struct fair {
    struct world world; /* first: the world's helpers take it */
    char path[64];
    kith_listener *listener;
    struct visit *visits;
    struct client clients[AT_ONCE];
    unsigned come, gone, served, open;
    uint64_t random;
};

/* xorshift64* (Vigna, 2016). */
static unsigned chance(struct fair *fair, unsigned of) {
    fair->random ^= fair->random >> 12;
    fair->random ^= fair->random << 25;
    fair->random ^= fair->random >> 27;
    return (unsigned)((fair->random * 0x2545f4914f6cdd1dULL) >> 33) % of;
}

/* The server --------------------------------------------------------------------------------------------------------------- */

static void visit_free(struct visit *visit) {
    if (!visit->over)
        visit->fair->open--;
    visit->over = true;
    visit->conn = kith_conn_free(visit->conn);
}

/* Octets of a rude client begin with a mark; only its connection is treated rudely. */
static void on_data(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    struct visit *visit = userdata;
    struct fair *fair = visit->fair;
    assert_int_equal(batch->fd_count, 0);
    int r = kith_conn_write_slice(conn, batch->slice);
    assert_true(r == 0 || r == -EAGAIN || r == -EPIPE);
    bool rude = batch->slice.data[0] & 0x80;
    if (r == -EAGAIN) {
        assert_true(rude); /* a quiet client does not write so much */
        kith_conn_close(conn);
    } else if (rude && chance(fair, 20) == 0) {
        visit_free(visit);
    } else if (rude && chance(fair, 20) == 0) {
        kith_conn_drain(conn, chance(fair, 50));
    } else if (chance(fair, 5) == 0) {
        kith_conn_pause(conn);
    } else if (chance(fair, 5) == 0) {
        kith_conn_flush(conn);
    }
}

static void on_closed(kith_conn *conn, int error, void *userdata) {
    visit_free(userdata);
}

static int on_accept(kith_listener *listener, int fd, void *userdata) {
    static const struct kith_conn_ops ops = {.data = on_data, .closed = on_closed};
    struct fair *fair = userdata;
    struct visit *visit = calloc(1, sizeof(*visit));
    assert_non_null(visit);
    visit->fair = fair;
    struct kith_conn_options options = {.identity = true, .high_mark = 256 * 1024, .linger_ms = 20000};
    assert_int_equal(kith_conn_new_accepted(listener, fd, &options, &ops, visit, &visit->conn), 0);
    visit->next = fair->visits;
    fair->visits = visit;
    fair->served++;
    fair->open++;
    return 0;
}

/* Resumes whoever was paused, and forgets those that are over. */
static void tidy(struct fair *fair) {
    for (struct visit **place = &fair->visits; *place;) {
        struct visit *visit = *place;
        if (visit->over) {
            *place = visit->next;
            free(visit);
        } else {
            kith_conn_resume(visit->conn);
            if (kith_conn_fd(visit->conn) < 0)
                visit_free(visit); /* closed by us: nothing is told */
            place = &visit->next;
        }
    }
}

/* The clients ----------------------------------------------------------------------------------------------------------------- */

static uint8_t octet_of(const struct client *client, size_t at) {
    return (uint8_t)((pattern(at) & 0x7f) | (client->rude ? 0x80 : 0));
}

static void come(struct fair *fair, struct client *client) {
    struct kith_address address;
    assert_int_equal(kith_address_unix(fair->path, &address), 0);
    *client = (struct client){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), .rude = chance(fair, 3) == 0};
    assert_int_equal(connect(client->fd, (struct sockaddr *)&address.storage, address.size), 0);
    fair->come++;
}

static void leave(struct fair *fair, struct client *client) {
    client->fd = kith_close(client->fd);
    fair->gone++;
}

static void write_some(struct fair *fair, struct client *client) {
    static uint8_t octets[20000];
    size_t size = 1 + chance(fair, chance(fair, 8) == 0 ? sizeof(octets) : 300);
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
    struct iovec iov = {.iov_base = octets, .iov_len = size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    if (client->sent + size > 100 * 1000)
        return;
    for (size_t i = 0; i < size; i++)
        octets[i] = octet_of(client, client->sent + i);
    if (chance(fair, 10) == 0) { /* which nobody has asked for */
        memcpy(CMSG_DATA(&control.header), &client->fd, sizeof(int));
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
    }
    ssize_t n = sendmsg(client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    client->sent += n > 0 ? (size_t)n : 0;
}

/* Returns whether the end was read, or a reset. */
static bool read_some(struct client *client) {
    uint8_t octets[4096];
    ssize_t n;
    while ((n = recv(client->fd, octets, sizeof(octets), MSG_DONTWAIT)) > 0)
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(octets[i], octet_of(client, client->received++));
    return n == 0 || errno != EAGAIN;
}

static void act(struct fair *fair, struct client *client) {
    if (client->quiet) {
        if (!read_some(client))
            return;
        assert_int_equal(client->received, client->sent); /* was owed everything */
        leave(fair, client);
        return;
    }
    unsigned what = chance(fair, 20);
    if (what < 10) {
        write_some(fair, client);
    } else if (what < 17) {
        if (!client->rude || chance(fair, 2))
            if (read_some(client)) {
                assert_true(client->rude);
                leave(fair, client);
            }
    } else if (client->rude) {
        leave(fair, client); /* with octets unread as may be: a reset */
    } else {
        assert_int_equal(shutdown(client->fd, SHUT_WR), 0);
        client->quiet = true;
    }
}

static void fair_open(struct fair *fair) {
    static const struct kith_listener_ops ops = {.accept = on_accept};
    struct kith_address address;
    snprintf(fair->path, sizeof(fair->path), "@kith-test-random-%d", (int)getpid());
    assert_int_equal(kith_address_unix(fair->path, &address), 0);
    struct kith_listener_options options = {.identity = true};
    assert_int_equal(kith_listener_new(fair->world.loop, &address, &options, &ops, fair, &fair->listener, NULL), 0);
    for (size_t i = 0; i < AT_ONCE; i++)
        fair->clients[i].fd = -1;
}

static void fair_round(struct fair *fair) {
    for (size_t i = 0; i < AT_ONCE; i++) {
        struct client *client = &fair->clients[i];
        if (client->fd >= 0)
            act(fair, client);
        else if (fair->come < CLIENTS && chance(fair, 2))
            come(fair, client);
    }
    assert_true(kith_loop_step(fair->world.loop, 0) >= 0);
    tidy(fair);
    if (chance(fair, 50) == 0)
        kith_listener_pause(fair->listener);
    else if (chance(fair, 10) == 0)
        kith_listener_resume(fair->listener);
}

static void test_whatever_clients_do_nothing_is_lost_and_nothing_is_left(void **state) {
    struct fair fair = {.world = *(struct world *)*state};
    const char *seed = getenv("KITH_TEST_SEED");
    fair.random = seed ? strtoull(seed, NULL, 0) : (uint64_t)kith_time_now() | 1;
    print_message("KITH_TEST_SEED=%llu\n", (unsigned long long)fair.random);
    uint64_t limit = kith_time_now() + 2 * PATIENCE_NS;
    fair_open(&fair);
    while (fair.gone < CLIENTS) {
        assert_true(kith_time_now() < limit);
        fair_round(&fair);
    }
    kith_listener_resume(fair.listener);
    until(&fair.world, fair.served == CLIENTS && (tidy(&fair), fair.open == 0));
    assert_int_equal(kith_loop_unsent(fair.world.loop)->used, 0);
    struct kith_listener_stats stats;
    kith_listener_stats(fair.listener, &stats);
    assert_int_equal(stats.connections, 0);
    tidy(&fair);
    kith_listener_free(fair.listener);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_whatever_clients_do_nothing_is_lost_and_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
