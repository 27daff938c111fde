/* socket/options.c: setting and getting options, by the table (option-table.c). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kith/curve.h>

#include "base/error.h"
#include "socket/socket.h"

void kith_socket_default_options(struct kith_profile *profile) {
    size_t count;
    const struct kith_option_info *options = kith_socket_options(&count);
    for (size_t i = 0; i < count; i++)
        profile->numbers[options[i].option] = options[i].default_value;
}

static bool takes_number(const struct kith_option_info *info) {
    return info->type == KITH_OPTION_TYPE_NUMBER || info->type == KITH_OPTION_TYPE_FLAG;
}

static int no_memory(const struct kith_option_info *info, struct kith_error *ret_error) {
    return kith_error_set(ret_error, -ENOMEM, "%s: out of memory", info->name);
}

static int check_range(const struct kith_option_info *info, int64_t value, struct kith_error *ret_error) {
    if (value >= info->min && value <= info->max)
        return 0;
    if (info->option == KITH_OPTION_IPC_MODE)
        return kith_error_set(ret_error, -ERANGE, "%s: 0%llo is no mode: write permission bits as for chmod(1), 0 to 0777", info->name,
                              (unsigned long long)value);
    return kith_error_set(ret_error, -ERANGE, "%s: %lld is out of range: %lld to %lld %s", info->name, (long long)value,
                          (long long)info->min, (long long)info->max, info->unit);
}

int kith_socket_set_number(kith_socket *socket, enum kith_option option, int64_t value, struct kith_error *ret_error) {
    KITH_SOCKET_HOLD(socket);
    const struct kith_option_info *info = kith_option_info(option);
    if (!info)
        return kith_error_set(ret_error, -EINVAL, "option %d: there is no such option", (int)option);
    if (!takes_number(info))
        return kith_error_set(ret_error, -EINVAL, "%s: takes octets, not a number", info->name);
    int r = check_range(info, value, ret_error);
    if (r < 0)
        return r;
    if (kith_profile_own(&socket->sessions.profile) < 0)
        return no_memory(info, ret_error);
    socket->sessions.profile->numbers[option] = value;
    return 0;
}

static int check_octets(const struct kith_option_info *info, const void *value, size_t size, struct kith_error *ret_error) {
    if (!value)
        return 0; /* as it was at first */
    if (info->type == KITH_OPTION_TYPE_KEY && size != KITH_CURVE_KEY_SIZE)
        return kith_error_set(ret_error, -ERANGE, "%s: a key has 32 octets, or 40 characters of Z85, not %zu", info->name, size);
    if (size > (uint64_t)info->max || size < (uint64_t)info->min)
        return kith_error_set(ret_error, -ERANGE, "%s: %zu octets are too %s: %lld to %lld", info->name, size,
                              size > (uint64_t)info->max ? "long" : "short", (long long)info->min, (long long)info->max);
    if (info->type == KITH_OPTION_TYPE_TEXT && memchr(value, '\0', size))
        return kith_error_set(ret_error, -EINVAL, "%s: a zero octet is inside", info->name);
    if (info->option == KITH_OPTION_ROUTING_ID && size > 0 && *(const uint8_t *)value == 0)
        return kith_error_set(ret_error, -EINVAL, "%s: must not begin with a zero octet, which marks ids that a ROUTER gave", info->name);
    return 0;
}

static int store_octets(kith_socket *socket, const struct kith_option_info *info, const void *value, size_t size,
                        struct kith_error *ret_error) {
    int r = check_octets(info, value, size, ret_error);
    if (r < 0)
        return r;
    if (kith_profile_own(&socket->sessions.profile) < 0 || kith_profile_set_octets(socket->sessions.profile, info->option, value, size) < 0)
        return no_memory(info, ret_error);
    return 0;
}

static int store_key_text(kith_socket *socket, const struct kith_option_info *info, const char *text, struct kith_error *ret_error) {
    uint8_t key[KITH_CURVE_KEY_SIZE];
    int r = kith_z85_decode(text, KITH_CURVE_TEXT_SIZE - 1, key, sizeof(key));
    /* The text is not repeated: it may be a secret with a slip in it. */
    r = r < 0 ? kith_error_set(ret_error, r, "%s: its 40 characters are no key in Z85", info->name)
              : store_octets(socket, info, key, sizeof(key), ret_error);
    explicit_bzero(key, sizeof(key));
    return r;
}

