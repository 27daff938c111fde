/*
 * tests/support/child.h: other processes as peers: forked children that do one thing and are told by one-octet words when to go on.
 *
 * In the child nothing of kith's loop or sockets and nothing of cmocka may be used; it ends with the number its function returns.
 */
#ifndef KITH_TESTS_CHILD_H
#define KITH_TESTS_CHILD_H

#include <sys/types.h>

#include "support/support.h"

struct child {
    pid_t pid;
    int line; /* a socket pair: words to and from the child */
};

/* Forks and runs fn(line, userdata) in the child. */
struct child child_start(int (*fn)(int line, void *userdata), void *userdata);
/* The same with a process id of one's choice (clone3 with set_tid): false when the kernel or our rights do not allow it. */
bool child_start_as(pid_t pid, int (*fn)(int line, void *userdata), void *userdata, struct child *ret_child);
/* Says a word to the child; waits for one from it while running the loop (support) or not at all running it (support NULL). */
void child_tell(const struct child *child, char word);
char child_hear(struct support *support, const struct child *child);
/* Waits for the end of the child, running the loop when there is one. Returns its exit status, or 256 + signal. */
int child_end(struct support *support, struct child *child);

/* For the child: */
/* Closes what it inherited, but for the standard descriptors and these two: a connection that the test closes must not live on here. -1:
 * none.
 */
void keep_only(int line, int fd);
int line_hear(int line, char expected);
int line_tell(int line, char word);
/* Becomes another user for good: groups, gid and uid. 0 or a negative errno. */
int become(uid_t uid, gid_t gid, const gid_t *groups, size_t count);

#endif
