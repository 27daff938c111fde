/*
 * session/profile.h: a socket's options as one refcounted snapshot.
 *
 * A session keeps the snapshot it was made with, so that an option may change at any time without a session noticing half of it: who
 * changes a shared snapshot gets a copy (kith_profile_own).
 */
#ifndef KITH_SESSION_PROFILE_H
#define KITH_SESSION_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/option.h>
#include <kith/stream.h>

#include "zmtp/zmtp.h"

/* RFC 37 sets no limit to the number of properties; a peer's engine does, and 64 is what ours accepts. */
#define KITH_PROFILE_METADATA_MAX 32

/* What kith says of itself in READY beside the protocol's own properties; kith-zmtp(7), Descriptors. */
#define KITH_PROFILE_FEATURES_MAX 2
#define KITH_FEATURE_DESCRIPTORS "Kith-Descriptors"
#define KITH_FEATURE_MEMORY "Kith-Memory"
#define KITH_FEATURE_MEMFD "Kith-Memfd"

struct kith_octets {
    uint8_t *data; /* owned, with a zero octet behind it; NULL: none were set */
    size_t size;
};

struct kith_profile {
    unsigned refs;
    int64_t numbers[KITH_OPTION_COUNT_];
    struct kith_octets octets[KITH_OPTION_COUNT_];                 /* of options that are octets */
    struct kith_zmtp_property metadata[KITH_PROFILE_METADATA_MAX]; /* names and values are owned */
    size_t metadata_count;
    struct kith_zmtp_property features[KITH_PROFILE_FEATURES_MAX]; /* kith_profile_features() */
    char max_fds[4];                                               /* the value of one of them */
};

/* All numbers 0. */
int kith_profile_new(struct kith_profile **ret_profile);
struct kith_profile *kith_profile_ref(struct kith_profile *profile);
struct kith_profile *kith_profile_unref(struct kith_profile *profile);
/* Makes *profile safe to change: itself when nobody else holds it, else a copy that takes its place. Errors: -ENOMEM. */
int kith_profile_own(struct kith_profile **profile);
/* A copy of the octets; data NULL: none. A profile of one's own only. Errors: -ENOMEM. */
int kith_profile_set_octets(struct kith_profile *profile, enum kith_option option, const void *data, size_t size);
/* Errors: -ENOMEM, -E2BIG. */
int kith_profile_add_metadata(struct kith_profile *profile, const char *name, const void *value, size_t size);
/* What a connection over which descriptors pass announces; it lies in the profile. */
const struct kith_zmtp_property *kith_profile_features(struct kith_profile *profile, size_t *ret_count);
/* The options of the kernel's sockets; they lie in the profile. False: none is set. */
bool kith_profile_net(const struct kith_profile *profile, struct kith_net_options *ret_net);

#endif
