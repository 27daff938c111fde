/*
 * A request for the addresses of a name. See kith/resolve.h for the contract and channel.h for how c-ares is driven.
 *
 * Life: asking -> known -> over. `known`: the outcome is recorded, by c-ares within some call into it, by the deadline, or at once for a
 * number; conclude() tells it when nothing of c-ares is on the stack. Over: no channel and no armed timer; only the memory is left.
 *
 * Invariant: while asking, the timer is armed for whichever comes first, c-ares' next timeout or the deadline.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <kith/resolve.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/time.h"
#include "loop/internal.h"
#include "resolve/channel.h"

/* Longer than resolv.conf(5) has two servers asked twice. */
#define TIMEOUT_DEFAULT_MS ((uint64_t)30 * 1000)
/* A day: its nanoseconds are far from overflow, and nobody waits so long. */
#define TIMEOUT_MAX_MS ((uint64_t)86400 * 1000)

struct kith_resolve {
    struct kith_channel channel;
    kith_timer *timer;
    uint64_t deadline; /* ns */
    kith_resolve_fn fn;
    void *userdata;
    unsigned port;
    bool known;
    struct kith_address *addresses;
    size_t count;
    struct kith_error error; /* code 0: there are addresses */
    char name[];
};

KITH_DEFINE_CLEANUP(kith_resolve *, kith_resolve_free)

/* The outcome ------------------------------------------------------------------------------------------------------------- */

static const struct {
    int status, code;
    const char *text;
} failures[] = {
    {ARES_ENOTFOUND, -ENXIO, "there is no host of this name; getent ahosts shows what this system makes of it"},
    {ARES_ENODATA, -ENODATA, "this name has no address of the family that is asked for"},
    {ARES_ETIMEOUT, -ETIMEDOUT, "no name server answered in time; resolv.conf(5) says which are asked"},
    /* So c-ares says too when servers failed or refused, and there is no other one to ask. */
    {ARES_ECONNREFUSED, -EREMOTEIO,
     "no name server took the question: none is reached, or those that are refuse or fail; see resolv.conf(5)"},
    {ARES_EFORMERR, -EREMOTEIO, "the name server does not understand the question; ask another one"},
    {ARES_EBADRESP, -EBADMSG, "the name server's answer makes no sense; ask another one"},
    {ARES_EBADNAME, -EINVAL, "this is not a host name"},
    {ARES_ENOMEM, -ENOMEM, "out of memory"},
};

static void set_failure(kith_resolve *request, int code, const char *text) {
    if (request->known)
        return;
    request->known = true;
    (void)kith_error_set(&request->error, code, "%s: %s", request->name, text);
}

static void set_status(kith_resolve *request, int status) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(failures); i++)
        if (failures[i].status == status)
            set_failure(request, failures[i].code, failures[i].text);
    set_failure(request, -EIO, ares_strerror(status)); /* the first counts */
}

static void set_port(struct kith_address *address, unsigned port) {
    if (address->storage.ss_family == AF_INET)
        ((struct sockaddr_in *)&address->storage)->sin_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in6 *)&address->storage)->sin6_port = htons((uint16_t)port);
}

static void keep_addresses(kith_resolve *request, const struct ares_addrinfo *found) {
    size_t count = 0;
    for (const struct ares_addrinfo_node *node = found->nodes; node && count < KITH_RESOLVE_ADDRESSES_MAX; node = node->ai_next)
        count++;
    if (count == 0) {
        set_status(request, ARES_ENODATA);
        return;
    }
    request->addresses = calloc(count, sizeof(*request->addresses));
    if (!request->addresses) {
        set_status(request, ARES_ENOMEM);
        return;
    }
    const struct ares_addrinfo_node *node = found->nodes;
    for (size_t i = 0; i < count; i++, node = node->ai_next) {
        struct kith_address *address = &request->addresses[i];
        memcpy(&address->storage, node->ai_addr, node->ai_addrlen);
        address->size = node->ai_addrlen;
        set_port(address, request->port);
    }
    request->count = count;
    request->known = true;
}

static void on_answer(void *userdata, int status, int timeouts, struct ares_addrinfo *found) {
    (void)timeouts;
    kith_resolve *request = userdata;
    if (!request->known && status == ARES_SUCCESS)
        keep_addresses(request, found);
    else if (!request->known)
        set_status(request, status);
    if (found)
        ares_freeaddrinfo(found);
}

/* Its life ------------------------------------------------------------------------------------------------------------- */

