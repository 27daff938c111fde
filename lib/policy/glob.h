/*
 * policy/glob.h: glob patterns over octets.
 *
 *     *    any octets other than '/', none too     **   any octets at all, none too
 *     ?    one octet other than '/'                \x   x itself
 *
 * In a pattern that is no path (a unit, a label) '/' is an octet like any other, so * is ** there. The whole text has to match. Character
 * classes do not exist and an unescaped '[' is refused, so that nobody believes in one.
 *
 * Matching walks the text once and keeps the set of places in the pattern that it may be at: time is at most pattern times text, whatever
 * the two look like, and close to the text for patterns as people write them. Nothing backtracks.
 */
#ifndef KITH_POLICY_GLOB_H
#define KITH_POLICY_GLOB_H

#include <stdbool.h>
#include <stddef.h>

#include <kith/error.h>

#include "base/cleanup.h"

/* PATH_MAX without its NUL: a longer pattern could only match a longer path than there is. */
#define KITH_GLOB_MAX 4095

struct kith_glob;

/* Errors: -EINVAL (empty, too long, a '[' or a last '\' that is not escaped; the text says how to mend it), -ENOMEM. */
int kith_glob_new(const char *pattern, bool path, struct kith_glob **ret_glob, struct kith_error *ret_error);
struct kith_glob *kith_glob_free(struct kith_glob *glob);
KITH_DEFINE_CLEANUP(struct kith_glob *, kith_glob_free)

bool kith_glob_match(const struct kith_glob *glob, const char *text);
/* Any octets, NULs too. */
bool kith_glob_match_octets(const struct kith_glob *glob, const void *data, size_t size);
/* Of all texts that begin so: do all of them match, does any? `all` is certain when true; a pattern such as "**?" has texts that escape it.
 */
bool kith_glob_match_all_with_prefix(const struct kith_glob *glob, const void *prefix, size_t size);
bool kith_glob_match_any_with_prefix(const struct kith_glob *glob, const void *prefix, size_t size);

/* As it was written. */
const char *kith_glob_pattern(const struct kith_glob *glob);

#endif
