/*
 * Each control message through real AF_UNIX sockets, sent by the builder, received by adoption and the walk. Every test counts the
 * open descriptors before and after. What this kernel does not have is skipped with its name.
 */
#include "cmsg/test-channel.h"

#include <linux/net_tstamp.h>
#include <stdio.h>
#include <sys/wait.h>

static void test_a_passed_descriptor_is_the_same_open_file(void **state) {
    struct channel *channel = *state;
    uint8_t control[64];
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control, sizeof(control));
    struct received received;
    struct kith_cmsg cmsg;
    int pipe_ends[2];
    char text[8];

    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    assert_int_equal(kith_cmsg_put_fds(&builder, &pipe_ends[1], 1), 0);
    assert_int_equal(send_octet(channel, &builder), 1);
    close(pipe_ends[1]);

    receive(channel, &received);
    assert_int_equal(received.fd_count, 1);
    cmsg = find(&received, SCM_RIGHTS);
    assert_int_equal(kith_cmsg_fd(&cmsg, 0), received.fds[0]);
    assert_int_equal(write(received.fds[0], "through", 8), 8);
    assert_int_equal(read(pipe_ends[0], text, sizeof(text)), 8);
    assert_string_equal(text, "through");
    close(pipe_ends[0]);
    drop(&received);
}

static void test_as_many_descriptors_as_the_kernel_takes_arrive(void **state) {
    struct channel *channel = *state;
    struct received received;

    send_fds(channel, KITH_CMSG_MAX_FDS);
    receive(channel, &received);
    assert_int_equal(received.fd_count, KITH_CMSG_MAX_FDS);
    assert_int_equal(find(&received, SCM_RIGHTS).value.fds.count, KITH_CMSG_MAX_FDS);
    drop(&received);
}

static void test_the_kernel_takes_no_more_descriptors_than_the_builder(void **state) {
    struct channel *channel = *state;
    uint8_t control[CMSG_SPACE((KITH_CMSG_MAX_FDS + 1) * sizeof(int))];
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control, sizeof(control));
    int fds[KITH_CMSG_MAX_FDS + 1];

    for (size_t i = 0; i <= KITH_CMSG_MAX_FDS; i++)
        fds[i] = channel->ends[0];
    assert_int_equal(kith_cmsg_put(&builder, SOL_SOCKET, SCM_RIGHTS, fds, sizeof(fds)), 0);
    assert_int_equal(send_octet(channel, &builder), -EINVAL);
}

static void test_several_messages_of_descriptors_arrive_as_one(void **state) {
    struct channel *channel = *state;
    uint8_t control[128];
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control, sizeof(control));
    struct received received;

    assert_int_equal(kith_cmsg_put_fds(&builder, channel->ends, 2), 0);
    assert_int_equal(kith_cmsg_put_fds(&builder, channel->ends, 1), 0);
    assert_int_equal(send_octet(channel, &builder), 1);
    receive(channel, &received);
    assert_int_equal(received.fd_count, 3);
    assert_int_equal(find(&received, SCM_RIGHTS).value.fds.count, 3);
    drop(&received);
}

static void test_a_peek_brings_descriptors_of_its_own(void **state) {
    struct channel *channel = *state;
    struct received peeked, received;

    send_fds(channel, 2);
    receive_with(channel, &peeked, sizeof(peeked.control), MSG_PEEK);
    receive(channel, &received);
    assert_int_equal(peeked.fd_count, 2);
    assert_int_equal(received.fd_count, 2);
    assert_int_not_equal(peeked.fds[0], received.fds[0]);
    drop(&peeked);
    drop(&received);
}

static void test_a_short_control_buffer_keeps_what_fits_and_says_so(void **state) {
    struct channel *channel = *state;

    for (size_t room = 0; room < 5; room++) {
        struct received received;

        send_fds(channel, 5);
        receive_with(channel, &received, room == 0 ? 0 : CMSG_LEN(room * sizeof(int)), 0);
        assert_int_equal(received.flags & MSG_CTRUNC, MSG_CTRUNC);
        assert_int_equal(received.fd_count, room);
        drop(&received);
    }
}

static void test_the_kernel_names_the_writer(void **state) {
    struct channel *channel = *state;
    struct received received;
    struct kith_cmsg cmsg;

    turn_on(channel, SO_PASSCRED, 1, "SO_PASSCRED");
    assert_int_equal(send_octet(channel, NULL), 1);
    receive(channel, &received);
    cmsg = find(&received, SCM_CREDENTIALS);
    assert_int_equal(cmsg.value.credentials.pid, getpid());
    assert_int_equal(cmsg.value.credentials.uid, getuid());
    assert_int_equal(cmsg.value.credentials.gid, getgid());
}

static void test_own_credentials_may_be_stated(void **state) {
    struct channel *channel = *state;
    uint8_t control[64];
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control, sizeof(control));
    struct received received;

    turn_on(channel, SO_PASSCRED, 1, "SO_PASSCRED");
    assert_int_equal(kith_cmsg_put_credentials(&builder, getpid(), getuid(), getgid()), 0);
    assert_int_equal(send_octet(channel, &builder), 1);
    receive(channel, &received);
    assert_int_equal(find(&received, SCM_CREDENTIALS).value.credentials.pid, getpid());
}

