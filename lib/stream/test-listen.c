/* Listening sockets before anybody accepts: paths and their owners, whatever is in the way, and sockets that came from elsewhere. */
#include "stream/testing.h"

#include <grp.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "stream/path.h"

/* Ids that nobody on the host has. */
#define SOME_UID 61001
#define SOME_GID 61101

struct site {
    struct world world; /* first: the world's helpers take it */
    char directory[64];
    char path[96];
    char other[96]; /* a second path in the directory */
    kith_listener *listener;
    struct kith_error error;
    int accepted; /* the last one, or -1 */
};

static int site_setup(void **state) {
    struct site *site = world_new(state, sizeof(*site));
    if (!site)
        return -1;
    site->accepted = -1;
    strcpy(site->directory, "/tmp/kith-test-listen-XXXXXX");
    if (!mkdtemp(site->directory))
        return -1;
    snprintf(site->path, sizeof(site->path), "%s/x.sock", site->directory);
    snprintf(site->other, sizeof(site->other), "%s/other", site->directory);
    return 0;
}

static int site_teardown(void **state) {
    struct site *site = *state;
    int r = 0;
    kith_listener_free(site->listener);
    kith_close(site->accepted);
    kith_loop_free(site->world.loop);
    if (testing_fd_count() != site->world.fds_before) {
        fprintf(stderr, "descriptors: %zu before, %zu after\n", site->world.fds_before, testing_fd_count());
        r = -1;
    }
    unlink(site->path);
    unlink(site->other);
    if (rmdir(site->directory) < 0) {
        perror(site->directory);
        r = -1;
    }
    free(site);
    return r;
}

static int site_accept(kith_listener *listener, int fd, void *userdata) {
    struct site *site = userdata;
    kith_close(site->accepted);
    site->accepted = fd;
    return 0;
}

static const struct kith_listener_ops site_ops = {.accept = site_accept};

static int listen_at(struct site *site, const char *name, const struct kith_listener_options *options) {
    struct kith_address address;
    assert_int_equal(kith_address_unix(name, &address), 0);
    return kith_listener_new(site->world.loop, &address, options, &site_ops, site, &site->listener, &site->error);
}

static int listen_fd(struct site *site, int fd, const struct kith_listener_options *options) {
    return kith_listener_new_fd(site->world.loop, fd, options, &site_ops, site, &site->listener, &site->error);
}

/* A raw socket bound to the address and, with a backlog, listening. */
static int raw_at(const struct kith_address *address, int type, int backlog) {
    int fd = socket(address->storage.ss_family, type, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address->storage, address->size), 0);
    if (backlog >= 0)
        assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static int raw_path(const char *path, int type, int backlog) {
    struct kith_address address;
    assert_int_equal(kith_address_unix(path, &address), 0);
    return raw_at(&address, type, backlog);
}

static int connect_to(const struct kith_address *address) {
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address->storage, address->size), 0);
    return fd;
}

/* Connects to the site's listener and waits until it has accepted. */
static void serve_one(struct site *site) {
    struct kith_address address;
    site->accepted = kith_close(site->accepted);
    assert_int_equal(kith_listener_address(site->listener, &address), 0);
    int fd = connect_to(&address);
    until(&site->world, site->accepted >= 0);
    close(fd);
}

static struct stat stat_of(const char *path) {
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return st;
}

/* Runs fn in a child process, as an ordinary user when we are root; it must return 0. */
static void as_a_user(struct site *site, int (*fn)(struct site *site)) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        if (getuid() == 0 && (setgroups(0, NULL) < 0 || setgid(SOME_GID) < 0 || setuid(SOME_UID) < 0))
            _exit(100);
        kith_loop_free(site->world.loop); /* the parent's */
        if (kith_loop_new(&site->world.loop) < 0)
            _exit(101);
        _exit(fn(site));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* Owner ---------------------------------------------------------------------------------------------------------------- */

