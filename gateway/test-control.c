/* Tests of gateway/control.h: what one who asks may cost, who gets events and until when, and that what is left out is said. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/fd.h"
#include "base/time.h"
#include "gateway/cleanup.h"
#include "gateway/control.h"

/* Longer than anything here takes. */
#define PATIENCE_MS 20000
/* Of control.h and control.c. */
#define REQUEST_MAX ((size_t)64 * 1024)
#define LINES_MAX 1000

/* A control socket of a gateway that has one socket, a PULL with one peer, which is visited `visits` times. */
struct fixture {
    kith_loop *loop;
    struct gateway_log *log;
    int log_read, log_write;
    char endpoint[64], service[64], *listen[2];
    struct gateway_control_config config;
    struct gateway_control *control;
    kith_socket *pull, *push, *client, *other;
    unsigned visits;
    unsigned visited; /* rounds there were */
    uint64_t told;
    char text[65536];
};

static int status(void *userdata, char **ret_json) {
    *ret_json = strdup("{\"status\":true}");
    return *ret_json ? 0 : -ENOMEM;
}

static int visit(void *userdata, gateway_visit_fn fn, void *fn_userdata) {
    struct fixture *fixture = userdata;
    int r = 0;
    fixture->visited++;
    for (unsigned i = 0; r == 0 && i < fixture->visits; i++)
        r = fn("service/echo", fixture->pull, fn_userdata);
    return r;
}

static kith_socket *new_socket(struct fixture *fixture, enum kith_socket_type type) {
    kith_socket *socket;
    assert_int_equal(kith_socket_new(fixture->loop, type, &socket), 0);
    return socket;
}

static kith_socket *connect_to(struct fixture *fixture, const char *endpoint, enum kith_socket_type type) {
    kith_socket *socket = new_socket(fixture, type);
    assert_int_equal(kith_socket_connect(socket, endpoint, NULL), 0);
    return socket;
}

#define until(fixture, condition)                                                                                                          \
    do {                                                                                                                                   \
        uint64_t until_end_ = kith_time_now() + PATIENCE_MS * KITH_NS_PER_MS;                                                              \
        while (!(condition)) {                                                                                                             \
            assert_true(kith_time_now() < until_end_);                                                                                     \
            assert_true(kith_loop_step((fixture)->loop, 1000) >= 0);                                                                       \
        }                                                                                                                                  \
    } while (0)

static int set_up(void **state) {
    static unsigned count;
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    const struct gateway_control_host host = {.status = status, .visit = visit, .userdata = fixture};
    int ends[2];
    assert_non_null(fixture);
    fixture->visits = 1;
    snprintf(fixture->endpoint, sizeof(fixture->endpoint), "ipc://@kith-test-control-%d-%u", (int)getpid(), ++count);
    snprintf(fixture->service, sizeof(fixture->service), "inproc://kith-test-control-%u", count);
    fixture->listen[0] = fixture->endpoint;
    fixture->config.listen = fixture->listen;
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    fixture->log_read = ends[0];
    fixture->log_write = ends[1];
    assert_int_equal(kith_loop_new(&fixture->loop), 0);
    assert_int_equal(gateway_log_new(fixture->loop, ends[1], "test", LOG_DEBUG, &fixture->log), 0);
    assert_int_equal(gateway_control_new(fixture->loop, fixture->log, &fixture->config, &host, &fixture->control, NULL), 0);
    fixture->pull = new_socket(fixture, KITH_PULL);
    assert_int_equal(kith_socket_bind(fixture->pull, fixture->service, NULL), 0);
    fixture->push = connect_to(fixture, fixture->service, KITH_PUSH);
    fixture->client = connect_to(fixture, fixture->endpoint, KITH_DEALER);
    until(fixture, kith_socket_peer_count(fixture->client) == 1 && kith_socket_peer_count(fixture->pull) == 1);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    kith_socket *sockets[] = {fixture->client, fixture->other, fixture->push, fixture->pull};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sockets); i++)
        kith_socket_free(sockets[i]);
    gateway_control_free(fixture->control);
    gateway_log_free(fixture->log);
    kith_loop_free(fixture->loop);
    kith_close(fixture->log_read);
    kith_close(fixture->log_write);
    free(fixture);
    return 0;
}

/* What was logged since the last call. */
static const char *read_log(struct fixture *fixture) {
    ssize_t n = read(fixture->log_read, fixture->text, sizeof(fixture->text) - 1);
    fixture->text[n > 0 ? n : 0] = '\0';
    return fixture->text;
}

