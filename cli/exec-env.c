/* cli/exec-env.c: see exec-env.h. */
#include "cli/exec-env.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/cleanup.h"
#include "gateway/origin-json.h"

static const char *const names[] = {"KITH_PID=", "KITH_UID=", "KITH_GID=", "KITH_EXE=", "KITH_ORIGIN=", "KITH_FRAMES="};

/* One string of an environment may have 128 KiB (MAX_ARG_STRLEN, execve(2)); a peer's claims could make the JSON longer. */
#define VALUE_MAX ((size_t)96 * 1024)

static bool is_ours(const char *entry) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(names); i++)
        if (strncmp(entry, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

void cli_exec_env_free(char **env) {
    for (size_t i = 0; env && env[i]; i++)
        free(env[i]);
    free(env);
}

static void env_freep(char ***env) {
    cli_exec_env_free(*env);
}

static int put(char **env, size_t *count, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int put(char **env, size_t *count, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int r = vasprintf(&env[*count], format, args);
    va_end(args);
    if (r < 0) {
        env[*count] = NULL;
        return -ENOMEM;
    }
    (*count)++;
    return 0;
}

static int put_origin(char **env, size_t *count, kith_origin *origin) {
    pid_t pid;
    uid_t uid;
    gid_t gid;
    const char *exe;
    _cleanup_(freep) char *json = NULL;
    int r = gateway_origin_json(origin, &json);
    if (r >= 0 && strlen(json) <= VALUE_MAX)
        r = put(env, count, "KITH_ORIGIN=%s", json);
    if (r >= 0 && origin && kith_origin_pid(origin, &pid) != KITH_WITNESS_NONE)
        r = put(env, count, "KITH_PID=%lld", (long long)pid);
    if (r >= 0 && origin && kith_origin_uid(origin, &uid) != KITH_WITNESS_NONE)
        r = put(env, count, "KITH_UID=%llu", (unsigned long long)uid);
    if (r >= 0 && origin && kith_origin_gid(origin, &gid) != KITH_WITNESS_NONE)
        r = put(env, count, "KITH_GID=%llu", (unsigned long long)gid);
    if (r >= 0 && origin && kith_origin_text(origin, KITH_FACT_EXE, &exe) != KITH_WITNESS_NONE)
        r = put(env, count, "KITH_EXE=%s", exe);
    return r;
}

int cli_exec_env_new(kith_origin *origin, size_t frames, char ***ret_env) {
    size_t inherited = 0, count = 0;
    while (environ && environ[inherited])
        inherited++;
    _cleanup_(env_freep) char **env = calloc(inherited + KITH_ARRAY_SIZE(names) + 1, sizeof(*env));
    if (!env)
        return -ENOMEM;
    int r = 0;
    for (size_t i = 0; r >= 0 && i < inherited; i++)
        if (!is_ours(environ[i]))
            r = put(env, &count, "%s", environ[i]);
    if (r >= 0)
        r = put_origin(env, &count, origin);
    if (r >= 0)
        r = put(env, &count, "KITH_FRAMES=%zu", frames);
    if (r < 0)
        return r;
    *ret_env = KITH_STEAL(env);
    return 0;
}
