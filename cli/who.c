/*
 * cli/who.c: kith who: the facts that kith attaches to a message of a process, and who vouches for each.
 *
 * Of itself it sends a message to itself through a real socket, so that what is shown is what a server would be told. Of another process,
 * which sends nothing now, it looks up what a message would carry.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <kith/socket.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/who.h"
#include "gateway/cleanup.h"
#include "gateway/origin-json.h"
#include "gateway/printable.h"

/* A message to oneself takes microseconds; whoever waits longer waits for nothing. */
#define SELF_MS 5000

enum { KEY_JSON };

static const struct cli_option options[] = {
    {KEY_JSON, "json", 0, NULL, "print the one JSON form of an origin"},
    {0},
};

static int take_option(void *state, int key, const char *value) {
    *(bool *)state = true;
    return 0;
}

static const char *in_words(enum kith_witness witness) {
    switch (witness) {
    case KITH_WITNESS_KERNEL_MESSAGE:
        return "the kernel says so of this very message";
    case KITH_WITNESS_KERNEL_CONNECT:
        return "the kernel says so, once: of this process when it was first seen";
    case KITH_WITNESS_KEY:
        return "proved by a key";
    case KITH_WITNESS_INFERRED:
        return "found in /proc, without proof that it is the same process";
    case KITH_WITNESS_CLAIMED:
        return "the peer says so of itself";
    case KITH_WITNESS_NONE:
        break;
    }
    return "not known here";
}

static int row(const char *name, const char *value, enum kith_witness witness) {
    return cli_print("%-14s %-34s %-15s %s\n", name, witness == KITH_WITNESS_NONE ? "-" : value, kith_witness_name(witness),
                     in_words(witness));
}

/* Values in words ---------------------------------------------------------------------------------------------------- */

static void put_user(struct kith_text *text, uid_t uid) {
    const struct passwd *user = getpwuid(uid);
    kith_text_printf(text, user ? "%u (%s)" : "%u", uid, user ? user->pw_name : "");
}

static void put_group(struct kith_text *text, gid_t gid) {
    const struct group *group = getgrgid(gid);
    kith_text_printf(text, group ? "%u (%s)" : "%u", gid, group ? group->gr_name : "");
}

/* proc_pid_stat(5) counts clock ticks since boot. */
static void put_start(struct kith_text *text, uint64_t ticks) {
    struct timespec now, since_boot;
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &since_boot);
    time_t start = now.tv_sec - since_boot.tv_sec + (time_t)(ticks / (uint64_t)sysconf(_SC_CLK_TCK));
    struct tm local;
    char day[64];
    if (localtime_r(&start, &local) && strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%S", &local) > 0)
        kith_text_printf(text, "%s (tick %llu)", day, (unsigned long long)ticks);
}

static int print_numbers(kith_origin *origin) {
    char value[128] = "";
    pid_t pid;
    uid_t uid;
    gid_t gid;
    enum kith_witness witness = kith_origin_pid(origin, &pid);
    if (witness != KITH_WITNESS_NONE)
        snprintf(value, sizeof(value), "%lld", (long long)pid);
    int r = row("pid", value, witness);
    witness = kith_origin_uid(origin, &uid);
    struct kith_text text = kith_text_init(value, sizeof(value));
    if (witness != KITH_WITNESS_NONE)
        put_user(&text, uid);
    r = r < 0 ? r : row("uid", value, witness);
    witness = kith_origin_gid(origin, &gid);
    text = kith_text_init(value, sizeof(value));
    if (witness != KITH_WITNESS_NONE)
        put_group(&text, gid);
    return r < 0 ? r : row("gid", value, witness);
}

static int print_groups(kith_origin *origin) {
    char value[1024];
    const gid_t *groups;
    size_t count = 0;
    enum kith_witness witness = kith_origin_groups(origin, &groups, &count);
    struct kith_text text = kith_text_init(value, sizeof(value));
    if (count == 0)
        kith_text_puts(&text, "none");
    for (size_t i = 0; i < count; i++) {
        kith_text_puts(&text, i ? ", " : "");
        put_group(&text, groups[i]);
    }
    return row("groups", value, witness);
}