/* Frames are words: "hop||status". */
static void send_words(kith_socket *socket, const char *words) {
    kith_msg *msg;
    const char *end;
    assert_int_equal(kith_msg_new(&msg), 0);
    for (; (end = strchr(words, '|')); words = end + 1)
        assert_int_equal(kith_msg_add(msg, words, (size_t)(end - words)), 0);
    assert_int_equal(kith_msg_add(msg, words, strlen(words)), 0);
    assert_int_equal(kith_socket_send(socket, msg, PATIENCE_MS), 0);
}

/* To json_decref(); the message is gone. */
static json_t *json_of(kith_msg *msg) {
    size_t size;
    const void *text = kith_msg_frame(msg, kith_msg_count(msg) - 1, &size);
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    kith_msg_free(msg);
    return json;
}

/* The next answer or line. */
static json_t *receive(kith_socket *socket) {
    kith_msg *msg;
    assert_int_equal(kith_socket_recv(socket, &msg, PATIENCE_MS), 0);
    return json_of(msg);
}

static json_t *ask(kith_socket *socket, const char *words) {
    send_words(socket, words);
    return receive(socket);
}

static const char *text_of(const json_t *json, const char *key) {
    const char *text = json_string_value(json_object_get(json, key));
    return text ? text : "";
}

static json_int_t number_of(const json_t *json, const char *key) {
    return json_integer_value(json_object_get(json, key));
}

static void expect_key(json_t *json, const char *key) {
    assert_non_null(json_object_get(json, key));
    json_decref(json);
}

static void expect_error(json_t *json, const char *error) {
    assert_string_equal(text_of(json, "error"), error);
    json_decref(json);
}

static void monitor(kith_socket *socket) {
    expect_key(ask(socket, "|monitor"), "monitoring");
}

/* One event, which has the next number as its peer's. */
static void tell_text(struct fixture *fixture, const char *text) {
    const struct kith_event event = {.type = KITH_EVENT_CONNECTED, .endpoint = "ipc://@x", .peer = ++fixture->told, .text = text};
    gateway_control_tell(fixture->control, fixture->pull, &event);
}

static void tell(struct fixture *fixture) {
    tell_text(fixture, "it is here");
}

static void expect_event(kith_socket *socket, uint64_t number) {
    json_t *json = receive(socket);
    assert_string_equal(text_of(json, "event"), "connected");
    assert_string_equal(text_of(json, "where"), "service/echo");
    assert_int_equal(number_of(json, "peer"), number);
    json_decref(json);
}

static void expect_lost(kith_socket *socket, uint64_t count) {
    json_t *json = receive(socket);
    assert_string_equal(text_of(json, "event"), "lost");
    assert_int_equal(number_of(json, "count"), count);
    json_decref(json);
}

/* Nothing more has come: the next is what is asked for now. */
static void expect_nothing(kith_socket *socket) {
    expect_key(ask(socket, "|status"), "status");
}

/* Who monitors ------------------------------------------------------------------------------------------------------------ */

static void name_socket(kith_socket *socket, const char *id) {
    assert_int_equal(kith_socket_set_octets(socket, KITH_OPTION_ROUTING_ID, id, strlen(id), NULL), 0);
}

static void test_whoever_has_gone_monitors_no_more(void **state) {
    struct fixture *fixture = *state;
    fixture->other = new_socket(fixture, KITH_DEALER);
    name_socket(fixture->other, "the-name");
    assert_int_equal(kith_socket_connect(fixture->other, fixture->endpoint, NULL), 0);
    monitor(fixture->other);
    monitor(fixture->client);
    (void)read_log(fixture);
    fixture->other = kith_socket_free(fixture->other);
    until(fixture, strstr(read_log(fixture), "test: control: "));
    assert_non_null(strstr(fixture->text, "closed"));
    /* Who comes under its name has not asked. */
    fixture->other = new_socket(fixture, KITH_DEALER);
    name_socket(fixture->other, "the-name");
    assert_int_equal(kith_socket_connect(fixture->other, fixture->endpoint, NULL), 0);
    expect_nothing(fixture->other);
    tell(fixture);
    expect_nothing(fixture->other);
    expect_event(fixture->client, 1);
}

