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

bool kith_glob_match(const struct kith_glob *glob, const char *text) {
    /* Filled as far as they are counted: not cleared, since most texts part from the pattern within a few octets. */
    struct places sets[2];
    struct places *now = &sets[0], *next = &sets[1];

    now->count = 0;
    places_add(now, glob, 0);
    for (const char *p = text; *p && now->count > 0; p++) {
        places_step(now, glob, (uint8_t)*p, next);
        struct places *last = now;
        now = next;
        next = last;
    }
    return now->count > 0 && now->place[now->count - 1] == glob->count;
}
