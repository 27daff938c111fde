/*
 * kmod/test-gateway.c: kith serve between kernel modules and the network: a SYN packet's way to a collector on another host, and a hundred
 * thousand messages to one that comes and goes while the gateway is killed at random.
 */
#include <arpa/inet.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "kmod/testing.h"

#define PATIENCE_MS 60000

extern char **environ;

static char folder[] = "/tmp/kith-gateway-XXXXXX";

static char *in_folder(const char *name) {
    static char paths[4][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return path;
}

static pid_t start(const char *const *words) {
    pid_t pid;
    assert_int_equal(posix_spawn(&pid, words[0], NULL, NULL, (char *const *)(uintptr_t)words, environ), 0);
    return pid;
}

static void ip(const char *line) {
    char copy[256];
    const char *words[16] = {KITH_IP};
    unsigned count = 1;
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        words[count++] = word;
    child_ends_well(start(words));
}

static pid_t serve(const char *config) {
    FILE *file = fopen(in_folder("kith.conf"), "w");
    assert_non_null(file);
    assert_true(fputs(config, file) >= 0);
    assert_int_equal(fclose(file), 0);
    const char *const words[] = {KITH_PROGRAM, "serve", "-c", in_folder("kith.conf"), NULL};
    return start(words);
}

static int setup(void **state) {
    char *made = mkdtemp(folder);
    assert_non_null(made);
    return modules_setup(state);
}

static int teardown(void **state) {
    const char *const names[] = {"kith.conf", "r.spool", "r.spool-wal", "r.spool-shm", "r.spool.lock"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unlink(in_folder(names[i]));
    assert_int_equal(rmdir(folder), 0);
    snprintf(folder, sizeof(folder), "/tmp/kith-gateway-XXXXXX");
    return modules_teardown(state);
}

static int listen_at(const char *address, uint16_t *port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHILD_CHECK(inet_pton(AF_INET, address, &at.sin_addr) == 1);
    CHILD_CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == 0);
    CHILD_CHECK(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 8) == 0);
    CHILD_CHECK(getsockname(fd, (struct sockaddr *)&at, &size) == 0);
    *port = ntohs(at.sin_port);
    return fd;
}

/* The command ------------------------------------------------------------------------------------------------------------- */

