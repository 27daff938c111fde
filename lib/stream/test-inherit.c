/*
 * Inherited sockets: the set, and systemd's way of passing them, by hand and by systemd-socket-activate(1).
 *
 * With SERVICE as its argument this program is what systemd-socket-activate starts.
 */
#include "stream/testing.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <kith/inherit.h>

#define SERVICE "--service"
#define ACTIVATE "/usr/bin/systemd-socket-activate"

struct place {
    struct world world; /* first: the world's helpers take it */
    char directory[64];
    char path[96];
    kith_inherited *inherited;
    kith_listener *listener;
    struct kith_error error;
    int accepted;
};

static int place_setup(void **state) {
    struct place *place = world_new(state, sizeof(*place));
    if (!place)
        return -1;
    place->accepted = -1;
    strcpy(place->directory, "/tmp/kith-test-inherit-XXXXXX");
    if (!mkdtemp(place->directory))
        return -1;
    snprintf(place->path, sizeof(place->path), "%s/x.sock", place->directory);
    return 0;
}

static int place_teardown(void **state) {
    struct place *place = *state;
    kith_listener_free(place->listener);
    kith_inherited_free(place->inherited);
    kith_close(place->accepted);
    kith_loop_free(place->world.loop);
    int r = testing_fd_count() == place->world.fds_before ? 0 : -1;
    unlink(place->path);
    if (r < 0 || rmdir(place->directory) < 0) {
        fprintf(stderr, "%s is not empty, or descriptors are left\n", place->directory);
        r = -1;
    }
    free(place);
    return r;
}

static int place_accept(kith_listener *listener, int fd, void *userdata) {
    struct place *place = userdata;
    place->accepted = fd;
    return 0;
}

static const struct kith_listener_ops place_ops = {.accept = place_accept};

static int raw_at(const struct kith_address *address, int type) {
    int fd = socket(address->storage.ss_family, type, 0); /* without close-on-exec: systemd passes them so */
    assert_int_equal(bind(fd, (const struct sockaddr *)&address->storage, address->size), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static int raw_unix(const char *name, int type) {
    struct kith_address address;
    assert_int_equal(kith_address_unix(name, &address), 0);
    return raw_at(&address, type);
}

static int raw_ip(const char *host, struct kith_address *ret_address) {
    struct kith_address address;
    assert_int_equal(kith_address_ip(host, 0, &address), 0);
    int fd = raw_at(&address, SOCK_STREAM);
    ret_address->size = sizeof(ret_address->storage);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&ret_address->storage, &ret_address->size), 0);
    return fd;
}

/* The set ----------------------------------------------------------------------------------------------------------------- */

static void test_sockets_are_found_by_name_and_address_and_the_rest_is_closed(void **state) {
    struct place *place = *state;
    struct kith_address ipv4, ipv6, unix_path, address;
    int fds[] = {raw_ip("127.0.0.1", &ipv4), raw_ip("::1", &ipv6), raw_unix(place->path, SOCK_STREAM),
                 raw_unix("@kith-test-inherit", SOCK_STREAM)};
    static const char *const names[] = {"web", "web", "local", "abstract"};
    assert_int_equal(kith_inherited_new(&place->inherited), 0);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(fds); i++)
        assert_int_equal(kith_inherited_add(place->inherited, names[i], fds[i], &place->error), 0);
    assert_int_equal(kith_inherited_count(place->inherited), 4);
    assert_int_equal(kith_address_unix(place->path, &unix_path), 0);

    assert_int_equal(kith_inherited_take(place->inherited, "none"), -ENOENT);
    assert_int_equal(kith_inherited_take_address(place->inherited, &ipv6), fds[1]);
    assert_int_equal(kith_inherited_take_address(place->inherited, &ipv6), -ENOENT);
    assert_int_equal(kith_inherited_take_address(place->inherited, &unix_path), fds[2]);
    assert_int_equal(kith_inherited_take(place->inherited, "web"), fds[0]);
    assert_int_equal(kith_inherited_take(place->inherited, "web"), -ENOENT);
    assert_int_equal(kith_address_unix("@kith-test-inherit-longer", &address), 0);
    assert_int_equal(kith_inherited_take_address(place->inherited, &address), -ENOENT);
    for (int i = 0; i < 3; i++)
        assert_int_equal(close(fds[i]), 0);

    assert_int_equal(kith_inherited_count(place->inherited), 1);
    assert_string_equal(kith_inherited_name(place->inherited, 0), "abstract");
    assert_int_equal(kith_inherited_address(place->inherited, 0, &address), 0);
    char text[64];
    assert_true(kith_address_format(&address, text, sizeof(text)) > 0);
    assert_string_equal(text, "@kith-test-inherit");
    assert_null(kith_inherited_name(place->inherited, 1));
    assert_int_equal(kith_inherited_address(place->inherited, 1, &address), -ENOENT);
    place->inherited = kith_inherited_free(place->inherited);
    assert_int_equal(fcntl(fds[3], F_GETFD), -1);
}

