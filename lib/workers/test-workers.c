/* Workers: how they begin and end, and functions in their threads. */
#include "workers/testing.h"

#include <sched.h>
#include <signal.h>

/* Beginning ----------------------------------------------------------------------------------------------------------- */

static void test_as_many_as_cpus_when_nobody_says_how_many(void **state) {
    struct site *site = *state;
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    site_begin(site, 0);
    assert_int_equal(kith_workers_count(site->workers), CPU_COUNT(&set));
    assert_int_equal(site->started, CPU_COUNT(&set));
}

static void test_workers_need_nothing_but_a_number(void **state) {
    struct site *site = *state;
    assert_int_equal(kith_workers_new(2, NULL, NULL, NULL, &site->workers, NULL), 0);
    assert_int_equal(kith_workers_stop(site->workers, -1), 0);
}

static void test_numbers_beyond_reason_are_refused(void **state) {
    struct site *site = *state;
    assert_int_equal(kith_workers_new(1025, NULL, NULL, NULL, &site->workers, &site->error), -EINVAL);
    assert_non_null(strstr(site->error.text, "1025"));
    assert_int_equal(kith_workers_new(1, NULL, NULL, NULL, NULL, NULL), -EINVAL);
    assert_int_equal(kith_workers_stop(NULL, 0), -EINVAL);
    assert_int_equal(kith_workers_count(NULL), 0);
    assert_null(kith_workers_free(NULL));
    kith_worker_closed(NULL);
}

static void test_a_start_that_fails_ends_all_and_names_the_worker(void **state) {
    struct site *site = *state;
    site->fail_at = 2;
    site->fail_with = -ENOSPC;
    assert_int_equal(kith_workers_new(4, NULL, &site_ops, site, &site->workers, &site->error), -ENOSPC);
    assert_null(site->workers);
    assert_int_equal(site->error.code, -ENOSPC);
    assert_non_null(strstr(site->error.text, "worker 2 of 4"));
    assert_non_null(strstr(site->error.text, "start callback"));
    assert_int_equal(site->started, 2);
    assert_int_equal(site->stopped, 2);
    assert_int_equal(site->drained, 0);
}

static void call_too_early(kith_worker *worker) {
    static int results[3]; /* start runs in one thread after the other */
    kith_workers *workers = kith_worker_workers(worker);
    results[0] = kith_workers_call(workers, 0, open_gate, NULL);
    results[1] = kith_workers_each(workers, open_gate, NULL);
    results[2] = kith_workers_free(workers) == workers ? -EDEADLK : 0;
    if (results[0] == -EAGAIN && results[1] == -EAGAIN && results[2] == -EDEADLK)
        kith_worker_closed(worker); /* nothing is counted: it does no harm */
    else
        kith_loop_stop(kith_worker_loop(worker));
}

static void test_others_cannot_be_called_before_all_have_started(void **state) {
    struct site *site = *state;
    site->on_start = call_too_early;
    site_begin(site, 3);
    for (unsigned i = 0; i < 3; i++) {
        round_trip(site, i);
        assert_false(stats_of(site, i).ended);
        assert_int_equal(stats_of(site, i).connections, 0);
    }
}

struct look {
    struct gate gate;
    char name[WORKERS_MAX][16];
    int cpus[WORKERS_MAX], cpu[WORKERS_MAX];
    sigset_t blocked[WORKERS_MAX];
    bool other_thread[WORKERS_MAX], other_loop[WORKERS_MAX];
    pthread_t caller;
    kith_loop *loops[WORKERS_MAX];
};

static void look_around(kith_worker *worker, void *userdata) {
    struct look *look = userdata;
    unsigned i = kith_worker_index(worker);
    cpu_set_t set;
    pthread_getname_np(pthread_self(), look->name[i], sizeof(look->name[i]));
    pthread_sigmask(SIG_BLOCK, NULL, &look->blocked[i]);
    look->other_thread[i] = !pthread_equal(look->caller, pthread_self());
    look->loops[i] = kith_worker_loop(worker);
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        look->cpus[i] = CPU_COUNT(&set);
    look->cpu[i] = sched_getcpu();
    gate_open(&look->gate);
}

