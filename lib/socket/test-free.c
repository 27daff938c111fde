/*
 * socket/test-free.c: inside any callback the application may free the socket that calls, another one, or the loop: nothing of what is
 * freed calls back afterwards, nothing is touched, nothing leaks (run it under ASan), and the others go on.
 */
#include "socket/testing.h"

enum what {
    SELF,
    PEER,
    LOOP,
    WHAT_COUNT,
};

/* The other callbacks, numbered behind the events. */
enum {
    MESSAGE = KITH_EVENT_COUNT_,
    WRITABLE,
    FAILED,
};

struct scene;

struct row {
    const char *name;
    int kind; /* an event, or one of the above */
    void (*provoke)(struct scene *scene);
    bool octets; /* needs a transport of octets: ipc; else over inproc too */
};

/* `socket` springs: frees what it is told to, in its first callback of the kind. */
struct scene {
    const struct row *row;
    const char *transport; /* "ipc", "inproc" */
    enum what what;
    kith_loop *loop;
    size_t fds_before;
    kith_socket *socket;
    struct node peer;
    bool sprung;
    int raw[4]; /* descriptors to close; -1: none */
};

static void spring(struct scene *scene, int kind) {
    if (scene->sprung)
        assert_true(scene->what == PEER); /* who is freed calls no more; nor does anybody without a loop */
    if (scene->sprung || kind != scene->row->kind)
        return;
    scene->sprung = true;
    switch (scene->what) {
    case SELF:
        scene->socket = kith_socket_free(scene->socket);
        break;
    case PEER:
        node_deinit(&scene->peer);
        break;
    default:
        scene->loop = kith_loop_free(scene->loop);
        break;
    }
}

static void on_message(kith_socket *socket, kith_msg *msg, void *userdata) {
    kith_msg_free(msg);
    spring(userdata, MESSAGE);
}

static void on_writable(kith_socket *socket, void *userdata) {
    spring(userdata, WRITABLE);
}

static void on_failed(kith_socket *socket, int error, void *userdata) {
    spring(userdata, FAILED);
}

static void on_event(kith_socket *socket, const struct kith_event *event, void *userdata) {
    spring(userdata, (int)event->type);
}

/* Steps until it has sprung. */
static void run(struct scene *scene) {
    uint64_t end = kith_time_now() + PATIENCE_NS;
    while (!scene->sprung) {
        assert_true(kith_time_now() < end);
        assert_true(kith_loop_step(scene->loop, 1000) >= 0);
    }
}

static void make(struct scene *scene, enum kith_socket_type type) {
    static const struct kith_socket_handler handler = {
        .message = on_message, .writable = on_writable, .failed = on_failed, .event = on_event};
    assert_int_equal(kith_socket_new(scene->loop, type, &scene->socket), 0);
    kith_socket_set_handler(scene->socket, &handler, scene);
}

static void serve(struct scene *scene, enum kith_socket_type type) {
    char name[64];
    make(scene, type);
    snprintf(name, sizeof(name), "%s://%skith-test-free-%d", scene->transport, strcmp(scene->transport, "ipc") == 0 ? "@" : "",
             (int)getpid());
    assert_int_equal(kith_socket_bind(scene->socket, name, NULL), 0);
}

static void add_peer(struct scene *scene, enum kith_socket_type type) {
    struct world world = {.loop = scene->loop};
    node_init(&world, &scene->peer, type, &quiet_handler);
}

/* The peer connects to the socket. */
static void join(struct scene *scene, enum kith_socket_type type) {
    add_peer(scene, type);
    assert_int_equal(kith_socket_connect(scene->peer.socket, kith_socket_last_endpoint(scene->socket), NULL), 0);
}

/* The socket connects to the peer. */
static void call(struct scene *scene, enum kith_socket_type ours, enum kith_socket_type theirs) {
    add_peer(scene, theirs);
    node_bind(&scene->peer, scene->transport);
    make(scene, ours);
    assert_int_equal(kith_socket_connect(scene->socket, kith_socket_last_endpoint(scene->peer.socket), NULL), 0);
}

static void step_until_ready(struct scene *scene) {
    while (kith_socket_peer_count(scene->socket) == 0 || kith_socket_peer_count(scene->peer.socket) == 0)
        assert_true(kith_loop_step(scene->loop, 1000) >= 0);
}

static int raw(struct scene *scene, int index) {
    const struct node node = {.socket = scene->socket};
    return scene->raw[index] = raw_connect(&node);
}

static int raw_ready_peer(struct scene *scene, int index, const char *id) {
    size_t peers = kith_socket_peer_count(scene->socket);
    raw_handshake(raw(scene, index), 1, "DEALER", id);
    while (kith_socket_peer_count(scene->socket) == peers)
        assert_true(kith_loop_step(scene->loop, 1000) >= 0);
    return scene->raw[index];
}