static void test_the_owner_is_exactly_what_was_asked_for(void **state) {
    struct site *site = *state;
    if (geteuid() != 0)
        skip();
    struct kith_listener_options options = {.mode = 0660, .set_owner = true, .uid = SOME_UID, .gid = SOME_GID};
    assert_int_equal(listen_at(site, site->path, &options), 0);
    struct stat st = stat_of(site->path);
    assert_int_equal(st.st_uid, SOME_UID);
    assert_int_equal(st.st_gid, SOME_GID);
    assert_int_equal(st.st_mode, S_IFSOCK | 0660);
    serve_one(site);

    site->listener = kith_listener_free(site->listener);
    assert_int_equal(access(site->path, F_OK), -1); /* still its own, whoever owns it */
    options = (struct kith_listener_options){.set_owner = true, .uid = (uid_t)-1, .gid = SOME_GID};
    assert_int_equal(listen_at(site, site->path, &options), 0);
    st = stat_of(site->path);
    assert_int_equal(st.st_uid, geteuid());
    assert_int_equal(st.st_gid, SOME_GID);
}

static int give_to_root(struct site *site) {
    struct kith_listener_options options = {.set_owner = true, .uid = 0, .gid = (gid_t)-1};
    int r = listen_at(site, site->path, &options);
    bool clear = strstr(site->error.text, "CAP_CHOWN") && strstr(site->error.text, site->path);
    kith_loop_free(site->world.loop);
    return r == -EPERM && clear && !site->listener && access(site->path, F_OK) < 0 ? 0 : 1;
}

static void test_an_owner_that_may_not_be_set_names_the_privilege(void **state) {
    struct site *site = *state;
    assert_int_equal(chmod(site->directory, 0777), 0);
    as_a_user(site, give_to_root);
}

static int keep_group(struct site *site) {
    struct kith_listener_options options = {.mode = 0620, .set_owner = true, .uid = (uid_t)-1, .gid = getgid()};
    int r = listen_at(site, site->path, &options);
    bool right = r == 0 && stat_of(site->path).st_mode == (S_IFSOCK | 0620) && stat_of(site->path).st_gid == getgid();
    kith_listener_free(site->listener);
    kith_loop_free(site->world.loop);
    return right ? 0 : 1;
}

static void test_a_group_of_ones_own_needs_no_privilege(void **state) {
    struct site *site = *state;
    assert_int_equal(chmod(site->directory, 0777), 0);
    as_a_user(site, keep_group);
}

