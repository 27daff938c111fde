/*
 * policy/glob.c: see glob.h.
 *
 * A pattern is compiled to elements, one for each octet or wildcard. "At place i" means that elements 0 to i - 1 have matched what was read
 * of the text; the text matches when at its end place `count` is among the places. A star's place brings the one after it along, since a
 * star may match nothing.
 *
 * Invariant: a set of places is ascending and without duplicates. Places only move to themselves or one ahead, so adding in the order of
 * the old set keeps it so and "already there" is a comparison with the last one.
 */
#include "policy/glob.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* An element below 256 is that octet. */
enum {
    ELEMENT_ONE = 256, /* one octet, not '/' */
    ELEMENT_ONE_ANY,   /* one octet */
    ELEMENT_STAR,      /* octets other than '/' */
    ELEMENT_STAR_ANY,  /* octets */
};

struct kith_glob {
    char *pattern;
    size_t literal; /* so many elements at the beginning are octets that stand so in the pattern: most texts differ there */
    size_t count;
    uint16_t elements[];
};

/* The element that begins at pattern[0]. Returns how many octets of the pattern make it. */
static int parse_element(const char *pattern, bool path, uint16_t *ret_element, struct kith_error *ret_error) {
    switch (pattern[0]) {
    case '*': {
        int stars = (int)strspn(pattern, "*");
        *ret_element = path && stars == 1 ? ELEMENT_STAR : ELEMENT_STAR_ANY;
        return stars;
    }
    case '?':
        *ret_element = path ? ELEMENT_ONE : ELEMENT_ONE_ANY;
        return 1;
    case '[':
        return kith_error_set(ret_error, -EINVAL, "there are no character classes: write \\[ for the character itself");
    case '\\':
        if (!pattern[1])
            return kith_error_set(ret_error, -EINVAL, "it ends in a backslash: write \\\\ for the character itself");
        *ret_element = (uint8_t)pattern[1];
        return 2;
    default:
        *ret_element = (uint8_t)pattern[0];
        return 1;
    }
}

int kith_glob_new(const char *pattern, bool path, struct kith_glob **ret_glob, struct kith_error *ret_error) {
    size_t length = strlen(pattern);
    if (length == 0)
        return kith_error_set(ret_error, -EINVAL, "it is empty: write ** to match everything");
    if (length > KITH_GLOB_MAX)
        return kith_error_set(ret_error, -EINVAL, "it has %zu octets: at most %d are allowed", length, KITH_GLOB_MAX);

    _cleanup_(kith_glob_freep) struct kith_glob *glob = (struct kith_glob *)calloc(1, sizeof(*glob) + length * sizeof(glob->elements[0]));
    if (!glob || !(glob->pattern = strdup(pattern)))
        return kith_error_set(ret_error, -ENOMEM, "out of memory");

    for (size_t offset = 0; offset < length; glob->count++) {
        int r = parse_element(pattern + offset, path, &glob->elements[glob->count], ret_error);
        if (r < 0)
            return r;
        offset += (size_t)r;
    }

    while (glob->literal < glob->count && glob->elements[glob->literal] == (uint8_t)pattern[glob->literal])
        glob->literal++;

    *ret_glob = KITH_STEAL(glob);
    return 0;
}

struct kith_glob *kith_glob_free(struct kith_glob *glob) {
    if (glob)
        free(glob->pattern);
    free(glob);
    return NULL;
}

const char *kith_glob_pattern(const struct kith_glob *glob) {
    return glob->pattern;
}

struct places {
    size_t count;
    uint16_t place[KITH_GLOB_MAX + 1];
};

static bool is_star(uint16_t element) {
    return element == ELEMENT_STAR || element == ELEMENT_STAR_ANY;
}

/* Adds a place and those that it brings along. */
static void places_add(struct places *places, const struct kith_glob *glob, size_t place) {
    for (;; place++) {
        if (places->count == 0 || places->place[places->count - 1] < place)
            places->place[places->count++] = (uint16_t)place;
        if (place == glob->count || !is_star(glob->elements[place]))
            return;
    }
}

static void places_step(const struct places *places, const struct kith_glob *glob, uint8_t octet, struct places *ret_next) {
    ret_next->count = 0;
    for (size_t i = 0; i < places->count; i++) {
        size_t place = places->place[i];
        if (place == glob->count)
            continue;
        uint16_t element = glob->elements[place];
        if (element == ELEMENT_STAR_ANY || (element == ELEMENT_STAR && octet != '/'))
            places_add(ret_next, glob, place);
        else if (element == octet || element == ELEMENT_ONE_ANY || (element == ELEMENT_ONE && octet != '/'))
            places_add(ret_next, glob, place + 1);
    }
}

/* The places after data[0, size), in one of the two sets. Not cleared beforehand: they are filled as far as they are counted, and most
 * texts part from the pattern within a few octets. */
static const struct places *places_after(const struct kith_glob *glob, const uint8_t *data, size_t size, struct places sets[2]) {
    struct places *now = &sets[0], *next = &sets[1];

    now->count = 0;
    places_add(now, glob, 0);
    for (size_t i = 0; i < size && now->count > 0; i++) {
        places_step(now, glob, data[i], next);
        struct places *last = now;
        now = next;
        next = last;
    }
    return now;
}

static bool starts_otherwise(const struct kith_glob *glob, const uint8_t *data, size_t size) {
    return size < glob->literal || memcmp(data, glob->pattern, glob->literal) != 0;
}

bool kith_glob_match_octets(const struct kith_glob *glob, const void *data, size_t size) {
    struct places sets[2];

    if (starts_otherwise(glob, (const uint8_t *)data, size))
        return false;
    if (glob->literal == glob->count)
        return size == glob->count;
    const struct places *end = places_after(glob, (const uint8_t *)data, size, sets);
    return end->count > 0 && end->place[end->count - 1] == glob->count;
}

bool kith_glob_match(const struct kith_glob *glob, const char *text) {
    return kith_glob_match_octets(glob, text, strlen(text));
}

/* A last "**" accepts whatever follows. */
bool kith_glob_match_all_with_prefix(const struct kith_glob *glob, const void *prefix, size_t size) {
    struct places sets[2];
    const struct places *end = places_after(glob, (const uint8_t *)prefix, size, sets);

    for (size_t i = 0; i < end->count; i++)
        if (end->place[i] + 1u == glob->count && glob->elements[end->place[i]] == ELEMENT_STAR_ANY)
            return true;
    return false;
}

/* From every place there is a text to the end. */
bool kith_glob_match_any_with_prefix(const struct kith_glob *glob, const void *prefix, size_t size) {
    struct places sets[2];
    return places_after(glob, (const uint8_t *)prefix, size, sets)->count > 0;
}
