/*
 * A pid is a number that is used again, and means something only in its namespace: facts of one process must never be told of another.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "identity/expected.h"

/* An actor of USER_B that gets the pid of one that has gone. */
static bool reincarnate(pid_t pid, const struct actor_role *role, struct child *ret_actor) {
    /* Somebody else may have been given the number meanwhile: rare, and over as soon as he is. */
    for (int i = 0; i < 100; i++) {
        if (actor_start_as(pid, role, ret_actor))
            return true;
        if (errno != EEXIST)
            break;
    }
    print_message("    clone3 with set_tid: %s\n", strerror(errno));
    return false;
}

struct pair_of_lives {
    struct shared shared;
    struct actor_role first_role, second_role;
    struct child first, second;
    pid_t pid;
};

static void first_life(struct support *support, struct pair_of_lives *lives) {
    lives->shared = shared_new(support);
    int fd = lives->shared.raw.fd;
    lives->first_role = (struct actor_role){.fd = fd, .uid = USER_A, .gid = GROUP_A, .extra = EXTRA_A};
    lives->second_role = (struct actor_role){.fd = fd, .uid = USER_B, .gid = GROUP_B, .extra = EXTRA_B};
    lives->first = actor_start(&lives->first_role);
    lives->pid = lives->first.pid;
}

static void assert_second(struct pair_of_lives *lives, kith_origin *origin) {
    assert_int_equal(pid_of(origin, KITH_WITNESS_KERNEL_MESSAGE), lives->pid);
    assert_int_equal(uid_of(origin, KITH_WITNESS_KERNEL_MESSAGE), USER_B);
    assert_true(has_group(origin, EXTRA_B));
    assert_false(has_group(origin, EXTRA_A));
    assert_true(kith_origin_alive(origin));
}

static void last_words(struct support *support, struct pair_of_lives *lives) {
    actor_end(support, &lives->second);
    raw_close(&lives->shared.raw);
}

/* The first was known, with facts cached; the loop stands still from his death to the other's message. */
static void test_a_recycled_pid_does_not_inherit_cached_facts(void **state) {
    struct support *support = *state;
    struct pair_of_lives lives;
    first_life(support, &lives);
    actor_step(support, &lives.first, ACTOR_SEND, 0);
    _cleanup_(kith_msg_freep) kith_msg *before = heard_from_actor(support, lives.shared.server);
    assert_true(has_group(kith_msg_origin(before), EXTRA_A));
    uint64_t start_before = 0, start_after = 0;
    assert_true(kith_origin_start_time(kith_msg_origin(before), &start_before) != KITH_WITNESS_NONE);
    actor_end(NULL, &lives.first);
    if (!reincarnate(lives.pid, &lives.second_role, &lives.second))
        skip();
    actor_step(NULL, &lives.second, ACTOR_SEND, 0);

    _cleanup_(kith_msg_freep) kith_msg *after = heard_from_actor(support, lives.shared.server);
    assert_second(&lives, kith_msg_origin(after));
    assert_true(kith_origin_start_time(kith_msg_origin(after), &start_after) != KITH_WITNESS_NONE);
    assert_true(start_after >= start_before);
    /* And the first one's message still speaks of the first one. */
    assert_int_equal(uid_of(kith_msg_origin(before), KITH_WITNESS_KERNEL_MESSAGE), USER_A);
    assert_true(has_group(kith_msg_origin(before), EXTRA_A));
    assert_false(has_group(kith_msg_origin(before), EXTRA_B));
    assert_false(kith_origin_alive(kith_msg_origin(before)));
    last_words(support, &lives);
}

