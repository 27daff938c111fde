#include "kmod/client.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define ROOM 70000

void load(const char *module) {
    char path[256];
    snprintf(path, sizeof(path), "%s/%s.ko", KITH_MODULES, module);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    if (syscall(SYS_finit_module, fd, "", 0) < 0)
        fail_msg("%s: %s", path, strerror(errno));
    close(fd);
}

void unload(const char *module) {
    if (syscall(SYS_delete_module, module, O_NONBLOCK) < 0)
        fail_msg("%s: %s", module, strerror(errno));
}

/* A request begins in `octets`; its attributes follow. */
static struct nlmsghdr *request_begin(struct client *client, char *octets, uint16_t type, uint8_t command, uint16_t flags) {
    struct nlmsghdr *request = mnl_nlmsg_put_header(octets);
    request->nlmsg_type = type;
    request->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    request->nlmsg_seq = ++client->sequence;
    struct genlmsghdr *head = mnl_nlmsg_put_extra_header(request, sizeof(*head));
    head->cmd = command;
    head->version = 1;
    return request;
}

static int attribute_note(const struct nlattr *attribute, void *userdata) {
    const struct nlattr **table = userdata;
    uint16_t type = mnl_attr_get_type(attribute);
    if (type <= KITH_A_LAST)
        table[type] = attribute;
    return MNL_CB_OK;
}

static void attributes_of(const struct nlmsghdr *answer, const struct nlattr *table[static KITH_A_LAST + 1]) {
    memset(table, 0, (KITH_A_LAST + 1) * sizeof(*table));
    mnl_attr_parse(answer, sizeof(struct genlmsghdr), attribute_note, table);
}

static uint64_t number(const struct nlattr *attribute) {
    assert_non_null(attribute);
    return mnl_attr_get_payload_len(attribute) == 8 ? mnl_attr_get_u64(attribute) : mnl_attr_get_u32(attribute);
}

/* The text of a refusal: NLMSGERR_ATTR_MSG behind the request, which is not capped. */
static int refusal(struct client *client, const struct nlmsghdr *answer) {
    const struct nlmsgerr *error = mnl_nlmsg_get_payload(answer);
    client->text[0] = '\0';
    if (!(answer->nlmsg_flags & NLM_F_ACK_TLVS))
        return error->error;
    size_t behind = sizeof(*error);
    if (!(answer->nlmsg_flags & NLM_F_CAPPED))
        behind += MNL_ALIGN(error->msg.nlmsg_len) - sizeof(error->msg);
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, answer, behind) {
        if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG)
            snprintf(client->text, sizeof(client->text), "%s", mnl_attr_get_str(attribute));
    }
    return error->error;
}

static void answer_note(struct client *client, const struct nlmsghdr *answer, uint16_t type, struct channel_info *ret_infos, unsigned room,
                        unsigned *count) {
    const struct nlattr *table[KITH_A_LAST + 1];
    if (answer->nlmsg_type != type)
        return;
    const struct genlmsghdr *head = mnl_nlmsg_get_payload(answer);
    attributes_of(answer, table);
    if (head->cmd == KITH_CMD_REPLY) {
        client->reply_size = mnl_attr_get_payload_len(table[KITH_A_DATA]);
        assert_true(client->reply_size < sizeof(client->reply));
        memcpy(client->reply, mnl_attr_get_payload(table[KITH_A_DATA]), client->reply_size);
        client->reply[client->reply_size] = '\0';
    }
    if (head->cmd != KITH_CMD_CHANNEL || (*count)++ >= room)
        return;
    struct channel_info *info = &ret_infos[*count - 1];
    *info = (struct channel_info){.mode = (uint32_t)number(table[KITH_A_MODE]),
                                  .receivers = (uint32_t)number(table[KITH_A_RECEIVERS]),
                                  .global = table[KITH_A_GLOBAL] != NULL,
                                  .sequence = number(table[KITH_A_SEQUENCE]),
                                  .backlog = number(table[KITH_A_BACKLOG]),
                                  .limit = number(table[KITH_A_LIMIT]),
                                  .sent = number(table[KITH_A_SENT]),
                                  .refused = number(table[KITH_A_REFUSED]),
                                  .lost = number(table[KITH_A_LOST]),
                                  .received = number(table[KITH_A_RECEIVED]),
                                  .denied = number(table[KITH_A_DENIED]),
                                  .ring = table[KITH_A_RING] ? (uint32_t)number(table[KITH_A_RING]) : 0,
                                  .fd = table[KITH_A_FD] ? (int)number(table[KITH_A_FD]) : -1};
    snprintf(info->name, sizeof(info->name), "%s", mnl_attr_get_str(table[KITH_A_CHANNEL]));
    snprintf(info->module, sizeof(info->module), "%s", mnl_attr_get_str(table[KITH_A_MODULE]));
}

