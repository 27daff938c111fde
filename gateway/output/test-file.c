/* Files: rotation, what is left of a crash or a full disk, others who have the file. */
#include "gateway/output/testing.h"

#include <sys/file.h>
#include <sys/resource.h>

static void name_file(struct scene *scene) {
    snprintf(scene->target, sizeof(scene->target), "file:%s", scene->path);
}

static void send_done(struct scene *scene, uint64_t id, const char *text) {
    assert_int_equal(scene_send(scene, id, text), 0);
    until(scene, scene->done == id);
}

static const char *rotated(const struct scene *scene, unsigned number) {
    static char path[128];
    snprintf(path, sizeof(path), "%s.%u", scene->path, number);
    return path;
}

static void test_lines_are_appended_and_the_file_is_private(void **state) {
    struct scene *scene = *state;
    struct stat st;
    name_file(scene);
    mode_t mask = umask(0);
    scene_up(scene);
    umask(mask);
    send_done(scene, 1, "one");
    scene->output = output_free(scene->output);
    scene->ready = 0;
    scene_up(scene);
    send_done(scene, 2, "two");
    assert_file(scene->path, "one\ntwo\n");
    assert_int_equal(stat(scene->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_string_equal(scene->log, "");
}

static void test_a_partial_line_is_ended_and_said(void **state) {
    struct scene *scene = *state;
    name_file(scene);
    write_file(scene->path, "one\ntw");
    scene_up(scene);
    send_done(scene, 2, "two");
    assert_file(scene->path, "one\ntw\ntwo\n");
    assert_non_null(strstr(scene->log, "its last line is not whole: it was ended at octet 6"));
}

static void test_a_file_is_rotated_by_size_and_the_oldest_goes(void **state) {
    struct scene *scene = *state;
    name_file(scene);
    scene->options.rotate_octets = 8;
    scene->options.keep = 2;
    scene_up(scene);
    static const char *const texts[] = {"aaa", "bbb", "ccc", "ddd", "eee", "fff", "ggg"};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(texts); i++)
        assert_int_equal(scene_send(scene, i + 1, texts[i]), 0);
    until(scene, scene->done == KITH_ARRAY_SIZE(texts));
    assert_file(scene->path, "ggg\n");
    assert_file(rotated(scene, 1), "eee\nfff\n");
    assert_file(rotated(scene, 2), "ccc\nddd\n");
    assert_int_equal(access(rotated(scene, 3), F_OK), -1);
}

static void test_a_message_longer_than_a_file_may_be_has_one_alone(void **state) {
    struct scene *scene = *state;
    name_file(scene);
    scene->options.rotate_octets = 4;
    scene_up(scene);
    send_done(scene, 1, "long line");
    send_done(scene, 2, "x");
    assert_file(rotated(scene, 1), "long line\n");
    assert_file(scene->path, "x\n");
}

static void test_a_file_is_rotated_by_age(void **state) {
    struct scene *scene = *state;
    name_file(scene);
    scene->options.rotate_ms = 1000;
    scene_up(scene);
    send_done(scene, 1, "old");
    uint64_t id = 1;
    /* Whole seconds of the file's birth: at most two. */
    while (access(rotated(scene, 1), F_OK) < 0)
        send_done(scene, ++id, "next");
    assert_true(id > 1);
    assert_file(scene->path, "next\n");
}

static void test_a_file_renamed_by_somebody_else_is_begun_anew(void **state) {
    struct scene *scene = *state;
    name_file(scene);
    scene_up(scene);
    send_done(scene, 1, "one");
    assert_int_equal(rename(scene->path, rotated(scene, 1)), 0);
    send_done(scene, 2, "two");
    send_done(scene, 3, "three");
    assert_file(rotated(scene, 1), "one\ntwo\n");
    assert_file(scene->path, "three\n");
    assert_int_equal(scene_stats(scene).failures, 0);
}

/* As a disk that is full in the middle of a line. */
static void test_what_a_full_disk_cuts_off_is_taken_back_and_comes_whole(void **state) {
    struct scene *scene = *state;
    struct rlimit before, limit;
    name_file(scene);
    signal(SIGXFSZ, SIG_IGN);
    scene_up(scene);
    send_done(scene, 1, "one");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 6;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(scene_send(scene, 2, "second"), -EAGAIN);
    assert_file(scene->path, "one\n");
    assert_int_equal(scene_stats(scene).state, OUTPUT_WAITING);
    assert_non_null(strstr(scene_stats(scene).last_error, "out: cannot be written to: File too large: "));
    assert_int_equal(scene->done, 1);
    /* Tried again, and said again. */
    scene->ready = 0;
    until(scene, scene->ready > 0);
    assert_int_equal(scene_send(scene, 2, "second"), -EAGAIN);
    assert_int_equal(scene_stats(scene).failures, 2);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    scene->ready = 0;
    until(scene, scene->ready > 0);
    send_done(scene, 2, "second");
    assert_file(scene->path, "one\nsecond\n");
    assert_int_equal(scene->back, 0);
}

static void test_two_writers_of_one_file_are_refused(void **state) {
    struct scene *scene = *state;
    name_file(scene);
    write_file(scene->path, "");
    int fd = open(scene->path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    scene_open(scene);
    until(scene, scene_stats(scene).failures > 1);
    assert_non_null(strstr(scene->log, "somebody else has locked it"));
    close(fd);
    until(scene, scene->ready > 0);
    send_done(scene, 1, "one");
    assert_file(scene->path, "one\n");
}

static void test_what_is_not_a_file_is_refused_without_waiting(void **state) {
    struct scene *scene = *state;
    name_file(scene);
    assert_int_equal(mkfifo(scene->path, 0600), 0);
    scene_open(scene);
    until(scene, scene_stats(scene).failures > 0);
    assert_non_null(strstr(scene->log, "not a regular file"));
}

static void test_options_that_a_file_cannot_have_are_refused(void **state) {
    struct scene *scene = *state;
    struct kith_error error = KITH_ERROR_NONE;
    name_file(scene);
    scene->options.framing = OUTPUT_FRAMING_LENGTH;
    assert_int_equal(scene_try(scene, &error), -EINVAL);
    assert_non_null(strstr(error.text, "use newline framing"));
    scene->options.framing = OUTPUT_FRAMING_NEWLINE;
    scene->options.acks = true;
    assert_int_equal(scene_try(scene, &error), -EINVAL);
    assert_non_null(strstr(error.text, "acks want origin"));
    scene->options.origin = true;
    assert_int_equal(scene_try(scene, &error), -EINVAL);
    assert_non_null(strstr(error.text, "a file sends no acks"));
    scene->options = (struct output_options){0};
    snprintf(scene->target, sizeof(scene->target), "file:/tmp/");
    assert_int_equal(scene_try(scene, &error), -EINVAL);
    snprintf(scene->target, sizeof(scene->target), "gopher://x");
    assert_int_equal(scene_try(scene, &error), -EPROTONOSUPPORT);
    assert_non_null(strstr(error.text, "raw+tcp://, raw+ipc://, exec:, file:, tcp://"));
}

static void test_a_message_with_a_newline_is_refused_and_counted(void **state) {
    struct scene *scene = *state;
    name_file(scene);
    scene_up(scene);
    assert_int_equal(scene_send(scene, 1, "two\nlines"), -EBADMSG);
    send_done(scene, 2, "one line");
    assert_file(scene->path, "one line\n");
    assert_int_equal(scene_stats(scene).refused, 1);
    assert_int_equal(scene_stats(scene).sent, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_lines_are_appended_and_the_file_is_private),
        SCENE_TEST(test_a_partial_line_is_ended_and_said),
        SCENE_TEST(test_a_file_is_rotated_by_size_and_the_oldest_goes),
        SCENE_TEST(test_a_message_longer_than_a_file_may_be_has_one_alone),
        SCENE_TEST(test_a_file_is_rotated_by_age),
        SCENE_TEST(test_a_file_renamed_by_somebody_else_is_begun_anew),
        SCENE_TEST(test_what_a_full_disk_cuts_off_is_taken_back_and_comes_whole),
        SCENE_TEST(test_two_writers_of_one_file_are_refused),
        SCENE_TEST(test_what_is_not_a_file_is_refused_without_waiting),
        SCENE_TEST(test_options_that_a_file_cannot_have_are_refused),
        SCENE_TEST(test_a_message_with_a_newline_is_refused_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
