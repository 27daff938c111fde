/* origin/views.c: an origin for a program (JSON) and for a person (a line). Both ask for everything that they show. */
#include <inttypes.h>
#include <string.h>

#include <kith/origin.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/utf8.h"
#include "origin/internal.h"
#include "origin/json.h"

/* The order of both views. */
static const enum kith_fact order[] = {
    KITH_FACT_PID,
    KITH_FACT_UID,
    KITH_FACT_GID,
    KITH_FACT_GROUPS,
    KITH_FACT_EXE,
    KITH_FACT_UNIT,
    KITH_FACT_CGROUP,
    KITH_FACT_CONTAINER,
    KITH_FACT_SESSION,
    KITH_FACT_LABEL,
    KITH_FACT_START_TIME,
    KITH_FACT_PID_NAMESPACE,
    KITH_FACT_USER_NAMESPACE,
    KITH_FACT_MAY_FORGE,
    KITH_FACT_CONNECTOR,
    KITH_FACT_THREAD,
    KITH_FACT_ADDRESS,
    KITH_FACT_CID,
    KITH_FACT_DESTINATION,
    KITH_FACT_INTERFACE,
    KITH_FACT_TTL,
    KITH_FACT_TOS,
    KITH_FACT_TIME,
    KITH_FACT_KEY,
    KITH_FACT_USER,
    KITH_FACT_MODULE,
};

_Static_assert(KITH_ARRAY_SIZE(order) == KITH_FACT_COUNT_, "every fact is shown");

/* One fact, in the form of its kind; `count` is used with groups. */
struct value {
    enum kith_witness witness;
    uint64_t number;
    const char *string;
    const gid_t *groups;
    size_t count;
};

static struct value look(kith_origin *origin, enum kith_fact fact) {
    struct value value = {.witness = KITH_WITNESS_NONE};

    value.witness = kith_origin_number(origin, fact, &value.number);
    if (fact == KITH_FACT_GROUPS)
        value.witness = kith_origin_groups(origin, &value.groups, &value.count);
    else if (value.witness == KITH_WITNESS_NONE)
        value.witness = kith_origin_text(origin, fact, &value.string);
    return value;
}

static void put_json_value(struct kith_text *text, enum kith_fact fact, const struct value *value) {
    if (value->string) {
        kith_json_string(text, value->string, strlen(value->string));
    } else if (fact == KITH_FACT_GROUPS) {
        kith_text_putc(text, '[');
        for (size_t i = 0; i < value->count; i++)
            kith_text_printf(text, i == 0 ? "%u" : ",%u", value->groups[i]);
        kith_text_putc(text, ']');
    } else if (fact == KITH_FACT_MAY_FORGE) {
        kith_text_puts(text, value->number != 0 ? "true" : "false");
    } else {
        kith_text_printf(text, "%" PRIu64, value->number);
    }
}

/* What is said only when it is so. */
static void put_json_true(struct kith_text *text, const char *name, bool so, bool *first) {
    if (!so)
        return;
    kith_json_key(text, first, name);
    kith_text_puts(text, "true");
}

/* Is it the first claim of its name? JSON says nothing about repeated names, and parsers differ. */
static bool is_first(kith_origin *origin, size_t index, const char *name) {
    const char *other;
    const uint8_t *value;
    size_t size;

    for (size_t i = 0; i < index && kith_origin_claim(origin, i, &other, &value, &size); i++) {
        if (strcmp(name, other) == 0)
            return false;
    }
    return true;
}

/* The claims that are text, or those that are not, as a member of the object; nothing when there are none. */
static void put_json_claims(struct kith_text *text, kith_origin *origin, bool utf8, bool *first) {
    bool first_claim = true;
    const char *name;
    const uint8_t *value;
    size_t size;

    for (size_t i = 0; kith_origin_claim(origin, i, &name, &value, &size); i++) {
        if (kith_utf8_valid(value, size) != utf8 || !is_first(origin, i, name))
            continue;
        if (first_claim) {
            kith_json_key(text, first, utf8 ? "claimed" : "claimed_b64");
            kith_text_putc(text, '{');
        }
        kith_json_key(text, &first_claim, name);
        (utf8 ? kith_json_string : kith_json_base64)(text, value, size);
    }
    if (!first_claim)
        kith_text_putc(text, '}');
}

