/* loop/test-poller.c: memory that is looked at: when it is, and when the loop waits instead. Another thread writes. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/time.h"
#include "loop/private.h"

/* A number that somebody counts up, and how the loop is woken when it sleeps. */
struct memory {
    struct kith_poller poller;
    kith_loop *loop;
    kith_io *io;
    int bell;
    atomic_uint written, sleeping;
    unsigned read, looks, works, sleeps, bells;
    bool busy; /* there is always more */
};

static struct memory *of(const struct kith_poller *poller) {
    return KITH_CONTAINER_OF(poller, struct memory, poller);
}

static bool look(const struct kith_poller *poller) {
    struct memory *memory = of(poller);
    memory->looks++;
    return memory->busy || atomic_load(&memory->written) != memory->read;
}

static bool fall_asleep(struct kith_poller *poller) {
    struct memory *memory = of(poller);
    memory->sleeps++;
    atomic_store(&memory->sleeping, 1);
    if (!look(poller))
        return false;
    atomic_store(&memory->sleeping, 0);
    return true;
}

static unsigned work(struct kith_poller *poller) {
    struct memory *memory = of(poller);
    unsigned written = atomic_load(&memory->written), count = written - memory->read;
    memory->works++;
    memory->read = written;
    return count;
}

static const struct kith_poller_ops ops = {.look = look, .sleep = fall_asleep, .work = work};

static void rung(kith_io *io, int fd, unsigned events, void *userdata) {
    struct memory *memory = userdata;
    kith_eventfd_drain(fd);
    memory->bells++;
    kith_loop_poll(memory->loop, &memory->poller);
}

static void put(struct memory *memory) {
    atomic_fetch_add(&memory->written, 1);
    if (atomic_exchange(&memory->sleeping, 0))
        kith_eventfd_raise(memory->bell);
}

