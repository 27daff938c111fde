/*
 * inproc/test-threads.c: pipes between threads: order and limits hold whoever is quicker, and ends, listeners and loops may go at any time
 * in any thread. Under ThreadSanitizer too. Threads do not assert: they say what went wrong, and the main thread looks.
 */
#include "inproc/testing.h"

#include <pthread.h>
#include <unistd.h>

#define NAME "kith-test-threads"

/* Steps until the condition holds; returns from the function when it takes too long. */
#define until_or(loop, condition, what)                                                                                                    \
    do {                                                                                                                                   \
        uint64_t until_end_ = kith_time_now() + PATIENCE_NS;                                                                               \
        while (!(condition))                                                                                                               \
            if (kith_time_now() > until_end_ || kith_loop_step((loop), 1000) < 0)                                                          \
                return (what);                                                                                                             \
    } while (0)

/* A flood both ways ------------------------------------------------------------------------------------------------------- */

struct flood {
    uint64_t count; /* each way */
    size_t size;
    struct kith_pipe_limits limits;
    bool hold; /* the reader keeps messages for a while */
};

struct party {
    const struct flood *flood;
    struct end end;
    struct end *ends[1];
    uint64_t written;
    const char *error;
};

static void party_write(struct end *end) {
    struct party *party = end->extra;
    while (party->written < party->flood->count) {
        kith_msg *msg = numbered(party->written, party->flood->size);
        if (kith_pipe_write(end->pipe, msg) < 0) {
            kith_msg_free(msg);
            return;
        }
        party->written++;
    }
}

static bool party_done(struct party *party) {
    /* What is held is let go when the limit is reached, as an application does that takes what has come. */
    if (party->end.kept_count >= party->flood->limits.messages || party->end.kept_octets >= party->flood->limits.octets ||
        party->end.next == party->flood->count) {
        end_release(&party->end);
        kith_pipe_set_reading(party->end.pipe, true);
    }
    return party->end.disorder || (party->written == party->flood->count && party->end.next == party->flood->count);
}

static const char *party_play(struct party *party, kith_loop *loop) {
    until_or(loop, party->end.pipe && (party->end.opened || party->ends[0]), "no other end");
    party_write(&party->end);
    until_or(loop, party_done(party), "the flood dried up");
    if (party->end.disorder)
        return "messages were lost, damaged or out of order";
    /* The other side may still want room from us. */
    kith_pipe_drain(party->end.pipe);
    until_or(loop, party->end.closed == 1, "no end");
    return NULL;
}

static void party_init(struct party *party, const struct flood *flood) {
    *party = (struct party){.flood = flood};
    party->end.extra = party;
    party->end.hold = flood->hold;
    party->end.on_writable = party_write;
}

static const char *serve(struct party *party, kith_loop *loop) {
    struct reception reception = {.ends = party->ends, .count = 1, .limits = &party->flood->limits};
    party->ends[0] = &party->end;
    if (kith_inproc_listener_new(loop, NAME, &reception_ops, &reception, &reception.listener) < 0)
        return "cannot listen";
    const char *error = party_play(party, loop);
    kith_inproc_listener_free(reception.listener);
    return error;
}

static void *server_main(void *userdata) {
    struct party *party = userdata;
    kith_loop *loop;
    if (kith_loop_new(&loop) < 0) {
        party->error = "no loop";
        return NULL;
    }
    party->error = serve(party, loop);
    end_deinit(&party->end);
    kith_loop_free(loop);
    return NULL;
}

