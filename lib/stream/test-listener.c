/* Listeners: paths that are nobody else's, clients in numbers, and life without descriptors. */
#include "stream/testing.h"

#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

/* A world with a directory of its own, and a listener that records. */
struct hall {
    struct world world; /* first: the world's helpers take it */
    char directory[64];
    char path[96];
    kith_listener *listener;
    struct kith_error error;
    unsigned accepted, errors;
    int last_error;
    int answer;   /* what `accept` returns */
    bool free_it; /* inside `accept` */
    int fds[64];  /* accepted ones */
};

static int hall_setup(void **state) {
    struct hall *hall = world_new(state, sizeof(*hall));
    if (!hall)
        return -1;
    strcpy(hall->directory, "/tmp/kith-test-listener-XXXXXX");
    if (!mkdtemp(hall->directory))
        return -1;
    snprintf(hall->path, sizeof(hall->path), "%s/x.sock", hall->directory);
    return 0;
}

static int hall_teardown(void **state) {
    struct hall *hall = *state;
    int r = 0;
    kith_listener_free(hall->listener);
    for (unsigned i = 0; i < hall->accepted; i++)
        kith_close(hall->fds[i]);
    kith_loop_free(hall->world.loop);
    if (testing_fd_count() != hall->world.fds_before) {
        fprintf(stderr, "descriptors: %zu before, %zu after\n", hall->world.fds_before, testing_fd_count());
        r = -1;
    }
    unlink(hall->path);
    if (rmdir(hall->directory) < 0) {
        perror(hall->directory);
        r = -1;
    }
    free(hall);
    return r;
}

static int hall_accept(kith_listener *listener, int fd, void *userdata) {
    struct hall *hall = userdata;
    if (hall->free_it)
        hall->listener = kith_listener_free(hall->listener);
    if (hall->answer < 0)
        return hall->answer;
    assert_true(hall->accepted < KITH_ARRAY_SIZE(hall->fds));
    hall->fds[hall->accepted++] = fd;
    return 0;
}

static void hall_error(kith_listener *listener, int error, void *userdata) {
    struct hall *hall = userdata;
    hall->errors++;
    hall->last_error = error;
}

static const struct kith_listener_ops hall_ops = {.accept = hall_accept, .error = hall_error};

static int listen_at(struct hall *hall, const char *name, const struct kith_listener_options *options) {
    struct kith_address address;
    assert_int_equal(kith_address_unix(name, &address), 0);
    return kith_listener_new(hall->world.loop, &address, options, &hall_ops, hall, &hall->listener, &hall->error);
}

/* A raw client; -1 when connecting fails. */
static int client(const char *name) {
    struct kith_address address;
    assert_int_equal(kith_address_unix(name, &address), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address.storage, address.size) < 0)
        fd = kith_close(fd);
    return fd;
}

/* A raw socket bound to a path; listening when backlog >= 0. */
static int raw_server(const char *path, int type, int backlog) {
    struct kith_address address;
    assert_int_equal(kith_address_unix(path, &address), 0);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address.storage, address.size), 0);
    if (backlog >= 0)
        assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static bool at_end(int fd) {
    char octet;
    return recv(fd, &octet, 1, MSG_DONTWAIT) == 0;
}

static mode_t mode_of(const char *path) {
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode;
}

/* Paths --------------------------------------------------------------------------------------------------------------- */