static void test_without_a_monitor_nothing_is_put_together(void **state) {
    struct fixture *fixture = *state;
    tell(fixture);
    assert_int_equal(fixture->visited, 0);
    monitor(fixture->client);
    tell(fixture);
    assert_int_equal(fixture->visited, 1);
    (void)read_log(fixture);
    fixture->client = kith_socket_free(fixture->client);
    until(fixture, strstr(read_log(fixture), "test: control: "));
    tell(fixture);
    assert_int_equal(fixture->visited, 1);
}

static void test_whom_a_new_policy_denies_monitors_no_more(void **state) {
    struct fixture *fixture = *state;
    struct gateway_control_config config = fixture->config;
    kith_policy_rule *rule;
    monitor(fixture->client);
    tell(fixture);
    assert_int_equal(kith_policy_new(&config.policy), 0);
    assert_int_equal(kith_policy_add_rule(config.policy, "nobody", false, KITH_VERB_ALL, &rule, NULL), 0);
    assert_true(gateway_control_reload(fixture->control, &config));
    kith_policy_unref(config.policy);
    (void)read_log(fixture);
    until(fixture, strstr(read_log(fixture), "denied"));
    tell(fixture);
    assert_int_equal(fixture->visited, 1);
}

static void test_whoever_asks_twice_is_told_once(void **state) {
    struct fixture *fixture = *state;
    monitor(fixture->client);
    monitor(fixture->client);
    tell(fixture);
    expect_event(fixture->client, 1);
    expect_nothing(fixture->client);
}

/* Behind one connection there may be many, by way of proxies: each has an address of its own. */
static void test_no_more_monitor_than_may(void **state) {
    struct fixture *fixture = *state;
    char words[32];
    for (unsigned i = 0; i < GATEWAY_CONTROL_PEERS; i++) {
        snprintf(words, sizeof(words), "hop%u||monitor", i);
        expect_key(ask(fixture->client, words), "monitoring");
    }
    expect_error(ask(fixture->client, "one-more||monitor"), "EUSERS");
    expect_key(ask(fixture->client, "hop7||monitor"), "monitoring"); /* it does */
    tell(fixture);
    for (unsigned i = 0; i < GATEWAY_CONTROL_PEERS; i++)
        expect_event(fixture->client, 1);
    expect_nothing(fixture->client);
}

/* What is left out -------------------------------------------------------------------------------------------------------- */

/* Reads from event `first` to the last that was told, which come in order; returns how many are said to be lost, all at once. */
static uint64_t read_with_a_loss(struct fixture *fixture, uint64_t first) {
    uint64_t lost = 0, missing = 0;
    for (uint64_t next = first; next <= fixture->told;) {
        json_t *json = receive(fixture->client);
        if (strcmp(text_of(json, "event"), "lost") == 0) {
            assert_int_equal(lost, 0);
            lost = (uint64_t)number_of(json, "count");
        } else {
            uint64_t number = (uint64_t)number_of(json, "peer");
            assert_in_range(number, next, fixture->told);
            missing += number - next;
            next = number + 1;
        }
        json_decref(json);
    }
    assert_int_equal(lost, missing);
    return lost;
}

/* So few events that the rate has no part in it, and so long that they are more than is queued. */
static void tell_much(struct fixture *fixture) {
    char text[1001];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (unsigned i = 0; i < GATEWAY_CONTROL_RATE - 100; i++)
        tell_text(fixture, text);
}

/* Besides the queue some hundred KiB are the connection's. */
static void test_whoever_does_not_read_loses_what_is_beyond_its_queue(void **state) {
    struct fixture *fixture = *state;
    monitor(fixture->client);
    tell_much(fixture);
    for (uint64_t i = 1; i <= LINES_MAX; i++)
        expect_event(fixture->client, i);
    tell(fixture);
    assert_true(read_with_a_loss(fixture, LINES_MAX + 1) > 0);
    tell(fixture);
    expect_event(fixture->client, fixture->told);
    expect_nothing(fixture->client);
}

/* Tells until an event is put together no more. */
static void tell_beyond_rate(struct fixture *fixture) {
    unsigned before;
    do {
        assert_in_range(fixture->told, 0, 100 * GATEWAY_CONTROL_RATE);
        before = fixture->visited;
        tell(fixture);
    } while (fixture->visited > before);
}

static void on_timer(kith_timer *timer, void *userdata) {
    *(bool *)userdata = true;
}

static void wait_a_second(struct fixture *fixture) {
    bool over = false;
    kith_timer *timer;
    assert_int_equal(kith_timer_new(fixture->loop, on_timer, &over, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, 1000, 0), 0);
    until(fixture, over);
    kith_timer_free(timer);
}

