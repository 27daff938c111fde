/* Stopping workers that have clients, forking beside them, and doing it all over again. */
#include "workers/testing.h"

#include <sys/wait.h>

static void test_what_was_accepted_is_served_when_workers_stop(void **state) {
    enum { WORKERS = 4, CLIENTS = 200 };
    static int fds[CLIENTS];
    struct site *site = *state;
    struct hold holds[WORKERS];
    unsigned served = 0;
    site_begin(site, WORKERS);
    assert_int_equal(listen_unix(site, NULL), 0);
    for (unsigned i = 1; i < WORKERS; i++) {
        holds[i] = (struct hold)HOLD_INIT;
        hold_worker(site, i, &holds[i]);
    }
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = client(&site->unix_);
    until_in(site, 0, stats_sum(site).connections == CLIENTS);
    assert_int_equal(stats_of(site, 0).handed_over, CLIENTS - CLIENTS / WORKERS);
    for (unsigned i = 1; i < WORKERS; i++) { /* three quarters of the clients are still on their way */
        assert_int_equal(stats_of(site, i).accepted, 0);
        gate_open(&holds[i].go);
    }

    assert_int_equal(kith_workers_stop(site->workers, 0), 0); /* nobody is waited for, but what was queued was sent */
    for (int i = 0; i < CLIENTS; i++)
        served += greeting(fds[i]) >= 0 && greeting(fds[i]) == -1;
    assert_int_equal(served, CLIENTS);
    assert_int_equal(stats_sum(site).accepted, CLIENTS);
    assert_int_equal(stats_sum(site).refused, 0);
    close_all(fds, CLIENTS);
}

struct load {
    const struct kith_address *address;
    pthread_t thread;
    struct gate *warm;
    unsigned long served, broken;
};

/* Connects, is greeted, asks once, leaves; until nobody listens any more. A client that was greeted has been accepted, and must be told the
 * end in order: never a reset. */
static void *come_and_go(void *userdata) {
    struct load *load = userdata;
    int fd;
    while ((fd = client(load->address)) >= 0) {
        uint32_t value = 5, answer = 0;
        int worker = greeting(fd);
        ssize_t n = -1;
        if (worker >= 0) {
            n = send(fd, &value, sizeof(value), MSG_NOSIGNAL) < 0 ? 0 : recv(fd, &answer, sizeof(answer), MSG_WAITALL);
            load->served += n == sizeof(answer) && answer == value;
            load->broken += n < 0 || (n > 0 && n < (ssize_t)sizeof(answer));
        } else if (worker == -2) {
            load->broken++;
        }
        close(fd);
        if (load->warm)
            gate_open(load->warm);
    }
    return NULL;
}

/* Each connection that was accepted is greeted, told of its end and counted; nobody is left in between. */
static void test_stopping_under_load_loses_nobody(void **state) {
    enum { WORKERS = 4, LOADS = 4 };
    struct site *site = *state;
    struct gate warm = GATE_INIT(200);
    struct load loads[LOADS];
    site_begin(site, WORKERS);
    assert_int_equal(listen_tcp(site, site->workers, 0), 0);
    assert_int_equal(listen_unix(site, NULL), 0);
    for (int i = 0; i < LOADS; i++) {
        loads[i] = (struct load){.address = i % 2 == 0 ? &site->tcp : &site->unix_, .warm = &warm};
        assert_int_equal(pthread_create(&loads[i].thread, NULL, come_and_go, &loads[i]), 0);
    }
    assert_true(gate_wait(&warm));
    assert_int_equal(kith_workers_stop(site->workers, PATIENCE_S * 1000), 0);
    unsigned long served = 0, broken = 0;
    for (int i = 0; i < LOADS; i++) {
        pthread_join(loads[i].thread, NULL);
        served += loads[i].served;
        broken += loads[i].broken;
    }
    struct kith_worker_stats sum = stats_sum(site);
    assert_int_equal(broken, 0);
    assert_true(served >= 200 - LOADS);
    assert_true(sum.accepted >= served);
    assert_int_equal(sum.refused, 0);
    assert_int_equal(sum.connections, 0);
    assert_int_equal(site->cut, 0);
    assert_int_equal(site->drained, WORKERS);
}

/* Reads to the end, then leaves: as a client does that lets itself be drained. */
static void *leave_at_the_end(void *userdata) {
    int fd = *(int *)userdata;
    while (greeting(fd) >= 0)
        continue;
    close(fd);
    return NULL;
}

static void test_without_a_deadline_the_last_client_is_waited_for(void **state) {
    struct site *site = *state;
    pthread_t threads[6];
    int fds[6];
    site_begin(site, 3);
    assert_int_equal(listen_unix(site, NULL), 0);
    assert_int_equal(listen_tcp(site, site->workers, 0), 0);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(fds); i++) {
        fds[i] = client(i % 2 == 0 ? &site->unix_ : &site->tcp);
        assert_true(greeting(fds[i]) >= 0);
        assert_int_equal(pthread_create(&threads[i], NULL, leave_at_the_end, &fds[i]), 0);
    }
    assert_int_equal(kith_workers_stop(site->workers, -1), 0);
    assert_int_equal(site->cut, 0);
    assert_int_equal(stats_sum(site).connections, 0);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(fds); i++)
        pthread_join(threads[i], NULL);
}

