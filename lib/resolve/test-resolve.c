/* Names become addresses, in the loop and only there; what a name server does wrong, or never does, is an error with its name. */
#include "resolve/testing.h"

#include <kith/resolve.h>

/* A request and what it was told. */
struct asked {
    kith_resolve *request;
    unsigned told;
    size_t count;
    char text[8][64]; /* of the addresses */
    struct kith_error error;
    void (*also)(struct asked *asked);
    void *extra;
};

static void on_told(kith_resolve *request, const struct kith_address *addresses, size_t count, const struct kith_error *error,
                    void *userdata) {
    struct asked *asked = userdata;
    assert_true((count > 0) == (error == NULL));
    asked->told++;
    asked->count = count;
    for (size_t i = 0; i < count && i < KITH_ARRAY_SIZE(asked->text); i++)
        assert_true(kith_address_format(&addresses[i], asked->text[i], sizeof(asked->text[i])) > 0);
    if (error)
        asked->error = *error;
    if (asked->also)
        asked->also(asked);
}

static void ask(struct world *world, struct asked *asked, const char *name, const struct kith_resolve_options *options) {
    assert_int_equal(kith_resolve_new(world->loop, name, 80, options, on_told, asked, &asked->request), 0);
    assert_int_equal(asked->told, 0);
}

/* Asks and waits for the outcome; nothing comes after it. */
static void ask_and_wait(struct world *world, struct asked *asked, const char *name, const struct kith_resolve_options *options) {
    *asked = (struct asked){0};
    ask(world, asked, name, options);
    until(world, asked->told > 0);
    settle_down(world);
    assert_int_equal(asked->told, 1);
    asked->request = kith_resolve_free(asked->request);
}

static const struct dns_record both[] = {{AF_INET, "192.0.2.1"}, {AF_INET, "192.0.2.2"}, {AF_INET6, "2001:db8::1"}};

static void test_addresses_of_both_families_come_with_their_port(void **state) {
    struct world *world = *state;
    struct dns_server server = {.manner = DNS_ANSWER, .records = both, .record_count = KITH_ARRAY_SIZE(both)};
    struct asked asked;
    dns_start(&server, world);
    ask_and_wait(world, &asked, "host.example", &(struct kith_resolve_options){.servers = server.servers});
    assert_int_equal(asked.count, 3);
    assert_true(server.questions >= 2);
    unsigned found = 0;
    for (size_t i = 0; i < 3; i++)
        found |= strcmp(asked.text[i], "192.0.2.1:80") == 0       ? 1
                 : strcmp(asked.text[i], "192.0.2.2:80") == 0     ? 2
                 : strcmp(asked.text[i], "[2001:db8::1]:80") == 0 ? 4
                                                                  : 8;
    assert_int_equal(found, 7);
    dns_stop(&server);
}

static void test_one_family_alone_can_be_asked_for(void **state) {
    struct world *world = *state;
    struct dns_server server = {.manner = DNS_ANSWER, .records = both, .record_count = KITH_ARRAY_SIZE(both)};
    struct asked asked;
    dns_start(&server, world);
    ask_and_wait(world, &asked, "host.example", &(struct kith_resolve_options){.servers = server.servers, .family = AF_INET6});
    assert_int_equal(asked.count, 1);
    assert_string_equal(asked.text[0], "[2001:db8::1]:80");
    assert_int_equal(server.questions, 1);
    dns_stop(&server);
}

static void test_a_name_with_one_family_has_that(void **state) {
    struct world *world = *state;
    struct dns_server server = {.manner = DNS_ANSWER, .records = both, .record_count = 1};
    struct asked asked;
    dns_start(&server, world);
    ask_and_wait(world, &asked, "host.example", &(struct kith_resolve_options){.servers = server.servers});
    assert_int_equal(asked.count, 1);
    assert_string_equal(asked.text[0], "192.0.2.1:80");
    ask_and_wait(world, &asked, "host.example", &(struct kith_resolve_options){.servers = server.servers, .family = AF_INET6});
    assert_int_equal(asked.error.code, -ENODATA);
    dns_stop(&server);
}

