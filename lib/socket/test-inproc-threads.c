/*
 * socket/test-inproc-threads.c: sockets of several threads that talk over inproc://, each on a loop of its own: nothing is lost, turns are
 * kept, and anybody may go at any time. Under ThreadSanitizer too. Threads do not assert: they say what went wrong.
 */
#include "socket/testing.h"

#include <pthread.h>
#include <stdatomic.h>

#define WORKERS 3

static const char *const no_loop = "no loop", *const no_socket = "no socket", *const no_endpoint = "no endpoint";

/* liburing(7) unmaps a ring by a system call of its own, which ThreadSanitizer does not see: a ring that lies where another thread's was
 * before would be a race to it. */
static kith_loop *loop_new(void) {
    struct kith_loop_options options = {0};
    kith_loop *loop = NULL;
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
    options.backend = "epoll";
#endif
#elif defined(__SANITIZE_THREAD__)
    options.backend = "epoll";
#endif
    (void)kith_loop_new_with(&options, &loop, NULL);
    return loop;
}

struct job {
    pthread_t thread;
    const char *endpoint;
    unsigned number;
    uint64_t count;
    size_t size;
    const char *error; /* NULL: all went well */
};

static bool start_job(struct job *job, void *(*run)(void *job)) {
    return pthread_create(&job->thread, NULL, run, job) == 0;
}

static void finish_jobs(struct job *jobs, size_t count) {
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_join(jobs[i].thread, NULL), 0);
    for (size_t i = 0; i < count; i++)
        if (jobs[i].error)
            fail_msg("thread %zu: %s", i, jobs[i].error);
}

/* A loop and a socket in this thread: connected, or NULL with job->error. */
static kith_socket *job_open(struct job *job, enum kith_socket_type type, kith_loop **ret_loop) {
    kith_socket *socket = NULL;
    *ret_loop = loop_new();
    job->error = !*ret_loop                                             ? no_loop
                 : kith_socket_new(*ret_loop, type, &socket) < 0        ? no_socket
                 : kith_socket_connect(socket, job->endpoint, NULL) < 0 ? no_endpoint
                                                                        : NULL;
    return job->error ? kith_socket_free(socket) : socket;
}

static kith_msg *numbered(uint64_t number, size_t size) {
    uint8_t *octets = calloc(1, size + sizeof(number));
    kith_msg *msg;
    if (!octets || kith_msg_new(&msg) < 0)
        abort();
    memcpy(octets, &number, sizeof(number));
    if (kith_msg_add(msg, octets, size + sizeof(number)) < 0)
        abort();
    free(octets);
    return msg;
}

static uint64_t number_of(const kith_msg *msg, size_t frame) {
    uint64_t number = UINT64_MAX;
    size_t size;
    const uint8_t *octets = kith_msg_frame(msg, frame, &size);
    if (size >= sizeof(number))
        memcpy(&number, octets, sizeof(number));
    return number;
}

struct scene {
    size_t fds_before;
    kith_loop *loop;
    kith_socket *socket;
    struct job jobs[WORKERS];
};

static int scene_setup(void **state) {
    struct scene *scene = calloc(1, sizeof(*scene));
    if (!scene)
        return -1;
    scene->fds_before = testing_fd_count();
    scene->loop = loop_new();
    *state = scene;
    return scene->loop ? 0 : -1;
}

static int scene_teardown(void **state) {
    struct scene *scene = *state;
    kith_socket_free(scene->socket);
    kith_loop_free(scene->loop);
    int r = testing_fd_count() == scene->fds_before ? 0 : -1;
    free(scene);
    return r;
}

static void serve(struct scene *scene, enum kith_socket_type type) {
    assert_int_equal(kith_socket_new(scene->loop, type, &scene->socket), 0);
    assert_int_equal(kith_socket_bind(scene->socket, "inproc://kith-test-threads", NULL), 0);
    for (unsigned i = 0; i < WORKERS; i++)
        scene->jobs[i] = (struct job){.endpoint = "inproc://kith-test-threads", .number = i};
}

/* Pipeline ----------------------------------------------------------------------------------------------------------------- */

static void *push_all(void *userdata) {
    struct job *job = userdata;
    kith_loop *loop;
    kith_socket *socket = job_open(job, KITH_PUSH, &loop);
    for (uint64_t i = 0; i < job->count && !job->error; i++) {
        kith_msg *msg = numbered(i * WORKERS + job->number, job->size);
        if (kith_socket_send(socket, msg, 20000) < 0) {
            job->error = "cannot send";
            kith_msg_free(msg);
        }
    }
    if (!job->error && kith_socket_drain(socket, 20000) < 0)
        job->error = "cannot drain";
    kith_socket_free(socket);
    kith_loop_free(loop);
    return NULL;
}