/* Somebody with write permission in the directory has been faster than us: what he put at the path is not changed. */
static int claim_replaced(struct site *site, void (*replace)(struct site *site)) {
    const struct kith_listener_options options = {.mode = 0666, .set_owner = true, .uid = (uid_t)-1, .gid = getgid()};
    struct kith_bound_path bound = {.dirfd = open(site->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .name = "x.sock"};
    int fd = raw_path(site->path, SOCK_STREAM, -1);
    replace(site);
    int r = kith_bound_path_claim(&bound, fd, &options, site->path, &site->error);
    kith_bound_path_deinit(&bound);
    close(fd);
    if (r != -ESTALE || !strstr(site->error.text, "replaced") || access(site->path, F_OK) < 0)
        return 1;
    return (stat_of(site->other).st_mode & 07777) == 0600 ? 0 : 2;
}

static void by_hard_link(struct site *site) {
    close(open(site->other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    unlink(site->path);
    (void)!link(site->other, site->path);
}

static void by_symlink(struct site *site) {
    close(open(site->other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    unlink(site->path);
    (void)!symlink(site->other, site->path);
}

/* Another socket of ours, under its name and under the path. */
static void by_linked_socket(struct site *site) {
    close(raw_path(site->other, SOCK_STREAM, -1));
    chmod(site->other, 0600);
    unlink(site->path);
    (void)!link(site->other, site->path);
}

static int claim_all_replaced(struct site *site) {
    static void (*const ways[])(struct site * site) = {by_hard_link, by_symlink, by_linked_socket};
    int failed = 0;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(ways) && !failed; i++) {
        failed = claim_replaced(site, ways[i]) != 0 ? (int)i + 1 : 0;
        unlink(site->path);
        unlink(site->other);
    }
    kith_loop_free(site->world.loop);
    return failed;
}

/* Without privilege the name is looked at; with CAP_NET_ADMIN the kernel is asked: both must see through it. */
static void test_a_path_replaced_before_it_listens_changes_nobody_elses_file(void **state) {
    struct site *site = *state;
    assert_int_equal(chmod(site->directory, 0777), 0);
    as_a_user(site, claim_all_replaced);
    kith_loop *loop = KITH_STEAL(site->world.loop);
    assert_int_equal(claim_all_replaced(site), 0);
    site->world.loop = loop;
}

/* File systems ------------------------------------------------------------------------------------------------------------ */

/* In mounts of its own; 77: they may not be made here. */
static int on_a_tmpfs(struct site *site, const char *options, unsigned long flags, int expected, const char *expected_text) {
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, "") < 0 ||
        mount("kith-test", site->directory, "tmpfs", flags, options) < 0)
        return 77;
    kith_loop_free(site->world.loop); /* the parent's */
    if (kith_loop_new(&site->world.loop) < 0)
        return 2;
    int r = listen_at(site, site->path, NULL);
    kith_loop_free(site->world.loop);
    return r == expected && strstr(site->error.text, expected_text) && strstr(site->error.text, site->directory) ? 0 : 1;
}

static void expect_on_a_tmpfs(struct site *site, const char *options, unsigned long flags, int expected, const char *expected_text) {
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(on_a_tmpfs(site, options, flags, expected, expected_text));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_a_full_file_system_is_named(void **state) {
    expect_on_a_tmpfs(*state, "nr_inodes=1", 0, -ENOSPC, "df -i"); /* the root has the one there is */
}

static void test_a_read_only_file_system_is_named(void **state) {
    expect_on_a_tmpfs(*state, "", MS_RDONLY, -EROFS, "read-only");
}

/* TCP ------------------------------------------------------------------------------------------------------------------ */

static int nodelay_of(int fd) {
    int value = -1;
    socklen_t size = sizeof(value);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
    return value;
}

static void test_accepted_tcp_sockets_have_nodelay(void **state) {
    struct site *site = *state;
    static const char *const hosts[] = {"127.0.0.1", "::1"};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(hosts); i++) {
        struct kith_address address;
        assert_int_equal(kith_address_ip(hosts[i], 0, &address), 0);
        assert_int_equal(kith_listener_new(site->world.loop, &address, NULL, &site_ops, site, &site->listener, &site->error), 0);
        serve_one(site);
        assert_int_equal(nodelay_of(site->accepted), 1);
        site->listener = kith_listener_free(site->listener);
    }
}

/* Adopted ---------------------------------------------------------------------------------------------------------------- */

static void test_an_adopted_socket_is_made_fit_and_its_path_left_alone(void **state) {
    struct site *site = *state;
    int fd = raw_path(site->path, SOCK_STREAM, 1), on;
    socklen_t size = sizeof(on);
    assert_int_equal(listen_fd(site, fd, &(struct kith_listener_options){.identity = true, .backlog = 8}), 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, &size), 0);
    assert_int_equal(on, 1);
    int waiting[4]; /* more than the first backlog had room for */
    struct kith_address address;
    assert_int_equal(kith_address_unix(site->path, &address), 0);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(waiting); i++)
        waiting[i] = connect_to(&address);
    until(&site->world, site->accepted >= 0);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(waiting); i++)
        close(waiting[i]);
    site->listener = kith_listener_free(site->listener);
    assert_int_equal(stat_of(site->path).st_mode & S_IFMT, S_IFSOCK);
}

