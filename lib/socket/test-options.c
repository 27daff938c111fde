/* socket/test-options.c: every option has a name, a range and a default, and refuses what is out of it. */
#include "socket/testing.h"

struct scene {
    struct world world; /* first: the world's helpers take it */
    struct node node, other;
};

static int scene_setup(void **state) {
    struct scene *scene = world_new(state, sizeof(*scene));
    if (!scene)
        return -1;
    node_init(&scene->world, &scene->node, KITH_DEALER, &quiet_handler);
    return 0;
}

static int scene_teardown(void **state) {
    struct scene *scene = *state;
    node_deinit(&scene->other);
    node_deinit(&scene->node);
    return world_teardown(state);
}

static void test_the_table_has_each_option_once(void **state) {
    size_t count;
    const struct kith_option_info *infos = kith_socket_options(&count);
    unsigned seen[KITH_OPTION_COUNT_] = {0};
    assert_int_equal(count, KITH_OPTION_COUNT_);
    for (size_t i = 0; i < count; i++) {
        seen[infos[i].option]++;
        assert_true(infos[i].name[0] != '\0' && infos[i].summary[0] != '\0');
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(infos[i].name, infos[j].name);
    }
    for (size_t i = 0; i < KITH_OPTION_COUNT_; i++)
        assert_int_equal(seen[i], 1);
}

static void test_numbers_begin_with_their_default_and_keep_to_their_range(void **state) {
    struct scene *scene = *state;
    size_t count;
    const struct kith_option_info *info = kith_socket_options(&count);
    for (const struct kith_option_info *end = info + count; info < end; info++) {
        struct kith_error error = KITH_ERROR_NONE;
        int64_t value = -1;
        if (info->type != KITH_OPTION_TYPE_NUMBER && info->type != KITH_OPTION_TYPE_FLAG)
            continue;
        assert_int_equal(kith_socket_get_number(scene->node.socket, info->option, &value), 0);
        assert_int_equal(value, info->default_value);
        assert_true(info->min <= value && value <= info->max);
        assert_int_equal(kith_socket_set_number(scene->node.socket, info->option, info->min - 1, &error), -ERANGE);
        assert_non_null(strstr(error.text, info->name));
        assert_int_equal(kith_socket_set_number(scene->node.socket, info->option, info->max + 1, NULL), -ERANGE);
        assert_int_equal(kith_socket_set_number(scene->node.socket, info->option, INT64_MIN, NULL), -ERANGE);
        assert_int_equal(kith_socket_get_number(scene->node.socket, info->option, &value), 0);
        assert_int_equal(value, info->default_value);
        const int64_t ends[] = {info->min, info->max};
        for (size_t i = 0; i < KITH_ARRAY_SIZE(ends); i++) {
            assert_int_equal(kith_socket_set_number(scene->node.socket, info->option, ends[i], NULL), 0);
            assert_int_equal(kith_socket_get_number(scene->node.socket, info->option, &value), 0);
            assert_int_equal(value, ends[i]);
        }
    }
}

static void test_what_is_no_such_option_is_refused(void **state) {
    struct scene *scene = *state;
    int64_t value = 4711;
    kith_socket *socket = scene->node.socket;
    assert_int_equal(kith_socket_set_number(socket, KITH_OPTION_COUNT_, 1, NULL), -EINVAL);
    assert_int_equal(kith_socket_set_number(socket, (enum kith_option) - 1, 1, NULL), -EINVAL);
    assert_int_equal(kith_socket_set_number(socket, KITH_OPTION_ROUTING_ID, 1, NULL), -EINVAL);
    assert_int_equal(kith_socket_get_number(socket, KITH_OPTION_ROUTING_ID, &value), -EINVAL);
    assert_int_equal(kith_socket_get_number(socket, KITH_OPTION_COUNT_, &value), -EINVAL);
    assert_int_equal(kith_socket_set_octets(socket, KITH_OPTION_SEND_HWM, "1", 1, NULL), -EINVAL);
    assert_int_equal(kith_socket_set_octets(socket, KITH_OPTION_COUNT_, "1", 1, NULL), -EINVAL);
    assert_int_equal(value, 4711);
}