static void end(kith_resolve *request) {
    request->known = true; /* whom c-ares tells that its question was cancelled */
    kith_channel_close(&request->channel);
    if (request->timer)
        kith_timer_disarm(request->timer);
}

/* The callback may free the request and the loop: nothing of either is touched after it. */
static void tell(kith_resolve *request) {
    end(request);
    struct kith_address *addresses = KITH_STEAL(request->addresses);
    const struct kith_error error = request->error;
    request->fn(request, addresses, request->count, error.code < 0 ? &error : NULL, request->userdata);
    free(addresses);
}

/* c-ares has returned: tells the outcome, or waits on. */
static void conclude(kith_resolve *request) {
    if (request->channel.failure < 0)
        set_failure(request, request->channel.failure, kith_error_name(request->channel.failure));
    uint64_t now = kith_time_now();
    if (!request->known && now >= request->deadline)
        set_status(request, ARES_ETIMEOUT);
    if (request->known) {
        tell(request);
        return;
    }
    uint64_t left_ms = (request->deadline - now + KITH_NS_PER_MS - 1) / KITH_NS_PER_MS;
    (void)kith_timer_arm(request->timer, kith_channel_timeout(&request->channel, left_ms), 0);
}

static void on_progress(struct kith_channel *channel) {
    conclude(KITH_CONTAINER_OF(channel, kith_resolve, channel));
}

static void on_timer(kith_timer *timer, void *userdata) {
    (void)timer;
    kith_resolve *request = userdata;
    if (!request->known)
        kith_channel_timed_out(&request->channel);
    conclude(request);
}

/* A number asks nobody. False: it is none. */
static bool take_number(kith_resolve *request, int family) {
    struct kith_address address;
    if (strcmp(request->name, "*") == 0 || kith_address_ip(request->name, request->port, &address) < 0)
        return false;
    if (family != AF_UNSPEC && family != address.storage.ss_family) {
        set_status(request, ARES_ENODATA);
        return true;
    }
    request->addresses = malloc(sizeof(address));
    if (!request->addresses) {
        set_status(request, ARES_ENOMEM);
        return true;
    }
    *request->addresses = address;
    request->count = 1;
    request->known = true;
    return true;
}

static int ask(kith_resolve *request, const struct kith_resolve_options *options) {
    const struct ares_addrinfo_hints hints = {.ai_family = options->family, .ai_socktype = SOCK_STREAM};
    int r = kith_channel_open(&request->channel, options->servers);
    if (r < 0)
        return r;
    ares_getaddrinfo(request->channel.ares, request->name, NULL, &hints, on_answer, request);
    return 0;
}

static const struct kith_resolve_options no_options = {0};

static bool options_valid(const struct kith_resolve_options *options) {
    return options->timeout_ms <= TIMEOUT_MAX_MS &&
           (options->family == AF_UNSPEC || options->family == AF_INET || options->family == AF_INET6);
}

int kith_resolve_new(kith_loop *loop, const char *name, unsigned port, const struct kith_resolve_options *options, kith_resolve_fn fn,
                     void *userdata, kith_resolve **ret_request) {
    if (!options)
        options = &no_options;
    if (!loop || !name || name[0] == '\0' || port > UINT16_MAX || !fn || !ret_request || !options_valid(options))
        return -EINVAL;
    size_t size = strnlen(name, KITH_RESOLVE_NAME_MAX + 1);
    if (size > KITH_RESOLVE_NAME_MAX)
        return -EINVAL;

    _cleanup_(kith_resolve_freep) kith_resolve *request = calloc(1, sizeof(*request) + size + 1);
    if (!request)
        return -ENOMEM;
    memcpy(request->name, name, size);
    kith_channel_init(&request->channel, loop, on_progress);
    request->port = port;
    request->fn = fn;
    request->userdata = userdata;
    uint64_t timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_DEFAULT_MS;
    request->deadline = kith_time_now() + timeout_ms * KITH_NS_PER_MS;
    int r = kith_timer_new(loop, on_timer, request, &request->timer);
    if (r >= 0 && !take_number(request, options->family))
        r = ask(request, options);
    if (r < 0)
        return r;
    /* What is known already is told from the loop. */
    bool known = request->known || request->channel.failure < 0;
    (void)kith_timer_arm(request->timer, known ? 0 : kith_channel_timeout(&request->channel, timeout_ms), 0);
    *ret_request = KITH_STEAL(request);
    return 0;
}

kith_resolve *kith_resolve_free(kith_resolve *request) {
    if (!request)
        return NULL;
    end(request);
    kith_timer_free(request->timer);
    free(request->addresses);
    free(request);
    return NULL;
}
