/* session/test-watch.c: one watch a process: by pid, replaced by a better one, gone with its process. */
#include "stream/testing.h"

#include <sys/eventfd.h>
#include <sys/wait.h>

#include "origin/fake-source.h"
#include "session/watch.h"

struct scene {
    struct world world; /* first: the world's helpers take it */
    struct kith_watch_table table;
    struct fake fake;
};

static int scene_setup(void **state) {
    struct scene *scene = world_new(state, sizeof(*scene));
    if (!scene)
        return -1;
    scene->fake = fake_init();
    scene->table.loop = scene->world.loop;
    return 0;
}

static int scene_teardown(void **state) {
    struct scene *scene = *state;
    int left = (int)scene->table.by_pid.count;
    kith_map_deinit(&scene->table.by_pid);
    return world_teardown(state) < 0 || left != 0 ? -1 : 0;
}

/* Process 812 by the fake's word. Its pidfd is an eventfd: readable when the process is to end. */
static struct kith_process *process_new(struct scene *scene, bool exact) {
    struct kith_process *process;
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(fd >= 0);
    assert_int_equal(kith_process_new_from(&scene->fake.source, 812, fd, exact, &process), 0);
    return process;
}

static struct kith_watch *watch_process(struct scene *scene, bool exact) {
    struct kith_watch *watch;
    struct kith_process *process = process_new(scene, exact);
    assert_int_equal(kith_watch_get_process(&scene->table, process, &watch), 0);
    kith_process_unref(process);
    return watch;
}

static struct kith_watch *watch_pid(struct scene *scene, pid_t pid) {
    struct kith_watch *watch;
    assert_int_equal(kith_watch_get(&scene->table, pid, -1, &watch), 0);
    return watch;
}

static void test_a_process_has_one_watch_a_strength(void **state) {
    struct scene *scene = *state;
    for (int exact = 0; exact < 2; exact++) {
        struct kith_watch *watch = watch_process(scene, exact), *same = watch_process(scene, exact);
        assert_ptr_equal(same, watch);
        assert_true(kith_watch_alive(watch));
        assert_int_equal(scene->table.by_pid.count, 1);
        assert_null(kith_watch_unref(same));
        assert_int_equal(scene->table.by_pid.count, 1);
        assert_null(kith_watch_unref(watch));
        assert_int_equal(scene->table.by_pid.count, 0);
    }
    assert_null(kith_watch_unref(NULL));
}

static void test_an_exact_watch_takes_the_place_of_one_that_is_not(void **state) {
    struct scene *scene = *state;
    struct kith_watch *guess = watch_process(scene, false), *exact = watch_process(scene, true);
    assert_ptr_not_equal(exact, guess);
    assert_true(kith_watch_alive(guess)); /* who holds it keeps it */
    assert_int_equal(scene->table.by_pid.count, 1);
    kith_watch_unref(guess);
    assert_int_equal(scene->table.by_pid.count, 1);
    struct kith_watch *found = watch_process(scene, true);
    assert_ptr_equal(found, exact);
    kith_watch_unref(found);
    kith_watch_unref(exact);
}

/* A message with that pid may have waited since before the process was born. */
static void test_a_pid_alone_does_not_get_an_exact_watch(void **state) {
    struct scene *scene = *state;
    struct kith_watch *exact = watch_process(scene, true), *guess = watch_process(scene, false), *by_pid = watch_pid(scene, 812);
    assert_false(kith_process_exact(kith_watch_process(guess)));
    assert_false(kith_process_exact(kith_watch_process(by_pid)));
    struct kith_watch *found = watch_process(scene, true); /* which is still there */
    assert_ptr_equal(found, exact);
    kith_watch_unref(found);
    kith_watch_unref(by_pid);
    kith_watch_unref(guess);
    kith_watch_unref(exact);
}

static void test_the_end_of_a_process_takes_its_watch_out(void **state) {
    struct scene *scene = *state;
    struct kith_watch *watch = watch_process(scene, true);
    size_t fds = testing_fd_count();
    assert_int_equal(eventfd_write(kith_process_pidfd(kith_watch_process(watch)), 1), 0);
    until(&scene->world, !kith_watch_alive(watch));
    assert_false(kith_process_alive(kith_watch_process(watch), false));
    assert_int_equal(scene->table.by_pid.count, 0);
    assert_int_equal(testing_fd_count(), fds - 1);        /* messages of the dead keep no descriptor */
    struct kith_watch *next = watch_process(scene, true); /* of the next one with this pid */
    assert_ptr_not_equal(next, watch);
    kith_watch_unref(watch);
    assert_int_equal(scene->table.by_pid.count, 1);
    kith_watch_unref(next);
}