/* What brings each callback about ---------------------------------------------------------------------------------------- */

static void provoke_message(struct scene *scene) {
    serve(scene, KITH_DEALER);
    join(scene, KITH_DEALER);
    for (int i = 0; i < 3; i++) /* the second and the third lie in the same batch */
        send_words(&scene->peer, "x|y");
    run(scene);
}

static void provoke_message_of_a_blocking_call(struct scene *scene) {
    kith_msg *msg = NULL;
    provoke_message(scene);
    if (scene->what == LOOP) {
        assert_int_equal(kith_socket_recv(scene->peer.socket, &msg, 10), -ESHUTDOWN);
        assert_null(kith_socket_loop(scene->peer.socket));
    }
}

static void provoke_a_reply(struct scene *scene) {
    kith_msg *msg = NULL;
    serve(scene, KITH_DEALER);
    join(scene, KITH_DEALER);
    send_words(&scene->peer, "x");
    /* The socket's callback runs inside the peer's own blocking call. */
    if (scene->what == PEER)
        run(scene);
    else
        assert_int_equal(kith_socket_recv(scene->peer.socket, &msg, scene->what == LOOP ? -1 : 50),
                         scene->what == LOOP ? -ESHUTDOWN : -EAGAIN);
}

static void provoke_writable(struct scene *scene) {
    kith_msg *msg = words("too much");
    add_peer(scene, KITH_DEALER);
    node_bind(&scene->peer, scene->transport);
    make(scene, KITH_DEALER);
    assert_int_equal(kith_socket_set_number(scene->socket, KITH_OPTION_SEND_HWM, 1, NULL), 0);
    assert_int_equal(kith_socket_connect(scene->socket, kith_socket_last_endpoint(scene->peer.socket), NULL), 0);
    assert_int_equal(kith_socket_send(scene->socket, words("one"), 0), 0);
    assert_int_equal(kith_socket_send(scene->socket, msg, 0), -EAGAIN);
    kith_msg_free(msg);
    run(scene);
}

static void provoke_failed(struct scene *scene) {
    call(scene, KITH_REQ, KITH_REP);
    assert_int_equal(kith_socket_send(scene->socket, words("x"), 0), 0);
    expect_words(&scene->peer, "x");
    node_deinit(&scene->peer);
    run(scene);
}

static void provoke_failed_by_refusal(struct scene *scene) {
    call(scene, KITH_REQ, KITH_REP);
    node_deny(&scene->peer, getpid(), KITH_VERB_SEND);
    assert_int_equal(kith_socket_send(scene->socket, words("x"), 0), 0);
    run(scene);
}

static void provoke_failed_by_refused_connection(struct scene *scene) {
    call(scene, KITH_REQ, KITH_REP);
    node_deny(&scene->peer, getpid(), KITH_VERB_CONNECT);
    assert_int_equal(kith_socket_send(scene->socket, words("x"), 0), 0);
    run(scene);
}

static void provoke_listening(struct scene *scene) {
    serve(scene, KITH_DEALER);
    assert_true(scene->sprung);
}

static void provoke_connected(struct scene *scene) {
    serve(scene, KITH_ROUTER);
    join(scene, KITH_DEALER);
    run(scene);
}

static void provoke_connected_to(struct scene *scene) {
    call(scene, KITH_DEALER, KITH_DEALER);
    assert_int_equal(kith_socket_send(scene->socket, words("waits"), 0), 0);
    run(scene);
}

static void provoke_disconnected(struct scene *scene) {
    serve(scene, KITH_ROUTER);
    join(scene, KITH_DEALER);
    step_until_ready(scene);
    node_deinit(&scene->peer);
    run(scene);
}

static void provoke_disconnected_by_handover(struct scene *scene) {
    serve(scene, KITH_ROUTER);
    assert_int_equal(kith_socket_set_number(scene->socket, KITH_OPTION_ROUTER_HANDOVER, 1, NULL), 0);
    raw_ready_peer(scene, 0, "twin");
    raw_handshake(raw(scene, 1), 1, "DEALER", "twin");
    run(scene);
}

static void provoke_disconnected_by_protocol(struct scene *scene) {
    serve(scene, KITH_ROUTER);
    raw_text(raw_ready_peer(scene, 0, NULL), "\0\1a\x7f");
    run(scene);
}

static void provoke_handshake_failed(struct scene *scene) {
    serve(scene, KITH_REP);
    raw_text(raw(scene, 0), "GET / HTTP/1.1\r\n");
    run(scene);
}

