/* Commands: how they are started, what they say, how they are stopped. */
#include "gateway/output/testing.h"

#include <sys/wait.h>

#define command(scene, ...) snprintf((scene)->target, sizeof((scene)->target), "exec:" __VA_ARGS__)

static bool file_has(const struct scene *scene, const char *expected) {
    _cleanup_(freep) char *text = NULL;
    return kith_file_read(AT_FDCWD, scene->path, 1 << 20, &text, NULL) >= 0 && strcmp(text, expected) == 0;
}

static void test_words_are_split_at_blanks_and_nothing_is_a_shells(void **state) {
    struct scene *scene = *state;
    command(scene, "  dd  of=%s\tstatus=none bs=1 ", scene->path);
    scene_up(scene);
    assert_int_equal(scene_send(scene, 1, "$HOME; 'x'"), 0);
    until(scene, scene->done == 1);
    until(scene, file_has(scene, "$HOME; 'x'\n"));
    scene->output = output_free(scene->output);
    /* The semicolon and what follows are words of the command. */
    scene->ready = 0;
    command(scene, "printf %%s|; touch %s", scene->path);
    assert_int_equal(unlink(scene->path), 0);
    scene_open(scene);
    until(scene, strstr(scene->log, ";"));
    assert_int_equal(access(scene->path, F_OK), -1);
}

static void test_a_shell_is_used_when_asked_for(void **state) {
    struct scene *scene = *state;
    scene->options.shell = true;
    command(scene, "tr a-z A-Z | cat > '%s'", scene->path);
    scene_up(scene);
    assert_int_equal(scene_send(scene, 1, "loud"), 0);
    until(scene, scene->done == 1);
    output_drain(scene->output, 20000);
    until(scene, scene->ended == 1);
    until(scene, file_has(scene, "LOUD\n"));
}

static void test_what_it_prints_goes_to_the_log(void **state) {
    struct scene *scene = *state;
    scene->options.shell = true;
    command(scene, "echo to output; printf 'to error\\033[2J\\n' >&2; exec cat >/dev/null");
    scene_up(scene);
    until(scene, strstr(scene->log, "to output\n") && strstr(scene->log, "to error\\x1b[2J\n"));
}

static void test_a_flood_of_lines_is_bounded_and_counted(void **state) {
    struct scene *scene = *state;
    scene->options.shell = true;
    command(scene, "seq 1000 >&2; read line; sleep 1.1; echo end >&2; exec cat >/dev/null");
    scene_up(scene);
    until(scene, strstr(scene->log, "\n20\n"));
    assert_int_equal(scene_send(scene, 1, "go on"), 0);
    until(scene, strstr(scene->log, "end\n"));
    assert_null(strstr(scene->log, "\n21\n"));
    assert_non_null(strstr(scene->log, ": 980 more lines were left out\nend\n"));
}

static void test_its_end_is_said_and_it_is_started_again(void **state) {
    struct scene *scene = *state;
    scene->options.shell = true;
    command(scene, "echo x >> '%s'; exit 3", scene->path);
    scene_open(scene);
    until(scene, strstr(scene->log, "it ended with exit status 3"));
    until(scene, file_has(scene, "x\nx\nx\n"));
    assert_true(scene_stats(scene).failures >= 2);
    scene->output = output_free(scene->output);
    command(scene, "kill -SEGV $$");
    scene_open(scene);
    until(scene, strstr(scene->log, "it was killed by SIGSEGV"));
}

static void test_a_command_that_does_not_exist_is_tried_again(void **state) {
    struct scene *scene = *state;
    command(scene, "%s/nothing", scene->folder);
    scene_open(scene);
    until(scene, scene_stats(scene).failures >= 3);
    assert_non_null(strstr(scene->log, "/nothing cannot be started: No such file or directory"));
    assert_int_equal(scene->ready, 0);
}

static void test_what_it_did_not_read_is_given_back(void **state) {
    struct scene *scene = *state;
    scene->options.shell = true;
    command(scene, "read line; read line; exit 0");
    scene_up(scene);
    for (uint64_t id = 1; id <= 100; id++) {
        int r = scene_send(scene, id, "line");
        if (r == -EAGAIN)
            break; /* it has ended already */
        assert_int_equal(r, 0);
    }
    until(scene, scene->back > 0);
    assert_true(scene->done <= 2); /* sh reads a line octet by octet */
    assert_int_equal(scene->back, scene->done + 1);
}

