/*
 * resolve/testing.h: a name server of our own for tests, on the loop of the test, over UDP and TCP of loopback, that answers as it is told
 * to. And an /etc of our own, in a mount namespace.
 */
#ifndef KITH_RESOLVE_TESTING_H
#define KITH_RESOLVE_TESTING_H

#include "stream/testing.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

enum dns_manner {
    DNS_SILENT,    /* keeps the last question over UDP for dns_answer_kept() */
    DNS_ANSWER,    /* what `records` say */
    DNS_NO_NAME,   /* NXDOMAIN */
    DNS_FAILURE,   /* SERVFAIL */
    DNS_GARBAGE,   /* octets that are no message */
    DNS_STRANGER,  /* a good answer to another question: another id */
    DNS_TORN,      /* the header of an answer, and half a record */
    DNS_TRUNCATED, /* over UDP: "ask over TCP" */
};

struct dns_record {
    int family;
    const char *address;
};

struct dns_server {
    kith_loop *loop;
    enum dns_manner manner;
    const struct dns_record *records;
    size_t record_count;
    int udp, tcp, client; /* client: of TCP */
    kith_io *udp_io, *tcp_io, *client_io;
    unsigned questions, questions_tcp;
    uint8_t kept[512];
    size_t kept_size;
    struct sockaddr_storage kept_from;
    char servers[64]; /* for struct kith_resolve_options */
};

static inline size_t dns_put_record(uint8_t *place, const struct dns_record *record) {
    /* name: a pointer to the question; type, class IN, TTL, length */
    uint8_t head[12] = {0xc0, 12, 0, record->family == AF_INET ? ns_t_a : ns_t_aaaa, 0, ns_c_in, 0, 0, 0, 60, 0, 0};
    size_t size = record->family == AF_INET ? 4 : 16;
    head[11] = (uint8_t)size;
    memcpy(place, head, sizeof(head));
    assert_int_equal(inet_pton(record->family, record->address, place + sizeof(head)), 1);
    return sizeof(head) + size;
}

/* The answer to a question of `size` octets, with `room` for it. Returns its size; 0: none. */
static inline size_t dns_answer(struct dns_server *server, const uint8_t *question, size_t size, bool tcp, uint8_t *answer, size_t room) {
    assert_true(size > NS_HFIXEDSZ + 4 && size + 64 * NS_INADDRSZ < room);
    unsigned type = (unsigned)question[size - 3];
    memcpy(answer, question, size); /* header and question, to be told back */
    answer[2] = 0x81;               /* response, recursion desired */
    answer[3] = 0x80;               /* recursion available */
    switch (server->manner) {
    case DNS_SILENT:
        return 0;
    case DNS_GARBAGE:
        memset(answer, 0xee, 40);
        return 40;
    case DNS_NO_NAME:
        answer[3] |= ns_r_nxdomain;
        return size;
    case DNS_FAILURE:
        answer[3] |= ns_r_servfail;
        return size;
    case DNS_TRUNCATED:
        if (!tcp) {
            answer[2] |= 0x02;
            return size;
        }
        break;
    case DNS_STRANGER:
        answer[0] ^= 0x55;
        break;
    case DNS_ANSWER:
    case DNS_TORN:
        break;
    }
    for (size_t i = 0; i < server->record_count; i++) {
        const struct dns_record *record = &server->records[i];
        if (type != (record->family == AF_INET ? ns_t_a : ns_t_aaaa))
            continue;
        size += dns_put_record(answer + size, record);
        answer[7]++;
    }
    return server->manner == DNS_TORN && answer[7] > 0 ? size - 3 : size;
}

/* Answers the last question over UDP in today's manner. */
static inline void dns_answer_kept(struct dns_server *server) {
    uint8_t answer[4096];
    size_t size = dns_answer(server, server->kept, server->kept_size, false, answer, sizeof(answer));
    if (size > 0)
        assert_int_equal(sendto(server->udp, answer, size, 0, (struct sockaddr *)&server->kept_from, sizeof(struct sockaddr_in)), size);
}

