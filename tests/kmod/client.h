/*
 * client.h: a process that talks with kith.ko, by uapi/kith_netlink.h and nothing else; and modules that come and go.
 */
#ifndef KITH_TESTS_KMOD_CLIENT_H
#define KITH_TESTS_KMOD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../uapi/kith_netlink.h"

struct mnl_socket;
struct nlmsghdr;

#define CLIENT_WAITING 16

struct client {
    struct mnl_socket *socket;
    uint16_t family;
    uint32_t sequence;
    bool plain;     /* writes to its socket without saying to whom */
    char text[256]; /* of the last refusal, "" */
    char reply[512];
    size_t reply_size;
    /* What came while an answer was awaited, and is not looked at yet. */
    char waiting[CLIENT_WAITING][70000];
    size_t waiting_size[CLIENT_WAITING];
    unsigned waiting_first, waiting_count;
};

/* What KITH_CMD_CHANNEL says. */
struct channel_info {
    char name[KITH_CHANNEL_NAME_MAX + 1], module[64];
    uint32_t mode, receivers;
    bool global;
    uint64_t sequence, backlog, limit, sent, refused, lost, received, denied;
    uint32_t ring; /* to one that has joined with a ring, as the next */
    int fd;
};

/* One datagram of messages. */
struct messages {
    char channel[KITH_CHANNEL_NAME_MAX + 1];
    uint8_t command;
    unsigned count;
    struct {
        struct kith_message_header header;
        const uint8_t *data;
    } list[2000];
    char octets[70000];
};

void load(const char *module); /* "kith" */
void unload(const char *module);

struct client *client_new(void);
struct client *client_free(struct client *client);
int client_descriptor(const struct client *client);
/* 0 or a negative errno; client->text is why. */
int client_join(struct client *client, const char *channel, uint32_t window);
/* With a ring: what it got is in *ret_info. */
int client_join_ring(struct client *client, const char *channel, uint32_t size, struct channel_info *ret_info);
/* Asks, and does not wait for the answer. */
void client_ask_for_ring(struct client *client, const char *channel, uint32_t size);
int client_leave(struct client *client, const char *channel);
int client_ack(struct client *client, const char *channel, uint64_t sequence);
/* The same without an answer: what a receiver does. */
void client_done(struct client *client, const char *channel, uint64_t sequence);
/* A command that names a channel and nothing more; what is answered stays in the socket. */
void client_post(struct client *client, uint8_t command, const char *channel);
/* The answer is in client->reply. */
int client_send(struct client *client, const char *channel, const void *data, size_t size);
int client_reply(struct client *client, const char *channel, uint32_t request, const void *data, size_t size);
int client_info(struct client *client, const char *channel, struct channel_info *ret_info);
/* How many channels there are; those up to `room` are told. */
unsigned client_list(struct client *client, struct channel_info *ret_infos, unsigned room);
/* Tells the tests' module; 0 or a negative errno. */
int client_tell(struct client *client, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* False: nothing came within that time. */
bool client_receive(struct client *client, struct messages *ret_messages, int timeout_ms);

#endif
