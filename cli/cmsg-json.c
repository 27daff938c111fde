/*
 * cli/cmsg-json.c: a control message as JSON: its level, type and name, the line that a person reads, and its values by name.
 *
 * Numbers come out as numbers; octets in hex. One that kith does not know has its octets.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "cli/cmsg.h"
#include "gateway/printable.h"

void cmsg_describe_fd(int fd, char *text, size_t size) {
    _cleanup_(freep) char *target = NULL;
    struct kith_text line = kith_text_init(text, size);
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (kith_link_read(AT_FDCWD, path, &target) < 0)
        kith_text_puts(&line, "unknown");
    else
        gateway_put_printable(&line, target, strlen(target), size, 0);
}

static void set(json_t *object, const char *name, json_t *value) {
    (void)json_object_set_new(object, name, value); /* of no memory: the member is missing */
}

static void set_octets(json_t *object, const struct kith_cmsg *cmsg) {
    char hex[2 * 256 + 1] = "";

    for (size_t i = 0; i < cmsg->size && i < 256; i++)
        snprintf(hex + 2 * i, 3, "%02x", ((const uint8_t *)cmsg->data)[i]);
    set(object, "octets", json_string(hex));
}

static void set_address(json_t *object, const char *name, const struct kith_cmsg_address *address) {
    char printed[INET6_ADDRSTRLEN];

    if (address->family != 0 && inet_ntop(address->family, address->octets, printed, sizeof(printed)))
        set(object, name, json_string(printed));
}

static void set_time(json_t *object, const char *name, const struct timespec *time) {
    char printed[64];

    snprintf(printed, sizeof(printed), "%lld.%09ld", (long long)time->tv_sec, time->tv_nsec);
    set(object, name, json_string(printed)); /* a number would lose the nanoseconds */
}

static void set_fds(json_t *object, const struct kith_cmsg *cmsg) {
    json_t *array = json_array();

    for (size_t i = 0; i < cmsg->value.fds.count; i++) {
        char what[256];

        cmsg_describe_fd(kith_cmsg_fd(cmsg, i), what, sizeof(what));
        (void)json_array_append_new(array, json_string(what));
    }
    set(object, "descriptors", array);
}

static void set_error(json_t *object, const struct kith_cmsg *cmsg) {
    set(object, "error", json_integer(cmsg->value.error.error));
    set(object, "origin", json_integer(cmsg->value.error.origin));
    set(object, "icmp_type", json_integer(cmsg->value.error.type));
    set(object, "icmp_code", json_integer(cmsg->value.error.code));
    set(object, "info", json_integer(cmsg->value.error.info));
    set(object, "error_data", json_integer(cmsg->value.error.data));
    set_address(object, "offender", &cmsg->value.error.offender);
}

static void set_numbers(json_t *object, const struct kith_cmsg *cmsg) {
    const char *name;
    int64_t value;

    for (size_t i = 0; kith_cmsg_number(cmsg, i, &name, &value) == 1; i++)
        set(object, name, json_integer(value));
}

static void set_packet(json_t *object, const struct kith_cmsg *cmsg) {
    struct kith_cmsg_address address = {.family = cmsg->value.packet.size == 4 ? AF_INET : AF_INET6};

    memcpy(address.octets, cmsg->value.packet.destination, sizeof(address.octets));
    set(object, "interface", json_integer(cmsg->value.packet.interface));
    set_address(object, "destination", &address);
}

static void set_times(json_t *object, const struct kith_cmsg *cmsg) {
    static const char *const names[] = {"software", NULL, "hardware"};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(names); i++)
        if (names[i] && (cmsg->value.timestamping[i].tv_sec != 0 || cmsg->value.timestamping[i].tv_nsec != 0))
            set_time(object, names[i], &cmsg->value.timestamping[i]);
}

static void set_credentials(json_t *object, const struct kith_cmsg *cmsg) {
    set(object, "pid", json_integer(cmsg->value.credentials.pid));
    set(object, "uid", json_integer(cmsg->value.credentials.uid));
    set(object, "gid", json_integer(cmsg->value.credentials.gid));
}

/* What a datagram's way and the error queue bring. */
static void set_internet(json_t *object, const struct kith_cmsg *cmsg) {
    if (cmsg->kind == KITH_CMSG_PACKET) {
        set_packet(object, cmsg);
    } else if (cmsg->kind == KITH_CMSG_HOPS) {
        set(object, "hops", json_integer(cmsg->value.hops));
    } else if (cmsg->kind == KITH_CMSG_TRAFFIC) {
        set(object, "traffic", json_integer(cmsg->value.traffic));
    } else if (cmsg->kind == KITH_CMSG_ADDRESS) {
        set_address(object, "address", &cmsg->value.address);
        set(object, "port", json_integer(cmsg->value.address.port));
    } else if (cmsg->kind == KITH_CMSG_PATH_MTU) {
        set_address(object, "destination", &cmsg->value.path_mtu.destination);
        set(object, "mtu", json_integer(cmsg->value.path_mtu.mtu));
    } else {
        set_error(object, cmsg);
    }
}

static void set_values(json_t *object, const struct kith_cmsg *cmsg) {
    switch (cmsg->kind) {
    case KITH_CMSG_FDS:
        set_fds(object, cmsg);
        break;
    case KITH_CMSG_CREDENTIALS:
        set_credentials(object, cmsg);
        break;
    case KITH_CMSG_TIMESTAMP:
        set_time(object, "time", &cmsg->value.timestamp);
        break;
    case KITH_CMSG_TIMESTAMPING:
        set_times(object, cmsg);
        break;
    case KITH_CMSG_DROPS:
        set(object, "drops", json_integer(cmsg->value.drops));
        break;
    case KITH_CMSG_NUMBERS:
        set_numbers(object, cmsg);
        break;
    case KITH_CMSG_PIDFD: /* "text" says whether there was one; its number means nothing to a reader */
        break;
    case KITH_CMSG_UNKNOWN:
    case KITH_CMSG_OCTETS:
    case KITH_CMSG_SECURITY:
        set_octets(object, cmsg);
        break;
    default:
        set_internet(object, cmsg);
        break;
    }
}

json_t *cmsg_json(const struct kith_cmsg *cmsg) {
    char text[1024];
    json_t *object;

    kith_cmsg_format(cmsg, text, sizeof(text));
    object = json_pack("{s:s?, s:i, s:i, s:s}", "name", cmsg->entry ? cmsg->entry->name : NULL, "level", cmsg->level, "type", cmsg->type,
                       "text", text);
    if (object)
        set_values(object, cmsg);
    return object;
}