static void provoke_retry(struct scene *scene) {
    make(scene, KITH_DEALER);
    assert_int_equal(kith_socket_connect(scene->socket, "ipc://@kith-test-free-nobody", NULL), 0);
    run(scene);
}

static void provoke_refused(struct scene *scene) {
    call(scene, KITH_DEALER, KITH_ROUTER);
    node_deny(&scene->peer, getpid(), KITH_VERB_CONNECT);
    run(scene);
}

static void deny(struct scene *scene, unsigned verbs) {
    kith_policy *policy = policy_denying(getpid(), verbs);
    kith_socket_set_policy(scene->socket, policy);
    kith_policy_unref(policy);
}

static void provoke_denied_connect(struct scene *scene) {
    serve(scene, KITH_ROUTER);
    deny(scene, KITH_VERB_CONNECT);
    join(scene, KITH_DEALER);
    run(scene);
}

static void provoke_denied_send(struct scene *scene) {
    serve(scene, KITH_ROUTER);
    deny(scene, KITH_VERB_SEND);
    join(scene, KITH_DEALER);
    for (int i = 0; i < 3; i++)
        send_words(&scene->peer, "x|y");
    run(scene);
}

static void provoke_duplicate_id(struct scene *scene) {
    serve(scene, KITH_ROUTER);
    raw_ready_peer(scene, 0, "twin");
    raw_handshake(raw(scene, 1), 1, "DEALER", "twin");
    run(scene);
}

static void provoke_duplicate_id_with_handover(struct scene *scene) {
    serve(scene, KITH_ROUTER);
    assert_int_equal(kith_socket_set_number(scene->socket, KITH_OPTION_ROUTER_HANDOVER, 1, NULL), 0);
    raw_ready_peer(scene, 0, "twin");
    raw_handshake(raw(scene, 1), 1, "DEALER", "twin");
    run(scene);
}

static void provoke_split_message(struct scene *scene) {
    serve(scene, KITH_ROUTER);
    int fd = raw_ready_peer(scene, 0, NULL);
    raw_text(fd, "\1\1a");
    raw_text_forked(fd, "\0\1b");
    run(scene);
}

static void provoke_dropped_in_send(struct scene *scene) {
    serve(scene, KITH_ROUTER);
    join(scene, KITH_DEALER);
    step_until_ready(scene);
    assert_int_equal(kith_socket_send(scene->socket, words("nobody|x"), 0), 0);
    assert_true(scene->sprung);
}

static void provoke_dropped_received(struct scene *scene) {
    serve(scene, KITH_REP);
    join(scene, KITH_DEALER);
    send_words(&scene->peer, "no empty frame");
    send_words(&scene->peer, "nor here");
    run(scene);
}

static void provoke_dropped_with_the_peer(struct scene *scene) {
    serve(scene, KITH_ROUTER);
    raw_ready_peer(scene, 0, "slow");
    for (int i = 0; i < 4; i++) {
        kith_msg *msg = words("slow");
        void *octets = calloc(1, 500000);
        assert_int_equal(kith_msg_add(msg, octets, 500000), 0);
        free(octets);
        assert_int_equal(kith_socket_send(scene->socket, msg, 0), 0);
    }
    scene->raw[0] = kith_close(scene->raw[0]);
    run(scene);
}