static void collect(struct scene *scene, uint64_t count, size_t size) {
    uint64_t next[WORKERS] = {0};
    serve(scene, KITH_PULL);
    for (unsigned i = 0; i < WORKERS; i++) {
        scene->jobs[i].count = count;
        scene->jobs[i].size = size;
        assert_true(start_job(&scene->jobs[i], push_all));
    }
    for (uint64_t i = 0; i < count * WORKERS; i++) {
        kith_msg *msg;
        assert_int_equal(kith_socket_recv(scene->socket, &msg, 20000), 0);
        uint64_t number = number_of(msg, 0);
        assert_int_equal(number / WORKERS, next[number % WORKERS]++);
        kith_msg_free(msg);
    }
    finish_jobs(scene->jobs, WORKERS);
}

static void test_many_push_to_one(void **state) {
    collect(*state, 20000, 50);
}

static void test_large_bodies_arrive_whole(void **state) {
    collect(*state, 100, 100000);
}

/* Requests ----------------------------------------------------------------------------------------------------------------- */

static void *ask_all(void *userdata) {
    struct job *job = userdata;
    kith_loop *loop;
    kith_socket *socket = job_open(job, KITH_REQ, &loop);
    for (uint64_t i = 0; i < job->count && !job->error; i++) {
        kith_msg *msg = numbered(i * WORKERS + job->number, 0);
        if (kith_socket_send(socket, msg, 20000) < 0) {
            kith_msg_free(msg);
            job->error = "cannot ask";
        } else if (kith_socket_recv(socket, &msg, 20000) < 0) {
            job->error = "no answer";
        } else {
            job->error = number_of(msg, 0) == i * WORKERS + job->number ? NULL : "somebody else's answer";
            kith_msg_free(msg);
        }
    }
    kith_socket_free(socket);
    kith_loop_free(loop);
    return NULL;
}

static void test_each_gets_its_own_answer(void **state) {
    struct scene *scene = *state;
    const uint64_t count = 300;
    serve(scene, KITH_REP);
    for (unsigned i = 0; i < WORKERS; i++) {
        scene->jobs[i].count = count;
        assert_true(start_job(&scene->jobs[i], ask_all));
    }
    for (uint64_t i = 0; i < count * WORKERS; i++) {
        kith_msg *msg;
        assert_int_equal(kith_socket_recv(scene->socket, &msg, 20000), 0);
        assert_int_equal(kith_socket_send(scene->socket, msg, 20000), 0);
    }
    finish_jobs(scene->jobs, WORKERS);
}

static void test_a_router_knows_who_asked(void **state) {
    struct scene *scene = *state;
    const uint64_t count = 300;
    serve(scene, KITH_ROUTER);
    for (unsigned i = 0; i < WORKERS; i++) {
        scene->jobs[i].count = count;
        assert_true(start_job(&scene->jobs[i], ask_all));
    }
    for (uint64_t i = 0; i < count * WORKERS; i++) {
        kith_msg *msg;
        assert_int_equal(kith_socket_recv(scene->socket, &msg, 20000), 0);
        assert_int_equal(kith_msg_count(msg), 3);
        assert_int_equal(kith_socket_send(scene->socket, msg, 20000), 0);
    }
    finish_jobs(scene->jobs, WORKERS);
}

static void answer(kith_socket *socket, kith_msg *msg, void *userdata) {
    (void)userdata;
    if (kith_socket_send(socket, msg, 0) < 0)
        kith_msg_free(msg);
}

static void test_a_loop_with_a_thread_of_its_own_answers(void **state) {
    static const struct kith_socket_handler handler = {.message = answer};
    struct scene *scene = *state;
    assert_int_equal(kith_loop_thread(scene->loop, NULL), 0);
    kith_loop_lock(scene->loop);
    serve(scene, KITH_REP);
    kith_socket_set_handler(scene->socket, &handler, NULL);
    kith_loop_unlock(scene->loop);
    for (unsigned i = 0; i < WORKERS; i++) {
        scene->jobs[i].count = 100;
        assert_true(start_job(&scene->jobs[i], ask_all));
    }
    finish_jobs(scene->jobs, WORKERS);
    kith_loop_lock(scene->loop);
    scene->socket = kith_socket_free(scene->socket);
    kith_loop_unlock(scene->loop);
}