/* Nothing of the first was looked up while he lived: looking later must not find the second. */
static void test_facts_asked_too_late_are_not_those_of_the_successor(void **state) {
    struct support *support = *state;
    struct pair_of_lives lives;
    first_life(support, &lives);
    actor_step(support, &lives.first, ACTOR_SEND, 0);
    _cleanup_(kith_msg_freep) kith_msg *before = heard_from_actor(support, lives.shared.server);
    actor_end(NULL, &lives.first);
    if (!reincarnate(lives.pid, &lives.second_role, &lives.second))
        skip();
    assert_int_equal(kith_origin_groups(kith_msg_origin(before), NULL, NULL), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_text(kith_msg_origin(before), KITH_FACT_EXE, NULL), KITH_WITNESS_NONE);
    assert_false(kith_origin_alive(kith_msg_origin(before)));
    last_words(support, &lives);
}

/* Both messages wait when the server looks for the first time: one number, two processes. */
static void test_two_lives_of_a_pid_in_one_read_are_two_senders(void **state) {
    struct support *support = *state;
    struct pair_of_lives lives;
    first_life(support, &lives);
    actor_step(NULL, &lives.first, ACTOR_SEND, 0);
    actor_end(NULL, &lives.first);
    if (!reincarnate(lives.pid, &lives.second_role, &lives.second))
        skip();
    actor_step(NULL, &lives.second, ACTOR_SEND, 0);

    _cleanup_(kith_msg_freep) kith_msg *before = heard_from_actor(support, lives.shared.server);
    _cleanup_(kith_msg_freep) kith_msg *after = heard_from_actor(support, lives.shared.server);
    assert_second(&lives, kith_msg_origin(after));
    assert_int_equal(pid_of(kith_msg_origin(before), KITH_WITNESS_KERNEL_MESSAGE), lives.pid);
    assert_int_equal(uid_of(kith_msg_origin(before), KITH_WITNESS_KERNEL_MESSAGE), USER_A);
    /* Of the first nothing but his number is left. Under it another user is found, so nothing of him is told. */
    assert_false(has_group(kith_msg_origin(before), EXTRA_B));
    assert_int_equal(kith_origin_text(kith_msg_origin(before), KITH_FACT_EXE, NULL), KITH_WITNESS_NONE);
    assert_false(kith_origin_alive(kith_msg_origin(before)));
    last_words(support, &lives);
}

/* A user's successor may be of the same user: then what is found under the number is told, and never with a strong witness. */
static void test_a_successor_of_the_same_user_is_no_more_than_inferred(void **state) {
    struct support *support = *state;
    struct pair_of_lives lives;
    first_life(support, &lives);
    lives.second_role.uid = USER_A;
    lives.second_role.gid = GROUP_A;
    actor_step(NULL, &lives.first, ACTOR_SEND, 0);
    actor_end(NULL, &lives.first);
    if (!reincarnate(lives.pid, &lives.second_role, &lives.second))
        skip();
    _cleanup_(kith_msg_freep) kith_msg *before = heard_from_actor(support, lives.shared.server);
    assert_true(kith_origin_groups(kith_msg_origin(before), NULL, NULL) <= KITH_WITNESS_INFERRED);
    assert_true(kith_origin_text(kith_msg_origin(before), KITH_FACT_EXE, NULL) <= KITH_WITNESS_INFERRED);
    last_words(support, &lives);
}

/* Both made a connection, one after the other, with the same pid and the same ids. */
static void assert_two_lives(struct support *support, kith_socket *server, pid_t pid) {
    unsigned ended = 0;
    for (int i = 0; i < 2; i++) {
        _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
        kith_origin *origin = kith_msg_origin(msg);
        assert_int_equal(pid_of(origin, KITH_WITNESS_KERNEL_MESSAGE), pid);
        assert_int_equal(uid_of(origin, KITH_WITNESS_KERNEL_MESSAGE), USER_A);
        if (strcmp(strongest(), "inferred") == 0) /* then nobody knows who made a connection */
            continue;
        enum kith_witness exe = kith_origin_text(origin, KITH_FACT_EXE, NULL);
        ended += kith_origin_ended(origin);
        assert_int_equal(exe, kith_origin_ended(origin) ? KITH_WITNESS_NONE : KITH_WITNESS_KERNEL_CONNECT);
        assert_int_equal(kith_origin_groups(origin, NULL, NULL), exe);
    }
    assert_true(ended == 1 || strcmp(strongest(), "inferred") == 0);
}