static void test_threads_have_names_cpus_and_loops_of_their_own(void **state) {
    struct site *site = *state;
    struct look look = {.gate = GATE_INIT(3), .caller = pthread_self()};
    cpu_set_t before, after;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    site->options = (struct kith_workers_options){.pin = true, .name = "a-long-server-name"};
    site_begin(site, 3);
    assert_int_equal(kith_workers_each(site->workers, look_around, &look), 3);
    assert_true(gate_wait(&look.gate));
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof(name), "a-long-server-%d", i);
        assert_string_equal(look.name[i], name);
        assert_int_equal(look.cpus[i], 1);
        assert_true(CPU_ISSET(look.cpu[i], &before));
        assert_true(look.other_thread[i]);
        assert_ptr_not_equal(look.loops[i], look.loops[(i + 1) % 3]);
    }
    if (CPU_COUNT(&before) > 1)
        assert_int_not_equal(look.cpu[0], look.cpu[1]);
    assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
}

static void note_signal(kith_signal *sig, int signo, void *userdata) {
    *(int *)userdata = signo;
}

static void test_signals_go_to_the_main_threads_loop(void **state) {
    struct site *site = *state;
    struct look look = {.gate = GATE_INIT(2), .caller = pthread_self()};
    sigset_t before, after;
    kith_loop *loop = NULL;
    kith_signal *sig = NULL;
    int got = 0;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    site_begin(site, 2);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    assert_int_equal(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
    assert_int_equal(kith_workers_each(site->workers, look_around, &look), 2);
    assert_true(gate_wait(&look.gate));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sigismember(&look.blocked[i], SIGTERM), 1);
        assert_int_equal(sigismember(&look.blocked[i], SIGCHLD), 1);
        assert_int_equal(sigismember(&look.blocked[i], SIGSEGV), 0);
    }
    assert_int_equal(kith_loop_new(&loop), 0);
    assert_int_equal(kith_signal_new(loop, SIGUSR1, note_signal, &got, &sig), 0);
    for (int i = 0; i < 20; i++) { /* any thread that had it open could be chosen, and would end the process */
        got = 0;
        assert_int_equal(kill(getpid(), SIGUSR1), 0);
        assert_int_equal(kith_loop_step(loop, PATIENCE_S * 1000), 1);
        assert_int_equal(got, SIGUSR1);
    }
    kith_signal_free(sig);
    kith_loop_free(loop);
}

/* Calls --------------------------------------------------------------------------------------------------------------- */

enum { CALLS = 1000 };

struct order {
    struct gate gate;
    unsigned count;
    unsigned wrong;
    bool inside;
};

struct call {
    struct order *order;
    unsigned number;
};

static void note_call(kith_worker *worker, void *userdata) {
    struct call *call = userdata;
    struct order *order = call->order;
    order->wrong += order->inside || call->number != order->count;
    order->count++;
    gate_open(&order->gate);
}

static void test_functions_run_in_the_order_of_posting(void **state) {
    struct site *site = *state;
    struct order order = {.gate = GATE_INIT(CALLS)};
    struct call calls[CALLS];
    site_begin(site, 2);
    for (unsigned i = 0; i < CALLS; i++) {
        calls[i] = (struct call){.order = &order, .number = i};
        assert_int_equal(kith_workers_call(site->workers, 1, note_call, &calls[i]), 0);
    }
    assert_true(gate_wait(&order.gate));
    assert_int_equal(order.count, CALLS);
    assert_int_equal(order.wrong, 0);
}

struct ring {
    struct gate gate;
    atomic_uint left, failed;
};

/* Passes on to the next worker, the last one to itself. */
static void pass_on(kith_worker *worker, void *userdata) {
    struct ring *ring = userdata;
    unsigned left = atomic_fetch_sub(&ring->left, 1);
    kith_workers *workers = kith_worker_workers(worker);
    unsigned next = left % 3 == 0 ? kith_worker_index(worker) : (kith_worker_index(worker) + 1) % kith_workers_count(workers);
    if (left > 1 && kith_workers_call(workers, next, pass_on, ring) < 0)
        atomic_fetch_add(&ring->failed, 1);
    gate_open(&ring->gate);
}

static void test_workers_call_each_other_and_themselves(void **state) {
    struct site *site = *state;
    struct ring ring = {.gate = GATE_INIT(CALLS), .left = CALLS};
    site_begin(site, 4);
    assert_int_equal(kith_workers_call(site->workers, 0, pass_on, &ring), 0);
    assert_true(gate_wait(&ring.gate));
    assert_int_equal(ring.left, 0);
    assert_int_equal(ring.failed, 0);
}

