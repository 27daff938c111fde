/*
 * bench/bench-trust.c: what trust costs: the kernel's word on each message, a policy of a hundred rules, what is asked of a process that is
 * new, and what descriptors and shared memory save. Each section compares two ways of the same exchange.
 *
 * All ways of a section run in each repetition, in an order drawn anew, so that what else the machine does falls on all of them alike. One
 * repetition of one way is two processes. Every message is looked at where it arrives: its size, and that the kernel has named its sender.
 *
 * Output, one line a way and repetition: SECTION <tab> WAY <tab> VALUE. tools/bench-trust makes the table of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bench/measure.h"
#include "bench/trust/first.h"
#include "bench/trust/lookup.h"
#include "bench/trust/pair.h"

#define WAYS_MAX 4
#define RULES 100

struct section {
    const char *name;
    int (*measure)(const struct pair_way *way, const char *folder, size_t size, unsigned long count, double *ret_value);
    size_t size;
    unsigned long count, quick;
    const struct pair_way *ways[WAYS_MAX]; /* NULL ends them */
};

/* As somebody writes them who trusts few: the last one is who we are. */
static int hundred_rules(kith_policy **ret_policy) {
    kith_policy *policy;
    char name[32], uid[32];
    int r = kith_policy_new(&policy);
    for (unsigned i = 0; r >= 0 && i < RULES; i++) {
        kith_policy_rule *rule;
        bool ours = i == RULES - 1;
        snprintf(name, sizeof(name), "rule %u", i);
        snprintf(uid, sizeof(uid), "%u", ours ? (unsigned)getuid() : 200000 + i);
        r = kith_policy_add_rule(policy, name, true, KITH_VERB_ALL, &rule, NULL);
        if (r >= 0)
            r = kith_policy_rule_add(rule, KITH_CONDITION_UID, uid, NULL);
        if (r >= 0)
            r = kith_policy_rule_add(rule, KITH_CONDITION_EXE, "/**", NULL);
    }
    if (r < 0)
        kith_policy_unref(policy);
    else
        *ret_policy = policy;
    return r;
}

/* A message with a descriptor, of the same pipe each: duplicating one is the least that a program could do. */
static int make_with_fd(size_t size, kith_msg **ret_msg) {
    char octets[64] = {0};
    kith_msg *msg;
    int r = kith_msg_new(&msg);
    if (r < 0)
        return r;
    r = size > sizeof(octets) ? -EMSGSIZE : kith_msg_add(msg, octets, size);
    int fd = r < 0 ? r : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    if (fd >= 0 && (r = kith_msg_add_fd(msg, fd)) < 0)
        close(fd);
    r = fd < 0 && r >= 0 ? -errno : r;
    if (r < 0)
        kith_msg_free(msg);
    else
        *ret_msg = msg;
    return r;
}

static int take_fd(kith_msg *msg) {
    int fd = kith_msg_take_fd(msg, 0);
    return fd < 0 ? fd : close(fd) < 0 ? -errno : 0;
}

static const struct pair_way plain = {.name = "origin"};
static const struct pair_way anonymous = {.name = "anonymous", .options = {{"identity", "0"}}, .anonymous = true};
static const struct pair_way ruled = {.name = "rules", .policy = hundred_rules};

/* Frames of one buffer, filled once: what passing it costs, not what filling it does. */
static int make_of(int (*new_buffer)(size_t size, kith_buffer **ret_buffer), size_t size, kith_msg **ret_msg) {
    static kith_buffer *buffer;
    kith_msg *msg;
    if (!buffer) {
        int r = new_buffer(size, &buffer);
        if (r < 0)
            return r;
        memset(kith_buffer_data(buffer), 1, size);
    }
    const uint8_t *octets = kith_buffer_data(buffer);
    int r = kith_msg_new(&msg);
    if (r >= 0)
        r = kith_msg_add_slice(msg, (struct kith_slice){.buffer = buffer, .data = octets, .size = size});
    if (r >= 0)
        *ret_msg = msg;
    return r;
}

static int make_memfd(size_t size, kith_msg **ret_msg) {
    return make_of(kith_buffer_new_memfd, size, ret_msg);
}

static int make_heap(size_t size, kith_msg **ret_msg) {
    return make_of(kith_buffer_new, size, ret_msg);
}

/* A new one each time, filled by who sends it. */
static int make_filled(int (*new_buffer)(size_t size, kith_buffer **ret_buffer), size_t size, kith_msg **ret_msg) {
    kith_buffer *buffer;
    kith_msg *msg;
    int r = new_buffer(size, &buffer);
    if (r < 0)
        return r;
    memset(kith_buffer_data(buffer), 1, size);
    r = kith_msg_new(&msg);
    if (r >= 0)
        r = kith_msg_add_slice(msg, (struct kith_slice){.buffer = buffer, .data = kith_buffer_data(buffer), .size = size});
    kith_buffer_unref(buffer);
    if (r >= 0)
        *ret_msg = msg;
    return r;
}

static int make_memfd_filled(size_t size, kith_msg **ret_msg) {
    return make_filled(kith_buffer_new_memfd, size, ret_msg);
}

static int make_heap_filled(size_t size, kith_msg **ret_msg) {
    return make_filled(kith_buffer_new, size, ret_msg);
}