/* One datagram; what is no answer to us is kept. Returns 1 when the request has ended, with *ret_error. */
static bool answer_read(struct client *client, struct channel_info *ret_infos, unsigned room, unsigned *count, int *ret_error) {
    static char octets[ROOM];
    ssize_t size = mnl_socket_recvfrom(client->socket, octets, sizeof(octets));
    if (size < 0 && errno == ENOBUFS)
        return false;
    assert_true(size >= 0);
    int left = (int)size;
    for (const struct nlmsghdr *answer = (void *)octets; mnl_nlmsg_ok(answer, left); answer = mnl_nlmsg_next(answer, &left)) {
        if (answer->nlmsg_seq != client->sequence) {
            unsigned place = (client->waiting_first + client->waiting_count++) % CLIENT_WAITING;
            assert_true(client->waiting_count <= CLIENT_WAITING);
            memcpy(client->waiting[place], octets, (size_t)size);
            client->waiting_size[place] = (size_t)size;
            return false;
        }
        if (answer->nlmsg_type == NLMSG_ERROR || answer->nlmsg_type == NLMSG_DONE) {
            *ret_error = answer->nlmsg_type == NLMSG_ERROR ? refusal(client, answer) : 0;
            return true;
        }
        answer_note(client, answer, client->family, ret_infos, room, count);
    }
    return false;
}

static int exchange(struct client *client, const struct nlmsghdr *request, struct channel_info *ret_infos, unsigned room,
                    unsigned *ret_count) {
    unsigned count = 0;
    int error = 0;
    client->text[0] = '\0';
    ssize_t sent = client->plain ? write(mnl_socket_get_fd(client->socket), request, request->nlmsg_len)
                                 : mnl_socket_sendto(client->socket, request, request->nlmsg_len);
    assert_true(sent >= 0);
    while (!answer_read(client, ret_infos, room, &count, &error))
        ;
    if (ret_count)
        *ret_count = count;
    return error;
}

