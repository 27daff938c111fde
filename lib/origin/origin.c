/*
 * origin/origin.c: who sent a message: facts, each with its witness.
 *
 * A fact has one of two places. What came with the message, or was set by hand, is in the origin with its own witness. Everything else
 * belongs to the process, which is shared by all origins that name it, and is looked up there when somebody asks; its witness
 * is that of the process: kernel-connect when the pidfd is the kernel's word for this very sender, else inferred.
 *
 * A process that was found by its number alone may be a successor of the sender. Its real ids must at least be those that came with the
 * message, otherwise nothing of it is told: or a message of one user would be given the groups or the unit of another.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/refs.h"
#include "origin/claims.h"
#include "origin/namespace.h"
#include "origin/process.h"
#include "origin/tcp-peer.h"

/* overflowuid(5): what AF_UNIX says, with pid 0, of octets written before somebody asked for credentials. */
#define OVERFLOW_ID 65534

/* pid, uid and gid, which are all that most origins have: there is one or two a connection. */
#define ID_COUNT (KITH_FACT_GID + 1)
_Static_assert(KITH_FACT_PID < ID_COUNT && KITH_FACT_UID < ID_COUNT && ID_COUNT == 3, "the facts that are ids come first");

/* What else came with the message or was set by hand. */
struct details {
    union {
        uint64_t number;
        char *text; /* owned, of facts that is_text() */
    } facts[KITH_FACT_COUNT_ - ID_COUNT];
    gid_t *groups;
    size_t group_count;
};

struct kith_origin {
    struct kith_refs refs;
    uint8_t witness[KITH_FACT_COUNT_]; /* NONE: not here, ask the process */
    atomic_uchar fit;                  /* of a process that is not exact */
    uint32_t ids[ID_COUNT];
    struct details *details;              /* NULL until there are any */
    struct kith_process *process;         /* may be NULL */
    struct kith_tcp_peer *tcp_peer;       /* may be NULL; then there is no process */
    _Atomic(struct kith_claims *) claims; /* may be NULL */
};

enum { UNCHECKED, FITS, DIFFERS };

KITH_DEFINE_CLEANUP(kith_origin *, kith_origin_unref)
KITH_DEFINE_CLEANUP(struct kith_process *, kith_process_unref)
KITH_DEFINE_CLEANUP(struct kith_claims *, kith_claims_unref)

static bool is_text(enum kith_fact fact) {
    return fact == KITH_FACT_EXE || fact == KITH_FACT_UNIT || fact == KITH_FACT_CGROUP || fact == KITH_FACT_LABEL ||
           fact == KITH_FACT_ADDRESS || fact == KITH_FACT_DESTINATION || fact == KITH_FACT_INTERFACE || fact == KITH_FACT_KEY ||
           fact == KITH_FACT_MODULE || fact == KITH_FACT_CONTAINER || fact == KITH_FACT_SESSION || fact == KITH_FACT_USER;
}

int kith_origin_new(kith_origin **ret_origin) {
    kith_origin *origin = calloc(1, sizeof(*origin));

    if (!origin)
        return -ENOMEM;
    kith_refs_init(&origin->refs);
    *ret_origin = origin;
    return 0;
}

static void set_id(kith_origin *origin, enum kith_fact fact, uint32_t value, enum kith_witness witness) {
    origin->ids[fact] = value;
    origin->witness[fact] = (uint8_t)witness;
}

/* The place of a fact that is not an id, or NULL without memory. */
static struct details *details_of(kith_origin *origin) {
    if (!origin->details)
        origin->details = calloc(1, sizeof(*origin->details));
    return origin->details;
}

