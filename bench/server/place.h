/* bench/server/place.h: where a server listens: TCP on loopback or a path of AF_UNIX. */
#ifndef KITH_BENCH_SERVER_PLACE_H
#define KITH_BENCH_SERVER_PLACE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PLACE_BACKLOG 4096 /* the kernel's own limit, net.core.somaxconn */

struct place {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_un un;
    } address;
    socklen_t size;
};

/* 127.0.0.1 with a port that the kernel chooses; place_announce() tells it. */
struct place place_tcp(void);
struct place place_unix(const char *path);
bool place_is_tcp(const struct place *place);

/* A listening socket, non-blocking, with what accepted sockets are to inherit: TCP_NODELAY, and SO_PASSCRED when `creds`. Or a negative
 * errno. */
int place_listen(const struct place *place, bool creds);
/* A connected socket, blocking. TCP: each ten thousandth `serial` has another address of 127/8, so that ports never run out. Or a negative
 * errno. */
int place_connect(const struct place *place, unsigned long serial);

/* The server tells its parent, over `ready`, that the listener takes connections, and where. */
int place_announce(int listener, int ready);
int place_announce_address(const struct place *place, int ready);
/* The parent waits for it. Errors: -EIO (the server ended without a word), -ETIMEDOUT. */
int place_await(int ready, struct place *ret_place);

#endif
