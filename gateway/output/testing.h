/* gateway/output/testing.h: what the tests of single kinds of outputs share: one output on a loop, and what it said. */
#ifndef KITH_GATEWAY_OUTPUT_TESTING_H
#define KITH_GATEWAY_OUTPUT_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/testing.h"
#include "base/time.h"
#include "gateway/output/output.h"

#define PATIENCE_NS (30 * KITH_NS_PER_S)

struct scene {
    kith_loop *loop;
    size_t fds_before;
    char folder[64], path[80]; /* a folder of the test's own, and "out" in it */
    char target[4096];
    struct output_options options;
    struct output *output;
    uint64_t done, back;
    unsigned ready, ended;
    char log[1 << 16]; /* lines */
    size_t log_size;
};

static inline void scene_done(struct output *output, uint64_t upto, void *userdata) {
    ((struct scene *)userdata)->done = upto;
}

static inline void scene_back(struct output *output, uint64_t from, void *userdata) {
    ((struct scene *)userdata)->back = from;
}

static inline void scene_ready(struct output *output, void *userdata) {
    ((struct scene *)userdata)->ready++;
}

static inline void scene_ended(struct output *output, void *userdata) {
    ((struct scene *)userdata)->ended++;
}

static inline void scene_log(struct output *output, int priority, const char *line, void *userdata) {
    struct scene *scene = userdata;
    size_t room = sizeof(scene->log) - scene->log_size;
    int size = snprintf(scene->log + scene->log_size, room, "%s\n", line);
    scene->log_size += (size_t)size < room ? (size_t)size : room - 1;
}

static const struct output_callbacks scene_callbacks = {
    .done = scene_done, .back = scene_back, .ready = scene_ready, .ended = scene_ended, .log = scene_log};

static inline int scene_setup(void **state) {
    struct scene *scene = calloc(1, sizeof(*scene));
    if (!scene)
        return -1;
    *state = scene;
    scene->fds_before = testing_fd_count();
    snprintf(scene->folder, sizeof(scene->folder), "/tmp/kith-test-output-XXXXXX");
    if (!mkdtemp(scene->folder) || kith_loop_new(&scene->loop) < 0)
        return -1;
    snprintf(scene->path, sizeof(scene->path), "%s/out", scene->folder);
    scene->options = (struct output_options){.retry_min_ms = 1, .retry_max_ms = 20, .sync_ms = 1, .stop_ms = 20000};
    return 0;
}

/* Tests remove what else they put into the folder. */
static inline int scene_teardown(void **state) {
    struct scene *scene = *state;
    char path[96];
    output_free(scene->output);
    kith_loop_free(scene->loop);
    unlink(scene->path);
    for (int i = 1; i < 10; i++) {
        snprintf(path, sizeof(path), "%s.%d", scene->path, i);
        unlink(path);
    }
    int r = rmdir(scene->folder) < 0 || testing_fd_count() != scene->fds_before ? -1 : 0;
    free(scene);
    return r;
}

#define until(scene, condition)                                                                                                            \
    do {                                                                                                                                   \
        uint64_t until_end_ = kith_time_now() + PATIENCE_NS;                                                                               \
        while (!(condition)) {                                                                                                             \
            assert_true(kith_time_now() < until_end_);                                                                                     \
            assert_true(kith_loop_step((scene)->loop, 20) >= 0);                                                                           \
        }                                                                                                                                  \
    } while (0)

static inline int scene_try(struct scene *scene, struct kith_error *error) {
    return output_new(scene->loop, scene->target, &scene->options, &scene_callbacks, scene, &scene->output, error);
}

static inline void scene_open(struct scene *scene) {
    struct kith_error error = KITH_ERROR_NONE;
    int r = scene_try(scene, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(r, 0);
}

static inline void scene_up(struct scene *scene) {
    scene_open(scene);
    until(scene, scene->ready > 0);
}

static inline int scene_send(struct scene *scene, uint64_t id, const char *text) {
    const struct output_message message = {.id = id, .source = "source", .body = text, .size = strlen(text)};
    return output_send(scene->output, &message);
}

static inline struct output_stats scene_stats(const struct scene *scene) {
    struct output_stats stats;
    output_stats(scene->output, &stats);
    return stats;
}

/* What a file has in it. */
static inline void assert_file(const char *path, const char *expected) {
    _cleanup_(freep) char *text = NULL;
    assert_int_equal(kith_file_read(AT_FDCWD, path, 1 << 20, &text, NULL), 0);
    assert_string_equal(text, expected);
}

static inline void write_file(const char *path, const char *text) {
    _cleanup_(kith_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

#endif
