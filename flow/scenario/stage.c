/* flow/scenario/stage.c: see stage.h. */
#include "flow/scenario/stage.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

long stage_check(const char *what, long result) {
    if (result < 0) {
        fprintf(stderr, "kith-flow-scenario: %s: %s\n", what, strerror(errno));
        exit(1);
    }
    return result;
}

void stage_check_fails(const char *what, long result, int error) {
    if (result < 0 && errno == error)
        return;
    fprintf(stderr, "kith-flow-scenario: %s: %s, but '%s' was to be shown\n", what, result < 0 ? strerror(errno) : "no error",
            strerror(error));
    exit(1);
}

void stage_tell(struct stage *stage, uint16_t number) {
    stage_check("tell the other process", write(stage->tell, &number, sizeof(number)));
}

uint16_t stage_hear(struct stage *stage) {
    uint16_t number = 0;
    ssize_t n = read(stage->hear, &number, sizeof(number));

    if (n != sizeof(number)) {
        fprintf(stderr, "kith-flow-scenario: the other process has gone\n");
        exit(1);
    }
    return number;
}

struct stage_address stage_loopback(const struct stage *stage, uint16_t port) {
    struct stage_address address = {0};

    if (stage->family == AF_INET6) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        memcpy(&address.storage, &in6, address.size = sizeof(in6));
    } else {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        memcpy(&address.storage, &in, address.size = sizeof(in));
    }
    return address;
}

uint16_t stage_port(int fd) {
    struct sockaddr_in6 name = {0}; /* the port is where sockaddr_in has it */
    socklen_t size = sizeof(name);

    stage_check("getsockname", getsockname(fd, (struct sockaddr *)&name, &size));
    return ntohs(name.sin6_port);
}

/* KITH_FLOW_CURTAIN=ROLES,GO: descriptors: the first takes a line "ROLE PID" for each process and is closed after the last; the second is
 * at its end when the recording has begun. Without: everything begins at once. */
struct curtain {
    int roles, go;
};

static struct curtain find_curtain(void) {
    struct curtain curtain = {-1, -1};
    const char *value = getenv("KITH_FLOW_CURTAIN");

    if (value && sscanf(value, "%d,%d", &curtain.roles, &curtain.go) != 2) {
        fprintf(stderr, "kith-flow-scenario: KITH_FLOW_CURTAIN: '%s' is not two descriptors\n", value);
        exit(2);
    }
    return curtain;
}

static void wait_for_curtain(const struct curtain *curtain) {
    char nothing;

    if (curtain->go >= 0)
        stage_check("wait for the recorder", read(curtain->go, &nothing, 1));
}

static void say_role(const struct curtain *curtain, const char *role, pid_t pid) {
    if (curtain->roles >= 0)
        stage_check("tell the recorder", dprintf(curtain->roles, "%s %d\n", role, (int)pid));
}

static int wait_for(pid_t pid) {
    int status = 0;

    stage_check("waitpid", waitpid(pid, &status, 0));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* The server: goes with its parent, whatever becomes of that. */
static pid_t start_server(const struct scenario *scenario, const struct curtain *curtain, const int to_server[2], const int to_client[2]) {
    pid_t pid = (pid_t)stage_check("fork", fork());

    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "server");
    if (curtain->roles >= 0)
        close(curtain->roles);
    close(to_server[1]);
    close(to_client[0]);
    struct stage stage = {.is_server = true, .family = scenario->family, .hear = to_server[0], .tell = to_client[1]};
    wait_for_curtain(curtain);
    scenario->run(&stage);
    _exit(0);
}

int stage_play(const struct scenario *scenario) {
    struct curtain curtain = find_curtain();
    int to_server[2], to_client[2];
    pid_t server = 0;

    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NAME, "client");
    stage_check("pipe", pipe(to_server));
    stage_check("pipe", pipe(to_client));
    if (!scenario->alone) {
        server = start_server(scenario, &curtain, to_server, to_client);
        say_role(&curtain, "server", server);
    }
    say_role(&curtain, "client", getpid());
    if (curtain.roles >= 0)
        close(curtain.roles);
    close(to_server[0]);
    close(to_client[1]);
    struct stage stage = {.family = scenario->family, .hear = to_client[0], .tell = to_server[1]};
    wait_for_curtain(&curtain);
    scenario->run(&stage);
    return server > 0 ? wait_for(server) : 0;
}
