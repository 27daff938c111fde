/* socket/test-verdicts.c: how long a verdict of the policy holds, and for what. */
#include <sys/resource.h>

#include "base/testing-inet-diag.h"
#include "origin/internal.h"
#include "socket/testing-scene.h"

/* This process has ended, as its pidfd has it; see meson.build. The names are the linker's. */
bool __real_kith_process_alive(struct kith_process *process, bool check);
bool __wrap_kith_process_alive(struct kith_process *process, bool check);
static bool ended;

bool __wrap_kith_process_alive(struct kith_process *process, bool check) {
    return __real_kith_process_alive(process, check) && !(ended && kith_process_pid(process) == getpid());
}

static const struct kith_kept_verdict *kept(const struct node *node, enum kith_verb verb) {
    return &node_session(node)->judge.verdicts[__builtin_ctz(verb)];
}

static void test_a_verdict_on_who_sends_is_kept_until_the_policy_changes(void **state) {
    struct scene *scene = *state;
    char us[32];
    snprintf(us, sizeof(us), "pid=%d", (int)getpid());
    pull_under(scene, true, us);
    send_words(&scene->client, "x");
    expect_words(&scene->server, "x");
    assert_true(kept(&scene->server, KITH_VERB_SEND)->known && kept(&scene->server, KITH_VERB_SEND)->allow);
    node_policy(&scene->server, false, KITH_VERB_SEND, us);
    send_words(&scene->client, "x");
    expect_nothing(&scene->world, &scene->server);
    assert_false(kept(&scene->server, KITH_VERB_SEND)->allow);
    kith_socket_set_policy(scene->server.socket, NULL);
    send_words(&scene->client, "x");
    expect_words(&scene->server, "x");
}

static size_t topics_kept(const struct node *node) {
    return kith_judge_topic_count(node_session(node));
}

static void test_verdicts_on_topics_are_kept_and_bounded(void **state) {
    struct scene *scene = *state;
    char word[400] = "";
    pull_under(scene, true, "topic=good*");
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 300; i++) {
            snprintf(word, sizeof(word), "%s%d", i % 3 ? "good" : "bad", i);
            send_words(&scene->client, word);
            if (i % 3)
                expect_words(&scene->server, word);
        }
    settle_down(&scene->world);
    assert_true(topics_kept(&scene->server) > 32 && topics_kept(&scene->server) <= 64);
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_SEND], 200);
    memset(word, 'g', sizeof(word) - 1); /* too long to be kept */
    memcpy(word, "good", 4);
    send_words(&scene->client, word);
    expect_words(&scene->server, word);
    node_policy(&scene->server, true, KITH_VERB_SEND, "topic=bad*");
    send_words(&scene->client, "good1");
    send_words(&scene->client, "bad0");
    expect_words(&scene->server, "bad0");
    assert_int_equal(topics_kept(&scene->server), 2);
}

static void test_another_writer_is_asked_about_anew(void **state) {
    struct scene *scene = *state;
    char us[32];
    snprintf(us, sizeof(us), "pid=%d", (int)getpid());
    serve(scene, KITH_PULL);
    node_policy(&scene->server, true, KITH_VERB_SEND, us);
    int fd = raw_peer(&scene->world, &scene->server, "PUSH", NULL);
    for (int i = 0; i < 3; i++) {
        raw_text(fd, "\0\4ours");
        expect_words(&scene->server, "ours");
        raw_text_forked(fd, "\0\6theirs");
        expect_nothing(&scene->world, &scene->server);
    }
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_SEND], 3);
    close(fd);
}

/* Its pidfd may say so before the loop has heard of it: who has its pid then need not be the one that was looked at. */
static void test_octets_with_the_pid_of_who_has_ended_are_of_no_program(void **state) {
    struct scene *scene = *state;
    uint8_t octets[1024];
    serve(scene, KITH_PULL);
    node_policy(&scene->server, true, KITH_VERB_CONNECT, "exe=**");
    int fd = raw_peer(&scene->world, &scene->server, "PUSH", NULL); /* the process is looked at */
    int later = raw_connect(&scene->server);
    until(&scene->world, scene->server.socket->sessions.accepted_count == 2);
    ended = true;
    raw_greeting(octets, 1);
    raw_send(later, octets, GREETING_SIZE);
    size_t size = raw_until_end(&scene->world, later, octets, sizeof(octets));
    ended = false;
    assert_true(contains(octets, size, "access denied by policy: connect"));
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_CONNECT], 1);
    close(later);
    close(fd);
}