int kith_socket_set_octets(kith_socket *socket, enum kith_option option, const void *value, size_t size, struct kith_error *ret_error) {
    KITH_SOCKET_HOLD(socket);
    const struct kith_option_info *info = kith_option_info(option);
    if (!info || takes_number(info))
        return kith_error_set(ret_error, -EINVAL, "%s: takes no octets", info ? info->name : "unknown option");
    if (info->type == KITH_OPTION_TYPE_KEY && value && size == KITH_CURVE_TEXT_SIZE - 1)
        return store_key_text(socket, info, value, ret_error);
    return store_octets(socket, info, value, size, ret_error);
}

int kith_socket_get_number(const kith_socket *socket, enum kith_option option, int64_t *ret_value) {
    KITH_SOCKET_HOLD(socket);
    const struct kith_option_info *info = kith_option_info(option);
    if (!info || !takes_number(info))
        return -EINVAL;
    *ret_value = socket->sessions.profile->numbers[option];
    return 0;
}

int kith_socket_get_octets(const kith_socket *socket, enum kith_option option, const void **ret_value, size_t *ret_size) {
    KITH_SOCKET_HOLD(socket);
    const struct kith_option_info *info = kith_option_info(option);
    if (!info || takes_number(info))
        return -EINVAL;
    if (option == KITH_OPTION_CURVE_SECRET_KEY || option == KITH_OPTION_PLAIN_PASSWORD)
        return -EACCES;
    const struct kith_octets *octets = &socket->sessions.profile->octets[option];
    *ret_value = octets->data;
    *ret_size = octets->size;
    return 0;
}

/* Text ------------------------------------------------------------------------------------------------------------------- */

static int parse_flag(const char *text, int64_t *ret_value) {
    static const struct {
        const char *text;
        int64_t value;
    } words[] = {{"0", 0}, {"no", 0}, {"off", 0}, {"false", 0}, {"1", 1}, {"yes", 1}, {"on", 1}, {"true", 1}};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(words); i++) {
        if (strcasecmp(words[i].text, text) != 0)
            continue;
        *ret_value = words[i].value;
        return 0;
    }
    return -EINVAL;
}

static int parse_number(const struct kith_option_info *info, const char *text, int64_t *ret_value) {
    char *end;
    if (info->type == KITH_OPTION_TYPE_FLAG)
        return parse_flag(text, ret_value);
    errno = 0;
    long long value = strtoll(text, &end, info->option == KITH_OPTION_IPC_MODE ? 8 : 0);
    if (end == text || *end != '\0' || errno != 0)
        return -EINVAL;
    *ret_value = value;
    return 0;
}

static const char *kind_of_number(const struct kith_option_info *info) {
    if (info->type == KITH_OPTION_TYPE_FLAG)
        return "flag: write yes or no";
    return info->option == KITH_OPTION_IPC_MODE ? "mode: write permission bits as for chmod(1), 0 to 0777" : "whole number";
}

int kith_option_parse(const struct kith_option_info *info, const char *text, int64_t *ret_value, struct kith_error *ret_error) {
    int64_t value;
    if (!takes_number(info))
        return kith_error_set(ret_error, -EINVAL, "%s: takes octets, not a number", info->name);
    if (parse_number(info, text, &value) < 0)
        return kith_error_set(ret_error, -EINVAL, "%s: \"%.64s\" is no %s", info->name, text, kind_of_number(info));
    int r = check_range(info, value, ret_error);
    if (r >= 0)
        *ret_value = value;
    return r;
}

int kith_socket_set_option(kith_socket *socket, const char *name, const char *value, struct kith_error *ret_error) {
    KITH_SOCKET_HOLD(socket);
    const struct kith_option_info *info = kith_option_find(name);
    if (!info)
        return kith_error_set(ret_error, -EINVAL, "option %.64s: there is no such option", name);
    if (!takes_number(info))
        return kith_socket_set_octets(socket, info->option, value, strlen(value), ret_error);
    int64_t number;
    int r = kith_option_parse(info, value, &number, ret_error);
    return r < 0 ? r : kith_socket_set_number(socket, info->option, number, ret_error);
}

/* Metadata --------------------------------------------------------------------------------------------------------------- */

/* RFC 37: name-char = ALPHA | DIGIT | "-" | "_" | "." | "+" */
static bool metadata_name_valid(const char *name) {
    size_t size = strlen(name);
    return size >= 1 && size <= 255 && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+") == size;
}

/* What a peer's engine accepts of all properties together is at least this: 64 KiB a command. */
#define METADATA_VALUE_MAX 1024

int kith_socket_add_metadata(kith_socket *socket, const char *name, const void *value, size_t size, struct kith_error *ret_error) {
    KITH_SOCKET_HOLD(socket);
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