static void test_many_of_one_name_come_in_their_order(void **state) {
    struct place *place = *state;
    int fds[20];
    struct kith_address address;
    assert_int_equal(kith_inherited_new(&place->inherited), 0);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(fds); i++) {
        fds[i] = raw_ip("127.0.0.1", &address);
        assert_int_equal(kith_inherited_add(place->inherited, "one", fds[i], &place->error), 0);
    }
    for (size_t i = 0; i < KITH_ARRAY_SIZE(fds); i++) {
        assert_int_equal(kith_inherited_take(place->inherited, "one"), fds[i]);
        close(fds[i]);
    }
}

static void test_what_cannot_be_inherited_stays_the_callers(void **state) {
    struct place *place = *state;
    char name[KITH_INHERITED_NAME_MAX + 2];
    struct kith_address address;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    int fd = raw_ip("127.0.0.1", &address), file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(kith_inherited_new(&place->inherited), 0);
    assert_int_equal(kith_inherited_add(place->inherited, name, fd, &place->error), -EINVAL);
    assert_int_equal(kith_inherited_add(place->inherited, NULL, fd, &place->error), -EINVAL);
    assert_int_equal(kith_inherited_add(place->inherited, "web", file, &place->error), -ENOTSOCK);
    assert_non_null(strstr(place->error.text, "(web) is no socket"));
    assert_int_equal(kith_inherited_count(place->inherited), 0);
    assert_int_equal(close(fd) | close(file), 0);
}

/* A listener that finds its socket takes it, with all that waits there; one that does not makes its own. */
static void test_a_listener_takes_the_inherited_socket_of_its_address(void **state) {
    struct place *place = *state;
    struct kith_address address, other;
    int fd = raw_unix(place->path, SOCK_STREAM);
    assert_int_equal(kith_inherited_new(&place->inherited), 0);
    assert_int_equal(kith_inherited_add(place->inherited, "x", fd, &place->error), 0);
    assert_int_equal(kith_address_unix(place->path, &address), 0);
    assert_int_equal(kith_address_ip("127.0.0.1", 0, &other), 0);
    int early = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(early, (struct sockaddr *)&address.storage, address.size), 0);

    const struct kith_listener_options options = {.inherited = place->inherited};
    kith_listener *fresh = NULL;
    assert_int_equal(kith_listener_new(place->world.loop, &other, &options, &place_ops, place, &fresh, &place->error), 0);
    assert_int_equal(kith_inherited_count(place->inherited), 1);
    assert_int_equal(kith_listener_new(place->world.loop, &address, &options, &place_ops, place, &place->listener, &place->error), 0);
    assert_int_equal(kith_inherited_count(place->inherited), 0);
    until(&place->world, place->accepted >= 0);
    close(early);
    kith_listener_free(fresh);
    place->listener = kith_listener_free(place->listener);
    assert_int_equal(access(place->path, F_OK), 0); /* who made it removes it */
    /* Nothing inherited any more, and nobody listens: the path is stale, and made anew. */
    assert_int_equal(kith_listener_new(place->world.loop, &address, &options, &place_ops, place, &place->listener, &place->error), 0);
}

/* systemd's environment, made by hand ------------------------------------------------------------------------------------- */

struct passed {
    const char *pid, *fds, *names; /* pid NULL: the child's own, "" : not set; fds and names NULL: not set */
    int sockets[2];                /* become descriptors 3 and 4; -1: none */
    int expected;                  /* result, or with 0 the count below */
    size_t count;
    const char *text; /* part of the error, or of the name of the last socket */
};

