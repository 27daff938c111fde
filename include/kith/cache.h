/*
 * kith/cache.h: the session cache: state that a server keeps for a client from one connection to the next.
 *
 * When a connection ends the server puts the client's state away under a key; when the client is back it takes it again. State that is
 * needed while no connection lasts (who has logged in, what is subscribed to) is looked at without taking it. What nobody comes for goes
 * when its time is up, or when there is no room.
 *
 *     kith_cache_key_routing_id(id, size, &key);
 *     kith_cache_put(cache, &key, origin, session, session_size, 0);           the connection ended
 *     ...
 *     if (kith_cache_take(cache, &key, origin, (void **)&session) < 0)         the client is back, or says so
 *         session = session_new();
 *
 * Whose session it is. A session belongs to the client that made it: its key, and the user (uid) of the origin it was put with. Others can
 * neither take, see, remove nor replace it; they may use the same key and have a session of their own there. In detail:
 *  - The uid counts when its witness is KITH_WITNESS_KEY or stronger. Whoever comes for the session must have that uid with a witness at
 *    least as strong as when it was put. So use origins of one kind for both, best that of a message: what SO_PEERCRED said of the
 *    connection (kernel-connect) does not get what a message's own credentials (kernel-message) put.
 *  - With the option `exe` the program counts in the same way: another program of that user is another client.
 *  - A network address identifies nobody, and a routing id is what the peer says of itself. So a client without a uid (TCP) can have a
 *    session only under a key that is itself proved: kith_cache_key_curve(), kith_cache_key_proven(). There, no uid is a match for no uid
 *    and nothing else: a client that comes by TCP once and by AF_UNIX the next time is two.
 *  - What is unknown never matches anything. uid 65534 is unknown: the kernel says it of all users that have no id in our user namespace.
 *
 * Room. Three bounds hold at any time: sessions, octets, sessions of one uid. When a new session breaks the last, its owner's least
 * recently used one goes. When it breaks one of the others, the owner that holds the most of it (of several, the one with the session
 * that was not used for longest) gives up its least recently used session, until the bound holds. All clients without a uid are one owner.
 * So with n owners, one that holds no more than an n-th part of a bound never loses a session to the others, whatever they do; and nobody
 * gains by making many. Sessions whose time is up go before any other.
 *
 * Cost: a few hash lookups a call, and O(log n) to keep the order; one timer a cache.
 *
 * A cache belongs to its loop's thread. `drop` may call any function of the cache, and free it. When the loop is gone the cache is inert:
 * everything but kith_cache_stats() and kith_cache_free() is -ESHUTDOWN. In a child process it is -ECHILD.
 */
#ifndef KITH_CACHE_H
#define KITH_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <kith/error.h>
#include <kith/loop.h>
#include <kith/origin.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kith_cache kith_cache;

/* Keys ------------------------------------------------------------------------------------------------------------- */

/* Keys of different kinds are different, whatever their octets. */
enum kith_cache_kind {
    KITH_CACHE_ORIGIN = 1, /* the user and the program */
    KITH_CACHE_ROUTING_ID, /* a name that the peer gave itself */
    KITH_CACHE_OCTETS,     /* the application's own, not proved */
    KITH_CACHE_CURVE,      /* a public key, proved in the CURVE handshake */
    KITH_CACHE_PROVEN,     /* the application's own, proved */
};

#define KITH_CACHE_ROUTING_ID_MAX 255
#define KITH_CACHE_CURVE_SIZE 32
/* Most octets of any other key; a path of PATH_MAX with its " (deleted)" is less. */
#define KITH_CACHE_KEY_MAX 4352

/* Made by the functions below, to be used at once: the octets are not copied. */
struct kith_cache_key {
    enum kith_cache_kind kind;
    enum kith_witness least; /* ORIGIN: the weakest witness that does */
    uid_t uid;               /* ORIGIN */
    const void *octets;      /* ORIGIN: exe */
    size_t size;
};

/* The client is whoever runs this program as this user: one session for both together. uid and exe must have a witness of at least `least`
 * (INFERRED or stronger; a uid KITH_WITNESS_KEY at least), now and with the origin that the key is used with, which must be the same
 * client. The key lives as long as the origin. Looks exe up. Errors: -ENODATA (uid or exe not known so well), -ENAMETOOLONG, -EINVAL. */
KITH_PUBLIC int kith_cache_key_origin(kith_origin *origin, enum kith_witness least, struct kith_cache_key *ret_key);
/* A routing id, 1 to 255 octets; any peer may claim any. Errors: -EINVAL, -ENAMETOOLONG. */
KITH_PUBLIC int kith_cache_key_routing_id(const void *octets, size_t size, struct kith_cache_key *ret_key);
/* Whatever else the peer calls itself by, 1 to KITH_CACHE_KEY_MAX octets. Errors: -EINVAL, -ENAMETOOLONG. */
KITH_PUBLIC int kith_cache_key_octets(const void *octets, size_t size, struct kith_cache_key *ret_key);
/* The peer's long-term public key (32 octets), from a CURVE handshake that is complete: that the peer holds the secret key is what proves
 * that it is the same client. Errors: -EINVAL. */
KITH_PUBLIC int kith_cache_key_curve(const void *octets, struct kith_cache_key *ret_key);
/* What the application itself has proved of the peer: the account that it logged in to, the secret token that it showed (128 random bits
 * or more), 1 to KITH_CACHE_KEY_MAX octets. Never what a peer merely says. Errors: -EINVAL, -ENAMETOOLONG. */
KITH_PUBLIC int kith_cache_key_proven(const void *octets, size_t size, struct kith_cache_key *ret_key);

/* The cache -------------------------------------------------------------------------------------------------------- */

