/* cli/policy-subject.c: see policy-subject.h. */
#include "cli/policy-subject.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "cli/options.h"
#include "cli/output.h"
#include "gateway/cleanup.h"

/* More than any message. */
#define SIZE_LIMIT (INT64_C(1) << 40)
/* SCM_MAX_FD, include/net/scm.h. */
#define FDS_MAX 253

void policy_subject_init(struct policy_subject *subject) {
    struct timespec now;
    struct tm local;

    *subject = (struct policy_subject){.witness = KITH_WITNESS_KERNEL_MESSAGE};
    for (size_t i = 0; i < KITH_FACT_COUNT_; i++)
        subject->numbers[i] = -1;
    clock_gettime(CLOCK_REALTIME, &now);
    subject->request.now = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    if (localtime_r(&now.tv_sec, &local)) {
        subject->request.utc_offset = (int32_t)local.tm_gmtoff;
        subject->request.has_utc_offset = true;
    }
}

/* Options ------------------------------------------------------------------------------------------------------------ */

static int take_groups(struct policy_subject *subject, const char *value) {
    char copy[16 * POLICY_GROUPS_MAX];
    if (strlen(value) >= sizeof(copy)) {
        cli_error("--groups: more than %d groups", POLICY_GROUPS_MAX);
        return CLI_USAGE;
    }
    strcpy(copy, value); /* its size was looked at */
    subject->has_groups = true;
    subject->group_count = 0;
    char *rest = copy;
    for (char *word = strsep(&rest, ","); word && *word; word = strsep(&rest, ",")) {
        int64_t gid;
        int status = cli_number("--groups", word, 0, UINT32_MAX - 1, &gid);
        if (status != 0)
            return status;
        if (subject->group_count == POLICY_GROUPS_MAX) {
            cli_error("--groups: more than %d groups", POLICY_GROUPS_MAX);
            return CLI_USAGE;
        }
        subject->groups[subject->group_count++] = (gid_t)gid;
    }
    return 0;
}

/* Local time, "2026-11-29T14:00", or "2026-11-29T14:00Z". */
static int take_time(struct policy_subject *subject, const char *value) {
    struct tm tm = {.tm_isdst = -1};
    const char *rest = strptime(value, "%Y-%m-%dT%H:%M", &tm);
    bool utc = rest && strcmp(rest, "Z") == 0;
    time_t seconds = rest && (utc || !*rest) ? (utc ? timegm(&tm) : mktime(&tm)) : -1;

    if (seconds <= 0 || !localtime_r(&seconds, &tm)) {
        cli_error("--at: '%s' is no time: write it like 2026-11-29T14:00, or 2026-11-29T14:00Z for UTC", value);
        return CLI_USAGE;
    }
    subject->request.now = (uint64_t)seconds * 1000000000;
    subject->request.utc_offset = (int32_t)tm.tm_gmtoff;
    subject->request.has_utc_offset = true;
    return 0;
}

static int take_kind(struct policy_subject *subject, const char *value) {
    enum kith_fd_kind kind;
    if (kith_fd_kind_parse(value, &kind) < 0) {
        cli_error("--fd-kind: '%s' is none: file, directory, socket, pipe, memfd, device, pidfd, eventfd or other", value);
        return CLI_USAGE;
    }
    subject->request.fd_kinds |= (unsigned)kind;
    if (subject->request.fd_count == 0)
        subject->request.fd_count = 1;
    return 0;
}

static int take_witness(struct policy_subject *subject, const char *value) {
    if (kith_witness_parse(value, &subject->witness) < 0 || subject->witness == KITH_WITNESS_NONE) {
        cli_error("--witness: '%s' is none: kernel-message, kernel-connect, key, inferred or claimed", value);
        return CLI_USAGE;
    }
    return 0;
}

static int take_fact(struct policy_subject *subject, enum kith_fact fact, const char *value) {
    char option[64] = "--";
    switch (fact) {
    case KITH_FACT_GROUPS:
        return take_groups(subject, value);
    case KITH_FACT_EXE:
    case KITH_FACT_UNIT:
    case KITH_FACT_CGROUP:
    case KITH_FACT_LABEL:
    case KITH_FACT_ADDRESS:
    case KITH_FACT_DESTINATION:
    case KITH_FACT_INTERFACE:
    case KITH_FACT_KEY:
    case KITH_FACT_MODULE:
    case KITH_FACT_CONTAINER:
    case KITH_FACT_SESSION:
    case KITH_FACT_USER:
        subject->texts[fact] = value;
        return 0;
    default:
        strncat(option, kith_fact_name(fact), sizeof(option) - strlen(option) - 1);
        for (char *p = option; *p; p++)
            if (*p == '_')
                *p = '-';
        return cli_number(option, value, 0, UINT32_MAX, &subject->numbers[fact]);
    }
}

static int take_number(const char *option, const char *value, int64_t max, uint64_t *ret_number) {
    int64_t number = 0;
    int status = cli_number(option, value, 0, max, &number);
    *ret_number = (uint64_t)number;
    return status;
}

