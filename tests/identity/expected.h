/*
 * tests/identity/expected.h: the whole JSON form of an origin as it has to be: built from what the test knows of the sender by itself, so
 * that nothing is told that is not so, and nothing more than can be known.
 */
#ifndef KITH_TESTS_EXPECTED_H
#define KITH_TESTS_EXPECTED_H

#include <jansson.h>

#include "identity/actor.h"

/* What /proc shows of a living process, read here and not by kith. */
struct body {
    uint64_t start_time, pid_namespace, user_namespace;
};

struct body body_of(pid_t pid);

/* "kernel-connect" where the kernel gives a pidfd of the sender (Linux 6.5), else "inferred". */
const char *strongest(void);

/* A fact with its witness. */
void expect_number(json_t *origin, const char *name, uint64_t value, const char *witness);
void expect_text(json_t *origin, const char *name, const char *value, const char *witness);
void expect_true(json_t *origin, const char *name);
/* It is unknown after all. */
void forget(json_t *origin, const char *name);

/* Pid, uid and gid of this very message; a pid of 0 is unknown. */
json_t *expected_ids(pid_t pid, uid_t uid, gid_t gid);
/* All that is known of a process that runs `exe`; where all actors are (cgroup, unit, label) is where this process is. */
void expect_process(json_t *origin, const struct body *body, const char *exe, bool may_forge, const char *witness);
void expect_groups(json_t *origin, const gid_t *groups, size_t count, const char *witness);
/* May this process, and a child that stays root, forge? */
bool we_may_forge(void);

/* Fails unless the JSON form of the origin is exactly this, which is taken. */
void assert_origin_at(kith_origin *origin, json_t *expected, const char *file, int line);
void assert_text_at(const char *json, json_t *expected, const char *file, int line);
#define assert_text(json, expected) assert_text_at((json), (expected), __FILE__, __LINE__)
#define assert_origin(origin, expected) assert_origin_at((origin), (expected), __FILE__, __LINE__)

#endif
