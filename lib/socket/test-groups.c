/*
 * socket/test-groups.c: RADIO and DISH over streams and over UDP: kith to kith, and in raw octets, because the packaged libzmq is built
 * without them.
 */
#include "socket/testing-scene.h"

#include <net/if.h>
#include <netinet/in.h>

static void say(struct node *node, const char *group, const char *text) {
    kith_msg *msg = words(text);
    assert_int_equal(kith_msg_set_group(msg, group), 0);
    assert_int_equal(kith_socket_send(node->socket, msg, 10000), 0);
}

static void hear(struct node *node, const char *group, const char *text) {
    kith_msg *msg = NULL;
    size_t size;
    assert_int_equal(kith_socket_recv(node->socket, &msg, 10000), 0);
    assert_int_equal(kith_msg_count(msg), 1);
    const uint8_t *body = kith_msg_frame(msg, 0, &size);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(body, text, size);
    assert_string_equal(kith_msg_group(msg), group);
    kith_msg_free(msg);
}

/* Over streams ------------------------------------------------------------------------------------------------------------ */

static void test_messages_go_to_those_that_joined_their_group(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_RADIO);
    join(scene, &scene->dish, KITH_DISH);
    join(scene, &scene->other, KITH_DISH);
    assert_int_equal(kith_socket_join(scene->dish.socket, "news"), 0);
    assert_int_equal(kith_socket_join(scene->other.socket, "news"), 0);
    assert_int_equal(kith_socket_join(scene->other.socket, "sport"), 0);
    settle_down(&scene->world);
    say(&scene->radio, "new", "a prefix is no group");
    say(&scene->radio, "sport", "for one");
    say(&scene->radio, "", "for nobody");
    say(&scene->radio, "news", "for both");
    hear(&scene->dish, "news", "for both");
    hear(&scene->other, "sport", "for one");
    hear(&scene->other, "news", "for both");

    assert_int_equal(kith_socket_leave(scene->other.socket, "news"), 0);
    settle_down(&scene->world);
    say(&scene->radio, "news", "for one");
    hear(&scene->dish, "news", "for one");
    expect_nothing(&scene->world, &scene->other);
}

static void test_the_empty_group_and_the_longest_are_groups(void **state) {
    struct scene *scene = *state;
    char group[KITH_GROUP_MAX + 2];
    memset(group, 'g', sizeof(group));
    serve(scene, KITH_RADIO);
    join(scene, &scene->dish, KITH_DISH);
    group[KITH_GROUP_MAX + 1] = '\0';
    assert_int_equal(kith_socket_join(scene->dish.socket, group), -EINVAL);
    group[KITH_GROUP_MAX] = '\0';
    assert_int_equal(kith_socket_join(scene->dish.socket, group), 0);
    assert_int_equal(kith_socket_join(scene->dish.socket, ""), 0);
    settle_down(&scene->world);
    say(&scene->radio, group, "long");
    say(&scene->radio, "", "short");
    hear(&scene->dish, group, "long");
    hear(&scene->dish, "", "short");
}

static void test_a_group_is_joined_once_and_left_once(void **state) {
    struct scene *scene = *state;
    node_init(&scene->world, &scene->dish, KITH_DISH, &quiet_handler);
    node_init(&scene->world, &scene->radio, KITH_RADIO, &quiet_handler);
    assert_int_equal(kith_socket_leave(scene->dish.socket, "news"), -ENOENT);
    assert_int_equal(kith_socket_join(scene->dish.socket, "news"), 0);
    assert_int_equal(kith_socket_join(scene->dish.socket, "news"), -EEXIST);
    assert_int_equal(kith_socket_leave(scene->dish.socket, "news"), 0);
    assert_int_equal(kith_socket_leave(scene->dish.socket, "news"), -ENOENT);
    assert_int_equal(kith_socket_join(scene->radio.socket, "news"), -ENOTSUP);
    assert_int_equal(kith_socket_subscribe(scene->dish.socket, "news", 4), -ENOTSUP);
}

static void test_each_end_has_one_direction_and_one_frame(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_RADIO);
    join(scene, &scene->dish, KITH_DISH);
    expect_error(&scene->radio, -ENOTSUP);
    assert_int_equal(try_words(&scene->dish, "back", 0), -ENOTSUP);
    assert_int_equal(try_words(&scene->radio, "one|two", 0), -EINVAL);
}

