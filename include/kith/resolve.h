/*
 * kith/resolve.h: host names -> addresses, in the loop, without a thread and without waiting.
 *
 * As getaddrinfo(3) without the rest of nsswitch.conf(5): /etc/hosts first, then the name servers of resolv.conf(5) with its search list,
 * both read anew for each request; addresses of both families, in the order of RFC 6724. DNS names no one: an address that was found by a
 * name proves nothing about who has it.
 *
 * A request is an object of its loop: kith/loop.h says what that means after fork() and when the loop is freed first.
 */
#ifndef KITH_RESOLVE_H
#define KITH_RESOLVE_H

#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>
#include <kith/loop.h>
#include <kith/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Most addresses told of one name; more are left out. */
#define KITH_RESOLVE_ADDRESSES_MAX 64
/* Longest name, without its NUL: RFC 1035 has 253, and one dot more that says that it is whole. */
#define KITH_RESOLVE_NAME_MAX 254

typedef struct kith_resolve kith_resolve;

/* The outcome, from the loop and never inside kith_resolve_new(), once: the addresses with their port, lent for the call, the one to try
 * first in front, and error is NULL; or none, and why not: -ENXIO (no such name), -ENODATA (it has no address of that family), -ETIMEDOUT,
 * -EREMOTEIO (no name server took the question), -EBADMSG (an answer that makes no sense), -EINVAL (not a host name), -ENOMEM, those of
 * kith_io_new(), -EIO (anything else), with text. The request is over then and must still be freed. */
typedef void (*kith_resolve_fn)(kith_resolve *request, const struct kith_address *addresses, size_t count, const struct kith_error *error,
                                void *userdata);

struct kith_resolve_options {
    int family;          /* AF_INET or AF_INET6 alone; 0: both */
    uint64_t timeout_ms; /* for the whole request; 0: 30 s. Within it, resolv.conf(5) says how often which server is asked */
    const char *servers; /* name servers, "127.0.0.1:5353,[::1]:53"; NULL: those of resolv.conf(5) */
};

/* Begins to look up `name`, or a numeric address as kith_address_ip() takes it, which costs no question; options may be NULL. Strings are
 * copied. Reads three small files and takes a descriptor a question. Errors: -EINVAL (no name, a longer one than there are, a port above
 * 65535, another family, servers that are no list of addresses), -ENOMEM, -EMFILE, -ECHILD, -ESHUTDOWN. */
KITH_PUBLIC int kith_resolve_new(kith_loop *loop, const char *name, unsigned port, const struct kith_resolve_options *options,
                                 kith_resolve_fn fn, void *userdata, kith_resolve **ret_request);
/* Gives a request up: no callback follows. NULL is allowed. Always NULL. */
KITH_PUBLIC kith_resolve *kith_resolve_free(kith_resolve *request);

#ifdef __cplusplus
}
#endif
#endif
