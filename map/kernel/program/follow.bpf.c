/*
 * map/kernel/program/follow.bpf.c: runs in the kernel, at the places where a listener and a connection are joined, and where a socket is
 * closed.
 *
 * All connections of TCP get on an accept queue by inet_csk_reqsk_queue_add(). The compiler may have put a copy of it into
 * inet_csk_complete_hashdance(), the way of ordinary handshakes, which lies in the same source file; SYN cookies and TCP Fast Open call it
 * from other files. So both are watched, and who was told of by the inner one is not told of again by the outer one.
 *
 * Functions are looked at when they return, because they may fail. The connection is still alive then: the kernel holds it until it has
 * handled the packet that made it (accept queue), or accept() owns it.
 */
#include "map/kernel/event.h"
#include "map/kernel/program/address.h"

const char licensed_as[] SEC("license") = "Dual MIT/GPL";

/* Some 8,000 events: what comes within a tenth of a second at the highest rates of accept(2). */
#define RING_OCTETS (1024 * 1024)

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, RING_OCTETS);
} events SEC(".maps");

/* The cookie of the connection that was queued last, for each processor: between the two returns no other one comes, because both lie in
 * the handling of one packet. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, uint32_t);
    __type(value, uint64_t);
} last_queued SEC(".maps");

/* How many events found no room. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, uint32_t);
    __type(value, uint64_t);
} lost SEC(".maps");

static __always_inline void count_lost(void) {
    uint32_t key = 0;
    uint64_t *count = bpf_map_lookup_elem(&lost, &key);

    if (count)
        __sync_fetch_and_add(count, 1);
}

/* A new event with what is known of every socket; NULL: no room, which is counted. */
static __always_inline struct map_follow_event *begin(uint32_t kind, const struct sock *socket) {
    struct map_follow_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

    if (!event) {
        count_lost();
        return NULL;
    }
    __builtin_memset(event, 0, sizeof(*event));
    event->kind = kind;
    event->time_ns = bpf_ktime_get_ns();
    event->netns = read_netns(&socket->__sk_common);
    event->family = socket->__sk_common.skc_family;
    event->type = socket->sk_type;
    if (event->family != AF_UNIX) {
        event->local_port = socket->__sk_common.skc_num;
        event->remote_port = read_remote_port(&socket->__sk_common);
        read_addresses(&socket->__sk_common, event->local, event->remote);
    }
    return event;
}

static __always_inline void tell_process(struct map_follow_event *event) {
    event->pid = bpf_get_current_pid_tgid() >> 32;
    event->uid = (uint32_t)bpf_get_current_uid_gid();
    bpf_get_current_comm(event->comm, sizeof(event->comm));
}

static __always_inline void tell_established(struct sock *listener, struct sock *child, uint64_t cookie) {
    struct map_follow_event *event = begin(MAP_FOLLOW_ESTABLISHED, child);

    if (!event)
        return;
    event->cookie = cookie;
    event->listener_cookie = bpf_get_socket_cookie(listener);
    bpf_ringbuf_submit(event, 0);
}

SEC("fexit/inet_csk_reqsk_queue_add")
int BPF_PROG(map_follow_queued, struct sock *listener, struct request_sock *request, struct sock *child, struct sock *added) {
    uint32_t key = 0;
    uint64_t *last = bpf_map_lookup_elem(&last_queued, &key), cookie;

    if (!last || !added) /* the listener was closed meanwhile */
        return 0;
    *last = cookie = bpf_get_socket_cookie(child);
    tell_established(listener, child, cookie);
    return 0;
}

SEC("fexit/inet_csk_complete_hashdance")
int BPF_PROG(map_follow_shaken, struct sock *listener, struct sock *child, struct request_sock *request, bool own, struct sock *added) {
    uint32_t key = 0;
    uint64_t *last = bpf_map_lookup_elem(&last_queued, &key), cookie;

    if (!last || !added) /* another processor has made the connection, or the listener was closed meanwhile */
        return 0;
    cookie = bpf_get_socket_cookie(child);
    if (cookie != *last)
        tell_established(listener, child, cookie);
    return 0;
}

static __always_inline int tell_accepted(struct sock *listener, struct sock *child) {
    if (!child)
        return 0;
    struct map_follow_event *event = begin(MAP_FOLLOW_ACCEPTED, child);
    if (!event)
        return 0;
    event->cookie = bpf_get_socket_cookie(child);
    event->listener_cookie = bpf_get_socket_cookie(listener);
    tell_process(event);
    bpf_ringbuf_submit(event, 0);
    return 0;
}

/* accept() has four arguments up to 6.9, two from 6.10 on, and what it returns lies behind them: map/kernel/follow.c loads the one that
 * fits. (To ask here whether struct proto_accept_arg exists would need CAP_SYS_ADMIN: libbpf looks into all modules for a type that it does
 * not find.) */
SEC("fexit/inet_csk_accept")
int map_follow_accepted_of_4(uint64_t *context) {
    return tell_accepted((struct sock *)context[0], (struct sock *)context[4]);
}

SEC("fexit/inet_csk_accept")
int map_follow_accepted_of_2(uint64_t *context) {
    return tell_accepted((struct sock *)context[0], (struct sock *)context[2]);
}

SEC("fexit/unix_accept")
int BPF_PROG(map_follow_unix_accepted, struct socket *listening, struct socket *accepted) {
    struct sock *listener = listening->sk, *child = accepted->sk;

    if (!listener || !child) /* it has failed: only success gives it a sock */
        return 0;
    struct map_follow_event *event = begin(MAP_FOLLOW_ACCEPTED, child);
    if (!event)
        return 0;
    event->cookie = bpf_get_socket_cookie(child);
    event->listener_cookie = bpf_get_socket_cookie(listener);
    event->inode = accepted->file->f_inode->i_ino;
    event->listener_inode = listening->file->f_inode->i_ino;
    tell_process(event);
    bpf_ringbuf_submit(event, 0);
    return 0;
}

/* A socket without a cookie is one that nobody can have heard of. */
static __always_inline void tell_closed(const struct sock *socket, uint64_t inode) {
    uint64_t cookie = socket->__sk_common.skc_cookie.counter;

    if (cookie == 0)
        return;
    struct map_follow_event *event = begin(MAP_FOLLOW_CLOSED, socket);
    if (!event)
        return;
    event->cookie = cookie;
    event->inode = inode;
    bpf_ringbuf_submit(event, 0);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(map_follow_closed, const struct sock *socket, int old_state, int new_state) {
    if (new_state == TCP_CLOSE && socket->sk_protocol == IPPROTO_TCP)
        tell_closed(socket, 0);
    return 0;
}

SEC("fentry/unix_release")
int BPF_PROG(map_follow_unix_closed, struct socket *closing) {
    struct sock *socket = closing->sk;

    if (socket)
        tell_closed(socket, closing->file->f_inode->i_ino);
    return 0;
}
