/* session/acceptor.c: see acceptor.h. */
#include "session/acceptor.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"

KITH_DEFINE_CLEANUP(struct kith_acceptor *, kith_acceptor_free)

static int acceptor_on_accept(kith_listener *listener, int fd, void *userdata) {
    struct kith_acceptor *acceptor = userdata;
    struct kith_session_host *host = acceptor->host;
    int64_t limit = host->profile->numbers[KITH_OPTION_MAX_PEERS];
    if (host->accepted_count >= (uint64_t)limit) {
        if (!acceptor->full) {
            acceptor->full = true;
            kith_session_host_tell(host, KITH_EVENT_ACCEPT_FAILED, acceptor->place->text, -EUSERS, 1,
                                   "%s: a connection was closed: max-peers (%lld) is reached", acceptor->place->text, (long long)limit);
        }
        return -EUSERS;
    }
    acceptor->full = false;
    int r = kith_session_new_accepted(host, acceptor->place, listener, fd);
    if (r < 0)
        kith_session_host_tell(host, KITH_EVENT_ACCEPT_FAILED, acceptor->place->text, r, 1, "%s: a connection was closed: %s",
                               acceptor->place->text, kith_error_name(r));
    return r;
}

static void acceptor_on_error(kith_listener *listener, int error, void *userdata) {
    (void)listener;
    struct kith_acceptor *acceptor = userdata;
    kith_session_host_tell(acceptor->host, KITH_EVENT_ACCEPT_FAILED, acceptor->place->text, error, 0,
                           "%s: accepting a connection failed: %s%s", acceptor->place->text, kith_error_name(error),
                           error == -EMFILE ? " (raise RLIMIT_NOFILE)" : "");
}

static const struct kith_listener_ops acceptor_ops = {.accept = acceptor_on_accept, .error = acceptor_on_error};

static int acceptor_listen(struct kith_acceptor *acceptor, const struct kith_endpoint *endpoint, struct kith_error *ret_error) {
    const int64_t *numbers = acceptor->host->profile->numbers;
    struct kith_listener_options options = {
        .identity = endpoint->transport->identity && numbers[KITH_OPTION_IDENTITY] != 0,
        .backlog = (int)numbers[KITH_OPTION_BACKLOG],
        .mode = (int)numbers[KITH_OPTION_IPC_MODE],
    };
    int r = kith_listener_new(acceptor->host->loop, &endpoint->address, &options, &acceptor_ops, acceptor, &acceptor->listener, ret_error);
    if (r < 0)
        return r;
    struct kith_endpoint bound = *endpoint;
    r = kith_listener_address(acceptor->listener, &bound.address);
    if (r < 0)
        return kith_error_set(ret_error, r, "getsockname: %s", kith_error_name(r));
    r = kith_place_new(&bound, &acceptor->place);
    return r < 0 ? kith_error_set(ret_error, r, "out of memory") : 0;
}

static int acceptor_receive(struct kith_acceptor *acceptor, const struct kith_endpoint *endpoint, struct kith_error *ret_error) {
    struct kith_place *place;
    int r = kith_place_new(endpoint, &place);
    if (r < 0)
        return kith_error_set(ret_error, r, "out of memory");
    r = kith_session_new_bound(acceptor->host, place, &acceptor->session, ret_error);
    kith_place_unref(place);
    if (r >= 0)
        acceptor->place = kith_place_ref(acceptor->session->place);
    return r;
}

int kith_acceptor_new(struct kith_session_host *host, const struct kith_endpoint *endpoint, struct kith_acceptor **ret_acceptor,
                      struct kith_error *ret_error) {
    _cleanup_(kith_acceptor_freep) struct kith_acceptor *acceptor = calloc(1, sizeof(*acceptor));
    if (!acceptor)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    kith_list_init(&acceptor->link);
    acceptor->host = host;
    int r = (endpoint->transport->datagrams ? acceptor_receive : acceptor_listen)(acceptor, endpoint, ret_error);
    if (r < 0)
        return r;
    *ret_acceptor = KITH_STEAL(acceptor);
    return 0;
}

struct kith_acceptor *kith_acceptor_free(struct kith_acceptor *acceptor) {
    if (!acceptor)
        return NULL;
    kith_list_unlink(&acceptor->link);
    kith_listener_free(acceptor->listener);
    if (acceptor->session)
        kith_session_fail(acceptor->session, 0, "bound no more");
    kith_session_unref(acceptor->session);
    kith_place_unref(acceptor->place);
    free(acceptor);
    return NULL;
}
