/* tests/map/net.h: real listeners and connections of this machine's loopback, for what the kernel's memory knows of them. */
#ifndef KITH_TESTS_MAP_NET_H
#define KITH_TESTS_MAP_NET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A connection, both its ends. */
struct pair {
    int client, accepted;
};

/* Makes a socket listen: at "127.0.0.1", "::1", "0.0.0.0"...; port 0: any. SO_REUSEADDR always, SO_REUSEPORT when asked for. */
int net_listen(const char *address, uint16_t port, bool reuseport);
#define NET_BACKLOG 7 /* of them all */

/* A blocking connect(2): from any port, or from this one. */
int net_connect(const char *address, uint16_t port);
int net_connect_from(const char *from, uint16_t from_port, const char *address, uint16_t port);
int net_accept(int listener);
/* Connects to the listener and accepts. */
struct pair net_pair(int listener, const char *address);
/* Closes a connection with a reset: nothing of it stays in TIME_WAIT. */
void net_pair_close(struct pair pair);
void net_reset(int fd);

uint16_t net_port(int fd);
uint64_t net_cookie(int fd);
uint64_t net_inode(int fd);
/* Inode number of this thread's network namespace. */
uint64_t net_namespace(void);
/* Puts this thread into a new network namespace, with loopback; returns the old one, for net_leave(). */
int net_enter_new(void);
void net_leave(int old);
/* Writes a setting of /proc/sys/net/ipv4. */
void net_set(const char *name, int value);

/* Runs fn in a child process that has these capabilities (1 << CAP_BPF...) and no other. Returns its exit status. */
int net_with_capabilities(uint64_t capabilities, int (*fn)(void));
/* The same in a child that is another user (65534), and has none. */
int net_as_nobody(int (*fn)(void));

#endif
