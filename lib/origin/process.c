/*
 * origin/process.c: one process and what is known of it.
 *
 * The pidfd is the guard. A pid can be given to another process only after this one was reaped, and then the pidfd says that it has ended.
 * So whatever was read from /proc/PID is of this process if the pidfd says "alive" afterwards: every lookup ends with that question, and
 * its result is thrown away when the answer is no. The question before it only saves the reading.
 *
 * Invariants: a fact is known only if it was read under the guard; without a pidfd nothing is ever looked up; `dead` never goes back. A
 * lookup is made once, whatever its result, unless this process itself was out of memory or descriptors: that says nothing
 * about the other, and to remember it would deny a good client for ever.
 *
 * What exec() changes (program, label, capabilities) is not looked up again here: what was told stays what it was told with. But before the
 * first of them is looked up the process's memory and program are taken down (anchor()), so that it can be asked whether they are still the
 * same; who wants to know the new program takes a new object for the same process (kith_process_renew()).
 *
 * A shared process (kith_process_share()) is looked at by several threads: its pidfd and its lookups are under its own lock, so that nobody
 * who serves others waits while /proc is read. What is known never changes and is read without it: `asked` is set last.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/refs.h"
#include "origin/namespace.h"
#include "origin/process.h"
#include "origin/procfs.h"

/* 65,536 groups (NGROUPS_MAX) of at most ten digits, and the rest of the file. */
#define STATUS_MAX (1024 * 1024)
/* A line a hierarchy, each a path of at most PATH_MAX. */
#define CGROUP_MAX (128 * 1024)
#define STAT_MAX 4096
/* A page: the limit of proc_pid_attr_read(). */
#define LABEL_MAX 4096
/* 340 lines (user_namespaces(7)) of three columns of ten. */
#define MAP_MAX (16 * 1024)
#define CAPABILITY(number) (UINT64_C(1) << (number))

struct kith_process {
    struct kith_refs refs;
    pthread_mutex_t mutex; /* while it is shared */
    const struct kith_process_source *source;
    pid_t pid;
    int pidfd;
    pid_t located; /* its number in /proc, 0 until asked */
    bool exact;
    bool dead;
    bool anchored; /* what follows was asked for */
    bool execed;   /* never goes back */
    int memory;    /* before the first lookup, or -1 */
    int program_error;
    struct kith_program program;

    atomic_uint asked; /* a bit a fact */
    atomic_uint known;
    char *texts[KITH_FACT_COUNT_];
    uint64_t numbers[KITH_FACT_COUNT_];
    gid_t *groups;
    size_t group_count;
};

KITH_DEFINE_CLEANUP(struct kith_process *, kith_process_unref)

int kith_process_new_from(const struct kith_process_source *source, pid_t pid, int pidfd, bool exact, struct kith_process **ret_process) {
    _cleanup_(kith_process_unrefp) struct kith_process *process = calloc(1, sizeof(*process));

    if (!process)
        return -ENOMEM;
    *process = (struct kith_process){.mutex = PTHREAD_MUTEX_INITIALIZER, .source = source, .pid = pid, .pidfd = -1, .memory = -1};
    kith_refs_init(&process->refs);

    if (pidfd >= 0) {
        process->pidfd = pidfd;
        process->exact = exact;
    } else if (pid > 0) {
        int r = source->open_pidfd(source, pid);

        process->pidfd = r >= 0 ? r : -1;
        process->dead = r == -ESRCH;
    }
    *ret_process = KITH_STEAL(process);
    return 0;
}

int kith_process_new(pid_t pid, int pidfd, bool exact, struct kith_process **ret_process) {
    return kith_process_new_from(&kith_process_source_kernel, pid, pidfd, exact, ret_process);
}

struct kith_process *kith_process_ref(struct kith_process *process) {
    if (process)
        kith_refs_take(&process->refs);
    return process;
}

struct kith_process *kith_process_unref(struct kith_process *process) {
    if (!process || !kith_refs_drop(&process->refs))
        return NULL;
    kith_close(process->pidfd);
    kith_close(process->memory);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(process->texts); i++)
        free(process->texts[i]);
    free(process->groups);
    pthread_mutex_destroy(&process->mutex);
    free(process);
    return NULL;
}

void kith_process_share(struct kith_process *process) {
    if (process)
        kith_refs_share(&process->refs);
}

static struct kith_process *lock(struct kith_process *process) {
    if (!kith_refs_is_shared(&process->refs))
        return NULL;
    pthread_mutex_lock(&process->mutex);
    return process;
}

static void unlockp(struct kith_process **process) {
    if (*process)
        pthread_mutex_unlock(&(*process)->mutex);
}

/* For the rest of the scope. */
#define LOCK(process) _cleanup_(unlockp) __attribute__((unused)) struct kith_process *locked_ = lock(process)

