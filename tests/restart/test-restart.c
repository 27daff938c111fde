/*
 * Hot restart under load: three restarts in a row while 200 clients make 5,000 requests a second and connect anew all the time. No
 * connection is refused, no reply is lost, and what the server knows of a connection goes with it.
 *
 * Called as `test-restart FOLDER PORT GENERATION UP` this program is the server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/time.h"
#include "restart/load.h"

#define RESTARTS 3
/* Replies between two restarts: the clients have all connected anew by then, several times. */
#define REPLIES 3500

struct site {
    char folder[64];
    unsigned port;
    struct kith_address addresses[2];
    pid_t servers[RESTARTS + 2]; /* by generation, from 1 */
    struct load load;
};

/* A port that nobody has: bound once, so the kernel says, and free again. The first server is told it. */
static unsigned free_port(void) {
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(any);
    _cleanup_(kith_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &size), 0);
    return ntohs(any.sin_port);
}

static int site_setup(void **state) {
    struct site *site = calloc(1, sizeof(*site));
    char path[96];
    if (!site)
        return -1;
    *state = site;
    strcpy(site->folder, "/tmp/kith-test-restart-XXXXXX");
    if (!mkdtemp(site->folder))
        return -1;
    site->port = free_port();
    snprintf(path, sizeof(path), "%s/service.sock", site->folder);
    if (kith_address_unix(path, &site->addresses[0]) < 0 || kith_address_ip("127.0.0.1", site->port, &site->addresses[1]) < 0)
        return -1;
    return load_start(&site->load, site->addresses);
}

static int site_teardown(void **state) {
    struct site *site = *state;
    load_stop(&site->load);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(site->servers); i++) {
        if (site->servers[i] > 0) { /* the test has failed */
            kill(site->servers[i], SIGKILL);
            waitpid(site->servers[i], NULL, 0);
        }
    }
    if (rmdir(site->folder) < 0) {
        fprintf(stderr, "%s is not empty\n", site->folder);
        return -1;
    }
    free(site);
    return 0;
}

/* Starts the server; it is up when the descriptor that is returned says so. */
static int start(struct site *site, unsigned generation) {
    int up[2];
    char port[16], number[16], fd[16];
    assert_int_equal(pipe2(up, O_CLOEXEC), 0);
    site->servers[generation] = fork();
    assert_true(site->servers[generation] >= 0);
    if (site->servers[generation] == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        snprintf(port, sizeof(port), "%u", site->port);
        snprintf(number, sizeof(number), "%u", generation);
        snprintf(fd, sizeof(fd), "%d", up[1]);
        fcntl(up[1], F_SETFD, 0);
        execl("/proc/self/exe", "test-restart", site->folder, port, number, fd, NULL);
        _exit(127);
    }
    close(up[1]);
    return up[0];
}

static void is_up(int up) {
    char octet;
    assert_int_equal(read(up, &octet, 1), 1);
    close(up);
}

/* Waits for the end of a server, the load going on as long as it is there when `load` is not NULL. */
static void ended_well(struct site *site, unsigned generation, struct load *load) {
    pid_t pid = site->servers[generation], ended;
    int status;
    while ((ended = waitpid(pid, &status, load ? WNOHANG : 0)) == 0)
        assert_true(load_run(load, load->replies + 1));
    assert_int_equal(ended, pid);
    site->servers[generation] = 0;
    assert_int_equal(status, 0);
}

static void test_restarts_under_load_refuse_nobody_and_lose_nothing(void **state) {
    struct site *site = *state;
    struct load *load = &site->load;
    is_up(start(site, 1));
    uint64_t began = kith_time_now();
    for (unsigned generation = 1; generation <= RESTARTS; generation++) {
        assert_true(load_run(load, load->replies + REPLIES));
        int up = start(site, generation + 1);
        assert_true(load_run(load, load->replies + REPLIES)); /* it starts while the load goes on */
        is_up(up);
        ended_well(site, generation, load); /* all its clients have connected anew, or moved */
    }
    assert_true(load_run(load, load->replies + REPLIES));
    assert_true(load_finish(load));
    uint64_t took = kith_time_now() - began;
    print_message("# %llu replies on %llu connections, %llu a second, slowest %llu us\n", (unsigned long long)load->replies,
                  (unsigned long long)load->connections, (unsigned long long)(load->replies * KITH_NS_PER_S / took),
                  (unsigned long long)(load->slowest_ns / 1000));
    assert_int_equal(load->refused, 0);
    assert_int_equal(load->lost, 0);
    assert_int_equal(load->wrong, 0);
    for (unsigned generation = 1; generation <= RESTARTS + 1; generation++)
        assert_true(load->by_generation[generation] > REPLIES / 4);
    assert_int_equal(kill(site->servers[RESTARTS + 1], SIGTERM), 0);
    ended_well(site, RESTARTS + 1, NULL);
}

int main(int argc, char **argv) {
    if (argc == 5)
        return server_run(argv[1], (unsigned)atoi(argv[2]), (uint32_t)atoi(argv[3]), atoi(argv[4]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_restarts_under_load_refuse_nobody_and_lose_nothing, site_setup, site_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
