/* gateway/endpoints.c: see endpoints.h. */
#include "gateway/endpoints.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/cleanup.h"

int gateway_endpoints_set_options(kith_socket *socket, const char *service, const struct gateway_option *options, size_t count,
                                  unsigned mode, struct kith_error *ret_error) {
    int r = kith_socket_set_octets(socket, KITH_OPTION_SERVICE_NAME, service, strlen(service), ret_error);
    if (r >= 0)
        r = kith_socket_set_number(socket, KITH_OPTION_IPC_MODE, mode, ret_error);
    for (size_t i = 0; r >= 0 && i < count; i++)
        r = kith_socket_set_number(socket, options[i].option, options[i].value, ret_error);
    return r;
}

/* Where the configuration says who may connect, a umask of those who start the gateway must not hide the path behind its directory. */
static void make_directory(const char *endpoint, unsigned mode) {
    const char *path = endpoint + strlen("ipc://");
    const char *slash = strrchr(path, '/');
    if (strncmp(endpoint, "ipc:///", 7) != 0 || slash == path)
        return;
    _cleanup_(freep) char *directory = strndup(path, (size_t)(slash - path));
    /* When it fails, binding does too, and names the path. */
    if (directory && mkdir(directory, 0755) == 0 && mode != 0)
        (void)chmod(directory, 0755);
}

void gateway_endpoints_make_directories(char **endpoints, unsigned mode) {
    for (char **endpoint = endpoints; endpoint && *endpoint; endpoint++)
        make_directory(*endpoint, mode);
}

int gateway_endpoints_bind(kith_socket *socket, char **endpoints, struct kith_error *ret_error) {
    int r = 0;
    for (size_t i = 0; r >= 0 && endpoints && endpoints[i]; i++)
        r = kith_socket_bind(socket, endpoints[i], ret_error);
    return r;
}

int gateway_endpoints_connect(kith_socket *socket, char **endpoints, struct kith_error *ret_error) {
    int r = 0;
    for (size_t i = 0; r >= 0 && endpoints && endpoints[i]; i++)
        r = kith_socket_connect(socket, endpoints[i], ret_error);
    return r;
}
