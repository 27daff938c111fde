/*
 * policy/condition-time.c: days of the week and times of the day.
 *
 *     [DAY[-DAY][,DAY[-DAY]]...] [HH:MM-HH:MM] UTC|local       at least one of the two in front of the zone
 *
 * The clock and the zone's offset are the request's. A day has 1440 minutes here: where the zone's clock is put forward or back, local time
 * is what its clock shows.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "policy/condition.h"

#define DAY_MINUTES 1440
#define ALL_DAYS 0x7f
/* 1 January 1970 was a Thursday. */
#define EPOCH_WEEKDAY 4

static const char *const days[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

/* Reading --------------------------------------------------------------------------------------------------------- */

static bool parse_day(const char *text, size_t size, unsigned *ret_day) {
    for (unsigned i = 0; i < KITH_ARRAY_SIZE(days); i++) {
        if (size == strlen(days[i]) && memcmp(text, days[i], size) == 0) {
            *ret_day = i;
            return true;
        }
    }
    return false;
}

/* "fri-mon" is four days. */
static bool parse_days(const char *word, uint8_t *ret_days) {
    uint8_t set = 0;
    for (const char *part = word;; part++) {
        size_t size = strcspn(part, ","), first_size = strcspn(part, "-,");
        unsigned first, last;
        if (!parse_day(part, first_size, &first))
            return false;
        last = first;
        if (first_size < size && !parse_day(part + first_size + 1, size - first_size - 1, &last))
            return false;
        for (unsigned day = first;; day = (day + 1) % 7) {
            set |= (uint8_t)(1u << day);
            if (day == last)
                break;
        }
        part += size;
        if (!*part)
            break;
    }
    *ret_days = set;
    return true;
}

/* HH:MM, 24:00 as well. */
static bool parse_clock(const char *text, uint16_t *ret_minutes) {
    for (size_t i = 0; i < 5; i++)
        if (i == 2 ? text[i] != ':' : text[i] < '0' || text[i] > '9')
            return false;
    unsigned hours = (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0');
    unsigned minutes = (unsigned)(text[3] - '0') * 10 + (unsigned)(text[4] - '0');
    *ret_minutes = (uint16_t)(hours * 60 + minutes);
    return minutes < 60 && *ret_minutes <= DAY_MINUTES;
}

static bool parse_span(const char *word, struct kith_time_span *span) {
    return strlen(word) == strlen("08:00-18:00") && word[5] == '-' && parse_clock(word, &span->low) && parse_clock(word + 6, &span->high) &&
           span->low < DAY_MINUTES && span->high > 0 && span->low != span->high;
}

static bool parse_words(char *text, struct kith_time_span *ret_span) {
    struct kith_time_span span = {.low = 0, .high = DAY_MINUTES, .days = ALL_DAYS};
    char *zone = strrchr(text, ' ');

    if (!zone)
        return false;
    *zone++ = '\0';
    if (strcmp(zone, "local") != 0 && strcmp(zone, "UTC") != 0)
        return false;
    span.local = zone[0] == 'l';

    char *clock = strchr(text, ' ');
    if (clock) {
        *clock++ = '\0';
        if (!parse_days(text, &span.days) || !parse_span(clock, &span))
            return false;
    } else if (!parse_span(text, &span) && !parse_days(text, &span.days)) {
        return false;
    }
    *ret_span = span;
    return true;
}

int kith_condition_time_parse(const struct kith_condition_type *type, const char *text, struct kith_condition_value *ret_value,
                              struct kith_error *ret_error) {
    char copy[64];
    size_t size = strlen(text);

    if (size < sizeof(copy))
        memcpy(copy, text, size + 1);
    if (size >= sizeof(copy) || !parse_words(copy, &ret_value->span))
        return kith_error_set(ret_error, -EINVAL,
                              "%s \"%.64s\" is no time: write one like \"08:00-18:00 UTC\", \"mon-fri 08:00-18:00 local\" or \"sat,sun "
                              "local\", with its zone, UTC or local",
                              type->name, text);
    return 0;
}

static void put_days(uint8_t set, struct kith_text *text) {
    const char *between = "";
    /* From Monday on. */
    for (unsigned i = 1; i <= 7; i++) {
        if (set & 1u << i % 7) {
            kith_text_puts(text, between);
            kith_text_puts(text, days[i % 7]);
            between = ",";
        }
    }
    kith_text_putc(text, ' ');
}

void kith_condition_time_put(const struct kith_condition_value *value, struct kith_text *text) {
    const struct kith_time_span *span = &value->span;
    if (span->days != ALL_DAYS)
        put_days(span->days, text);
    kith_text_printf(text, "%02u:%02u-%02u:%02u %s", span->low / 60u, span->low % 60u, span->high / 60u, span->high % 60u,
                     span->local ? "local" : "UTC");
}

/* Matching -------------------------------------------------------------------------------------------------------- */

struct clock {
    unsigned day;    /* 0 is Sunday */
    unsigned minute; /* of the day */
};

static struct clock clock_at(uint64_t now, int32_t offset) {
    /* Nanoseconds of 64 bits are below 2^35 seconds; a time before 1970 is the day before. */
    int64_t seconds = (int64_t)(now / 1000000000) + offset;
    int64_t minutes = seconds >= 0 ? seconds / 60 : -((59 - seconds) / 60);
    int64_t day = minutes >= 0 ? minutes / DAY_MINUTES : -((DAY_MINUTES - 1 - minutes) / DAY_MINUTES);
    return (struct clock){
        .day = (unsigned)(((day + EPOCH_WEEKDAY) % 7 + 7) % 7),
        .minute = (unsigned)(minutes - day * DAY_MINUTES),
    };
}

static bool span_has(const struct kith_time_span *span, const struct clock *clock) {
    unsigned yesterday = (clock->day + 6) % 7;

    if (span->low < span->high)
        return (span->days & 1u << clock->day) && clock->minute >= span->low && clock->minute < span->high;
    return (clock->minute >= span->low && (span->days & 1u << clock->day)) ||
           (clock->minute < span->high && (span->days & 1u << yesterday));
}

enum kith_match kith_condition_time_match(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                          const struct kith_condition_ask *ask) {
    const struct kith_policy_request *request = ask->request;
    struct clock utc = clock_at(request->now, 0), local = clock_at(request->now, request->utc_offset);
    bool unknown_zone = false;

    if (request->now == 0)
        return kith_condition_unknown(ask, type->name);
    for (size_t i = 0; i < values->count; i++) {
        const struct kith_time_span *span = &values->values[i].span;
        if (span->local && !request->has_utc_offset)
            unknown_zone = true;
        else if (span_has(span, span->local ? &local : &utc))
            return KITH_MATCH_YES;
    }
    if (unknown_zone)
        return kith_condition_unknown(ask, "local time");
    if (ask->why) {
        kith_text_printf(ask->why, "time %s %02u:%02u UTC", days[utc.day], utc.minute / 60, utc.minute % 60);
        if (request->has_utc_offset)
            kith_text_printf(ask->why, " (%s %02u:%02u local)", days[local.day], local.minute / 60, local.minute % 60);
    }
    return kith_condition_differs(type, values, ask);
}
