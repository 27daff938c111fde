/*
 * tests/embed/host.h: a loop that is not kith's, as a table, so that each is tested alike. All it knows of kith is a descriptor to watch
 * for reading, level-triggered.
 */
#ifndef KITH_TESTS_EMBED_HOST_H
#define KITH_TESTS_EMBED_HOST_H

struct embed_calls {
    void (*ready)(void *userdata); /* the descriptor is readable */
    void (*tick)(void *userdata);  /* a timer of the host's own */
    void *userdata;
};

struct embed_host {
    const char *name;
    /* Watches fd, ticks every tick_ms milliseconds. */
    void *(*new)(int fd, unsigned tick_ms, const struct embed_calls *calls);
    /* Waits until something is ready or the timer is due, and makes the calls. */
    void (*once)(void *host);
    void (*free)(void *host);
};

extern const struct embed_host embed_epoll;
extern const struct embed_host embed_glib;
extern const struct embed_host embed_libuv;

#endif
