/* Listening with all workers: how clients are spread, whose the port is, and who wrote what. */
#include "workers/testing.h"

#include <netinet/in.h>
#include <sys/wait.h>

static unsigned port_of(const struct kith_address *address) {
    return ntohs(((const struct sockaddr_in *)&address->storage)->sin_port);
}

/* Spread -------------------------------------------------------------------------------------------------------------- */

static void test_a_thousand_clients_of_both_kinds_are_served_by_four_workers(void **state) {
    enum { WORKERS = 4, EACH = 500 };
    static int fds[2 * EACH];
    struct site *site = *state;
    unsigned tcp[WORKERS] = {0}, local[WORKERS] = {0};
    site_begin(site, WORKERS);
    assert_int_equal(listen_tcp(site, site->workers, 0), 0);
    assert_int_equal(listen_unix(site, NULL), 0);
    for (int i = 0; i < 2 * EACH; i++) {
        fds[i] = client(i % 2 == 0 ? &site->tcp : &site->unix_);
        assert_true(fds[i] >= 0);
        int worker = greeting(fds[i]);
        assert_in_range(worker, 0, WORKERS - 1);
        ++*(i % 2 == 0 ? &tcp[worker] : &local[worker]);
    }
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 2 * EACH; i++)
            assert_true(echoes(fds[i], round << 16 | i));
    uint64_t total = 0;
    for (unsigned i = 0; i < WORKERS; i++) {
        struct kith_worker_stats stats = stats_of(site, i);
        assert_true(tcp[i] > 0); /* else by chance of (3/4)^500 */
        assert_int_equal(stats.accepted, tcp[i] + local[i]);
        assert_int_equal(stats.connections, tcp[i] + local[i]);
        assert_int_equal(stats.refused, 0);
        total += stats.accepted;
    }
    assert_int_equal(total, 2 * EACH);
    assert_int_equal(stats_sum(site).handed_over + local[0], EACH); /* the first address of AF_UNIX is accepted by the first worker */
    close_all(fds, 2 * EACH);
    for (unsigned i = 0; i < WORKERS; i++)
        until_in(site, i, stats_of(site, i).connections == 0);
    assert_int_equal(stats_sum(site).accepted, 2 * EACH);
}

static void test_unix_clients_go_to_the_worker_with_the_fewest(void **state) {
    enum { WORKERS = 4, CLIENTS = 100 };
    struct site *site = *state;
    int fds[CLIENTS], more[CLIENTS / WORKERS];
    site_begin(site, WORKERS);
    assert_int_equal(listen_unix(site, NULL), 0);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client(&site->unix_);
        assert_int_equal(greeting(fds[i]), i % WORKERS); /* of equals in turn */
    }
    for (int i = 2; i < CLIENTS; i += WORKERS)
        kith_close(fds[i]);
    until_in(site, 2, stats_of(site, 2).connections == 0);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(more); i++) {
        more[i] = client(&site->unix_);
        assert_int_equal(greeting(more[i]), 2);
    }
    for (int i = 2; i < CLIENTS; i += WORKERS)
        fds[i] = -1;
    close_all(fds, CLIENTS);
    close_all(more, KITH_ARRAY_SIZE(more));
}

static void test_each_unix_address_has_the_next_worker_accept(void **state) {
    struct site *site = *state;
    struct kith_address addresses[3];
    char name[64];
    site_begin(site, 3);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "@kith-test-workers-%d-%u", (int)getpid(), i);
        assert_int_equal(kith_address_unix(name, &addresses[i]), 0);
        assert_int_equal(kith_workers_listen(site->workers, &addresses[i], NULL, &site_listener_ops, site, NULL, &site->error), 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        int fds[3]; /* one goes to each */
        for (size_t j = 0; j < KITH_ARRAY_SIZE(fds); j++) {
            fds[j] = client(&addresses[i]);
            assert_true(greeting(fds[j]) >= 0);
        }
        assert_int_equal(stats_of(site, i).handed_over, 2);
        close_all(fds, KITH_ARRAY_SIZE(fds));
        for (unsigned j = 0; j < 3; j++)
            until_in(site, j, stats_of(site, j).connections == 0);
    }
}