/* Whoever made the connection and has ended is known to have: his successor did not write, and nothing of him is told, not even inferred.
 */
static void test_the_successor_of_who_connected_is_not_asked(void **state) {
    struct support *support = *state;
    static const enum actor_step lives[] = {ACTOR_CONNECT, ACTOR_RUSH}; /* seen alive, and never seen alive */
    for (size_t i = 0; i < KITH_ARRAY_SIZE(lives); i++) {
        kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
        struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A, .extra = EXTRA_A};
        struct child first = actor_start(&role), second;
        pid_t pid = first.pid;
        actor_step(lives[i] == ACTOR_CONNECT ? support : NULL, &first, lives[i], 0);
        if (lives[i] == ACTOR_CONNECT)
            actor_step(NULL, &first, ACTOR_SEND, 0);
        actor_end(NULL, &first);
        if (!reincarnate(pid, &role, &second))
            skip();
        actor_step(NULL, &second, ACTOR_RUSH, 0);
        assert_two_lives(support, server, pid);
        actor_end(support, &second);
    }
}

/* The first one's last message waits in the kernel, since nobody takes what he sent before; meanwhile the second one becomes known, over
 * a connection of his own, with facts of the strongest witness. They are not of the sender of that message. */
static void wait_beyond_death(struct support *support, struct pair_of_lives *lives, kith_socket *server) {
    lives->second_role =
        (struct actor_role){.endpoint = kith_socket_last_endpoint(server), .uid = USER_B, .gid = GROUP_B, .extra = EXTRA_B};
    lives->first = actor_start(&lives->first_role);
    lives->pid = lives->first.pid;
    if (lives->first_role.endpoint)
        actor_step(support, &lives->first, ACTOR_CONNECT, 0);
    actor_step(support, &lives->first, ACTOR_SEND, 0);
    while (kith_loop_step(support->loop, 0) > 0)
        continue;
    actor_step(support, &lives->first, ACTOR_SEND, 0); /* not read: one message of his waits to be taken */
    actor_end(support, &lives->first);
    if (!reincarnate(lives->pid, &lives->second_role, &lives->second))
        skip();
    actor_step(support, &lives->second, ACTOR_CONNECT, 0);
    actor_step(support, &lives->second, ACTOR_SEND, 0);
    while (kith_loop_step(support->loop, 0) > 0)
        continue;

    unsigned of_first = 0;
    for (int i = 0; i < 3; i++) {
        _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
        kith_origin *origin = kith_msg_origin(msg);
        assert_int_equal(pid_of(origin, KITH_WITNESS_KERNEL_MESSAGE), lives->pid);
        if (uid_of(origin, KITH_WITNESS_KERNEL_MESSAGE) != USER_A) {
            assert_second(lives, origin);
            continue;
        }
        of_first++;
        assert_false(has_group(origin, EXTRA_B));
        assert_false(kith_origin_alive(origin));
    }
    assert_int_equal(of_first, 2);
    actor_end(support, &lives->second);
}

static kith_socket *one_message_at_a_time(struct support *support) {
    kith_socket *server = support_socket(support, KITH_ROUTER);
    support_set(server, KITH_OPTION_RECV_HWM, 1);
    support_bind(server, support_ipc(support));
    return server;
}

static void test_a_message_that_waited_beyond_its_senders_death_does_not_get_the_facts_of_his_successor(void **state) {
    struct support *support = *state;
    kith_socket *server = one_message_at_a_time(support);
    struct pair_of_lives lives = {
        .first_role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A, .extra = EXTRA_A}};
    wait_beyond_death(support, &lives, server);
}

