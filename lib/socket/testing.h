/*
 * socket/testing.h: what the tests of sockets share: a socket that records what it is told, policies in a line, and a peer that writes ZMTP
 * by hand.
 */
#ifndef KITH_SOCKET_TESTING_H
#define KITH_SOCKET_TESTING_H

#include "stream/testing.h"

#include <signal.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "socket/socket.h"

/* A socket and what its callbacks said. */
struct node {
    kith_socket *socket;
    unsigned messages, writable, failed;
    unsigned events[KITH_EVENT_COUNT_];
    uint64_t counts[KITH_EVENT_COUNT_]; /* sums of event->count */
    int errors[KITH_EVENT_COUNT_];      /* of the last event of each kind */
    char texts[KITH_EVENT_COUNT_][512];
    enum kith_verb verb; /* of the last denial, and its rule */
    char rule[128];
    int error; /* what `failed` said */
    void (*on_message)(struct node *node, kith_msg *msg);
    void (*on_other)(struct node *node);
    void *extra;
};

static inline void node_message(kith_socket *socket, kith_msg *msg, void *userdata) {
    struct node *node = userdata;
    node->messages++;
    if (node->on_message)
        node->on_message(node, msg);
    else
        kith_msg_free(msg);
}

static inline void node_writable(kith_socket *socket, void *userdata) {
    struct node *node = userdata;
    node->writable++;
    if (node->on_other)
        node->on_other(node);
}

static inline void node_failed(kith_socket *socket, int error, void *userdata) {
    struct node *node = userdata;
    node->failed++;
    node->error = error;
    if (node->on_other)
        node->on_other(node);
}

static inline void node_event(kith_socket *socket, const struct kith_event *event, void *userdata) {
    struct node *node = userdata;
    assert_non_null(event->text);
    node->events[event->type]++;
    node->counts[event->type] += event->count;
    node->errors[event->type] = event->error;
    snprintf(node->texts[event->type], sizeof(node->texts[0]), "%s", event->text);
    if (event->verb != 0)
        node->verb = event->verb;
    if (event->verb != 0)
        snprintf(node->rule, sizeof(node->rule), "%s", event->rule ? event->rule : "");
    if (node->on_other)
        node->on_other(node);
}

/* For the blocking style: everything but messages and failures. */
static const struct kith_socket_handler quiet_handler __attribute__((unused)) = {.writable = node_writable, .event = node_event};
static const struct kith_socket_handler full_handler
    __attribute__((unused)) = {.message = node_message, .writable = node_writable, .failed = node_failed, .event = node_event};

static inline void node_init(struct world *world, struct node *node, enum kith_socket_type type,
                             const struct kith_socket_handler *handler) {
    *node = (struct node){0};
    assert_int_equal(kith_socket_new(world->loop, type, &node->socket), 0);
    /* The whole suite once more, with octets in shared memory wherever the two sides are kith's and local (NAME@shm). */
    if (getenv("TESTING_SHM")) {
        assert_int_equal(kith_socket_set_number(node->socket, KITH_OPTION_SHM, 1, NULL), 0);
        assert_int_equal(kith_socket_set_number(node->socket, KITH_OPTION_SHM_SIZE, 65536, NULL), 0);
    }
    kith_socket_set_handler(node->socket, handler, node);
}

static inline void node_deinit(struct node *node) {
    node->socket = kith_socket_free(node->socket);
}

static inline void node_option(struct node *node, enum kith_option option, int64_t value) {
    assert_int_equal(kith_socket_set_number(node->socket, option, value, NULL), 0);
}

static inline void node_id(struct node *node, const char *id) {
    assert_int_equal(kith_socket_set_octets(node->socket, KITH_OPTION_ROUTING_ID, id, strlen(id), NULL), 0);
}

/* "ipc", "inproc": a name of its own; else as it is. */
static inline void node_bind(struct node *node, const char *endpoint) {
    static unsigned count;
    char name[96];
    struct kith_error error = KITH_ERROR_NONE;
    bool complete = strstr(endpoint, "://") != NULL;
    snprintf(name, sizeof(name), "%.16s://%skith-test-socket-%d-%u", endpoint, strcmp(endpoint, "ipc") == 0 ? "@" : "", (int)getpid(),
             count++);
    if (kith_socket_bind(node->socket, complete ? endpoint : name, &error) < 0)
        fail_msg("%s", error.text);
}

static inline void node_connect(struct node *node, const struct node *to) {
    assert_int_equal(kith_socket_connect(node->socket, kith_socket_last_endpoint(to->socket), NULL), 0);
}

/* Messages ------------------------------------------------------------------------------------------------------------- */