/* Facts that most senders have none of are left out instead of said to be unknown. */
static bool always_shown(enum kith_fact fact) {
    return fact == KITH_FACT_EXE || fact == KITH_FACT_UNIT || fact == KITH_FACT_CGROUP || fact == KITH_FACT_LABEL;
}

static int print_texts(kith_origin *origin) {
    static const enum kith_fact facts[] = {KITH_FACT_EXE,   KITH_FACT_UNIT,    KITH_FACT_CGROUP,    KITH_FACT_CONTAINER, KITH_FACT_SESSION,
                                           KITH_FACT_LABEL, KITH_FACT_ADDRESS, KITH_FACT_INTERFACE, KITH_FACT_KEY,       KITH_FACT_USER};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(facts); i++) {
        char value[4096] = "";
        const char *found;
        enum kith_witness witness = kith_origin_text(origin, facts[i], &found);
        if (witness == KITH_WITNESS_NONE && !always_shown(facts[i]))
            continue;
        struct kith_text text = kith_text_init(value, sizeof(value));
        if (witness != KITH_WITNESS_NONE)
            gateway_put_printable(&text, found, strlen(found), sizeof(value), 0);
        int r = row(kith_fact_name(facts[i]), value, witness);
        if (r < 0)
            return r;
    }
    return 0;
}

static int print_others(kith_origin *origin) {
    static const enum kith_fact facts[] = {KITH_FACT_PID_NAMESPACE,
                                           KITH_FACT_USER_NAMESPACE,
                                           KITH_FACT_MAY_FORGE,
                                           KITH_FACT_CONNECTOR,
                                           KITH_FACT_THREAD,
                                           KITH_FACT_TTL,
                                           KITH_FACT_TOS};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(facts); i++) {
        char value[32] = "";
        uint64_t number;
        enum kith_witness witness = kith_origin_number(origin, facts[i], &number);
        if (witness == KITH_WITNESS_NONE)
            continue;
        if (facts[i] == KITH_FACT_MAY_FORGE)
            snprintf(value, sizeof(value), "%s", number ? "yes" : "no");
        else
            snprintf(value, sizeof(value), "%llu", (unsigned long long)number);
        int r = row(kith_fact_name(facts[i]), value, witness);
        if (r < 0)
            return r;
    }
    return 0;
}

static int print_claims(kith_origin *origin) {
    const char *name;
    const uint8_t *data;
    size_t size;
    int r = 0;
    for (size_t i = 0; r >= 0 && kith_origin_claim(origin, i, &name, &data, &size) == 1; i++) {
        char value[512];
        struct kith_text text = kith_text_init(value, sizeof(value));
        gateway_put_printable(&text, name, strlen(name), 64, '=');
        kith_text_putc(&text, '=');
        gateway_put_printable(&text, data, size, 256, 0);
        r = row("claim", value, KITH_WITNESS_CLAIMED);
    }
    return r;
}

void cli_who_print(kith_origin *origin) {
    char value[128] = "";
    uint64_t ticks;
    int r = cli_print("%-14s %-34s %-15s %s\n", "FACT", "VALUE", "WITNESS", "WHICH MEANS");
    r = r < 0 ? r : print_numbers(origin);
    r = r < 0 ? r : print_groups(origin);
    r = r < 0 ? r : print_texts(origin);
    enum kith_witness witness = kith_origin_start_time(origin, &ticks);
    struct kith_text text = kith_text_init(value, sizeof(value));
    if (witness != KITH_WITNESS_NONE)
        put_start(&text, ticks);
    r = r < 0 ? r : row(kith_fact_name(KITH_FACT_START_TIME), value, witness);
    r = r < 0 ? r : print_others(origin);
    if (r >= 0)
        print_claims(origin);
}

/* A message to oneself ----------------------------------------------------------------------------------------------- */

struct self {
    kith_loop *loop;
    kith_socket *server, *client;
    kith_msg *sent, *received;
};

static void self_deinit(struct self *self) {
    kith_msg_free(self->sent);
    kith_msg_free(self->received);
    kith_socket_free(self->client);
    kith_socket_free(self->server);
    kith_loop_free(self->loop);
}

