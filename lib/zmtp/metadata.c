/*
 * zmtp/metadata.c: the properties that READY carries: ours written, the peer's taken apart.
 *
 *     property = name-size(1) name value-size(4, big endian) value
 *
 * A peer's properties are its claims. They are copied once, bounded in count and size, each name made printable and terminated; a name with
 * an odd octet becomes one with '?', which is no name of the protocol, so none can be forged that way. Socket-Type and Identity may
 * come once: with two there would be two answers to who the peer says it is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "zmtp/engine.h"

#define NAME_MAX_SIZE 255
#define VALUE_HEADER 4
#define ROUTING_ID_MAX 255

static const char socket_type_name[] = "Socket-Type";
static const char identity_name[] = "Identity";

static bool is_ours(const char *name) {
    return strcasecmp(name, socket_type_name) == 0 || strcasecmp(name, identity_name) == 0;
}

static bool tells_identity(const struct kith_zmtp_options *options) {
    return options->routing_id_size > 0 && kith_zmtp_socket_type_has_identity(options->socket_type);
}

/* Ours -------------------------------------------------------------------------------------------------------------- */

static size_t property_size(const char *name, size_t value_size) {
    return 1 + strlen(name) + VALUE_HEADER + value_size;
}

int kith_zmtp_metadata_check(const struct kith_zmtp_options *options, size_t overhead) {
    if (options->routing_id_size > ROUTING_ID_MAX)
        return -EINVAL;
    for (size_t i = 0; i < options->metadata_count; i++) {
        const struct kith_zmtp_property *property = &options->metadata[i];
        const size_t name_size = strlen(property->name);
        if (name_size == 0 || name_size > NAME_MAX_SIZE || is_ours(property->name))
            return -EINVAL;
        if (property->size > KITH_ZMTP_COMMAND_MAX)
            return -EMSGSIZE;
    }
    return kith_zmtp_metadata_size(options) > KITH_ZMTP_COMMAND_MAX - overhead ? -EMSGSIZE : 0;
}

size_t kith_zmtp_metadata_size(const struct kith_zmtp_options *options) {
    size_t size = property_size(socket_type_name, strlen(options->socket_type));
    if (tells_identity(options))
        size += property_size(identity_name, options->routing_id_size);
    for (size_t i = 0; i < options->metadata_count; i++)
        size += property_size(options->metadata[i].name, options->metadata[i].size);
    for (size_t i = 0; i < options->feature_count; i++)
        size += property_size(options->features[i].name, options->features[i].size);
    return size;
}

static uint8_t *write_property(uint8_t *to, const char *name, const void *value, size_t size) {
    const size_t name_size = strlen(name);
    *to++ = (uint8_t)name_size;
    memcpy(to, name, name_size);
    to += name_size;
    for (int shift = 24; shift >= 0; shift -= 8)
        *to++ = (uint8_t)(size >> shift);
    if (size > 0)
        memcpy(to, value, size);
    return to + size;
}

void kith_zmtp_metadata_write(const struct kith_zmtp_options *options, uint8_t *to) {
    to = write_property(to, socket_type_name, options->socket_type, strlen(options->socket_type));
    if (tells_identity(options))
        to = write_property(to, identity_name, options->routing_id, options->routing_id_size);
    for (size_t i = 0; i < options->metadata_count; i++)
        to = write_property(to, options->metadata[i].name, options->metadata[i].value, options->metadata[i].size);
    for (size_t i = 0; i < options->feature_count; i++)
        to = write_property(to, options->features[i].name, options->features[i].value, options->features[i].size);
}

/* The peer's -------------------------------------------------------------------------------------------------------- */

struct cursor {
    const uint8_t *data;
    size_t size;
};

struct property {
    const uint8_t *name;
    size_t name_size;
    const uint8_t *value;
    size_t size;
};