/* Subscriptions ------------------------------------------------------------------------------------------------------------- */

static void *follow_one(void *userdata) {
    struct job *job = userdata;
    kith_loop *loop;
    kith_socket *socket = job_open(job, KITH_SUB, &loop);
    uint8_t topic = (uint8_t)job->number;
    if (!job->error && kith_socket_subscribe(socket, &topic, 1) < 0)
        job->error = "cannot subscribe";
    for (uint64_t i = 0; i < job->count && !job->error; i++) {
        kith_msg *msg;
        if (kith_socket_recv(socket, &msg, 20000) < 0)
            job->error = "nothing more came";
        else
            job->error = number_of(msg, 1) == i && kith_msg_frame(msg, 0, NULL)[0] == topic ? NULL : "not what was published";
        if (!job->error)
            kith_msg_free(msg);
    }
    kith_socket_free(socket);
    kith_loop_free(loop);
    return NULL;
}

static void test_each_subscriber_gets_its_topic(void **state) {
    struct scene *scene = *state;
    const uint64_t count = 3000;
    kith_msg *msg;
    serve(scene, KITH_XPUB);
    assert_int_equal(kith_socket_set_number(scene->socket, KITH_OPTION_XPUB_NO_DROP, 1, NULL), 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        scene->jobs[i].count = count;
        assert_true(start_job(&scene->jobs[i], follow_one));
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        assert_int_equal(kith_socket_recv(scene->socket, &msg, 20000), 0);
        kith_msg_free(msg);
    }
    for (uint64_t i = 0; i < count * WORKERS; i++) {
        uint8_t topic = (uint8_t)(i % WORKERS);
        msg = numbered(i / WORKERS, 20);
        assert_int_equal(kith_msg_prepend(msg, &topic, 1), 0);
        assert_int_equal(kith_socket_send(scene->socket, msg, 20000), 0);
    }
    while (kith_socket_peer_count(scene->socket) > 0)
        assert_true(kith_loop_step(scene->loop, 1000) >= 0);
    finish_jobs(scene->jobs, WORKERS);
}

/* Chance -------------------------------------------------------------------------------------------------------------------- */

#define SLOTS 4
#define ACTS 1500
#define MOST_ACTS (200 * ACTS)
#define ENOUGH 100
#define NAMES 5

/* A thread that opens, uses and ends sockets of any type at any time. */
struct actor {
    struct job job;
    uint64_t random;
    kith_loop *loop;
    kith_socket *sockets[SLOTS];
    atomic_uint *received; /* by all actors */
};

static unsigned chance(struct actor *actor, unsigned below) {
    actor->random ^= actor->random << 13;
    actor->random ^= actor->random >> 7;
    actor->random ^= actor->random << 17;
    return (unsigned)(actor->random % below);
}

static void actor_free(struct actor *actor, unsigned slot) {
    actor->sockets[slot] = kith_socket_free(actor->sockets[slot]);
}

static void actor_close(struct actor *actor, unsigned slot) {
    if (actor->sockets[slot])
        (void)kith_socket_set_number(actor->sockets[slot], KITH_OPTION_LINGER, chance(actor, 20), NULL);
    actor->sockets[slot] = kith_socket_close(actor->sockets[slot]);
}

/* Few names, so that they meet; bound or connected to, whichever is free. */
static void actor_open(struct actor *actor, unsigned slot) {
    static const enum kith_socket_type types[] = {KITH_PUSH, KITH_PULL, KITH_PAIR, KITH_DEALER, KITH_ROUTER,
                                                  KITH_REQ,  KITH_REP,  KITH_XPUB, KITH_XSUB};
    char name[64];
    actor_free(actor, slot);
    if (kith_socket_new(actor->loop, types[chance(actor, KITH_ARRAY_SIZE(types))], &actor->sockets[slot]) < 0) {
        actor->job.error = no_socket;
        return;
    }
    kith_socket *socket = actor->sockets[slot];
    (void)kith_socket_set_number(socket, KITH_OPTION_RECONNECT_MIN, 1, NULL);
    (void)kith_socket_set_number(socket, KITH_OPTION_SEND_HWM, 1 + chance(actor, 20), NULL);
    (void)kith_socket_set_number(socket, KITH_OPTION_RECV_HWM, 1 + chance(actor, 20), NULL);
    (void)kith_socket_set_number(socket, KITH_OPTION_CONFLATE, chance(actor, 10) == 0, NULL);
    snprintf(name, sizeof(name), "inproc://kith-test-chance-%u", chance(actor, NAMES));
    if (chance(actor, 2) == 0 || kith_socket_bind(socket, name, NULL) < 0)
        if (kith_socket_connect(socket, name, NULL) < 0)
            actor->job.error = no_endpoint;
}