/* Frames are words: "id||body" has three, the second empty. */
static inline kith_msg *words(const char *text) {
    kith_msg *msg;
    assert_int_equal(kith_msg_new(&msg), 0);
    for (const char *end; (end = strchr(text, '|')); text = end + 1)
        assert_int_equal(kith_msg_add(msg, text, (size_t)(end - text)), 0);
    assert_int_equal(kith_msg_add(msg, text, strlen(text)), 0);
    return msg;
}

static inline void assert_words(const kith_msg *msg, const char *text) {
    char got[512] = "";
    size_t used = 0;
    for (size_t i = 0; i < kith_msg_count(msg); i++) {
        size_t size;
        const uint8_t *data = kith_msg_frame(msg, i, &size);
        used += (size_t)snprintf(got + used, sizeof(got) - used, "%s%.*s", i > 0 ? "|" : "", (int)size, (const char *)data);
    }
    assert_string_equal(got, text);
}

/* Returns what kith_socket_send() said; the message is gone either way. */
static inline int try_words(struct node *node, const char *text, int timeout_ms) {
    kith_msg *msg = words(text);
    int r = kith_socket_send(node->socket, msg, timeout_ms);
    if (r < 0)
        kith_msg_free(msg);
    return r;
}

static inline void send_words(struct node *node, const char *text) {
    assert_int_equal(try_words(node, text, 10000), 0);
}

static inline void expect_words(struct node *node, const char *text) {
    kith_msg *msg = NULL;
    assert_int_equal(kith_socket_recv(node->socket, &msg, 10000), 0);
    assert_words(msg, text);
    kith_msg_free(msg);
}

static inline void expect_error(struct node *node, int error) {
    kith_msg *msg = NULL;
    assert_int_equal(kith_socket_recv(node->socket, &msg, 10000), error);
    assert_null(msg);
}

/* Nothing more comes: the loop has nothing to do and the socket nothing to give. */
static inline void expect_nothing(struct world *world, struct node *node) {
    kith_msg *msg = NULL;
    settle_down(world);
    assert_int_equal(kith_socket_recv(node->socket, &msg, 0), -EAGAIN);
}

/* Policies ---------------------------------------------------------------------------------------------------------------- */

/* deny: `verbs` to this pid; everything else is allowed. */
static inline kith_policy *policy_denying(pid_t pid, unsigned verbs) {
    kith_policy *policy;
    kith_policy_rule *rule;
    char text[16];
    assert_int_equal(kith_policy_new(&policy), 0);
    assert_int_equal(kith_policy_add_rule(policy, "not-him", false, verbs, &rule, NULL), 0);
    snprintf(text, sizeof(text), "%d", (int)pid);
    assert_int_equal(kith_policy_rule_add(rule, KITH_CONDITION_PID, text, NULL), 0);
    assert_int_equal(kith_policy_add_rule(policy, "all", true, KITH_VERB_ALL, &rule, NULL), 0);
    return policy;
}

static inline void node_deny(struct node *node, pid_t pid, unsigned verbs) {
    kith_policy *policy = policy_denying(pid, verbs);
    kith_socket_set_policy(node->socket, policy);
    kith_policy_unref(policy);
}

/* Appends a rule; conditions as "topic=a.*;size=0-10". */
static inline void policy_rule(kith_policy *policy, const char *name, bool allow, unsigned verbs, const char *conditions) {
    kith_policy_rule *rule;
    struct kith_error error = KITH_ERROR_NONE;
    char text[512], *rest = text;
    snprintf(text, sizeof(text), "%s", conditions);
    assert_int_equal(kith_policy_add_rule(policy, name, allow, verbs, &rule, &error), 0);
    for (char *word; (word = strsep(&rest, ";"));) {
        char *value = strchr(word, '=');
        enum kith_condition condition;
        if (!value)
            continue;
        *value++ = '\0';
        assert_int_equal(kith_condition_parse(word, &condition), 0);
        if (kith_policy_rule_add(rule, condition, value, &error) < 0)
            fail_msg("%s", error.text);
    }
}

/* One rule, which allows or denies, and everything else the other way round. */
static inline void node_policy(struct node *node, bool allow, unsigned verbs, const char *conditions) {
    kith_policy *policy;
    assert_int_equal(kith_policy_new(&policy), 0);
    policy_rule(policy, "the-rule", allow, verbs, conditions);
    if (allow) /* the other verbs */
        policy_rule(policy, "rest", true, KITH_VERB_ALL & ~verbs, "");
    else
        policy_rule(policy, "rest", true, KITH_VERB_ALL, "");
    kith_socket_set_policy(node->socket, policy);
    kith_policy_unref(policy);
}

/* A peer that writes by hand ---------------------------------------------------------------------------------------------- */

#define GREETING_SIZE 64

static inline void raw_greeting(uint8_t octets[static GREETING_SIZE], int minor) {
    memset(octets, 0, GREETING_SIZE);
    octets[0] = 0xff;
    octets[9] = 0x7f;
    octets[10] = 3;
    octets[11] = (uint8_t)minor;
    memcpy(octets + 12, "NULL", 4);
}