/* The same where the first one did not make the connection: his messages come with a pidfd, from the second on. */
static void test_nor_does_one_that_came_with_the_pidfd_of_a_dead_writer(void **state) {
    struct support *support = *state;
    struct raw raw;
    kith_socket *server = one_message_at_a_time(support);
    assert_int_equal(raw_join(support, kith_socket_last_endpoint(server), "DEALER", NULL, &raw), 0);
    struct pair_of_lives lives = {.first_role = {.fd = raw.fd, .uid = USER_A, .gid = GROUP_A, .extra = EXTRA_A}};
    wait_beyond_death(support, &lives, server);
    raw_close(&raw);
}

/* Namespaces ------------------------------------------------------------------------------------------------------- */

/* What a server in another namespace saw, as it sends it home. */
struct sighting {
    enum kith_witness pid_witness, uid_witness, exe_witness;
    pid_t pid;
    uid_t uid;
    uint64_t start_time; /* 0: unknown */
    char exe[256];
};

/* Serves one message and tells home what it saw. In a child: no cmocka. */
static int serve_one(int line, const char *endpoint) {
    kith_loop *loop = NULL;
    kith_socket *server = NULL;
    kith_msg *msg = NULL;
    if (kith_loop_new(&loop) < 0 || kith_socket_new(loop, KITH_ROUTER, &server) < 0 || kith_socket_bind(server, endpoint, NULL) < 0)
        return 10;
    if (line_tell(line, 'b') < 0 || kith_socket_recv(server, &msg, SUPPORT_PATIENCE_MS) < 0)
        return 11;
    kith_origin *origin = kith_msg_origin(msg);
    struct sighting sighting = {.pid = -1};
    sighting.pid_witness = kith_origin_pid(origin, &sighting.pid);
    sighting.uid_witness = kith_origin_uid(origin, &sighting.uid);
    kith_origin_start_time(origin, &sighting.start_time);
    const char *exe = NULL;
    sighting.exe_witness = kith_origin_text(origin, KITH_FACT_EXE, &exe);
    snprintf(sighting.exe, sizeof(sighting.exe), "%s", exe ? exe : "");
    if (send(line, &sighting, sizeof(sighting), MSG_NOSIGNAL) != sizeof(sighting))
        return 12;
    kith_msg_free(msg);
    kith_socket_free(server);
    kith_loop_free(loop);
    return 0;
}

struct village {
    const char *endpoint;
    bool client_inside; /* the client lives in the new namespace too */
};

/* Becomes the parent of a new pid namespace whose first process is the server. */
static int live_in_new_namespace(int line, void *userdata) {
    const struct village *village = userdata;
    if (unshare(CLONE_NEWPID) < 0)
        return 77;
    pid_t server = fork();
    if (server == 0)
        _exit(serve_one(line, village->endpoint));
    if (server < 0)
        return 2;
    if (village->client_inside) {
        /* The test says when the server listens. */
        if (line_hear(line, 'g') < 0)
            return 3;
        struct actor_role role = {.endpoint = village->endpoint, .uid = USER_A};
        pid_t client = fork();
        if (client == 0) {
            struct raw raw;
            if (become(role.uid, 0, NULL, 0) < 0 || raw_connect(NULL, role.endpoint, &raw) < 0 || raw_handshake(&raw, "DEALER", NULL) < 0)
                _exit(1);
            _exit(raw_send(&raw, 0, ACTOR_TEXT, strlen(ACTOR_TEXT)) < 0 || raw_until_closed(&raw) < 0);
        }
    }
    /* The end of the first process of a namespace is complete only when all others in it are reaped. */
    int status = 0, server_status = -1;
    for (pid_t pid = wait(&status); pid > 0; pid = wait(&status))
        if (pid == server)
            server_status = status;
    return WIFEXITED(server_status) ? WEXITSTATUS(server_status) : 4;
}

