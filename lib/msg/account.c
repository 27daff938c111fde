/* msg/account.c: see account.h. */
#include "msg/account.h"

#include <errno.h>
#include <stdlib.h>

int kith_account_new(void *owner, void (*relieved)(void *owner), struct kith_account **ret_account) {
    struct kith_account *account = calloc(1, sizeof(*account));
    if (!account)
        return -ENOMEM;
    kith_refs_init(&account->refs);
    account->owner = owner;
    account->relieved = relieved;
    *ret_account = account;
    return 0;
}

struct kith_account *kith_account_ref(struct kith_account *account) {
    kith_refs_take(&account->refs);
    return account;
}

struct kith_account *kith_account_unref(struct kith_account *account) {
    if (account && kith_refs_drop(&account->refs))
        free(account);
    return NULL;
}

void kith_account_take(struct kith_account *account, size_t octets, size_t fds) {
    account->messages++;
    account->octets += octets;
    account->fds += fds;
    if (account->messages >= account->message_limit || account->octets >= account->octet_limit ||
        (account->fd_limit > 0 && account->fds >= account->fd_limit))
        account->full = true;
}

void kith_account_give(struct kith_account *account, size_t octets, size_t fds) {
    account->messages--;
    account->octets -= octets;
    account->fds -= fds;
    if (account->given && account->owner)
        account->given(account->owner);
    if (!account->full || account->messages > account->message_limit / 2 || account->octets > account->octet_limit / 2 ||
        account->fds > account->fd_limit / 2)
        return;
    account->full = false;
    if (account->owner)
        account->relieved(account->owner);
}
