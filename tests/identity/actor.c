#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity/actor.h"

#define BODY_SIZE 13
_Static_assert(sizeof(ACTOR_TEXT) - 1 == BODY_SIZE, "the wire forms below say so");
#define FIRST_HALF "\0\15from a"
#define SECOND_HALF "n actor"

/* In the actor's process ------------------------------------------------------------------------------------------- */

static int rush(struct raw *raw, const struct actor_role *role) {
    uint8_t wire[RAW_GREETING + RAW_READY_MAX + 2 + BODY_SIZE];
    raw_greeting(wire);
    size_t size = RAW_GREETING + raw_ready(wire + RAW_GREETING, "DEALER", role->claims);
    memcpy(wire + size, FIRST_HALF SECOND_HALF, 2 + BODY_SIZE);
    int result = raw_connect(NULL, role->endpoint, raw);
    return result < 0 ? result : raw_write(raw, wire, size + 2 + BODY_SIZE);
}

static int send_forged(struct raw *raw, const struct actor_role *role) {
    union {
        struct cmsghdr align;
        uint8_t octets[CMSG_SPACE(sizeof(struct ucred))];
    } control = {.octets = {0}};
    struct ucred credentials = {.pid = role->forged_pid, .uid = role->forged_uid, .gid = role->forged_gid};
    struct iovec octets = {.iov_base = (void *)(FIRST_HALF SECOND_HALF), .iov_len = 2 + BODY_SIZE};
    struct msghdr header = {.msg_iov = &octets, .msg_iovlen = 1, .msg_control = control.octets, .msg_controllen = sizeof(control.octets)};
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_CREDENTIALS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(credentials));
    memcpy(CMSG_DATA(cmsg), &credentials, sizeof(credentials));
    return sendmsg(raw->fd, &header, MSG_NOSIGNAL) == (ssize_t)octets.iov_len ? 0 : -errno;
}

static int write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int result = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -errno;
    if (fd >= 0)
        close(fd);
    return result;
}

static int move_to_cgroup(const char *folder) {
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
    return write_text(path, "0");
}

/* What unshare(1) -r does. */
static int enter_user_namespace(void) {
    char uids[32], gids[32];
    snprintf(uids, sizeof(uids), "0 %u 1", (unsigned)getuid());
    snprintf(gids, sizeof(gids), "0 %u 1", (unsigned)getgid());
    /* Who has changed his ids may not read his own /proc before he is dumpable again. */
    if (prctl(PR_SET_DUMPABLE, 1) < 0 || unshare(CLONE_NEWUSER) < 0)
        return -errno;
    int result = write_text("/proc/self/uid_map", uids);
    if (result >= 0)
        result = write_text("/proc/self/setgroups", "deny");
    return result < 0 ? result : write_text("/proc/self/gid_map", gids);
}

#define PROGRAM_WORD "--actor"

/* Both descriptors go on under their numbers. */
static int exec_program(int line, const struct raw *raw, const char *program) {
    char line_text[16], fd_text[16];
    snprintf(line_text, sizeof(line_text), "%d", line);
    snprintf(fd_text, sizeof(fd_text), "%d", raw->fd);
    if (fcntl(line, F_SETFD, 0) < 0 || fcntl(raw->fd, F_SETFD, 0) < 0)
        return -errno;
    execl(program, program, PROGRAM_WORD, line_text, fd_text, NULL);
    return -errno;
}

static int take_step(int line, struct raw *raw, const struct actor_role *role, enum actor_step step) {
    switch (step) {
    case ACTOR_CONNECT:
        return raw_join(NULL, role->endpoint, "DEALER", role->claims, raw);
    case ACTOR_RUSH:
        return rush(raw, role);
    case ACTOR_SEND:
        return raw_write(raw, FIRST_HALF SECOND_HALF, 2 + BODY_SIZE);
    case ACTOR_FIRST_HALF:
        return raw_write(raw, FIRST_HALF, sizeof(FIRST_HALF) - 1);
    case ACTOR_SECOND_HALF:
        return raw_write(raw, SECOND_HALF, sizeof(SECOND_HALF) - 1);
    case ACTOR_FIRST_FRAME:
        return raw_send(raw, RAW_MORE, "one", 3);
    case ACTOR_LAST_FRAME:
        return raw_send(raw, 0, "two", 3);
    case ACTOR_FORGE:
        return send_forged(raw, role);
    case ACTOR_EXEC:
        return exec_program(line, raw, role->program);
    default:
        return -EINVAL;
    }
}

static int take_steps(int line, struct raw *raw, const struct actor_role *role) {
    for (;;) {
        char step = ACTOR_QUIT;
        if (recv(line, &step, 1, 0) != 1 || step == ACTOR_QUIT)
            return 0;
        int result = take_step(line, raw, role, step);
        char answer = result == 0 ? step : result == -EACCES ? (char)ACTOR_REFUSED : result == -EPERM ? (char)ACTOR_FORBIDDEN : 'x';
        if (line_tell(line, answer) < 0)
            return 4;
    }
}