int kith_origin_new_credentials(const struct kith_credentials *credentials, enum kith_witness witness, struct kith_process *process,
                                kith_origin **ret_origin) {
    kith_origin *origin;
    int r = kith_origin_new(&origin);

    if (r < 0)
        return r;
    if (credentials->pid > 0)
        set_id(origin, KITH_FACT_PID, (uint32_t)credentials->pid, witness);
    bool known = kith_credentials_known(credentials);
    if (known && kith_uid_certain(credentials->uid))
        set_id(origin, KITH_FACT_UID, credentials->uid, witness);
    if (known && kith_gid_certain(credentials->gid))
        set_id(origin, KITH_FACT_GID, credentials->gid, witness);
    origin->process = kith_process_ref(process);
    *ret_origin = origin;
    return 0;
}

void kith_origin_share(kith_origin *origin) {
    kith_refs_share(&origin->refs);
    kith_process_share(origin->process);
    kith_tcp_peer_share(origin->tcp_peer);
    kith_claims_share(origin->claims);
}

void kith_origin_share_process(kith_origin *origin, struct kith_process *process) {
    if (kith_refs_is_shared(&origin->refs))
        kith_process_share(process);
    kith_process_ref(process);
    kith_process_unref(origin->process);
    origin->process = process;
}

bool kith_credentials_known(const struct kith_credentials *credentials) {
    return credentials->pid > 0 || credentials->uid != OVERFLOW_ID || credentials->gid != OVERFLOW_ID;
}

kith_origin *kith_origin_ref(kith_origin *origin) {
    if (origin)
        kith_refs_take(&origin->refs);
    return origin;
}

static void details_free(struct details *details) {
    if (!details)
        return;
    for (enum kith_fact fact = ID_COUNT; fact < KITH_FACT_COUNT_; fact++)
        if (is_text(fact))
            free(details->facts[fact - ID_COUNT].text);
    free(details->groups);
    free(details);
}

kith_origin *kith_origin_unref(kith_origin *origin) {
    if (!origin || !kith_refs_drop(&origin->refs))
        return NULL;
    details_free(origin->details);
    kith_process_unref(origin->process);
    kith_tcp_peer_unref(origin->tcp_peer);
    kith_claims_unref(origin->claims);
    free(origin);
    return NULL;
}

void kith_origin_set_tcp_peer(kith_origin *origin, struct kith_tcp_peer *peer) {
    origin->tcp_peer = peer;
}

bool kith_origin_is_tcp(const kith_origin *origin) {
    return origin && origin->tcp_peer;
}

/* What a fact of the process is worth. */
static enum kith_witness process_witness(const struct kith_process *process) {
    return kith_process_exact(process) ? KITH_WITNESS_KERNEL_CONNECT : KITH_WITNESS_INFERRED;
}

static bool has_real_ids(const kith_origin *origin, const struct kith_credentials *ids) {
    return origin->witness[KITH_FACT_UID] != KITH_WITNESS_NONE && origin->ids[KITH_FACT_UID] == ids->uid &&
           origin->witness[KITH_FACT_GID] != KITH_WITNESS_NONE && origin->ids[KITH_FACT_GID] == ids->gid;
}

/* May the facts of the process be told of this sender? Threads that ask at the same time find the same. */
static bool process_fits(kith_origin *origin) {
    struct kith_credentials credentials;
    int r, fit;

    if (kith_process_exact(origin->process))
        return true;
    fit = atomic_load_explicit(&origin->fit, memory_order_relaxed);
    if (fit == UNCHECKED) {
        r = kith_process_credentials(origin->process, &credentials);
        if (r == -ENOMEM || r == -EMFILE || r == -ENFILE) {
            kith_origin_note_unanswered();
            return false;
        }
        fit = r >= 0 && has_real_ids(origin, &credentials) ? FITS : DIFFERS;
        atomic_store_explicit(&origin->fit, (unsigned char)fit, memory_order_relaxed);
    }
    return fit == FITS;
}

/* The process whose facts are those of this sender, or NULL. One found by its socket needs no proof by ids. */
static struct kith_process *process_of(kith_origin *origin) {
    if (origin && origin->tcp_peer)
        return kith_tcp_peer_process(origin->tcp_peer, false);
    return origin && origin->process && process_fits(origin) ? origin->process : NULL;
}

