/*
 * flow/view/testing.h: a small model in memory, for tests of views: a TCP connect on loopback with a client, the softirq and a server.
 *
 *     client   0 __x64_sys_connect    1 tcp_v4_connect    2 tcp_connect    3 ip_queue_xmit
 *     softirq  4 __netif_receive_skb  5 tcp_v4_rcv        6 tcp_conn_request             (the SYN, handed from 3)
 *     client   7 release_sock         8 tcp_v4_do_rcv                                    (the SYN-ACK, off the backlog, below 0)
 *     server   9 __x64_sys_accept    10 inet_csk_accept
 */
#ifndef KITH_FLOW_VIEW_TESTING_H
#define KITH_FLOW_VIEW_TESTING_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "flow/decode/model.h"

#define TEST_CLIENT_SOCKET UINT64_C(0xffff888001000000)
#define TEST_LISTENER UINT64_C(0xffff888002000000)
#define TEST_CHILD UINT64_C(0xffff888003000000)

static inline void *test_copy(const void *array, size_t size) {
    void *copy = malloc(size);

    if (!copy)
        abort();
    return memcpy(copy, array, size);
}

#define TEST_ARRAY(array, count) (*(count) = KITH_ARRAY_SIZE(array), test_copy(array, sizeof(array)))

static inline void test_add_functions(struct flow_model *model) {
    static const struct flow_function functions[] = {
        {.name = "__x64_sys_connect", .layer = FLOW_SYSCALL, .calls = 1, .landmark = true},
        {.name = "tcp_v4_connect",
         .prototype = "int tcp_v4_connect(struct sock *sk, struct sockaddr *uaddr, int addr_len)",
         .file = "net/ipv4/tcp_ipv4.c",
         .line = 201,
         .layer = FLOW_TRANSPORT,
         .calls = 1,
         .landmark = true},
        {.name = "tcp_connect", .file = "net/ipv4/tcp_output.c", .layer = FLOW_TRANSPORT, .calls = 1, .landmark = true},
        {.name = "ip_queue_xmit", .layer = FLOW_IP, .calls = 1, .landmark = true},
        {.name = "__netif_receive_skb", .layer = FLOW_RECEIVE, .calls = 1, .landmark = true},
        {.name = "tcp_v4_rcv", .layer = FLOW_TRANSPORT, .calls = 1, .landmark = true},
        {.name = "tcp_conn_request", .layer = FLOW_TRANSPORT, .calls = 1, .landmark = true},
        {.name = "release_sock", .layer = FLOW_SOCKET, .calls = 1},
        {.name = "tcp_v4_do_rcv", .layer = FLOW_TRANSPORT, .calls = 1, .landmark = true},
        {.name = "__x64_sys_accept", .layer = FLOW_SYSCALL, .calls = 1, .landmark = true},
        {.name = "inet_csk_accept", .layer = FLOW_TRANSPORT, .calls = 1, .landmark = true},
    };

    model->functions = TEST_ARRAY(functions, &model->function_count);
}