static void actor_send(struct actor *actor, kith_socket *socket) {
    for (unsigned i = chance(actor, 30); i > 0; i--) {
        kith_msg *msg = numbered(actor->random, chance(actor, 500));
        if (kith_socket_send(socket, msg, 0) < 0) {
            kith_msg_free(msg);
            return;
        }
    }
}

static void actor_receive(struct actor *actor, kith_socket *socket) {
    kith_msg *msg;
    while (chance(actor, 50) > 0 && kith_socket_recv(socket, &msg, 0) == 0) {
        atomic_fetch_add(actor->received, 1);
        /* What came goes back now and then: an answer, or to whom a ROUTER heard it from. */
        if (chance(actor, 2) == 0 || kith_socket_send(socket, msg, 0) < 0)
            kith_msg_free(msg);
    }
}

static void actor_renew_loop(struct actor *actor) {
    bool first = chance(actor, 2) == 0;
    if (first)
        kith_loop_free(actor->loop);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        actor_free(actor, slot);
    if (!first)
        kith_loop_free(actor->loop);
    actor->loop = loop_new();
    if (!actor->loop)
        actor->job.error = no_loop;
}

static void actor_act(struct actor *actor) {
    unsigned slot = chance(actor, SLOTS), act = chance(actor, 100);
    kith_socket *socket = actor->sockets[slot];
    if (act == 0 && chance(actor, 3) == 0)
        actor_renew_loop(actor);
    else if (act < 4)
        actor_free(actor, slot);
    else if (act < 6)
        actor_close(actor, slot);
    else if (!socket)
        actor_open(actor, slot);
    else if (act < 8)
        (void)kith_socket_unbind(socket, kith_socket_last_endpoint(socket));
    else if (act < 10)
        (void)kith_socket_disconnect(socket, kith_socket_last_endpoint(socket));
    else if (act < 45)
        actor_send(actor, socket);
    else if (act < 75)
        actor_receive(actor, socket);
    else if (kith_loop_step(actor->loop, 0) < 0)
        actor->job.error = "step";
}

/* Whether sockets of two actors meet is chance as well: they go on until messages went across. */
static bool actor_goes_on(const struct actor *actor, unsigned acts) {
    return !actor->job.error && (acts < ACTS || (acts < MOST_ACTS && atomic_load(actor->received) < ENOUGH));
}

static void *actor_run(void *userdata) {
    struct actor *actor = userdata;
    actor->loop = loop_new();
    if (!actor->loop)
        actor->job.error = no_loop;
    for (unsigned i = 0; actor_goes_on(actor, i); i++)
        actor_act(actor);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        actor_free(actor, slot);
    kith_loop_free(actor->loop);
    return NULL;
}

static void test_sockets_may_come_and_go_at_any_time(void **state) {
    enum { ACTORS = 4 };
    const char *seed_text = getenv("KITH_TEST_SEED");
    uint64_t seed = seed_text ? strtoull(seed_text, NULL, 0) : kith_time_now() | 1;
    atomic_uint received = 0;
    struct actor actors[ACTORS];
    print_message("KITH_TEST_SEED=%llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < ACTORS; i++) {
        actors[i] = (struct actor){.job = {.number = i}, .random = seed * (2 * i + 1), .received = &received};
        assert_int_equal(pthread_create(&actors[i].job.thread, NULL, actor_run, &actors[i]), 0);
    }
    for (unsigned i = 0; i < ACTORS; i++)
        assert_int_equal(pthread_join(actors[i].job.thread, NULL), 0);
    for (unsigned i = 0; i < ACTORS; i++)
        if (actors[i].job.error)
            fail_msg("actor %u: %s", i, actors[i].job.error);
    assert_true(atomic_load(&received) >= ENOUGH);
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_many_push_to_one),
        SCENE_TEST(test_large_bodies_arrive_whole),
        SCENE_TEST(test_each_gets_its_own_answer),
        SCENE_TEST(test_a_router_knows_who_asked),
        SCENE_TEST(test_a_loop_with_a_thread_of_its_own_answers),
        SCENE_TEST(test_each_subscriber_gets_its_topic),
        SCENE_TEST(test_sockets_may_come_and_go_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
