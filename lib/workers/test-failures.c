/* What workers do when threads, memory and descriptors run out. */
#include "workers/testing.h"

/* Calls that are to succeed before one fails; -1: none does. */
static atomic_int threads_left = -1, blocks_left = -1;

static bool fails(atomic_int *left) {
    int now = atomic_load(left);
    while (now >= 0 && !atomic_compare_exchange_weak(left, &now, now - 1))
        continue;
    return now == 0;
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *), void *userdata);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *), void *userdata);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *), void *userdata) {
    return fails(&threads_left) ? EAGAIN : __real_pthread_create(thread, attributes, fn, userdata);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size) {
    return fails(&blocks_left) ? NULL : __real_calloc(count, size);
}

static void test_without_another_thread_those_that_are_there_end(void **state) {
    struct site *site = *state;
    for (int some = 0; some < 3; some++) {
        unsigned before = site->stopped;
        char worker[32];
        atomic_store(&threads_left, some);
        assert_int_equal(kith_workers_new(4, NULL, &site_ops, site, &site->workers, &site->error), -EAGAIN);
        snprintf(worker, sizeof(worker), "worker %d of 4", some);
        assert_non_null(strstr(site->error.text, worker));
        assert_non_null(strstr(site->error.text, "ulimit -u"));
        assert_null(site->workers);
        assert_int_equal(site->stopped, before + some);
        assert_int_equal(testing_fd_count(), site->fds_before);
    }
    assert_int_equal(threads_left, -1); /* it was asked for, and has failed */
}

/* Every allocation on the way fails once. */
static void test_without_memory_no_worker_is_made_and_nothing_lost(void **state) {
    struct site *site = *state;
    int r = -ENOMEM, failures = 0;
    while (r < 0) {
        atomic_store(&blocks_left, failures);
        r = kith_workers_new(3, NULL, &site_ops, site, &site->workers, &site->error);
        if (r < 0) {
            assert_int_equal(r, -ENOMEM);
            assert_int_equal(site->error.code, -ENOMEM);
            assert_int_equal(site->started, site->stopped);
            assert_int_equal(testing_fd_count(), site->fds_before);
            failures++;
        }
    }
    atomic_store(&blocks_left, -1);
    assert_true(failures > 3 * 4); /* a loop, its wakeup, its timer and the inbox in each */
    round_trip(site, 2);
}

static void test_without_memory_listening_is_all_or_nothing(void **state) {
    struct site *site = *state;
    int failures = 0;
    site_begin(site, 3);
    for (unsigned i = 0; i < 3; i++)
        round_trip(site, i); /* nothing else allocates beside us */
    size_t before = testing_fd_count();
    for (int r = -ENOMEM; r < 0;) {
        atomic_store(&blocks_left, failures);
        r = listen_tcp(site, site->workers, 0);
        atomic_store(&blocks_left, -1);
        if (r < 0) {
            assert_int_equal(r, -ENOMEM);
            assert_int_equal(testing_fd_count(), before);
            failures++;
        }
    }
    assert_true(failures > 3);
    int fd = client(&site->tcp);
    assert_true(greeting(fd) >= 0);
    close(fd);
}

static void test_without_memory_no_call_is_posted(void **state) {
    struct site *site = *state;
    struct gate gate = GATE_INIT(3);
    site_begin(site, 3);
    for (unsigned i = 0; i < 3; i++)
        round_trip(site, i);
    atomic_store(&blocks_left, 0);
    assert_int_equal(kith_workers_call(site->workers, 0, open_gate, &gate), -ENOMEM);
    for (int some = 0; some < 3; some++) {
        atomic_store(&blocks_left, some);
        assert_int_equal(kith_workers_each(site->workers, open_gate, &gate), -ENOMEM);
    }
    for (unsigned i = 0; i < 3; i++)
        round_trip(site, i);
    assert_int_equal(gate.closed, 3); /* none was run */
    assert_int_equal(kith_workers_each(site->workers, open_gate, &gate), 3);
    assert_true(gate_wait(&gate));
}

#define FEW 256

/* Descriptors are few, from before anything listens: io_uring looks at the limit when it is asked to accept. */
static struct rlimit limit_descriptors(void) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = FEW, .rlim_max = limit.rlim_max}), 0);
    return limit;
}

struct hoard {
    int fds[FEW];
    size_t count;
};

/* Takes all that there are. */
static void use_up_descriptors(struct hoard *hoard) {
    hoard->count = 0;
    for (int fd; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;)
        hoard->fds[hoard->count++] = fd;
    assert_int_equal(errno, EMFILE);
}

static void hoard_free(struct hoard *hoard) {
    close_all(hoard->fds, hoard->count);
}

/* One worker accepts. It hangs up on whom it cannot take; the connections of all others go on. */
static void test_without_descriptors_clients_are_hung_up_on_and_served_again_later(void **state) {
    enum { CLIENTS = 6 };
    struct site *site = *state;
    struct hold hold = HOLD_INIT;
    struct hoard hoard;
    int fds[CLIENTS], friends[2];
    struct rlimit limit = limit_descriptors();
    site_begin(site, 2);
    assert_int_equal(listen_unix(site, NULL), 0);
    for (int i = 0; i < 2; i++) {
        friends[i] = client(&site->unix_);
        assert_int_equal(greeting(friends[i]), i);
    }
    hold_worker(site, 0, &hold);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = client(&site->unix_);
    use_up_descriptors(&hoard);
    gate_open(&hold.go);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(greeting(fds[i]), -1);
    assert_int_equal(site->errors, 1);
    assert_int_equal(site->last_error, -EMFILE);
    assert_int_equal(stats_sum(site).accepted, 2);
    assert_true(echoes(friends[0], 8) && echoes(friends[1], 9));

    hoard_free(&hoard);
    close_all(fds, CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client(&site->unix_);
        assert_int_equal(greeting(fds[i]), i % 2);
    }
    close_all(fds, CLIENTS);
    close_all(friends, 2);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Descriptors belong to the process: the spare one that a worker gives up for a moment may be gone to another when it wants it back. Then
 * clients wait, and nobody is forgotten. */
static void test_workers_that_fight_for_the_last_descriptor_recover(void **state) {
    enum { WORKERS = 4, CLIENTS = 40 };
    struct site *site = *state;
    struct hold holds[WORKERS];
    struct hoard hoard;
    int fds[CLIENTS];
    struct rlimit limit = limit_descriptors();
    site_begin(site, WORKERS);
    assert_int_equal(listen_tcp(site, site->workers, 0), 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        holds[i] = (struct hold)HOLD_INIT;
        hold_worker(site, i, &holds[i]);
    }
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = client(&site->tcp);
    use_up_descriptors(&hoard);
    for (unsigned i = 0; i < WORKERS; i++)
        gate_open(&holds[i].go);
    until_in(site, 0, site->errors > 0);
    hoard_free(&hoard);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_not_equal(greeting(fds[i]), -2);
    close_all(fds, CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client(&site->tcp);
        assert_true(greeting(fds[i]) >= 0);
    }
    close_all(fds, CLIENTS);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SITE_TEST(test_without_another_thread_those_that_are_there_end),
        SITE_TEST(test_without_memory_no_worker_is_made_and_nothing_lost),
        SITE_TEST(test_without_memory_listening_is_all_or_nothing),
        SITE_TEST(test_without_memory_no_call_is_posted),
        SITE_TEST(test_without_descriptors_clients_are_hung_up_on_and_served_again_later),
        SITE_TEST(test_workers_that_fight_for_the_last_descriptor_recover),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
