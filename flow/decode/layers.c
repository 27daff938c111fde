/*
 * flow/decode/layers.c: in which layer a function is, and which ones matter.
 *
 * The source file decides where it is known (files.c), except for system calls, and for the way up from the device, which is in one file
 * with the way down: these are told by their names. Without a file the name decides, and where that says nothing the neighbours do: net/ is
 * one range of addresses, and its files follow each other in it. Names and files are beginnings; the longest that fits counts.
 */
#include <errno.h>
#include <stdlib.h>

#include "flow/decode/build.h"

static const struct {
    enum flow_layer layer;
    bool anywhere; /* outside of net/ as well */
    const char *beginnings;
} rows[] = {
    {FLOW_SYSCALL, true, "__x64_sys_ __ia32_sys_ __arm64_sys_ __riscv_sys_ __s390x_sys_ __se_sys_ __do_sys_ ksys_ "},
    {FLOW_SOCKET, false,
     "__sys_ sock_ __sock_ sockfd_ sk_ __sk_ lock_sock __lock_sock release_sock __release_sock move_addr_ scm_ __scm_ put_cmsg copy_msghdr "
     "skb_ __skb_ build_skb __build_skb kmalloc_reserve alloc_skb __alloc_skb kfree_skb __kfree_skb consume_skb datagram_ inet_create "
     "inet_bind inet_listen inet_accept "
     "inet_stream_ inet_dgram_ inet_release inet_shutdown inet_send inet_recv inet_getname inet_wait_for inet_autobind inet_ioctl "
     "inet6_create inet6_bind inet6_release inet6_send inet6_recv inet6_getname inet_sock_ "},
    {FLOW_TRANSPORT, false,
     "tcp __tcp udp __udp inet_csk_ inet6_csk_ __inet_hash __inet_lookup __inet_bind __inet_inherit __inet6_ __inet_put inet_hash "
     "inet6_hash "
     "inet_ehash inet6_ehash inet_bhash inet_bind_ inet_bind2_ inet_unhash inet_put_port inet_twsk inet_reqsk inet_sk_ reqsk_ secure_tcp "
     "secure_ip bictcp cubictcp unix_ __unix_ netlink_ __netlink_ genl raw_ ping_ sctp mptcp bpf_skops "},
    {FLOW_IP, false,
     "ip_ __ip_ ip6 __ip6 ipv6_ __ipv6_ ipv4_ __ipv4_ fib __fib rt_ rt6_ dst_ __dst_ nf_ __nf_ ipt_ xfrm __xfrm icmp __icmp ndisc inetpeer "
     "inet_getpeer inet_addr inet_select inet_lookup_ifaddr inet_rtm inet6_addr raw_local "},
    {FLOW_DEVICE, false,
     "neigh_ __neigh_ arp_ dev_ __dev_ qdisc_ __qdisc_ sch_ pfifo fq_ eth_ netdev_ netif_ validate_xmit skb_csum_hwoffload netif_skb "},
    {FLOW_DEVICE, true, "loopback_ "},
    {FLOW_RECEIVE, false,
     "__netif_receive netif_receive netif_rx __netif_rx enqueue_to_backlog process_backlog net_rx_action napi_ __napi_ gro_ dev_gro "
     "inet_gro "
     "tcp4_gro tcp6_gro get_rps deliver_ "},
};

static const struct {
    enum flow_layer layer;
    const char *beginnings;
} file_rows[] = {
    {FLOW_SOCKET, "net/socket.c net/compat.c net/core/ net/ipv4/af_inet.c net/ipv6/af_inet6.c net/ipv4/datagram.c net/ipv6/datagram.c "
                  "net/ipv6/ipv6_sockglue.c net/ipv4/ip_sockglue.c "},
    {FLOW_TRANSPORT,
     "net/ipv4/tcp net/ipv6/tcp net/ipv4/udp net/ipv6/udp net/ipv4/inet_connection_sock.c net/ipv6/inet6_connection_sock.c "
     "net/ipv4/inet_hashtables.c net/ipv6/inet6_hashtables.c net/ipv4/inet_timewait_sock.c net/ipv4/inet_diag.c net/ipv4/raw "
     "net/ipv6/raw net/ipv4/ping.c net/ipv6/ping.c net/ipv4/syncookies.c net/ipv6/syncookies.c net/core/secure_seq.c "
     "net/core/request_sock.c net/core/stream.c net/unix/ net/netlink/ net/packet/ net/sctp/ net/dccp/ net/mptcp/ net/tls/ net/vmw_vsock/ "
     "net/rds/ net/tipc/ net/smc/ net/rxrpc/ net/sunrpc/ net/xdp/ "},
    {FLOW_IP,
     "net/ipv4/ net/ipv6/ net/netfilter/ net/bridge/netfilter/ net/xfrm/ net/mpls/ net/core/dst net/core/fib net/core/lwt net/l3mdev/ "},
    {FLOW_DEVICE,
     "net/core/dev net/core/neighbour.c net/core/link_watch.c net/core/netpoll.c net/core/net-sysfs.c net/core/netdev net/core/rtnetlink.c "
     "net/core/selftests.c net/core/failover.c net/core/flow net/ipv4/arp.c net/sched/ net/ethernet/ net/bridge/ net/8021q/ net/802/ "
     "net/llc/ "
     "net/dsa/ net/devres.c net/wireless/ net/mac80211/ net/ethtool/ net/switchdev/ net/dcb/ net/devlink/ drivers/net/ "},
    {FLOW_RECEIVE, "net/core/gro net/ipv4/gro "},
};

