/*
 * kith/origin.h: who sent a message, and who says so.
 *
 * An origin is a set of facts, each with its witness. A fact is never reported with a stronger witness than it has, and
 * a fact that is not known is said to be unknown (KITH_WITNESS_NONE), never guessed. What a peer says about itself is kept
 * apart (kith_origin_claim()) and never mixed with what the kernel says.
 *
 * pid, uid and gid come with each message. exe, unit, cgroup, groups, label and start time are looked up when somebody
 * asks, once a process, and cached under a pidfd: while it is alive the pid cannot have been recycled. They describe
 * the process when it was looked at: a process may exec after it sent, and what is cached does not change when it does
 * (kith_origin_execed()). uid and gid are
 * the real ones, as SCM_CREDENTIALS carries them; one that has no mapping in our user namespace, which the kernel shows as nobody's
 * (65534), is unknown, and so is nobody's own where not every id has a mapping: it cannot be told from the others.
 *
 * Origins are refcounted and belong to their loop's thread; those that come from a loop with a thread of its own (kith_loop_thread()) may
 * be asked, kept and let go of in any thread at once, but not changed. Where one is only read, NULL stands for a sender of whom nothing is
 * known.
 */
#ifndef KITH_ORIGIN_H
#define KITH_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <kith/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kith_origin kith_origin;

/* Weakest first, so that they compare. */
enum kith_witness {
    KITH_WITNESS_NONE = 0,       /* the fact is unknown */
    KITH_WITNESS_CLAIMED,        /* the peer said so */
    KITH_WITNESS_INFERRED,       /* matched in /proc without proof that it is the same process */
    KITH_WITNESS_KEY,            /* proved by a key (CURVE) */
    KITH_WITNESS_KERNEL_CONNECT, /* the kernel, once: of who made the connection, or of a sender when first seen on it */
    KITH_WITNESS_KERNEL_MESSAGE, /* the kernel, for this very message */
};

/* "unknown", "claimed", "inferred", "key", "kernel-connect", "kernel-message". */
KITH_PUBLIC const char *kith_witness_name(enum kith_witness witness);
/* Returns -EINVAL for an unknown name. */
KITH_PUBLIC int kith_witness_parse(const char *name, enum kith_witness *ret_witness);

enum kith_fact {
    KITH_FACT_PID,
    KITH_FACT_UID,
    KITH_FACT_GID,
    KITH_FACT_GROUPS,     /* supplementary groups */
    KITH_FACT_EXE,        /* path of the program, as /proc/PID/exe; " (deleted)" is kept; see below */
    KITH_FACT_UNIT,       /* systemd unit, from the cgroup path: see below */
    KITH_FACT_CGROUP,     /* cgroup path, "/system.slice/foo.service" */
    KITH_FACT_LABEL,      /* security label (LSM) */
    KITH_FACT_START_TIME, /* clock ticks since boot, proc_pid_stat(5) field 22 */
    KITH_FACT_ADDRESS,    /* "127.0.0.1:4711", "[::1]:4711": of the sender */
    KITH_FACT_CID,        /* vsock(7): the context id of its machine: 2 for the host, 1 for this one, a guest's own */
    /* of a datagram; INTERFACE, TTL and TOS also of an accepted TCP connection, as its first segment had them: */
    KITH_FACT_DESTINATION,    /* "239.1.1.1:5555": where it was sent to */
    KITH_FACT_INTERFACE,      /* "eth0": where it came in */
    KITH_FACT_TTL,            /* hops it had left, 0 to 255 */
    KITH_FACT_TOS,            /* type of service or traffic class, 0 to 255 */
    KITH_FACT_TIME,           /* of receipt, nanoseconds of CLOCK_REALTIME */
    KITH_FACT_KEY,            /* public key in Z85 (kith/curve.h): the peer proved that it has the secret one; never stronger than KEY */
    KITH_FACT_MODULE,         /* of the kernel, that sent the message */
    KITH_FACT_CONTAINER,      /* id or name of the container, from the cgroup path: see below */
    KITH_FACT_SESSION,        /* logind's session, "3", from the cgroup path; loginctl(1) */
    KITH_FACT_USER,           /* name in PLAIN or as a ZAP handler gave it: proved by a password or a handler; never stronger than KEY */
    KITH_FACT_THREAD,         /* inproc: id of the thread that the sender's loop runs in, gettid(2) */
    KITH_FACT_PID_NAMESPACE,  /* its inode, as in /proc/PID/ns/pid; namespaces(7) */
    KITH_FACT_USER_NAMESPACE, /* its inode, as in /proc/PID/ns/user */
    KITH_FACT_MAY_FORGE,      /* 1: it may state another pid, uid or gid than its own, see below; 0: it may not */
    KITH_FACT_CONNECTOR,      /* pid of who made the connection, when that is another process than who wrote */
    KITH_FACT_COUNT_,
};