static int setup(void **state) {
    static struct memory memory;
    memory = (struct memory){.bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    assert_int_equal(kith_loop_new(&memory.loop), 0);
    assert_int_equal(kith_io_new(memory.loop, memory.bell, KITH_IO_READ, rung, &memory, &memory.io), 0);
    kith_poller_init(&memory.poller, &ops);
    *state = &memory;
    return 0;
}

static int teardown(void **state) {
    struct memory *memory = *state;
    kith_io_free(memory->io);
    kith_poller_stop(&memory->poller);
    kith_loop_free(memory->loop);
    kith_close(memory->bell);
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------------------- */

static void one_that_finds_nothing_is_put_to_sleep(void **state) {
    struct memory *memory = *state;
    memory->poller.spin_ns = 1000;
    kith_loop_poll(memory->loop, &memory->poller);
    assert_int_equal(kith_loop_step(memory->loop, 0), 0);
    assert_int_equal(memory->sleeps, 0); /* nobody waits */
    assert_int_equal(kith_loop_step(memory->loop, 1), 0);
    assert_int_equal(memory->sleeps, 1);
    assert_true(kith_list_empty(&memory->poller.link));
    assert_int_equal(kith_loop_step(memory->loop, 1), 0);
    assert_int_equal(memory->sleeps, 1);
    put(memory);
    assert_int_equal(kith_loop_step(memory->loop, 1000), 1 + 1); /* the bell, and what it was rung for */
    assert_int_equal(memory->read, 1);
    assert_int_equal(memory->bells, 1);
}

static void what_is_there_needs_no_bell(void **state) {
    struct memory *memory = *state;
    kith_loop_poll(memory->loop, &memory->poller);
    for (unsigned i = 0; i < 100; i++) {
        put(memory);
        assert_int_equal(kith_loop_step(memory->loop, 1000), 1);
    }
    assert_int_equal(memory->bells, 0);
    assert_int_equal(memory->sleeps, 0);
}

static void count_calls(kith_timer *timer, void *userdata) {
    ++*(unsigned *)userdata;
}

/* Busy memory keeps neither timers nor descriptors from their turn, nor do they keep it from its own. */
static void one_that_is_busy_leaves_others_their_turn(void **state) {
    struct memory *memory = *state;
    kith_timer *timer = NULL;
    unsigned fired = 0, steps = 0;
    int other = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
    kith_io *io = NULL;
    memory->busy = true;
    kith_loop_poll(memory->loop, &memory->poller);
    for (unsigned i = 0; i < 3; i++)
        assert_true(kith_loop_step(memory->loop, 0) >= 0);
    assert_true(memory->works > 2); /* before there is anything else, as the timer may be late by any time */
    unsigned before = memory->works;
    assert_int_equal(kith_timer_new(memory->loop, count_calls, &fired, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, 2, 0), 0);
    assert_int_equal(kith_io_new(memory->loop, other, KITH_IO_READ, rung, memory, &io), 0);
    uint64_t end = kith_time_now() + 10 * KITH_NS_PER_S;
    for (; (fired == 0 || memory->bells == 0) && kith_time_now() < end; steps++)
        assert_true(kith_loop_step(memory->loop, 0) >= 0);
    assert_int_equal(fired, 1);
    assert_int_equal(memory->bells, 1);
    assert_true(memory->works >= before + steps);
    assert_int_equal(memory->sleeps, 0);
    kith_io_free(io);
    kith_timer_free(timer);
    kith_close(other);
}

/* Then there is one look before it sleeps, and one that it does not miss what comes meanwhile. */
static void looking_in_vain_is_given_up(void **state) {
    struct memory *memory = *state;
    unsigned spins = 0;
    memory->poller.spin_ns = 50 * KITH_NS_PER_MS;
    for (unsigned i = 0; i < 30; i++) {
        kith_loop_poll(memory->loop, &memory->poller);
        bool spins_now = memory->loop->pollers.credit > 0;
        unsigned before = memory->looks;
        assert_int_equal(kith_loop_step(memory->loop, 1), 0);
        assert_true(spins_now || memory->looks == before + 2);
        spins += spins_now;
    }
    assert_int_equal(memory->sleeps, 30);
    assert_true(memory->loop->pollers.credit == 0);
    assert_int_equal(spins, 8 + (30 - 8) / 8); /* eight, then one of eight */
}

/* A host waits for the loop's descriptor: then whoever writes has to ring. */
static void in_a_hosted_loop_all_sleep_while_nobody_steps(void **state) {
    struct memory *memory = *state;
    assert_true(kith_loop_fd(memory->loop) >= 0);
    kith_loop_poll(memory->loop, &memory->poller);
    (void)kith_loop_step(memory->loop, 0);
    assert_true(kith_list_empty(&memory->poller.link));
    assert_int_equal(atomic_load(&memory->sleeping), 1);
}

/* Its work was due when it was put to sleep: that must not make it look awake. */
static void one_that_was_woken_for_nothing_sleeps_on(void **state) {
    struct memory *memory = *state;
    assert_true(kith_loop_fd(memory->loop) >= 0);
    kith_loop_poll(memory->loop, &memory->poller); /* and the host was told */
    assert_true(kith_list_empty(&memory->poller.link));
    assert_int_equal(kith_loop_step(memory->loop, 0), 0);
    assert_int_equal(memory->works, 0);
    put(memory);
    assert_int_equal(kith_loop_step(memory->loop, 1000), 2);
    assert_int_equal(memory->read, 1);
}

static void *write_all(void *opaque) {
    struct memory *memory = opaque;
    for (unsigned i = 0; i < 20000; i++) {
        put(memory);
        for (unsigned pause = i % 64 == 0 ? i % 5000 : 0; pause > 0; pause--)
            atomic_load(&memory->sleeping);
    }
    return NULL;
}

/* A wake-up that is lost would be a wait that times out. */
static void no_wake_up_is_lost(void **state) {
    struct memory *memory = *state;
    pthread_t thread;
    memory->poller.spin_ns = 2000;
    kith_loop_poll(memory->loop, &memory->poller);
    assert_int_equal(pthread_create(&thread, NULL, write_all, memory), 0);
    while (memory->read < 20000)
        assert_true(kith_loop_step(memory->loop, 10000) > 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void a_loop_that_goes_first_lets_go_of_them(void **state) {
    struct memory *memory = *state;
    kith_loop_poll(memory->loop, &memory->poller);
    memory->io = kith_io_free(memory->io);
    memory->loop = kith_loop_free(memory->loop);
    assert_true(kith_list_empty(&memory->poller.link));
    assert_true(kith_list_empty(&memory->poller.defer.link));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_that_finds_nothing_is_put_to_sleep, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_there_needs_no_bell, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_is_busy_leaves_others_their_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(looking_in_vain_is_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(in_a_hosted_loop_all_sleep_while_nobody_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_was_woken_for_nothing_sleeps_on, setup, teardown),
        cmocka_unit_test_setup_teardown(no_wake_up_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(a_loop_that_goes_first_lets_go_of_them, setup, teardown),
    };
    return cmocka_run_group_tests_name("loop/poller", tests, NULL, NULL);
}
