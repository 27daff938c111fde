/* bench/server/contestants.c: the table of them. */
#include <string.h>

#include "base/cleanup.h"
#include "bench/server/contestant.h"

const struct contestant contestants[] = {
    {.name = "raw-epoll", .title = "raw, level-triggered epoll", .serve = serve_raw_epoll},
    {.name = "raw-epoll-creds", .title = "the same, recvmsg with credentials", .only_unix = true, .serve = serve_raw_epoll_creds},
    {.name = "raw-uring", .title = "raw, io_uring", .serve = serve_raw_uring},
    {.name = "raw-uring-creds", .title = "the same, recvmsg with credentials", .only_unix = true, .serve = serve_raw_uring_creds},
    {.name = "kith", .title = "kith/stream.h", .serve = serve_kith},
    {.name = "kith-epoll", .title = "the same, KITH_LOOP=epoll", .serve = serve_kith_epoll},
    {.name = "libuv", .title = "libuv, uv_try_write and uv_write", .serve = serve_libuv},
    {.name = "libevent", .title = "libevent, read and write", .serve = serve_libevent},
    {.name = "libevent-bufferevent", .title = "libevent, bufferevent", .serve = serve_bufferevent},
    {.name = "libev", .title = "libev, read and write", .serve = serve_libev},
    {.name = "redis", .title = "redis-server, PING", .resp = true, .serve = serve_redis},
};
const size_t contestant_count = KITH_ARRAY_SIZE(contestants);

const struct contestant *contestant_find(const char *name) {
    for (size_t i = 0; i < contestant_count; i++)
        if (strcmp(contestants[i].name, name) == 0)
            return &contestants[i];
    return NULL;
}