/* Every cache line of it. */
static int read_all(kith_msg *msg) {
    size_t size, sum = 0;
    const uint8_t *octets = kith_msg_frame(msg, 0, &size);
    for (size_t i = 0; i < size; i += 64)
        sum += octets[i];
    return sum == (size + 63) / 64 ? 0 : -EBADMSG;
}

#define LARGE ((size_t)16 * 1024 * 1024)
#define ROOM                                                                                                                               \
    {"recv-hwm-bytes", "67108864"}, {                                                                                                      \
        "max-message", "67108864"                                                                                                          \
    }

static const struct pair_way by_memfd = {.name = "memfd", .options = {ROOM}, .make = make_memfd};
static const struct pair_way by_socket = {.name = "socket", .options = {ROOM, {"memfd-from", "0"}}, .make = make_heap};
static const struct pair_way filled_memfd = {.name = "memfd", .options = {ROOM}, .make = make_memfd_filled, .take = read_all};
static const struct pair_way filled_socket = {
    .name = "socket", .options = {ROOM, {"memfd-from", "0"}}, .make = make_heap_filled, .take = read_all};

static const struct pair_way shared = {.name = "shared", .options = {{"shm", "1"}}};
static const struct pair_way alone = {.name = "origin", .alone = true};
static const struct pair_way shared_alone = {.name = "shared", .options = {{"shm", "1"}}, .alone = true};
static const struct pair_way with_fd = {
    .name = "descriptor", .receiver_options = {{"max-fds", "1"}}, .make = make_with_fd, .take = take_fd};

static const struct section sections[] = {
    {"origin", pair_stream, 64, 2000000, 2000, {&anonymous, &plain}},
    {"policy", pair_stream, 64, 2000000, 2000, {&plain, &ruled}},
    {"memory", pair_stream, 64, 2000000, 2000, {&plain, &shared}},
    {"memory-alone", pair_stream, 64, 500000, 2000, {&alone, &shared_alone}},
    {"memory-trip", pair_round_trip, 64, 100000, 1000, {&plain, &shared}},
    {"descriptors", pair_stream, 64, 100000, 200, {&with_fd}},
    {"large", pair_stream, LARGE, 300, 3, {&by_memfd, &by_socket}},
    {"filled", pair_stream, LARGE, 100, 3, {&filled_memfd, &filled_socket}},
};

static int run_way(const struct section *section, const struct pair_way *way, const char *folder, bool quick) {
    double value;
    int r = section->measure(way, folder, section->size, quick ? section->quick : section->count, &value);
    if (r >= 0)
        printf("%s\t%s\t%.6g\n", section->name, way->name, value);
    fflush(stdout);
    return r;
}

static int run_section(const struct section *section, const char *folder, bool quick) {
    size_t order[WAYS_MAX], count = 0;
    while (count < WAYS_MAX && section->ways[count])
        count++;
    measure_shuffle(order, count);
    int r = 0;
    for (size_t i = 0; r >= 0 && i < count; i++)
        r = run_way(section, section->ways[order[i]], folder, quick);
    return r;
}

static int run_first(const char *folder, bool quick) {
    double us, again_us;
    int r = 0;
    for (unsigned i = 0; r >= 0 && i < (quick ? 1 : 20); i++) {
        r = first_measure(folder, &us, &again_us);
        if (r >= 0)
            printf("first\tnew\t%.6g\nfirst\tagain\t%.6g\n", us, again_us);
    }
    return r;
}

static int run_lookups(bool quick) {
    struct lookup_figures figures;
    int r = 0;
    for (unsigned i = 0; r >= 0 && i < (quick ? 1 : 20); i++) {
        r = lookup_measure(&figures);
        if (r >= 0)
            printf("lookup\texeced\t%.6g\nlookup\ttcp-user\t%.6g\nlookup\ttcp-process\t%.6g\n", figures.execed, figures.tcp_user,
                   figures.tcp_process);
    }
    return r;
}

static int run(const char *folder, unsigned repetitions, const struct measure_names *wanted, bool quick) {
    int r = 0;
    for (unsigned n = 0; r >= 0 && n < repetitions; n++) {
        for (size_t i = 0; r >= 0 && i < KITH_ARRAY_SIZE(sections); i++)
            if (measure_wanted(wanted, sections[i].name))
                r = run_section(&sections[i], folder, quick);
        if (r >= 0 && measure_wanted(wanted, "first"))
            r = run_first(folder, quick);
        if (r >= 0 && measure_wanted(wanted, "lookup"))
            r = run_lookups(quick);
    }
    return r;
}

static int usage(void) {
    fprintf(stderr, "usage: bench-trust [--quick] [--repetitions N] [--section NAME]...\n");
    return 2;
}

int main(int argc, char **argv) {
    struct measure_names wanted = {0};
    unsigned repetitions = 7;
    bool quick = false;
    if (argc == 3 && strcmp(argv[1], "--one") == 0)
        return first_send(argv[2]);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            quick = true;
        else if (strcmp(argv[i], "--repetitions") == 0 && i + 1 < argc)
            repetitions = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--section") != 0 || i + 1 == argc || !measure_want(&wanted, argv[++i]))
            return usage();
    }
    if (repetitions == 0)
        return usage();

    const char *folder = getenv("TMPDIR");
    return run(folder ? folder : "/tmp", quick ? 1 : repetitions, &wanted, quick) < 0;
}
