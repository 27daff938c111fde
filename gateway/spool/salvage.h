/* gateway/spool/salvage.h: what can be read of a damaged file, into a new one. */
#ifndef KITH_GATEWAY_SPOOL_SALVAGE_H
#define KITH_GATEWAY_SPOOL_SALVAGE_H

#include "gateway/spool/store.h"

struct salvage_result {
    uint64_t carried;
    bool lost_is_known; /* else what the file had is not known */
    uint64_t lost;
};

/* Copies messages, with their ids, and the targets' cursors. `known`: what the file had, as its owner knows; ids beyond are not taken.
 * NULL: the file's own word is taken, when it can be read. That nothing can be read is no error. Errors: of writing. */
int spool_salvage(const char *damaged, const struct store_state *known, struct store *into, struct salvage_result *ret,
                  struct kith_error *error);
/* Makes PATH.new of what can be read in PATH, moves PATH aside and PATH.new to its place. Whenever the process dies or the disk is full
 * meanwhile, it can begin again and nothing is lost. `known` as above; ids go on after its last. ret_text (to free()): what a person should
 * know. */
int spool_replace(const char *path, const char *why, const struct store_state *known, char **ret_text, struct kith_error *error);

#endif
