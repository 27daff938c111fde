/*
 * policy/condition.c: see condition.h.
 *
 * A fact that is unknown or has a weaker witness than asked is never held against a value: there is nothing to compare that could be
 * believed.
 */
#include "policy/condition.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* kith/policy.h promises it. */
#define VALUES_MAX 1024

/* (uid_t)-1 and (gid_t)-1 mean "leave it" or "none" to every system call and are nobody's. VMADDR_CID_ANY of linux/vm_sockets.h is the
 * same number. */
#define ID_MAX (UINT32_MAX - 1)
/* PID_MAX_LIMIT, include/linux/threads.h. */
#define PID_LIMIT (4 * 1024 * 1024)
/* Type of service and hop limit are an octet each. */
#define OCTET_MAX 255
/* More than any option admits. */
#define SIZE_LIMIT (UINT64_C(1) << 40)
/* SCM_MAX_FD, include/net/scm.h. */
#define FDS_MAX 253

/* Values of a condition that are named to a person; the rest is counted. */
#define EXPLAINED_MAX 4

bool kith_condition_believed(const struct kith_condition_ask *ask, const char *name, enum kith_witness witness) {
    if (witness >= ask->least)
        return true;
    if (!ask->why)
        return false;

    kith_text_puts(ask->why, name);
    if (witness == KITH_WITNESS_NONE) {
        kith_text_puts(ask->why, " is unknown");
    } else {
        kith_text_puts(ask->why, " has witness ");
        kith_text_puts(ask->why, kith_witness_name(witness));
        kith_text_puts(ask->why, ", needs ");
        kith_text_puts(ask->why, kith_witness_name(ask->least));
    }
    return false;
}

enum kith_match kith_condition_unknown(const struct kith_condition_ask *ask, const char *name) {
    if (ask->why) {
        kith_text_puts(ask->why, name);
        kith_text_puts(ask->why, " is unknown");
    }
    return KITH_MATCH_UNKNOWN;
}

enum kith_match kith_condition_differs(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                       const struct kith_condition_ask *ask) {
    if (!ask->why)
        return KITH_MATCH_NO;
    for (size_t i = 0; i < values->count && i < EXPLAINED_MAX; i++) {
        kith_text_puts(ask->why, i == 0 ? " is not " : " or ");
        type->put(&values->values[i], ask->why);
    }
    if (values->count > EXPLAINED_MAX)
        kith_text_printf(ask->why, " or one of %zu more", values->count - EXPLAINED_MAX);
    return KITH_MATCH_NO;
}

bool kith_condition_number(const char *text, const char *end, uint64_t *ret_number) {
    uint64_t number = 0;
    if (text == end || (text[0] == '0' && end - text > 1))
        return false;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9')
            return false;
        /* Saturates: no bound comes near it. */
        number = number > UINT64_MAX / 100 ? UINT64_MAX / 100 : number * 10 + (uint64_t)(*text - '0');
    }
    *ret_number = number;
    return true;
}

bool kith_condition_units(const char *text, const char *end, uint64_t *ret_number) {
    static const char units[] = "KMG";
    const char *unit = text < end ? (const char *)memchr(units, end[-1], strlen(units)) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;

    if (!kith_condition_number(text, unit ? end - 1 : end, ret_number))
        return false;
    *ret_number = *ret_number > UINT64_MAX / 100 >> shift ? UINT64_MAX / 100 : *ret_number << shift;
    return true;
}

/* The table ------------------------------------------------------------------------------------------------------ */

#define ORIGIN KITH_LOOKED_AT_ORIGIN
#define PROCESS (KITH_LOOKED_AT_ORIGIN | KITH_LOOKED_AT_PROCESS)
#define PROOF (KITH_LOOKED_AT_ORIGIN | KITH_LOOKED_AT_PROOF)
/* The rows about what is asked for have no fact. */
#define NO_FACT KITH_FACT_COUNT_

#define ADDRESS(name_, fact_)                                                                                                              \
    .name = (name_), .fact = (fact_), .looks_at = ORIGIN, .parse = kith_condition_address_parse, .match = kith_condition_address_match,    \
    .put = kith_condition_address_put