static void test_a_new_radio_is_told_all_groups(void **state) {
    struct scene *scene = *state;
    char endpoint[KITH_ENDPOINT_MAX];
    serve(scene, KITH_RADIO);
    (void)snprintf(endpoint, sizeof(endpoint), "%s", kith_socket_last_endpoint(scene->radio.socket));
    node_init(&scene->world, &scene->dish, KITH_DISH, &quiet_handler);
    node_option(&scene->dish, KITH_OPTION_RECONNECT_MIN, 5);
    node_option(&scene->dish, KITH_OPTION_RECONNECT_MAX, 20);
    assert_int_equal(kith_socket_join(scene->dish.socket, "one"), 0);
    assert_int_equal(kith_socket_join(scene->dish.socket, "two"), 0);
    node_connect(&scene->dish, &scene->radio);
    for (int i = 0; i < 2; i++) { /* the second time after a loss */
        until(&scene->world, kith_socket_peer_count(scene->dish.socket) == 1 && kith_socket_peer_count(scene->radio.socket) == 1);
        settle_down(&scene->world);
        say(&scene->radio, "two", "2");
        say(&scene->radio, "one", "1");
        hear(&scene->dish, "two", "2");
        hear(&scene->dish, "one", "1");
        node_deinit(&scene->radio);
        until(&scene->world, kith_socket_peer_count(scene->dish.socket) == 0);
        node_init(&scene->world, &scene->radio, KITH_RADIO, &quiet_handler);
        assert_int_equal(kith_socket_bind(scene->radio.socket, endpoint, NULL), 0);
    }
}

static void test_a_dish_that_does_not_take_loses_messages_and_nobody_waits(void **state) {
    struct scene *scene = *state;
    static char big[16 * 1024 + 1];
    memset(big, 'b', sizeof(big) - 1);
    serve(scene, KITH_RADIO);
    join(scene, &scene->dish, KITH_DISH);
    join(scene, &scene->other, KITH_DISH);
    assert_int_equal(kith_socket_join(scene->dish.socket, "g"), 0);
    assert_int_equal(kith_socket_join(scene->other.socket, "h"), 0);
    settle_down(&scene->world);
    unsigned sent = 0;
    for (; scene->radio.events[KITH_EVENT_DROPPED] == 0; sent++) {
        kith_msg *msg = words(big);
        assert_int_equal(kith_msg_set_group(msg, "g"), 0);
        assert_int_equal(kith_socket_send(scene->radio.socket, msg, 0), 0);
        assert_true(sent < 100000);
    }
    assert_int_equal(scene->radio.errors[KITH_EVENT_DROPPED], -EAGAIN);
    say(&scene->radio, "h", "the other hears");
    hear(&scene->other, "h", "the other hears");
    for (unsigned i = 0; i < sent - scene->radio.counts[KITH_EVENT_DROPPED]; i++)
        hear(&scene->dish, "g", big);
    expect_nothing(&scene->world, &scene->dish);
}

static void end_everything(struct node *node) {
    node_deinit(node);
}

static void test_a_radio_may_be_freed_when_it_is_told_of_a_drop(void **state) {
    struct scene *scene = *state;
    static char big[64 * 1024 + 1];
    memset(big, 'b', sizeof(big) - 1);
    serve(scene, KITH_RADIO);
    node_option(&scene->radio, KITH_OPTION_SEND_HWM, 1);
    join(scene, &scene->dish, KITH_DISH);
    join(scene, &scene->other, KITH_DISH);
    assert_int_equal(kith_socket_join(scene->dish.socket, "g"), 0);
    assert_int_equal(kith_socket_join(scene->other.socket, "g"), 0);
    settle_down(&scene->world);
    scene->radio.on_other = end_everything;
    for (int i = 0; scene->radio.socket; i++) {
        kith_msg *msg = words(big);
        assert_int_equal(kith_msg_set_group(msg, "g"), 0);
        assert_int_equal(kith_socket_send(scene->radio.socket, msg, 0), 0);
        assert_true(i < 100000);
    }
}

