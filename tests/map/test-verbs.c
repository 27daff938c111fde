/*
 * kith map --kernel and --follow, as a whole, on real sockets: which listener a connection came from, and how that is known. The cases are
 * those in which addresses do not tell. Runs in a guest whose kernel has sock_diag's modules.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>
#include <linux/vm_sockets.h>

#include "map/net.h"

/* KITH is the program's path. */
#define COMMAND_MAX 256

/* What `kith WORDS PORT` printed (port 0: without one), to its end. */
static char *run(const char *words, uint16_t port) {
    char command[COMMAND_MAX], *text = NULL;
    size_t size = 0, room = 0;

    if (port != 0)
        snprintf(command, sizeof(command), "%s %s%u", KITH, words, port);
    else
        snprintf(command, sizeof(command), "%s %s", KITH, words);
    FILE *pipe = popen(command, "re");
    assert_non_null(pipe);
    do {
        room += 65536;
        text = realloc(text, room + 1);
        assert_non_null(text);
        size += fread(text + size, 1, room - size, pipe);
    } while (size == room);
    text[size] = '\0';
    assert_int_equal(pclose(pipe), 0);
    return text;
}

static json_t *map_of(const char *words, uint16_t port) {
    char *text = run(words, port);
    json_t *map = json_loads(text, 0, NULL);

    if (!map)
        print_error("no JSON: %s\n", text);
    assert_non_null(map);
    free(text);
    return map;
}

static json_t *kernel_map(uint16_t port) {
    return map_of("map --json --kernel --port ", port);
}

/* The socket of a descriptor of ours: not every family has cookies that SO_COOKIE knows. */
static json_t *by_inode(const json_t *map, int fd) {
    const json_t *sockets = json_object_get(map, "sockets");
    size_t i;
    json_t *socket;

    json_array_foreach(sockets, i, socket) {
        if ((uint64_t)json_integer_value(json_object_get(socket, "inode")) == net_inode(fd))
            return socket;
    }
    fail_msg("descriptor %d is not in the map", fd);
    return NULL;
}

/* The socket of a descriptor of ours. */
static json_t *socket_of(const json_t *map, int fd) {
    const json_t *sockets = json_object_get(map, "sockets");
    size_t i;
    json_t *socket;

    json_array_foreach(sockets, i, socket) {
        if ((uint64_t)json_integer_value(json_object_get(socket, "cookie")) == net_cookie(fd))
            return socket;
    }
    fail_msg("descriptor %d is not in the map", fd);
    return NULL;
}

static void assert_came_from(const json_t *map, int child, int listener, const char *known) {
    const json_t *link = json_object_get(socket_of(map, child), "listener");

    assert_string_equal(json_string_value(json_object_get(link, "known")), known);
    assert_int_equal(json_integer_value(json_object_get(link, "cookie")), net_cookie(listener));
    assert_null(json_object_get(link, "candidates"));
}

static void assert_ambiguous(const json_t *map, int child, int first, int second) {
    const json_t *link = json_object_get(socket_of(map, child), "listener"), *candidates = json_object_get(link, "candidates");

    assert_string_equal(json_string_value(json_object_get(link, "known")), "ambiguous");
    assert_int_equal(json_array_size(candidates), 2);
    uint64_t a = (uint64_t)json_integer_value(json_array_get(candidates, 0)),
             b = (uint64_t)json_integer_value(json_array_get(candidates, 1));
    assert_true((a == net_inode(first) && b == net_inode(second)) || (a == net_inode(second) && b == net_inode(first)));
}

/* Accepts from whichever of both the kernel has chosen. */
static struct pair pair_of_group(int first, int second, const char *address, int *ret_listener) {
    int client = net_connect(address, net_port(first));
    struct pollfd waiting[] = {{.fd = first, .events = POLLIN}, {.fd = second, .events = POLLIN}};

    assert_int_equal(poll(waiting, 2, -1), 1);
    *ret_listener = waiting[0].revents ? first : second;
    return (struct pair){.client = client, .accepted = net_accept(*ret_listener)};
}

/* --kernel ------------------------------------------------------------------------------------------------------------ */

