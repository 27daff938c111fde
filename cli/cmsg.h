/* cli/cmsg.h: what the verbs of `kith cmsg` share: sockets at endpoints, and control messages as text and JSON. */
#ifndef KITH_CLI_CMSG_H
#define KITH_CLI_CMSG_H

#include <jansson.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <kith/cmsg.h>

#include "base/text.h"
#include "cli/verbs.h"

extern const struct cli_verb cli_cmsg_list, cli_cmsg_show, cli_cmsg_listen, cli_cmsg_send;

/* Where ancillary data are sent to or received at. */
struct cmsg_endpoint {
    const char *text;
    int type; /* SOCK_DGRAM, SOCK_STREAM, SOCK_RAW (netlink) */
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
        struct sockaddr_storage storage;
    } address;
    socklen_t size;
};

/* udp://HOST:PORT, tcp://HOST:PORT, unix-dgram://PATH, unix://PATH (@NAME: abstract), netlink://route. An exit status, after the error was
 * said. */
int cmsg_endpoint_parse(const char *text, struct cmsg_endpoint *ret_endpoint);
/* An address as an endpoint: "udp://127.0.0.1:53". "-" when there is none. */
void cmsg_endpoint_format(int type, const void *address, socklen_t size, struct kith_text *text);

/* Switches every option on that makes the kernel bring ancillary data; those that this kind of socket has not are passed over. */
void cmsg_receive_everything(int fd);

/* Receives once (flags: MSG_ERRQUEUE), prints what came with it, closes the descriptors among it. Returns 1; 0 at the end of a stream; else
 * a negative errno, -EAGAIN when there was nothing. */
int cmsg_receive(int fd, int type, int flags, bool json);

/* What a descriptor is, as /proc/self/fd says it: "/dev/null", "socket:[8113]". Printable. */
void cmsg_describe_fd(int fd, char *text, size_t size);
/* A control message as a JSON object. NULL: no memory. */
json_t *cmsg_json(const struct kith_cmsg *cmsg);

/* "ef", "af41", "cs1", "le", or a number of 0 to 255, as the octet that the header has (DSCP << 2). 0, or -EINVAL. */
int cmsg_traffic_parse(const char *text, unsigned *ret_traffic);

#endif