static void run_flood(const struct flood *flood) {
    pthread_t thread;
    kith_loop *loop;
    struct party *server = malloc(sizeof(*server)), *client = malloc(sizeof(*client));
    party_init(server, flood);
    party_init(client, flood);
    assert_int_equal(kith_loop_new(&loop), 0);
    assert_int_equal(kith_pipe_connect(loop, NAME, true, &flood->limits, &end_ops, &client->end, &client->end.pipe), 0);
    assert_int_equal(pthread_create(&thread, NULL, server_main, server), 0);
    client->error = party_play(client, loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    end_deinit(&client->end);
    kith_loop_free(loop);
    if (client->error)
        fail_msg("client: %s", client->error);
    if (server->error)
        fail_msg("server: %s", server->error);
    free(client);
    free(server);
}

static void test_floods_both_ways_lose_nothing(void **state) {
    run_flood(&(struct flood){.count = 100000, .size = 8, .limits = {1000, 1 << 20}});
    run_flood(&(struct flood){.count = 20000, .size = 1000, .limits = {1000, 1 << 20}});
}

static void test_narrow_limits_only_slow_a_flood(void **state) {
    run_flood(&(struct flood){.count = 2000, .size = 8, .limits = {1, 1 << 20}});
    run_flood(&(struct flood){.count = 5000, .size = 100, .limits = {7, 1 << 20}});
    run_flood(&(struct flood){.count = 5000, .size = 300, .limits = {1000, 1000}});
}

static void test_what_the_reader_holds_counts(void **state) {
    run_flood(&(struct flood){.count = 5000, .size = 100, .limits = {10, 1 << 20}, .hold = true});
    run_flood(&(struct flood){.count = 5000, .size = 100, .limits = {500, 1 << 20}, .hold = true});
    run_flood(&(struct flood){.count = 5000, .size = 300, .limits = {900, 2000}, .hold = true});
}

/* Ends of loops ------------------------------------------------------------------------------------------------------------ */

struct leaver {
    struct party party;
    bool frees_loop;
    kith_loop *loop;
};

/* Writes some messages and goes, its end still there. */
static void *leaver_main(void *userdata) {
    struct leaver *leaver = userdata;
    struct end *ends[] = {&leaver->party.end};
    struct reception reception = {.ends = ends, .count = 1};
    leaver->party.error = "no loop or no listener";
    if (kith_loop_new(&leaver->loop) < 0 ||
        kith_inproc_listener_new(leaver->loop, NAME, &reception_ops, &reception, &reception.listener) < 0)
        return NULL;
    leaver->party.error = "nobody came";
    uint64_t end = kith_time_now() + PATIENCE_NS;
    while (!leaver->party.end.pipe)
        if (kith_time_now() > end || kith_loop_step(leaver->loop, 1000) < 0)
            return NULL;
    leaver->party.error = end_write(&leaver->party.end, 0, 100, 0) ? NULL : "no room";
    kith_pipe_flush(leaver->party.end.pipe);
    kith_inproc_listener_free(reception.listener);
    if (leaver->frees_loop)
        kith_loop_free(leaver->loop);
    return NULL;
}

static void test_a_thread_that_ends_harms_nobody(void **state) {
    for (int frees_loop = 0; frees_loop < 2; frees_loop++) {
        pthread_t thread;
        kith_loop *loop;
        struct end client = {0};
        struct leaver *leaver = calloc(1, sizeof(*leaver));
        uint64_t patience = kith_time_now() + PATIENCE_NS;
        leaver->frees_loop = frees_loop;
        assert_int_equal(kith_loop_new(&loop), 0);
        assert_int_equal(kith_pipe_connect(loop, NAME, true, &wide, &end_ops, &client, &client.pipe), 0);
        assert_int_equal(pthread_create(&thread, NULL, leaver_main, leaver), 0);
        while (client.count < 100 || client.closed < (unsigned)frees_loop) {
            assert_true(kith_time_now() < patience);
            assert_true(kith_loop_step(loop, 1000) >= 0);
        }
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_null(leaver->party.error);
        if (!frees_loop) { /* what is written to it fills up, and that is all */
            assert_false(end_write(&client, 0, 2000, 0));
            assert_true(kith_loop_step(loop, 0) >= 0);
        }
        assert_int_equal(client.closed, frees_loop);
        end_deinit(&client);
        end_deinit(&leaver->party.end);
        if (!frees_loop)
            kith_loop_free(leaver->loop);
        kith_loop_free(loop);
        free(leaver);
    }
}

/* Chance -------------------------------------------------------------------------------------------------------------------- */

#define ACTORS 4
#define SLOTS 6
#define ACTS 3000

/* liburing(7) unmaps a ring by a system call of its own, which ThreadSanitizer does not see: a ring that lies where another thread's was
 * before would be a race to it. */
static int actor_loop_new(kith_loop **ret_loop) {
    struct kith_loop_options options = {0};
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
    options.backend = "epoll";
#endif
#elif defined(__SANITIZE_THREAD__)
    options.backend = "epoll";
#endif
    return kith_loop_new_with(&options, ret_loop, NULL);
}

/* A thread that does anything at any time with its loop, its name and its ends. */
struct actor {
    unsigned number;
    uint64_t random;
    kith_loop *loop;
    struct kith_inproc_listener *listener;
    struct end *ends[SLOTS];
    uint64_t written[SLOTS];
    const char *error;
    size_t received;
};

static unsigned chance(struct actor *actor, unsigned below) {
    actor->random ^= actor->random << 13;
    actor->random ^= actor->random >> 7;
    actor->random ^= actor->random << 17;
    return (unsigned)(actor->random % below);
}

static void actor_check(struct actor *actor, struct end *end) {
    if (end->disorder)
        actor->error = "disorder";
}

static void actor_drop(struct actor *actor, unsigned slot) {
    struct end *end = actor->ends[slot];
    if (!end)
        return;
    actor_check(actor, end);
    actor->received += end->count;
    end_deinit(end);
    free(end);
    actor->ends[slot] = NULL;
}

static struct end *actor_new_end(struct actor *actor, unsigned slot) {
    actor_drop(actor, slot);
    struct end *end = calloc(1, sizeof(*end));
    actor->ends[slot] = end;
    actor->written[slot] = 0;
    return end;
}

static int actor_accept(struct kith_inproc_listener *listener, struct kith_pipe *pipe, void *userdata) {
    struct actor *actor = userdata;
    unsigned slot = chance(actor, SLOTS + 1);
    (void)listener;
    if (slot == SLOTS)
        return -EUSERS;
    struct end *end = actor_new_end(actor, slot);
    end->pipe = pipe;
    struct kith_pipe_limits limits = {1 + chance(actor, 50), 1 + chance(actor, 100000)};
    kith_pipe_open(pipe, &limits, &end_ops, end);
    return 0;
}

static const struct kith_inproc_listener_ops actor_ops = {.accept = actor_accept};

static void actor_name(unsigned number, char name[static 64]) {
    (void)snprintf(name, 64, NAME "-%u", number);
}

static void actor_listen(struct actor *actor) {
    char name[64];
    actor_name(actor->number, name);
    actor->listener = kith_inproc_listener_free(actor->listener);
    if (chance(actor, 3) > 0 && kith_inproc_listener_new(actor->loop, name, &actor_ops, actor, &actor->listener) < 0)
        actor->error = "cannot listen";
}

static void actor_connect(struct actor *actor, unsigned slot) {
    char name[64];
    actor_name(chance(actor, ACTORS), name);
    struct end *end = actor_new_end(actor, slot);
    struct kith_pipe_limits limits = {1 + chance(actor, 50), 1 + chance(actor, 100000)};
    if (kith_pipe_connect(actor->loop, name, true, &limits, &end_ops, end, &end->pipe) < 0)
        actor->error = "cannot connect";
}

static void actor_write(struct actor *actor, unsigned slot) {
    for (unsigned i = chance(actor, 80); i > 0; i--) {
        kith_msg *msg = numbered(actor->written[slot], chance(actor, 400));
        if (kith_pipe_write(actor->ends[slot]->pipe, msg) == 0)
            actor->written[slot]++;
        else
            kith_msg_free(msg);
    }
}

static void actor_free_loop(struct actor *actor) {
    bool first = chance(actor, 2);
    if (first)
        kith_loop_free(actor->loop);
    actor->listener = kith_inproc_listener_free(actor->listener);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        actor_drop(actor, slot);
    if (!first)
        kith_loop_free(actor->loop);
    if (actor_loop_new(&actor->loop) < 0)
        actor->error = "no loop";
}

static void actor_act(struct actor *actor) {
    unsigned slot = chance(actor, SLOTS), act = chance(actor, 200);
    struct end *end = actor->ends[slot];
    if (act == 0)
        actor_free_loop(actor);
    else if (act < 6)
        actor_listen(actor);
    else if (act < 30 && !end)
        actor_connect(actor, slot);
    else if (act < 34)
        actor_drop(actor, slot);
    else if (act < 38 && end)
        kith_pipe_drain(end->pipe);
    else if (act < 42 && end)
        kith_pipe_set_reading(end->pipe, chance(actor, 3) > 0);
    else if (act < 110 && end)
        actor_write(actor, slot);
    else if (kith_loop_step(actor->loop, 0) < 0)
        actor->error = "step";
}

static void *actor_main(void *userdata) {
    struct actor *actor = userdata;
    if (actor_loop_new(&actor->loop) < 0) {
        actor->error = "no loop";
        return NULL;
    }
    for (unsigned i = 0; i < ACTS && !actor->error; i++)
        actor_act(actor);
    actor->listener = kith_inproc_listener_free(actor->listener);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        actor_drop(actor, slot);
    kith_loop_free(actor->loop);
    return NULL;
}

static void test_anything_may_go_at_any_time(void **state) {
    const char *seed_text = getenv("KITH_TEST_SEED");
    uint64_t seed = seed_text ? strtoull(seed_text, NULL, 0) : kith_time_now() | 1;
    struct actor actors[ACTORS];
    pthread_t threads[ACTORS];
    size_t fds = testing_fd_count(), received = 0;
    for (unsigned i = 0; i < ACTORS; i++) {
        actors[i] = (struct actor){.number = i, .random = seed * (2 * i + 1)};
        assert_int_equal(pthread_create(&threads[i], NULL, actor_main, &actors[i]), 0);
    }
    for (unsigned i = 0; i < ACTORS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        received += actors[i].received;
    }
    for (unsigned i = 0; i < ACTORS; i++)
        if (actors[i].error)
            fail_msg("actor %u: %s (KITH_TEST_SEED=%llu)", i, actors[i].error, (unsigned long long)seed);
    assert_true(received > 0);
    assert_int_equal(testing_fd_count(), fds);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floods_both_ways_lose_nothing), cmocka_unit_test(test_narrow_limits_only_slow_a_flood),
        cmocka_unit_test(test_what_the_reader_holds_counts),  cmocka_unit_test(test_a_thread_that_ends_harms_nobody),
        cmocka_unit_test(test_anything_may_go_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