static void test_at_the_deadline_clients_that_stay_are_cut_off(void **state) {
    struct site *site = *state;
    site_begin(site, 2);
    assert_int_equal(listen_unix(site, NULL), 0);
    int stays = client(&site->unix_);
    assert_int_equal(greeting(stays), 0);
    uint64_t before = kith_time_now();
    assert_int_equal(kith_workers_stop(site->workers, 50), 0);
    assert_true(kith_time_now() - before >= 50 * KITH_NS_PER_MS);
    assert_int_equal(site->cut, 1);
    assert_int_equal(greeting(stays), -1);
    assert_int_equal(client(&site->unix_), -1);
    close(stays);
}

static void test_freeing_stops_at_once(void **state) {
    struct site *site = *state;
    site_begin(site, 2);
    assert_int_equal(listen_tcp(site, site->workers, 0), 0);
    int stays = client(&site->tcp);
    assert_true(greeting(stays) >= 0);
    site->workers = kith_workers_free(site->workers);
    assert_null(site->workers);
    assert_int_equal(site->cut, 1);
    assert_int_equal(greeting(stays), -1);
    close(stays);
}

/* Fork ---------------------------------------------------------------------------------------------------------------- */

/* In the child: the number of things that did not behave. */
static int misbehaviour_in_child(struct site *site) {
    struct kith_worker_stats stats;
    struct kith_address address = site->tcp;
    size_t before = testing_fd_count();
    int wrong = 0;
    wrong += kith_workers_count(site->workers) != 3;
    wrong += kith_workers_call(site->workers, 0, open_gate, NULL) != -ECHILD;
    wrong += kith_workers_each(site->workers, open_gate, NULL) != -ECHILD;
    wrong += kith_workers_stats(site->workers, 0, &stats) != -ECHILD;
    wrong += kith_workers_listen(site->workers, &address, NULL, &site_listener_ops, site, NULL, NULL) != -ECHILD;
    wrong += kith_workers_stop(site->workers, -1) != -ECHILD;
    wrong += kith_workers_free(site->workers) != NULL;
    wrong += testing_fd_count() != before - 3 - 1; /* three sockets of TCP, one of AF_UNIX */
    return wrong;
}

static void test_a_forked_child_has_no_workers_and_holds_no_address(void **state) {
    struct site *site = *state;
    int up[2], leave[2], status;
    char wrong = -1;
    assert_int_equal(pipe2(up, O_CLOEXEC) | pipe2(leave, O_CLOEXEC), 0);
    site_begin(site, 3);
    assert_int_equal(listen_tcp(site, site->workers, 0), 0);
    assert_int_equal(listen_unix(site, NULL), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(leave[1]);
        wrong = (char)misbehaviour_in_child(site);
        _exit(write(up[1], &wrong, 1) != 1 || read(leave[0], &wrong, 1) != 0);
    }
    assert_int_equal(read(up[0], &wrong, 1), 1);
    assert_int_equal(wrong, 0);

    int fds[2] = {client(&site->tcp), client(&site->unix_)}; /* the path is still there, too */
    for (int i = 0; i < 2; i++) {
        assert_true(greeting(fds[i]) >= 0);
        assert_true(echoes(fds[i], 3));
    }
    close_all(fds, 2);
    kith_workers_free(site->workers);
    assert_int_equal(client(&site->tcp), -1);
    close(leave[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    kith_close(leave[0]);
    close_all(up, 2);
    site->workers = NULL;
}

/* Again and again ------------------------------------------------------------------------------------------------------ */

static void test_fifty_lives_leave_nothing_behind(void **state) {
    struct site *site = *state;
    for (unsigned life = 0; life < 50; life++) {
        int fds[6];
        site_begin(site, 1 + life % 4);
        assert_int_equal(listen_tcp(site, site->workers, 0), 0);
        assert_int_equal(listen_unix(site, NULL), 0);
        for (unsigned i = 0; i < KITH_ARRAY_SIZE(fds); i++) {
            fds[i] = client(i % 2 == 0 ? &site->tcp : &site->unix_);
            if (i < 4)
                assert_true(greeting(fds[i]) >= 0 && echoes(fds[i], life << 8 | i));
        }
        if (life % 2 == 0)
            assert_int_equal(kith_workers_stop(site->workers, 0), 0);
        site->workers = kith_workers_free(site->workers);
        assert_int_equal(site->started, site->stopped);
        close_all(fds, KITH_ARRAY_SIZE(fds));
        assert_int_equal(testing_fd_count(), site->fds_before);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SITE_TEST(test_what_was_accepted_is_served_when_workers_stop),
        SITE_TEST(test_stopping_under_load_loses_nobody),
        SITE_TEST(test_without_a_deadline_the_last_client_is_waited_for),
        SITE_TEST(test_at_the_deadline_clients_that_stay_are_cut_off),
        SITE_TEST(test_freeing_stops_at_once),
        SITE_TEST(test_a_forked_child_has_no_workers_and_holds_no_address),
        SITE_TEST(test_fifty_lives_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