pid_t kith_process_pid(const struct kith_process *process) {
    return process->pid;
}

int kith_process_pidfd(struct kith_process *process) {
    LOCK(process);
    return process->pidfd;
}

bool kith_process_exact(const struct kith_process *process) {
    return process->exact;
}

void kith_process_set_dead(struct kith_process *process) {
    LOCK(process);
    process->dead = true;
    process->pidfd = kith_close(process->pidfd);
    process->memory = kith_close(process->memory);
}

bool kith_process_alive(struct kith_process *process, bool check) {
    LOCK(process);
    if (check && !process->dead && process->pidfd >= 0)
        process->dead = process->source->alive(process->source, process->pidfd) == 0;
    return !process->dead;
}

/* The guard: 0 while the process is known to run. */
static int guard(struct kith_process *process) {
    int r;

    if (process->dead || process->pidfd < 0)
        return -ESRCH;
    r = process->source->alive(process->source, process->pidfd);
    if (r == 0)
        process->dead = true;
    return r > 0 ? 0 : r == 0 ? -ESRCH : r;
}

/* This process itself lacks what it needs to ask: says nothing about the other. */
static bool is_shortage(int r) {
    return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

static _Thread_local unsigned unanswered;

void kith_origin_note_unanswered(void) {
    unanswered++;
}

unsigned kith_origin_unanswered(void) {
    return unanswered;
}

/* Before a lookup: runs, and has a number in /proc. */
static int begin(struct kith_process *process) {
    int r = guard(process);

    if (r < 0 || process->located > 0)
        return r;
    return process->source->locate(process->source, process->pidfd, &process->located);
}

/* Takes down what exec() replaces, once. That it is not to be seen is no error. */
static int anchor(struct kith_process *process) {
    int r = process->anchored ? 0 : begin(process);

    if (r < 0 || process->anchored)
        return r;
    r = process->source->open_memory(process->source, process->located);
    if (is_shortage(r))
        return r;
    process->memory = r >= 0 ? r : -1;
    process->program_error = process->source->program(process->source, process->located, &process->program);
    process->anchored = true;
    return 0;
}

static int read_file(struct kith_process *process, const char *name, size_t max, char **ret_text) {
    _cleanup_(freep) char *text = NULL;
    int r = begin(process);

    if (r >= 0)
        r = process->source->read_file(process->source, process->located, name, max, &text);
    if (r >= 0)
        r = guard(process);
    if (r < 0)
        return r;
    *ret_text = KITH_STEAL(text);
    return 0;
}

static int read_link(struct kith_process *process, const char *name, char **ret_target) {
    _cleanup_(freep) char *target = NULL;
    int r = begin(process);

    if (r >= 0)
        r = process->source->read_link(process->source, process->located, name, &target);
    if (r >= 0)
        r = guard(process);
    if (r < 0)
        return r;
    *ret_target = KITH_STEAL(target);
    return 0;
}

static bool look_up(struct kith_process *process, enum kith_fact fact);

static int look_up_exe(struct kith_process *process) {
    _cleanup_(freep) char *path = NULL;
    int r = read_link(process, "exe", &path);

    if (r >= 0)
        r = process->source->exe_credible(process->source, process->located, path);
    if (r >= 0)
        r = r > 0 ? guard(process) : -ENODATA;
    if (r < 0)
        return r;
    process->texts[KITH_FACT_EXE] = KITH_STEAL(path);
    return 0;
}

static int look_up_cgroup(struct kith_process *process) {
    _cleanup_(freep) char *text = NULL;
    int r = read_file(process, "cgroup", CGROUP_MAX, &text);

    return r < 0 ? r : kith_procfs_cgroup(text, &process->texts[KITH_FACT_CGROUP]);
}

/* What the cgroup's path says, read by `parse`. */
static int look_up_in_cgroup(struct kith_process *process, enum kith_fact fact, int (*parse)(const char *cgroup, char **ret)) {
    if (look_up(process, KITH_FACT_CGROUP))
        return parse(process->texts[KITH_FACT_CGROUP], &process->texts[fact]);
    /* Not asked: the cgroup could not be read for lack of memory or descriptors, and will be tried again. */
    return kith_process_asked(process, KITH_FACT_CGROUP) ? -ENODATA : -ENOMEM;
}

static int look_up_unit(struct kith_process *process) {
    return look_up_in_cgroup(process, KITH_FACT_UNIT, kith_procfs_unit);
}

static int look_up_container(struct kith_process *process) {
    return look_up_in_cgroup(process, KITH_FACT_CONTAINER, kith_procfs_container);
}

static int look_up_session(struct kith_process *process) {
    return look_up_in_cgroup(process, KITH_FACT_SESSION, kith_procfs_session);
}

/* Some security modules end the label with a newline, some with a NUL, some with both. */
static int look_up_label(struct kith_process *process) {
    _cleanup_(freep) char *text = NULL;
    int r = read_file(process, "attr/current", LABEL_MAX, &text);

    if (r < 0)
        return r;
    text[strcspn(text, "\n")] = '\0';
    if (text[0] == '\0')
        return -ENODATA;
    process->texts[KITH_FACT_LABEL] = KITH_STEAL(text);
    return 0;
}

static int look_up_groups(struct kith_process *process) {
    _cleanup_(freep) char *text = NULL;
    int r = read_file(process, "status", STATUS_MAX, &text);

    if (r >= 0)
        r = kith_procfs_groups(text, &process->groups, &process->group_count);
    if (r < 0)
        return r;
    size_t kept = 0;
    for (size_t i = 0; i < process->group_count; i++)
        if (kith_gid_certain(process->groups[i]))
            process->groups[kept++] = process->groups[i];
    process->group_count = kept;
    return 0;
}

static int look_up_start_time(struct kith_process *process) {
    _cleanup_(freep) char *text = NULL;
    int r = read_file(process, "stat", STAT_MAX, &text);

    return r < 0 ? r : kith_procfs_start_time(text, &process->numbers[KITH_FACT_START_TIME]);
}

static int look_up_namespace(struct kith_process *process, enum kith_fact fact, const char *name) {
    _cleanup_(freep) char *target = NULL;
    int r = read_link(process, name, &target);

    return r < 0 ? r : kith_procfs_namespace(target, &process->numbers[fact]);
}

static int look_up_pid_namespace(struct kith_process *process) {
    return look_up_namespace(process, KITH_FACT_PID_NAMESPACE, "ns/pid");
}

static int look_up_user_namespace(struct kith_process *process) {
    return look_up_namespace(process, KITH_FACT_USER_NAMESPACE, "ns/user");
}

/* Has its user namespace more than one id to state? */
static int many_ids(struct kith_process *process, const char *map) {
    _cleanup_(freep) char *text = NULL;
    uint64_t count = 0;
    int r = read_file(process, map, MAP_MAX, &text);

    if (r >= 0)
        r = kith_procfs_map_size(text, &count);
    return r < 0 ? r : count > 1;
}

/* unix(7): CAP_SETUID and CAP_SETGID in the user namespace of the sender, whose ids are all that it can state; CAP_SYS_ADMIN over its pid
 * namespace. What is permitted counts, as it can be made effective for one message; what cannot be seen, too. */
static int may_forge(struct kith_process *process, uint64_t permitted) {
    int r = 0;

    if (permitted & CAPABILITY(CAP_SYS_ADMIN))
        r = process->source->owns_pid_namespace(process->source, process->located);
    if (r == 0 && (permitted & CAPABILITY(CAP_SETUID)))
        r = many_ids(process, "uid_map");
    if (r == 0 && (permitted & CAPABILITY(CAP_SETGID)))
        r = many_ids(process, "gid_map");
    return is_shortage(r) ? r : r != 0;
}

static int look_up_may_forge(struct kith_process *process) {
    _cleanup_(freep) char *text = NULL;
    uint64_t permitted;
    int r = read_file(process, "status", STATUS_MAX, &text);

    if (r >= 0)
        r = kith_procfs_permitted(text, &permitted);
    if (r >= 0)
        r = may_forge(process, permitted);
    if (r < 0)
        return r;
    process->numbers[KITH_FACT_MAY_FORGE] = (uint64_t)r;
    return guard(process);
}

static int (*const lookups[KITH_FACT_COUNT_])(struct kith_process *process) = {
    [KITH_FACT_EXE] = look_up_exe,
    [KITH_FACT_CGROUP] = look_up_cgroup,
    [KITH_FACT_UNIT] = look_up_unit,
    [KITH_FACT_CONTAINER] = look_up_container,
    [KITH_FACT_SESSION] = look_up_session,
    [KITH_FACT_LABEL] = look_up_label,
    [KITH_FACT_GROUPS] = look_up_groups,
    [KITH_FACT_START_TIME] = look_up_start_time,
    [KITH_FACT_PID_NAMESPACE] = look_up_pid_namespace,
    [KITH_FACT_USER_NAMESPACE] = look_up_user_namespace,
    [KITH_FACT_MAY_FORGE] = look_up_may_forge,
};

static bool is_known(const struct kith_process *process, enum kith_fact fact) {
    return atomic_load_explicit(&process->known, memory_order_relaxed) & (1u << fact);
}

bool kith_process_asked(const struct kith_process *process, enum kith_fact fact) {
    return atomic_load_explicit(&process->asked, memory_order_acquire) & (1u << fact);
}

static bool changes_with_exec(enum kith_fact fact) {
    return fact == KITH_FACT_EXE || fact == KITH_FACT_LABEL || fact == KITH_FACT_MAY_FORGE;
}

/* Is it known? Asks the source the first time. Under the lock. */
static bool look_up(struct kith_process *process, enum kith_fact fact) {
    unsigned bit = 1u << fact;
    int r;

    if (kith_process_asked(process, fact))
        return is_known(process, fact);
    r = changes_with_exec(fact) ? anchor(process) : 0;
    if (r >= 0)
        r = lookups[fact](process);
    if (is_shortage(r)) {
        kith_origin_note_unanswered();
        return false;
    }
    if (r >= 0)
        atomic_fetch_or_explicit(&process->known, bit, memory_order_relaxed);
    atomic_fetch_or_explicit(&process->asked, bit, memory_order_release);
    return r >= 0;
}

static bool known(struct kith_process *process, enum kith_fact fact) {
    if (kith_process_asked(process, fact))
        return is_known(process, fact);
    LOCK(process);
    return look_up(process, fact);
}

bool kith_process_has_number(enum kith_fact fact) {
    return fact == KITH_FACT_START_TIME || fact == KITH_FACT_PID_NAMESPACE || fact == KITH_FACT_USER_NAMESPACE ||
           fact == KITH_FACT_MAY_FORGE;
}

bool kith_process_text(struct kith_process *process, enum kith_fact fact, const char **ret_text) {
    if ((unsigned)fact >= KITH_FACT_COUNT_ || !lookups[fact] || fact == KITH_FACT_GROUPS || kith_process_has_number(fact))
        return false;
    if (!known(process, fact))
        return false;
    *ret_text = process->texts[fact];
    return true;
}

bool kith_process_groups(struct kith_process *process, const gid_t **ret_groups, size_t *ret_count) {
    if (!known(process, KITH_FACT_GROUPS))
        return false;
    *ret_groups = process->groups;
    *ret_count = process->group_count;
    return true;
}

bool kith_process_number(struct kith_process *process, enum kith_fact fact, uint64_t *ret_number) {
    if (!kith_process_has_number(fact) || !known(process, fact))
        return false;
    *ret_number = process->numbers[fact];
    return true;
}

/* Under the lock. A process that is about to end has no memory either, and no program: it executes nothing. One whose program may not be
 * looked at, and whose memory was replaced, has executed what we are not to see. */
static bool program_changed(struct kith_process *process) {
    struct kith_program now;
    bool used = process->memory < 0 || process->source->memory_used(process->source, process->memory) != 0;
    int r = process->source->program(process->source, process->located, &now);

    if (r == -ENOENT || guard(process) < 0)
        return false;
    if (r < 0 || !used)
        return !used;
    return process->program_error >= 0 && (now.device != process->program.device || now.inode != process->program.inode);
}

bool kith_process_execed(struct kith_process *process) {
    LOCK(process);
    if (!process->execed && process->anchored && !process->dead && process->pidfd >= 0 && program_changed(process)) {
        process->execed = true;
        process->memory = kith_close(process->memory);
    }
    return process->execed;
}

/* A descriptor of its own of the pidfd, -1 for want of one, -ESRCH when the process has ended. */
static int duplicate_pidfd(struct kith_process *process) {
    LOCK(process);
    return process->dead || process->pidfd < 0 ? -ESRCH : fcntl(process->pidfd, F_DUPFD_CLOEXEC, 0);
}

int kith_process_renew(struct kith_process *process, struct kith_process **ret_process) {
    int pidfd = duplicate_pidfd(process);
    if (pidfd == -ESRCH)
        return -ESRCH;
    int r = kith_process_new_from(process->source, process->pid, pidfd, process->exact, ret_process);
    if (r < 0)
        kith_close(pidfd);
    return r;
}

int kith_process_locate(struct kith_process *process, pid_t *ret_pid) {
    LOCK(process);
    int r = begin(process);

    if (r >= 0)
        *ret_pid = process->located;
    return r;
}

int kith_process_credentials(struct kith_process *process, struct kith_credentials *ret_credentials) {
    LOCK(process);
    struct kith_credentials credentials = {.pid = process->pid};
    int r = guard(process);

    if (r < 0)
        return r;
    r = process->source->credentials(process->source, process->pidfd, &credentials);
    if (r == -ENOTTY) {
        _cleanup_(freep) char *text = NULL;

        r = read_file(process, "status", STATUS_MAX, &text);
        if (r >= 0)
            r = kith_procfs_real_ids(text, &credentials.uid, &credentials.gid);
    } else if (r >= 0) {
        r = credentials.pid == process->pid ? guard(process) : -ESRCH;
    }
    if (r < 0)
        return r;
    *ret_credentials = credentials;
    return 0;
}