int actor_act(int line, const struct actor_role *role) {
    struct raw raw = {.fd = role->endpoint ? -1 : role->fd};
    keep_only(line, raw.fd);
    if (role->cgroup && move_to_cgroup(role->cgroup) < 0)
        return 2;
    if ((role->uid != 0 || role->gid != 0) && become(role->uid, role->gid, &role->extra, role->extra != 0) < 0)
        return 3;
    if (role->user_namespace && enter_user_namespace() < 0)
        return ACTOR_NO_NAMESPACE;
    return take_steps(line, &raw, role);
}

static int act(int line, void *userdata) {
    return actor_act(line, userdata);
}

void actor_program(int argc, char **argv) {
    if (argc != 4 || strcmp(argv[1], PROGRAM_WORD) != 0)
        return;
    const struct actor_role role = {.program = argv[0]};
    struct raw raw = {.fd = atoi(argv[3])};
    int line = atoi(argv[2]);
    _exit(line_tell(line, ACTOR_EXEC) < 0 ? 5 : take_steps(line, &raw, &role));
}

/* In the test's process -------------------------------------------------------------------------------------------- */

struct child actor_start(const struct actor_role *role) {
    return child_start(act, (void *)role);
}

bool actor_start_as(pid_t pid, const struct actor_role *role, struct child *ret_child) {
    return child_start_as(pid, act, (void *)role, ret_child);
}

void actor_step(struct support *support, const struct child *actor, enum actor_step step, enum actor_step expected) {
    child_tell(actor, (char)step);
    assert_int_equal(child_hear(support, actor), expected ? expected : step);
}

void actor_end(struct support *support, struct child *actor) {
    child_tell(actor, ACTOR_QUIT);
    assert_int_equal(child_end(support, actor), 0);
}

struct shared shared_new_checking(struct support *support, int64_t exec_check_ms) {
    struct shared shared = {.server = support_socket(support, KITH_ROUTER)};
    support_set(shared.server, KITH_OPTION_EXEC_CHECK, exec_check_ms); /* of connections that are made from here on */
    support_bind(shared.server, support_ipc(support));
    assert_int_equal(raw_connect(support, kith_socket_last_endpoint(shared.server), &shared.raw), 0);
    assert_int_equal(raw_handshake(&shared.raw, "DEALER", NULL), 0);
    return shared;
}

struct shared shared_new(struct support *support) {
    return shared_new_checking(support, 100);
}

kith_msg *heard_from_actor(struct support *support, kith_socket *server) {
    kith_msg *msg = support_recv(support, server);
    assert_int_equal(kith_msg_count(msg), 2);
    support_assert_frame(msg, 1, ACTOR_TEXT);
    assert_non_null(kith_msg_origin(msg));
    return msg;
}

pid_t pid_of(kith_origin *origin, enum kith_witness witness) {
    pid_t pid = -1;
    assert_string_equal(kith_witness_name(kith_origin_pid(origin, &pid)), kith_witness_name(witness));
    return pid;
}

uid_t uid_of(kith_origin *origin, enum kith_witness witness) {
    uid_t uid = (uid_t)-1;
    assert_string_equal(kith_witness_name(kith_origin_uid(origin, &uid)), kith_witness_name(witness));
    return uid;
}

gid_t gid_of(kith_origin *origin, enum kith_witness witness) {
    gid_t gid = (gid_t)-1;
    assert_string_equal(kith_witness_name(kith_origin_gid(origin, &gid)), kith_witness_name(witness));
    return gid;
}

bool has_group(kith_origin *origin, gid_t group) {
    const gid_t *groups = NULL;
    size_t count = 0;
    if (kith_origin_groups(origin, &groups, &count) == KITH_WITNESS_NONE)
        return false;
    for (size_t i = 0; i < count; i++)
        if (groups[i] == group)
            return true;
    return false;
}

const char *own_exe(void) {
    static char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
    assert_true(size > 0);
    path[size] = '\0';
    return path;
}

bool identity_possible(void) {
    if (geteuid() != 0)
        print_message("1..0 # SKIP needs root, to become other users\n");
    return geteuid() == 0;
}

const char *program_copy(struct support *support, const char *name, uid_t owner, gid_t group, mode_t mode) {
    static char paths[4][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % KITH_ARRAY_SIZE(paths)];
    snprintf(path, PATH_MAX, "%s/%s", support->directory, name);
    int from = open(own_exe(), O_RDONLY | O_CLOEXEC), to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    assert_true(from >= 0 && to >= 0);
    struct stat file;
    assert_int_equal(fstat(from, &file), 0);
    for (off_t left = file.st_size; left > 0;) {
        ssize_t count = copy_file_range(from, NULL, to, NULL, (size_t)left, 0);
        assert_true(count > 0);
        left -= count;
    }
    assert_int_equal(fchown(to, owner, group), 0);
    assert_int_equal(fchmod(to, mode), 0);
    close(from);
    close(to);
    return path;
}