static void test_a_connection_shares_the_bucket_of_its_listener(void **state) {
    int listener = net_listen("127.0.0.1", 0, false);
    struct pair pair = net_pair(listener, "127.0.0.1");
    json_t *map = kernel_map(net_port(listener));

    assert_came_from(map, pair.accepted, listener, "bind bucket");
    assert_true(json_is_null(json_object_get(socket_of(map, pair.client), "listener")));
    assert_int_equal(json_integer_value(json_object_get(socket_of(map, pair.accepted), "accept_limit")), NET_BACKLOG);
    assert_int_equal(json_integer_value(json_object_get(socket_of(map, pair.client), "accept_limit")), 0);
    json_decref(map);
    net_pair_close(pair);
    close(listener);
}

static void test_without_kernel_it_is_only_matched(void **state) {
    int listener = net_listen("127.0.0.1", 0, false);
    struct pair pair = net_pair(listener, "127.0.0.1");
    json_t *map = map_of("map --json --port ", net_port(listener));

    assert_came_from(map, pair.accepted, listener, "matched");
    json_decref(map);
    net_pair_close(pair);
    close(listener);
}

static void test_listeners_on_two_addresses_are_told_apart_by_them(void **state) {
    int first = net_listen("127.0.0.1", 0, false), second = net_listen("127.0.0.2", net_port(first), false);
    struct pair pair = net_pair(second, "127.0.0.2");
    json_t *map = kernel_map(net_port(first));

    assert_came_from(map, pair.accepted, second, "bind bucket");
    json_decref(map);
    net_pair_close(pair);
    close(first);
    close(second);
}

static void test_a_group_of_one_port_stays_ambiguous(void **state) {
    int first = net_listen("127.0.0.1", 0, true), second = net_listen("127.0.0.1", net_port(first), true), chosen;
    struct pair pair = pair_of_group(first, second, "127.0.0.1", &chosen);
    json_t *map = kernel_map(net_port(first));

    assert_ambiguous(map, pair.accepted, first, second);
    json_decref(map);
    net_pair_close(pair);
    close(first);
    close(second);
}

/* One that has bound since cannot have accepted it. */
static void test_a_group_that_grew_is_told_apart_by_who_came_first(void **state) {
    int first = net_listen("127.0.0.1", 0, true);
    struct pair pair = net_pair(first, "127.0.0.1");
    int second = net_listen("127.0.0.1", net_port(first), true);
    json_t *map = kernel_map(net_port(first));

    assert_came_from(map, pair.accepted, first, "bind bucket");
    json_decref(map);
    net_pair_close(pair);
    close(first);
    close(second);
}

static void test_what_the_listener_before_accepted_is_not_given_to_the_next(void **state) {
    int first = net_listen("127.0.0.1", 0, false);
    uint16_t port = net_port(first);
    struct pair before = net_pair(first, "127.0.0.1");
    close(first);
    int second = net_listen("127.0.0.1", port, false);
    struct pair after = net_pair(second, "127.0.0.1");
    json_t *map = kernel_map(port);
    const json_t *link = json_object_get(socket_of(map, before.accepted), "listener");

    assert_string_equal(json_string_value(json_object_get(link, "known")), "unknown");
    assert_non_null(strstr(json_string_value(json_object_get(link, "why")), "came later"));
    assert_came_from(map, after.accepted, second, "bind bucket");
    json_decref(map);
    net_pair_close(before);
    net_pair_close(after);
    close(second);
}

