/* cli/map-endpoint.c: sockets as people name them on the command line. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/map.h"
#include "cli/options.h"
#include "cli/output.h"

static int wrong(const char *option, const char *text) {
    cli_error("%s: '%s' is no address: PORT, ADDRESS:PORT, [IPV6]:PORT, /PATH or @NAME", option, text);
    return CLI_USAGE;
}

static int read_host(char *host, struct map_address *address) {
    size_t size = strlen(host);

    if (size == 0 || strcmp(host, "*") == 0)
        return 0; /* all zero: every address */
    if (host[0] == '[' && host[size - 1] == ']') {
        host[size - 1] = '\0';
        address->form = MAP_INET6;
        return inet_pton(AF_INET6, host + 1, address->octets) == 1 ? 0 : -1;
    }
    return inet_pton(AF_INET, host, address->octets) == 1 ? 0 : -1;
}

int cli_map_address(const char *option, const char *text, struct map_address *ret_address) {
    struct map_address address = {.form = MAP_INET};
    char host[128] = "";
    int64_t port;

    if (text[0] == '/' || text[0] == '@') {
        bool abstract = text[0] == '@';
        *ret_address =
            (struct map_address){.form = abstract ? MAP_ABSTRACT : MAP_PATH, .name = text + abstract, .name_size = strlen(text + abstract)};
        return text[1] ? 0 : wrong(option, text);
    }
    const char *colon = strrchr(text, ':');
    if (colon && (size_t)(colon - text) >= sizeof(host))
        return wrong(option, text);
    if (colon)
        memcpy(host, text, (size_t)(colon - text));
    if (read_host(host, &address) < 0)
        return wrong(option, text);
    const char *number = colon ? colon + 1 : text;
    if (strspn(number, "0123456789") != strlen(number) || !*number)
        return wrong(option, text);
    int status = cli_number(option, number, 1, UINT16_MAX, &port);
    if (status != 0)
        return status;
    address.port = (uint32_t)port;
    *ret_address = address;
    return 0;
}

bool cli_map_is_descriptor(const char *text, pid_t *ret_pid, int *ret_fd) {
    int pid, fd, used = 0;

    if (sscanf(text, "%d/%d%n", &pid, &fd, &used) != 2 || text[used] || pid <= 0 || fd < 0)
        return false;
    *ret_pid = pid;
    *ret_fd = fd;
    return true;
}