/* What a chart of a connection is read by. */
static const char landmarks[] =
    " __sys_socket __sys_bind __sys_listen __sys_connect __sys_accept4 __sys_sendto __sys_recvfrom __sys_sendmsg __sys_recvmsg "
    "__sys_shutdown"
    " sock_sendmsg sock_recvmsg inet_stream_connect inet_accept inet_listen inet_bind inet_csk_accept inet_csk_listen_start tcp_v4_connect"
    " tcp_v6_connect tcp_connect tcp_sendmsg tcp_recvmsg tcp_close tcp_shutdown tcp_write_xmit __tcp_transmit_skb ip_queue_xmit "
    "__ip_queue_xmit"
    " inet6_csk_xmit ip_local_out ip_output ip_finish_output2 ip6_xmit ip6_output ip6_finish_output2 __dev_queue_xmit dev_hard_start_xmit"
    " loopback_xmit __netif_receive_skb ip_rcv ipv6_rcv ip_local_deliver tcp_v4_rcv tcp_v6_rcv tcp_v4_do_rcv tcp_v6_do_rcv tcp_add_backlog"
    " tcp_rcv_state_process tcp_rcv_established tcp_conn_request tcp_v4_syn_recv_sock tcp_v6_syn_recv_sock tcp_v4_send_synack"
    " tcp_v6_send_synack tcp_check_req inet_csk_complete_hashdance tcp_fin tcp_reset tcp_time_wait udp_sendmsg udp_recvmsg udp_rcv"
    " udpv6_sendmsg unix_stream_connect unix_stream_sendmsg unix_stream_read_generic unix_dgram_sendmsg netlink_sendmsg netlink_recvmsg ";

/* Where net/ begins and ends at least, when the recorder does not say. */
static const char edges[] =
    " devm_alloc_etherdev_mqs move_addr_to_user sock_from_file sock_alloc_file tcp_v4_rcv unix_stream_connect ipv6_rcv packet_rcv "
    "switchdev_deferred_process l3mdev_master_ifindex_rcu xsk_map_lookup_elem ";

#define UNKNOWN FLOW_LAYERS_

static bool is_listed(const char *list, struct flow_span name) {
    for (const char *at = list; (at = memmem(at, strlen(at), name.text, name.size)); at++)
        if (at[-1] == ' ' && at[name.size] == ' ')
            return true;
    return false;
}

/* The longest beginning of the name in the row's list; 0: none. */
static size_t longest(const char *beginnings, struct flow_span name) {
    size_t best = 0;

    for (const char *at = beginnings; *at;) {
        size_t size = strcspn(at, " ");
        if (size > best && size <= name.size && memcmp(at, name.text, size) == 0)
            best = size;
        at += size + 1;
    }
    return best;
}

static enum flow_layer layer_by_name(struct flow_span name, bool inside) {
    enum flow_layer layer = UNKNOWN;
    size_t best = 0;

    for (size_t i = 0; i < KITH_ARRAY_SIZE(rows); i++) {
        size_t size = inside || rows[i].anywhere ? longest(rows[i].beginnings, name) : 0;
        if (size > best) {
            best = size;
            layer = rows[i].layer;
        }
    }
    return layer;
}

void flow_build_find_net(struct flow_build *build) {
    struct flow_meta *meta = &build->meta;

    if (meta->net_end != 0)
        return;
    for (size_t i = 0; i < build->symbols.count; i++) {
        const struct flow_symbol *symbol = &build->symbols.items[i];
        if (symbol->module.size > 0 || !is_listed(edges, symbol->name))
            continue;
        if (meta->net_end == 0)
            meta->net_begin = symbol->address;
        meta->net_end = symbol->address + 1;
    }
}

