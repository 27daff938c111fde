/* socket/options.c: the option table, and setting options by it. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "socket/socket.h"

#define MIB (INT64_C(1024) * 1024)
/* A day: longer intervals are mistakes in the unit. */
#define MS_MAX (INT64_C(86400) * 1000)

static const struct kith_option_info options[] = {
    {KITH_OPTION_ROUTING_ID, "routing-id", "octets", 0, 255, 0, "the identity told to peers; must not begin with a zero octet"},
    {KITH_OPTION_MAX_MESSAGE, "max-message", "octets", 256, INT64_C(1) << 40, 64 * MIB,
     "largest message received, all frames and 128 octets for each"},
    {KITH_OPTION_HANDSHAKE_TIMEOUT, "handshake-timeout", "ms", 0, MS_MAX, 30000, "time for a peer to finish its handshake; 0: no limit"},
    {KITH_OPTION_HEARTBEAT_INTERVAL, "heartbeat-interval", "ms", 0, MS_MAX, 0, "silence after which a peer is sent a PING; 0: off"},
    {KITH_OPTION_HEARTBEAT_TIMEOUT, "heartbeat-timeout", "ms", 0, MS_MAX, 0,
     "silence after a PING that ends the connection; 0: the interval"},
    /* Deployed receivers overflow above 655 tenths of a second. */
    {KITH_OPTION_HEARTBEAT_TTL, "heartbeat-ttl", "ms", 0, 65500, 0, "how long peers may hear nothing of us, told in PINGs; 0: not told"},
    {KITH_OPTION_RECONNECT_MIN, "reconnect-min", "ms", 1, MS_MAX, 100, "time before the first try to connect again"},
    {KITH_OPTION_RECONNECT_MAX, "reconnect-max", "ms", 1, MS_MAX, 5000, "the time between tries doubles up to this"},
    {KITH_OPTION_SEND_HWM, "send-hwm", "messages", 1, INT32_MAX, 1000, "messages queued for one peer"},
    {KITH_OPTION_SEND_HWM_BYTES, "send-hwm-bytes", "octets", 1, INT64_C(1) << 40, 16 * MIB, "octets queued for one peer"},
    {KITH_OPTION_RECV_HWM, "recv-hwm", "messages", 1, INT32_MAX, 1000,
     "messages of one peer that wait to be taken; then it is not read from (what one read brought, up to 64 KiB, is taken all the same)"},
    {KITH_OPTION_RECV_HWM_BYTES, "recv-hwm-bytes", "octets", 1, INT64_C(1) << 40, 16 * MIB, "the same in octets"},
    {KITH_OPTION_BACKLOG, "backlog", "connections", 1, INT32_MAX, 4096, "connections the kernel keeps waiting for a bound endpoint"},
    {KITH_OPTION_MAX_PEERS, "max-peers", "connections", 1, INT32_MAX, 65536, "accepted connections at a time"},
    {KITH_OPTION_ROUTER_MANDATORY, "router-mandatory", "flag", 0, 1, 0,
     "ROUTER: sending to an unknown or full peer is an error, not a drop"},
    {KITH_OPTION_ROUTER_HANDOVER, "router-handover", "flag", 0, 1, 0, "ROUTER: a routing id in use goes to the newcomer"},
    {KITH_OPTION_IDENTITY, "identity", "flag", 0, 1, 1, "have the kernel name the sender of each message (ipc)"},
    {KITH_OPTION_IPC_MODE, "ipc-mode", "mode", 0, 0777, 0, "permission bits of a bound path; 0: by umask"},
};

const struct kith_option_info *kith_socket_options(size_t *ret_count) {
    *ret_count = KITH_ARRAY_SIZE(options);
    return options;
}

static const struct kith_option_info *option_find(enum kith_option option) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(options); i++)
        if (options[i].option == option)
            return &options[i];
    return NULL;
}