/* Of what came with the message or was set by hand. */
static enum kith_witness witness_here(const kith_origin *origin, enum kith_fact fact) {
    return origin ? (enum kith_witness)origin->witness[fact] : KITH_WITNESS_NONE;
}

/* Of a fact that has a witness here. */
static uint64_t number_here(const kith_origin *origin, enum kith_fact fact) {
    return fact < ID_COUNT ? origin->ids[fact] : origin->details->facts[fact - ID_COUNT].number;
}

/* What is known of the connection, or by it: the witness of a fact that is not here. */
static enum kith_witness tcp_number(kith_origin *origin, enum kith_fact fact, bool at_hand, uint64_t *ret_number) {
    if (fact == KITH_FACT_PID) {
        struct kith_process *process = kith_tcp_peer_process(origin->tcp_peer, at_hand);

        if (!process)
            return KITH_WITNESS_NONE;
        *ret_number = (uint64_t)kith_process_pid(process);
        return KITH_WITNESS_INFERRED;
    }
    return kith_tcp_peer_number(origin->tcp_peer, fact, at_hand, ret_number) ? KITH_WITNESS_KERNEL_CONNECT : KITH_WITNESS_NONE;
}

/* START_TIME, PID_NAMESPACE and others that are looked up: of the process, when they are not here. */
static enum kith_witness process_number(kith_origin *origin, enum kith_fact fact, uint64_t *ret_number) {
    struct kith_process *process = process_of(origin);

    return process && kith_process_number(process, fact, ret_number) ? process_witness(process) : KITH_WITNESS_NONE;
}

static enum kith_witness number_of(kith_origin *origin, enum kith_fact fact, bool at_hand, uint64_t *ret_number) {
    enum kith_witness witness = witness_here(origin, fact);
    uint64_t number = 0;

    if (witness != KITH_WITNESS_NONE)
        number = number_here(origin, fact);
    else if (kith_process_has_number(fact))
        witness = at_hand ? KITH_WITNESS_NONE : process_number(origin, fact, &number);
    else if (origin && origin->tcp_peer)
        witness = tcp_number(origin, fact, at_hand, &number);
    if (ret_number && witness != KITH_WITNESS_NONE)
        *ret_number = number;
    return witness;
}

static bool is_number(enum kith_fact fact) {
    return (unsigned)fact < KITH_FACT_COUNT_ && fact != KITH_FACT_GROUPS && !is_text(fact);
}

enum kith_witness kith_origin_number(kith_origin *origin, enum kith_fact fact, uint64_t *ret_number) {
    return is_number(fact) ? number_of(origin, fact, false, ret_number) : KITH_WITNESS_NONE;
}

enum kith_witness kith_origin_number_at_hand(kith_origin *origin, enum kith_fact fact, uint64_t *ret_number) {
    return is_number(fact) ? number_of(origin, fact, true, ret_number) : KITH_WITNESS_NONE;
}

enum kith_witness kith_origin_pid(kith_origin *origin, pid_t *ret_pid) {
    uint64_t number;
    enum kith_witness witness = number_of(origin, KITH_FACT_PID, false, &number);

    if (ret_pid && witness != KITH_WITNESS_NONE)
        *ret_pid = (pid_t)number;
    return witness;
}

enum kith_witness kith_origin_uid(kith_origin *origin, uid_t *ret_uid) {
    uint64_t number;
    enum kith_witness witness = number_of(origin, KITH_FACT_UID, false, &number);

    if (ret_uid && witness != KITH_WITNESS_NONE)
        *ret_uid = (uid_t)number;
    return witness;
}

enum kith_witness kith_origin_gid(kith_origin *origin, gid_t *ret_gid) {
    uint64_t number;
    enum kith_witness witness = number_of(origin, KITH_FACT_GID, false, &number);

    if (ret_gid && witness != KITH_WITNESS_NONE)
        *ret_gid = (gid_t)number;
    return witness;
}