/*
 * Of a TCP peer whose socket is in our network namespace the uid, of who made that socket, is the kernel's word (kernel-connect). Which
 * process has it is looked for in /proc, among those of that user: pid, exe and what else is looked up of it are inferred, and unknown when
 * several have it or a look at 16384 descriptors did not do; the gid is unknown. Both are asked for when somebody asks, and unknown when
 * the connection is over by then: its addresses may be another's.
 *
 * exe is the path in the mounts of that process, and every user may have mounts of his own (unshare(1) -rm). It is told when it cannot
 * mislead: the process has our mounts, or the path names its very file here too, or it names nothing that is to be seen here and only root
 * could make those mounts. Else it is unknown. It says which program, not whose: whoever may execute or trace a program of his can
 * have it speak for him, and one that exec()s after it wrote is taken for the other. So ask for the user as well.
 *
 * The unit is the service, scope, socket, mount or swap unit that the system's manager put the process in: the first component of the
 * cgroup path below the slices at the root ("/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service": user@1000.service),
 * escapes
 * (\x2d) kept. What a user's own manager or a service with a delegated cgroup names below its own is only in the cgroup path: anybody may
 * call something sshd.service there.
 *
 * Container and session are told by the same rule: the outermost container as a runtime of root's named its cgroup (docker, podman, CRI-O
 * and containerd: the id of 64 digits; LXC: the name; systemd-nspawn and other machines: the name as in machine-NAME.scope, escapes kept),
 * and the scope session-N.scope that logind made in the slice of a user (not the audit session, /proc/PID/sessionid: that is of the login,
 * and an id without a session to look up). A container of a user's own is in his cgroup path only.
 *
 * A process that has CAP_SYS_ADMIN, CAP_SETUID or CAP_SETGID over what it names (unix(7), SCM_CREDENTIALS) can put any pid, uid or gid into
 * its messages, and the kernel vouches for them. may_forge is 1 when the process that is named, or can be looked at, has one of them
 * permitted in a user namespace where that lets it name another. Who forges is not seen: a forged message names its victim.
 * docs/threat-model.md says what to make of that.
 */

/* "pid", "uid", "start_time", ... as in the JSON form and in policies. */
KITH_PUBLIC const char *kith_fact_name(enum kith_fact fact);

KITH_PUBLIC kith_origin *kith_origin_ref(kith_origin *origin);
KITH_PUBLIC kith_origin *kith_origin_unref(kith_origin *origin);

/* Accessors. Each returns the witness and sets its output, or returns KITH_WITNESS_NONE and leaves it untouched. Outputs may be
 * NULL. Strings and arrays live as long as the origin. They may read /proc the first time (at most once a process and fact, unless memory
 * or descriptors ran out). A process that ended before it was looked at leaves its facts unknown. */
KITH_PUBLIC enum kith_witness kith_origin_pid(kith_origin *origin, pid_t *ret_pid);
KITH_PUBLIC enum kith_witness kith_origin_uid(kith_origin *origin, uid_t *ret_uid);
KITH_PUBLIC enum kith_witness kith_origin_gid(kith_origin *origin, gid_t *ret_gid);
KITH_PUBLIC enum kith_witness kith_origin_groups(kith_origin *origin, const gid_t **ret_groups, size_t *ret_count);
KITH_PUBLIC enum kith_witness kith_origin_start_time(kith_origin *origin, uint64_t *ret_ticks);
/* TTL, TOS, TIME, CID, THREAD, PID_NAMESPACE, USER_NAMESPACE, MAY_FORGE, CONNECTOR, and the numbers above; KITH_WITNESS_NONE for other
 * facts. */
