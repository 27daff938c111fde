/*
 * map/kernel/program/tables.bpf.c: runs in the kernel, once for each TCP socket of a network namespace. What comes is of one of three
 * structures, which begin with a sock_common alike; its state tells which.
 */
#include "map/kernel/program/address.h"
#include "map/kernel/row.h"

const char licensed_as[] SEC("license") = "Dual MIT/GPL";

static __always_inline void read_common(const struct sock_common *common, struct map_kernel_row *row) {
    row->socket = (uint64_t)common;
    row->cookie = common->skc_cookie.counter;
    row->netns = read_netns(common);
    row->family = common->skc_family;
    row->state = common->skc_state;
    row->reuseport = BPF_CORE_READ_BITFIELD(common, skc_reuseport);
    row->ipv6_only = BPF_CORE_READ_BITFIELD(common, skc_ipv6only);
    row->bound_interface = common->skc_bound_dev_if;
    row->local_port = common->skc_num;
    row->remote_port = read_remote_port(common);
    read_addresses(common, row->local, row->remote);
}

/* Of what stands in a bucket: a request socket's node means nothing. */
static __always_inline void read_place(const struct sock_common *common, struct map_kernel_row *row) {
    if (row->bind_bucket == 0)
        return;
    row->bind_node = (uint64_t)&common->skc_bind_node;
    row->bind_next = (uint64_t)common->skc_bind_node.next;
}

static __always_inline void read_time_wait(const struct inet_timewait_sock *socket, struct map_kernel_row *row) {
    row->bind_bucket = (uint64_t)socket->tw_tb;
    if (bpf_core_field_exists(socket->tw_tb2))
        row->bind2_bucket = (uint64_t)socket->tw_tb2;
}

static __always_inline void read_full(const struct inet_connection_sock *connection, struct map_kernel_row *row) {
    const struct sock *socket = (const struct sock *)connection;

    row->backlog = socket->sk_ack_backlog;
    row->backlog_limit = socket->sk_max_ack_backlog;
    row->bind_bucket = (uint64_t)connection->icsk_bind_hash;
    if (bpf_core_field_exists(connection->icsk_bind2_hash))
        row->bind2_bucket = (uint64_t)connection->icsk_bind2_hash;
}

/* The helpers tell the verifier which structure it is, and check that it is that one. */
SEC("iter/tcp")
int map_kernel_tcp(struct bpf_iter__tcp *context) {
    struct sock_common *common = context->sk_common;
    struct map_kernel_row row;

    if (!common) /* the end */
        return 0;
    __builtin_memset(&row, 0, sizeof(row)); /* all of it: what is between members is copied too */
    read_common(common, &row);
    if (row.state == TCP_TIME_WAIT) {
        struct tcp_timewait_sock *socket = bpf_skc_to_tcp_timewait_sock(common);
        if (socket)
            read_time_wait((const struct inet_timewait_sock *)socket, &row);
    } else if (row.state == MAP_KERNEL_NEW_SYN_RECV) {
        row.request_listener = (uint64_t)common->skc_listener;
    } else {
        struct tcp_sock *socket = bpf_skc_to_tcp_sock(common);
        if (socket)
            read_full((const struct inet_connection_sock *)socket, &row);
    }
    read_place(common, &row);
    bpf_seq_write(context->meta->seq, &row, sizeof(row));
    return 0;
}
