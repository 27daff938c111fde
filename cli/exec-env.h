/* cli/exec-env.h: the environment of a command: ours, and who sent the request. */
#ifndef KITH_CLI_EXEC_ENV_H
#define KITH_CLI_EXEC_ENV_H

#include <stddef.h>

#include <kith/origin.h>

/* KITH_PID, KITH_UID, KITH_GID, KITH_EXE, KITH_ORIGIN and KITH_FRAMES, each only when it is known: a value that kith itself was started
 * with is never passed on as a sender's. To be freed with cli_exec_env_free(). Errors: -ENOMEM. */
int cli_exec_env_new(kith_origin *origin, size_t frames, char ***ret_env);
/* NULL is allowed. */
void cli_exec_env_free(char **env);

#endif
