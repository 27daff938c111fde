/*
 * socket/socket.h: the socket behind the public entry points: a pattern, its peers, what is bound, and who is told.
 *
 * Refcounted, so that the application may free it inside any of its callbacks: the entry point or upcall that is running holds a reference
 * and looks at `closed` afterwards.
 */
#ifndef KITH_SOCKET_SOCKET_H
#define KITH_SOCKET_SOCKET_H

#include <kith/socket.h>

#include "loop/internal.h"
#include "msg/internal.h"
#include "pattern/pattern.h"
#include "session/acceptor.h"

struct kith_socket {
    unsigned refs;
    bool closed;
    enum kith_socket_type type;
    kith_loop *loop;
    kith_timer *tether; /* never armed: tells whether the loop is still there */
    struct kith_session_host sessions;
    struct kith_pattern *pattern;
    struct kith_list acceptors;
    struct kith_zap *zap; /* NULL: no ZAP handler has been asked */
    char last_endpoint[KITH_ENDPOINT_MAX];

    struct kith_socket_handler handler;
    void *handler_userdata;
    struct kith_defer deliver; /* received messages that wait for the handler */
    struct kith_defer review;  /* peers, by a policy that is new */
    bool delivering;
    bool starved; /* a send said -EAGAIN: `writable` is due */
    /* kith_socket_close(): the application has let go of it. */
    bool lingering;
    kith_timer *linger_timer;
    struct kith_tenant tenant;
    struct kith_defer reap; /* all is sent: it frees itself */
};

/* Every entry point begins with this: on a loop with a thread, nobody else is here until the scope ends. */
#define KITH_SOCKET_HOLD(socket) KITH_LOOP_HOLD_IF(!kith_timer_inert((socket)->tether), (socket)->loop)

/* close.c: called when something has changed that a closed socket may wait for. */
void kith_socket_linger(kith_socket *socket);
unsigned kith_socket_reap(struct kith_defer *defer);

/* option-table.c */
const struct kith_option_info *kith_option_info(enum kith_option option);
/* options.c: the defaults, for a new socket. */
void kith_socket_default_options(struct kith_profile *profile);

/* authenticate.c: decides on what a peer has shown (struct kith_session_ops). */
void kith_socket_on_credentials(struct kith_session *session, const struct kith_credentials_shown *shown, void *userdata);
/* authenticate.c: do the options of security fit together? Errors: -EINVAL. */
int kith_socket_check_security(const kith_socket *socket, struct kith_error *ret_error);

void kith_socket_free_acceptors(kith_socket *socket);

/* May anything be done with it? -ESHUTDOWN: it or its loop was freed; -ECHILD: after fork. */
int kith_socket_check(const kith_socket *socket);
kith_socket *kith_socket_ref(kith_socket *socket);
kith_socket *kith_socket_unref(kith_socket *socket);
/* The message is the application's from here on. */
static inline void kith_socket_hand_out(const kith_socket *socket, kith_msg *msg) {
    if (kith_loop_is_shared(socket->loop))
        (void)kith_msg_share(msg);
}
/* Hands received messages to the handler, if there is one and it is its turn. */
void kith_socket_deliver(kith_socket *socket);

#endif