/* Runs act in a child of uid and gid 65534 and returns its exit status. */
static int in_child_as_nobody(struct channel *channel, int (*act)(struct channel *channel)) {
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0)
        _exit(setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0 ? 99 : act(channel));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int state_being_root(struct channel *channel) {
    uint8_t control[64];
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control, sizeof(control));

    kith_cmsg_put_credentials(&builder, getpid(), 0, 0);
    return (int)-send_octet(channel, &builder);
}

static void test_credentials_of_others_may_not_be_stated(void **state) {
    struct channel *channel = *state;

    if (geteuid() != 0) {
        print_message("needs root\n");
        skip();
    }
    assert_int_equal(in_child_as_nobody(channel, state_being_root), EPERM);
}

static int write_with_another_effective_uid(struct channel *channel) {
    return seteuid(65534) < 0 || send_octet(channel, NULL) != 1;
}

static void test_credentials_carry_the_real_uid_not_the_effective_one(void **state) {
    struct channel *channel = *state;
    struct received received;
    pid_t child;
    int status;

    if (geteuid() != 0) {
        print_message("needs root\n");
        skip();
    }
    turn_on(channel, SO_PASSCRED, 1, "SO_PASSCRED");
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(write_with_another_effective_uid(channel));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    receive(channel, &received);
    assert_int_equal(find(&received, SCM_CREDENTIALS).value.credentials.pid, child);
    assert_int_equal(find(&received, SCM_CREDENTIALS).value.credentials.uid, 0);
}

static void test_octets_sent_before_credentials_were_asked_for_have_no_name(void **state) {
    struct channel *channel = *state;
    struct received received;
    struct kith_cmsg cmsg;

    assert_int_equal(send_octet(channel, NULL), 1);
    turn_on(channel, SO_PASSCRED, 1, "SO_PASSCRED");
    receive(channel, &received);
    cmsg = find(&received, SCM_CREDENTIALS);
    assert_int_equal(cmsg.value.credentials.pid, 0);
    assert_int_equal(cmsg.value.credentials.uid, 65534);
}

static void test_cut_credentials_are_malformed(void **state) {
    struct channel *channel = *state;
    struct received received;
    struct kith_cmsg_iter iter;
    struct kith_cmsg cmsg;

    turn_on(channel, SO_PASSCRED, 1, "SO_PASSCRED");
    assert_int_equal(send_octet(channel, NULL), 1);
    receive_with(channel, &received, CMSG_LEN(sizeof(struct ucred)) - 1, 0);
    assert_int_equal(received.flags & MSG_CTRUNC, MSG_CTRUNC);
    iter = kith_cmsg_iter_init(received.control, received.size);
    assert_int_equal(kith_cmsg_next(&iter, &cmsg), -EBADMSG);
}

static void test_a_pidfd_of_the_writer_comes_beside_descriptors(void **state) {
    struct channel *channel = *state;
    struct received received;
    char path[64], line[128];
    FILE *fdinfo;
    int pid = 0;

    turn_on(channel, SO_PASSPIDFD, 1, "SO_PASSPIDFD");
    turn_on(channel, SO_PASSCRED, 1, "SO_PASSCRED");
    send_fds(channel, 2);
    receive(channel, &received);
    assert_int_equal(received.fd_count, 2);
    assert_int_equal(find(&received, SCM_CREDENTIALS).value.credentials.pid, getpid());
    assert_true(received.pidfd >= 0);
    assert_int_equal(fcntl(received.pidfd, F_GETFD), FD_CLOEXEC);

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", received.pidfd);
    fdinfo = fopen(path, "re");
    assert_non_null(fdinfo);
    while (fgets(line, sizeof(line), fdinfo)) {
        if (sscanf(line, "Pid: %d", &pid) == 1)
            break;
    }
    fclose(fdinfo);
    assert_int_equal(pid, getpid());
    drop(&received);
}

/* What a file below /proc/self/attr says of this process: the octets, or -1 or 0 when the module behind it is not there. */
static ssize_t own_label(const char *path, char *label, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, label, size);

    kith_close(fd);
    return n;
}

/* Without a security module the option is accepted and nothing comes. AppArmor knows processes but gives sockets no label
 * (apparmor_socket_getpeersec_dgram()): nothing comes either. */
static void test_a_label_comes_when_there_is_a_security_module(void **state) {
    struct channel *channel = *state;
    struct received received;
    char label[256];
    bool by_apparmor = own_label("/proc/self/attr/apparmor/current", label, sizeof(label)) > 0;
    ssize_t size = own_label("/proc/self/attr/current", label, sizeof(label));

    turn_on(channel, SO_PASSSEC, 1, "SO_PASSSEC");
    assert_int_equal(send_octet(channel, NULL), 1);
    receive(channel, &received);
    if (size <= 0 || by_apparmor) {
        assert_int_equal(received.size, 0);
        return;
    }
    while (size > 0 && (label[size - 1] == '\n' || label[size - 1] == '\0'))
        size--;
    assert_int_equal(find(&received, 0x03).value.security.size, size);
    assert_memory_equal(find(&received, 0x03).value.security.label, label, size);
}