static void test_groups_have_a_limit_a_peer(void **state) {
    struct scene *scene = *state;
    char group[16];
    serve(scene, KITH_RADIO);
    node_option(&scene->radio, KITH_OPTION_MAX_SUBSCRIPTIONS, 100);
    join(scene, &scene->dish, KITH_DISH);
    for (int i = 0; i < 150; i++) {
        (void)snprintf(group, sizeof(group), "group %d", i);
        assert_int_equal(kith_socket_join(scene->dish.socket, group), 0);
    }
    settle_down(&scene->world);
    say(&scene->radio, "group 149", "refused");
    say(&scene->radio, "group 99", "taken");
    hear(&scene->dish, "group 99", "taken");
    assert_int_equal(scene->radio.events[KITH_EVENT_SUBSCRIPTIONS_REFUSED], 6); /* at 1, 2, 4, 8, 16 and 32 of 50 */
    assert_int_equal(scene->radio.counts[KITH_EVENT_SUBSCRIPTIONS_REFUSED], 32);
}

/* In raw octets ----------------------------------------------------------------------------------------------------------------- */

static size_t await(struct scene *scene, int fd, uint8_t *octets, size_t room, size_t wanted) {
    bool over = false;
    size_t size = 0;
    until(&scene->world, (size += slurp(fd, octets + size, room - size, &over)) >= wanted);
    return size;
}

static void test_a_dish_says_join_and_leave_as_commands(void **state) {
    struct scene *scene = *state;
    uint8_t octets[1024];
    char group[KITH_GROUP_MAX + 1];
    node_init(&scene->world, &scene->dish, KITH_DISH, &quiet_handler);
    node_bind(&scene->dish, "ipc");
    int fd = raw_peer(&scene->world, &scene->dish, "RADIO", NULL);
    assert_int_equal(kith_socket_join(scene->dish.socket, "A"), 0);
    assert_int_equal(await(scene, fd, octets, sizeof(octets), 8), 8);
    assert_memory_equal(octets, "\x04\x06\x04JOINA", 8);
    assert_int_equal(kith_socket_leave(scene->dish.socket, "A"), 0);
    assert_int_equal(await(scene, fd, octets, sizeof(octets), 9), 9);
    assert_memory_equal(octets, "\x04\x07\x05LEAVEA", 9);
    memset(group, 'g', KITH_GROUP_MAX);
    group[KITH_GROUP_MAX] = '\0';
    assert_int_equal(kith_socket_join(scene->dish.socket, group), 0); /* 260 octets: a long command */
    assert_int_equal(await(scene, fd, octets, sizeof(octets), 9 + 260), 9 + 260);
    assert_memory_equal(octets, "\x06\0\0\0\0\0\0\x01\x04\x04JOINg", 15);

    raw_text(fd, "\x01\xff"); /* the group, more, the body */
    raw_send(fd, group, KITH_GROUP_MAX);
    raw_text(fd, "\x00\x04"
                 "body");
    hear(&scene->dish, group, "body");
    close(fd);
}

static void test_what_is_no_message_of_a_radio_is_dropped(void **state) {
    struct scene *scene = *state;
    uint8_t octets[512];
    node_init(&scene->world, &scene->dish, KITH_DISH, &quiet_handler);
    assert_int_equal(kith_socket_join(scene->dish.socket, "g"), 0);
    node_bind(&scene->dish, "ipc");
    int fd = raw_connect(&scene->dish);
    raw_handshake(fd, 1, "RADIO", NULL);
    raw_text(fd, "\x00\x01g"); /* no body */
    raw_text(fd, "\x01\x01g\x01\x01"
                 "a\x00\x01"
                 "b"); /* three frames */
    raw_text(fd, "\x01\x01h\x00\x01"
                 "b"); /* another group */
    raw_text(fd, "\x01\x02g\0\x00\x01"
                 "b"); /* a NUL makes another one */
    memset(octets, 'g', 256);
    raw_text(fd, "\x03\0\0\0\0\0\0\x01\0"); /* 256 octets of group */
    raw_send(fd, octets, 256);
    raw_text(fd, "\x00\x01"
                 "b");
    raw_text(fd, "\x01\x01g\x00\x02ok");
    hear(&scene->dish, "g", "ok");
    assert_int_equal(scene->dish.events[KITH_EVENT_DROPPED], 3);
    close(fd);
}