/* clang-format off */
const struct kith_condition_type kith_condition_types[KITH_CONDITION_COUNT_] = {
    [KITH_CONDITION_UID]         = {KITH_CONDITION_RANGE("uid", KITH_FACT_UID, 0, ID_MAX, kith_condition_range_match_fact), .looks_at = ORIGIN},
    [KITH_CONDITION_PID]         = {KITH_CONDITION_RANGE("pid", KITH_FACT_PID, 1, PID_LIMIT, kith_condition_range_match_fact), .looks_at = ORIGIN},
    [KITH_CONDITION_PATTERN]     = {KITH_CONDITION_GLOB("pattern", NO_FACT, kith_condition_glob_match_pattern), .looks_at = KITH_LOOKED_AT_PATTERN},
    [KITH_CONDITION_SERVICE]     = {KITH_CONDITION_GLOB("service", NO_FACT, kith_condition_glob_match_service), .looks_at = KITH_LOOKED_AT_SERVICE},
    [KITH_CONDITION_ENDPOINT]    = {KITH_CONDITION_GLOB("endpoint", NO_FACT, kith_condition_glob_match_endpoint), .looks_at = KITH_LOOKED_AT_ENDPOINT, .path = true},
    [KITH_CONDITION_ADDRESS]     = {ADDRESS("address", KITH_FACT_ADDRESS)},
    [KITH_CONDITION_CID]         = {KITH_CONDITION_RANGE("cid", KITH_FACT_CID, 0, ID_MAX, kith_condition_range_match_fact), .looks_at = ORIGIN},
    [KITH_CONDITION_DESTINATION] = {ADDRESS("destination", KITH_FACT_DESTINATION)},
    [KITH_CONDITION_INTERFACE]   = {KITH_CONDITION_GLOB("interface", KITH_FACT_INTERFACE, kith_condition_glob_match_fact), .looks_at = ORIGIN},
    [KITH_CONDITION_TTL]         = {KITH_CONDITION_RANGE("ttl", KITH_FACT_TTL, 0, OCTET_MAX, kith_condition_range_match_fact), .looks_at = ORIGIN},
    [KITH_CONDITION_TOS]         = {KITH_CONDITION_RANGE("tos", KITH_FACT_TOS, 0, OCTET_MAX, kith_condition_range_match_fact), .looks_at = ORIGIN},
    [KITH_CONDITION_KEY]         = {.name = "key", .fact = KITH_FACT_KEY, .looks_at = PROOF, .parse = kith_condition_key_parse, .deinit = kith_condition_key_deinit, .match = kith_condition_key_match, .put = kith_condition_key_put},
    [KITH_CONDITION_USER_ID]     = {KITH_CONDITION_GLOB("user_id", KITH_FACT_USER, kith_condition_glob_match_fact), .looks_at = PROOF},
    [KITH_CONDITION_MODULE]      = {KITH_CONDITION_GLOB("module", KITH_FACT_MODULE, kith_condition_glob_match_fact), .looks_at = ORIGIN},
    [KITH_CONDITION_THREAD]      = {KITH_CONDITION_RANGE("thread", KITH_FACT_THREAD, 1, PID_LIMIT, kith_condition_range_match_fact), .looks_at = ORIGIN},
    [KITH_CONDITION_CONNECTOR]   = {KITH_CONDITION_RANGE("connector", KITH_FACT_CONNECTOR, 1, PID_LIMIT, kith_condition_range_match_fact), .looks_at = ORIGIN},
    [KITH_CONDITION_GID]         = {KITH_CONDITION_RANGE("gid", KITH_FACT_GID, 0, ID_MAX, kith_condition_range_match_gid), .looks_at = PROCESS},
    [KITH_CONDITION_EXE]         = {KITH_CONDITION_GLOB("exe", KITH_FACT_EXE, kith_condition_glob_match_fact), .looks_at = PROCESS, .path = true},
    [KITH_CONDITION_UNIT]        = {KITH_CONDITION_GLOB("unit", KITH_FACT_UNIT, kith_condition_glob_match_fact), .looks_at = PROCESS},
    [KITH_CONDITION_CGROUP]      = {KITH_CONDITION_GLOB("cgroup", KITH_FACT_CGROUP, kith_condition_glob_match_fact), .looks_at = PROCESS, .path = true},
    [KITH_CONDITION_LABEL]       = {KITH_CONDITION_GLOB("label", KITH_FACT_LABEL, kith_condition_glob_match_fact), .looks_at = PROCESS},
    [KITH_CONDITION_CONTAINER]   = {KITH_CONDITION_GLOB("container", KITH_FACT_CONTAINER, kith_condition_glob_match_fact), .looks_at = PROCESS},
    [KITH_CONDITION_SESSION]     = {KITH_CONDITION_GLOB("session", KITH_FACT_SESSION, kith_condition_glob_match_fact), .looks_at = PROCESS},
    [KITH_CONDITION_PID_NAMESPACE]  = {KITH_CONDITION_RANGE("pid_namespace", KITH_FACT_PID_NAMESPACE, 0, UINT32_MAX, kith_condition_range_match_fact), .looks_at = PROCESS},
    [KITH_CONDITION_USER_NAMESPACE] = {KITH_CONDITION_RANGE("user_namespace", KITH_FACT_USER_NAMESPACE, 0, UINT32_MAX, kith_condition_range_match_fact), .looks_at = PROCESS},
    [KITH_CONDITION_MAY_FORGE]   = {KITH_CONDITION_RANGE("may_forge", KITH_FACT_MAY_FORGE, 0, 1, kith_condition_range_match_fact), .looks_at = PROCESS},
    [KITH_CONDITION_TOPIC]       = {KITH_CONDITION_GLOB("topic", NO_FACT, kith_condition_glob_match_topic), .looks_at = KITH_LOOKED_AT_TOPIC},
    [KITH_CONDITION_FDS]         = {KITH_CONDITION_RANGE("fds", NO_FACT, 0, FDS_MAX, kith_condition_range_match_fds), .looks_at = KITH_LOOKED_AT_FDS},
    [KITH_CONDITION_FD_KIND]     = {.name = "fd_kind", .fact = NO_FACT, .looks_at = KITH_LOOKED_AT_FDS, .parse = kith_condition_kind_parse, .match = kith_condition_kind_match, .put = kith_condition_kind_put},
    [KITH_CONDITION_SIZE]        = {KITH_CONDITION_RANGE("size", NO_FACT, 0, SIZE_LIMIT, kith_condition_range_match_size), .looks_at = KITH_LOOKED_AT_SIZE, .binary_units = true},
    [KITH_CONDITION_TIME]        = {.name = "time", .fact = NO_FACT, .looks_at = KITH_LOOKED_AT_TIME, .parse = kith_condition_time_parse, .match = kith_condition_time_match, .put = kith_condition_time_put},
    [KITH_CONDITION_RATE]        = {.name = "rate", .fact = NO_FACT, .looks_at = KITH_LOOKED_AT_RATE | KITH_LOOKED_AT_TIME, .parse = kith_condition_rate_parse, .deinit = kith_condition_rate_deinit, .match = kith_condition_rate_match, .value_looks_at = kith_condition_rate_looks_at, .put = kith_condition_rate_put},
};
/* clang-format on */