/* How many wait for a busy one is bounded; the acceptor takes the others. */
static void test_a_busy_worker_gets_no_more_than_may_wait(void **state) {
    enum { CLIENTS = 20, WAITING = 4 };
    struct site *site = *state;
    struct hold hold = HOLD_INIT;
    int fds[CLIENTS], with[2] = {0};
    site->options.waiting_max = WAITING;
    site_begin(site, 2);
    assert_int_equal(listen_unix(site, NULL), 0);
    hold_worker(site, 1, &hold);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = client(&site->unix_);
    until_in(site, 0, stats_sum(site).connections == CLIENTS);
    assert_int_equal(stats_of(site, 0).handed_over, WAITING);
    assert_int_equal(stats_of(site, 0).accepted, CLIENTS - WAITING);
    assert_int_equal(stats_of(site, 1).accepted, 0);
    assert_int_equal(stats_of(site, 1).connections, WAITING);
    gate_open(&hold.go);
    for (int i = 0; i < CLIENTS; i++) {
        int worker = greeting(fds[i]);
        assert_in_range(worker, 0, 1);
        with[worker]++;
    }
    assert_int_equal(with[1], WAITING);
    assert_int_equal(stats_sum(site).refused, 0);
    close_all(fds, CLIENTS);
}

static void test_what_waits_for_a_worker_that_ends_is_closed_and_counted(void **state) {
    enum { CLIENTS = 400 };
    static int fds[CLIENTS];
    struct site *site = *state;
    struct hold hold = HOLD_INIT;
    uint64_t greeted = 0, hung_up = 0;
    hold.stop = true;
    site_begin(site, 2);
    assert_int_equal(listen_unix(site, NULL), 0);
    assert_int_equal(listen_tcp(site, site->workers, 0), 0);
    hold_worker(site, 1, &hold);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = client(&site->unix_);
    until_in(site, 0, stats_of(site, 0).handed_over == CLIENTS / 2);
    gate_open(&hold.go);
    until_in(site, 0, stats_of(site, 1).ended);
    for (int i = 0; i < CLIENTS; i++)
        if (greeting(fds[i]) >= 0)
            greeted++;
        else
            hung_up++;
    struct kith_worker_stats stats = stats_of(site, 1);
    assert_int_equal(stats.accepted + stats.refused, CLIENTS / 2);
    assert_true(stats.refused > 0);
    assert_true(hung_up >= stats.refused); /* and those that it had taken, whose greeting was not out */
    assert_int_equal(greeted + hung_up, CLIENTS);
    assert_int_equal(stats_of(site, 0).refused, 0);

    /* The other serves alone, on TCP too. */
    for (int i = 0; i < 20; i++) {
        int fd = client(i % 2 == 0 ? &site->tcp : &site->unix_);
        assert_int_equal(greeting(fd), 0);
        close(fd);
    }
    close_all(fds, CLIENTS);
}

static void test_a_refused_client_is_hung_up_on_and_counted(void **state) {
    struct site *site = *state;
    site->answer = -EPERM;
    site_begin(site, 2);
    assert_int_equal(listen_tcp(site, site->workers, 0), 0);
    assert_int_equal(listen_unix(site, NULL), 0);
    for (int i = 0; i < 20; i++) {
        int fd = client(i % 2 == 0 ? &site->tcp : &site->unix_);
        assert_int_equal(greeting(fd), -1);
        close(fd);
    }
    for (unsigned i = 0; i < 2; i++)
        round_trip(site, i);
    assert_int_equal(stats_sum(site).refused, 20);
    assert_int_equal(stats_sum(site).accepted, 0);
    assert_int_equal(stats_sum(site).connections, 0);
}

/* Identity ------------------------------------------------------------------------------------------------------------ */