static void test_a_radio_sends_two_frames_to_whom_joined(void **state) {
    struct scene *scene = *state;
    uint8_t octets[512];
    bool over = false;
    node_init(&scene->world, &scene->radio, KITH_RADIO, &quiet_handler);
    node_bind(&scene->radio, "ipc");
    int fd = raw_peer(&scene->world, &scene->radio, "DISH", NULL);
    raw_text(fd, "\x04\x06\x04JOINA\x04\x06\x04JOINA"); /* twice is once */
    settle_down(&scene->world);
    say(&scene->radio, "B", "unheard");
    say(&scene->radio, "A", "heard");
    assert_int_equal(await(scene, fd, octets, sizeof(octets), 10), 10);
    assert_memory_equal(octets,
                        "\x01\x01"
                        "A\x00\x05"
                        "heard",
                        10);
    raw_text(fd, "\x04\x07\x05LEAVEB\x04\x07\x05LEAVEA\x04\x07\x05LEAVEA");
    settle_down(&scene->world);
    say(&scene->radio, "A", "unheard");
    raw_text(fd, "\x00\x05noise"); /* a dish says nothing */
    until(&scene->world, scene->radio.events[KITH_EVENT_DROPPED] == 1);
    settle_down(&scene->world);
    assert_int_equal(slurp(fd, octets, sizeof(octets), &over), 0);
    assert_false(over);
    close(fd);
}

/* Over UDP ------------------------------------------------------------------------------------------------------------------------ */

/* The dish bound to scene->endpoint, the radio connected to it. */
static void tune_udp(struct scene *scene) {
    char endpoint[KITH_ENDPOINT_MAX];
    node_init(&scene->world, &scene->dish, KITH_DISH, &quiet_handler);
    node_bind(&scene->dish, scene->endpoint);
    (void)snprintf(endpoint, sizeof(endpoint), "%s", kith_socket_last_endpoint(scene->dish.socket));
    node_init(&scene->world, &scene->radio, KITH_RADIO, &quiet_handler);
    struct kith_error error = KITH_ERROR_NONE;
    if (kith_socket_connect(scene->radio.socket, endpoint, &error) < 0)
        fail_msg("%s", error.text);
    assert_string_equal(kith_socket_last_endpoint(scene->radio.socket), endpoint);
}

static unsigned port_of(const struct node *node) {
    return (unsigned)strtoul(strrchr(kith_socket_last_endpoint(node->socket), ':') + 1, NULL, 10);
}

static void test_datagrams_are_heard_by_their_group(void **state) {
    struct scene *scene = *state;
    tune_udp(scene);
    assert_int_equal(kith_socket_join(scene->dish.socket, "news"), 0);
    say(&scene->radio, "news", "at once"); /* nothing has to be waited for */
    say(&scene->radio, "sport", "not joined");
    say(&scene->radio, "news", "");
    hear(&scene->dish, "news", "at once");
    hear(&scene->dish, "news", "");
    assert_int_equal(kith_socket_leave(scene->dish.socket, "news"), 0);
    assert_int_equal(kith_socket_join(scene->dish.socket, ""), 0);
    say(&scene->radio, "news", "left");
    say(&scene->radio, "", "the empty group");
    hear(&scene->dish, "", "the empty group");
    assert_int_equal(scene->dish.events[KITH_EVENT_DROPPED], 0);
    assert_int_equal(scene->dish.events[KITH_EVENT_CONNECTED] + scene->radio.events[KITH_EVENT_CONNECTED], 0); /* nobody has */
    assert_int_equal(scene->dish.events[KITH_EVENT_LISTENING], 1);
}