/* By addresses alone it looks like an accepted socket: what TCP has counted tells, and so does the kernel's table. */
static void test_a_client_bound_to_the_port_came_from_nobody(void **state) {
    int listener = net_listen("0.0.0.0", 0, false), other = net_listen("127.0.0.3", 0, false);
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(net_port(listener)), .sin_addr.s_addr = htonl(0x7f000002)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(net_port(other)), .sin_addr.s_addr = htonl(0x7f000003)};
    int bound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

    /* Nobody may bind to a port that is listened on everywhere: it binds first, and then the other listens. */
    close(listener);
    assert_int_equal(setsockopt(bound, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
    assert_int_equal(bind(bound, (struct sockaddr *)&from, sizeof(from)), 0);
    assert_int_equal(connect(bound, (struct sockaddr *)&to, sizeof(to)), 0);
    listener = net_listen("0.0.0.0", ntohs(from.sin_port), false);
    json_t *plain = map_of("map --json --port ", net_port(listener)), *map = kernel_map(net_port(listener));
    assert_true(json_is_null(json_object_get(socket_of(plain, bound), "listener")));
    assert_true(json_is_null(json_object_get(socket_of(map, bound), "listener")));
    json_decref(plain);
    json_decref(map);
    net_reset(bound);
    close(other);
    close(listener);
}

static void test_a_request_socket_names_its_listener(void **state) {
    int listener = net_listen("127.0.0.1", 0, false), seconds = 60, found = 0;
    size_t i;
    json_t *socket_;

    /* It stays one until octets come. */
    assert_int_equal(setsockopt(listener, IPPROTO_TCP, 9 /* TCP_DEFER_ACCEPT */, &seconds, sizeof(seconds)), 0);
    int client = net_connect("127.0.0.1", net_port(listener));
    json_t *map = kernel_map(net_port(listener));
    json_array_foreach(json_object_get(map, "sockets"), i, socket_) {
        if (strcmp(json_string_value(json_object_get(socket_, "state")), "syn-recv") != 0)
            continue;
        const json_t *link = json_object_get(socket_, "listener");
        assert_string_equal(json_string_value(json_object_get(link, "known")), "exact");
        assert_int_equal(json_integer_value(json_object_get(link, "inode")), net_inode(listener));
        found++;
    }
    assert_int_equal(found, 1);
    json_decref(map);
    net_reset(client);
    close(listener);
}

static void test_what_waits_to_be_accepted_is_shown_below_its_listener(void **state) {
    int listener = net_listen("127.0.0.1", 0, false);
    int client = net_connect("127.0.0.1", net_port(listener));
    char *text = run("map --kernel --listener 127.0.0.1:", net_port(listener));

    assert_non_null(strstr(text, "accept queue 1 of 7"));
    assert_non_null(strstr(text, "in the accept queue"));
    assert_non_null(strstr(text, "[bind bucket"));
    free(text);
    net_reset(client);
    close(listener);
}

/* --follow ------------------------------------------------------------------------------------------------------------ */

struct follower {
    pid_t pid;
    FILE *lines;
};

static struct follower start_following(const char *how, uint16_t port) {
    struct follower follower;
    char command[COMMAND_MAX];
    int ends[2];

    snprintf(command, sizeof(command), "exec %s map --follow --listener %u %s", KITH, port, how);
    assert_int_equal(pipe(ends), 0);
    follower.pid = fork();
    if (follower.pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/bin/sh", "sh", "-c", command, NULL);
        _exit(127);
    }
    close(ends[1]);
    follower.lines = fdopen(ends[0], "r");
    return follower;
}

/* It follows when it has said so. */
static struct follower follow(const char *how, uint16_t port) {
    struct follower follower = start_following(how, port);
    char line[COMMAND_MAX];

    assert_non_null(fgets(line, sizeof(line), follower.lines));
    assert_non_null(strstr(line, "following"));
    return follower;
}

static char *unfollow(struct follower follower) {
    size_t size = 65536;
    char *text = calloc(1, size);
    int status;

    assert_int_equal(kill(follower.pid, SIGINT), 0);
    size_t used = fread(text, 1, size - 1, follower.lines);
    text[used] = '\0';
    fclose(follower.lines);
    assert_int_equal(waitpid(follower.pid, &status, 0), follower.pid);
    assert_int_equal(status, 0);
    return text;
}

static void test_a_connection_that_was_seen_is_linked_exactly(void **state) {
    int first = net_listen("127.0.0.1", 0, true), second = net_listen("127.0.0.1", net_port(first), true), chosen;
    struct follower follower = follow("", net_port(first));
    struct pair pair = pair_of_group(first, second, "127.0.0.1", &chosen);
    char *text = unfollow(follower), words[64];

    snprintf(words, sizeof(words), "listener %llu  by test-map-verbs[%d] uid 0", (unsigned long long)net_cookie(chosen), getpid());
    assert_non_null(strstr(text, "accepted"));
    assert_non_null(strstr(text, words));
    assert_non_null(strstr(text, "came from it: 1\n"));
    assert_non_null(strstr(text, "[exact: seen when it was accepted]"));
    free(text);
    net_pair_close(pair);
    close(first);
    close(second);
}

static void test_other_ports_are_not_followed(void **state) {
    int wanted = net_listen("127.0.0.1", 0, false), other = net_listen("127.0.0.1", 0, false);
    struct follower follower = follow("", net_port(wanted));
    struct pair unwanted = net_pair(other, "127.0.0.1"), pair = net_pair(wanted, "127.0.0.1");
    char *text = unfollow(follower), words[32];

    snprintf(words, sizeof(words), "127.0.0.1:%u <-", net_port(other));
    assert_null(strstr(text, words));
    snprintf(words, sizeof(words), "127.0.0.1:%u <-", net_port(wanted));
    assert_non_null(strstr(text, words));
    free(text);
    net_pair_close(unwanted);
    net_pair_close(pair);
    close(wanted);
    close(other);
}

/* As an object nothing says that it follows: connections are made until it has seen enough and ends. */
static void test_a_name_of_any_octets_does_not_end_it(void **state) {
    int listener = net_listen("127.0.0.1", 0, false), status;
    struct follower follower = start_following("--json --count 4", net_port(listener));
    struct pollfd lines = {.fd = fileno(follower.lines), .events = POLLIN};
    char text[65536] = "", own[16];

    prctl(PR_GET_NAME, own);
    prctl(PR_SET_NAME, "odd\xff");
    while (poll(&lines, 1, 100) == 0)
        net_pair_close(net_pair(listener, "127.0.0.1"));
    for (size_t used = 0; !feof(follower.lines) && used < sizeof(text) - 1;
         used += fread(text + used, 1, sizeof(text) - 1 - used, follower.lines))
        net_pair_close(net_pair(listener, "127.0.0.1"));
    prctl(PR_SET_NAME, own);
    fclose(follower.lines);
    assert_int_equal(waitpid(follower.pid, &status, 0), follower.pid);
    assert_int_equal(status, 0);
    assert_non_null(strstr(text, "\"event\":\"accepted\""));
    assert_non_null(strstr(text, "\"comm\":\"odd\\\\xff\""));
    close(listener);
}

static void test_unix_connections_are_followed_by_name(void **state) {
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0kith-followed"};
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen("kith-followed"));
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&name, size), 0);
    assert_int_equal(listen(listener, 5), 0);
    /* The last --listener counts. */
    struct follower follower = follow("--listener @kith-followed", 1);
    assert_int_equal(connect(client, (struct sockaddr *)&name, size), 0);
    int accepted = net_accept(listener);
    char *text = unfollow(follower);
    assert_non_null(strstr(text, "accepted     unix @kith-followed <- "));
    assert_non_null(strstr(text, "[exact: seen when it was accepted]"));
    free(text);
    close(accepted);
    close(client);
    close(listener);
}