enum kith_witness kith_origin_start_time(kith_origin *origin, uint64_t *ret_ticks) {
    return number_of(origin, KITH_FACT_START_TIME, false, ret_ticks);
}

enum kith_witness kith_origin_groups(kith_origin *origin, const gid_t **ret_groups, size_t *ret_count) {
    enum kith_witness witness = witness_here(origin, KITH_FACT_GROUPS);
    const gid_t *groups;
    size_t count;

    if (witness != KITH_WITNESS_NONE) {
        groups = origin->details->groups;
        count = origin->details->group_count;
    } else {
        struct kith_process *process = process_of(origin);

        if (!process || !kith_process_groups(process, &groups, &count))
            return KITH_WITNESS_NONE;
        witness = process_witness(process);
    }
    if (ret_groups)
        *ret_groups = groups;
    if (ret_count)
        *ret_count = count;
    return witness;
}

enum kith_witness kith_origin_text(kith_origin *origin, enum kith_fact fact, const char **ret_text) {
    enum kith_witness witness;
    const char *text;

    if (!is_text(fact))
        return KITH_WITNESS_NONE;
    witness = witness_here(origin, fact);
    if (witness != KITH_WITNESS_NONE) {
        text = origin->details->facts[fact - ID_COUNT].text;
    } else if (fact == KITH_FACT_INTERFACE) {
        if (!origin || !origin->tcp_peer || !kith_tcp_peer_interface(origin->tcp_peer, &text))
            return KITH_WITNESS_NONE;
        witness = KITH_WITNESS_KERNEL_CONNECT;
    } else {
        struct kith_process *process = process_of(origin);

        if (!process || !kith_process_text(process, fact, &text))
            return KITH_WITNESS_NONE;
        witness = process_witness(process);
    }
    if (ret_text)
        *ret_text = text;
    return witness;
}

/* The process, when it needs no lookup to be told of. */
static struct kith_process *process_at_hand(kith_origin *origin) {
    if (origin && origin->tcp_peer)
        return kith_tcp_peer_process(origin->tcp_peer, true);
    if (!origin || !origin->process)
        return NULL;
    return kith_process_exact(origin->process) || atomic_load(&origin->fit) == FITS ? origin->process : NULL;
}

enum kith_witness kith_origin_text_at_hand(kith_origin *origin, enum kith_fact fact, const char **ret_text) {
    bool here = is_text(fact) && witness_here(origin, fact) != KITH_WITNESS_NONE;
    struct kith_process *process = process_at_hand(origin);

    return here || (process && kith_process_asked(process, fact)) ? kith_origin_text(origin, fact, ret_text) : KITH_WITNESS_NONE;
}

bool kith_origin_alive(kith_origin *origin) {
    struct kith_process *process = process_of(origin);

    return process && kith_process_pidfd(process) >= 0 && kith_process_alive(process, true);
}

bool kith_origin_execed(kith_origin *origin) {
    struct kith_process *process = process_at_hand(origin);

    return process && kith_process_execed(process);
}

/* If even a successor of the sender has ended, then so has he: this needs no proof that it is the same. */
bool kith_origin_ended(kith_origin *origin) {
    struct kith_process *process = origin && !origin->tcp_peer ? origin->process : process_at_hand(origin);

    return process && !kith_process_alive(process, true);
}

static bool is_witness(enum kith_witness witness) {
    return witness > KITH_WITNESS_NONE && witness <= KITH_WITNESS_KERNEL_MESSAGE;
}

