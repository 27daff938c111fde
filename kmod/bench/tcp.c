// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * tcp.c: a TCP socket that the kernel owns, connected to a port on loopback. Each message goes behind its size, four octets.
 *
 * Connecting and sending sleep: a thread is needed, and what a timer or a packet hook has to say must be brought to it first.
 */
#include <linux/in.h>
#include <linux/kthread.h>
#include <linux/net.h>
#include <net/sock.h>

#include "bench.h"

static int tcp_begin(struct bench_task *task) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct socket *socket;
    u16 port;
    int error = kstrtou16(task->target, 10, &port);
    if (error)
        return error;
    error = sock_create_kern(task->net, AF_INET, SOCK_STREAM, IPPROTO_TCP, &socket);
    if (error)
        return error;
    /* A far end that takes nothing is looked at again: somebody may want this thread to end. */
    socket->sk->sk_sndtimeo = HZ;
    address.sin_port = htons(port);
    error = kernel_connect(socket, (struct sockaddr *)&address, sizeof(address), 0);
    if (error)
        sock_release(socket);
    else
        task->socket = socket;
    return error;
}

static int tcp_send(struct bench_task *task) {
    size_t size = sizeof(u32) + task->size, done = 0;
    while (done < size) {
        struct msghdr message = {.msg_flags = MSG_NOSIGNAL};
        struct kvec part = {.iov_base = task->frame + done, .iov_len = size - done};
        int sent = kernel_sendmsg(task->socket, &message, &part, 1, part.iov_len);
        if (sent == -EAGAIN && !kthread_should_stop())
            continue;
        if (sent < 0)
            return sent;
        done += sent;
    }
    return 0;
}

static void tcp_end(struct bench_task *task) {
    sock_release(task->socket);
}

const struct bench_way bench_tcp = {.name = "tcp", .begin = tcp_begin, .send = tcp_send, .end = tcp_end};
