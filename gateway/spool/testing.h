/* gateway/spool/testing.h: a spool in a temporary folder, and what it has told. */
#ifndef KITH_GATEWAY_SPOOL_TESTING_H
#define KITH_GATEWAY_SPOOL_TESTING_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/testing.h"
#include "gateway/spool/spool.h"

#define TESTING_PATIENCE_MS 30000

static const char *const one_target[] = {"collector", NULL};

struct site {
    char folder[64], path[96];
    struct spool_options options;
    struct spool *spool;
    struct kith_error error, failure;
    uint64_t durable, next;
    unsigned rooms, failures, notices;
    char notice[1024];
    size_t fds;
};

static void site_durable(uint64_t id, void *userdata) {
    struct site *site = userdata;
    assert_true(id > site->durable);
    site->durable = id;
}

static void site_room(void *userdata) {
    ((struct site *)userdata)->rooms++;
}

static void site_failed(const struct kith_error *error, void *userdata) {
    struct site *site = userdata;
    site->failure = *error;
    site->failures++;
}

static void site_notice(const char *text, void *userdata) {
    struct site *site = userdata;
    snprintf(site->notice, sizeof(site->notice), "%s", text);
    site->notices++;
}

static const struct spool_ops site_ops = {.durable = site_durable, .room = site_room, .failed = site_failed, .notice = site_notice};

static inline int site_set_up(void **state) {
    struct site *site = calloc(1, sizeof(*site));
    const char *base = getenv("TMPDIR");
    assert_non_null(site);
    snprintf(site->folder, sizeof(site->folder), "%.40s/kith-spool-XXXXXX", base ? base : "/tmp");
    site->fds = testing_fd_count();
    assert_non_null(mkdtemp(site->folder));
    snprintf(site->path, sizeof(site->path), "%s/spool", site->folder);
    site->options = (struct spool_options){.targets = one_target, .retry_ms = 1};
    *state = site;
    return 0;
}

static int site_remove(const char *path, const struct stat *status, int type, struct FTW *where) {
    return remove(path);
}

static inline int site_tear_down(void **state) {
    struct site *site = *state;
    (void)spool_close(site->spool, NULL);
    nftw(site->folder, site_remove, 8, FTW_DEPTH | FTW_PHYS);
    assert_int_equal(testing_fd_count(), site->fds);
    free(site);
    return 0;
}

static inline int site_try(struct site *site) {
    site->durable = 0;
    return spool_open(site->path, &site->options, &site_ops, site, &site->spool, &site->error);
}

static inline void site_open(struct site *site) {
    if (site_try(site) != 0)
        fail_msg("%s", site->error.text);
}

static inline void site_close(struct site *site) {
    struct spool *spool = site->spool;
    site->spool = NULL;
    if (spool_close(spool, &site->error) != 0)
        fail_msg("%s", site->error.text);
}

/* One round of what a loop does. */
static inline void site_step(struct site *site) {
    struct pollfd fd = {.fd = spool_fd(site->spool), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, TESTING_PATIENCE_MS), 1);
    spool_dispatch(site->spool);
}

#define SITE_UNTIL(site, condition)                                                                                                        \
    while (!(condition))                                                                                                                   \
    site_step(site)

/* What message `id` says: any test knows it by its id. Sizes from 0 to 999. */
static inline size_t text_of(uint64_t id, char text[1024]) {
    size_t size = (size_t)(id * 7919 % 1000);
    memset(text, 'a' + (int)(id % 26), size);
    return snprintf(text, 32, "message %llu ", (unsigned long long)id) < (int)size ? size : strlen(text);
}

/* Appends `count` messages and waits for room when there is none. */
static inline void site_append(struct site *site, uint64_t from, unsigned count) {
    char text[1024];
    for (uint64_t n = from; n < from + count; n++) {
        uint64_t id = 0;
        size_t size = text_of(n, text);
        unsigned rooms = site->rooms;
        int r;
        while ((r = spool_append(site->spool, n % 2 ? "odd" : "even", n * 3, (uint32_t)n, text, size, &id)) == -EAGAIN) {
            SITE_UNTIL(site, site->rooms > rooms);
            rooms = site->rooms;
        }
        assert_int_equal(r, 0);
        assert_int_equal(id, n);
    }
}

static inline void site_fill(struct site *site, uint64_t from, unsigned count) {
    site_append(site, from, count);
    SITE_UNTIL(site, site->durable >= from + count - 1);
}

struct seen {
    uint64_t first, last;
    unsigned count, gaps, again;
};

static int see(const struct spool_message *message, void *userdata) {
    struct seen *seen = userdata;
    char text[1024];
    size_t size = text_of(message->id, text);

    assert_true(message->id > seen->last);
    assert_int_equal(message->size, size);
    assert_memory_equal(message->data, text, size);
    assert_string_equal(message->source, message->id % 2 ? "odd" : "even");
    assert_int_equal(message->sequence, message->id * 3);
    assert_int_equal(message->flags, (uint32_t)message->id);
    seen->gaps += seen->count > 0 && message->id != seen->last + 1;
    seen->first = seen->count ? seen->first : message->id;
    seen->last = message->id;
    seen->count++;
    seen->again += message->again;
    return 0;
}

/* Reads everything, in pieces. */
static inline struct seen site_read(struct site *site, uint64_t after) {
    struct seen seen = {.last = after};
    int r;
    while ((r = spool_read(site->spool, seen.last, 10000, see, &seen, &site->error)) > 0)
        continue;
    if (r < 0)
        fail_msg("%s", site->error.text);
    return seen;
}

static inline struct spool_statistics site_statistics(struct site *site) {
    struct spool_statistics statistics;
    spool_statistics(site->spool, &statistics);
    return statistics;
}

#define SITE_TEST(test) cmocka_unit_test_setup_teardown(test, site_set_up, site_tear_down)

#endif