/* Can the number be one of this fact? */
static bool number_possible(enum kith_fact fact, uint64_t value) {
    switch (fact) {
    case KITH_FACT_PID:
    case KITH_FACT_THREAD:
    case KITH_FACT_CONNECTOR:
        return value > 0 && value <= INT_MAX;
    case KITH_FACT_UID:
    case KITH_FACT_GID:
    case KITH_FACT_CID:
        return value <= UINT32_MAX;
    case KITH_FACT_TTL:
    case KITH_FACT_TOS:
        return value <= UINT8_MAX;
    case KITH_FACT_MAY_FORGE:
        return value <= 1;
    case KITH_FACT_START_TIME:
    case KITH_FACT_TIME:
    case KITH_FACT_PID_NAMESPACE:
    case KITH_FACT_USER_NAMESPACE:
        return true;
    default:
        return false;
    }
}

int kith_origin_set_number(kith_origin *origin, enum kith_fact fact, uint64_t value, enum kith_witness witness) {
    if (!origin || !is_witness(witness) || !number_possible(fact, value))
        return -EINVAL;
    if (fact < ID_COUNT) {
        set_id(origin, fact, (uint32_t)value, witness);
        return 0;
    }
    struct details *details = details_of(origin);
    if (!details)
        return -ENOMEM;
    details->facts[fact - ID_COUNT].number = value;
    origin->witness[fact] = (uint8_t)witness;
    return 0;
}

int kith_origin_set_groups(kith_origin *origin, const gid_t *groups, size_t count, enum kith_witness witness) {
    gid_t *copy = NULL;

    if (!origin || !is_witness(witness) || (count > 0 && !groups))
        return -EINVAL;
    struct details *details = details_of(origin);
    if (!details)
        return -ENOMEM;
    if (count > 0) {
        copy = calloc(count, sizeof(*copy));
        if (!copy)
            return -ENOMEM;
        memcpy(copy, groups, count * sizeof(*copy));
    }
    free(details->groups);
    details->groups = copy;
    details->group_count = count;
    origin->witness[KITH_FACT_GROUPS] = (uint8_t)witness;
    return 0;
}

int kith_origin_set_text(kith_origin *origin, enum kith_fact fact, const char *text, enum kith_witness witness) {
    char *copy;

    if (!origin || !is_text(fact) || !is_witness(witness) || !text)
        return -EINVAL;
    struct details *details = details_of(origin);
    copy = details ? strdup(text) : NULL;
    if (!copy)
        return -ENOMEM;
    free(details->facts[fact - ID_COUNT].text);
    details->facts[fact - ID_COUNT].text = copy;
    origin->witness[fact] = (uint8_t)witness;
    return 0;
}

static struct kith_claims *claims_of(kith_origin *origin) {
    return atomic_load_explicit(&origin->claims, memory_order_acquire);
}

void kith_origin_set_claims(kith_origin *origin, struct kith_claims *claims) {
    struct kith_claims *before = claims_of(origin);

    if (kith_refs_is_shared(&origin->refs))
        kith_claims_share(claims);
    kith_claims_ref(claims);
    atomic_store_explicit(&origin->claims, claims, memory_order_release);
    kith_claims_unref(before);
}

/* A list of its own, so that what is added to one origin is not said of the connection's others. */
static int own_claims(kith_origin *origin) {
    _cleanup_(kith_claims_unrefp) struct kith_claims *own = NULL;
    const char *name;
    const uint8_t *value;
    size_t size;
    int r;

    if (claims_of(origin) && !kith_claims_shared(claims_of(origin)))
        return 0;
    r = kith_claims_new(&own);
    for (size_t i = 0; r >= 0 && kith_claims_get(claims_of(origin), i, &name, &value, &size); i++)
        r = kith_claims_add(own, name, value, size);
    if (r < 0)
        return r;
    kith_origin_set_claims(origin, own);
    return 0;
}

int kith_origin_add_claim(kith_origin *origin, const char *name, const void *value, size_t size) {
    int r;

    if (!origin || !name || (size > 0 && !value))
        return -EINVAL;
    r = own_claims(origin);
    return r < 0 ? r : kith_claims_add(claims_of(origin), name, value, size);
}

int kith_origin_claim(kith_origin *origin, size_t index, const char **ret_name, const uint8_t **ret_value, size_t *ret_size) {
    return kith_claims_get(origin ? claims_of(origin) : NULL, index, ret_name, ret_value, ret_size);
}

