/*
 * origin/internal.h: origins as other rooms make them from what the kernel said.
 *
 * A process object stands for one process, guarded by a pidfd; it caches the facts looked up in /proc. Whoever made it (the session) tells
 * it when the process has ended.
 */
#ifndef KITH_ORIGIN_INTERNAL_H
#define KITH_ORIGIN_INTERNAL_H

#include <sys/socket.h>

#include <kith/origin.h>

struct kith_process;

/* Takes the pidfd (consumed when 0 is returned), or -1. exact: the pidfd is known to be of the very process that had `pid` when it wrote
 * (SCM_PIDFD, SO_PEERPIDFD); facts then have the witness KERNEL_CONNECT, otherwise INFERRED. With pidfd -1 one is opened by pid (never
 * exact; none by a pid of 0). A process that is gone, or of which no pidfd could be had, gives an object that knows nothing. Errors:
 * -ENOMEM only. */
int kith_process_new(pid_t pid, int pidfd, bool exact, struct kith_process **ret_process);
struct kith_process *kith_process_ref(struct kith_process *process);
struct kith_process *kith_process_unref(struct kith_process *process);
/* Other threads may hold references from now on, and look things up; to be called before they do. NULL is allowed. */
void kith_process_share(struct kith_process *process);
pid_t kith_process_pid(const struct kith_process *process);
/* To watch for the end (readable), or -1. Owned by the process object. */
int kith_process_pidfd(struct kith_process *process);
bool kith_process_exact(const struct kith_process *process);
/* The process has ended: no further lookups; cached facts stay. Its pidfd has said all it can and is closed: messages of processes that
 * came and went, waiting to be taken, hold no descriptors. Whoever watches it stops first. */
void kith_process_set_dead(struct kith_process *process);
/* True until the end is known; asks the pidfd when `check`. */
bool kith_process_alive(struct kith_process *process, bool check);

/* Has the process exec()ed since one of its facts that exec() changes (exe, label, may_forge) was first looked up? Asks the kernel: two
 * system calls, none when none of these was looked up, it has ended, or the answer was yes before. False also when that is not to be seen:
 * then its program was not to be seen either. */
bool kith_process_execed(struct kith_process *process);
/* The same process, of which nothing has been looked up yet; for want of descriptors one that knows nothing, as with kith_process_new().
 * Errors: -ENOMEM, -ESRCH (it has ended). */
int kith_process_renew(struct kith_process *process, struct kith_process **ret_process);

struct kith_credentials {
    pid_t pid; /* 0: not visible from this pid namespace */
    uid_t uid;
    gid_t gid;
};

/* How often this thread looked something up and got no answer, for want of memory or descriptors of its own: that is
 * unknown now and may be known later, so what follows from it must not be kept. It counts up, and round. */
unsigned kith_origin_unanswered(void);
void kith_origin_note_unanswered(void);

/* False for what AF_UNIX says of octets written before SO_PASSCRED was on: pid 0, uid and gid 65534. That is no identity. */
bool kith_credentials_known(const struct kith_credentials *credentials);

/* Of a TCP connection (origin/tcp-peer.h). */
struct kith_tcp_connection {
    struct sockaddr_storage own, peer;
    uint64_t cookie;    /* of our socket, SO_COOKIE; 0: unknown, then nothing is looked up by its addresses */
    unsigned bound;     /* index of the interface that our socket is bound to; 0: none */
    unsigned interface; /* index of that by which the peer came; 0: unknown */
    int ttl, tos;       /* of its first segment; -1: unknown */
};
struct kith_tcp_peer;
/* Errors: -ENOMEM. */
int kith_tcp_peer_new(const struct kith_tcp_connection *connection, struct kith_tcp_peer **ret_peer);
struct kith_tcp_peer *kith_tcp_peer_unref(struct kith_tcp_peer *peer);
void kith_tcp_peer_share(struct kith_tcp_peer *peer);
/* Takes it; for an origin that nobody else has yet. */
void kith_origin_set_tcp_peer(kith_origin *origin, struct kith_tcp_peer *peer);
bool kith_origin_is_tcp(const kith_origin *origin);

/* An origin from credentials (real ids, as SCM_CREDENTIALS carries them), with witness KERNEL_MESSAGE or KERNEL_CONNECT, and the process
 * they name (NULL: none known; a reference is taken). A pid of 0 and credentials that are not known leave their facts unknown. */
int kith_origin_new_credentials(const struct kith_credentials *credentials, enum kith_witness witness, struct kith_process *process,
                                kith_origin **ret_origin);
/* Other threads may hold references of this origin from now on, and ask it; to be called before they do. Its process and its claims are
 * shared with it, those that it has and those that it gets. */
void kith_origin_share(kith_origin *origin);
/* `process` is the same process as the origin's own, known before: from now on both use its cache and its pidfd. */
void kith_origin_share_process(kith_origin *origin, struct kith_process *process);
/* Shares another origin's claims (by reference). `claims` belongs to the connection. */
struct kith_claims;
/* The limits of kith_origin_add_claim(). */
int kith_claims_new(struct kith_claims **ret_claims);
/* Other threads may hold references from now on; nothing may be added any more. NULL is allowed. */
void kith_claims_share(struct kith_claims *claims);
struct kith_claims *kith_claims_ref(struct kith_claims *claims);
struct kith_claims *kith_claims_unref(struct kith_claims *claims);
int kith_claims_add(struct kith_claims *claims, const char *name, const void *value, size_t size);
void kith_origin_set_claims(kith_origin *origin, struct kith_claims *claims);

/* kith_origin_text() and kith_origin_number(), of what is known already: look nothing up. */
enum kith_witness kith_origin_number_at_hand(kith_origin *origin, enum kith_fact fact, uint64_t *ret_number);
enum kith_witness kith_origin_text_at_hand(kith_origin *origin, enum kith_fact fact, const char **ret_text);
/* kith_origin_format(), the same: for what is said of every peer, be it only for a counter. */
int kith_origin_format_at_hand(kith_origin *origin, char *text, size_t size);

#endif