static void test_each_form_of_timestamp_says_when_the_datagram_came(void **state) {
    static const struct {
        int option;
        const char *name;
        long resolution; /* nanoseconds cut off */
    } forms[] = {
        {SO_TIMESTAMP_OLD, "SCM_TIMESTAMP", 1000},
        {SO_TIMESTAMPNS_OLD, "SCM_TIMESTAMPNS", 1},
        {SO_TIMESTAMP_NEW, "SCM_TIMESTAMP_NEW", 1000},
        {SO_TIMESTAMPNS_NEW, "SCM_TIMESTAMPNS_NEW", 1},
    };
    struct channel *channel = *state;

    for (size_t i = 0; i < KITH_ARRAY_SIZE(forms); i++) {
        struct timespec before, after, time;
        struct received received;
        struct kith_cmsg cmsg;

        turn_on(channel, forms[i].option, 1, forms[i].name);
        clock_gettime(CLOCK_REALTIME, &before);
        assert_int_equal(send_octet(channel, NULL), 1);
        receive(channel, &received);
        clock_gettime(CLOCK_REALTIME, &after);

        cmsg = find(&received, forms[i].option);
        assert_string_equal(cmsg.entry->name, forms[i].name);
        time = cmsg.value.timestamp;
        before.tv_nsec -= before.tv_nsec % forms[i].resolution;
        assert_true(time.tv_sec > before.tv_sec || (time.tv_sec == before.tv_sec && time.tv_nsec >= before.tv_nsec));
        assert_true(time.tv_sec < after.tv_sec || (time.tv_sec == after.tv_sec && time.tv_nsec <= after.tv_nsec));
    }
}

static void test_timestamping_comes_beside_the_plain_timestamp(void **state) {
    static const int options[][2] = {{SO_TIMESTAMPNS_OLD, SO_TIMESTAMPING_OLD}, {SO_TIMESTAMPNS_NEW, SO_TIMESTAMPING_NEW}};
    struct channel *channel = *state;

    for (size_t i = 0; i < KITH_ARRAY_SIZE(options); i++) {
        struct received received;
        struct kith_cmsg stamp, stamping;

        turn_on(channel, options[i][0], 1, "SO_TIMESTAMPNS");
        turn_on(channel, options[i][1], SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE, "SO_TIMESTAMPING");
        assert_int_equal(send_octet(channel, NULL), 1);
        receive(channel, &received);
        stamp = find(&received, options[i][0]);
        stamping = find(&received, options[i][1]);
        assert_int_equal(stamping.kind, KITH_CMSG_TIMESTAMPING);
        assert_memory_equal(&stamping.value.timestamping[0], &stamp.value.timestamp, sizeof(struct timespec));
        assert_int_equal(stamping.value.timestamping[2].tv_sec, 0); /* no hardware was there */
    }
}

static void test_only_what_the_table_says_may_be_sent(void **state) {
    struct channel *channel = *state;
    const struct kith_cmsg_type *type;

    for (size_t i = 0; (type = kith_cmsg_type_at(i)); i++) {
        uint8_t control[CMSG_SPACE(64)], zeros[64] = {0};
        struct kith_cmsg_builder builder = kith_cmsg_builder_init(control, sizeof(control));

        if (type->level != SOL_SOCKET || type->send_since) /* AF_UNIX looks at no other level */
            continue;
        assert_int_equal(kith_cmsg_put(&builder, type->level, type->type, zeros, sizeof(zeros)), 0);
        assert_int_equal(send_octet(channel, &builder), -EINVAL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON(test_a_passed_descriptor_is_the_same_open_file, open_stream),
        ON(test_as_many_descriptors_as_the_kernel_takes_arrive, open_stream),
        ON(test_the_kernel_takes_no_more_descriptors_than_the_builder, open_stream),
        ON(test_several_messages_of_descriptors_arrive_as_one, open_datagram),
        ON(test_a_peek_brings_descriptors_of_its_own, open_stream),
        ON(test_a_short_control_buffer_keeps_what_fits_and_says_so, open_stream),
        ON(test_the_kernel_names_the_writer, open_stream),
        ON(test_own_credentials_may_be_stated, open_datagram),
        ON(test_credentials_of_others_may_not_be_stated, open_stream),
        ON(test_credentials_carry_the_real_uid_not_the_effective_one, open_stream),
        ON(test_octets_sent_before_credentials_were_asked_for_have_no_name, open_stream),
        ON(test_cut_credentials_are_malformed, open_stream),
        ON(test_a_pidfd_of_the_writer_comes_beside_descriptors, open_stream),
        ON(test_a_label_comes_when_there_is_a_security_module, open_stream),
        ON(test_each_form_of_timestamp_says_when_the_datagram_came, open_datagram),
        ON(test_timestamping_comes_beside_the_plain_timestamp, open_datagram),
        ON(test_only_what_the_table_says_may_be_sent, open_datagram),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
