/* gateway/config-default.c: the configuration without a file. It shows what a configuration looks like, so it is written to be read. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "gateway/cleanup.h"
#include "gateway/config.h"

/* UID_MIN and UID_MAX of login.defs(5) as Debian and Fedora ship them: the accounts of people. */
static const char people[] = "    # Accounts of people. Those of services (daemon, nobody, ...) are refused: no rule names them.\n"
                             "    rule \"people\" { allow = {\"connect\", \"send\"}  uid = {\"1000-60000\"} }\n";

/* Our uid, further rules, directory, directory, directory. */
#define FORMAT                                                                                                                             \
    "# kith serve's default configuration: kith.conf(5) explains it.\n"                                                                    \
    "\n"                                                                                                                                   \
    "policy \"local\" {\n"                                                                                                                 \
    "    rule \"root and this user\" { allow = {\"connect\", \"send\"}  uid = {\"0\", \"%u\"} }\n"                                         \
    "%s"                                                                                                                                   \
    "}\n"                                                                                                                                  \
    "\n"                                                                                                                                   \
    "# kith peers, kith monitor and kith kick ask here: root and this user may.\n"                                                         \
    "control = {\"ipc://%s/control.sock\"}\n"                                                                                              \
    "\n"                                                                                                                                   \
    "# Answers with the request itself.\n"                                                                                                 \
    "service \"echo\" {\n"                                                                                                                 \
    "    listen  = {\"ipc://%s/echo.sock\"}\n"                                                                                             \
    "    policy  = \"local\"\n"                                                                                                            \
    "    builtin = \"echo\"\n"                                                                                                             \
    "}\n"                                                                                                                                  \
    "\n"                                                                                                                                   \
    "# Answers with what the kernel says of the client, as JSON.\n"                                                                        \
    "service \"who\" {\n"                                                                                                                  \
    "    listen  = {\"ipc://%s/who.sock\"}\n"                                                                                              \
    "    policy  = \"local\"\n"                                                                                                            \
    "    builtin = \"who\"\n"                                                                                                              \
    "}\n"

static int find_directory(char *directory, size_t size, struct kith_error *ret_error) {
    const char *runtime = getenv("RUNTIME_DIRECTORY"), *xdg = getenv("XDG_RUNTIME_DIR");
    int length;
    if (runtime && runtime[0] == '/' && !strchr(runtime, ':')) /* several are separated by ':' */
        length = snprintf(directory, size, "%s", runtime);
    else if (geteuid() == 0)
        length = snprintf(directory, size, "/run/kith");
    else if (xdg && xdg[0] == '/')
        length = snprintf(directory, size, "%s/kith", xdg);
    else
        return kith_error_set(ret_error, -ENOENT,
                              "no place for sockets: XDG_RUNTIME_DIR is not set: set it, or write a configuration (-c FILE, kith.conf(5))");
    for (const char *c = directory; *c; c++) /* it goes into quotes */
        if ((unsigned char)*c < 0x20 || *c == '"' || *c == '\\' || *c == '$')
            return kith_error_set(ret_error, -EINVAL, "the runtime directory's name has characters that cannot be written: use -c FILE");
    return (size_t)length < size ? 0 : kith_error_set(ret_error, -ENAMETOOLONG, "the runtime directory's name is too long: use -c FILE");
}

int gateway_config_default(char **ret_text, struct kith_error *ret_error) {
    char directory[256];
    int r = find_directory(directory, sizeof(directory), ret_error);
    if (r < 0)
        return r;
    uid_t uid = geteuid();
    char *text;
    if (asprintf(&text, FORMAT, uid, uid == 0 ? people : "", directory, directory, directory) < 0)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    *ret_text = text;
    return 0;
}

int gateway_config_default_control(char *endpoint, size_t size, struct kith_error *ret_error) {
    char directory[256];
    int r = find_directory(directory, sizeof(directory), ret_error);
    if (r < 0)
        return r;
    return snprintf(endpoint, size, "ipc://%s/control.sock", directory) < (int)size
               ? 0
               : kith_error_set(ret_error, -ENAMETOOLONG, "the runtime directory's name is too long");
}