/* The pid was given to another process, and the loop has not seen it yet: the watch is asked before it is believed. */
static void test_a_watch_found_by_pid_is_asked_first(void **state) {
    struct scene *scene = *state;
    struct kith_watch *watch = watch_process(scene, false);
    scene->fake.questions = 0;
    struct kith_watch *next = watch_pid(scene, 812);
    assert_ptr_not_equal(next, watch);
    assert_false(kith_watch_alive(watch));
    kith_watch_unref(watch);
    kith_watch_unref(next);
}

static void test_a_process_that_has_ended_already_is_not_kept(void **state) {
    struct scene *scene = *state;
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    struct kith_watch *watch = watch_pid(scene, pid);
    assert_false(kith_watch_alive(watch));
    assert_int_equal(scene->table.by_pid.count, 0);
    kith_watch_unref(watch);
}

static const char *exe_of(struct kith_watch *watch) {
    const char *text = NULL;
    (void)kith_process_text(kith_watch_process(watch), KITH_FACT_EXE, &text);
    return text;
}

/* Of the process that exec()ed: not within the time that an answer is good for, then for ever. */
static void test_an_exec_is_noticed_when_the_last_answer_is_old(void **state) {
    struct scene *scene = *state;
    struct kith_watch *watch = watch_process(scene, true);
    assert_string_equal(exe_of(watch), "/usr/sbin/nginx");
    assert_false(kith_watch_execed(watch, 1000, 100));
    scene->fake.program.inode++;
    assert_false(kith_watch_execed(watch, 1099, 100));
    assert_true(kith_watch_execed(watch, 1100, 100));
    assert_true(kith_watch_execed(watch, 1101, 100));
    kith_watch_unref(watch);
}

/* Two connections of one process: the second to notice gets what the first has found. */
static void test_after_an_exec_the_process_is_looked_up_anew(void **state) {
    struct scene *scene = *state;
    struct kith_watch *one = watch_process(scene, true), *other = kith_watch_ref(one), *before = kith_watch_ref(one);
    assert_string_equal(exe_of(one), "/usr/sbin/nginx");
    scene->fake.program.inode++;
    scene->fake.exe = "/usr/bin/ssh";
    assert_int_equal(kith_watch_renew(&scene->table, &one), 0);
    assert_ptr_not_equal(one, before);
    assert_string_equal(exe_of(one), "/usr/bin/ssh");
    assert_int_equal(kith_watch_renew(&scene->table, &other), 0);
    assert_ptr_equal(other, one);
    assert_string_equal(exe_of(before), "/usr/sbin/nginx");
    assert_int_equal(scene->table.by_pid.count, 1);
    /* A new connection does not get what is known of the program before. */
    scene->fake.program.inode++;
    scene->fake.exe = "/usr/bin/scp";
    struct kith_watch *next = watch_process(scene, true);
    assert_string_equal(exe_of(next), "/usr/bin/scp");
    kith_process_set_dead(kith_watch_process(before));
    assert_int_equal(kith_watch_renew(&scene->table, &before), -ESRCH);
    kith_watch_unref(next);
    kith_watch_unref(before);
    kith_watch_unref(other);
    kith_watch_unref(one);
}

static void test_a_real_process_is_seen_to_end(void **state) {
    struct scene *scene = *state;
    int status, gate[2];
    char octet;
    assert_int_equal(pipe(gate), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(gate[1]);
        _exit(read(gate[0], &octet, 1) == 0 ? 0 : 1);
    }
    struct kith_watch *watch = watch_pid(scene, pid), *same = watch_pid(scene, pid);
    assert_ptr_equal(watch, same);
    assert_true(kith_watch_alive(watch));
    assert_false(kith_process_exact(kith_watch_process(watch)));
    close(gate[1]);
    until(&scene->world, !kith_watch_alive(watch));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(gate[0]);
    kith_watch_unref(same);
    kith_watch_unref(watch);
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_a_process_has_one_watch_a_strength),
        SCENE_TEST(test_a_pid_alone_does_not_get_an_exact_watch),
        SCENE_TEST(test_an_exact_watch_takes_the_place_of_one_that_is_not),
        SCENE_TEST(test_the_end_of_a_process_takes_its_watch_out),
        SCENE_TEST(test_a_watch_found_by_pid_is_asked_first),
        SCENE_TEST(test_a_process_that_has_ended_already_is_not_kept),
        SCENE_TEST(test_an_exec_is_noticed_when_the_last_answer_is_old),
        SCENE_TEST(test_after_an_exec_the_process_is_looked_up_anew),
        SCENE_TEST(test_a_real_process_is_seen_to_end),
    };
    if (testing_under_valgrind()) {
        print_message("pidfd_open(2) does not pass valgrind\n");
        return TESTING_SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
