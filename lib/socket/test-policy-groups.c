/* socket/test-policy-groups.c: what a policy says of groups, as topics, and of the size of a message, to a DISH and to a RADIO: over UDP,
 * where each datagram is asked about, and where there are connections. The size is the group's and the body's together. */
#include "socket/testing-scene.h"

static int say(struct node *node, const char *group, const char *text) {
    kith_msg *msg = words(text);
    assert_int_equal(kith_msg_set_group(msg, group), 0);
    int r = kith_socket_send(node->socket, msg, 10000);
    if (r < 0)
        kith_msg_free(msg);
    return r;
}

static void hear(struct node *node, const char *group, const char *text) {
    kith_msg *msg = NULL;
    assert_int_equal(kith_socket_recv(node->socket, &msg, 10000), 0);
    assert_words(msg, text);
    assert_string_equal(kith_msg_group(msg), group);
    kith_msg_free(msg);
}

/* A DISH, bound, and a RADIO of which it hears both groups. */
static void tune(struct scene *scene) {
    bool datagrams = strncmp(scene->endpoint, "udp", 3) == 0;
    node_init(&scene->world, &scene->dish, KITH_DISH, &quiet_handler);
    node_bind(&scene->dish, scene->endpoint);
    assert_int_equal(kith_socket_join(scene->dish.socket, "public"), 0);
    assert_int_equal(kith_socket_join(scene->dish.socket, "secret"), 0);
    node_init(&scene->world, &scene->radio, KITH_RADIO, &quiet_handler);
    node_connect(&scene->radio, &scene->dish);
    if (!datagrams)
        until(&scene->world, scene->radio.events[KITH_EVENT_SUBSCRIBED] == 2);
}

static void test_a_dish_judges_by_group(void **state) {
    struct scene *scene = *state;
    tune(scene);
    node_policy(&scene->dish, false, KITH_VERB_SEND, "topic=secret");
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(say(&scene->radio, "secret", "x"), 0);
        assert_int_equal(say(&scene->radio, "public", "x"), 0);
        hear(&scene->dish, "public", "x");
        assert_int_equal(scene->dish.events[KITH_EVENT_DENIED_SEND], i);
    }
    expect_nothing(&scene->world, &scene->dish);
    node_policy(&scene->dish, false, KITH_VERB_SEND, "topic=public");
    assert_int_equal(say(&scene->radio, "public", "y"), 0);
    assert_int_equal(say(&scene->radio, "secret", "y"), 0);
    hear(&scene->dish, "secret", "y");
    expect_nothing(&scene->world, &scene->dish);
}

static void test_a_dish_judges_by_size(void **state) {
    struct scene *scene = *state;
    tune(scene);
    node_policy(&scene->dish, false, KITH_VERB_SEND, "size=11-2G");
    assert_int_equal(say(&scene->radio, "public", "12345"), 0);
    assert_int_equal(say(&scene->radio, "public", "1234"), 0);
    assert_int_equal(say(&scene->radio, "secret", "123456789"), 0);
    assert_int_equal(say(&scene->radio, "secret", ""), 0);
    hear(&scene->dish, "public", "1234");
    hear(&scene->dish, "secret", "");
    expect_nothing(&scene->world, &scene->dish);
    assert_int_equal(scene->dish.events[KITH_EVENT_DENIED_SEND], 2);
}

/* What is denied is passed over: sending succeeds, and nothing is lost to a full queue. */
static void expect_passed_over(struct scene *scene, const char *conditions) {
    tune(scene);
    node_policy(&scene->radio, false, KITH_VERB_RECEIVE, conditions);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(say(&scene->radio, "secret", "12345"), 0);
        assert_int_equal(say(&scene->radio, "public", "1234"), 0);
        hear(&scene->dish, "public", "1234");
    }
    expect_nothing(&scene->world, &scene->dish);
    assert_int_equal(scene->radio.counts[KITH_EVENT_DENIED_RECEIVE], 2);
    assert_int_equal(scene->radio.counts[KITH_EVENT_DROPPED], 0);
    kith_socket_set_policy(scene->radio.socket, NULL);
    assert_int_equal(say(&scene->radio, "secret", "12345"), 0);
    hear(&scene->dish, "secret", "12345");
}

static void test_a_radio_judges_by_group(void **state) {
    expect_passed_over(*state, "topic=sec*");
}

static void test_a_radio_judges_by_size(void **state) {
    expect_passed_over(*state, "size=11-2G");
}

static void test_a_rate_of_groups_holds(void **state) {
    struct scene *scene = *state;
    tune(scene);
    node_policy(&scene->dish, true, KITH_VERB_SEND, "topic=public;rate=2/h");
    for (int i = 0; i < 4; i++)
        assert_int_equal(say(&scene->radio, "public", "x"), 0);
    assert_int_equal(say(&scene->radio, "secret", "x"), 0);
    hear(&scene->dish, "public", "x");
    hear(&scene->dish, "public", "x");
    expect_nothing(&scene->world, &scene->dish);
    assert_int_equal(scene->dish.events[KITH_EVENT_DENIED_SEND], 3);
}

#define GROUP_ROWS(test) ROW(test, "udp://127.0.0.1:*"), ROW(test, "udp://lo;239.255.8.3:*"), ROW(test, "ipc"), ROW(test, "inproc")

int main(void) {
    const struct CMUnitTest tests[] = {
        GROUP_ROWS(test_a_dish_judges_by_group), GROUP_ROWS(test_a_dish_judges_by_size),  GROUP_ROWS(test_a_radio_judges_by_group),
        GROUP_ROWS(test_a_radio_judges_by_size), GROUP_ROWS(test_a_rate_of_groups_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
