/*
 * policy/condition.c: see condition.h.
 *
 * A fact that is unknown or has a weaker witness than asked is never held against a value: there is nothing to compare that could be
 * believed.
 */
#include "policy/condition.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

/* kith/policy.h promises it. */
#define VALUES_MAX 1024

/* (uid_t)-1 and (gid_t)-1 mean "leave it" or "none" to every system call and are nobody's. */
#define ID_MAX (UINT32_MAX - 1)
/* PID_MAX_LIMIT, include/linux/threads.h. */
#define PID_LIMIT (4 * 1024 * 1024)

/* Values of a condition that are named to a person; the rest is counted. */
#define EXPLAINED_MAX 4

/* True when a fact with this witness may be used. */
static bool believed(const char *name, enum kith_witness witness, enum kith_witness least, struct kith_text *why) {
    if (witness >= least)
        return true;
    if (!why)
        return false;

    kith_text_puts(why, name);
    if (witness == KITH_WITNESS_NONE) {
        kith_text_puts(why, " is unknown");
    } else {
        kith_text_puts(why, " has witness ");
        kith_text_puts(why, kith_witness_name(witness));
        kith_text_puts(why, ", needs ");
        kith_text_puts(why, kith_witness_name(least));
    }
    return false;
}

/* Ranges ------------------------------------------------------------------------------------------------------- */

/* Reads decimal digits up to `end`; true when there were some and nothing else. A leading zero could be meant as octal. */
static bool parse_number(const char *text, const char *end, uint64_t *ret_number) {
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

static int range_parse(const struct kith_condition_type *type, const char *text, struct kith_condition_value *ret_value,
                       struct kith_error *ret_error) {
    const char *end = text + strlen(text);
    const char *dash = strchr(text, '-');
    uint64_t low, high;

    if (!parse_number(text, dash ? dash : end, &low) || !parse_number(dash ? dash + 1 : text, end, &high))
        return kith_error_set(ret_error, -EINVAL, "%s \"%.64s\" is no number: write one like 1000, or a range like 1000-1999", type->name,
                              text);
    if (low < type->low || high > type->high)
        return kith_error_set(ret_error, -EINVAL, "%s \"%.64s\" is out of range: write numbers from %" PRIu64 " to %" PRIu64, type->name,
                              text, type->low, type->high);
    if (low > high)
        return kith_error_set(ret_error, -EINVAL, "%s \"%.64s\" ends before it begins: write the smaller number first", type->name, text);

    ret_value->range.low = low;
    ret_value->range.high = high;
    return 0;
}

static bool ranges_have(const struct kith_condition_values *values, uint64_t number) {
    for (size_t i = 0; i < values->count; i++)
        if (number >= values->values[i].range.low && number <= values->values[i].range.high)
            return true;
    return false;
}

/* " is not 0 or 1000-1999" */
static void ranges_explain(const struct kith_condition_values *values, struct kith_text *why) {
    for (size_t i = 0; i < values->count && i < EXPLAINED_MAX; i++) {
        const struct kith_condition_value *value = &values->values[i];
        kith_text_printf(why, "%s%" PRIu64, i == 0 ? " is not " : " or ", value->range.low);
        if (value->range.high != value->range.low)
            kith_text_printf(why, "-%" PRIu64, value->range.high);
    }
    if (values->count > EXPLAINED_MAX)
        kith_text_printf(why, " or one of %zu more", values->count - EXPLAINED_MAX);
}

static bool number_match(const struct kith_condition_type *type, const struct kith_condition_values *values, enum kith_witness least,
                         enum kith_witness witness, uint64_t number, struct kith_text *why) {
    if (!believed(type->name, witness, least, why))
        return false;
    if (ranges_have(values, number))
        return true;
    if (why) {
        kith_text_printf(why, "%s %" PRIu64, type->name, number);
        ranges_explain(values, why);
    }
    return false;
}

static bool uid_match(const struct kith_condition_type *type, const struct kith_condition_values *values, enum kith_witness least,
                      kith_origin *origin, struct kith_text *why) {
    uid_t uid = 0;
    enum kith_witness witness = kith_origin_uid(origin, &uid);
    return number_match(type, values, least, witness, uid, why);
}

static bool pid_match(const struct kith_condition_type *type, const struct kith_condition_values *values, enum kith_witness least,
                      kith_origin *origin, struct kith_text *why) {
    pid_t pid = 0;
    enum kith_witness witness = kith_origin_pid(origin, &pid);
    return number_match(type, values, least, witness, (uint64_t)pid, why);
}

static bool groups_match(const struct kith_condition_values *values, enum kith_witness least, kith_origin *origin, struct kith_text *why) {
    const gid_t *groups = NULL;
    size_t count = 0;
    if (!believed("group list", kith_origin_groups(origin, &groups, &count), least, why))
        return false;
    for (size_t i = 0; i < count; i++)
        if (ranges_have(values, groups[i]))
            return true;
    if (why)
        kith_text_printf(why, "none of %zu groups is", count);
    return false;
}

/* The primary group came with the message, the others have to be looked up: so they are only asked for when it does not do. */
static bool gid_match(const struct kith_condition_type *type, const struct kith_condition_values *values, enum kith_witness least,
                      kith_origin *origin, struct kith_text *why) {
    gid_t gid = 0;
    enum kith_witness witness = kith_origin_gid(origin, &gid);
    if (number_match(type, values, least, witness, gid, NULL) || groups_match(values, least, origin, NULL))
        return true;
    if (why) {
        number_match(type, values, least, witness, gid, why);
        kith_text_puts(why, ", ");
        groups_match(values, least, origin, why);
    }
    return false;
}

/* Globs -------------------------------------------------------------------------------------------------------- */

static int glob_parse(const struct kith_condition_type *type, const char *text, struct kith_condition_value *ret_value,
                      struct kith_error *ret_error) {
    struct kith_error error = KITH_ERROR_NONE;
    int r = kith_glob_new(text, type->path, &ret_value->glob, &error);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s \"%.256s\": %s", type->name, text, error.text);
    return 0;
}

