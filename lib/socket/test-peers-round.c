/* socket/test-peers-round.c: a round over the peers, in which they, the socket's loop or who writes may be others than when it began; and
 * what is asked of a peer that goes. */
#include "socket/testing-scene.h"

struct round {
    struct scene *scene;
    char endpoints[2][96];
    unsigned told;
    pid_t pid; /* of the origin that was told last */
    int r;     /* what was said of a request */
};

static int note_peer(kith_socket *socket, const struct kith_peer_info *info, void *userdata) {
    struct round *round = userdata;
    round->told++;
    assert_non_null(info->origin);
    assert_int_not_equal(kith_origin_pid(info->origin, &round->pid), KITH_WITNESS_NONE);
    return 0;
}

static int end_both(kith_socket *socket, const struct kith_peer_info *info, void *userdata) {
    struct round *round = userdata;
    round->told++;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(round->endpoints); i++)
        (void)kith_socket_disconnect(socket, round->endpoints[i]);
    return 0;
}

static void test_a_peer_that_has_gone_meanwhile_is_not_told_of(void **state) {
    struct scene *scene = *state;
    struct round round = {.scene = scene};
    struct node *ends[] = {&scene->server, &scene->other};
    node_init(&scene->world, &scene->client, KITH_PUSH, &quiet_handler);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(ends); i++) {
        node_init(&scene->world, ends[i], KITH_PULL, &quiet_handler);
        node_bind(ends[i], scene->endpoint);
        snprintf(round.endpoints[i], sizeof(round.endpoints[i]), "%s", kith_socket_last_endpoint(ends[i]->socket));
        node_deinit(ends[i]); /* nobody listens: both are tried again and again */
        assert_int_equal(kith_socket_connect(scene->client.socket, round.endpoints[i], NULL), 0);
    }
    assert_int_equal(kith_socket_peers(scene->client.socket, end_both, &round), 0);
    assert_int_equal(round.told, 1);
}

static int free_loop(kith_socket *socket, const struct kith_peer_info *info, void *userdata) {
    struct round *round = userdata;
    round->told++;
    round->scene->world.loop = kith_loop_free(round->scene->world.loop);
    return 0;
}

static void test_a_round_ends_with_its_loop(void **state) {
    struct scene *scene = *state;
    struct round round = {.scene = scene};
    serve(scene, KITH_PULL);
    join(scene, &scene->client, KITH_PUSH);
    join(scene, &scene->other, KITH_PUSH);
    assert_int_equal(kith_socket_peers(scene->server.socket, free_loop, &round), 0);
    assert_int_equal(round.told, 1);
}

/* A connection may be handed on: who wrote last is whom the kernel vouches for. */
static void test_the_origin_of_a_peer_is_who_wrote_last(void **state) {
    struct scene *scene = *state;
    struct round round = {.scene = scene};
    serve(scene, KITH_PULL);
    int fd = raw_peer(&scene->world, &scene->server, "PUSH", NULL);
    assert_int_equal(kith_socket_peers(scene->server.socket, note_peer, &round), 0);
    assert_int_equal(round.pid, getpid());
    pid_t pid = raw_text_forked(fd, "\0\1x");
    expect_words(&scene->server, "x");
    assert_int_equal(kith_socket_peers(scene->server.socket, note_peer, &round), 0);
    assert_int_equal(round.pid, pid);
    assert_int_equal(round.told, 2);
    close(fd);
}

static void fail_request(kith_socket *socket, const struct kith_event *event, void *userdata) {
    struct node *node = userdata;
    struct round *round = node->extra;
    node_event(socket, event, userdata);
    if (event->type == KITH_EVENT_DISCONNECTED)
        round->r = kith_socket_fail_request(socket, "asker", 5, "nobody works here");
}

/* It is known by its routing id until all has been told of it. */
static void test_a_peer_that_goes_is_not_told_of_its_request(void **state) {
    static const struct kith_socket_handler handler = {.event = fail_request};
    struct scene *scene = *state;
    for (int kicked = 0; kicked < 2; kicked++) {
        struct round round = {.scene = scene};
        serve(scene, KITH_ROUTER);
        scene->server.extra = &round;
        kith_socket_set_handler(scene->server.socket, &handler, &scene->server);
        node_init(&scene->world, &scene->client, KITH_REQ, &quiet_handler);
        node_id(&scene->client, "asker");
        node_connect(&scene->client, &scene->server);
        until_event(scene, &scene->server, KITH_EVENT_CONNECTED);
        if (kicked)
            assert_int_equal(kith_socket_kick(scene->server.socket, node_session(&scene->server)->peer, NULL), 0);
        else
            node_deinit(&scene->client);
        until_event(scene, &scene->server, KITH_EVENT_DISCONNECTED);
        assert_int_equal(round.r, -EHOSTUNREACH);
        node_deinit(&scene->client);
        node_deinit(&scene->server);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ROW(test_a_peer_that_has_gone_meanwhile_is_not_told_of, "ipc"),
        ROW(test_a_peer_that_has_gone_meanwhile_is_not_told_of, "inproc"),
        ROWS(test_a_round_ends_with_its_loop),
        ROW(test_the_origin_of_a_peer_is_who_wrote_last, "ipc"),
        ROWS(test_a_peer_that_goes_is_not_told_of_its_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