void kith_socket_default_options(struct kith_profile *profile) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(options); i++)
        profile->numbers[options[i].option] = options[i].default_value;
}

int kith_socket_set_number(kith_socket *socket, enum kith_option option, int64_t value, struct kith_error *ret_error) {
    const struct kith_option_info *info = option_find(option);
    if (!info)
        return kith_error_set(ret_error, -EINVAL, "option %d: there is no such option", (int)option);
    if (option == KITH_OPTION_ROUTING_ID)
        return kith_error_set(ret_error, -EINVAL, "%s: takes octets, not a number", info->name);
    if (value < info->min || value > info->max)
        return kith_error_set(ret_error, -ERANGE, "%s: %lld is out of range: %lld to %lld %s", info->name, (long long)value,
                              (long long)info->min, (long long)info->max, info->unit);
    if (kith_profile_own(&socket->sessions.profile) < 0)
        return kith_error_set(ret_error, -ENOMEM, "%s: out of memory", info->name);
    socket->sessions.profile->numbers[option] = value;
    return 0;
}

int kith_socket_set_octets(kith_socket *socket, enum kith_option option, const void *value, size_t size, struct kith_error *ret_error) {
    const struct kith_option_info *info = option_find(option);
    if (!info || option != KITH_OPTION_ROUTING_ID)
        return kith_error_set(ret_error, -EINVAL, "%s: takes no octets", info ? info->name : "unknown option");
    if (size > (uint64_t)info->max)
        return kith_error_set(ret_error, -ERANGE, "%s: %zu octets are too long: at most %lld", info->name, size, (long long)info->max);
    if (size > 0 && *(const uint8_t *)value == 0)
        return kith_error_set(ret_error, -EINVAL, "%s: must not begin with a zero octet, which marks ids that a ROUTER gave", info->name);
    if (kith_profile_own(&socket->sessions.profile) < 0)
        return kith_error_set(ret_error, -ENOMEM, "%s: out of memory", info->name);
    if (size > 0)
        memcpy(socket->sessions.profile->routing_id, value, size);
    socket->sessions.profile->routing_id_size = size;
    return 0;
}

int kith_socket_get_number(const kith_socket *socket, enum kith_option option, int64_t *ret_value) {
    if (!option_find(option) || option == KITH_OPTION_ROUTING_ID)
        return -EINVAL;
    *ret_value = socket->sessions.profile->numbers[option];
    return 0;
}

/* RFC 37: name-char = ALPHA | DIGIT | "-" | "_" | "." | "+" */
static bool metadata_name_valid(const char *name) {
    size_t size = strlen(name);
    return size >= 1 && size <= 255 && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+") == size;
}

/* What a peer's engine accepts of all properties together is at least this: 64 KiB a command. */
#define METADATA_VALUE_MAX 1024

int kith_socket_add_metadata(kith_socket *socket, const char *name, const void *value, size_t size, struct kith_error *ret_error) {
    if (!metadata_name_valid(name))
        return kith_error_set(ret_error, -EINVAL, "metadata: \"%.64s\" is no name: 1 to 255 of letters, digits and -_.+", name);
    if (strcasecmp(name, "Socket-Type") == 0 || strcasecmp(name, "Identity") == 0)
        return kith_error_set(ret_error, -EINVAL, "metadata: %s is the protocol's own; use a name beginning with X-", name);
    if (size > METADATA_VALUE_MAX)
        return kith_error_set(ret_error, -E2BIG, "metadata: %s: %zu octets are too long: at most %d", name, size, METADATA_VALUE_MAX);
    int r = kith_profile_own(&socket->sessions.profile);
    if (r >= 0)
        r = kith_profile_add_metadata(socket->sessions.profile, name, value, size);
    if (r < 0)
        return kith_error_set(ret_error, r, "metadata: %s: %s", name, r == -E2BIG ? "there are 32 properties already" : "out of memory");
    return 0;
}