static bool may_unshare(void) {
    pid_t pid = fork();
    if (pid == 0)
        _exit(unshare(CLONE_NEWPID) < 0);
    int status = 1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static struct sighting sighted(struct child *village) {
    struct sighting sighting;
    assert_int_equal(recv(village->line, &sighting, sizeof(sighting), MSG_WAITALL), sizeof(sighting));
    assert_int_equal(child_end(NULL, village), 0);
    return sighting;
}

static void test_a_sender_outside_the_pid_namespace_has_no_pid(void **state) {
    struct support *support = *state;
    if (!may_unshare())
        skip();
    struct village village = {.endpoint = support_abstract(support)};
    struct child child = child_start(live_in_new_namespace, &village);
    assert_int_equal(child_hear(NULL, &child), 'b');
    struct actor_role role = {.endpoint = village.endpoint, .uid = USER_A};
    struct child actor = actor_start(&role);
    actor_step(NULL, &actor, ACTOR_CONNECT, 0);
    actor_step(NULL, &actor, ACTOR_SEND, 0);
    struct sighting sighting = sighted(&child);
    assert_int_equal(sighting.pid_witness, KITH_WITNESS_NONE);
    assert_int_equal(sighting.pid, -1);
    assert_int_equal(sighting.uid_witness, KITH_WITNESS_KERNEL_MESSAGE);
    assert_int_equal(sighting.uid, USER_A);
    actor_end(support, &actor);
}

static uint64_t own_start_time(void) {
    kith_origin *origin = NULL;
    uint64_t ticks = 0;
    assert_int_equal(kith_origin_of_pid(getpid(), &origin, NULL), 0);
    assert_int_equal(kith_origin_start_time(origin, &ticks), KITH_WITNESS_KERNEL_CONNECT);
    kith_origin_unref(origin);
    return ticks;
}

/* The server's /proc is that of the outer namespace, as in a container that shares it: the sender's pid names another process there. */
static void test_a_foreign_proc_is_not_believed(void **state) {
    struct support *support = *state;
    if (!may_unshare())
        skip();
    struct village village = {.endpoint = support_abstract(support), .client_inside = true};
    struct child child = child_start(live_in_new_namespace, &village);
    assert_int_equal(child_hear(NULL, &child), 'b');
    child_tell(&child, 'g');
    struct sighting sighting = sighted(&child);
    assert_int_equal(sighting.pid_witness, KITH_WITNESS_KERNEL_MESSAGE);
    assert_in_range(sighting.pid, 2, 100);
    assert_int_equal(sighting.uid, USER_A);
    if (sighting.exe_witness != KITH_WITNESS_NONE)
        assert_string_equal(sighting.exe, own_exe());
    /* The low pids outside are the kernel's threads, as old as the machine; the sender is younger than this test. */
    if (sighting.start_time != 0)
        assert_true(sighting.start_time >= own_start_time());
}

static const struct CMUnitTest tests[] = {
    IDENTITY_TEST(test_a_recycled_pid_does_not_inherit_cached_facts),
    IDENTITY_TEST(test_facts_asked_too_late_are_not_those_of_the_successor),
    IDENTITY_TEST(test_two_lives_of_a_pid_in_one_read_are_two_senders),
    IDENTITY_TEST(test_a_successor_of_the_same_user_is_no_more_than_inferred),
    IDENTITY_TEST(test_the_successor_of_who_connected_is_not_asked),
    IDENTITY_TEST(test_a_message_that_waited_beyond_its_senders_death_does_not_get_the_facts_of_his_successor),
    IDENTITY_TEST(test_nor_does_one_that_came_with_the_pidfd_of_a_dead_writer),
    IDENTITY_TEST(test_a_sender_outside_the_pid_namespace_has_no_pid),
    IDENTITY_TEST(test_a_foreign_proc_is_not_believed),
};

IDENTITY_MAIN(tests)