static void set_or_not(const char *name, const char *value) {
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

/* In a child process: descriptors 3 and up are ours to choose. Returns 0, or which check failed. */
static int as_passed(const struct passed *passed) {
    char pid[16];
    int count = 0;
    for (int i = 0; i < 2; i++) { /* first out of the way of 3 and 4 */
        if (passed->sockets[i] >= 0 && dup2(passed->sockets[i], 100 + i) >= 0)
            count++;
    }
    close_range(3, 99, 0);
    close_range(102, ~0U, 0);
    for (int i = 0; i < count; i++) {
        dup2(100 + i, 3 + i);
        close(100 + i);
    }
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    set_or_not("LISTEN_PID", !passed->pid ? pid : passed->pid[0] ? passed->pid : NULL);
    set_or_not("LISTEN_FDS", passed->fds);
    set_or_not("LISTEN_FDNAMES", passed->names);

    kith_inherited *inherited = NULL;
    struct kith_error error = {0};
    int r = kith_inherited_new_systemd(true, &inherited, &error);
    if (r != passed->expected)
        return 1;
    if (getenv("LISTEN_PID") || getenv("LISTEN_FDS") || getenv("LISTEN_FDNAMES"))
        return 2;
    if (r < 0)
        return inherited || error.code != r || !strstr(error.text, passed->text) || (count > 0 && fcntl(3, F_GETFD) < 0) ? 3 : 0;
    if (kith_inherited_count(inherited) != passed->count)
        return 4;
    for (size_t i = 0; i < passed->count; i++) {
        if (!(fcntl(3 + (int)i, F_GETFD) & FD_CLOEXEC))
            return 5;
    }
    if (passed->count > 0 && strcmp(kith_inherited_name(inherited, passed->count - 1), passed->text) != 0)
        return 6;
    kith_inherited_free(inherited);
    return passed->count > 0 && fcntl(3, F_GETFD) >= 0 ? 7 : 0;
}

static void expect(const struct passed *passed) {
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(as_passed(passed));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_systemds_variables_are_read_by_its_rules(void **state) {
    char names[KITH_INHERITED_NAME_MAX + 2] = {0};
    struct kith_address address;
    int a = raw_ip("127.0.0.1", &address), b = raw_ip("127.0.0.1", &address);
    memset(names, 'n', sizeof(names) - 1);
    const struct passed cases[] = {
        {.sockets = {a, b}, .fds = "2", .names = "web:api", .count = 2, .text = "api"},
        {.sockets = {a, b}, .fds = "2", .names = "web:web", .count = 2, .text = "web"},
        {.sockets = {a, b}, .fds = "2", .names = "web:", .count = 2, .text = ""},
        {.sockets = {a, b}, .fds = "1", .count = 1, .text = "unknown"},
        /* Not for us. */
        {.sockets = {a, b}, .pid = "1", .fds = "2"},
        {.sockets = {a, b}, .pid = "", .fds = "2"},
        {.sockets = {a, b}},
        {.sockets = {a, b}, .pid = "1", .fds = "nonsense"},
        /* Malformed. */
        {.sockets = {a, b}, .pid = "12x", .fds = "2", .expected = -EINVAL, .text = "LISTEN_PID=12x"},
        {.sockets = {a, b}, .pid = "-1", .fds = "2", .expected = -EINVAL, .text = "LISTEN_PID=-1"},
        {.sockets = {a, b}, .fds = "", .expected = -EINVAL, .text = "LISTEN_FDS="},
        {.sockets = {a, b}, .fds = "0", .expected = -EINVAL, .text = "LISTEN_FDS=0"},
        {.sockets = {a, b}, .fds = " 2", .expected = -EINVAL, .text = "LISTEN_FDS= 2"},
        {.sockets = {a, b}, .fds = "99999999999999999999", .expected = -EINVAL, .text = "LISTEN_FDS=9999"},
        {.sockets = {a, b}, .fds = "2147483647", .expected = -EINVAL, .text = "LISTEN_FDS=2147483647"},
        {.sockets = {a, b}, .fds = "2147483644", .expected = -EBADF, .text = "descriptor 5 is not open"},
        {.sockets = {a, b}, .fds = "2", .names = "web", .expected = -EINVAL, .text = "fewer names"},
        {.sockets = {a, b}, .fds = "2", .names = "web:api:x", .expected = -EINVAL, .text = "more names"},
        {.sockets = {a, b}, .fds = "2", .names = names, .expected = -EINVAL, .text = "more than 255"},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++)
        expect(&cases[i]);
    close(a);
    close(b);
}

static void test_a_passed_descriptor_that_does_not_listen_is_named(void **state) {
    struct place *place = *state;
    struct kith_address address;
    int good = raw_ip("127.0.0.1", &address), datagram = raw_unix(place->path, SOCK_DGRAM);
    int file = open("/dev/null", O_RDONLY), idle = socket(AF_INET, SOCK_STREAM, 0);
    const struct passed cases[] = {
        {.sockets = {file, good}, .fds = "2", .names = "web:api", .expected = -ENOTSOCK, .text = "descriptor 3 (web) is no socket"},
        {.sockets = {good, datagram}, .fds = "2", .names = "web:log", .expected = -EPROTOTYPE, .text = "descriptor 4 (log) is no stream"},
        {.sockets = {idle, good}, .fds = "2", .expected = -EINVAL, .text = "descriptor 3 (unknown) does not listen"},
        {.sockets = {-1, -1}, .fds = "1", .expected = -EBADF, .text = "descriptor 3 is not open"},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++)
        expect(&cases[i]);
    assert_int_equal(close(good) | close(datagram) | close(file) | close(idle), 0);
}

/* systemd itself ------------------------------------------------------------------------------------------------------------ */

/* Says on every socket that it was given what the socket is called. */
static int service(void) {
    kith_inherited *inherited;
    struct kith_error error;
    const char *name;
    if (kith_inherited_new_systemd(true, &inherited, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    while ((name = kith_inherited_name(inherited, 0))) {
        char word[KITH_INHERITED_NAME_MAX + 1];
        snprintf(word, sizeof(word), "%s", name);
        int fd = kith_inherited_take(inherited, word);
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0 || send(client, word, strlen(word), MSG_NOSIGNAL) < 0)
            return 1;
        close(client);
        close(fd);
    }
    kith_inherited_free(inherited);
    return 0;
}

/* Reads what the activator says until it listens on all its sockets. */
static void until_listening(int log, int sockets) {
    char text[4096] = {0};
    size_t size = 0;
    for (int seen = 0; seen < sockets;) {
        ssize_t n = read(log, text + size, sizeof(text) - 1 - size);
        assert_true(n > 0);
        size += (size_t)n;
        seen = 0;
        for (const char *at = text; (at = strstr(at, "Listening on ")); at++)
            seen++;
    }
}

static int connect_to(const struct kith_address *address) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address->storage, address->size), 0);
    return fd;
}

