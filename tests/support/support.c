#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "support/support.h"

static uint64_t now_ms(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

size_t support_fd_count(void) {
    DIR *directory = opendir("/proc/self/fd");
    assert_non_null(directory);
    size_t count = 0;
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count - 1; /* the directory itself */
}

size_t support_rss_kb(void) {
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    size_t total = 0, resident = 0;
    assert_int_equal(fscanf(file, "%zu %zu", &total, &resident), 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

size_t support_heap(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Says which descriptors are open, so that a leak has a name. */
static void print_fds(void) {
    for (int fd = 0; fd < 1024; fd++) {
        char path[64], target[256];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        ssize_t size = readlink(path, target, sizeof(target) - 1);
        if (size >= 0)
            fprintf(stderr, "  %d: %.*s\n", fd, (int)size, target);
    }
}

void support_init(struct support *support) {
    *support = (struct support){.fds = support_fd_count(), .deadline = now_ms() + SUPPORT_PATIENCE_MS};
    snprintf(support->directory, sizeof(support->directory), "/tmp/kith-test-XXXXXX");
    assert_non_null(mkdtemp(support->directory));
    assert_int_equal(chmod(support->directory, 0711), 0); /* peers of other users come through it */
    assert_int_equal(kith_loop_new(&support->loop), 0);
}

static void remove_directory(const char *path) {
    DIR *directory = opendir(path);
    if (!directory)
        return;
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
        unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    rmdir(path);
}

bool support_deinit(struct support *support) {
    for (size_t i = 0; i < SUPPORT_SOCKETS; i++)
        kith_socket_free(support->sockets[i]);
    kith_loop_free(support->loop);
    for (size_t i = 0; i < support->event_count; i++)
        free(support->events[i].text);
    free(support->events);
    remove_directory(support->directory);
    size_t fds = support_fd_count();
    if (fds == support->fds)
        return true;
    fprintf(stderr, "%zu descriptors were open before the test, %zu after it:\n", support->fds, fds);
    print_fds();
    return false;
}

int support_setup(void **state) {
    struct support *support = malloc(sizeof(*support));
    assert_non_null(support);
    support_init(support);
    *state = support;
    return 0;
}

int support_teardown(void **state) {
    struct support *support = *state;
    bool clean = support_deinit(support);
    free(support);
    return clean ? 0 : -1;
}

int support_left(const struct support *support) {
    uint64_t now = now_ms();
    return now >= support->deadline ? 0 : (int)(support->deadline - now);
}

void support_wait_at(struct support *support, int fd, short events, const char *file, int line) {
    struct pollfd fds[2] = {{.fd = kith_loop_fd(support->loop), .events = POLLIN}, {.fd = fd, .events = events}};
    int left = support_left(support);
    if (left == 0) {
        for (size_t i = 0; i < support->event_count; i++)
            print_error("event %s: %s\n", kith_event_name(support->events[i].type), support->events[i].text);
        print_error("%s:%d: what was waited for did not come\n", file, line);
        fail();
    }
    int ready = poll(fds, 2, left);
    if (ready < 0 && errno != EINTR)
        fail_msg("poll: %s", strerror(errno));
    if (ready > 0 && fds[0].revents)
        assert_true(kith_loop_step(support->loop, 0) >= 0);
}

static void set_flag(kith_timer *timer, void *userdata) {
    (void)timer;
    *(bool *)userdata = true;
}

void support_run_for(struct support *support, unsigned ms) {
    kith_timer *timer = NULL;
    bool over = false;
    assert_int_equal(kith_timer_new(support->loop, set_flag, &over, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, ms, 0), 0);
    support_until(support, over);
    kith_timer_free(timer);
}

static char *endpoint_memory(struct support *support) {
    static char memory[8][128];
    return memory[support->names++ % 8];
}

const char *support_ipc(struct support *support) {
    unsigned name = support->names;
    char *text = endpoint_memory(support);
    snprintf(text, 128, "ipc://%s/%u", support->directory, name);
    return text;
}

const char *support_abstract(struct support *support) {
    unsigned name = support->names;
    char *text = endpoint_memory(support);
    snprintf(text, 128, "ipc://@kith-test-%s-%u", support->directory + sizeof("/tmp/kith-test-") - 1, name);
    return text;
}

/* Sockets and their events ---------------------------------------------------------------------------------------- */

static void record_event(kith_socket *socket, const struct kith_event *event, void *userdata) {
    struct support *support = userdata;
    assert_non_null(event->text);
    if (support->event_count == support->event_capacity) {
        support->event_capacity = support->event_capacity ? support->event_capacity * 2 : 64;
        support->events = realloc(support->events, support->event_capacity * sizeof(*support->events));
        assert_non_null(support->events);
    }
    struct support_event *record = &support->events[support->event_count++];
    *record = (struct support_event){
        .socket = socket, .type = event->type, .error = event->error, .count = event->count, .text = strdup(event->text)};
    if (event->origin)
        kith_origin_pid(event->origin, &record->pid);
}

kith_socket *support_socket(struct support *support, enum kith_socket_type type) {
    size_t slot = 0;
    while (slot < SUPPORT_SOCKETS && support->sockets[slot])
        slot++;
    assert_true(slot < SUPPORT_SOCKETS);
    kith_socket *socket = NULL;
    assert_int_equal(kith_socket_new(support->loop, type, &socket), 0);
    kith_socket_set_handler(socket, &(struct kith_socket_handler){.event = record_event}, support);
    support_set(socket, KITH_OPTION_IPC_MODE, 0666);
    /* Tests that run once more with shared memory wherever both sides are kith's (NAME@shm): little, so that it is full soon. */
    if (getenv("TESTING_SHM")) {
        support_set(socket, KITH_OPTION_SHM, 1);
        support_set(socket, KITH_OPTION_SHM_SIZE, 65536);
    }
    support->sockets[slot] = socket;
    return socket;
}

void support_socket_free(struct support *support, kith_socket *socket) {
    for (size_t i = 0; i < SUPPORT_SOCKETS; i++)
        if (support->sockets[i] == socket)
            support->sockets[i] = NULL;
    kith_socket_free(socket);
}

void support_bind(kith_socket *socket, const char *endpoint) {
    struct kith_error error = KITH_ERROR_NONE;
    if (kith_socket_bind(socket, endpoint, &error) < 0)
        fail_msg("bind %s: %s", endpoint, error.text);
}

void support_connect(kith_socket *socket, const char *endpoint) {
    struct kith_error error = KITH_ERROR_NONE;
    if (kith_socket_connect(socket, endpoint, &error) < 0)
        fail_msg("connect %s: %s", endpoint, error.text);
}

void support_set(kith_socket *socket, enum kith_option option, int64_t value) {
    struct kith_error error = KITH_ERROR_NONE;
    if (kith_socket_set_number(socket, option, value, &error) < 0)
        fail_msg("option %d: %s", option, error.text);
}

void support_set_id(kith_socket *socket, const char *routing_id) {
    struct kith_error error = KITH_ERROR_NONE;
    if (kith_socket_set_octets(socket, KITH_OPTION_ROUTING_ID, routing_id, strlen(routing_id), &error) < 0)
        fail_msg("routing id: %s", error.text);
}

kith_socket *support_server(struct support *support, enum kith_socket_type type, const char *endpoint) {
    kith_socket *socket = support_socket(support, type);
    support_bind(socket, endpoint);
    return socket;
}

static void echo_message(kith_socket *socket, kith_msg *msg, void *userdata) {
    (void)userdata;
    if (kith_socket_send(socket, msg, 0) < 0)
        kith_msg_free(msg);
}

void support_echo(struct support *support, kith_socket *socket) {
    kith_socket_set_handler(socket, &(struct kith_socket_handler){.message = echo_message, .event = record_event}, support);
}

const struct support_event *support_event_at(struct support *support, const kith_socket *socket, enum kith_event_type type,
                                             const char *file, int line) {
    for (size_t i = 0;; i++) {
        while (i == support->event_count)
            support_wait_at(support, -1, 0, file, line);
        struct support_event *event = &support->events[i];
        if (event->socket != socket || event->type != type || event->taken)
            continue;
        event->taken = true;
        return event;
    }
}

size_t support_event_total(const struct support *support, const kith_socket *socket, enum kith_event_type type) {
    size_t count = 0;
    for (size_t i = 0; i < support->event_count; i++)
        count += support->events[i].socket == socket && support->events[i].type == type;
    return count;
}

void support_forget_events(struct support *support) {
    for (size_t i = 0; i < support->event_count; i++)
        support->events[i].taken = true;
}

/* Messages -------------------------------------------------------------------------------------------------------- */

static bool is_empty(size_t index, size_t parts, unsigned empty) {
    return ((empty & EMPTY_FIRST) && index == 0) || ((empty & EMPTY_MIDDLE) && index == parts / 2) ||
           ((empty & EMPTY_LAST) && index == parts - 1);
}

kith_msg *support_body(size_t parts, size_t size, unsigned empty) {
    kith_msg *msg = NULL;
    uint8_t *octets = malloc(size + 1);
    assert_non_null(octets);
    assert_int_equal(kith_msg_new(&msg), 0);
    for (size_t i = 0; i < parts; i++) {
        uint32_t state = (uint32_t)(i * 2654435761u + 12345);
        for (size_t j = 0; j < size; j++) {
            state = state * 1664525u + 1013904223u;
            octets[j] = (uint8_t)(state >> 24);
        }
        assert_int_equal(kith_msg_add(msg, octets, is_empty(i, parts, empty) ? 0 : size), 0);
    }
    free(octets);
    return msg;
}

kith_msg *support_msg(const char *frame, ...) {
    kith_msg *msg = NULL;
    va_list frames;
    assert_int_equal(kith_msg_new(&msg), 0);
    va_start(frames, frame);
    for (; frame; frame = va_arg(frames, const char *))
        assert_int_equal(kith_msg_add(msg, frame, strlen(frame)), 0);
    va_end(frames);
    return msg;
}

kith_msg *support_copy(const kith_msg *msg) {
    kith_msg *copy = NULL;
    assert_int_equal(kith_msg_new(&copy), 0);
    for (size_t i = 0; i < kith_msg_count(msg); i++) {
        size_t size = 0;
        const uint8_t *data = kith_msg_frame(msg, i, &size);
        assert_int_equal(kith_msg_add(copy, data, size), 0);
    }
    return copy;
}

void support_assert_body(const kith_msg *msg, size_t skip, const kith_msg *body) {
    assert_int_equal(kith_msg_count(msg), skip + kith_msg_count(body));
    for (size_t i = 0; i < kith_msg_count(body); i++) {
        size_t size = 0, expected_size = 0;
        const uint8_t *data = kith_msg_frame(msg, skip + i, &size);
        const uint8_t *expected = kith_msg_frame(body, i, &expected_size);
        assert_non_null(data);
        assert_int_equal(size, expected_size);
        if (memcmp(data, expected, size) != 0)
            fail_msg("frame %zu of %zu octets arrived changed", i, size);
    }
}

void support_assert_frame(const kith_msg *msg, size_t index, const char *text) {
    size_t size = 0;
    const uint8_t *data = kith_msg_frame(msg, index, &size);
    assert_non_null(data);
    if (size != strlen(text) || memcmp(data, text, size) != 0)
        fail_msg("frame %zu is \"%.*s\", not \"%s\"", index, (int)size, (const char *)data, text);
}

void support_send(struct support *support, kith_socket *socket, kith_msg *msg) {
    int result = kith_socket_send(socket, msg, support_left(support));
    if (result < 0)
        fail_msg("kith_socket_send: %s", strerror(-result));
}

kith_msg *support_recv(struct support *support, kith_socket *socket) {
    kith_msg *msg = NULL;
    int result = kith_socket_recv(socket, &msg, support_left(support));
    if (result < 0)
        fail_msg("kith_socket_recv: %s", strerror(-result));
    return msg;
}