/* READY as a frame; returns its size. */
static inline size_t raw_ready(uint8_t octets[static 256], const char *type, const char *id) {
    size_t size = 2;
    const char *properties[][2] = {{"Socket-Type", type}, {"Identity", id}};
    memcpy(octets + size, "\x05READY", 6);
    size += 6;
    for (size_t i = 0; i < 2 && properties[i][1]; i++) {
        size_t name = strlen(properties[i][0]), value = strlen(properties[i][1]);
        octets[size++] = (uint8_t)name;
        memcpy(octets + size, properties[i][0], name);
        size += name;
        memcpy(octets + size, (uint8_t[]){0, 0, 0, (uint8_t)value}, 4);
        memcpy(octets + size + 4, properties[i][1], value);
        size += 4 + value;
    }
    octets[0] = 4;
    octets[1] = (uint8_t)(size - 2);
    return size;
}

static inline void raw_send(int fd, const void *octets, size_t size) {
    assert_int_equal(send(fd, octets, size, MSG_NOSIGNAL), size);
}

/* Ends a child process: by a signal when all is right, because valgrind holds what the child has of its parent's memory against it when it
 * exits. */
static inline void raw_child_end(bool right) {
    if (right)
        kill(getpid(), SIGKILL);
    _exit(1);
}

static inline void raw_child_wait(pid_t pid) {
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* The same from a child process, which has ended when this returns. */
static inline pid_t raw_send_forked(int fd, const void *octets, size_t size) {
    pid_t pid = fork();
    if (pid == 0)
        raw_child_end(send(fd, octets, size, MSG_NOSIGNAL) == (ssize_t)size);
    raw_child_wait(pid);
    return pid;
}

#define raw_text(fd, text) raw_send(fd, text, sizeof(text) - 1)
#define raw_text_forked(fd, text) raw_send_forked(fd, text, sizeof(text) - 1)

static inline void raw_address(const struct node *node, struct kith_endpoint *ret_endpoint) {
    assert_int_equal(kith_endpoint_parse(kith_socket_last_endpoint(node->socket), false, ret_endpoint, NULL), 0);
}

/* Connected, and nothing said yet. */
static inline int raw_connect(const struct node *node) {
    struct kith_endpoint endpoint;
    raw_address(node, &endpoint);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&endpoint.address.storage, endpoint.address.size), 0);
    return fd;
}

static inline void raw_handshake(int fd, int minor, const char *type, const char *id) {
    uint8_t octets[GREETING_SIZE + 256];
    raw_greeting(octets, minor);
    raw_send(fd, octets, GREETING_SIZE + raw_ready(octets + GREETING_SIZE, type, id));
}

/* A raw peer of ZMTP 3.`minor` whose handshake is done, and has been read. */
static inline int raw_peer_of(struct world *world, struct node *node, int minor, const char *type, const char *id) {
    uint8_t octets[1024];
    bool over = false;
    size_t peers = kith_socket_peer_count(node->socket);
    int fd = raw_connect(node);
    raw_handshake(fd, minor, type, id);
    until(world, kith_socket_peer_count(node->socket) == peers + 1);
    settle_down(world);
    assert_true(slurp(fd, octets, sizeof(octets), &over) > GREETING_SIZE);
    return fd;
}

static inline int raw_peer(struct world *world, struct node *node, const char *type, const char *id) {
    return raw_peer_of(world, node, 1, type, id);
}

/* Steps until the peer sees its end; what came before it is in octets. */
static inline size_t raw_until_end(struct world *world, int fd, uint8_t *octets, size_t room) {
    size_t size = 0;
    bool over = false;
    until(world, (size += slurp(fd, octets + size, room - size, &over), over));
    return size;
}

static inline bool contains(const uint8_t *octets, size_t size, const char *text) {
    return memmem(octets, size, text, strlen(text)) != NULL;
}

/* The first (and mostly only) session of a socket, to look into. */
static inline struct kith_session *node_session(const struct node *node) {
    struct kith_session *session = kith_list_first(&node->socket->sessions.peers, struct kith_session, host_link);
    assert_non_null(session);
    return session;
}

/* Rows ----------------------------------------------------------------------------------------------------------------------- */

/* A test at one endpoint, at those of all streams, and at inproc:// too. scene_setup() is handed the endpoint in *state. */
#define ROW(test, endpoint)                                                                                                                \
    { #test " " endpoint, test, scene_setup, scene_teardown, (void *)(uintptr_t)(endpoint) }
#define STREAM_ROWS(test) ROW(test, "ipc"), ROW(test, "tcp://127.0.0.1:0")
#define ROWS(test) STREAM_ROWS(test), ROW(test, "inproc")

#endif
