/* tests/embed/host-libuv.c: a program on libuv: uv_poll_t, which is level-triggered. */
#include "embed/host.h"

#include <stdlib.h>
#include <uv.h>

struct host {
    uv_loop_t loop;
    uv_poll_t poll;
    uv_timer_t timer;
    struct embed_calls calls;
};

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct host *host = poll->data;
    (void)events;
    if (status < 0)
        abort();
    host->calls.ready(host->calls.userdata);
}

static void on_timer(uv_timer_t *timer) {
    struct host *host = timer->data;
    host->calls.tick(host->calls.userdata);
}

static void *host_new(int fd, unsigned tick_ms, const struct embed_calls *calls) {
    struct host *host = calloc(1, sizeof(*host));
    if (!host || uv_loop_init(&host->loop) < 0 || uv_poll_init(&host->loop, &host->poll, fd) < 0)
        abort();
    host->calls = *calls;
    host->poll.data = host->timer.data = host;
    (void)uv_timer_init(&host->loop, &host->timer);
    if (uv_poll_start(&host->poll, UV_READABLE, on_poll) < 0 || uv_timer_start(&host->timer, on_timer, tick_ms, tick_ms) < 0)
        abort();
    return host;
}

static void host_once(void *userdata) {
    struct host *host = userdata;
    (void)uv_run(&host->loop, UV_RUN_ONCE);
}

static void host_free(void *userdata) {
    struct host *host = userdata;
    uv_close((uv_handle_t *)&host->poll, NULL);
    uv_close((uv_handle_t *)&host->timer, NULL);
    (void)uv_run(&host->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&host->loop) < 0)
        abort();
    free(host);
}

const struct embed_host embed_libuv = {.name = "libuv", .new = host_new, .once = host_once, .free = host_free};
