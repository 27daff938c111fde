/* policy/condition-range.c: conditions whose values are numbers and ranges of them. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "policy/condition.h"

int kith_condition_range_parse(const struct kith_condition_type *type, const char *text, struct kith_condition_value *ret_value,
                               struct kith_error *ret_error) {
    bool (*number)(const char *, const char *, uint64_t *) = type->binary_units ? kith_condition_units : kith_condition_number;
    const char *end = text + strlen(text);
    const char *dash = strchr(text, '-');
    uint64_t low, high;

    if (!number(text, dash ? dash : end, &low) || !number(dash ? dash + 1 : text, end, &high))
        return kith_error_set(ret_error, -EINVAL, "%s \"%.64s\" is no number: write one like %s, or a range like %s", type->name, text,
                              type->binary_units ? "64K" : "1000", type->binary_units ? "0-64K" : "1000-1999");
    if (low < type->low || high > type->high)
        return kith_error_set(ret_error, -EINVAL, "%s \"%.64s\" is out of range: write numbers from %" PRIu64 " to %" PRIu64, type->name,
                              text, type->low, type->high);
    if (low > high)
        return kith_error_set(ret_error, -EINVAL, "%s \"%.64s\" ends before it begins: write the smaller number first", type->name, text);

    ret_value->range.low = low;
    ret_value->range.high = high;
    return 0;
}

void kith_condition_range_put(const struct kith_condition_value *value, struct kith_text *text) {
    kith_text_printf(text, "%" PRIu64, value->range.low);
    if (value->range.high != value->range.low)
        kith_text_printf(text, "-%" PRIu64, value->range.high);
}

static bool ranges_have(const struct kith_condition_values *values, uint64_t number) {
    for (size_t i = 0; i < values->count; i++)
        if (number >= values->values[i].range.low && number <= values->values[i].range.high)
            return true;
    return false;
}

static enum kith_match match_number(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                    const struct kith_condition_ask *ask, uint64_t number) {
    if (ranges_have(values, number))
        return KITH_MATCH_YES;
    if (!ask->why)
        return KITH_MATCH_NO;
    kith_text_printf(ask->why, "%s %" PRIu64, type->name, number);
    return kith_condition_differs(type, values, ask);
}

_Static_assert(KITH_CONDITION_UID == 0 && KITH_CONDITION_PID == 1, "the numbers of the scratch are those of the first rows");

static enum kith_witness number_of(const struct kith_condition_type *type, const struct kith_condition_ask *ask, uint64_t *ret_number) {
    size_t index = (size_t)(type - kith_condition_types);
    if (index >= KITH_ARRAY_SIZE(ask->scratch->numbers))
        return kith_origin_number(ask->request->origin, type->fact, ret_number);
    if (!ask->scratch->numbers[index].asked) {
        ask->scratch->numbers[index].witness = kith_origin_number(ask->request->origin, type->fact, &ask->scratch->numbers[index].number);
        ask->scratch->numbers[index].asked = true;
    }
    *ret_number = ask->scratch->numbers[index].number;
    return ask->scratch->numbers[index].witness;
}

enum kith_match kith_condition_range_match_fact(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                                const struct kith_condition_ask *ask) {
    uint64_t number = 0;
    if (!kith_condition_believed(ask, type->name, number_of(type, ask, &number)))
        return KITH_MATCH_UNKNOWN;
    return match_number(type, values, ask, number);
}

static enum kith_match match_groups(const struct kith_condition_values *values, const struct kith_condition_ask *ask) {
    const gid_t *groups = NULL;
    size_t count = 0;
    if (!kith_condition_believed(ask, "group list", kith_origin_groups(ask->request->origin, &groups, &count)))
        return KITH_MATCH_UNKNOWN;
    for (size_t i = 0; i < count; i++)
        if (ranges_have(values, groups[i]))
            return KITH_MATCH_YES;
    if (ask->why)
        kith_text_printf(ask->why, "none of %zu groups is", count);
    return KITH_MATCH_NO;
}

/* The primary group came with the message, the others have to be looked up: so they are only asked for when it does not do. That none of
 * them is one of the values is known only when all are. */
enum kith_match kith_condition_range_match_gid(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                               const struct kith_condition_ask *ask) {
    enum kith_match primary = kith_condition_range_match_fact(type, values, ask);
    if (primary == KITH_MATCH_YES)
        return primary;

    if (ask->why)
        kith_text_puts(ask->why, ", ");
    enum kith_match groups = match_groups(values, ask);
    return groups == KITH_MATCH_NO ? primary : groups;
}

enum kith_match kith_condition_range_match_size(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                                const struct kith_condition_ask *ask) {
    return match_number(type, values, ask, ask->request->size);
}

enum kith_match kith_condition_range_match_fds(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                               const struct kith_condition_ask *ask) {
    return match_number(type, values, ask, ask->request->fd_count);
}