static void test_each_datagram_has_its_origin(void **state) {
    struct scene *scene = *state;
    kith_msg *msg = NULL;
    const char *text;
    uint64_t number;
    tune_udp(scene);
    assert_int_equal(kith_socket_join(scene->dish.socket, "g"), 0);
    say(&scene->radio, "g", "x");
    assert_int_equal(kith_socket_recv(scene->dish.socket, &msg, 10000), 0);
    kith_origin *origin = kith_msg_origin(msg);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_INTERFACE, &text), KITH_WITNESS_KERNEL_MESSAGE);
    assert_string_equal(text, "lo");
    assert_int_equal(kith_origin_text(origin, KITH_FACT_DESTINATION, &text), KITH_WITNESS_KERNEL_MESSAGE);
    /* Where it was sent to: the endpoint without scheme and interface. */
    const char *endpoint = kith_socket_last_endpoint(scene->dish.socket);
    const char *semicolon = strchr(endpoint, ';');
    assert_string_equal(text, semicolon ? semicolon + 1 : endpoint + strlen("udp://"));
    assert_int_equal(kith_origin_text(origin, KITH_FACT_ADDRESS, &text), KITH_WITNESS_KERNEL_MESSAGE);
    assert_int_equal(kith_origin_number(origin, KITH_FACT_TTL, &number), KITH_WITNESS_KERNEL_MESSAGE);
    assert_int_equal(number, semicolon ? 1 : 64);
    assert_int_equal(kith_origin_number(origin, KITH_FACT_TIME, NULL), KITH_WITNESS_KERNEL_MESSAGE);
    assert_int_equal(kith_origin_pid(origin, NULL), KITH_WITNESS_NONE);
    kith_msg_free(msg);
}

static void test_policy_decides_on_each_datagram(void **state) {
    struct scene *scene = *state;
    kith_policy *policy;
    assert_int_equal(kith_policy_new(&policy), 0); /* no rule: everything is denied */
    tune_udp(scene);
    assert_int_equal(kith_socket_join(scene->dish.socket, "g"), 0);
    kith_socket_set_policy(scene->dish.socket, policy);
    say(&scene->radio, "g", "denied");
    until(&scene->world, scene->dish.events[KITH_EVENT_DENIED_CONNECT] == 1);
    assert_non_null(strstr(scene->dish.texts[KITH_EVENT_DENIED_CONNECT], "address "));
    kith_socket_set_policy(scene->dish.socket, NULL);
    say(&scene->radio, "g", "allowed");
    hear(&scene->dish, "g", "allowed");
    kith_policy_unref(policy);
}

static void test_what_does_not_fit_into_a_datagram_is_told(void **state) {
    struct scene *scene = *state;
    static char big[65506 + 1];
    tune_udp(scene);
    assert_int_equal(kith_socket_join(scene->dish.socket, "g"), 0);
    memset(big, 'b', 65506);
    big[65505] = '\0';
    say(&scene->radio, "g", big); /* with length and group 65507 octets */
    hear(&scene->dish, "g", big);
    big[65505] = 'b';
    say(&scene->radio, "g", big);
    until(&scene->world, scene->radio.events[KITH_EVENT_DROPPED] == 1);
    assert_int_equal(scene->radio.errors[KITH_EVENT_DROPPED], -EMSGSIZE);
    say(&scene->radio, "g", "small");
    hear(&scene->dish, "g", "small");
}

static void test_nobody_there_is_told(void **state) {
    struct scene *scene = *state;
    tune_udp(scene);
    assert_int_equal(kith_socket_unbind(scene->dish.socket, kith_socket_last_endpoint(scene->dish.socket)), 0);
    assert_int_equal(scene->dish.events[KITH_EVENT_UNBOUND], 1);
    assert_int_equal(kith_socket_peer_count(scene->dish.socket), 0);
    say(&scene->radio, "g", "into the void");
    until(&scene->world, scene->radio.events[KITH_EVENT_DROPPED] > 0);
    assert_int_equal(scene->radio.errors[KITH_EVENT_DROPPED], -ECONNREFUSED);
    assert_int_equal(kith_socket_peer_count(scene->radio.socket), 1); /* it goes on */
}

static void test_a_closed_radio_still_sends(void **state) {
    struct scene *scene = *state;
    tune_udp(scene);
    assert_int_equal(kith_socket_join(scene->dish.socket, "g"), 0);
    kith_msg *msg = words("last words");
    assert_int_equal(kith_msg_set_group(msg, "g"), 0);
    assert_int_equal(kith_socket_send(scene->radio.socket, msg, 0), 0);
    scene->radio.socket = kith_socket_close(scene->radio.socket);
    hear(&scene->dish, "g", "last words");
}