/* The first time the kernel takes what makes room, the second time there is none when a second has passed: it is said later. */
static void test_a_loss_is_told_when_there_is_room_without_another_event(void **state) {
    struct fixture *fixture = *state;
    uint64_t seen = 0;
    assert_int_equal(kith_socket_set_number(fixture->client, KITH_OPTION_RECV_HWM, 1, NULL), 0);
    monitor(fixture->client);
    for (unsigned i = 0; i < 2; i++) {
        tell_much(fixture);
        wait_a_second(fixture);
    }
    while (seen < fixture->told) {
        json_t *json = receive(fixture->client);
        seen += strcmp(text_of(json, "event"), "lost") == 0 ? (uint64_t)number_of(json, "count") : 1;
        json_decref(json);
    }
    assert_int_equal(seen, fixture->told);
}

/* Events of a socket that has no name are never told, which makes them cheap: a slow machine comes to the rate with them too. */
static void test_beyond_the_rate_events_are_counted_until_the_second_is_over(void **state) {
    struct fixture *fixture = *state;
    monitor(fixture->client);
    fixture->visits = 0;
    tell_beyond_rate(fixture);
    assert_true(fixture->told > GATEWAY_CONTROL_RATE);
    expect_lost(fixture->client, fixture->told); /* one line for all, and without another event */
    wait_a_second(fixture);
    fixture->visits = 1;
    tell(fixture);
    expect_event(fixture->client, fixture->told);
    expect_nothing(fixture->client);
}

/* What may be asked ------------------------------------------------------------------------------------------------------- */

static void test_a_long_list_is_cut_and_says_so(void **state) {
    struct fixture *fixture = *state;
    fixture->visits = GATEWAY_CONTROL_LIST + 5;
    json_t *json = ask(fixture->client, "|peers");
    assert_int_equal(json_array_size(json_object_get(json, "peers")), GATEWAY_CONTROL_LIST);
    assert_int_equal(number_of(json, "omitted"), 5);
    json_decref(json);
}

static void test_a_request_has_one_frame(void **state) {
    struct fixture *fixture = *state;
    expect_error(ask(fixture->client, "|status|status"), "EINVAL");
    expect_key(ask(fixture->client, "|status"), "status");
}

/* Sends a request of that size, spaces: what it is told, or NULL: the connection has ended. */
static json_t *ask_spaces(struct fixture *fixture, size_t size) {
    char *spaces = malloc(size + 2);
    kith_msg *msg = NULL;
    assert_non_null(spaces);
    memset(spaces, ' ', size + 1);
    spaces[0] = '|';
    spaces[size + 1] = '\0';
    send_words(fixture->client, spaces);
    free(spaces);
    until(fixture, kith_socket_peer_count(fixture->client) == 0 || kith_socket_recv(fixture->client, &msg, 0) == 0);
    return msg ? json_of(msg) : NULL;
}

static void test_a_request_that_is_too_long_ends_the_connection(void **state) {
    struct fixture *fixture = *state;
    json_t *json = ask_spaces(fixture, REQUEST_MAX - 1024); /* the rest is what frames cost */
    assert_non_null(json);
    expect_error(json, "EINVAL");
    assert_null(ask_spaces(fixture, REQUEST_MAX + 1));
}

static void test_there_are_no_more_connections_than_may(void **state) {
    struct fixture *fixture = *state;
    fixture->other = new_socket(fixture, KITH_DEALER);
    for (unsigned i = 0; i < GATEWAY_CONTROL_PEERS; i++) /* and the client */
        assert_int_equal(kith_socket_connect(fixture->other, fixture->endpoint, NULL), 0);
    until(fixture, strstr(read_log(fixture), "max-peers (64) is reached"));
    until(fixture, kith_socket_peer_count(fixture->other) == GATEWAY_CONTROL_PEERS - 1);
    expect_nothing(fixture->client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whoever_has_gone_monitors_no_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_a_monitor_nothing_is_put_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_whom_a_new_policy_denies_monitors_no_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_whoever_asks_twice_is_told_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_more_monitor_than_may, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_whoever_does_not_read_loses_what_is_beyond_its_queue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_loss_is_told_when_there_is_room_without_another_event, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_beyond_the_rate_events_are_counted_until_the_second_is_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_long_list_is_cut_and_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_request_has_one_frame, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_request_that_is_too_long_ends_the_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_there_are_no_more_connections_than_may, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("gateway/control", tests, NULL, NULL);
}
