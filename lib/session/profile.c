/* session/profile.c: see profile.h. */
#include "session/profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

KITH_DEFINE_CLEANUP(struct kith_profile *, kith_profile_unref)

int kith_profile_new(struct kith_profile **ret_profile) {
    struct kith_profile *profile = calloc(1, sizeof(*profile));
    if (!profile)
        return -ENOMEM;
    profile->refs = 1;
    *ret_profile = profile;
    return 0;
}

struct kith_profile *kith_profile_ref(struct kith_profile *profile) {
    profile->refs++;
    return profile;
}

struct kith_profile *kith_profile_unref(struct kith_profile *profile) {
    if (!profile || --profile->refs > 0)
        return NULL;
    for (size_t i = 0; i < KITH_OPTION_COUNT_; i++)
        (void)kith_profile_set_octets(profile, (enum kith_option)i, NULL, 0);
    for (size_t i = 0; i < profile->metadata_count; i++) {
        free((char *)profile->metadata[i].name);
        free((uint8_t *)profile->metadata[i].value);
    }
    free(profile);
    return NULL;
}

int kith_profile_set_octets(struct kith_profile *profile, enum kith_option option, const void *data, size_t size) {
    struct kith_octets *octets = &profile->octets[option];
    uint8_t *copy = NULL;
    if (data) {
        copy = malloc(size + 1);
        if (!copy)
            return -ENOMEM;
        memcpy(copy, data, size);
        copy[size] = '\0'; /* text is a string too */
    }
    /* It may be a key or a password. */
    if (octets->data)
        explicit_bzero(octets->data, octets->size);
    free(octets->data);
    *octets = (struct kith_octets){.data = copy, .size = size};
    return 0;
}

int kith_profile_add_metadata(struct kith_profile *profile, const char *name, const void *value, size_t size) {
    if (profile->metadata_count >= KITH_PROFILE_METADATA_MAX)
        return -E2BIG;
    char *name_copy = strdup(name);
    uint8_t *value_copy = malloc(size + 1);
    if (!name_copy || !value_copy) {
        free(name_copy);
        free(value_copy);
        return -ENOMEM;
    }
    if (size > 0)
        memcpy(value_copy, value, size);
    profile->metadata[profile->metadata_count++] = (struct kith_zmtp_property){.name = name_copy, .value = value_copy, .size = size};
    return 0;
}

int kith_profile_own(struct kith_profile **profile) {
    struct kith_profile *from = *profile;
    if (from->refs == 1)
        return 0;
    _cleanup_(kith_profile_unrefp) struct kith_profile *copy = NULL;
    int r = kith_profile_new(&copy);
    if (r < 0)
        return r;
    memcpy(copy->numbers, from->numbers, sizeof(copy->numbers));
    for (size_t i = 0; i < KITH_OPTION_COUNT_; i++) {
        r = kith_profile_set_octets(copy, (enum kith_option)i, from->octets[i].data, from->octets[i].size);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < from->metadata_count; i++) {
        r = kith_profile_add_metadata(copy, from->metadata[i].name, from->metadata[i].value, from->metadata[i].size);
        if (r < 0)
            return r;
    }
    kith_profile_unref(from);
    *profile = KITH_STEAL(copy);
    return 0;
}

const struct kith_zmtp_property *kith_profile_features(struct kith_profile *profile, size_t *ret_count) {
    size_t count = 0;
    if (profile->numbers[KITH_OPTION_MAX_FDS] > 0) {
        (void)snprintf(profile->max_fds, sizeof(profile->max_fds), "%u", (unsigned)profile->numbers[KITH_OPTION_MAX_FDS] % 1000);
        profile->features[count++] = (struct kith_zmtp_property){
            .name = KITH_FEATURE_DESCRIPTORS, .value = (const uint8_t *)profile->max_fds, .size = strlen(profile->max_fds)};
    }
    if (profile->numbers[KITH_OPTION_MEMFD_FROM] > 0)
        profile->features[count++] = (struct kith_zmtp_property){.name = KITH_FEATURE_MEMFD, .value = (const uint8_t *)"1", .size = 1};
    *ret_count = count;
    return profile->features;
}

bool kith_profile_net(const struct kith_profile *profile, struct kith_net_options *ret_net) {
    const int64_t *numbers = profile->numbers;
    const struct kith_octets *device = &profile->octets[KITH_OPTION_BIND_DEVICE];
    const struct kith_net_options net = {
        .tos = (uint32_t)numbers[KITH_OPTION_TOS],
        .priority = (uint32_t)numbers[KITH_OPTION_PRIORITY],
        .keepalive = (uint32_t)numbers[KITH_OPTION_KEEPALIVE],
        .keepalive_idle_s = (uint32_t)numbers[KITH_OPTION_KEEPALIVE_IDLE],
        .keepalive_interval_s = (uint32_t)numbers[KITH_OPTION_KEEPALIVE_INTERVAL],
        .keepalive_count = (uint32_t)numbers[KITH_OPTION_KEEPALIVE_COUNT],
        .user_timeout_ms = (uint32_t)numbers[KITH_OPTION_USER_TIMEOUT],
        .send_buffer = (uint32_t)numbers[KITH_OPTION_SEND_BUFFER],
        .receive_buffer = (uint32_t)numbers[KITH_OPTION_RECV_BUFFER],
        .device = device->size > 0 ? (const char *)device->data : NULL,
    };
    *ret_net = net;
    return net.device || (net.tos | net.priority | net.keepalive | net.keepalive_idle_s | net.keepalive_interval_s | net.keepalive_count |
                          net.user_timeout_ms | net.send_buffer | net.receive_buffer) != 0;
}