static void test_a_drained_radio_has_sent_all(void **state) {
    struct scene *scene = *state;
    tune_udp(scene);
    assert_int_equal(kith_socket_join(scene->dish.socket, "g"), 0);
    for (int i = 0; i < 100; i++)
        say(&scene->radio, "g", "word");
    assert_int_equal(kith_socket_drain(scene->radio.socket, 10000), 0);
    for (int i = 0; i < 100; i++)
        hear(&scene->dish, "g", "word");
}

static void test_only_radio_and_dish_have_datagrams(void **state) {
    struct scene *scene = *state;
    struct kith_error error = KITH_ERROR_NONE;
    node_init(&scene->world, &scene->dish, KITH_DISH, &quiet_handler);
    node_init(&scene->world, &scene->radio, KITH_RADIO, &quiet_handler);
    node_init(&scene->world, &scene->other, KITH_PUSH, &quiet_handler);
    assert_int_equal(kith_socket_connect(scene->dish.socket, "udp://127.0.0.1:5555", &error), -EPROTONOSUPPORT);
    assert_int_equal(kith_socket_bind(scene->radio.socket, "udp://127.0.0.1:*", &error), -EPROTONOSUPPORT);
    assert_int_equal(kith_socket_connect(scene->other.socket, "udp://127.0.0.1:5555", &error), -EPROTONOSUPPORT);
    assert_non_null(strstr(error.text, "a PUSH cannot connect over udp: a RADIO connects there, a DISH binds"));
    assert_int_equal(kith_socket_bind(scene->dish.socket, "udp://192.0.2.1:*", &error), -EADDRNOTAVAIL);
    assert_int_equal(kith_socket_peer_count(scene->dish.socket), 0);
}

static void test_nothing_goes_out_in_the_clear_that_should_not(void **state) {
    static const enum kith_option flags[] = {KITH_OPTION_PLAIN_SERVER, KITH_OPTION_CURVE_SERVER};
    struct scene *scene = *state;
    struct kith_error error = KITH_ERROR_NONE;
    uint8_t key[32] = {1};
    node_init(&scene->world, &scene->dish, KITH_DISH, &quiet_handler);
    assert_int_equal(kith_socket_set_octets(scene->dish.socket, KITH_OPTION_CURVE_SECRET_KEY, key, sizeof(key), &error), 0);
    for (size_t i = 0; i < 2; i++) {
        node_option(&scene->dish, flags[i], 1);
        assert_int_equal(kith_socket_bind(scene->dish.socket, "udp://127.0.0.1:*", &error), -EPROTONOSUPPORT);
        assert_non_null(strstr(error.text, "neither PLAIN, CURVE nor ZAP"));
        node_option(&scene->dish, flags[i], 0);
    }
    node_bind(&scene->dish, "udp://127.0.0.1:*");
    node_init(&scene->world, &scene->radio, KITH_RADIO, &quiet_handler);
    assert_int_equal(kith_socket_set_octets(scene->radio.socket, KITH_OPTION_CURVE_SECRET_KEY, key, sizeof(key), &error), 0);
    assert_int_equal(kith_socket_set_octets(scene->radio.socket, KITH_OPTION_CURVE_SERVER_KEY, key, sizeof(key), &error), 0);
    assert_int_equal(kith_socket_connect(scene->radio.socket, kith_socket_last_endpoint(scene->dish.socket), &error), -EPROTONOSUPPORT);
}

static int udp_client(const struct scene *scene) {
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port_of(&scene->dish)), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* One octet with the group's length, the group, the body. */
static void test_on_the_wire_a_datagram_is_group_and_body(void **state) {
    struct scene *scene = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    uint8_t octets[600];
    char endpoint[64], group[KITH_GROUP_MAX + 1];
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(endpoint, sizeof(endpoint), "udp://127.0.0.1:%u", ntohs(address.sin_port));
    node_init(&scene->world, &scene->radio, KITH_RADIO, &quiet_handler);
    assert_int_equal(kith_socket_connect(scene->radio.socket, endpoint, NULL), 0);
    say(&scene->radio, "group", "body");
    assert_int_equal(recv(fd, octets, sizeof(octets), 0), 10);
    assert_memory_equal(octets, "\x05groupbody", 10);
    say(&scene->radio, "", "");
    assert_int_equal(recv(fd, octets, sizeof(octets), 0), 1);
    assert_int_equal(octets[0], 0);
    memset(group, 'g', KITH_GROUP_MAX);
    group[KITH_GROUP_MAX] = '\0';
    say(&scene->radio, group, "b");
    assert_int_equal(recv(fd, octets, sizeof(octets), 0), 257);
    assert_int_equal(octets[0], 255);
    assert_int_equal(octets[256], 'b');
    close(fd);
}

