/*
 * flow/trace/state.h: the host's settings of ftrace, which are given back.
 *
 * Before the first of them is changed, all are written to a file. It is removed when they have been restored; so a recorder that was killed
 * leaves it, and anybody can undo what that recorder did. One that is there keeps a second recorder out.
 */
#ifndef KITH_FLOW_STATE_H
#define KITH_FLOW_STATE_H

#include <kith/error.h>

/* Where root has it; it goes with the next boot, as the settings do. */
#define FLOW_STATE_FILE "/run/kith-flow.state"

/* Reads the settings of `directory` into a new file. Errors, with text: -EEXIST (a recorder is running, or was killed), those of open(2).
 */
int flow_state_save(int directory, const char *path, struct kith_error *ret_error);
/* Puts back what the file says, the group "kith" of dynamic events included, and removes it. Everything that can be restored is, even when
 * something cannot. Errors, with text: -ENOENT (there is nothing to restore), -EBADMSG, those of writing a setting (the first). */
int flow_state_restore(int directory, const char *path, struct kith_error *ret_error);

#endif