KITH_PUBLIC enum kith_witness kith_origin_number(kith_origin *origin, enum kith_fact fact, uint64_t *ret_number);
/* EXE, UNIT, CGROUP, LABEL, ADDRESS, DESTINATION, INTERFACE, KEY, MODULE, CONTAINER, SESSION, USER; KITH_WITNESS_NONE for other facts. */
KITH_PUBLIC enum kith_witness kith_origin_text(kith_origin *origin, enum kith_fact fact, const char **ret_text);
/* False as soon as it is known that the sending process has ended (or when its pidfd was never had). */
KITH_PUBLIC bool kith_origin_alive(kith_origin *origin);
/* True when the sending process is known to have ended: not the opposite of the above, as of many senders neither is known. */
KITH_PUBLIC bool kith_origin_ended(kith_origin *origin);
/* True when the process has exec()ed since exe, label or may_forge was first looked up, so that these may be of the program before; false
 * also when that cannot be seen. An exec between sending and the first look leaves no trace. Messages that come after it was noticed
 * (option exec-check) have an origin of their own, whose facts are looked up anew. Two system calls, unless none of these was looked up. */
KITH_PUBLIC bool kith_origin_execed(kith_origin *origin);

/* What the peer claims of itself (its ZMTP metadata), in the order received. Returns 1, or 0 beyond the last. The value may
 * hold any octets. */
KITH_PUBLIC int kith_origin_claim(kith_origin *origin, size_t index, const char **ret_name, const uint8_t **ret_value, size_t *ret_size);

/* Makes an origin by hand: for tests of policies, and for senders that kith did not receive from. Set a fact with the
 * witness it deserves. Lists are copied. A fact set by hand goes before one that would be looked up. Errors: -ENOMEM, -EINVAL (a fact of
 * another kind, KITH_WITNESS_NONE, a number that cannot be). */
KITH_PUBLIC int kith_origin_new(kith_origin **ret_origin);
KITH_PUBLIC int kith_origin_set_number(kith_origin *origin, enum kith_fact fact, uint64_t value, enum kith_witness witness);
KITH_PUBLIC int kith_origin_set_groups(kith_origin *origin, const gid_t *groups, size_t count, enum kith_witness witness);
KITH_PUBLIC int kith_origin_set_text(kith_origin *origin, enum kith_fact fact, const char *text, enum kith_witness witness);
/* At most 64 claims, names of at most 255 octets. Errors: -ENOMEM, -E2BIG. */
KITH_PUBLIC int kith_origin_add_claim(kith_origin *origin, const char *name, const void *value, size_t size);

/* The origin that a message from process `pid` would have. All witnesses are kernel-connect: the kernel was asked once, now, about whoever
 * has the pid, and a pidfd held from before the first answer until after it proves that all are about one process. There
 * was no message, so kernel-message it cannot be. Errors: -EINVAL (below 1), -ESRCH (no such process, or a thread of one), -EPERM (/proc
 * does not show it; only before Linux 6.13), -EMFILE, -ENFILE, -ENOMEM. */
KITH_PUBLIC int kith_origin_of_pid(pid_t pid, kith_origin **ret_origin, struct kith_error *ret_error);

/* The origin of a process that the kernel named on a socket: of who made a connection (kith_conn_peer(), witness KERNEL_CONNECT), of who
 * wrote a batch (struct kith_sender, witness KERNEL_MESSAGE). pidfd is of that very process, or -1; it is taken when 0 is returned. What is
 * looked up later has the witness KERNEL_CONNECT with it, without it INFERRED, of whoever has the pid then and the same ids. A pid of 0,
 * and nobody's ids with it, stay unknown. Errors: -EINVAL (another witness, a negative pid), -ENOMEM. */
KITH_PUBLIC int kith_origin_of_credentials(pid_t pid, uid_t uid, gid_t gid, int pidfd, enum kith_witness witness, kith_origin **ret_origin);

/* The one JSON form: {"pid":812,"uid":1000,...,"witness":{"pid":"kernel-message",...},"claimed":{"User-Id":"root"}}: unknown facts are
 * absent; "ended":true and "execed":true say so; claims that are not UTF-8 are base64 under "claimed_b64"; of claims with one name the
 * first. Facts may hold any octets (a path does): each that is not UTF-8 becomes U+FFFD, so compare the fact, not its JSON form. Returns
 * the length as snprintf(3) does: the text is whole when it is < size. Looks up everything that can be known. */
KITH_PUBLIC int kith_origin_to_json(kith_origin *origin, char *text, size_t size);
/* One line for a person, without the process of a TCP peer unless somebody asked for it before: "pid 812 uid 1000 gid 1000 exe /usr/bin/foo
 * unit foo.service", "address [::1]:4711 interface eth0", "unknown". Control characters and what is not UTF-8 become \xHH. As snprintf(3).
 */
KITH_PUBLIC int kith_origin_format(kith_origin *origin, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
