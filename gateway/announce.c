/* gateway/announce.c: see announce.h. */
#include "gateway/announce.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "gateway/forward.h"

static void put(FILE *file, const char *how, char *const *endpoints, const char *type, const char *kind, const char *name) {
    for (; endpoints && *endpoints; endpoints++)
        fprintf(file, "%s\t%s\t%s\t%s %s\n", how, *endpoints, type, kind, name);
}

static void put_service(FILE *file, const struct gateway_service_config *service) {
    put(file, "bind", service->listen, "ROUTER", "service", service->name);
    put(file, "bind", service->workers, "DEALER", "workers of service", service->name);
    put(file, "bind", service->workers_with_origin, "DEALER", "workers of service", service->name);
}

static void put_forward(FILE *file, const struct gateway_forward_config *forward) {
    for (int side = 0; side < GATEWAY_SIDE_COUNT; side++) {
        const char *type = kith_socket_type_name(gateway_forward_type(forward->pattern, (enum gateway_side)side));
        put(file, "bind", forward->sides[side].bind, type, "proxy", forward->name);
        put(file, "connect", forward->sides[side].connect, type, "proxy", forward->name);
    }
}

static void put_route(FILE *file, const struct gateway_route_config *route) {
    const char *type = kith_socket_type_name(route->from_type);
    put(file, "bind", route->from_bind, type, "route", route->name);
    put(file, "connect", route->from, type, "route", route->name);
}

int gateway_announce_new(const struct gateway_config *config, int *ret_fd) {
    _cleanup_(kith_closep) int fd = memfd_create(GATEWAY_ANNOUNCE_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    FILE *file = copy < 0 ? NULL : fdopen(copy, "w");

    if (!file) {
        int r = -errno;
        kith_close(copy);
        return r;
    }
    put(file, "bind", config->control.listen, "ROUTER", "control", "socket");
    for (size_t i = 0; i < config->service_count; i++)
        put_service(file, &config->services[i]);
    for (size_t i = 0; i < config->forward_count; i++)
        put_forward(file, &config->forwards[i]);
    for (size_t i = 0; i < config->route_count; i++)
        put_route(file, &config->routes[i]);
    if (fclose(file) != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
        return -errno;
    *ret_fd = KITH_STEAL_FD(fd);
    return 0;
}