static void test_each_failure_has_its_error_and_its_words(void **state) {
    static const struct {
        enum dns_manner manner;
        int code;
        const char *says;
    } rows[] = {
        {DNS_NO_NAME, -ENXIO, "host.example: there is no host of this name; getent"},
        {DNS_FAILURE, -EREMOTEIO, "host.example: no name server took the question"},
        {DNS_TORN, -EBADMSG, "host.example: the name server's answer makes no sense"},
        {DNS_SILENT, -ETIMEDOUT, "host.example: no name server answered in time"},
        {DNS_GARBAGE, -ETIMEDOUT, "no name server answered in time"},
        {DNS_STRANGER, -ETIMEDOUT, "no name server answered in time"},
    };
    struct world *world = *state;
    struct dns_server server = {.records = both, .record_count = KITH_ARRAY_SIZE(both)};
    struct asked asked;
    dns_start(&server, world);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(rows); i++) {
        uint64_t timeout_ms = rows[i].code == -ETIMEDOUT ? 100 : 0, begin = kith_time_now();
        unsigned before = server.questions;
        server.manner = rows[i].manner;
        ask_and_wait(world, &asked, "host.example", &(struct kith_resolve_options){.servers = server.servers, .timeout_ms = timeout_ms});
        assert_int_equal(asked.error.code, rows[i].code);
        if (!strstr(asked.error.text, rows[i].says))
            fail_msg("\"%s\" does not say \"%s\"", asked.error.text, rows[i].says);
        assert_true(kith_time_now() - begin >= timeout_ms * KITH_NS_PER_MS);
        assert_true(server.questions > before);
    }
    dns_stop(&server);
}

static void test_nobody_at_the_name_servers_port_is_an_error_at_once(void **state) {
    struct world *world = *state;
    struct dns_server server = {0};
    struct asked asked;
    dns_start(&server, world);
    kith_io_free(KITH_STEAL(server.udp_io));
    server.udp = kith_close(server.udp);
    ask_and_wait(world, &asked, "host.example", &(struct kith_resolve_options){.servers = server.servers, .timeout_ms = 15000});
    assert_int_equal(asked.error.code, -EREMOTEIO);
    assert_non_null(strstr(asked.error.text, "no name server took the question"));
    dns_stop(&server);
}

static void test_what_does_not_fit_a_datagram_is_asked_for_over_tcp(void **state) {
    struct world *world = *state;
    struct dns_server server = {.manner = DNS_TRUNCATED, .records = both, .record_count = KITH_ARRAY_SIZE(both)};
    struct asked asked;
    dns_start(&server, world);
    ask_and_wait(world, &asked, "host.example", &(struct kith_resolve_options){.servers = server.servers});
    assert_int_equal(asked.count, 3);
    assert_int_equal(server.questions, 2);
    assert_int_equal(server.questions_tcp, 2);
    until(world, server.client == -1);
    dns_stop(&server);
}

static void test_of_very_many_addresses_the_first_are_told(void **state) {
    enum { MANY = KITH_RESOLVE_ADDRESSES_MAX + 6 };
    struct world *world = *state;
    struct dns_record records[MANY];
    char texts[MANY][INET_ADDRSTRLEN];
    for (size_t i = 0; i < MANY; i++) {
        snprintf(texts[i], sizeof(texts[i]), "192.0.2.%zu", i);
        records[i] = (struct dns_record){AF_INET, texts[i]};
    }
    struct dns_server server = {.manner = DNS_TRUNCATED, .records = records, .record_count = MANY};
    struct asked asked;
    dns_start(&server, world);
    ask_and_wait(world, &asked, "host.example", &(struct kith_resolve_options){.servers = server.servers, .family = AF_INET});
    assert_int_equal(asked.count, KITH_RESOLVE_ADDRESSES_MAX);
    until(world, server.client == -1);
    dns_stop(&server);
}

static void test_numbers_ask_nobody(void **state) {
    struct world *world = *state;
    struct dns_server server = {.manner = DNS_ANSWER, .records = both, .record_count = 1};
    struct asked asked;
    dns_start(&server, world);
    struct kith_resolve_options options = {.servers = server.servers};
    ask_and_wait(world, &asked, "127.0.0.1", &options);
    assert_string_equal(asked.text[0], "127.0.0.1:80");
    ask_and_wait(world, &asked, "fe80::1%lo", &options);
    assert_string_equal(asked.text[0], "[fe80::1%lo]:80");
    options.family = AF_INET6;
    ask_and_wait(world, &asked, "127.0.0.1", &options);
    assert_int_equal(asked.error.code, -ENODATA);
    assert_int_equal(server.questions, 0);
    dns_stop(&server);
}