static void hear(int fd, const char *expected) {
    char word[64] = {0};
    assert_int_equal(recv(fd, word, sizeof(word) - 1, MSG_WAITALL), (ssize_t)strlen(expected));
    assert_string_equal(word, expected);
    close(fd);
}

static void test_systemd_socket_activate_passes_sockets_by_name(void **state) {
    struct place *place = *state;
    struct kith_address path, name;
    char abstract[64], listen_abstract[80], listen_path[128], self[256] = {0};
    int status, log[2];
    if (access(ACTIVATE, X_OK) < 0)
        skip();
    assert_int_equal(pipe2(log, O_CLOEXEC), 0);
    snprintf(abstract, sizeof(abstract), "@kith-test-activate-%d", (int)getpid());
    snprintf(listen_path, sizeof(listen_path), "--listen=%s", place->path);
    snprintf(listen_abstract, sizeof(listen_abstract), "--listen=%s", abstract);
    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    assert_int_equal(kith_address_unix(place->path, &path), 0);
    assert_int_equal(kith_address_unix(abstract, &name), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(log[1], STDERR_FILENO);
        setenv("SYSTEMD_LOG_TARGET", "console", 1);
        execl(ACTIVATE, ACTIVATE, listen_path, listen_abstract, "--fdname=front:back", self, SERVICE, NULL);
        _exit(127);
    }
    until_listening(log[0], 2);
    hear(connect_to(&path), "front");
    hear(connect_to(&name), "back");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(close(log[0]) | close(log[1]), 0);
}

#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], SERVICE) == 0)
        return service();
    const struct CMUnitTest tests[] = {
        PLACE_TEST(test_sockets_are_found_by_name_and_address_and_the_rest_is_closed),
        PLACE_TEST(test_many_of_one_name_come_in_their_order),
        PLACE_TEST(test_what_cannot_be_inherited_stays_the_callers),
        PLACE_TEST(test_a_listener_takes_the_inherited_socket_of_its_address),
        PLACE_TEST(test_systemds_variables_are_read_by_its_rules),
        PLACE_TEST(test_a_passed_descriptor_that_does_not_listen_is_named),
        PLACE_TEST(test_systemd_socket_activate_passes_sockets_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
