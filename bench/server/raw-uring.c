/*
 * bench/server/raw-uring.c: the best that is known to be had of io_uring, by hand: what a library that does the same can be measured by.
 *
 * A multishot accept; a multishot receive a connection, from one ring of provided buffers; replies are sent from the buffer that the
 * request lies in. A turn is one io_uring_submit_and_wait(): sends are tried at once in it (MSG_DONTWAIT) and whole (MSG_WAITALL), and a
 * send that worked posts no completion. So when it returns, a send without a completion has sent everything, and its buffers are free
 * again.
 *
 * A client that does not take its replies: what is left of them is copied, the buffers go back, the receive is cancelled until all is sent.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <liburing.h>

#include "base/list.h"
#include "bench/server/contestant.h"
#include "bench/server/echo.h"

#define ENTRIES 4096
#define COMPLETIONS 16384
#define BUFFERS 1024 /* at most what one sendmsg() takes, UIO_MAXIOV */
#define BUFFER_SIZE ((size_t)16 * 1024)

/* The low bits of a request's user data; the others are its connection. */
enum { ON_ACCEPT, ON_RECEIVE, ON_SEND, ON_WRITABLE, ON_NOTHING, ON_MASK = 7 };

struct buffer {
    struct buffer *next; /* of the same connection */
    char *data;
    size_t size;
};

struct conn {
    struct kith_list link; /* in server->changed or server->sending */
    int fd;
    bool receiving, polling; /* requests that will complete */
    bool ended, failed;
    struct buffer *first, *last; /* received, not sent yet */
    char *rest;                  /* the same, copied, and older */
    size_t rest_size, rest_sent;
    size_t asked; /* octets of the send under way */
    int sent;     /* what it said, or all of them */
};

struct server {
    struct io_uring ring;
    int listener;
    bool creds;
    struct msghdr header; /* what recvmsg is to leave room for */
    struct io_uring_buf_ring *free_buffers;
    char *memory;
    int returned; /* buffers, not told to the kernel yet */
    struct kith_list changed, sending;
    struct buffer buffers[BUFFERS];
    /* Of this turn's sends: each buffer is in one at most. */
    struct iovec iovs[BUFFERS];
    struct msghdr headers[BUFFERS];
    size_t iov_count, header_count;
};

static struct io_uring_sqe *request(struct server *server) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&server->ring);
    while (!sqe) {
        io_uring_submit(&server->ring);
        sqe = io_uring_get_sqe(&server->ring);
    }
    return sqe;
}

static void tag(struct io_uring_sqe *sqe, struct conn *conn, unsigned what) {
    io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)conn | what);
}

static void changed(struct server *server, struct conn *conn) {
    if (kith_list_empty(&conn->link))
        kith_list_push_back(&server->changed, &conn->link);
}

/* Buffers ----------------------------------------------------------------------------------------------------------- */

static void give_back(struct server *server, struct buffer *buffer) {
    size_t id = (size_t)(buffer - server->buffers);
    io_uring_buf_ring_add(server->free_buffers, server->memory + id * BUFFER_SIZE, BUFFER_SIZE, (unsigned short)id,
                          io_uring_buf_ring_mask(BUFFERS), server->returned++);
}

static void append(struct conn *conn, struct buffer *buffer) {
    buffer->next = NULL;
    if (conn->first)
        conn->last->next = buffer;
    else
        conn->first = buffer;
    conn->last = buffer;
}

/* The first `size` octets have been sent. */
static void consume(struct server *server, struct conn *conn, size_t size) {
    while (conn->first && conn->first->size <= size) {
        size -= conn->first->size;
        give_back(server, conn->first);
        conn->first = conn->first->next;
    }
    if (size > 0) {
        conn->first->data += size;
        conn->first->size -= size;
    }
}

/* Copies what waits in buffers, and gives them back. */
static void copy_to_rest(struct server *server, struct conn *conn) {
    for (; conn->first; conn->first = conn->first->next) {
        char *longer = realloc(conn->rest, conn->rest_size + conn->first->size);
        if (longer) {
            conn->rest = longer;
            memcpy(conn->rest + conn->rest_size, conn->first->data, conn->first->size);
            conn->rest_size += conn->first->size;
        } else {
            conn->failed = true;
        }
        give_back(server, conn->first);
    }
}

/* Requests ---------------------------------------------------------------------------------------------------------- */

static void accept_always(struct server *server) {
    struct io_uring_sqe *sqe = request(server);
    io_uring_prep_multishot_accept(sqe, server->listener, NULL, NULL, SOCK_CLOEXEC);
    tag(sqe, NULL, ON_ACCEPT);
}

