/* origin/claims.h: the rest of the list of claims, for this room. Making, sharing and adding: origin/internal.h. */
#ifndef KITH_ORIGIN_CLAIMS_H
#define KITH_ORIGIN_CLAIMS_H

#include <stddef.h>
#include <stdint.h>

#include "origin/internal.h"

/* Is there a second reference? */
bool kith_claims_shared(const struct kith_claims *claims);

/* Returns 1 with all outputs set, or 0 beyond the last (claims may be NULL). */
int kith_claims_get(const struct kith_claims *claims, size_t index, const char **ret_name, const uint8_t **ret_value, size_t *ret_size);

#endif