/* What this host's kernel may lack --------------------------------------------------------------------------------------- */

static void test_vsock_pairs_are_found(void **state) {
    struct sockaddr_vm name = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_LOCAL, .svm_port = 5005};
    int listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0), client = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listen(listener, 5), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&name, sizeof(name)), 0);
    int accepted = net_accept(listener);
    json_t *map = map_of("map --json --family vsock", 0);
    const json_t *peer = json_object_get(by_inode(map, client), "peer"), *from = json_object_get(by_inode(map, accepted), "listener");
    assert_int_equal(json_integer_value(json_object_get(peer, "inode")), net_inode(accepted));
    assert_string_equal(json_string_value(json_object_get(peer, "known")), "matched");
    assert_int_equal(json_integer_value(json_object_get(from, "inode")), net_inode(listener));
    assert_string_equal(json_string_value(json_object_get(by_inode(map, listener), "state")), "listen");
    json_decref(map);
    close(accepted);
    close(client);
    close(listener);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_connection_shares_the_bucket_of_its_listener),
        cmocka_unit_test(test_without_kernel_it_is_only_matched),
        cmocka_unit_test(test_listeners_on_two_addresses_are_told_apart_by_them),
        cmocka_unit_test(test_a_group_of_one_port_stays_ambiguous),
        cmocka_unit_test(test_a_group_that_grew_is_told_apart_by_who_came_first),
        cmocka_unit_test(test_what_the_listener_before_accepted_is_not_given_to_the_next),
        cmocka_unit_test(test_a_client_bound_to_the_port_came_from_nobody),
        cmocka_unit_test(test_a_request_socket_names_its_listener),
        cmocka_unit_test(test_what_waits_to_be_accepted_is_shown_below_its_listener),
        cmocka_unit_test(test_a_connection_that_was_seen_is_linked_exactly),
        cmocka_unit_test(test_other_ports_are_not_followed),
        cmocka_unit_test(test_a_name_of_any_octets_does_not_end_it),
        cmocka_unit_test(test_unix_connections_are_followed_by_name),
        cmocka_unit_test(test_vsock_pairs_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