static void glob_deinit(struct kith_condition_value *value) {
    value->glob = kith_glob_free(value->glob);
}

static void globs_explain(const struct kith_condition_values *values, struct kith_text *why) {
    for (size_t i = 0; i < values->count && i < EXPLAINED_MAX; i++) {
        const char *pattern = kith_glob_pattern(values->values[i].glob);
        kith_text_puts(why, i == 0 ? " is not " : " or ");
        kith_text_put_printable(why, pattern, strlen(pattern));
    }
    if (values->count > EXPLAINED_MAX)
        kith_text_printf(why, " or one of %zu more", values->count - EXPLAINED_MAX);
}

static bool glob_match(const struct kith_condition_type *type, const struct kith_condition_values *values, enum kith_witness least,
                       kith_origin *origin, struct kith_text *why) {
    const char *text = NULL;
    if (!believed(type->name, kith_origin_text(origin, type->fact, &text), least, why))
        return false;
    for (size_t i = 0; i < values->count; i++)
        if (kith_glob_match(values->values[i].glob, text))
            return true;
    if (why) {
        kith_text_puts(why, type->name);
        kith_text_putc(why, ' ');
        kith_text_put_printable(why, text, strlen(text));
        globs_explain(values, why);
    }
    return false;
}

/* The table ------------------------------------------------------------------------------------------------------ */

/* clang-format off */
const struct kith_condition_type kith_condition_types[KITH_CONDITION_COUNT_] = {
    [KITH_CONDITION_UID]    = {.name = "uid", .fact = KITH_FACT_UID, .low = 0, .high = ID_MAX, .parse = range_parse, .match = uid_match},
    [KITH_CONDITION_GID]    = {.name = "gid", .fact = KITH_FACT_GID, .low = 0, .high = ID_MAX, .parse = range_parse, .match = gid_match},
    [KITH_CONDITION_PID]    = {.name = "pid", .fact = KITH_FACT_PID, .low = 1, .high = PID_LIMIT, .parse = range_parse, .match = pid_match},
    [KITH_CONDITION_EXE]    = {.name = "exe", .fact = KITH_FACT_EXE, .path = true, .parse = glob_parse, .deinit = glob_deinit, .match = glob_match},
    [KITH_CONDITION_UNIT]   = {.name = "unit", .fact = KITH_FACT_UNIT, .parse = glob_parse, .deinit = glob_deinit, .match = glob_match},
    [KITH_CONDITION_CGROUP] = {.name = "cgroup", .fact = KITH_FACT_CGROUP, .path = true, .parse = glob_parse, .deinit = glob_deinit, .match = glob_match},
    [KITH_CONDITION_LABEL]  = {.name = "label", .fact = KITH_FACT_LABEL, .parse = glob_parse, .deinit = glob_deinit, .match = glob_match},
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
    size_t capacity = values->capacity ? values->capacity * 2 : 4;
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

    int r = type->parse(type, text, &values->values[values->count], ret_error);
    if (r < 0)
        return r;
    values->count++;
    return 0;
}

void kith_condition_values_deinit(struct kith_condition_values *values, const struct kith_condition_type *type) {
    for (size_t i = 0; type->deinit && i < values->count; i++)
        type->deinit(&values->values[i]);
    free(values->values);
    *values = (struct kith_condition_values){.values = NULL};
}