static void test_a_routing_id_has_at_most_255_octets_and_no_zero_in_front(void **state) {
    struct scene *scene = *state;
    char id[256];
    kith_socket *socket = scene->node.socket;
    memset(id, 'x', sizeof(id));
    assert_int_equal(kith_socket_set_octets(socket, KITH_OPTION_ROUTING_ID, id, 255, NULL), 0);
    assert_int_equal(kith_socket_set_octets(socket, KITH_OPTION_ROUTING_ID, id, 256, NULL), -ERANGE);
    assert_int_equal(kith_socket_set_octets(socket, KITH_OPTION_ROUTING_ID, id, SIZE_MAX, NULL), -ERANGE);
    assert_int_equal(kith_socket_set_octets(socket, KITH_OPTION_ROUTING_ID, "\0x", 2, NULL), -EINVAL);
    assert_int_equal(kith_socket_set_octets(socket, KITH_OPTION_ROUTING_ID, NULL, 0, NULL), 0);
}

static void test_metadata_has_names_of_its_own(void **state) {
    struct scene *scene = *state;
    static const char *const bad[] = {"", "Identity", "socket-type", "X Name", "X:Name", "X-N\xc3\xa4me"};
    kith_socket *socket = scene->node.socket;
    char name[257];
    memset(name, 'x', sizeof(name));
    name[256] = '\0';
    for (size_t i = 0; i < KITH_ARRAY_SIZE(bad); i++)
        assert_int_equal(kith_socket_add_metadata(socket, bad[i], "x", 1, NULL), -EINVAL);
    assert_int_equal(kith_socket_add_metadata(socket, name, "x", 1, NULL), -EINVAL);
    assert_int_equal(kith_socket_add_metadata(socket, name + 1, "x", 1, NULL), 0);
    assert_int_equal(kith_socket_add_metadata(socket, "X-Big", name, SIZE_MAX, NULL), -E2BIG);
}

/* Every property and name of the largest size that is taken: the handshake must still fit. */
static void test_the_most_metadata_that_is_taken_is_told(void **state) {
    struct scene *scene = *state;
    static const char value[1024] = {1};
    char name[256];
    int r;
    memset(name, 'x', 255);
    name[255] = '\0';
    for (int i = 0; (r = kith_socket_add_metadata(scene->node.socket, name, value, sizeof(value), NULL)) == 0; i++)
        name[0] = (char)('a' + i % 26);
    assert_int_equal(r, -E2BIG);
    node_init(&scene->world, &scene->other, KITH_DEALER, &quiet_handler);
    node_bind(&scene->other, "ipc");
    node_connect(&scene->node, &scene->other);
    until(&scene->world, kith_socket_peer_count(scene->other.socket) == 1 && kith_socket_peer_count(scene->node.socket) == 1);
    send_words(&scene->node, "x");
    kith_msg *msg = NULL;
    const char *claim;
    const uint8_t *octets;
    size_t size, count = 0;
    assert_int_equal(kith_socket_recv(scene->other.socket, &msg, 10000), 0);
    while (kith_origin_claim(kith_msg_origin(msg), count, &claim, &octets, &size) > 0) {
        assert_int_equal(size, sizeof(value));
        count++;
    }
    assert_int_equal(count, KITH_PROFILE_METADATA_MAX);
    kith_msg_free(msg);
}

static void test_a_change_holds_for_connections_made_afterwards(void **state) {
    struct scene *scene = *state;
    node_bind(&scene->node, "ipc");
    for (int64_t mark = 5; mark < 7; mark++) {
        node_option(&scene->node, KITH_OPTION_RECV_HWM, mark);
        node_init(&scene->world, &scene->other, KITH_DEALER, &quiet_handler);
        node_connect(&scene->other, &scene->node);
        until(&scene->world, kith_socket_peer_count(scene->node.socket) == 1);
        struct kith_session *session = node_session(&scene->node);
        assert_int_equal(session->account->message_limit, mark);
        node_option(&scene->node, KITH_OPTION_RECV_HWM, 100);
        assert_int_equal(session->profile->numbers[KITH_OPTION_RECV_HWM], mark);
        node_deinit(&scene->other);
        until(&scene->world, kith_socket_peer_count(scene->node.socket) == 0);
    }
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_has_each_option_once),
        SCENE_TEST(test_numbers_begin_with_their_default_and_keep_to_their_range),
        SCENE_TEST(test_what_is_no_such_option_is_refused),
        SCENE_TEST(test_a_routing_id_has_at_most_255_octets_and_no_zero_in_front),
        SCENE_TEST(test_metadata_has_names_of_its_own),
        SCENE_TEST(test_the_most_metadata_that_is_taken_is_told),
        SCENE_TEST(test_a_change_holds_for_connections_made_afterwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
