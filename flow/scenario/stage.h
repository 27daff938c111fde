/*
 * flow/scenario/stage.h: what the scenarios share: two processes, and a curtain.
 *
 * Client and server are two processes, so that a recording can tell them apart. Neither touches a socket before the recorder has been told
 * who they are and has raised the curtain. They wait for each other with pipes, which are no part of the network.
 */
#ifndef KITH_FLOW_STAGE_H
#define KITH_FLOW_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct stage {
    bool is_server;
    int family;     /* AF_INET, or AF_INET6 for the scenarios that end in 6 */
    int hear, tell; /* pipes from and to the other process */
};

struct scenario {
    const char *name;
    int family;
    bool alone; /* one process, the client */
    void (*run)(struct stage *stage);
};

extern const struct scenario scenarios[];
extern const size_t scenario_count;

/* What each file has to show. */
void scenario_tcp(struct stage *stage);
void scenario_tcp_refused(struct stage *stage);
void scenario_tcp_timeout(struct stage *stage);
void scenario_tcp_reset(struct stage *stage);
void scenario_tcp_backlog_full(struct stage *stage);
void scenario_udp(struct stage *stage);
void scenario_udp_ancillary(struct stage *stage);
void scenario_unix(struct stage *stage); /* the next three, one after the other */
void scenario_unix_stream(struct stage *stage);
void scenario_unix_dgram(struct stage *stage);
void scenario_unix_seqpacket(struct stage *stage);
void scenario_netlink(struct stage *stage);
void scenario_zeromq(struct stage *stage);

/* Runs a scenario in its processes. Returns the exit status. */
int stage_play(const struct scenario *scenario);

/* So many connections, one after the other, in this process; prints how long they took. Returns the exit status. */
int stage_play_rounds(unsigned rounds);
/* So many runs of this program with scenario tcp, one after the other; prints how long they took. Returns the exit status. */
int stage_play_runs(unsigned runs);

/* The other process is told that this one has come so far, with a number; and waited for. */
void stage_tell(struct stage *stage, uint16_t number);
uint16_t stage_hear(struct stage *stage);

/* Ends the process with a line on standard error when a call did not return what it should. Returns its result. */
long stage_check(const char *what, long result);
/* For a call that must fail, with this errno. */
void stage_check_fails(const char *what, long result, int error);

/* An address of the loopback interface. */
struct stage_address {
    struct sockaddr_storage storage;
    socklen_t size;
};
struct stage_address stage_loopback(const struct stage *stage, uint16_t port);
uint16_t stage_port(int fd);

#endif