static void receive_always(struct server *server, struct conn *conn) {
    struct io_uring_sqe *sqe = request(server);
    if (server->creds)
        io_uring_prep_recvmsg_multishot(sqe, conn->fd, &server->header, 0);
    else
        io_uring_prep_recv_multishot(sqe, conn->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    tag(sqe, conn, ON_RECEIVE);
    conn->receiving = true;
}

static void cancel_receive(struct server *server, struct conn *conn) {
    struct io_uring_sqe *sqe = request(server);
    io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)conn | ON_RECEIVE, 0);
    tag(sqe, NULL, ON_NOTHING);
}

static void wait_for_room(struct server *server, struct conn *conn) {
    struct io_uring_sqe *sqe = request(server);
    io_uring_prep_poll_add(sqe, conn->fd, POLLOUT);
    tag(sqe, conn, ON_WRITABLE);
    conn->polling = true;
}

static void close_conn(struct server *server, struct conn *conn) {
    while (conn->first)
        consume(server, conn, conn->first->size);
    struct io_uring_sqe *sqe = request(server);
    io_uring_prep_close(sqe, conn->fd);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    tag(sqe, NULL, ON_NOTHING);
    free(conn->rest);
    free(conn);
}

/* Several buffers in one sendmsg(). */
static struct msghdr *gather(struct server *server, struct conn *conn) {
    struct msghdr *header = &server->headers[server->header_count++];
    *header = (struct msghdr){.msg_iov = &server->iovs[server->iov_count]};
    for (struct buffer *buffer = conn->first; buffer; buffer = buffer->next) {
        header->msg_iov[header->msg_iovlen++] = (struct iovec){.iov_base = buffer->data, .iov_len = buffer->size};
        conn->asked += buffer->size;
    }
    server->iov_count += header->msg_iovlen;
    return header;
}

static void send_all(struct server *server, struct conn *conn) {
    const int flags = MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL;
    struct io_uring_sqe *sqe = request(server);
    conn->asked = 0;
    if (conn->rest) {
        conn->asked = conn->rest_size - conn->rest_sent;
        io_uring_prep_send(sqe, conn->fd, conn->rest + conn->rest_sent, conn->asked, flags);
    } else if (conn->first->next) {
        io_uring_prep_sendmsg(sqe, conn->fd, gather(server, conn), (unsigned)flags);
    } else {
        conn->asked = conn->first->size;
        io_uring_prep_send(sqe, conn->fd, conn->first->data, conn->asked, flags);
    }
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    tag(sqe, conn, ON_SEND);
    conn->sent = (int)conn->asked;
    kith_list_push_back(&server->sending, &conn->link);
}

/* Completions ------------------------------------------------------------------------------------------------------- */

static int on_accept(struct server *server, const struct io_uring_cqe *cqe) {
    if (!(cqe->flags & IORING_CQE_F_MORE))
        accept_always(server);
    if (cqe->res < 0)
        return cqe->res == -ECONNABORTED ? 0 : cqe->res;
    struct conn *conn = calloc(1, sizeof(*conn));
    if (!conn)
        return -ENOMEM;
    conn->fd = cqe->res;
    kith_list_init(&conn->link);
    receive_always(server, conn);
    return 0;
}

/* recvmsg puts a header and the control messages into the buffer, in front of the octets. */
static bool unpack(struct server *server, struct buffer *buffer, int size) {
    struct io_uring_recvmsg_out *out = io_uring_recvmsg_validate(buffer->data, size, &server->header);
    if (!out)
        return false;
    buffer->data = io_uring_recvmsg_payload(out, &server->header);
    buffer->size = io_uring_recvmsg_payload_length(out, size, &server->header);
    return buffer->size == 0 || echo_has_creds(io_uring_recvmsg_cmsg_firsthdr(out, &server->header));
}

static void on_receive(struct server *server, struct conn *conn, const struct io_uring_cqe *cqe) {
    conn->receiving = cqe->flags & IORING_CQE_F_MORE;
    changed(server, conn);
    if (!(cqe->flags & IORING_CQE_F_BUFFER)) {
        conn->ended |= cqe->res == 0;
        conn->failed |= cqe->res < 0 && cqe->res != -ENOBUFS && cqe->res != -ECANCELED;
        return;
    }
    size_t id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
    struct buffer *buffer = &server->buffers[id];
    buffer->data = server->memory + id * BUFFER_SIZE;
    buffer->size = (size_t)cqe->res;
    if (server->creds && !unpack(server, buffer, cqe->res))
        conn->failed = true;
    if (buffer->size == 0)
        conn->ended = true;
    if (conn->failed || conn->ended)
        give_back(server, buffer);
    else
        append(conn, buffer);
}