/* Takes the next property off. NULL, or what is wrong. */
static const char *next_property(struct cursor *cursor, struct property *ret_property) {
    const size_t name_size = cursor->data[0];
    if (name_size == 0)
        return "a property without name";
    if (cursor->size - 1 < name_size + VALUE_HEADER)
        return "cut off in a property's name";
    const uint8_t *header = cursor->data + 1 + name_size;
    const uint32_t size = (uint32_t)header[0] << 24 | (uint32_t)header[1] << 16 | (uint32_t)header[2] << 8 | header[3];
    const size_t before = 1 + name_size + VALUE_HEADER;
    if (size > cursor->size - before)
        return "cut off in a property's value";
    *ret_property = (struct property){cursor->data + 1, name_size, cursor->data + before, size};
    cursor->data += before + size;
    cursor->size -= before + size;
    return NULL;
}

/* NULL, or what is wrong. *ret_octets: names with their NUL, and values. */
static const char *measure(struct cursor cursor, size_t *ret_count, size_t *ret_octets) {
    *ret_count = 0;
    *ret_octets = 0;
    while (cursor.size > 0) {
        struct property property;
        const char *wrong = next_property(&cursor, &property);
        if (wrong)
            return wrong;
        if (++*ret_count > KITH_ZMTP_PROPERTIES_MAX)
            return "too many properties";
        *ret_octets += property.name_size + 1 + property.size;
    }
    return NULL;
}

static void copy(struct cursor cursor, struct kith_zmtp_property *properties, size_t count) {
    uint8_t *place = (uint8_t *)(properties + count);
    for (size_t i = 0; i < count; i++) {
        struct property property;
        next_property(&cursor, &property);
        properties[i].name = (const char *)place;
        place += kith_zmtp_printable((char *)place, property.name_size + 1, property.name, property.name_size) + 1;
        properties[i].value = place;
        properties[i].size = property.size;
        memcpy(place, property.value, property.size);
        place += property.size;
    }
}

static bool has_twice(const struct kith_zmtp_metadata *metadata, const char *name) {
    size_t found = 0;
    for (size_t i = 0; i < metadata->count; i++)
        found += strcasecmp(metadata->properties[i].name, name) == 0;
    return found > 1;
}

static const char *check(const struct kith_zmtp_metadata *metadata) {
    if (has_twice(metadata, socket_type_name))
        return "Socket-Type comes twice";
    if (has_twice(metadata, identity_name))
        return "Identity comes twice";
    const struct kith_zmtp_property *identity = kith_zmtp_metadata_find(metadata, identity_name);
    return identity && identity->size > ROUTING_ID_MAX ? "an Identity of more than 255 octets" : NULL;
}

int kith_zmtp_metadata_parse(const uint8_t *data, size_t size, struct kith_zmtp_metadata *ret_metadata, const char **ret_reason) {
    const struct cursor cursor = {data, size};
    size_t count, octets;
    *ret_reason = measure(cursor, &count, &octets);
    if (*ret_reason)
        return -EPROTO;
    struct kith_zmtp_metadata metadata = {.count = count};
    if (count > 0) {
        metadata.properties = malloc(count * sizeof(*metadata.properties) + octets);
        if (!metadata.properties) {
            *ret_reason = "out of memory";
            return -ENOMEM;
        }
        copy(cursor, metadata.properties, count);
    }
    *ret_reason = check(&metadata);
    if (*ret_reason) {
        kith_zmtp_metadata_deinit(&metadata);
        return -EPROTO;
    }
    *ret_metadata = metadata;
    return 0;
}

void kith_zmtp_metadata_deinit(struct kith_zmtp_metadata *metadata) {
    free(metadata->properties);
    *metadata = (struct kith_zmtp_metadata){0};
}

const struct kith_zmtp_property *kith_zmtp_metadata_find(const struct kith_zmtp_metadata *metadata, const char *name) {
    for (size_t i = 0; i < metadata->count; i++)
        if (strcasecmp(metadata->properties[i].name, name) == 0)
            return &metadata->properties[i];
    return NULL;
}
