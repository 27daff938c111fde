/* kith/event.h: what a message socket tells of its peers. */
#ifndef KITH_EVENT_H
#define KITH_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>
#include <kith/origin.h>
#include <kith/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

enum kith_event_type {
    KITH_EVENT_LISTENING, /* endpoint is bound; told inside kith_socket_bind() */
    KITH_EVENT_CONNECTED, /* handshake done */
    /* A peer whose handshake was done is gone; error says why: -ETIMEDOUT: silent, -ECONNABORTED: kicked. `count` messages to it had not
     * left yet: what becomes of them (they go to another peer, or are dropped) is the pattern's, and comes after this. */
    KITH_EVENT_DISCONNECTED,
    KITH_EVENT_HANDSHAKE_FAILED,      /* a connection ended before its handshake was done */
    KITH_EVENT_RETRY,                 /* connecting failed or was lost; next try in `count` ms */
    KITH_EVENT_REFUSED,               /* the peer refused us: its ERROR reason is in text */
    KITH_EVENT_DENIED_CONNECT,        /* policy denied a peer; text names the rule */
    KITH_EVENT_DENIED_SEND,           /* policy denied a message */
    KITH_EVENT_DUPLICATE_ID,          /* a peer claimed a routing id in use; text names both peers */
    KITH_EVENT_SPLIT_MESSAGE,         /* octets of two writers inside one message or handshake: the connection is closed */
    KITH_EVENT_DROPPED,               /* `count` messages to the peer, or of it, were dropped */
    KITH_EVENT_FDS_REFUSED,           /* at least `count` descriptors nobody asked for were closed */
    KITH_EVENT_ACCEPT_FAILED,         /* out of descriptors or memory, or more than max-peers */
    KITH_EVENT_UNBOUND,               /* kith_socket_unbind(): the endpoint is listened at no more */
    KITH_EVENT_GIVEN_UP,              /* an endpoint is not connected to any more: reconnect-stop */
    KITH_EVENT_PEER_REFUSED,          /* a pattern that has one peer has one already */
    KITH_EVENT_SUBSCRIPTIONS_REFUSED, /* a peer has more subscriptions than max-subscriptions */
    KITH_EVENT_AUTHENTICATION_FAILED, /* credentials were not accepted; text says by whom and why, never the credentials */
    KITH_EVENT_FDS_LOST,    /* a message of the peer was dropped: its `count` descriptors could not be received; text: the remedy */
    KITH_EVENT_HANDSHAKING, /* a connection is there, of either side's making: its handshake begins */
    /* PUB, XPUB, RADIO: from here on the peer is sent what `topic` matches. (xpub-manual: when the application subscribes for it.) */
    KITH_EVENT_SUBSCRIBED,
    KITH_EVENT_UNSUBSCRIBED, /* the same taken back; not told one by one of a peer that goes: DISCONNECTED says it */
    /* `count` messages wait for the peer, which is as many as may (send-hwm, send-hwm-bytes); told from the loop, and again only when half
     * of them were gone meanwhile. */
    KITH_EVENT_HIGH_WATER,
    KITH_EVENT_DENIED_SUBSCRIBE, /* policy denied a subscription, or took it back; `topic` says which */
    KITH_EVENT_DENIED_RECEIVE,   /* policy kept `count` messages from the peer; told from the loop, whenever their number has doubled */
    KITH_EVENT_COUNT_,
};

KITH_PUBLIC const char *kith_event_name(enum kith_event_type type);

struct kith_event {
    enum kith_event_type type;
    const char *endpoint; /* ours: bound or connected to */
    kith_origin *origin;  /* of the peer, or NULL */
    int error;            /* negative errno, or 0 */
    uint64_t count;
    /* The number of the peer's connection: no other connection of this socket has had it or will. 0: it is about no connection. */
    uint64_t peer;
    const void *topic; /* of a subscription: any octets; the group of a RADIO; else NULL. Lent. */
    size_t topic_size;
    enum kith_verb verb; /* what the policy denied; 0: it is about something else */
    const char *rule;    /* name of the rule that did; NULL: the policy's default, or verb is 0. Lent. */
    /* One line for a person, never NULL: names peer, what and remedy. Of CONNECTED and DISCONNECTED it names the peer's program and unit
     * only when they have been looked up before: kith_origin_format() of `origin` does. */
    const char *text;
};

#ifdef __cplusplus
}
#endif
#endif