static int on_completion(struct server *server, const struct io_uring_cqe *cqe) {
    struct conn *conn = (struct conn *)(uintptr_t)(cqe->user_data & ~(uint64_t)ON_MASK);
    switch (cqe->user_data & ON_MASK) {
    case ON_ACCEPT:
        return on_accept(server, cqe);
    case ON_RECEIVE:
        on_receive(server, conn, cqe);
        break;
    case ON_SEND:
        conn->sent = cqe->res;
        break;
    case ON_WRITABLE:
        conn->polling = false;
        changed(server, conn);
        break;
    }
    return 0;
}

/* The send of the last turn is over. */
static void settle(struct server *server, struct conn *conn) {
    size_t sent = conn->sent > 0 ? (size_t)conn->sent : 0;
    conn->failed |= conn->sent < 0 && conn->sent != -EAGAIN;
    if (!conn->rest) {
        consume(server, conn, sent);
    } else if ((conn->rest_sent += sent) == conn->rest_size) {
        free(conn->rest);
        conn->rest = NULL;
        conn->rest_size = conn->rest_sent = 0;
    }
    if (conn->failed || sent == conn->asked)
        return;
    wait_for_room(server, conn);
    if (conn->receiving)
        cancel_receive(server, conn);
}

/* What a connection does next, when everything that came of it in this turn is known. */
static void proceed(struct server *server, struct conn *conn) {
    bool waits = conn->first || conn->rest;
    if (conn->rest || conn->polling)
        copy_to_rest(server, conn);
    if (conn->failed || (conn->ended && !waits)) {
        if (conn->receiving)
            cancel_receive(server, conn);
        else if (!conn->polling)
            close_conn(server, conn);
        return;
    }
    if (!waits && !conn->receiving)
        receive_always(server, conn);
    else if (waits && !conn->polling)
        send_all(server, conn);
}

static int turn(struct server *server) {
    int r = io_uring_submit_and_wait(&server->ring, 1);
    if (r < 0)
        return r == -EINTR ? 0 : r;
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    r = 0;
    server->iov_count = server->header_count = 0;
    io_uring_for_each_cqe(&server->ring, head, cqe) {
        count++;
        int result = on_completion(server, cqe);
        r = r < 0 ? r : result;
    }
    io_uring_cq_advance(&server->ring, count);
    kith_list_foreach (&server->sending, node)
        settle(server, kith_list_entry(node, struct conn, link));
    kith_list_splice(&server->changed, &server->sending);
    while (!kith_list_empty(&server->changed)) {
        struct conn *conn = kith_list_first(&server->changed, struct conn, link);
        kith_list_unlink(&conn->link);
        proceed(server, conn);
    }
    io_uring_buf_ring_advance(server->free_buffers, server->returned);
    server->returned = 0;
    return r;
}

static void *pages(size_t size) {
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int set_up(struct server *server) {
    struct io_uring_params params = {.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
                                     .cq_entries = COMPLETIONS};
    int r = io_uring_queue_init_params(ENTRIES, &server->ring, &params);
    if (r < 0)
        return r;
    server->free_buffers = pages(BUFFERS * sizeof(struct io_uring_buf));
    server->memory = pages(BUFFERS * BUFFER_SIZE);
    if (server->free_buffers == MAP_FAILED || server->memory == MAP_FAILED)
        return -ENOMEM;
    struct io_uring_buf_reg registration = {.ring_addr = (uint64_t)(uintptr_t)server->free_buffers, .ring_entries = BUFFERS};
    r = io_uring_register_buf_ring(&server->ring, &registration, 0);
    for (size_t i = 0; r == 0 && i < BUFFERS; i++)
        give_back(server, &server->buffers[i]);
    kith_list_init(&server->changed);
    kith_list_init(&server->sending);
    return r;
}

static int serve(const struct place *place, int ready, bool creds) {
    static struct server server;
    server.creds = creds;
    server.header.msg_controllen = creds ? CMSG_SPACE(sizeof(struct ucred)) : 0;
    server.listener = place_listen(place, creds);
    int r = server.listener < 0 ? server.listener : set_up(&server);
    if (r < 0)
        return r;
    accept_always(&server);
    r = place_announce(server.listener, ready);
    while (r == 0)
        r = turn(&server);
    return r;
}

int serve_raw_uring(const struct place *place, int ready) {
    return serve(place, ready, false);
}

int serve_raw_uring_creds(const struct place *place, int ready) {
    return serve(place, ready, true);
}