int kith_origin_to_json(kith_origin *origin, char *text, size_t size) {
    struct kith_text json = kith_text_init(text, size);
    enum kith_witness witnesses[KITH_FACT_COUNT_];
    bool first = true, first_witness = true;

    kith_text_putc(&json, '{');
    for (size_t i = 0; i < KITH_ARRAY_SIZE(order); i++) {
        struct value value = look(origin, order[i]);

        witnesses[i] = value.witness;
        if (value.witness == KITH_WITNESS_NONE)
            continue;
        kith_json_key(&json, &first, kith_fact_name(order[i]));
        put_json_value(&json, order[i], &value);
    }
    put_json_true(&json, "ended", kith_origin_ended(origin), &first);
    put_json_true(&json, "execed", kith_origin_execed(origin), &first);
    kith_json_key(&json, &first, "witness");
    kith_text_putc(&json, '{');
    for (size_t i = 0; i < KITH_ARRAY_SIZE(order); i++) {
        const char *name = kith_witness_name(witnesses[i]);

        if (witnesses[i] == KITH_WITNESS_NONE)
            continue;
        kith_json_key(&json, &first_witness, kith_fact_name(order[i]));
        kith_json_string(&json, name, strlen(name));
    }
    kith_text_putc(&json, '}');
    put_json_claims(&json, origin, true, &first);
    put_json_claims(&json, origin, false, &first);
    kith_text_putc(&json, '}');
    return kith_text_result(&json);
}

static struct value look_at_hand(kith_origin *origin, enum kith_fact fact) {
    struct value value = {.witness = KITH_WITNESS_NONE};

    value.witness = kith_origin_number_at_hand(origin, fact, &value.number);
    if (value.witness == KITH_WITNESS_NONE)
        value.witness = kith_origin_text_at_hand(origin, fact, &value.string);
    return value;
}

static int format(kith_origin *origin, bool at_hand, char *text, size_t size) {
    static const enum kith_fact shown[] = {KITH_FACT_PID,  KITH_FACT_UID,    KITH_FACT_GID,     KITH_FACT_EXE,
                                           KITH_FACT_UNIT, KITH_FACT_THREAD, KITH_FACT_ADDRESS, KITH_FACT_INTERFACE,
                                           KITH_FACT_KEY,  KITH_FACT_USER,   KITH_FACT_MODULE};
    struct kith_text line = kith_text_init(text, size);

    for (size_t i = 0; i < KITH_ARRAY_SIZE(shown); i++) {
        struct value value = at_hand ? look_at_hand(origin, shown[i]) : look(origin, shown[i]);

        if (value.witness == KITH_WITNESS_NONE)
            continue;
        if (line.length > 0)
            kith_text_putc(&line, ' ');
        kith_text_printf(&line, "%s ", kith_fact_name(shown[i]));
        if (value.string)
            kith_text_put_printable(&line, value.string, strlen(value.string));
        else
            kith_text_printf(&line, "%" PRIu64, value.number);
    }
    if (line.length == 0)
        kith_text_puts(&line, "unknown");
    return kith_text_result(&line);
}

int kith_origin_format(kith_origin *origin, char *text, size_t size) {
    /* Of a TCP peer the kernel tells whose it is; who holds its socket is searched for, which takes too long for a line about everybody. */
    (void)kith_origin_uid(origin, NULL);
    (void)kith_origin_text(origin, KITH_FACT_INTERFACE, NULL);
    return format(origin, kith_origin_is_tcp(origin), text, size);
}

int kith_origin_format_at_hand(kith_origin *origin, char *text, size_t size) {
    return format(origin, true, text, size);
}
