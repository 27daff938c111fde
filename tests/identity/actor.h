/*
 * tests/identity/actor.h: a process that is somebody and writes to a kith socket by hand, one step whenever the test says so. Several
 * actors may share one connection, as processes do that inherited it.
 */
#ifndef KITH_TESTS_ACTOR_H
#define KITH_TESTS_ACTOR_H

#include "support/child.h"
#include "support/raw.h"

/* The users of these tests; nobody else on the host has these numbers. */
#define USER_A 61001
#define USER_B 61002
#define GROUP_A 61101
#define GROUP_B 61102
#define EXTRA_A 61201
#define EXTRA_B 61202

struct actor_role {
    const char *endpoint; /* to connect to, or */
    int fd;               /* an inherited connection whose handshake is done, when endpoint is NULL */
    uid_t uid;
    gid_t gid, extra;                  /* primary and one supplementary group, 0: none */
    const struct raw_property *claims; /* told in READY */
    const char *cgroup;                /* the folder of a cgroup to move to first, or NULL */
    /* Credentials to state with ACTOR_FORGE. */
    pid_t forged_pid;
    uid_t forged_uid;
    gid_t forged_gid;
    const char *program; /* for ACTOR_EXEC: a copy of this very program */
    bool user_namespace; /* enters one of its own, where it is root and nobody else has an id */
};

enum actor_step {
    ACTOR_CONNECT = 'c',     /* connects and shakes hands; answers ACTOR_CONNECT, or ACTOR_REFUSED */
    ACTOR_REFUSED = 'r',     /* an answer: ERROR came instead of READY */
    ACTOR_RUSH = 'R',        /* connects, writes greeting, READY and a message, and reads nothing */
    ACTOR_SEND = 'm',        /* one whole message in one write */
    ACTOR_FIRST_HALF = '1',  /* a header and half of a body */
    ACTOR_SECOND_HALF = '2', /* the other half */
    ACTOR_FIRST_FRAME = '3', /* a frame with MORE */
    ACTOR_LAST_FRAME = '4',  /* the frame behind it */
    ACTOR_FORGE = 'f', /* a whole message with stated credentials; answers ACTOR_FORGE, or ACTOR_FORBIDDEN when the kernel forbids it */
    ACTOR_FORBIDDEN = 'F',
    ACTOR_EXEC = 'e', /* becomes role->program (execve(2)), which goes on as the actor; whoever does that calls actor_program() */
    ACTOR_QUIT = 'q',
};

/* Exit status of an actor that could not have a user namespace. */
#define ACTOR_NO_NAMESPACE 77

/* The message of ACTOR_SEND and others, as the DEALER that an actor is. */
#define ACTOR_TEXT "from an actor"

struct child actor_start(const struct actor_role *role);
bool actor_start_as(pid_t pid, const struct actor_role *role, struct child *ret_child);
/* The life of an actor in a process made by other means. Returns its exit status. */
int actor_act(int line, const struct actor_role *role);
/* In main(): goes on as an actor after ACTOR_EXEC and does not return then. */
void actor_program(int argc, char **argv);
/* Lets the actor take a step and waits for its answer, which must be `expected` (0: the step itself). The loop runs meanwhile when
 * support is not NULL. */
void actor_step(struct support *support, const struct child *actor, enum actor_step step, enum actor_step expected);
/* Ends it and waits for its end, the loop standing still when support is NULL. */
void actor_end(struct support *support, struct child *actor);

/* A server and a connection to it made by this process, to be inherited by actors. */
struct shared {
    kith_socket *server;
    struct raw raw;
};
struct shared shared_new(struct support *support);
/* The same with the option exec-check. */
struct shared shared_new_checking(struct support *support, int64_t exec_check_ms);

/* The next message at the server: from an actor; ROUTER in front. */
kith_msg *heard_from_actor(struct support *support, kith_socket *server);

/* Facts of an origin as plain values, or failing the test when the witness is not the expected one. */
pid_t pid_of(kith_origin *origin, enum kith_witness witness);
uid_t uid_of(kith_origin *origin, enum kith_witness witness);
gid_t gid_of(kith_origin *origin, enum kith_witness witness);
/* True when the group is known to be among the supplementary ones. */
bool has_group(kith_origin *origin, gid_t group);
/* The program this process runs. */
const char *own_exe(void);
/* A copy of it in the test's directory, of its own name, owner and mode; static memory that the next 4 calls leave alone. */
const char *program_copy(struct support *support, const char *name, uid_t owner, gid_t group, mode_t mode);

/* main() of every identity test: needs root, to become others; exit 77 otherwise. */
#define IDENTITY_MAIN(tests)                                                                                                               \
    int main(void) {                                                                                                                       \
        return identity_run(tests, KITH_ARRAY_SIZE(tests));                                                                                \
    }
/* The same where main() has more to do. */
#define identity_run(tests, count) (identity_possible() ? _cmocka_run_group_tests(#tests, (tests), (count), NULL, NULL) : 77)
bool identity_possible(void);
#define IDENTITY_TEST(name) cmocka_unit_test_setup_teardown(name, support_setup, support_teardown)

#endif