int policy_subject_take(struct policy_subject *subject, int key, const char *value) {
    struct kith_policy_request *request = &subject->request;
    uint64_t number = 0;
    int status;

    switch (key) {
    case POLICY_KEY_USER:
        subject->user = value;
        return 0;
    case POLICY_KEY_WITNESS:
        return take_witness(subject, value);
    case POLICY_KEY_PATTERN:
        request->pattern = value;
        return 0;
    case POLICY_KEY_SERVICE:
        request->service = value;
        return 0;
    case POLICY_KEY_ENDPOINT:
        request->endpoint = value;
        return 0;
    case POLICY_KEY_TOPIC:
        request->topic = value;
        request->topic_size = strlen(value);
        return 0;
    case POLICY_KEY_SIZE:
        return take_number("--size", value, SIZE_LIMIT, &request->size);
    case POLICY_KEY_FDS:
        status = take_number("--fds", value, FDS_MAX, &number);
        request->fd_count = (size_t)number;
        return status;
    case POLICY_KEY_FD_KIND:
        return take_kind(subject, value);
    case POLICY_KEY_AT:
        return take_time(subject, value);
    default:
        return take_fact(subject, (enum kith_fact)key, value);
    }
}

/* The origin ----------------------------------------------------------------------------------------------------------- */

/* Only --pid: the running process is meant. */
static bool is_running_process(const struct policy_subject *subject) {
    for (size_t i = 0; i < KITH_FACT_COUNT_; i++)
        if (subject->texts[i] || (i != KITH_FACT_PID && subject->numbers[i] >= 0))
            return false;
    return subject->numbers[KITH_FACT_PID] >= 0 && !subject->has_groups && !subject->user;
}

/* What is given by number stays. */
static int look_up_user(struct policy_subject *subject, struct kith_error *error) {
    errno = 0;
    const struct passwd *user = getpwnam(subject->user);
    if (!user)
        return kith_error_set(error, -ENOENT, "--user: there is no user '%s' here%s%s", subject->user, errno ? ": " : "",
                              errno ? kith_error_name(-errno) : "");
    if (subject->numbers[KITH_FACT_UID] < 0)
        subject->numbers[KITH_FACT_UID] = user->pw_uid;
    if (!subject->has_groups) {
        int count = POLICY_GROUPS_MAX;
        if (getgrouplist(subject->user, user->pw_gid, subject->groups, &count) < 0)
            return kith_error_set(error, -E2BIG, "--user: '%s' is in more than %d groups", subject->user, POLICY_GROUPS_MAX);
        subject->group_count = (size_t)count;
        subject->has_groups = true;
    }
    if (subject->numbers[KITH_FACT_GID] < 0)
        subject->numbers[KITH_FACT_GID] = user->pw_gid;
    return 0;
}

static int set_facts(const struct policy_subject *subject, kith_origin *origin, struct kith_error *error) {
    int r = subject->has_groups ? kith_origin_set_groups(origin, subject->groups, subject->group_count, subject->witness) : 0;

    for (unsigned i = 0; r >= 0 && i < KITH_FACT_COUNT_; i++) {
        enum kith_fact fact = (enum kith_fact)i;
        if (subject->numbers[i] >= 0)
            r = kith_origin_set_number(origin, fact, (uint64_t)subject->numbers[i], subject->witness);
        else if (subject->texts[i])
            r = kith_origin_set_text(origin, fact, subject->texts[i], subject->witness);
        if (r == -EINVAL)
            return kith_error_set(error, r, "%s cannot be so with witness %s: correct it, or give another --witness", kith_fact_name(fact),
                                  kith_witness_name(subject->witness));
    }
    return r < 0 ? kith_error_set(error, r, "the facts make no origin: %s", kith_error_name(r)) : 0;
}

int policy_subject_origin(struct policy_subject *subject, kith_origin **ret_origin, struct kith_error *error) {
    if (is_running_process(subject))
        return kith_origin_of_pid((pid_t)subject->numbers[KITH_FACT_PID], ret_origin, error);
    int r = subject->user ? look_up_user(subject, error) : 0;
    if (r < 0)
        return r;
    _cleanup_(kith_origin_unrefp) kith_origin *origin = NULL;
    r = kith_origin_new(&origin);
    if (r < 0)
        return kith_error_set(error, r, "%s", kith_error_name(r));
    r = set_facts(subject, origin, error);
    if (r < 0)
        return r;
    *ret_origin = KITH_STEAL(origin);
    return 0;
}

struct kith_policy_request policy_subject_request(const struct policy_subject *subject, enum kith_verb verb, kith_origin *origin) {
    struct kith_policy_request request = subject->request;
    bool group = request.pattern && strcmp(request.pattern, "RADIO") == 0;

    request.verb = verb;
    request.origin = origin;
    /* A group is joined as it is; other subscriptions are to all topics that begin so. */
    request.topic_is_prefix = verb == KITH_VERB_SUBSCRIBE && request.topic && !group;
    return request;
}