const char *kith_condition_name(enum kith_condition condition) {
    return (unsigned)condition < KITH_CONDITION_COUNT_ ? kith_condition_types[condition].name : "unknown";
}

int kith_condition_parse(const char *name, enum kith_condition *ret_condition) {
    for (unsigned i = 0; name && ret_condition && i < KITH_CONDITION_COUNT_; i++) {
        if (strcmp(name, kith_condition_types[i].name) == 0) {
            *ret_condition = (enum kith_condition)i;
            return 0;
        }
    }
    return -EINVAL;
}

static int values_grow(struct kith_condition_values *values) {
    size_t capacity = values->capacity ? values->capacity * 2 : 1;
    struct kith_condition_value *grown = (struct kith_condition_value *)reallocarray(values->values, capacity, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    values->values = grown;
    values->capacity = capacity;
    return 0;
}

int kith_condition_values_add(struct kith_condition_values *values, const struct kith_condition_type *type, const char *text,
                              struct kith_error *ret_error) {
    if (values->count == VALUES_MAX)
        return kith_error_set(ret_error, -E2BIG, "%s has more than %d values: use ranges or wildcards, or another rule", type->name,
                              VALUES_MAX);
    if (values->count == values->capacity && values_grow(values) < 0)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");

    struct kith_condition_value *value = &values->values[values->count];
    int r = type->parse(type, text, value, ret_error);
    if (r < 0)
        return r;
    values->looks_at |= type->looks_at | (type->value_looks_at ? type->value_looks_at(value) : 0);
    values->count++;
    return 0;
}

void kith_condition_values_deinit(struct kith_condition_values *values, const struct kith_condition_type *type) {
    for (size_t i = 0; type->deinit && i < values->count; i++)
        type->deinit(&values->values[i]);
    free(values->values);
    *values = (struct kith_condition_values){.values = NULL};
}