static void test_what_is_no_datagram_of_a_radio_is_dropped(void **state) {
    struct scene *scene = *state;
    tune_udp(scene);
    assert_int_equal(kith_socket_join(scene->dish.socket, "group"), 0);
    int fd = udp_client(scene);
    assert_int_equal(send(fd, "", 0, 0), 0);         /* empty */
    assert_int_equal(send(fd, "\x05grou", 5, 0), 5); /* the group is cut */
    assert_int_equal(send(fd, "\xff", 1, 0), 1);
    assert_int_equal(send(fd, "\x05groupok", 8, 0), 8);
    hear(&scene->dish, "group", "ok");
    assert_int_equal(scene->dish.events[KITH_EVENT_DROPPED], 3);
    assert_int_equal(scene->dish.errors[KITH_EVENT_DROPPED], -EPROTO);
    close(fd);
}

static void test_a_dish_that_is_behind_is_not_read_from(void **state) {
    struct scene *scene = *state;
    node_init(&scene->world, &scene->dish, KITH_DISH, &quiet_handler);
    node_option(&scene->dish, KITH_OPTION_RECV_HWM, 10);
    node_bind(&scene->dish, scene->endpoint);
    assert_int_equal(kith_socket_join(scene->dish.socket, "g"), 0);
    int fd = udp_client(scene);
    for (int i = 0; i < 150; i++)
        assert_int_equal(send(fd, "\x01gword", 6, 0), 6);
    settle_down(&scene->world);
    kith_msg *msg;
    unsigned count = 0;
    struct kith_session *session = node_session(&scene->dish);
    assert_in_range(session->account->messages, 10, 42); /* a batch is taken whole */
    while (count < 150) {
        assert_int_equal(kith_socket_recv(scene->dish.socket, &msg, 10000), 0);
        kith_msg_free(msg);
        count++;
    }
    close(fd);
}

#define UDP_ROWS(test) ROW(test, "udp://127.0.0.1:*"), ROW(test, "udp://lo;239.255.8.1:*")

int main(void) {
    const struct CMUnitTest tests[] = {
        ROWS(test_messages_go_to_those_that_joined_their_group),
        ROWS(test_the_empty_group_and_the_longest_are_groups),
        ROW(test_a_group_is_joined_once_and_left_once, "ipc"),
        ROWS(test_each_end_has_one_direction_and_one_frame),
        ROWS(test_a_new_radio_is_told_all_groups),
        ROWS(test_a_dish_that_does_not_take_loses_messages_and_nobody_waits),
        ROW(test_a_radio_may_be_freed_when_it_is_told_of_a_drop, "ipc"),
        ROWS(test_groups_have_a_limit_a_peer),
        ROW(test_a_dish_says_join_and_leave_as_commands, "ipc"),
        ROW(test_what_is_no_message_of_a_radio_is_dropped, "ipc"),
        ROW(test_a_radio_sends_two_frames_to_whom_joined, "ipc"),
        UDP_ROWS(test_datagrams_are_heard_by_their_group),
        UDP_ROWS(test_each_datagram_has_its_origin),
        UDP_ROWS(test_policy_decides_on_each_datagram),
        ROW(test_what_does_not_fit_into_a_datagram_is_told, "udp://127.0.0.1:*"),
        ROW(test_nobody_there_is_told, "udp://127.0.0.1:*"),
        UDP_ROWS(test_a_closed_radio_still_sends),
        UDP_ROWS(test_a_drained_radio_has_sent_all),
        ROW(test_only_radio_and_dish_have_datagrams, "udp"),
        ROW(test_nothing_goes_out_in_the_clear_that_should_not, "udp"),
        ROW(test_on_the_wire_a_datagram_is_group_and_body, "udp"),
        ROW(test_what_is_no_datagram_of_a_radio_is_dropped, "udp://127.0.0.1:*"),
        ROW(test_a_dish_that_is_behind_is_not_read_from, "udp://127.0.0.1:*"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