/* That we could not look says nothing of the peer, and nothing that would have to be kept. */
static void test_a_verdict_for_want_of_descriptors_is_not_kept(void **state) {
    struct scene *scene = *state;
    struct rlimit limit, none;
    if (strncmp(scene->endpoint, "tcp:", 4) == 0 && !testing_inet_diag())
        skip();
    if (testing_under_valgrind()) { /* which keeps RLIMIT_NOFILE to itself */
        serve(scene, KITH_PULL);
        return;
    }
    pull_under(scene, true, "exe=**");
    settle_down(&scene->world);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    /* Not 0: poll(2) takes no more entries than that. */
    none = (struct rlimit){.rlim_cur = 1, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    send_words(&scene->client, "x");
    until_event(scene, &scene->server, KITH_EVENT_DENIED_SEND);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    send_words(&scene->client, "y");
    expect_words(&scene->server, "y");
}

/* What eight octets make of a hash: repeated from kith_judge_topic_hash(), to make a topic with a hash that is given. */
static uint64_t hash_on(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static uint64_t hash_of(const char *topic, size_t size) {
    const struct kith_matter matter = {.topic = topic, .topic_size = size};
    return kith_judge_topic_hash((unsigned)__builtin_ctz(KITH_VERB_SEND), &matter);
}

/* Whoever looks for topics with the same hash finds them at once. */
static void test_a_topic_with_the_hash_of_another_is_another(void **state) {
    struct scene *scene = *state;
    const char good[] = "good1234suffix00";
    char evil[16] = "evil1234";
    uint64_t seed = 16 + ((uint64_t)__builtin_ctz(KITH_VERB_SEND) << 8), words_of[3];
    memcpy(&words_of[0], good, 8);
    memcpy(&words_of[1], evil, 8);
    memcpy(&words_of[2], good + 8, 8);
    words_of[2] ^= hash_on(seed, words_of[0]) ^ hash_on(seed, words_of[1]);
    memcpy(evil + 8, &words_of[2], 8);
    /* When the hash is another one, this finds no such topic and has to be written anew. */
    assert_int_equal(hash_of(good, 16), hash_of(evil, 16));
    pull_under(scene, true, "topic=good**");
    send_words(&scene->client, good);
    expect_words(&scene->server, good);
    assert_int_equal(topics_kept(&scene->server), 1);
    kith_msg *msg;
    assert_int_equal(kith_msg_new(&msg), 0);
    assert_int_equal(kith_msg_add(msg, evil, sizeof(evil)), 0);
    assert_int_equal(kith_socket_send(scene->client.socket, msg, 10000), 0);
    expect_nothing(&scene->world, &scene->server);
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_SEND], 1);
}

static void test_a_verdict_on_the_time_is_not_kept(void **state) {
    struct scene *scene = *state;
    pull_under(scene, true, "time=00:00-24:00 UTC");
    send_words(&scene->client, "x");
    expect_words(&scene->server, "x");
    assert_false(kept(&scene->server, KITH_VERB_SEND)->known);
    node_policy(&scene->server, true, KITH_VERB_SEND, "topic=x;time=00:00-24:00 UTC");
    send_words(&scene->client, "x");
    expect_words(&scene->server, "x");
    assert_false(kept(&scene->server, KITH_VERB_SEND)->known);
    assert_int_equal(topics_kept(&scene->server), 0);
}

/* What is denied by its first frame does not take up memory until the last one comes. */
static void test_a_topic_decides_as_soon_as_it_is_there(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PULL);
    node_policy(&scene->server, false, KITH_VERB_SEND, "topic=secret");
    int fd = raw_peer(&scene->world, &scene->server, "PUSH", NULL);
    raw_text(fd, "\1\6secret");
    until_event(scene, &scene->server, KITH_EVENT_DENIED_SEND);
    raw_text(fd, "\0\4more\0\6public");
    expect_words(&scene->server, "public");
    expect_nothing(&scene->world, &scene->server);
    close(fd);
}

/* It was let in by the policy before, at its greeting. */
static void test_who_is_not_ready_yet_is_asked_about_when_it_is(void **state) {
    struct scene *scene = *state;
    uint8_t octets[1024];
    serve(scene, KITH_PULL);
    node_policy(&scene->server, true, KITH_VERB_CONNECT, "");
    int fd = raw_connect(&scene->server);
    raw_greeting(octets, 1);
    raw_send(fd, octets, GREETING_SIZE);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0 && !kith_list_empty(&scene->server.socket->sessions.peers) &&
                             node_session(&scene->server)->judge.let_in > 0);
    node_policy(&scene->server, false, KITH_VERB_CONNECT, "");
    raw_send(fd, octets, raw_ready(octets, "PUSH", NULL));
    size_t size = raw_until_end(&scene->world, fd, octets, sizeof(octets));
    assert_true(contains(octets, size, "access denied by policy: connect"));
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_CONNECT], 1);
    assert_int_equal(scene->server.events[KITH_EVENT_CONNECTED], 0);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ROW(test_a_verdict_on_who_sends_is_kept_until_the_policy_changes, "ipc"),
        ROWS(test_verdicts_on_topics_are_kept_and_bounded),
        ROW(test_another_writer_is_asked_about_anew, "ipc"),
        ROW(test_octets_with_the_pid_of_who_has_ended_are_of_no_program, "ipc"),
        ROW(test_a_verdict_for_want_of_descriptors_is_not_kept, "ipc"),
        ROW(test_a_verdict_for_want_of_descriptors_is_not_kept, "tcp://127.0.0.1:0"),
        ROW(test_a_topic_with_the_hash_of_another_is_another, "ipc"),
        ROWS(test_a_verdict_on_the_time_is_not_kept),
        ROW(test_a_topic_decides_as_soon_as_it_is_there, "ipc"),
        ROW(test_who_is_not_ready_yet_is_asked_about_when_it_is, "ipc"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