struct self {
    struct order order;
    struct call calls[2];
};

static void post_to_self(kith_worker *worker, void *userdata) {
    struct self *self = userdata;
    self->order.inside = true;
    for (unsigned i = 0; i < 2; i++)
        self->order.wrong += kith_workers_call(kith_worker_workers(worker), kith_worker_index(worker), note_call, &self->calls[i]) != 0;
    self->order.inside = false;
}

static void test_a_call_never_runs_inside_the_posting(void **state) {
    struct site *site = *state;
    struct self self = {.order = {.gate = GATE_INIT(2)}};
    for (unsigned i = 0; i < 2; i++)
        self.calls[i] = (struct call){.order = &self.order, .number = i};
    site_begin(site, 1);
    assert_int_equal(kith_workers_call(site->workers, 0, post_to_self, &self), 0);
    assert_true(gate_wait(&self.order.gate));
    assert_int_equal(self.order.wrong, 0);
}

struct poster {
    struct site *site;
    struct gate *gate;
    int refused;
};

static void *post_many(void *userdata) {
    struct poster *poster = userdata;
    for (int i = 0; i < CALLS; i++)
        poster->refused += kith_workers_each(poster->site->workers, open_gate, poster->gate) != 2;
    return NULL;
}

static void test_many_threads_post_and_nothing_is_lost(void **state) {
    enum { POSTERS = 4 };
    struct site *site = *state;
    struct gate gate = GATE_INIT(POSTERS * CALLS * 2);
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    site_begin(site, 2);
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.site = site, .gate = &gate};
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(posters[i].refused, 0);
    }
    assert_true(gate_wait(&gate));
}

static void test_what_cannot_be_called_is_refused(void **state) {
    struct site *site = *state;
    struct kith_worker_stats stats;
    site_begin(site, 2);
    assert_int_equal(kith_workers_call(site->workers, 2, open_gate, NULL), -EINVAL);
    assert_int_equal(kith_workers_call(site->workers, 0, NULL, NULL), -EINVAL);
    assert_int_equal(kith_workers_call(NULL, 0, open_gate, NULL), -EINVAL);
    assert_int_equal(kith_workers_each(site->workers, NULL, NULL), -EINVAL);
    assert_int_equal(kith_workers_stats(site->workers, 2, &stats), -EINVAL);
    assert_int_equal(kith_workers_stats(site->workers, 0, NULL), -EINVAL);
}

/* End ----------------------------------------------------------------------------------------------------------------- */

static atomic_uint ran_before_stop, ran_at_stop;

static void count_run(kith_worker *worker, void *userdata) {
    atomic_fetch_add(&ran_before_stop, 1);
}

static void note_at_stop(kith_worker *worker) {
    if (kith_worker_index(worker) == 1)
        atomic_store(&ran_at_stop, atomic_load(&ran_before_stop));
}

static void test_a_worker_that_ends_runs_what_was_posted_and_the_others_go_on(void **state) {
    enum { POSTED = 200 };
    struct site *site = *state;
    struct hold hold = HOLD_INIT;
    atomic_store(&ran_before_stop, 0);
    atomic_store(&ran_at_stop, 0);
    hold.stop = true;
    site->on_stop = note_at_stop;
    site_begin(site, 3);
    hold_worker(site, 1, &hold);
    for (int i = 0; i < POSTED; i++)
        assert_int_equal(kith_workers_call(site->workers, 1, count_run, NULL), 0);
    gate_open(&hold.go);
    until_in(site, 0, stats_of(site, 1).ended);
    assert_int_equal(ran_at_stop, POSTED);
    assert_int_equal(stats_of(site, 1).error, 0);
    assert_int_equal(kith_workers_call(site->workers, 1, count_run, NULL), -ESHUTDOWN);
    struct gate gate = GATE_INIT(2);
    assert_int_equal(kith_workers_each(site->workers, open_gate, &gate), 2);
    assert_true(gate_wait(&gate));
    assert_int_equal(kith_workers_stop(site->workers, -1), 0);
    assert_int_equal(site->drained, 2);
    assert_int_equal(site->stopped, 3);
}