enum kith_cache_reason {
    KITH_CACHE_EXPIRED,  /* its time was up */
    KITH_CACHE_EVICTED,  /* there was no room */
    KITH_CACHE_REPLACED, /* its client has put another under its key */
    KITH_CACHE_REMOVED,  /* kith_cache_remove(), kith_cache_walk() */
    KITH_CACHE_FREED,    /* kith_cache_free() */
};

/* The state is the callback's, to be freed. Not called for what was taken. It is called in the loop, or at the end of the call that caused
 * it, when the session is no longer in the cache. What it causes itself comes when it has returned, only kith_cache_free() does not wait.
 * With KITH_CACHE_FREED the cache can no longer be used (-ESHUTDOWN). A child process that frees the cache has it called too: what the
 * state holds beside memory is then still the parent's. */
typedef void (*kith_cache_drop_fn)(void *state, enum kith_cache_reason reason, void *userdata);

/* A time that is never up. */
#define KITH_CACHE_NEVER UINT64_MAX
/* What a session counts for in octets beside its state and its key: its place in memory. */
#define KITH_CACHE_SESSION_COST 320

struct kith_cache_options {
    size_t max_sessions;     /* 0: 65536 */
    size_t max_octets;       /* 0: 64 MiB */
    size_t max_uid_sessions; /* of one uid; 0: no bound of its own. Clients without a uid have none */
    uint64_t ttl_ms;         /* from put on; 0: one hour */
    bool renew;              /* kith_cache_get() begins the time of the session anew */
    /* NONE: the program does not matter; else the weakest witness with which it does (INFERRED or stronger). Before Linux 6.5 exe is
     * inferred, see kith/origin.h. Clients without a uid have no program either. */
    enum kith_witness exe;
};

/* `options` NULL: all defaults. Errors: -EINVAL (drop is NULL, exe is CLAIMED), -ENOMEM, -ECHILD, -ESHUTDOWN. */
KITH_PUBLIC int kith_cache_new(kith_loop *loop, const struct kith_cache_options *options, kith_cache_drop_fn drop, void *userdata,
                               kith_cache **ret_cache);
/* Drops all sessions. NULL is allowed. Always NULL. */
KITH_PUBLIC kith_cache *kith_cache_free(kith_cache *cache);

/* Puts `state` (not NULL) away for the client; the cache owns it when 0 is returned. A session that the client has under this key is
 * replaced. `size`: the octets that the state takes, as the caller reckons them. ttl_ms 0: the cache's. Errors, with which nothing is
 * replaced and the state stays the caller's: -ENODATA (the origin does not say well enough who the client is, for this key), -EACCES (the
 * client's session was put with a stronger witness), -E2BIG (more than max_octets), -EDQUOT (others would have to make room who hold less;
 * older sessions of this owner may have gone), -EINVAL, -ENAMETOOLONG (exe), -ENOMEM, -ECHILD, -ESHUTDOWN. */
KITH_PUBLIC int kith_cache_put(kith_cache *cache, const struct kith_cache_key *key, kith_origin *origin, void *state, size_t size,
                               uint64_t ttl_ms);
/* Gives the client its session, which leaves the cache: the state is the caller's. Errors: -ENOENT (there is none), -EACCES (there is one
 * under this key, but not this client's), -EINVAL, -ENAMETOOLONG (exe), -ECHILD, -ESHUTDOWN.
 * Tell the client the same in both cases, or it learns which names are in use: -EACCES is for the server's log. */
KITH_PUBLIC int kith_cache_take(kith_cache *cache, const struct kith_cache_key *key, kith_origin *origin, void **ret_state);
/* Looks at the client's session, which stays where it is; it counts as used now. The state is lent until it leaves the cache. Errors: those
 * of kith_cache_take(). */
KITH_PUBLIC int kith_cache_get(kith_cache *cache, const struct kith_cache_key *key, kith_origin *origin, void **ret_state);
/* Drops the client's session (a log-out). Errors: those of kith_cache_take(). */
KITH_PUBLIC int kith_cache_remove(kith_cache *cache, const struct kith_cache_key *key, kith_origin *origin);

/* A session, as the server itself sees it; valid inside the callback. */
struct kith_cache_session {
    struct kith_cache_key key; /* `least` is NONE */
    bool uid_known;
    uid_t uid;
    const char *exe;  /* with the option `exe` and of ORIGIN keys, else NULL */
    void *state;      /* the cache's */
    size_t size;      /* as put */
    uint64_t left_ms; /* until its time is up, or KITH_CACHE_NEVER */
};

enum kith_cache_step {
    KITH_CACHE_KEEP,   /* go on */
    KITH_CACHE_REMOVE, /* drop this session, go on */
    KITH_CACHE_STOP,
};

typedef enum kith_cache_step (*kith_cache_walk_fn)(const struct kith_cache_session *session, void *userdata);

/* Calls fn for every session, oldest first; it asks for no origin: it is the server's own view (to show them, to log a user out). fn may
 * call any function of the cache; what is new meanwhile is not walked over, and freeing the cache ends the walk. Returns how often fn was
 * called. * Errors: -EINVAL, -ECHILD, -ESHUTDOWN. */
KITH_PUBLIC int64_t kith_cache_walk(kith_cache *cache, kith_cache_walk_fn fn, void *userdata);

struct kith_cache_stats {
    size_t sessions, octets, owners; /* now; the octets as they count for max_octets */
    /* Since the cache was made: */
    uint64_t hits;    /* take, get and remove that were answered */
    uint64_t misses;  /* ... that found nothing */
    uint64_t refused; /* ... and put, that came to another client's session (-EACCES) or said too little for its key (-ENODATA) */
    uint64_t expired, evicted, replaced;
};

KITH_PUBLIC void kith_cache_stats(const kith_cache *cache, struct kith_cache_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