static void provoke_fds_refused(struct scene *scene) {
    serve(scene, KITH_ROUTER);
    int fd = raw_ready_peer(scene, 0, NULL);
    union {
        struct cmsghdr header;
        uint8_t octets[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {.iov_base = (char[]){0, 1, 'x'}, .iov_len = 3};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    assert_int_equal(sendmsg(fd, &message, 0), 3);
    run(scene);
}

static void provoke_accept_failed(struct scene *scene) {
    serve(scene, KITH_ROUTER);
    assert_int_equal(kith_socket_set_number(scene->socket, KITH_OPTION_MAX_PEERS, 1, NULL), 0);
    for (int i = 0; i < 3; i++)
        raw(scene, i);
    run(scene);
}

/* ------------------------------------------------------------------------------------------------------------------------------ */

static const struct row rows[] = {
    {"message", MESSAGE, provoke_message},
    {"message, then a blocking call", MESSAGE, provoke_message_of_a_blocking_call},
    {"message inside a blocking call", MESSAGE, provoke_a_reply},
    {"writable", WRITABLE, provoke_writable},
    {"failed", FAILED, provoke_failed},
    {"failed by refusal", FAILED, provoke_failed_by_refusal},
    {"failed by a refused connection", FAILED, provoke_failed_by_refused_connection},
    {"listening", KITH_EVENT_LISTENING, provoke_listening},
    {"connected", KITH_EVENT_CONNECTED, provoke_connected},
    {"connected to", KITH_EVENT_CONNECTED, provoke_connected_to},
    {"disconnected", KITH_EVENT_DISCONNECTED, provoke_disconnected},
    {"disconnected by handover", KITH_EVENT_DISCONNECTED, provoke_disconnected_by_handover, true},
    {"disconnected by protocol", KITH_EVENT_DISCONNECTED, provoke_disconnected_by_protocol, true},
    {"handshake-failed", KITH_EVENT_HANDSHAKE_FAILED, provoke_handshake_failed, true},
    {"retry", KITH_EVENT_RETRY, provoke_retry, true},
    {"refused", KITH_EVENT_REFUSED, provoke_refused},
    {"refused a message", KITH_EVENT_REFUSED, provoke_failed_by_refusal},
    {"denied-connect", KITH_EVENT_DENIED_CONNECT, provoke_denied_connect},
    {"denied-send", KITH_EVENT_DENIED_SEND, provoke_denied_send},
    {"duplicate-id", KITH_EVENT_DUPLICATE_ID, provoke_duplicate_id, true},
    {"duplicate-id with handover", KITH_EVENT_DUPLICATE_ID, provoke_duplicate_id_with_handover, true},
    {"split-message", KITH_EVENT_SPLIT_MESSAGE, provoke_split_message, true},
    {"dropped in send", KITH_EVENT_DROPPED, provoke_dropped_in_send},
    {"dropped received", KITH_EVENT_DROPPED, provoke_dropped_received},
    {"dropped with the peer", KITH_EVENT_DROPPED, provoke_dropped_with_the_peer, true},
    {"fds-refused", KITH_EVENT_FDS_REFUSED, provoke_fds_refused, true},
    {"accept-failed", KITH_EVENT_ACCEPT_FAILED, provoke_accept_failed, true},
};

struct trial {
    const struct row *row;
    const char *transport;
};

static void free_in_callback(const struct trial *trial, enum what what) {
    const struct row *row = trial->row;
    struct scene scene = {
        .row = row, .transport = trial->transport, .what = what, .fds_before = testing_fd_count(), .raw = {-1, -1, -1, -1}};
    assert_int_equal(kith_loop_new(&scene.loop), 0);
    row->provoke(&scene);
    /* What is left goes on as if nothing had happened. */
    for (int i = 0; i < 20 && scene.loop; i++)
        assert_true(kith_loop_step(scene.loop, 0) >= 0);
    scene.socket = kith_socket_free(scene.socket);
    node_deinit(&scene.peer);
    kith_loop_free(scene.loop);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(scene.raw); i++)
        kith_close(scene.raw[i]);
    assert_int_equal(testing_fd_count(), scene.fds_before);
}

static void test_the_socket_may_be_freed(void **state) {
    free_in_callback(*state, SELF);
}

static void test_another_socket_may_be_freed(void **state) {
    free_in_callback(*state, PEER);
}

static void test_the_loop_may_be_freed(void **state) {
    free_in_callback(*state, LOOP);
}

int main(void) {
    static const struct {
        const char *text;
        CMUnitTestFunction fn;
    } kinds[WHAT_COUNT] = {
        [SELF] = {"the socket may be freed", test_the_socket_may_be_freed},
        [PEER] = {"another socket may be freed", test_another_socket_may_be_freed},
        [LOOP] = {"the loop may be freed", test_the_loop_may_be_freed},
    };
    static const char *const transports[] = {"ipc", "inproc"};
    enum { TRIALS_MAX = KITH_ARRAY_SIZE(rows) * KITH_ARRAY_SIZE(transports) };
    static struct trial trials[TRIALS_MAX];
    static char names[WHAT_COUNT * TRIALS_MAX][80];
    static struct CMUnitTest tests[WHAT_COUNT * TRIALS_MAX];
    size_t count = 0, test_count = 0;
    for (size_t i = 0; i < TRIALS_MAX; i++) {
        const struct row *row = &rows[i / KITH_ARRAY_SIZE(transports)];
        const char *transport = transports[i % KITH_ARRAY_SIZE(transports)];
        if (row->octets && strcmp(transport, "ipc") != 0)
            continue;
        struct trial *trial = &trials[count++];
        *trial = (struct trial){.row = row, .transport = transport};
        for (size_t k = 0; k < WHAT_COUNT; k++, test_count++) {
            snprintf(names[test_count], sizeof(names[0]), "%s over %s: %s", row->name, transport, kinds[k].text);
            tests[test_count] = (struct CMUnitTest){.name = names[test_count], .test_func = kinds[k].fn, .initial_state = trial};
        }
    }
    return _cmocka_run_group_tests("free", tests, test_count, NULL, NULL);
}
