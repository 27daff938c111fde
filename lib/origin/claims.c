/*
 * origin/claims.c: what a peer says of itself, kept apart from what the kernel says.
 *
 * One list a connection, shared by the origins of its messages; it only grows, so that views into it stay valid as long as the list.
 * Most have two or three claims.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/refs.h"
#include "origin/claims.h"

#define CLAIMS_MAX 64
#define NAME_MAX_OCTETS 255

struct kith_claim {
    struct kith_claim *next;
    size_t size;
    uint8_t *value;
    char name[];
};

struct kith_claims {
    struct kith_refs refs;
    uint32_t count;
    struct kith_claim *first, **end;
};

int kith_claims_new(struct kith_claims **ret_claims) {
    struct kith_claims *claims = calloc(1, sizeof(*claims));

    if (!claims)
        return -ENOMEM;
    kith_refs_init(&claims->refs);
    claims->end = &claims->first;
    *ret_claims = claims;
    return 0;
}

struct kith_claims *kith_claims_ref(struct kith_claims *claims) {
    if (claims)
        kith_refs_take(&claims->refs);
    return claims;
}

struct kith_claims *kith_claims_unref(struct kith_claims *claims) {
    if (!claims || !kith_refs_drop(&claims->refs))
        return NULL;
    for (struct kith_claim *claim = claims->first, *next; claim; claim = next) {
        next = claim->next;
        free(claim);
    }
    free(claims);
    return NULL;
}

bool kith_claims_shared(const struct kith_claims *claims) {
    return kith_refs_others(&claims->refs);
}

void kith_claims_share(struct kith_claims *claims) {
    if (claims)
        kith_refs_share(&claims->refs);
}

int kith_claims_add(struct kith_claims *claims, const char *name, const void *value, size_t size) {
    size_t name_size = strlen(name) + 1;
    struct kith_claim *claim;

    if (claims->count == CLAIMS_MAX || name_size > NAME_MAX_OCTETS + 1)
        return -E2BIG;
    if (size > SIZE_MAX - sizeof(*claim) - name_size)
        return -ENOMEM;
    claim = malloc(sizeof(*claim) + name_size + size);
    if (!claim)
        return -ENOMEM;
    claim->size = size;
    claim->value = (uint8_t *)claim->name + name_size;
    memcpy(claim->name, name, name_size);
    if (size > 0)
        memcpy(claim->value, value, size);
    claim->next = NULL;
    *claims->end = claim;
    claims->end = &claim->next;
    claims->count++;
    return 0;
}

int kith_claims_get(const struct kith_claims *claims, size_t index, const char **ret_name, const uint8_t **ret_value, size_t *ret_size) {
    if (!claims || index >= claims->count)
        return 0;
    const struct kith_claim *claim = claims->first;
    while (index-- > 0)
        claim = claim->next;
    *ret_name = claim->name;
    *ret_value = claim->value;
    *ret_size = claim->size;
    return 1;
}