bool flow_build_is_inside(const struct flow_build *build, uint64_t address, bool module) {
    return module || (address >= build->meta.net_begin && address < build->meta.net_end);
}

static enum flow_layer layer_by_file(const char *file) {
    struct flow_span span = {file, strlen(file)};
    enum flow_layer layer = FLOW_ELSEWHERE;
    size_t best = 0;

    for (size_t i = 0; i < KITH_ARRAY_SIZE(file_rows); i++) {
        size_t size = longest(file_rows[i].beginnings, span);
        if (size > best) {
            best = size;
            layer = file_rows[i].layer;
        }
    }
    return layer;
}

struct neighbour {
    uint8_t layer;
    uint32_t distance; /* in symbols */
};

/* Walks the symbols up or down, and keeps for each function of unknown layer the nearest neighbour whose layer is known, when it is nearer
 * than the one that it has. */
static void look_along(struct flow_build *build, struct neighbour *neighbours, bool down) {
    size_t count = build->symbols.count;
    uint8_t layer = UNKNOWN;
    uint32_t distance = 0;

    for (size_t k = 0; k < count; k++, distance += distance < UINT32_MAX) {
        size_t i = down ? count - 1 - k : k;
        const struct flow_symbol *symbol = &build->symbols.items[i];
        if (symbol->module.size > 0 || !flow_build_is_inside(build, symbol->address, false))
            continue;
        enum flow_layer own = layer_by_name(symbol->name, true);
        uint32_t function = build->function_of[i];
        if (own != UNKNOWN) {
            layer = own == FLOW_SYSCALL ? FLOW_SOCKET : (uint8_t)own; /* what stands beside __sys_accept4() is no system call */
            distance = 0;
        } else if (function != FLOW_NONE && layer != UNKNOWN && distance < neighbours[function].distance) {
            neighbours[function] = (struct neighbour){layer, distance};
        }
    }
}

/* A helper is always a leaf and called from at least so many functions. */
#define HELPER_CALLERS 3

static int find_helpers(struct flow_model *model) {
    uint32_t(*callers)[HELPER_CALLERS] = calloc(model->function_count + 1, sizeof(*callers)); /* function + 1 */
    uint8_t *calls_others = calloc(model->function_count + 1, 1);

    for (size_t i = 0; callers && calls_others && i < model->call_count; i++) {
        const struct flow_call *call = &model->calls[i];
        if (call->first_child != FLOW_NONE)
            calls_others[call->function] = 1;
        if (call->parent == FLOW_NONE)
            continue;
        uint32_t *known = callers[call->function], caller = model->calls[call->parent].function + 1;
        for (size_t k = 0; k < HELPER_CALLERS && known[k] != caller; k++) {
            if (known[k] == 0) {
                known[k] = caller;
                break;
            }
        }
    }
    for (size_t i = 0; callers && calls_others && i < model->function_count; i++)
        model->functions[i].helper = !model->functions[i].landmark && !calls_others[i] && callers[i][HELPER_CALLERS - 1] != 0;
    int r = callers && calls_others ? 0 : -ENOMEM;
    free(callers);
    free(calls_others);
    return r;
}

int flow_build_layers(struct flow_build *build) {
    struct flow_model *model = build->model;
    struct neighbour *neighbours = malloc((model->function_count + 1) * sizeof(*neighbours));

    if (!neighbours)
        return -ENOMEM;
    for (size_t i = 0; i < model->function_count; i++)
        neighbours[i] = (struct neighbour){FLOW_ELSEWHERE, UINT32_MAX};
    look_along(build, neighbours, false);
    look_along(build, neighbours, true);
    for (size_t i = 0; i < model->function_count; i++) {
        struct flow_function *function = &model->functions[i];
        struct flow_span name = {function->name, strlen(function->name)};
        bool inside = flow_build_is_inside(build, function->address, function->module != NULL);
        enum flow_layer layer = layer_by_name(name, inside);
        if (function->file && layer != FLOW_SYSCALL && layer != FLOW_RECEIVE)
            layer = layer_by_file(function->file);
        function->layer = layer != UNKNOWN ? layer : inside ? neighbours[i].layer : FLOW_ELSEWHERE;
        function->landmark = is_listed(landmarks, name);
    }
    free(neighbours);
    return find_helpers(model);
}