static void test_it_has_no_descriptors_but_its_own(void **state) {
    struct scene *scene = *state;
    scene->options.shell = true;
    /* ls has one for the folder that it reads. */
    command(scene, "ls /proc/self/fd | tr '\\n' ' ' > '%s'; exec cat >/dev/null", scene->path);
    scene_up(scene);
    until(scene, file_has(scene, "0 1 2 3 "));
}

static bool group_lives(pid_t group) {
    return kill(-group, 0) == 0;
}

static pid_t read_pid(struct scene *scene) {
    _cleanup_(freep) char *text = NULL;
    until(scene,
          kith_file_read(AT_FDCWD, scene->path, 100, &text, NULL) >= 0 && strchr(text, '\n') ? true : (free(KITH_STEAL(text)), false));
    return (pid_t)strtol(text, NULL, 10);
}

static void test_freed_it_and_its_children_are_gone(void **state) {
    struct scene *scene = *state;
    scene->options.shell = true;
    command(scene, "sleep 1000 & echo $$ > '%s'; sleep 1000", scene->path);
    scene_up(scene);
    pid_t group = read_pid(scene);
    assert_int_equal(getpgid(group), group);
    scene->output = output_free(scene->output);
    assert_int_equal(waitpid(group, NULL, WNOHANG), -1); /* reaped */
    /* The background child is init's by now: it is dead, and reaped in time. */
    until(scene, !group_lives(group));
}

static void test_drained_it_may_end_by_itself(void **state) {
    struct scene *scene = *state;
    scene->options.shell = true;
    command(scene, "cat > /dev/null; echo seen > '%s'", scene->path);
    scene_up(scene);
    assert_int_equal(scene_send(scene, 1, "x"), 0);
    output_drain(scene->output, 20000);
    until(scene, scene->ended == 1);
    assert_int_equal(scene->done, 1);
    assert_file(scene->path, "seen\n");
}

static void test_drained_it_is_terminated_when_it_does_not_end_and_killed_when_it_will_not(void **state) {
    struct scene *scene = *state;
    scene->options.shell = true;
    scene->options.stop_ms = 200;
    command(scene, "trap 'echo term >> \"%s\"' TERM; cat >/dev/null; while :; do sleep 0.05; done", scene->path);
    scene_up(scene);
    assert_int_equal(scene_send(scene, 1, "x"), 0);
    until(scene, scene->done == 1);
    uint64_t begin = kith_time_now();
    output_drain(scene->output, 20000);
    until(scene, scene->ended == 1);
    assert_true(kith_time_now() - begin >= 400 * KITH_NS_PER_MS);
    assert_true(file_has(scene, "term\n"));
}

static void test_one_that_closes_its_input_and_goes_on_is_stopped(void **state) {
    struct scene *scene = *state;
    scene->options.shell = true;
    scene->options.stop_ms = 50;
    command(scene, "exec sleep 1000 <&-");
    scene_open(scene);
    until(scene, strstr(scene->log, "it closed its input and went on: it was stopped"));
    assert_true(scene_stats(scene).failures > 0);
}

static void test_no_command_is_refused(void **state) {
    struct scene *scene = *state;
    struct kith_error error = KITH_ERROR_NONE;
    command(scene, " \t ");
    assert_int_equal(scene_try(scene, &error), -EINVAL);
    assert_non_null(strstr(error.text, "no command"));
    scene->options.shell = true;
    snprintf(scene->target, sizeof(scene->target), "exec:");
    assert_int_equal(scene_try(scene, &error), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_words_are_split_at_blanks_and_nothing_is_a_shells),
        SCENE_TEST(test_a_shell_is_used_when_asked_for),
        SCENE_TEST(test_what_it_prints_goes_to_the_log),
        SCENE_TEST(test_a_flood_of_lines_is_bounded_and_counted),
        SCENE_TEST(test_its_end_is_said_and_it_is_started_again),
        SCENE_TEST(test_a_command_that_does_not_exist_is_tried_again),
        SCENE_TEST(test_what_it_did_not_read_is_given_back),
        SCENE_TEST(test_it_has_no_descriptors_but_its_own),
        SCENE_TEST(test_freed_it_and_its_children_are_gone),
        SCENE_TEST(test_drained_it_may_end_by_itself),
        SCENE_TEST(test_drained_it_is_terminated_when_it_does_not_end_and_killed_when_it_will_not),
        SCENE_TEST(test_one_that_closes_its_input_and_goes_on_is_stopped),
        SCENE_TEST(test_no_command_is_refused),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
