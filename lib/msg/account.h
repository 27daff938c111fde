/*
 * msg/account.h: what one peer's received messages cost, as long as nobody took them.
 *
 * Every received message is charged to its peer's account and refunds it when it is taken or freed. The account outlives the peer: `owner`
 * then is NULL, which is also how a reply finds out that its peer has gone.
 */
#ifndef KITH_MSG_ACCOUNT_H
#define KITH_MSG_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/refs.h"

struct kith_account {
    struct kith_refs refs;
    size_t messages, octets, fds;      /* in queues now */
    size_t message_limit, octet_limit; /* the high-water marks */
    size_t fd_limit;                   /* the same for descriptors; 0: none */
    bool full;                         /* a mark was reached; relieved() is due when all are at half of theirs */
    void *owner;                       /* the session, NULL when it has gone */
    void (*relieved)(void *owner);     /* all counts have fallen to half of their marks */
    void (*given)(void *owner);        /* a message was taken, or freed; NULL: the owner does not care */
};

int kith_account_new(void *owner, void (*relieved)(void *owner), struct kith_account **ret_account);
struct kith_account *kith_account_ref(struct kith_account *account);
struct kith_account *kith_account_unref(struct kith_account *account);
/* Other threads may hold references from now on; to be called before they do. Everything else stays its loop's. */
static inline void kith_account_share(struct kith_account *account) {
    kith_refs_share(&account->refs);
}

/* One message of `octets` with `fds` descriptors more or less. take sets `full` at a mark; the owner then stops reading. */
void kith_account_take(struct kith_account *account, size_t octets, size_t fds);
void kith_account_give(struct kith_account *account, size_t octets, size_t fds);

#endif