static inline void dns_on_udp(kith_io *io, int fd, unsigned events, void *userdata) {
    struct dns_server *server = userdata;
    socklen_t from_size = sizeof(server->kept_from);
    ssize_t size = recvfrom(fd, server->kept, sizeof(server->kept), MSG_DONTWAIT, (struct sockaddr *)&server->kept_from, &from_size);
    if (size < 0)
        return;
    server->questions++;
    server->kept_size = (size_t)size;
    dns_answer_kept(server);
}

/* Questions over TCP have their length in front (RFC 1035, 4.2.2); here each comes in one piece, or several behind one another. */
static inline void dns_on_client(kith_io *io, int fd, unsigned events, void *userdata) {
    struct dns_server *server = userdata;
    uint8_t octets[2048], answer[4096];
    ssize_t size = recv(fd, octets, sizeof(octets), MSG_DONTWAIT);
    if (size <= 0) {
        server->client_io = kith_io_free(server->client_io);
        server->client = kith_close(server->client);
        return;
    }
    for (size_t i = 0, length; i + 2 <= (size_t)size; i += 2 + length) {
        length = (size_t)octets[i] << 8 | octets[i + 1];
        assert_true(i + 2 + length <= (size_t)size);
        server->questions_tcp++;
        size_t answer_size = dns_answer(server, octets + i + 2, length, true, answer + 2, sizeof(answer) - 2);
        answer[0] = (uint8_t)(answer_size >> 8);
        answer[1] = (uint8_t)answer_size;
        assert_int_equal(send(fd, answer, 2 + answer_size, MSG_NOSIGNAL), 2 + answer_size);
    }
}

static inline void dns_on_tcp(kith_io *io, int fd, unsigned events, void *userdata) {
    struct dns_server *server = userdata;
    assert_int_equal(server->client, -1);
    server->client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(server->client >= 0);
    assert_int_equal(kith_io_new(server->loop, server->client, KITH_IO_READ, dns_on_client, server, &server->client_io), 0);
}

static inline void dns_start(struct dns_server *server, struct world *world) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    server->loop = world->loop;
    server->client = -1;
    /* A port that is free for TCP is not for UDP, as a rule, but it may be taken: then another one. */
    for (int i = 0; i < 20; i++) {
        address.sin_port = 0;
        server->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        server->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(server->tcp, (struct sockaddr *)&address, size), 0);
        assert_int_equal(getsockname(server->tcp, (struct sockaddr *)&address, &size), 0);
        if (bind(server->udp, (struct sockaddr *)&address, size) == 0)
            break;
        server->tcp = kith_close(server->tcp);
        server->udp = kith_close(server->udp);
    }
    assert_int_equal(listen(server->tcp, 8), 0);
    assert_int_equal(kith_io_new(world->loop, server->udp, KITH_IO_READ, dns_on_udp, server, &server->udp_io), 0);
    assert_int_equal(kith_io_new(world->loop, server->tcp, KITH_IO_READ, dns_on_tcp, server, &server->tcp_io), 0);
    snprintf(server->servers, sizeof(server->servers), "127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
}

static inline void dns_stop(struct dns_server *server) {
    kith_io_free(server->udp_io);
    kith_io_free(server->tcp_io);
    kith_io_free(server->client_io);
    kith_close(server->udp);
    kith_close(server->tcp);
    kith_close(server->client);
}

static inline bool hosts_write(const char *hosts) {
    _cleanup_(kith_closep) int fd = open("/etc/hosts", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return fd >= 0 && write(fd, hosts, strlen(hosts)) == (ssize_t)strlen(hosts);
}

/* In a child process: an /etc that has this hosts file and nothing else. False: no mount namespace is to be had. */
static inline bool hosts_make(const char *hosts) {
    if (unshare(CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) < 0)
        return false;
    if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 || mount("kith-test", "/etc", "tmpfs", 0, NULL) < 0)
        return false;
    return hosts_write(hosts);
}

/* Runs `fn`, which returns an exit status, with that hosts file in a child process. */
static inline void with_hosts(const char *hosts, int (*fn)(void)) {
    int status;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(hosts_make(hosts) ? fn() : TESTING_SKIPPED);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == TESTING_SKIPPED) {
        print_message("a mount namespace cannot be made here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

#endif