/* Says why there is no pidfd. */
static int explain_open(pid_t pid, int r, struct kith_error *ret_error) {
    switch (r) {
    case -ESRCH:
        return kith_error_set(ret_error, -ESRCH, "pid %d: no such process", pid);
    case -EINVAL: /* older kernels, pidfd_open(2) */
    case -ENOENT: /* 6.18 */
        return kith_error_set(ret_error, -ESRCH, "pid %d: a thread, not a process: take the number after Tgid in /proc/%d/status", pid,
                              pid);
    case -EMFILE:
    case -ENFILE:
        return kith_error_set(ret_error, r, "pid %d: no descriptor left to hold it: raise the limit (ulimit -n)", pid);
    default:
        return kith_error_set(ret_error, r, "pid %d: %s", pid, kith_error_name(r));
    }
}

static int explain_credentials(pid_t pid, int r, struct kith_error *ret_error) {
    switch (r) {
    case -ESRCH:
        return kith_error_set(ret_error, -ESRCH, "pid %d: the process has ended", pid);
    case -ENOENT:
    case -ENODATA:
    case -EACCES:
    case -EPERM:
        return kith_error_set(ret_error, -EPERM, "pid %d: /proc does not show it: is /proc mounted, and without hidepid?", pid);
    default:
        return kith_error_set(ret_error, r, "pid %d: %s", pid, kith_error_name(r));
    }
}

int kith_origin_of_pid_from(const struct kith_process_source *source, pid_t pid, kith_origin **ret_origin, struct kith_error *ret_error) {
    _cleanup_(kith_process_unrefp) struct kith_process *process = NULL;
    _cleanup_(kith_closep) int pidfd = -1;
    struct kith_credentials credentials;
    int r;

    if (pid < 1)
        return kith_error_set(ret_error, -EINVAL, "pid %d: the number of a process is 1 or more", pid);
    pidfd = r = source->open_pidfd(source, pid);
    if (r < 0)
        return explain_open(pid, r, ret_error);

    /* Exact: whoever has the pid now is the one that was asked for. */
    r = kith_process_new_from(source, pid, pidfd, true, &process);
    if (r < 0)
        return kith_error_set(ret_error, r, "pid %d: %s", pid, kith_error_name(r));
    pidfd = -1;
    r = kith_process_credentials(process, &credentials);
    if (r < 0)
        return explain_credentials(pid, r, ret_error);
    return kith_origin_new_credentials(&credentials, KITH_WITNESS_KERNEL_CONNECT, process, ret_origin);
}

int kith_origin_of_pid(pid_t pid, kith_origin **ret_origin, struct kith_error *ret_error) {
    return kith_origin_of_pid_from(&kith_process_source_kernel, pid, ret_origin, ret_error);
}

int kith_origin_of_credentials(pid_t pid, uid_t uid, gid_t gid, int pidfd, enum kith_witness witness, kith_origin **ret_origin) {
    const struct kith_credentials credentials = {.pid = pid, .uid = uid, .gid = gid};
    _cleanup_(kith_process_unrefp) struct kith_process *process = NULL;
    kith_origin *origin;

    if (pid < 0 || !ret_origin || (witness != KITH_WITNESS_KERNEL_CONNECT && witness != KITH_WITNESS_KERNEL_MESSAGE))
        return -EINVAL;
    /* The origin first: whoever fails has not taken the descriptor. */
    int r = kith_origin_new_credentials(&credentials, witness, NULL, &origin);
    if (r < 0)
        return r;
    if (pid > 0)
        r = kith_process_new(pid, pidfd, pidfd >= 0, &process);
    else
        kith_close(pidfd);
    if (r < 0) {
        kith_origin_unref(origin);
        return r;
    }
    if (process)
        kith_origin_share_process(origin, process);
    *ret_origin = origin;
    return 0;
}