static void test_stopped_workers_answer_so(void **state) {
    struct site *site = *state;
    struct kith_address address;
    site_begin(site, 2);
    assert_int_equal(kith_workers_stop(site->workers, -2), -EINVAL);
    assert_int_equal(kith_workers_stop(site->workers, -1), 0);
    assert_int_equal(site->drained, 2);
    assert_int_equal(site->stopped, 2);
    assert_int_equal(kith_workers_stop(site->workers, 0), 0);
    assert_int_equal(site->stopped, 2);
    assert_int_equal(kith_workers_call(site->workers, 0, open_gate, NULL), -ESHUTDOWN);
    assert_int_equal(kith_workers_each(site->workers, open_gate, NULL), 0);
    assert_int_equal(kith_address_unix(site->path, &address), 0);
    assert_int_equal(kith_workers_listen(site->workers, &address, NULL, &site_listener_ops, site, NULL, &site->error), -ESHUTDOWN);
    assert_true(stats_of(site, 1).ended);
}

struct inside {
    struct gate gate;
    struct site *site;
    int stop, listen;
    bool kept;
};

static void stop_from_inside(kith_worker *worker, void *userdata) {
    struct inside *inside = userdata;
    struct kith_address address;
    kith_workers *workers = kith_worker_workers(worker);
    inside->stop = kith_workers_stop(workers, 0);
    inside->kept = kith_workers_free(workers) == workers;
    inside->listen = kith_address_unix(inside->site->path, &address);
    if (inside->listen == 0)
        inside->listen = kith_workers_listen(workers, &address, NULL, &site_listener_ops, inside->site, NULL, NULL);
    gate_open(&inside->gate);
}

static void test_a_worker_cannot_wait_for_itself(void **state) {
    struct site *site = *state;
    struct inside inside = {.gate = GATE_INIT(1), .site = site};
    site_begin(site, 2);
    assert_int_equal(kith_workers_call(site->workers, 1, stop_from_inside, &inside), 0);
    assert_true(gate_wait(&inside.gate));
    assert_int_equal(inside.stop, -EDEADLK);
    assert_int_equal(inside.listen, -EDEADLK);
    assert_true(inside.kept);
    round_trip(site, 1);
}

static void post_stop(kith_worker *worker, void *userdata) {
    kith_wakeup_send(userdata);
}

static void on_stop_wanted(kith_wakeup *wakeup, void *userdata) {
    struct site *site = userdata;
    site->workers = kith_workers_free(site->workers);
}

static void test_a_worker_has_all_stopped_through_the_main_loop(void **state) {
    struct site *site = *state;
    kith_loop *loop = NULL;
    kith_wakeup *wakeup = NULL;
    assert_int_equal(kith_loop_new(&loop), 0);
    assert_int_equal(kith_wakeup_new(loop, on_stop_wanted, site, &wakeup), 0);
    site_begin(site, 2);
    assert_int_equal(kith_workers_call(site->workers, 1, post_stop, wakeup), 0);
    assert_int_equal(kith_loop_step(loop, PATIENCE_S * 1000), 1);
    assert_null(site->workers);
    assert_int_equal(site->stopped, 2);
    kith_wakeup_free(wakeup);
    kith_loop_free(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SITE_TEST(test_as_many_as_cpus_when_nobody_says_how_many),
        SITE_TEST(test_workers_need_nothing_but_a_number),
        SITE_TEST(test_numbers_beyond_reason_are_refused),
        SITE_TEST(test_a_start_that_fails_ends_all_and_names_the_worker),
        SITE_TEST(test_others_cannot_be_called_before_all_have_started),
        SITE_TEST(test_threads_have_names_cpus_and_loops_of_their_own),
        SITE_TEST(test_signals_go_to_the_main_threads_loop),
        SITE_TEST(test_functions_run_in_the_order_of_posting),
        SITE_TEST(test_workers_call_each_other_and_themselves),
        SITE_TEST(test_a_call_never_runs_inside_the_posting),
        SITE_TEST(test_many_threads_post_and_nothing_is_lost),
        SITE_TEST(test_what_cannot_be_called_is_refused),
        SITE_TEST(test_a_worker_that_ends_runs_what_was_posted_and_the_others_go_on),
        SITE_TEST(test_stopped_workers_answer_so),
        SITE_TEST(test_a_worker_cannot_wait_for_itself),
        SITE_TEST(test_a_worker_has_all_stopped_through_the_main_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