/* CTRL_CMD_GETFAMILY: the answer, and then an acknowledgement. */
static uint16_t family_of(struct client *client) {
    char octets[8192];
    uint16_t family = 0;
    struct nlmsghdr *request = request_begin(client, octets, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
    mnl_attr_put_strz(request, CTRL_ATTR_FAMILY_NAME, KITH_GENL_NAME);
    assert_true(mnl_socket_sendto(client->socket, request, request->nlmsg_len) >= 0);
    for (bool ended = false; !ended;) {
        int left = (int)mnl_socket_recvfrom(client->socket, octets, sizeof(octets));
        assert_true(left > 0);
        for (const struct nlmsghdr *answer = (void *)octets; mnl_nlmsg_ok(answer, left); answer = mnl_nlmsg_next(answer, &left)) {
            const struct nlattr *attribute;
            ended = answer->nlmsg_type == NLMSG_ERROR;
            if (ended)
                break;
            mnl_attr_for_each(attribute, answer, sizeof(struct genlmsghdr)) {
                if (mnl_attr_get_type(attribute) == CTRL_ATTR_FAMILY_ID)
                    family = mnl_attr_get_u16(attribute);
            }
        }
    }
    assert_true(family != 0);
    return family;
}

struct client *client_new(void) {
    struct client *client = calloc(1, sizeof(*client));
    assert_non_null(client);
    client->socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
    assert_non_null(client->socket);
    assert_int_equal(mnl_socket_bind(client->socket, 0, MNL_SOCKET_AUTOPID), 0);
    mnl_socket_setsockopt(client->socket, NETLINK_EXT_ACK, &(int){1}, sizeof(int));
    client->family = family_of(client);
    return client;
}

struct client *client_free(struct client *client) {
    if (client)
        mnl_socket_close(client->socket);
    free(client);
    return NULL;
}

int client_descriptor(const struct client *client) {
    return mnl_socket_get_fd(client->socket);
}

static struct nlmsghdr *channel_request(struct client *client, char *octets, uint8_t command, const char *channel) {
    struct nlmsghdr *request = request_begin(client, octets, client->family, command, 0);
    mnl_attr_put_strz(request, KITH_A_CHANNEL, channel);
    return request;
}

int client_join(struct client *client, const char *channel, uint32_t window) {
    char octets[512];
    struct channel_info info;
    struct nlmsghdr *request = channel_request(client, octets, KITH_CMD_JOIN, channel);
    if (window > 0)
        mnl_attr_put_u32(request, KITH_A_WINDOW, window);
    return exchange(client, request, &info, 1, NULL);
}

static struct nlmsghdr *ring_request(struct client *client, char *octets, const char *channel, uint32_t size) {
    struct nlmsghdr *request = channel_request(client, octets, KITH_CMD_JOIN, channel);
    mnl_attr_put_u32(request, KITH_A_RING, size);
    return request;
}

int client_join_ring(struct client *client, const char *channel, uint32_t size, struct channel_info *ret_info) {
    char octets[512];
    return exchange(client, ring_request(client, octets, channel, size), ret_info, 1, NULL);
}

void client_ask_for_ring(struct client *client, const char *channel, uint32_t size) {
    char octets[512];
    struct nlmsghdr *request = ring_request(client, octets, channel, size);
    assert_true(mnl_socket_sendto(client->socket, request, request->nlmsg_len) >= 0);
}

int client_leave(struct client *client, const char *channel) {
    char octets[512];
    return exchange(client, channel_request(client, octets, KITH_CMD_LEAVE, channel), NULL, 0, NULL);
}

void client_post(struct client *client, uint8_t command, const char *channel) {
    char octets[512];
    struct nlmsghdr *request = channel_request(client, octets, command, channel);
    assert_true(mnl_socket_sendto(client->socket, request, request->nlmsg_len) >= 0);
}

static struct nlmsghdr *ack_request(struct client *client, char *octets, const char *channel, uint64_t sequence) {
    struct nlmsghdr *request = channel_request(client, octets, KITH_CMD_ACK, channel);
    mnl_attr_put_u64(request, KITH_A_SEQUENCE, sequence);
    return request;
}

int client_ack(struct client *client, const char *channel, uint64_t sequence) {
    char octets[512];
    return exchange(client, ack_request(client, octets, channel, sequence), NULL, 0, NULL);
}

void client_done(struct client *client, const char *channel, uint64_t sequence) {
    char octets[512];
    struct nlmsghdr *request = ack_request(client, octets, channel, sequence);
    request->nlmsg_flags = NLM_F_REQUEST;
    assert_true(mnl_socket_sendto(client->socket, request, request->nlmsg_len) >= 0);
}

int client_send(struct client *client, const char *channel, const void *data, size_t size) {
    static char octets[ROOM];
    struct nlmsghdr *request = channel_request(client, octets, KITH_CMD_SEND, channel);
    mnl_attr_put(request, KITH_A_DATA, size, data);
    client->reply_size = 0;
    client->reply[0] = '\0';
    return exchange(client, request, NULL, 0, NULL);
}

int client_reply(struct client *client, const char *channel, uint32_t number_of_request, const void *data, size_t size) {
    char octets[2048];
    struct nlmsghdr *request = channel_request(client, octets, KITH_CMD_REPLY, channel);
    mnl_attr_put_u32(request, KITH_A_REQUEST, number_of_request);
    mnl_attr_put(request, KITH_A_DATA, size, data);
    return exchange(client, request, NULL, 0, NULL);
}

int client_info(struct client *client, const char *channel, struct channel_info *ret_info) {
    char octets[512];
    return exchange(client, channel_request(client, octets, KITH_CMD_GET, channel), ret_info, 1, NULL);
}

unsigned client_list(struct client *client, struct channel_info *ret_infos, unsigned room) {
    char octets[512];
    unsigned count;
    assert_int_equal(exchange(client, request_begin(client, octets, client->family, KITH_CMD_GET, NLM_F_DUMP), ret_infos, room, &count), 0);
    return count;
}

int client_tell(struct client *client, const char *format, ...) {
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    return client_send(client, "test.control", line, (size_t)size);
}

static void messages_note(const struct nlmsghdr *head, struct messages *messages) {
    const struct nlattr *attribute;
    messages->command = ((const struct genlmsghdr *)mnl_nlmsg_get_payload(head))->cmd;
    mnl_attr_for_each(attribute, head, sizeof(struct genlmsghdr)) {
        const uint8_t *payload = mnl_attr_get_payload(attribute);
        if (mnl_attr_get_type(attribute) == KITH_A_CHANNEL)
            snprintf(messages->channel, sizeof(messages->channel), "%s", (const char *)payload);
        if (mnl_attr_get_type(attribute) != KITH_A_MESSAGE)
            continue;
        struct kith_message_header *header = &messages->list[messages->count].header;
        assert_true(messages->count < 2000);
        assert_true(mnl_attr_get_payload_len(attribute) >= sizeof(*header));
        memcpy(header, payload, sizeof(*header));
        assert_int_equal(mnl_attr_get_payload_len(attribute), sizeof(*header) + header->size);
        messages->list[messages->count++].data = payload + sizeof(*header);
    }
}

bool client_receive(struct client *client, struct messages *ret_messages, int timeout_ms) {
    struct pollfd ready = {.fd = mnl_socket_get_fd(client->socket), .events = POLLIN};
    ssize_t size;
    ret_messages->count = 0;
    if (client->waiting_count > 0) {
        size = (ssize_t)client->waiting_size[client->waiting_first];
        memcpy(ret_messages->octets, client->waiting[client->waiting_first], (size_t)size);
        client->waiting_first = (client->waiting_first + 1) % CLIENT_WAITING;
        client->waiting_count--;
    } else {
        do {
            if (poll(&ready, 1, timeout_ms) <= 0)
                return false;
            size = mnl_socket_recvfrom(client->socket, ret_messages->octets, sizeof(ret_messages->octets));
        } while (size < 0 && errno == ENOBUFS);
    }
    assert_true(size > 0);
    messages_note((const struct nlmsghdr *)ret_messages->octets, ret_messages);
    return true;
}