/* In a child process with a hosts file of its own. Returns an exit status. */
static int look_into_hosts(void) {
    struct world world = {0};
    struct dns_server server = {.manner = DNS_ANSWER, .records = both, .record_count = KITH_ARRAY_SIZE(both)};
    struct asked asked;
    if (kith_loop_new(&world.loop) < 0)
        return 2;
    dns_start(&server, &world);
    struct kith_resolve_options options = {.servers = server.servers};
    ask_and_wait(&world, &asked, "alias", &options);
    bool right = asked.count == 1 && strcmp(asked.text[0], "192.0.2.77:80") == 0 && server.questions == 0;
    ask_and_wait(&world, &asked, "elsewhere.example", &options);
    right = right && asked.count == 3 && server.questions > 0;
    dns_stop(&server);
    kith_loop_free(world.loop);
    return right ? 0 : 1;
}

static void test_the_hosts_file_goes_before_the_name_servers(void **state) {
    with_hosts("# of a test\n192.0.2.77 host.example alias\n", look_into_hosts);
}

static void test_many_requests_at_a_time_do_not_mix(void **state) {
    enum { REQUESTS = 30 };
    struct world *world = *state;
    struct dns_server server = {.manner = DNS_ANSWER, .records = both, .record_count = 1};
    struct asked asked[REQUESTS] = {0};
    dns_start(&server, world);
    for (size_t i = 0; i < REQUESTS; i++)
        ask(world, &asked[i], i % 3 == 0 ? "127.0.0.1" : "host.example",
            &(struct kith_resolve_options){.servers = server.servers, .family = AF_INET});
    for (size_t i = 0; i < REQUESTS; i += 5)
        asked[i].request = kith_resolve_free(asked[i].request);
    for (size_t i = 0; i < REQUESTS; i++) {
        if (asked[i].request)
            until(world, asked[i].told == 1);
        assert_int_equal(asked[i].told, asked[i].request != NULL);
        if (asked[i].request)
            assert_string_equal(asked[i].text[0], i % 3 == 0 ? "127.0.0.1:80" : "192.0.2.1:80");
        asked[i].request = kith_resolve_free(asked[i].request);
    }
    dns_stop(&server);
}

static void free_request(struct asked *asked) {
    asked->request = kith_resolve_free(asked->request);
}

static void free_loop(struct asked *asked) {
    struct world *world = asked->extra;
    world->loop = kith_loop_free(world->loop);
}

static void test_the_callback_may_free_its_request(void **state) {
    struct world *world = *state;
    struct dns_server server = {.manner = DNS_ANSWER, .records = both, .record_count = 1};
    dns_start(&server, world);
    static const char *const names[] = {"host.example", "127.0.0.1"};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(names); i++) {
        struct asked asked = {.also = free_request};
        ask(world, &asked, names[i], &(struct kith_resolve_options){.servers = server.servers});
        until(world, asked.told == 1);
        assert_null(asked.request);
        settle_down(world);
        assert_int_equal(asked.told, 1);
    }
    dns_stop(&server);
}

static void test_the_callback_may_free_the_loop(void **state) {
    struct world *world = *state;
    struct dns_server server = {.manner = DNS_ANSWER, .records = both, .record_count = 1};
    struct asked asked = {.also = free_loop, .extra = world}, other = {0};
    dns_start(&server, world);
    struct kith_resolve_options options = {.servers = server.servers, .family = AF_INET};
    ask(world, &asked, "host.example", &options);
    while (asked.told == 0)
        assert_true(kith_loop_step(world->loop, 20000) > 0);
    assert_null(world->loop);
    assert_int_equal(asked.count, 1);
    assert_int_equal(other.told, 0);
    asked.request = kith_resolve_free(asked.request);
    dns_stop(&server);
}

static void test_a_request_given_up_or_without_its_loop_tells_nothing(void **state) {
    struct world *world = *state;
    struct dns_server server = {.manner = DNS_SILENT};
    struct asked given_up = {0}, left = {0};
    dns_start(&server, world);
    struct kith_resolve_options options = {.servers = server.servers, .timeout_ms = 50};
    ask(world, &given_up, "host.example", &options);
    until(world, server.questions >= 2);
    given_up.request = kith_resolve_free(given_up.request);
    ask(world, &left, "host.example", &options);
    until(world, server.questions >= 4);
    dns_stop(&server);
    world->loop = kith_loop_free(world->loop);
    left.request = kith_resolve_free(left.request);
    assert_int_equal(given_up.told + left.told, 0);
}