/* The writer is gone, and its descriptor changes hands, before anybody reads: its octets are still its own. */
static void test_octets_sent_before_the_hand_over_keep_their_sender(void **state) {
    struct site *site = *state;
    struct hold hold = HOLD_INIT;
    int pair[2], status;
    uint8_t octet = 1, echo[2];
    site->conn_options.identity = true;
    site_begin(site, 2);
    assert_int_equal(listen_unix(site, &(struct kith_listener_options){.identity = true}), 0);
    int first = client(&site->unix_); /* the acceptor's */
    assert_int_equal(greeting(first), 0);
    hold_worker(site, 1, &hold);
    pair[0] = client(&site->unix_);
    pair[1] = dup(pair[0]);
    pid_t pid = fork();
    if (pid == 0)
        _exit(send(pair[1], &octet, 1, MSG_NOSIGNAL) == 1 ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    until_in(site, 0, stats_of(site, 0).handed_over == 1);
    assert_int_equal(site->sender, 0);
    gate_open(&hold.go);
    assert_int_equal(recv(pair[0], echo, 2, MSG_WAITALL), 2);
    assert_int_equal(echo[0], 1); /* worker */
    assert_int_equal(site->sender, pid);
    assert_true(echoes(pair[0], 7));
    assert_int_equal(site->sender, getpid());
    close_all(pair, 2);
    close(first);
}

/* Whose port it is ---------------------------------------------------------------------------------------------------- */

static void test_a_port_of_workers_is_nobody_elses(void **state) {
    struct site *site = *state;
    kith_workers *others = NULL;
    site_begin(site, 4);
    assert_int_equal(listen_tcp(site, site->workers, 0), 0);
    unsigned port = port_of(&site->tcp);
    assert_true(port != 0);
    assert_int_equal(kith_workers_new(2, NULL, NULL, NULL, &others, NULL), 0);
    assert_int_equal(listen_tcp(site, others, port), -EADDRINUSE);
    assert_int_equal(site->error.code, -EADDRINUSE);
    assert_non_null(strstr(site->error.text, "127.0.0.1:"));
    kith_workers_free(others);
    assert_int_equal(listen_tcp(site, site->workers, port), -EADDRINUSE); /* not even our own twice */
    int fd = client(&site->tcp);
    assert_true(greeting(fd) >= 0);
    close(fd);
}

/* The trap that the first socket is for: with SO_REUSEPORT on it, it would be let in. */
static void test_a_port_that_another_program_shares_is_in_use(void **state) {
    struct site *site = *state;
    static const int one = 1;
    struct kith_address address;
    assert_int_equal(kith_address_ip("127.0.0.1", 0, &address), 0);
    _cleanup_(kith_closep) int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(other, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
    assert_int_equal(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    assert_int_equal(bind(other, (struct sockaddr *)&address.storage, address.size), 0);
    assert_int_equal(listen(other, 8), 0);
    assert_int_equal(getsockname(other, (struct sockaddr *)&address.storage, &address.size), 0);
    size_t before = testing_fd_count();
    site_begin(site, 2);
    size_t with_workers = testing_fd_count();
    assert_int_equal(listen_tcp(site, site->workers, port_of(&address)), -EADDRINUSE);
    assert_int_equal(testing_fd_count(), with_workers);
    site->workers = kith_workers_free(site->workers);
    assert_int_equal(testing_fd_count(), before);
    site->fds_before = before - 1;
}

struct rival {
    struct site *site;
    kith_workers *workers;
    struct kith_address address;
    struct gate *start;
    int result;
};

static void *rival_listen(void *userdata) {
    struct rival *rival = userdata;
    if (kith_workers_new(2, NULL, NULL, NULL, &rival->workers, NULL) == 0 && gate_wait(rival->start))
        rival->result = kith_workers_listen(rival->workers, &rival->address, NULL, &site_listener_ops, rival->site, NULL, NULL);
    return NULL;
}

static void test_of_two_servers_that_start_at_once_one_has_the_port(void **state) {
    struct site *site = *state;
    unsigned won = 0;
    enum { ROUNDS = 20 };
    for (int round = 0; round < ROUNDS; round++) {
        struct gate start = GATE_INIT(1);
        struct rival rivals[2];
        pthread_t threads[2];
        /* A port that was free a moment ago. */
        site_begin(site, 1);
        assert_int_equal(listen_tcp(site, site->workers, 0), 0);
        site->workers = kith_workers_free(site->workers);
        for (int i = 0; i < 2; i++) {
            rivals[i] = (struct rival){.site = site, .address = site->tcp, .start = &start, .result = -EBADF};
            assert_int_equal(pthread_create(&threads[i], NULL, rival_listen, &rivals[i]), 0);
        }
        gate_open(&start);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < 2; i++) {
            assert_true(rivals[i].result == 0 || rivals[i].result == -EADDRINUSE);
            won += rivals[i].result == 0;
        }
        assert_true(rivals[0].result != 0 || rivals[1].result != 0);
        for (int i = 0; i < 2; i++)
            kith_workers_free(rivals[i].workers);
    }
    assert_true(won > 0); /* never two; none when a stranger's client happens to get the port in between */
}

static int accept_nobody(kith_listener *listener, int fd, void *userdata) {
    return -EPERM;
}

static void test_listeners_that_ask_for_it_share_a_port(void **state) {
    static const struct kith_listener_ops ops = {.accept = accept_nobody};
    struct site *site = *state;
    struct kith_listener_options shared = {.reuse_port = true};
    struct kith_address address;
    kith_loop *loop = NULL;
    kith_listener *listeners[2] = {NULL}, *alone = NULL;
    assert_int_equal(kith_loop_new(&loop), 0);
    assert_int_equal(kith_address_ip("::1", 0, &address), 0);
    assert_int_equal(kith_listener_new(loop, &address, &shared, &ops, NULL, &listeners[0], &site->error), 0);
    assert_int_equal(kith_listener_address(listeners[0], &address), 0);
    assert_int_equal(kith_listener_new(loop, &address, &shared, &ops, NULL, &listeners[1], &site->error), 0);
    assert_int_equal(kith_listener_new(loop, &address, NULL, &ops, NULL, &alone, &site->error), -EADDRINUSE);
    for (int i = 0; i < 2; i++)
        kith_listener_free(listeners[i]);
    kith_loop_free(loop);
}

static void test_an_address_that_cannot_be_had_leaves_nothing(void **state) {
    struct site *site = *state;
    struct kith_address address;
    site_begin(site, 3);
    size_t before = testing_fd_count();
    assert_int_equal(kith_address_ip("192.0.2.1", 0, &address), 0); /* TEST-NET-1, RFC 5737 */
    assert_int_equal(kith_workers_listen(site->workers, &address, NULL, &site_listener_ops, site, NULL, &site->error), -EADDRNOTAVAIL);
    assert_non_null(strstr(site->error.text, "no interface"));
    assert_int_equal(testing_fd_count(), before);
    assert_int_equal(kith_workers_listen(site->workers, &address, NULL, NULL, site, NULL, &site->error), -EINVAL);
    assert_int_equal(kith_workers_listen(NULL, &address, NULL, &site_listener_ops, site, NULL, NULL), -EINVAL);
    assert_int_equal(listen_unix(site, NULL), 0);
    assert_int_equal(listen_unix(site, NULL), -EADDRINUSE);
    assert_non_null(strstr(site->error.text, site->path));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SITE_TEST(test_a_thousand_clients_of_both_kinds_are_served_by_four_workers),
        SITE_TEST(test_unix_clients_go_to_the_worker_with_the_fewest),
        SITE_TEST(test_each_unix_address_has_the_next_worker_accept),
        SITE_TEST(test_a_busy_worker_gets_no_more_than_may_wait),
        SITE_TEST(test_what_waits_for_a_worker_that_ends_is_closed_and_counted),
        SITE_TEST(test_a_refused_client_is_hung_up_on_and_counted),
        SITE_TEST(test_octets_sent_before_the_hand_over_keep_their_sender),
        SITE_TEST(test_a_port_of_workers_is_nobody_elses),
        SITE_TEST(test_a_port_that_another_program_shares_is_in_use),
        SITE_TEST(test_of_two_servers_that_start_at_once_one_has_the_port),
        SITE_TEST(test_listeners_that_ask_for_it_share_a_port),
        SITE_TEST(test_an_address_that_cannot_be_had_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
