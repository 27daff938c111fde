/* cache/key.c: see key.h. */
#include "cache/key.h"

#include <errno.h>
#include <string.h>

/* A uid that was guessed from /proc, or claimed, is none. */
#define UID_LEAST KITH_WITNESS_KEY
/* overflowuid(5): the kernel's word for every user who has no id in our user namespace. They are not one user. */
#define UID_OVERFLOW 65534

static enum kith_witness stronger(enum kith_witness a, enum kith_witness b) {
    return a > b ? a : b;
}

/* The two facts; -ENODATA when one of them is not known with a witness of at least `least`. */
static int look_uid(kith_origin *origin, enum kith_witness least, uid_t *ret_uid, enum kith_witness *ret_witness) {
    uid_t uid = 0;
    enum kith_witness witness = kith_origin_uid(origin, &uid);

    if (witness < least || uid == UID_OVERFLOW)
        return -ENODATA;
    *ret_uid = uid;
    *ret_witness = witness;
    return 0;
}

static int look_exe(kith_origin *origin, enum kith_witness least, const char **ret_exe, enum kith_witness *ret_witness) {
    const char *exe = NULL;
    enum kith_witness witness = kith_origin_text(origin, KITH_FACT_EXE, &exe);

    if (witness < least || !exe || !*exe)
        return -ENODATA;
    if (strlen(exe) > KITH_CACHE_KEY_MAX)
        return -ENAMETOOLONG;
    *ret_exe = exe;
    *ret_witness = witness;
    return 0;
}

int kith_cache_key_origin(kith_origin *origin, enum kith_witness least, struct kith_cache_key *ret_key) {
    enum kith_witness witness;
    const char *exe = NULL;
    uid_t uid = 0;

    if (!ret_key || least < KITH_WITNESS_INFERRED || least > KITH_WITNESS_KERNEL_MESSAGE)
        return -EINVAL;
    int r = look_uid(origin, stronger(least, UID_LEAST), &uid, &witness);
    if (r >= 0)
        r = look_exe(origin, least, &exe, &witness);
    if (r < 0)
        return r;
    *ret_key = (struct kith_cache_key){.kind = KITH_CACHE_ORIGIN, .least = least, .uid = uid, .octets = exe, .size = strlen(exe)};
    return 0;
}

static int key_from(enum kith_cache_kind kind, const void *octets, size_t size, size_t max, struct kith_cache_key *ret_key) {
    if (!octets || size == 0 || !ret_key)
        return -EINVAL;
    if (size > max)
        return -ENAMETOOLONG;
    *ret_key = (struct kith_cache_key){.kind = kind, .octets = octets, .size = size};
    return 0;
}

int kith_cache_key_routing_id(const void *octets, size_t size, struct kith_cache_key *ret_key) {
    return key_from(KITH_CACHE_ROUTING_ID, octets, size, KITH_CACHE_ROUTING_ID_MAX, ret_key);
}

int kith_cache_key_octets(const void *octets, size_t size, struct kith_cache_key *ret_key) {
    return key_from(KITH_CACHE_OCTETS, octets, size, KITH_CACHE_KEY_MAX, ret_key);
}

int kith_cache_key_curve(const void *octets, struct kith_cache_key *ret_key) {
    return key_from(KITH_CACHE_CURVE, octets, KITH_CACHE_CURVE_SIZE, KITH_CACHE_CURVE_SIZE, ret_key);
}

int kith_cache_key_proven(const void *octets, size_t size, struct kith_cache_key *ret_key) {
    return key_from(KITH_CACHE_PROVEN, octets, size, KITH_CACHE_KEY_MAX, ret_key);
}

/* Two users who run one program do not meet under one name: neither is refused, each has no session yet. */
static size_t uid_size(uint8_t kind) {
    return kind == KITH_CACHE_ORIGIN ? sizeof(uid_t) : 0;
}

int kith_cache_name_of(const struct kith_cache_key *key, struct kith_cache_name *ret_name) {
    if (!key || key->kind < KITH_CACHE_ORIGIN || key->kind > KITH_CACHE_PROVEN || !key->octets || key->size == 0 ||
        key->size > KITH_CACHE_KEY_MAX || (key->kind == KITH_CACHE_ORIGIN && key->least < KITH_WITNESS_INFERRED))
        return -EINVAL;
    uint8_t kind = (uint8_t)key->kind;
    ret_name->octets[0] = kind;
    memcpy(ret_name->octets + 1, &key->uid, uid_size(kind));
    memcpy(ret_name->octets + 1 + uid_size(kind), key->octets, key->size);
    ret_name->size = 1 + uid_size(kind) + key->size;
    return 0;
}

struct kith_cache_key kith_cache_key_of(const uint8_t *octets, size_t size) {
    struct kith_cache_key key = {.kind = (enum kith_cache_kind)octets[0]};
    size_t head = 1 + uid_size(octets[0]);

    memcpy(&key.uid, octets + 1, head - 1);
    key.octets = octets + head;
    key.size = size - head;
    return key;
}

int kith_cache_who_is(kith_origin *origin, const struct kith_cache_key *key, enum kith_witness exe_least, struct kith_cache_who *ret_who) {
    bool proved = key->kind == KITH_CACHE_CURVE || key->kind == KITH_CACHE_PROVEN;
    bool of_origin = key->kind == KITH_CACHE_ORIGIN;
    enum kith_witness least = of_origin ? key->least : KITH_WITNESS_NONE;
    struct kith_cache_who who = {.owner = KITH_CACHE_NOBODY};
    uid_t uid = 0;

    int r = look_uid(origin, stronger(least, UID_LEAST), &uid, &who.uid_witness);
    if (r >= 0)
        who.owner = uid;
    else if (!proved)
        return r;
    if (r >= 0 && (of_origin || exe_least != KITH_WITNESS_NONE)) {
        r = look_exe(origin, stronger(least, exe_least), &who.exe, &who.exe_witness);
        if (r < 0)
            return r;
    }
    /* A key that was made of one client and comes with another says nothing about this one. */
    if (of_origin && (uid != key->uid || strlen(who.exe) != key->size || memcmp(who.exe, key->octets, key->size) != 0))
        return -ENODATA;
    *ret_who = who;
    return 0;
}
