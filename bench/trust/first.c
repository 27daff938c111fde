/* See first.h. */
#include "bench/trust/first.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <kith/kith.h>

#include "base/error.h"
#include "bench/measure.h"

#define WAIT_MS 30000

extern char **environ;

int first_send(const char *endpoint) {
    kith_loop *loop = NULL;
    kith_socket *socket = NULL;
    kith_msg *msg = NULL;
    int r = kith_loop_new(&loop);
    if (r >= 0)
        r = kith_socket_new(loop, KITH_REQ, &socket);
    if (r >= 0)
        r = kith_socket_connect(socket, endpoint, NULL);
    if (r >= 0)
        r = kith_msg_new(&msg);
    if (r >= 0)
        r = kith_msg_add(msg, "first", 5);
    if (r >= 0)
        r = kith_socket_send(socket, msg, WAIT_MS);
    if (r >= 0)
        r = kith_socket_recv(socket, &msg, WAIT_MS); /* it lives until it was looked at */
    kith_msg_free(msg);
    kith_socket_free(socket);
    kith_loop_free(loop);
    return r < 0;
}

/* Microseconds until program and unit are known. A process that is in no unit has none: that is known too. */
static int ask(kith_origin *origin, double *ret_us) {
    const char *exe, *unit;
    double from = measure_seconds(CLOCK_MONOTONIC);
    enum kith_witness witness = kith_origin_text(origin, KITH_FACT_EXE, &exe);
    (void)kith_origin_text(origin, KITH_FACT_UNIT, &unit);
    *ret_us = (measure_seconds(CLOCK_MONOTONIC) - from) * 1e6;
    return witness < KITH_WITNESS_KERNEL_CONNECT ? -ENODATA : 0;
}

struct first {
    double *us, *again_us;
};

static int ask_twice(kith_origin *origin, void *userdata) {
    const struct first *first = userdata;
    int r = ask(origin, first->us);
    return r < 0 ? r : ask(origin, first->again_us);
}

static int look_at_message(kith_socket *socket, int (*look)(kith_origin *origin, void *userdata), void *userdata) {
    kith_msg *msg;
    int r = kith_socket_recv(socket, &msg, WAIT_MS);
    if (r < 0)
        return r;
    r = look(kith_msg_origin(msg), userdata);
    int sent = kith_socket_send(socket, msg, WAIT_MS);
    if (sent < 0)
        kith_msg_free(msg);
    return r < 0 ? r : sent;
}

static int with_child(kith_socket *socket, int (*look)(kith_origin *origin, void *userdata), void *userdata) {
    const char *const argv[] = {"bench-trust", "--one", kith_socket_last_endpoint(socket), NULL};
    pid_t child;
    int r = -posix_spawn(&child, "/proc/self/exe", NULL, NULL, (char *const *)(uintptr_t)argv, environ);
    if (r < 0)
        return r;
    r = look_at_message(socket, look, userdata);
    if (r < 0)
        measure_kill(child);
    else
        waitpid(child, NULL, 0);
    return r;
}

int first_meet(const char *endpoint, int (*look)(kith_origin *origin, void *userdata), void *userdata) {
    kith_loop *loop = NULL;
    kith_socket *socket = NULL;
    int r = kith_loop_new(&loop);
    if (r >= 0)
        r = kith_socket_new(loop, KITH_REP, &socket);
    if (r >= 0)
        r = kith_socket_bind(socket, endpoint, NULL);
    if (r >= 0)
        r = with_child(socket, look, userdata);
    kith_socket_free(socket);
    kith_loop_free(loop);
    return r;
}

int first_measure(const char *folder, double *ret_us, double *ret_again_us) {
    struct first first = {.us = ret_us, .again_us = ret_again_us};
    char endpoint[128];
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/first", folder);
    int r = first_meet(endpoint, ask_twice, &first);
    if (r < 0)
        fprintf(stderr, "bench-trust: the first message of a process: %s\n", kith_error_name(r));
    return r;
}