/* What a command prints; it ends well. */
static void expect_output(const char *const *words, char *text, size_t room) {
    int ends[2];
    pid_t pid;
    size_t used = 0;
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe(ends), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    assert_int_equal(posix_spawn(&pid, words[0], &actions, NULL, (char *const *)(uintptr_t)words, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    for (ssize_t size; (size = read(ends[0], text + used, room - 1 - used)) > 0;)
        used += (size_t)size;
    text[used] = '\0';
    close(ends[0]);
    child_ends_well(pid);
}

static void test_the_command_hears_a_module_and_asks_it(void **state) {
    (void)state;
    char text[4096];
    load("kith_demo");
    const char *const sub[] = {KITH_PROGRAM, "sub", "kernel://demo.tick", "--count", "2", NULL};
    expect_output(sub, text, sizeof(text));
    assert_ptr_equal(strstr(text, "tick "), text);
    assert_non_null(strstr(text + 5, "\ntick "));
    const char *const json[] = {KITH_PROGRAM, "sub", "kernel://demo.tick", "--count", "1", "--json", NULL};
    expect_output(json, text, sizeof(text));
    assert_non_null(strstr(text, "\"module\":\"kith_demo\""));
    assert_non_null(strstr(text, "\"module\":\"kernel-message\""));
    assert_non_null(strstr(text, "\"again\":false"));
    const char *const req[] = {KITH_PROGRAM, "req", "kernel://demo.echo", "hello", NULL};
    expect_output(req, text, sizeof(text));
    assert_ptr_equal(strstr(text, "pid "), text);
    assert_non_null(strstr(text, " uid 0 admin 1: hello\n"));
    unload("kith_demo");
}

/* A module that comes and goes -------------------------------------------------------------------------------------------- */

/* The number that its channel gave the next message that the gateway sends. */
static unsigned next_sequence(FILE *lines) {
    static const char key[] = "\"source_sequence\":";
    char line[1024];
    assert_non_null(fgets(line, sizeof(line), lines));
    const char *place = strstr(line, key);
    assert_non_null(place);
    return (unsigned)strtoul(place + sizeof(key) - 1, NULL, 10);
}

static void test_a_module_that_is_loaded_again_is_found_by_the_gateway(void **state) {
    (void)state;
    char config[512];
    uint16_t port = 0;
    int listener = listen_at("127.0.0.1", &port);
    load("kith_demo");
    snprintf(config, sizeof(config),
             "route \"tick\" {\n    from = {\"kernel://demo.tick\"}\n    to   = {\"raw+tcp://127.0.0.1:%u\"}\n    origin = yes\n}\n", port);
    pid_t gateway = serve(config);
    int conn = accept(listener, NULL, NULL);
    assert_true(conn >= 0);
    assert_int_equal(setsockopt(conn, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 60}, sizeof(struct timeval)), 0);
    FILE *lines = fdopen(conn, "r");
    for (unsigned i = 0; i < 2; i++) {
        unsigned before, sequence;
        do
            before = next_sequence(lines);
        while (before < 12); /* more than the next one has sent when it is found */
        unload("kith_demo");
        load("kith_demo");
        while ((sequence = next_sequence(lines)) > before)
            before = sequence;
    }
    kill(gateway, SIGTERM);
    child_ends_well(gateway);
    fclose(lines);
    close(listener);
    unload("kith_demo");
}

/* A SYN packet ------------------------------------------------------------------------------------------------------------ */

static int ready[2], told[2];

/* On the other host: takes the gateway's connection, knocks at a port where nobody is, and tells what it is sent about that. */
static void collect_far(void) {
    struct sockaddr_in near = {.sin_family = AF_INET, .sin_port = htons(4711)};
    uint16_t port = 5555;
    char line[256] = "";
    int space = open("/run/netns/far", O_RDONLY | O_CLOEXEC);
    CHILD_CHECK(space >= 0 && setns(space, CLONE_NEWNET) == 0);
    int listener = listen_at("10.9.0.2", &port);
    CHILD_CHECK(write(ready[1], "", 1) == 1);
    int conn = accept(listener, NULL, NULL);
    CHILD_CHECK(conn >= 0);
    int knock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHILD_CHECK(inet_pton(AF_INET, "10.9.0.1", &near.sin_addr) == 1);
    CHILD_CHECK(connect(knock, (struct sockaddr *)&near, sizeof(near)) < 0 && errno == ECONNREFUSED);
    for (size_t used = 0; !strchr(line, '\n'); used = strlen(line))
        CHILD_CHECK(read(conn, line + used, sizeof(line) - 1 - used) > 0);
    CHILD_CHECK(write(told[1], line, strlen(line)) == (ssize_t)strlen(line));
}

static int64_t now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void test_a_syn_packet_is_told_on_another_host_within_two_seconds(void **state) {
    (void)state;
    char octet, line[256] = "", config[1024];
    load("kith_demo");
    (void)mkdir("/run", 0755);
    ip("netns add far");
    ip("link add near type veth peer name v1 netns far");
    ip("address add 10.9.0.1/24 dev near");
    ip("link set near up");
    ip("-n far address add 10.9.0.2/24 dev v1");
    ip("-n far link set v1 up");
    assert_true(pipe(ready) == 0 && pipe(told) == 0);
    pid_t far = in_child(collect_far);
    assert_int_equal(read(ready[0], &octet, 1), 1);

    int64_t begin = now_ms();
    snprintf(config, sizeof(config),
             "route \"syn\" {\n    from  = {\"kernel://demo.syn\"}\n    to    = {\"raw+tcp://10.9.0.2:5555\"}\n    spool = \"%s\"\n}\n",
             in_folder("r.spool"));
    pid_t gateway = serve(config);
    assert_true(read(told[0], line, sizeof(line) - 1) > 0);
    int64_t took = now_ms() - begin;
    print_message("# from the start of kith serve to the collector: %d ms\n", (int)took);
    assert_ptr_equal(strstr(line, "syn 10.9.0.2:"), line);
    assert_non_null(strstr(line, " -> 10.9.0.1:4711\n"));
    assert_true(took < 2000);

    child_ends_well(far);
    kill(gateway, SIGTERM);
    child_ends_well(gateway);
    ip("link del near");
    ip("netns del far");
    unload("kith_demo");
}

/* Killed at random -------------------------------------------------------------------------------------------------------- */

#define MESSAGES 100000

struct collector {
    uint16_t port;
    int listener, conn;
    uint8_t octets[1 << 18];
    size_t size;
    uint32_t next; /* number that is to come: all before it are here */
    unsigned repeats, hangups, kills;
    uint32_t hangup_at, kill_at;
    unsigned seed;
    pid_t gateway;
};

static unsigned dice(struct collector *collector, unsigned sides) {
    collector->seed = collector->seed * 1103515245 + 12345;
    return collector->seed / 65536 % sides;
}

/* Child: has the module send all, whoever listens or not. */
static void send_all(void) {
    struct client *client = client_new();
    for (unsigned sent = 0, count; sent < MESSAGES; sent += count) {
        CHILD_CHECK(client_tell(client, "insist one %u 64", MESSAGES - sent) == 0);
        CHILD_CHECK(sscanf(client->reply, "%u", &count) == 1);
    }
    client_free(client);
}

static uint32_t big(const uint8_t *octets, size_t size) {
    uint32_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | octets[i];
    return value;
}

/* 8 octets of id, 2 of length, the source, 4 of length, the origin, the body: which begins with the number. */
static void collect_frame(struct collector *collector, const uint8_t *frame, size_t size) {
    assert_true(size > 14);
    size_t source = big(frame + 8, 2);
    assert_true(size > 14 + source);
    assert_int_equal(source, strlen("kernel://one"));
    assert_memory_equal(frame + 10, "kernel://one", source);
    size_t origin = big(frame + 10 + source, 4);
    const char *facts = (const char *)frame + 14 + source;
    assert_int_equal(size, 14 + source + origin + 64);
    uint32_t number;
    memcpy(&number, facts + origin, sizeof(number));
    assert_true(number <= collector->next); /* none is missing */
    assert_non_null(memmem(facts, origin, "\"module\":\"kith_test\"", 20));
    if (number == collector->next) {
        collector->next++;
    } else {
        assert_non_null(memmem(facts, origin, "\"again\":true", 12));
        collector->repeats++;
    }
}

/* All whole frames; says that it has them. */
static void collect_octets(struct collector *collector) {
    size_t at = 0;
    uint64_t last = 0;
    char line[32];
    while (collector->size - at >= 4) {
        size_t size = big(collector->octets + at, 4);
        if (collector->size - at < 4 + size)
            break;
        collect_frame(collector, collector->octets + at + 4, size);
        last = (uint64_t)big(collector->octets + at + 4, 4) << 32 | big(collector->octets + at + 8, 4);
        at += 4 + size;
    }
    memmove(collector->octets, collector->octets + at, collector->size - at);
    collector->size -= at;
    int length = snprintf(line, sizeof(line), "%llu\n", (unsigned long long)last);
    if (at > 0)
        (void)send(collector->conn, line, (size_t)length, MSG_NOSIGNAL);
}

static void hang_up(struct collector *collector) {
    close(collector->conn);
    collector->conn = -1;
    collector->size = 0;
}

static void collect(struct collector *collector) {
    struct pollfd fds[] = {{.fd = collector->conn < 0 ? collector->listener : collector->conn, .events = POLLIN}};
    assert_int_equal(poll(fds, 1, PATIENCE_MS), 1);
    if (collector->conn < 0) {
        collector->conn = accept(collector->listener, NULL, NULL);
        assert_true(collector->conn >= 0);
        return;
    }
    ssize_t size = recv(collector->conn, collector->octets + collector->size, sizeof(collector->octets) - collector->size, 0);
    if (size <= 0) {
        hang_up(collector);
        return;
    }
    collector->size += (size_t)size;
    collect_octets(collector);
}

static void disturb(struct collector *collector, const char *config) {
    if (collector->next >= collector->hangup_at && collector->conn >= 0) {
        hang_up(collector);
        collector->hangups++;
        collector->hangup_at = collector->next + 1 + dice(collector, 8000);
    }
    if (collector->next < collector->kill_at)
        return;
    kill(collector->gateway, SIGKILL);
    assert_int_equal(waitpid(collector->gateway, NULL, 0), collector->gateway);
    collector->kills++;
    collector->kill_at = collector->next + 1 + dice(collector, 10000);
    collector->gateway = serve(config);
}

static void test_a_hundred_thousand_messages_survive_kills_and_a_collector_that_comes_and_goes(void **state) {
    struct client *driver = *state;
    static struct collector collector = {.conn = -1, .seed = 4711, .kill_at = 1000, .hangup_at = 3000};
    char config[1024];
    assert_int_equal(client_tell(driver, "open one 1 0 1 0"), 0);
    collector.listener = listen_at("127.0.0.1", &collector.port);
    snprintf(config, sizeof(config),
             "route \"one\" {\n    from    = {\"kernel://one\"}\n    to      = {\"raw+tcp://127.0.0.1:%u\"}\n    spool   = \"%s\"\n"
             "    framing = \"length\"\n    origin  = yes\n    acks    = yes\n    retry_min = 10\n    retry_max = 50\n}\n",
             collector.port, in_folder("r.spool"));
    pid_t sender = in_child(send_all);
    collector.gateway = serve(config);
    while (collector.next < MESSAGES) {
        collect(&collector);
        if (collector.next < MESSAGES) /* else one that is starting would die of SIGTERM below */
            disturb(&collector, config);
    }
    print_message("# %u kills, %u hang-ups, %u repeats, all marked\n", collector.kills, collector.hangups, collector.repeats);
    assert_true(collector.kills >= 5 && collector.hangups >= 5 && collector.repeats > 0);
    child_ends_well(sender);
    kill(collector.gateway, SIGTERM);
    child_ends_well(collector.gateway);
    hang_up(&collector);
    close(collector.listener);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_command_hears_a_module_and_asks_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_module_that_is_loaded_again_is_found_by_the_gateway, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_syn_packet_is_told_on_another_host_within_two_seconds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_hundred_thousand_messages_survive_kills_and_a_collector_that_comes_and_goes, setup,
                                        teardown),
        cmocka_unit_test(test_the_kernel_log_has_no_complaint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