static void test_a_child_process_may_only_free(void **state) {
    struct world *world = *state;
    struct dns_server server = {.manner = DNS_SILENT};
    struct asked asked = {0};
    int status;
    dns_start(&server, world);
    ask(world, &asked, "host.example", &(struct kith_resolve_options){.servers = server.servers, .family = AF_INET});
    until(world, server.questions == 1);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        kith_resolve *request = NULL;
        bool refused = kith_resolve_new(world->loop, "127.0.0.1", 80, NULL, on_told, &asked, &request) == -ECHILD;
        kith_resolve_free(asked.request);
        _exit(!refused);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);

    /* The parent's question is open as before. */
    server.manner = DNS_ANSWER;
    server.records = both;
    server.record_count = 1;
    dns_answer_kept(&server);
    until(world, asked.told == 1);
    assert_int_equal(asked.count, 1);
    kith_resolve_free(asked.request);
    dns_stop(&server);
}

static void test_nonsense_is_refused_at_once(void **state) {
    struct world *world = *state;
    char longer[KITH_RESOLVE_NAME_MAX + 2];
    kith_resolve *request = NULL;
    memset(longer, 'a', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    kith_loop *loop = world->loop;
    assert_int_equal(kith_resolve_new(NULL, "x", 1, NULL, on_told, NULL, &request), -EINVAL);
    assert_int_equal(kith_resolve_new(loop, NULL, 1, NULL, on_told, NULL, &request), -EINVAL);
    assert_int_equal(kith_resolve_new(loop, "", 1, NULL, on_told, NULL, &request), -EINVAL);
    assert_int_equal(kith_resolve_new(loop, longer, 1, NULL, on_told, NULL, &request), -EINVAL);
    assert_int_equal(kith_resolve_new(loop, "x", 65536, NULL, on_told, NULL, &request), -EINVAL);
    assert_int_equal(kith_resolve_new(loop, "x", 1, NULL, NULL, NULL, &request), -EINVAL);
    assert_int_equal(kith_resolve_new(loop, "x", 1, &(struct kith_resolve_options){.family = AF_UNIX}, on_told, NULL, &request), -EINVAL);
    assert_int_equal(kith_resolve_new(loop, "x", 1, &(struct kith_resolve_options){.servers = "nowhere"}, on_told, NULL, &request),
                     -EINVAL);
    assert_null(request);
    assert_null(kith_resolve_free(NULL));
}

static void test_names_that_cannot_be_are_told_so(void **state) {
    struct world *world = *state;
    struct dns_server server = {.manner = DNS_NO_NAME};
    static const char *const names[] = {"a..b", "with space.example", "*", "\xff\xfe.example"};
    struct asked asked;
    dns_start(&server, world);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(names); i++) {
        ask_and_wait(world, &asked, names[i], &(struct kith_resolve_options){.servers = server.servers});
        assert_true(asked.error.code == -EINVAL || asked.error.code == -ENXIO);
    }
    dns_stop(&server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_addresses_of_both_families_come_with_their_port),
        WORLD_TEST(test_one_family_alone_can_be_asked_for),
        WORLD_TEST(test_a_name_with_one_family_has_that),
        WORLD_TEST(test_each_failure_has_its_error_and_its_words),
        WORLD_TEST(test_nobody_at_the_name_servers_port_is_an_error_at_once),
        WORLD_TEST(test_what_does_not_fit_a_datagram_is_asked_for_over_tcp),
        WORLD_TEST(test_of_very_many_addresses_the_first_are_told),
        WORLD_TEST(test_numbers_ask_nobody),
        WORLD_TEST(test_the_hosts_file_goes_before_the_name_servers),
        WORLD_TEST(test_many_requests_at_a_time_do_not_mix),
        WORLD_TEST(test_the_callback_may_free_its_request),
        WORLD_TEST(test_the_callback_may_free_the_loop),
        WORLD_TEST(test_a_request_given_up_or_without_its_loop_tells_nothing),
        WORLD_TEST(test_a_child_process_may_only_free),
        WORLD_TEST(test_nonsense_is_refused_at_once),
        WORLD_TEST(test_names_that_cannot_be_are_told_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
