/* tests/embed/host-glib.c: a program on GLib's main loop, as GTK's are. */
#include "embed/host.h"

#include <glib-unix.h>
#include <stdlib.h>

struct host {
    GMainContext *context;
    GSource *source, *timer;
    struct embed_calls calls;
};

static gboolean on_ready(gint fd, GIOCondition condition, gpointer userdata) {
    struct host *host = userdata;
    (void)fd;
    (void)condition;
    host->calls.ready(host->calls.userdata);
    return G_SOURCE_CONTINUE;
}

static gboolean on_tick(gpointer userdata) {
    struct host *host = userdata;
    host->calls.tick(host->calls.userdata);
    return G_SOURCE_CONTINUE;
}

static void *host_new(int fd, unsigned tick_ms, const struct embed_calls *calls) {
    struct host *host = calloc(1, sizeof(*host));
    if (!host)
        abort();
    host->calls = *calls;
    host->context = g_main_context_new();
    host->source = g_unix_fd_source_new(fd, G_IO_IN);
    g_source_set_callback(host->source, G_SOURCE_FUNC(on_ready), host, NULL);
    g_source_attach(host->source, host->context);
    host->timer = g_timeout_source_new(tick_ms);
    g_source_set_callback(host->timer, on_tick, host, NULL);
    g_source_attach(host->timer, host->context);
    return host;
}

static void host_once(void *userdata) {
    struct host *host = userdata;
    (void)g_main_context_iteration(host->context, TRUE);
}

static void free_source(GSource *source) {
    g_source_destroy(source);
    g_source_unref(source);
}

static void host_free(void *userdata) {
    struct host *host = userdata;
    free_source(host->source);
    free_source(host->timer);
    g_main_context_unref(host->context);
    free(host);
}

const struct embed_host embed_glib = {.name = "GLib", .new = host_new, .once = host_once, .free = host_free};