/* An abstract name needs no directory that we may write to. Anyone could connect to it: only the message with the token is ours. */
static int open_self(struct self *self, uint64_t token, struct kith_error *error) {
    char endpoint[64];
    snprintf(endpoint, sizeof(endpoint), "ipc://@kith-who-%016llx", (unsigned long long)token);
    int r = kith_loop_new(&self->loop);
    if (r >= 0)
        r = kith_socket_new(self->loop, KITH_ROUTER, &self->server);
    if (r >= 0)
        r = kith_socket_new(self->loop, KITH_DEALER, &self->client);
    if (r < 0)
        return kith_error_set(error, r, "cannot make a socket: %s", kith_error_name(r));
    r = kith_socket_bind(self->server, endpoint, error);
    return r < 0 ? r : kith_socket_connect(self->client, endpoint, error);
}

static int send_token(struct self *self, uint64_t token) {
    int r = kith_msg_new(&self->sent);
    if (r >= 0)
        r = kith_msg_add(self->sent, &token, sizeof(token));
    if (r >= 0)
        r = kith_socket_send(self->client, self->sent, SELF_MS);
    if (r >= 0)
        self->sent = NULL;
    return r;
}

static int receive_token(struct self *self, uint64_t token) {
    for (;;) {
        self->received = kith_msg_free(self->received);
        int r = kith_socket_recv(self->server, &self->received, SELF_MS);
        if (r < 0)
            return r;
        size_t size;
        const uint8_t *frame = kith_msg_frame(self->received, 1, &size);
        if (frame && size == sizeof(token) && memcmp(frame, &token, size) == 0)
            return 0;
    }
}

static int origin_of_self(kith_origin **ret_origin, struct kith_error *error) {
    _cleanup_(self_deinit) struct self self = {0};
    uint64_t token, name;
    if (getrandom(&token, sizeof(token), 0) < 0 || getrandom(&name, sizeof(name), 0) < 0)
        return kith_error_set(error, -errno, "getrandom: %s", kith_error_name(-errno));
    int r = open_self(&self, name, error);
    if (r < 0)
        return r;
    r = send_token(&self, token);
    if (r >= 0)
        r = receive_token(&self, token);
    if (r < 0)
        return kith_error_set(error, r, "a message to myself was lost: %s", kith_error_name(r));
    *ret_origin = kith_origin_ref(kith_msg_origin(self.received));
    return 0;
}

static int find_origin(const char *pid, kith_origin **ret_origin, struct kith_error *error) {
    int64_t number;
    if (!pid)
        return origin_of_self(ret_origin, error);
    if (cli_number("PID", pid, 1, INT32_MAX, &number) != 0)
        return -EINVAL;
    return kith_origin_of_pid((pid_t)number, ret_origin, error);
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    bool json = false;
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &json, &words, &count);
    if (status != CLI_GO_ON)
        return status;
    if (count > 1)
        return cli_usage(verb, "one PID or ENDPOINT at a time");
    if (count == 1 && cli_who_is_endpoint(words[0]))
        return cli_who_endpoint(words[0], json);
    _cleanup_(kith_origin_unrefp) kith_origin *origin = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    if (find_origin(count ? words[0] : NULL, &origin, &error) < 0)
        return error.code == 0 ? CLI_USAGE : cli_fail(&error);
    if (!json) {
        cli_who_print(origin);
        return CLI_OK;
    }
    _cleanup_(freep) char *text = NULL;
    if (gateway_origin_json(origin, &text) < 0) {
        cli_error("out of memory");
        return CLI_ERROR;
    }
    cli_print("%s\n", text);
    return CLI_OK;
}

const struct cli_verb cli_who = {
    .name = "who",
    .summary = "show what kith knows of a process, or of all at the other end of a socket, and by whose word",
    .usage = "[PID | ENDPOINT] [--json]",
    .details =
        "Shows the facts that a message of process PID would carry, each with its witness. Without PID: those of a message that this\n"
        "command sends to itself. ENDPOINT: of everyone at its other end: tcp:PORT, tcp:ADDRESS:PORT, udp:PORT, /PATH, @NAME (unix), or\n"
        "PID/FD, a descriptor of a process.",
    .options = options,
    .run = run,
};