static void test_an_adopted_path_is_removed_when_told(void **state) {
    struct site *site = *state;
    const struct kith_listener_options options = {.remove_path = true};
    assert_int_equal(listen_fd(site, raw_path(site->path, SOCK_STREAM, 1), &options), 0);
    serve_one(site);
    site->listener = kith_listener_free(site->listener);
    assert_int_equal(access(site->path, F_OK), -1);

    int fd = raw_path(site->path, SOCK_STREAM, 1);
    assert_int_equal(unlink(site->path), 0);
    assert_int_equal(listen_fd(site, fd, &options), -ESTALE);
    assert_int_equal(fcntl(fd, F_GETFD) & ~FD_CLOEXEC, 0); /* still the caller's */
    close(fd);
}

static void test_an_adopted_tcp_socket_serves(void **state) {
    struct site *site = *state;
    struct kith_address address;
    assert_int_equal(kith_address_ip("127.0.0.1", 0, &address), 0);
    assert_int_equal(listen_fd(site, raw_at(&address, SOCK_STREAM, 1), &(struct kith_listener_options){.remove_path = true}), 0);
    serve_one(site);
    assert_int_equal(nodelay_of(site->accepted), 1);
}

static void refused(struct site *site, int fd, int expected, const char *expected_text) {
    assert_int_equal(listen_fd(site, fd, NULL), expected);
    assert_int_equal(site->error.code, expected);
    assert_non_null(strstr(site->error.text, expected_text));
    assert_null(site->listener);
}

static void test_what_does_not_listen_is_refused_by_name(void **state) {
    struct site *site = *state;
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC), pair[2];
    int datagram = raw_path(site->path, SOCK_DGRAM, -1), packets = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    int idle = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    refused(site, -1, -EBADF, "not open");
    refused(site, file, -ENOTSOCK, "no socket");
    refused(site, datagram, -EPROTOTYPE, "no stream socket");
    refused(site, packets, -EPROTOTYPE, "no stream socket");
    refused(site, idle, -EINVAL, "does not listen");
    refused(site, pair[0], -EINVAL, "does not listen");
    refused(site, netlink, -EAFNOSUPPORT, "address family");
    int all[] = {file, datagram, packets, idle, netlink, pair[0], pair[1]};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(all); i++)
        assert_int_equal(close(all[i]), 0);
}

static void test_a_socket_that_the_loop_watches_stays_the_callers(void **state) {
    struct site *site = *state;
    int fd = raw_path(site->path, SOCK_STREAM, 1);
    assert_int_equal(listen_fd(site, fd, NULL), 0);
    kith_listener *first = KITH_STEAL(site->listener);
    refused(site, fd, -EEXIST, "watch");
    site->listener = first;
    serve_one(site);
}

#define SITE_TEST(name) cmocka_unit_test_setup_teardown(name, site_setup, site_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        SITE_TEST(test_the_owner_is_exactly_what_was_asked_for),
        SITE_TEST(test_an_owner_that_may_not_be_set_names_the_privilege),
        SITE_TEST(test_a_group_of_ones_own_needs_no_privilege),
        SITE_TEST(test_a_path_replaced_before_it_listens_changes_nobody_elses_file),
        SITE_TEST(test_a_full_file_system_is_named),
        SITE_TEST(test_a_read_only_file_system_is_named),
        SITE_TEST(test_accepted_tcp_sockets_have_nodelay),
        SITE_TEST(test_an_adopted_socket_is_made_fit_and_its_path_left_alone),
        SITE_TEST(test_an_adopted_path_is_removed_when_told),
        SITE_TEST(test_an_adopted_tcp_socket_serves),
        SITE_TEST(test_what_does_not_listen_is_refused_by_name),
        SITE_TEST(test_a_socket_that_the_loop_watches_stays_the_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
