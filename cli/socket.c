/* cli/socket.c: kith socket: one socket in full. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "cli/map.h"
#include "cli/options.h"
#include "cli/output.h"
#include "map/view/view.h"

enum { KEY_JSON };

static const struct cli_option options[] = {
    {KEY_JSON, "json", 'j', NULL, "print one JSON object"},
    {0},
};

/* What was asked for, before and after it is found. */
struct wanted {
    const char *text;
    pid_t pid; /* of PID/FD; 0: not given */
    int fd;
    uint64_t inode, cookie, either;
    struct map_address local, remote;
};

static int take_option(void *state, int key, const char *value) {
    *(bool *)state = true;
    return 0;
}

static int read_descriptor(struct wanted *wanted) {
    char path[64], link[64];
    unsigned long long inode;

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", wanted->pid, wanted->fd);
    ssize_t size = readlink(path, link, sizeof(link) - 1);
    if (size < 0) {
        cli_error("%s: %s%s", path, strerror(errno),
                  errno == EACCES ? ": another user's descriptors may only be seen with CAP_SYS_PTRACE: run as root" : "");
        return CLI_ERROR;
    }
    link[size] = '\0';
    if (sscanf(link, "socket:[%llu]", &inode) != 1) {
        char printable[4 * sizeof(link)];
        struct kith_text text = kith_text_init(printable, sizeof(printable));
        kith_text_put_printable(&text, link, (size_t)size);
        cli_error("%s is no socket, but %s", path, printable);
        return CLI_ERROR;
    }
    wanted->inode = inode;
    return 0;
}

/* "LOCAL,REMOTE". */
static int read_tuple(struct wanted *wanted, const char *comma) {
    char local[128];

    if ((size_t)(comma - wanted->text) >= sizeof(local)) {
        cli_error("'%.32s...' is no address", wanted->text);
        return CLI_USAGE;
    }
    snprintf(local, sizeof(local), "%.*s", (int)(comma - wanted->text), wanted->text);
    int status = cli_map_address("LOCAL", local, &wanted->local);
    return status != 0 ? status : cli_map_address("REMOTE", comma + 1, &wanted->remote);
}

static int read_wanted(const struct cli_verb *verb, struct wanted *wanted) {
    const char *text = wanted->text, *comma = strchr(text, ',');
    int64_t number;

    if (cli_map_is_descriptor(text, &wanted->pid, &wanted->fd))
        return read_descriptor(wanted);
    if (comma)
        return read_tuple(wanted, comma);
    uint64_t *target = &wanted->either;
    if (strncmp(text, "inode:", 6) == 0) {
        target = &wanted->inode;
        text += 6;
    } else if (strncmp(text, "cookie:", 7) == 0) {
        target = &wanted->cookie;
        text += 7;
    }
    if (!*text || strspn(text, "0123456789") != strlen(text))
        return cli_usage(verb, "'%s': PID/FD, an inode, a cookie or LOCAL,REMOTE", wanted->text);
    int status = cli_number("SOCKET", text, 1, INT64_MAX, &number);
    *target = (uint64_t)number;
    return status;
}

static uint32_t find(const struct map *map, const struct wanted *wanted, bool *ret_both) {
    uint32_t by_inode = map_find_inode(map, wanted->either ? wanted->either : wanted->inode);
    uint32_t by_cookie = map_find_cookie(map, wanted->either ? wanted->either : wanted->cookie);

    *ret_both = wanted->either && by_inode != MAP_NONE && by_cookie != MAP_NONE && by_inode != by_cookie;
    if (wanted->local.form != MAP_NO_ADDRESS)
        return map_find_tuple(map, &wanted->local, &wanted->remote);
    if (wanted->cookie != 0)
        return by_cookie;
    return by_inode != MAP_NONE || wanted->inode != 0 ? by_inode : by_cookie;
}

/* First which socket it is; then the same again, with all that the kernel tells of that one. */
static int look(struct wanted *wanted, struct map **ret_map, uint32_t *ret_socket) {
    _cleanup_(map_freep) struct map *plain = NULL, *full = NULL;
    struct map_wanted ask = {.depth = MAP_PLAIN};
    bool both;

    int status = cli_map_read(&ask, &plain);
    if (status != 0)
        return status;
    uint32_t found = find(plain, wanted, &both);
    if (both)
        cli_error("%s is the inode of one socket and the cookie of another: this is the inode (cookie:%s for the other)", wanted->text,
                  wanted->text);
    if (found == MAP_NONE) {
        cli_error("%s: there is no such socket, or it may not be seen", wanted->text);
        return CLI_ERROR;
    }
    ask = (struct map_wanted){.depth = MAP_FULL, .fact_cookie = plain->sockets[found].cookie, .fact_inode = plain->sockets[found].inode};
    status = cli_map_read(&ask, &full);
    if (status != 0)
        return status;
    *ret_socket = ask.fact_cookie ? map_find_cookie(full, ask.fact_cookie) : map_find_inode(full, ask.fact_inode);
    if (*ret_socket == MAP_NONE) {
        cli_error("%s: it was closed while it was looked at", wanted->text);
        return CLI_ERROR;
    }
    *ret_map = KITH_STEAL(full);
    return 0;
}

/* By the descriptor that was named, or any. */
static int ask_options(struct map *map, uint32_t number, const struct wanted *wanted) {
    const struct map_socket *socket = &map->sockets[number];
    pid_t pid = wanted->pid;
    int fd = wanted->fd;

    if (pid == 0 && socket->holder_count > 0) {
        const struct map_holder *holder = &map->holders[socket->first_holder];
        pid = map->processes[holder->process].pid;
        fd = holder->fd;
    }
    if (pid == 0)
        return 0;
    int r = map_read_descriptor(map, number, pid, fd);
    return r < 0 ? r : map_read_options(map, number, pid, fd);
}

struct shown {
    const struct map *map;
    uint32_t socket;
};

static int write_text(void *userdata, struct view_out *out) {
    const struct shown *shown = userdata;
    return map_view_socket(shown->map, shown->socket, out);
}

static int write_json(void *userdata, struct view_out *out) {
    const struct shown *shown = userdata;
    return map_view_json(&(struct map_view){shown->map, &shown->socket, 1}, out);
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    _cleanup_(map_freep) struct map *map = NULL;
    struct wanted wanted = {0};
    uint32_t socket;
    bool json = false;
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &json, &words, &count);

    if (status != CLI_GO_ON)
        return status;
    if (count != 1)
        return cli_usage(verb, "which socket?");
    wanted.text = words[0];
    status = read_wanted(verb, &wanted);
    if (status == 0)
        status = look(&wanted, &map, &socket);
    if (status != 0)
        return status;
    int r = ask_options(map, socket, &wanted);
    struct shown shown = {map, socket};
    if (r == 0)
        r = json ? cli_view_print(write_json, &shown) : cli_view_page(write_text, &shown);
    if (r == 0)
        return CLI_OK;
    cli_error("out of memory");
    return CLI_ERROR;
}

const struct cli_verb cli_socket = {
    .name = "socket",
    .summary = "show one socket in full",
    .usage = "PID/FD | INODE | COOKIE | LOCAL,REMOTE [--json]",
    .details =
        "Shows what stands between a descriptor and the network: who holds it, its inode and cookie, its ends, its queues, its listener "
        "or\n"
        "what came from it, the kernel's tables that it stands in, memory, timers, congestion control, options. A number is an inode, or\n"
        "else a cookie; inode:N and cookie:N say which. LOCAL and REMOTE are ADDRESS:PORT.",
    .options = options,
    .run = run,
};