static void test_clients_are_accepted_and_the_path_goes_with_the_listener(void **state) {
    struct hall *hall = *state;
    int clients[40];
    struct kith_address address;
    char text[128];
    assert_int_equal(listen_at(hall, hall->path, NULL), 0);
    assert_int_equal(kith_listener_address(hall->listener, &address), 0);
    assert_true(kith_address_format(&address, text, sizeof(text)) > 0);
    assert_string_equal(text, hall->path); /* what ss(8) and peers see too */
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        assert_true((clients[i] = client(hall->path)) >= 0);
    until(&hall->world, hall->accepted == KITH_ARRAY_SIZE(clients));
    assert_true(fcntl(hall->fds[0], F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(hall->fds[0], F_GETFL) & O_NONBLOCK);
    hall->listener = kith_listener_free(hall->listener);
    assert_int_equal(access(hall->path, F_OK), -1);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        close(clients[i]);
}

static void test_accepted_sockets_name_their_writers_from_the_first_octet(void **state) {
    struct hall *hall = *state;
    struct end end = {0};
    assert_int_equal(listen_at(hall, hall->path, &(struct kith_listener_options){.identity = true}), 0);
    int fd = client(hall->path);
    assert_int_equal(send(fd, "early", 5, 0), 5); /* before it is accepted */
    until(&hall->world, hall->accepted == 1);
    assert_int_equal(send(fd, "later", 5, 0), 5); /* before a connection is made of it */
    struct kith_conn_options options = {.identity = true};
    assert_int_equal(kith_conn_new_fd(hall->world.loop, hall->fds[0], &options, &end_ops, &end, &end.conn), 0);
    hall->accepted = 0;
    until(&hall->world, end.size == 10);
    assert_int_equal(end.unknown, 0);
    assert_int_equal(end.sender.pid, getpid());
    end_deinit(&end);
    close(fd);
}

static void test_the_mode_is_exactly_what_was_asked_for(void **state) {
    struct hall *hall = *state;
    mode_t before = umask(027);
    assert_int_equal(listen_at(hall, hall->path, NULL), 0);
    assert_int_equal(mode_of(hall->path) & 07777, 0640); /* 0666 & ~umask */
    kith_listener_free(hall->listener);
    assert_int_equal(listen_at(hall, hall->path, &(struct kith_listener_options){.mode = 0666}), 0);
    assert_int_equal(mode_of(hall->path) & 07777, 0666);
    kith_listener_free(hall->listener);
    umask(0);
    assert_int_equal(listen_at(hall, hall->path, &(struct kith_listener_options){.mode = 0600}), 0);
    assert_int_equal(mode_of(hall->path) & 07777, 0600);
    umask(before);
}

static void test_a_stale_path_is_replaced(void **state) {
    struct hall *hall = *state;
    close(raw_server(hall->path, SOCK_STREAM, 1));
    assert_int_equal(mode_of(hall->path) & S_IFMT, S_IFSOCK);
    assert_int_equal(listen_at(hall, hall->path, NULL), 0);
    int fd = client(hall->path);
    until(&hall->world, hall->accepted == 1);
    close(fd);
}

/* From now on a process that has ended is the one that listens at this socket. */
static void let_ended_process_listen(int server) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(listen(server, 8) < 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* Another program, which ends soon even where this one runs in valgrind, keeps the socket open so many seconds. */
static pid_t hold_for(int fd, const char *seconds) {
    int begun[2];
    char octet;
    assert_int_equal(pipe2(begun, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (fcntl(fd, F_SETFD, 0) == 0)
            execlp("sleep", "sleep", seconds, (char *)NULL);
        _exit(1);
    }
    close(begun[1]);
    assert_int_equal(read(begun[0], &octet, 1), 0); /* it runs */
    close(begun[0]);
    return pid;
}

/* As the sockets of a killed process do that had an io_uring. */
static void test_a_path_whose_listener_outlives_its_process_for_a_moment_is_replaced(void **state) {
    struct hall *hall = *state;
    int server = raw_server(hall->path, SOCK_STREAM, 8);
    let_ended_process_listen(server);
    pid_t holder = hold_for(server, "0.05");
    close(server);
    assert_int_equal(listen_at(hall, hall->path, NULL), 0);
    int fd = client(hall->path);
    until(&hall->world, hall->accepted == 1);
    close(fd);
    int status;
    assert_int_equal(waitpid(holder, &status, 0), holder);
    assert_int_equal(status, 0);
}

static void test_a_path_whose_listener_was_inherited_from_a_process_that_ended_is_not_stolen(void **state) {
    struct hall *hall = *state;
    int server = raw_server(hall->path, SOCK_STREAM, 1024);
    let_ended_process_listen(server);
    assert_int_equal(listen_at(hall, hall->path, NULL), -EADDRINUSE);
    close(server);
}

static void test_a_live_path_is_not_stolen_and_its_holder_named(void **state) {
    struct hall *hall = *state;
    char pid[32], exe[256] = {0};
    int server = raw_server(hall->path, SOCK_STREAM, 8);
    assert_int_equal(listen_at(hall, hall->path, NULL), -EADDRINUSE);
    assert_int_equal(hall->error.code, -EADDRINUSE);
    snprintf(pid, sizeof(pid), "pid %d", (int)getpid());
    assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
    assert_non_null(strstr(hall->error.text, hall->path));
    assert_non_null(strstr(hall->error.text, pid));
    assert_non_null(strstr(hall->error.text, exe));

    /* It still serves; of the probe it sees a client that has left. */
    int probe = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    assert_true(at_end(probe));
    close(probe);
    int fd = client(hall->path);
    assert_true(fd >= 0);
    close(fd);
    close(server);
}

static void test_a_live_server_too_busy_to_be_asked_is_not_stolen_from(void **state) {
    struct hall *hall = *state;
    int server = raw_server(hall->path, SOCK_STREAM, 0), clients[4];
    size_t count = 0;
    while (count < KITH_ARRAY_SIZE(clients) && (clients[count] = client(hall->path)) >= 0)
        count++;
    assert_true(count < KITH_ARRAY_SIZE(clients));
    assert_int_equal(listen_at(hall, hall->path, NULL), -EADDRINUSE);
    for (size_t i = 0; i < count; i++)
        close(clients[i]);
    close(server);
}

static void test_a_live_socket_of_another_type_is_not_stolen(void **state) {
    struct hall *hall = *state;
    int server = raw_server(hall->path, SOCK_DGRAM, -1);
    assert_int_equal(listen_at(hall, hall->path, NULL), -EADDRINUSE);
    assert_int_equal(mode_of(hall->path) & S_IFMT, S_IFSOCK);
    close(server);
}

static void test_what_is_not_a_socket_is_never_touched(void **state) {
    struct hall *hall = *state;
    close(open(hall->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(listen_at(hall, hall->path, NULL), -EEXIST);
    assert_int_equal(mode_of(hall->path) & S_IFMT, S_IFREG);
    assert_non_null(strstr(hall->error.text, "a regular file"));
    unlink(hall->path);
    assert_int_equal(symlink("elsewhere", hall->path), 0);
    assert_int_equal(listen_at(hall, hall->path, NULL), -EEXIST);
    assert_int_equal(mode_of(hall->path) & S_IFMT, S_IFLNK);
    assert_non_null(strstr(hall->error.text, "a symbolic link"));
    assert_null(hall->listener);
}

static void test_a_path_that_became_somebody_elses_is_left_alone(void **state) {
    struct hall *hall = *state;
    assert_int_equal(listen_at(hall, hall->path, NULL), 0);
    unlink(hall->path);
    int other = raw_server(hall->path, SOCK_STREAM, 1);
    hall->listener = kith_listener_free(hall->listener);
    assert_int_equal(mode_of(hall->path) & S_IFMT, S_IFSOCK);
    close(other);
}

static void test_a_forked_child_does_not_remove_the_path(void **state) {
    struct hall *hall = *state;
    int status;
    assert_int_equal(listen_at(hall, hall->path, NULL), 0);
    pid_t pid = fork();
    if (pid == 0) {
        kith_listener_free(hall->listener);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    int fd = client(hall->path);
    until(&hall->world, hall->accepted == 1);
    close(fd);
}

static void test_a_relative_path_survives_chdir(void **state) {
    struct hall *hall = *state;
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(chdir(hall->directory), 0);
    assert_int_equal(listen_at(hall, "x.sock", NULL), 0);
    assert_int_equal(fchdir(here), 0);
    close(here);
    assert_int_equal(mode_of(hall->path) & S_IFMT, S_IFSOCK);
    hall->listener = kith_listener_free(hall->listener);
    assert_int_equal(access(hall->path, F_OK), -1);
}

static void test_errors_name_path_and_remedy(void **state) {
    struct hall *hall = *state;
    char path[128];
    snprintf(path, sizeof(path), "%s/none/x.sock", hall->directory);
    assert_int_equal(listen_at(hall, path, NULL), -ENOENT);
    assert_non_null(strstr(hall->error.text, "does not exist"));
    snprintf(path, sizeof(path), "%s/", hall->directory);
    assert_int_equal(listen_at(hall, path, NULL), -EINVAL);
    assert_non_null(strstr(hall->error.text, "names a directory"));
}

/* As an ordinary user, in a child process: root may write everywhere. */
static void test_a_directory_that_may_not_be_written_is_named(void **state) {
    struct hall *hall = *state;
    int status;
    assert_int_equal(chmod(hall->directory, 0555), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char expected[128];
        struct kith_address address;
        struct hall own = *hall;
        uid_t uid = getuid() == 0 ? 65533 : getuid();
        if (getuid() == 0 && (setgroups(0, NULL) < 0 || setgid(uid) < 0 || setuid(uid) < 0))
            _exit(2);
        snprintf(expected, sizeof(expected), "permission denied: the directory %s is not writable for uid %u", own.directory, uid);
        own.world.loop = NULL;
        if (kith_loop_new(&own.world.loop) < 0 || kith_address_unix(own.path, &address) < 0)
            _exit(3);
        int r = kith_listener_new(own.world.loop, &address, NULL, &hall_ops, &own, &own.listener, &own.error);
        kith_loop_free(own.world.loop);
        _exit(r == -EACCES && strstr(own.error.text, expected) ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(chmod(hall->directory, 0755), 0);
    assert_int_equal(status, 0);
}

static void test_a_directory_locked_for_long_is_an_error(void **state) {
    struct hall *hall = *state;
    int fd = open(hall->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(listen_at(hall, hall->path, NULL), -EBUSY);
    assert_int_equal(flock(fd, LOCK_UN), 0);
    assert_int_equal(listen_at(hall, hall->path, NULL), 0);
    close(fd);
}

/* Begins when `start` is closed at its other end, reports 'y' or 'n' (the address is in use) on `up`, and stays until `leave` is closed. */
static void start_and_stay(struct hall *hall, int start, int up, int leave) {
    struct hall own = *hall;
    char octet;
    own.world.loop = NULL;
    if (kith_loop_new(&own.world.loop) < 0 || read(start, &octet, 1) != 0)
        _exit(2);
    int r = listen_at(&own, own.path, NULL);
    octet = r == 0 ? 'y' : r == -EADDRINUSE ? 'n' : '?';
    if (write(up, &octet, 1) != 1 || read(leave, &octet, 1) != 0)
        _exit(3);
    kith_listener_free(own.listener);
    _exit(0);
}

/* All find the same stale path at once: one gets it, and keeps it. */
static void test_of_many_that_start_at_once_exactly_one_wins(void **state) {
    enum { STARTERS = 12 };
    struct hall *hall = *state;
    char octet;
    int start[2], up[2], leave[2], won = 0, status;
    close(raw_server(hall->path, SOCK_STREAM, 1));
    assert_int_equal(pipe2(start, O_CLOEXEC) | pipe2(up, O_CLOEXEC) | pipe2(leave, O_CLOEXEC), 0);
    for (int i = 0; i < STARTERS; i++) {
        if (fork() == 0) {
            close(start[1]);
            close(leave[1]);
            start_and_stay(hall, start[0], up[1], leave[0]);
        }
    }
    close(start[0]);
    close(start[1]);
    close(up[1]);
    for (int i = 0; i < STARTERS; i++) {
        assert_int_equal(read(up[0], &octet, 1), 1);
        assert_true(octet == 'y' || octet == 'n');
        won += octet == 'y';
    }
    assert_int_equal(won, 1);
    int fd = client(hall->path);
    assert_true(fd >= 0);
    close(leave[0]);
    close(leave[1]);
    for (int i = 0; i < STARTERS; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    close(fd);
    close(up[0]);
}

/* Names and ports ------------------------------------------------------------------------------------------------------ */

static void test_an_abstract_name_in_use_names_its_holder(void **state) {
    struct hall *hall = *state;
    char name[64], pid[32];
    snprintf(name, sizeof(name), "@kith-test-listener-%d", (int)getpid());
    snprintf(pid, sizeof(pid), "pid %d", (int)getpid());
    assert_int_equal(listen_at(hall, name, NULL), 0);
    kith_listener *first = KITH_STEAL(hall->listener);
    assert_int_equal(listen_at(hall, name, NULL), -EADDRINUSE);
    assert_non_null(strstr(hall->error.text, name));
    assert_non_null(strstr(hall->error.text, pid));
    assert_null(hall->listener);
    kith_listener_free(first);
    assert_int_equal(listen_at(hall, name, NULL), 0);
}

static int listen_ip(struct hall *hall, const char *host, unsigned port, kith_listener **ret_listener) {
    struct kith_address address;
    assert_int_equal(kith_address_ip(host, port, &address), 0);
    return kith_listener_new(hall->world.loop, &address, NULL, &hall_ops, hall, ret_listener, &hall->error);
}

static void test_a_port_in_use_is_refused_and_both_families_share_one(void **state) {
    struct hall *hall = *state;
    kith_listener *second = NULL;
    struct kith_address address;
    assert_int_equal(listen_ip(hall, "*", 0, &hall->listener), 0);
    assert_int_equal(kith_listener_address(hall->listener, &address), 0);
    unsigned port = ntohs(((struct sockaddr_in *)&address.storage)->sin_port);
    assert_true(port != 0);
    assert_int_equal(listen_ip(hall, "127.0.0.1", port, &second), -EADDRINUSE);
    assert_non_null(strstr(hall->error.text, "127.0.0.1:"));
    assert_int_equal(listen_ip(hall, "::", port, &second), 0);
    kith_listener_free(second);
    assert_int_equal(listen_ip(hall, "192.0.2.1", 0, &second), -EADDRNOTAVAIL); /* TEST-NET-1, RFC 5737 */
}

/* Accepting ------------------------------------------------------------------------------------------------------------- */

static void test_a_refused_client_is_hung_up_on(void **state) {
    struct hall *hall = *state;
    hall->answer = -EPERM;
    assert_int_equal(listen_at(hall, hall->path, NULL), 0);
    int fd = client(hall->path);
    until(&hall->world, at_end(fd));
    assert_int_equal(hall->accepted, 0);
    close(fd);
}

static void test_a_listener_may_be_freed_while_accepting(void **state) {
    struct hall *hall = *state;
    hall->free_it = true;
    assert_int_equal(listen_at(hall, hall->path, NULL), 0);
    int first = client(hall->path), second = client(hall->path);
    until(&hall->world, hall->accepted == 1);
    settle_down(&hall->world);
    assert_int_equal(hall->accepted, 1);
    close(first);
    close(second);
}

static void test_a_paused_listener_accepts_nobody(void **state) {
    struct hall *hall = *state;
    assert_int_equal(listen_at(hall, hall->path, NULL), 0);
    kith_listener_pause(hall->listener);
    int fd = client(hall->path);
    settle_down(&hall->world);
    assert_int_equal(hall->accepted, 0);
    kith_listener_resume(hall->listener);
    until(&hall->world, hall->accepted == 1);
    close(fd);
}

/* Lowers the limit so that no descriptor can be opened any more. */
static struct rlimit use_up_descriptors(void) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(next);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = limit.rlim_max}), 0);
    return limit;
}

static void test_without_descriptors_clients_are_hung_up_on_and_the_loop_rests(void **state) {
    struct hall *hall = *state;
    int clients[3];
    assert_int_equal(listen_at(hall, hall->path, NULL), 0);
    kith_listener_pause(hall->listener);
    settle_down(&hall->world);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        clients[i] = client(hall->path);
    struct rlimit limit = use_up_descriptors();
    kith_listener_resume(hall->listener); /* io_uring looks at the limit when it is asked to accept */
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        until(&hall->world, at_end(clients[i]));
    settle_down(&hall->world);
    assert_int_equal(hall->errors, 1);
    assert_int_equal(hall->last_error, -EMFILE);
    assert_int_equal(hall->accepted, 0);

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    int fd = client(hall->path);
    until(&hall->world, hall->accepted == 1);
    close(fd);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        close(clients[i]);
}

/* The limit falls below the spare descriptor itself: once given up it cannot be had again. */
static void test_without_a_spare_descriptor_the_loop_rests_and_comes_back(void **state) {
    struct hall *hall = *state;
    struct rlimit limit;
    assert_int_equal(listen_at(hall, hall->path, NULL), 0);
    kith_listener_pause(hall->listener);
    settle_down(&hall->world);
    int fds[2] = {client(hall->path), client(hall->path)};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = 3, .rlim_max = limit.rlim_max}), 0);
    kith_listener_resume(hall->listener);
    until(&hall->world, hall->errors == 1);
    assert_int_equal(hall->last_error, -EMFILE);
    settle_down(&hall->world);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    until(&hall->world, hall->accepted + at_end(fds[0]) + at_end(fds[1]) == 2);
    assert_int_equal(hall->errors, 1);
    close(fds[0]);
    close(fds[1]);
}

#define HALL_TEST(name) cmocka_unit_test_setup_teardown(name, hall_setup, hall_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        HALL_TEST(test_clients_are_accepted_and_the_path_goes_with_the_listener),
        HALL_TEST(test_accepted_sockets_name_their_writers_from_the_first_octet),
        HALL_TEST(test_the_mode_is_exactly_what_was_asked_for),
        HALL_TEST(test_a_stale_path_is_replaced),
        HALL_TEST(test_a_path_whose_listener_outlives_its_process_for_a_moment_is_replaced),
        HALL_TEST(test_a_path_whose_listener_was_inherited_from_a_process_that_ended_is_not_stolen),
        HALL_TEST(test_a_live_path_is_not_stolen_and_its_holder_named),
        HALL_TEST(test_a_live_server_too_busy_to_be_asked_is_not_stolen_from),
        HALL_TEST(test_a_live_socket_of_another_type_is_not_stolen),
        HALL_TEST(test_what_is_not_a_socket_is_never_touched),
        HALL_TEST(test_a_path_that_became_somebody_elses_is_left_alone),
        HALL_TEST(test_a_forked_child_does_not_remove_the_path),
        HALL_TEST(test_a_relative_path_survives_chdir),
        HALL_TEST(test_errors_name_path_and_remedy),
        HALL_TEST(test_a_directory_that_may_not_be_written_is_named),
        HALL_TEST(test_a_directory_locked_for_long_is_an_error),
        HALL_TEST(test_of_many_that_start_at_once_exactly_one_wins),
        HALL_TEST(test_an_abstract_name_in_use_names_its_holder),
        HALL_TEST(test_a_port_in_use_is_refused_and_both_families_share_one),
        HALL_TEST(test_a_refused_client_is_hung_up_on),
        HALL_TEST(test_a_listener_may_be_freed_while_accepting),
        HALL_TEST(test_a_paused_listener_accepts_nobody),
        HALL_TEST(test_without_descriptors_clients_are_hung_up_on_and_the_loop_rests),
        HALL_TEST(test_without_a_spare_descriptor_the_loop_rests_and_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