static inline void test_add_calls(struct flow_model *model) {
#define CALL(function_, lane_, parent_, child_, next_, depth_, begin_, end_)                                                               \
    .function = (function_), .task = (lane_) == FLOW_SERVER, .lane = (lane_), .parent = (parent_), .first_child = (child_),                \
    .next = (next_), .depth = (depth_), .begin_ns = (begin_), .end_ns = (end_)
    static const struct flow_call calls[] = {
        {CALL(0, FLOW_CLIENT, FLOW_NONE, 1, FLOW_NONE, 0, 1000, 90000), .handed_from = FLOW_NONE},
        {CALL(1, FLOW_CLIENT, 0, 2, 7, 1, 2000, 60000), .handed_from = FLOW_NONE},
        {CALL(2, FLOW_CLIENT, 1, 3, FLOW_NONE, 2, 3000, 59000), .handed_from = FLOW_NONE},
        {CALL(3, FLOW_CLIENT, 2, FLOW_NONE, FLOW_NONE, 3, 4000, 58000), .handed_from = FLOW_NONE},
        {CALL(4, FLOW_SOFTIRQ, FLOW_NONE, 5, FLOW_NONE, 0, 10000, 40000), .handed_from = 3, .flags = FLOW_HANDED},
        {CALL(5, FLOW_SOFTIRQ, 4, 6, FLOW_NONE, 1, 11000, 39000), .handed_from = FLOW_NONE},
        {CALL(6, FLOW_SOFTIRQ, 5, FLOW_NONE, FLOW_NONE, 2, 12000, 38000), .handed_from = FLOW_NONE},
        {CALL(7, FLOW_CLIENT, 0, 8, FLOW_NONE, 1, 70000, 80000), .handed_from = FLOW_NONE},
        {CALL(8, FLOW_CLIENT, 7, FLOW_NONE, FLOW_NONE, 2, 71000, 79000), .handed_from = FLOW_NONE, .flags = FLOW_BACKLOG},
        {CALL(9, FLOW_SERVER, FLOW_NONE, 10, FLOW_NONE, 0, 95000, 99000), .handed_from = FLOW_NONE},
        {CALL(10, FLOW_SERVER, 9, FLOW_NONE, FLOW_NONE, 1, 96000, 98000), .handed_from = FLOW_NONE},
    };
#undef CALL

    model->calls = TEST_ARRAY(calls, &model->call_count);
}

static inline void test_add_marks(struct flow_model *model) {
    static const struct flow_address client = {.family = AF_INET, .octets = {127, 0, 0, 1}, .port = 40000};
    static const struct flow_address server = {.family = AF_INET, .octets = {127, 0, 0, 1}, .port = 7777};
    const struct flow_mark marks[] = {
        {.type = FLOW_MARK_STATE,
         .time_ns = 2500,
         .call = 1,
         .socket = TEST_CLIENT_SOCKET,
         .state = {.before = TCP_CLOSE, .after = TCP_SYN_SENT, .local = client, .remote = server}},
        {.type = FLOW_MARK_PACKET,
         .time_ns = 11000,
         .call = 5,
         .packet = {.flags = 2, .source = 40000, .destination = 7777, .sequence = 100}},
        {.type = FLOW_MARK_PACKET,
         .time_ns = 71000,
         .call = 8,
         .packet = {.flags = 2 | 16, .source = 7777, .destination = 40000, .sequence = 900, .acknowledged = 101}},
        {.type = FLOW_MARK_STATE,
         .time_ns = 72000,
         .call = 8,
         .socket = TEST_CLIENT_SOCKET,
         .state = {.before = TCP_SYN_SENT, .after = TCP_ESTABLISHED, .local = client, .remote = server}},
        {.type = FLOW_MARK_LINK, .time_ns = 73000, .call = 8, .socket = TEST_LISTENER, .link = {.child = TEST_CHILD}},
        {.type = FLOW_MARK_ACCEPT, .time_ns = 97500, .call = 10, .task = 1, .socket = TEST_CHILD},
    };

    model->marks = TEST_ARRAY(marks, &model->mark_count);
}

/* To be freed with flow_model_free(). Tests change what they want to be otherwise. */
static inline struct flow_model *test_model_new(void) {
    static const struct flow_task tasks[] = {{100, "scenario", FLOW_CLIENT}, {101, "scenario", FLOW_SERVER}};
    static const struct flow_note notes[] = {{false, "functions that the compiler inlined do not occur"}};
    struct flow_model *model = calloc(1, sizeof(*model));

    if (!model)
        abort();
    test_add_functions(model);
    test_add_calls(model);
    test_add_marks(model);
    model->tasks = TEST_ARRAY(tasks, &model->task_count);
    model->notes = TEST_ARRAY(notes, &model->note_count);
    model->duration_ns = 100000;
    model->seen_events = 2 * model->call_count + model->mark_count;
    model->kernel = "6.1.0-50-amd64";
    model->machine = "x86_64";
    model->scenario = "tcp";
    model->recorded_at = "2026-01-01T00:00:00Z";
    model->whole = true;
    return model;
}

#endif
