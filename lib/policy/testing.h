/*
 * policy/testing.h: rules and requests as strings and numbers, and a plain evaluator of them, for test-random.c.
 *
 * The evaluator shares no code with the library: ranges are read by sscanf(3), globs by recursion, subscriptions by trying topics,
 * addresses and times from tables written by hand, rates by counting.
 */
#ifndef KITH_POLICY_TESTING_H
#define KITH_POLICY_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <kith/policy.h>

#include "base/cleanup.h"

#define TESTS 3
#define VALUES 3
#define GROUPS 3
#define UTC_OFFSET 7200

/* What there is to ask for ------------------------------------------------------------------------------------------- */

/* Few values, so that they often meet. */
static const char *const ranges[] = {"1", "2", "3", "1-2", "2-4", "4-4"};
static const char *const bits[] = {"1", "0", "0-1"};
static const char *const globs[] = {"/a", "/a/b", "/*", "/**", "*", "**", "/?", "/a*", "**b", "*/b", "\\*", "a?b"};
static const char *const texts[] = {"/a", "/a/b", "/b", "a/b", "aab", "*", "/a/b/c/b", ""};
static const char *const keys[] = {"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"};
static const char *const ranges_of_addresses[] = {"192.0.2.0/24", "192.0.2.1", "10.0.0.0/8:5-9", "2001:db8::/32", "::/0", "0.0.0.0/0"};
static const char *const addresses[] = {"192.0.2.1:4", "192.0.3.1:7",        "10.1.2.3:5",
                                        "10.1.2.3:10", "[2001:db8::5%e0]:9", "[::ffff:10.1.1.1]:6"};
static const bool address_fits[KITH_ARRAY_SIZE(ranges_of_addresses)][KITH_ARRAY_SIZE(addresses)] = {
    {true, false, false, false, false, false}, {true, false, false, false, false, false}, {false, false, true, false, false, true},
    {false, false, false, false, true, false}, {true, true, true, true, true, true},      {true, true, true, true, false, true},
};
static const char *const kinds[] = {"file", "directory", "socket"};
static const char *const times[] = {"mon UTC",     "08:00-18:00 UTC",        "22:00-06:00 local", "fri 22:00-06:00 local",
                                    "sat,sun UTC", "tue-thu 12:00-24:00 UTC"};
static const struct {
    const char *days; /* of tm_wday */
    int low, high;    /* hours */
    bool local;
} spans[KITH_ARRAY_SIZE(times)] = {
    {"1", 0, 24, false}, {"0123456", 8, 18, false}, {"0123456", 22, 6, true},
    {"5", 22, 6, true},  {"60", 0, 24, false},      {"234", 12, 24, false},
};
/* In hours: requests are whole hours apart, so a count is either as it was or begins anew. */
static const char *const rates[] = {"2/h", "3 messages/h per uid", "1/h per pid"};
static const struct {
    unsigned count;
    int per; /* condition, or -1 */
} counts[KITH_ARRAY_SIZE(rates)] = {{2, -1}, {3, KITH_CONDITION_UID}, {1, KITH_CONDITION_PID}};

enum kind { NUMBER, BIT, GROUP, GLOB, PATH, KEY, ADDRESS, OWN_GLOB, OWN_PATH, TOPIC, OWN_NUMBER, FD_KIND, TIME, RATE };

#define NO_FACT KITH_FACT_COUNT_

static const struct {
    enum kind kind;
    enum kith_fact fact;
    unsigned looked_at;
} conditions[KITH_CONDITION_COUNT_] = {
    [KITH_CONDITION_UID] = {NUMBER, KITH_FACT_UID, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_PID] = {NUMBER, KITH_FACT_PID, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_PATTERN] = {OWN_GLOB, NO_FACT, KITH_LOOKED_AT_PATTERN},
    [KITH_CONDITION_SERVICE] = {OWN_GLOB, NO_FACT, KITH_LOOKED_AT_SERVICE},
    [KITH_CONDITION_ENDPOINT] = {OWN_PATH, NO_FACT, KITH_LOOKED_AT_ENDPOINT},
    [KITH_CONDITION_ADDRESS] = {ADDRESS, KITH_FACT_ADDRESS, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_CID] = {NUMBER, KITH_FACT_CID, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_DESTINATION] = {ADDRESS, KITH_FACT_DESTINATION, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_INTERFACE] = {GLOB, KITH_FACT_INTERFACE, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_TTL] = {NUMBER, KITH_FACT_TTL, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_TOS] = {NUMBER, KITH_FACT_TOS, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_KEY] = {KEY, KITH_FACT_KEY, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_USER_ID] = {GLOB, KITH_FACT_USER, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_MODULE] = {GLOB, KITH_FACT_MODULE, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_THREAD] = {NUMBER, KITH_FACT_THREAD, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_CONNECTOR] = {NUMBER, KITH_FACT_CONNECTOR, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_GID] = {GROUP, KITH_FACT_GID, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_EXE] = {PATH, KITH_FACT_EXE, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_UNIT] = {GLOB, KITH_FACT_UNIT, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_CGROUP] = {PATH, KITH_FACT_CGROUP, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_LABEL] = {GLOB, KITH_FACT_LABEL, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_CONTAINER] = {GLOB, KITH_FACT_CONTAINER, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_SESSION] = {GLOB, KITH_FACT_SESSION, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_PID_NAMESPACE] = {NUMBER, KITH_FACT_PID_NAMESPACE, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_USER_NAMESPACE] = {NUMBER, KITH_FACT_USER_NAMESPACE, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_MAY_FORGE] = {BIT, KITH_FACT_MAY_FORGE, KITH_LOOKED_AT_ORIGIN},
    [KITH_CONDITION_TOPIC] = {TOPIC, NO_FACT, KITH_LOOKED_AT_TOPIC},
    [KITH_CONDITION_FDS] = {OWN_NUMBER, NO_FACT, KITH_LOOKED_AT_FDS},
    [KITH_CONDITION_FD_KIND] = {FD_KIND, NO_FACT, KITH_LOOKED_AT_FDS},
    [KITH_CONDITION_SIZE] = {OWN_NUMBER, NO_FACT, KITH_LOOKED_AT_SIZE},
    [KITH_CONDITION_TIME] = {TIME, NO_FACT, KITH_LOOKED_AT_TIME},
    [KITH_CONDITION_RATE] = {RATE, NO_FACT, KITH_LOOKED_AT_RATE},
};

#define POOL(array)                                                                                                                        \
    { (array), KITH_ARRAY_SIZE(array) }

/* The values that a condition of a kind may have. */
static const struct {
    const char *const *values;
    unsigned count;
} pools[] = {
    [NUMBER] = POOL(ranges),
    [BIT] = POOL(bits),
    [GROUP] = POOL(ranges),
    [GLOB] = POOL(globs),
    [PATH] = POOL(globs),
    [KEY] = POOL(keys),
    [ADDRESS] = POOL(ranges_of_addresses),
    [OWN_GLOB] = POOL(globs),
    [OWN_PATH] = POOL(globs),
    [TOPIC] = POOL(globs),
    [OWN_NUMBER] = POOL(ranges),
    [FD_KIND] = POOL(kinds),
    [TIME] = POOL(times),
    [RATE] = POOL(rates),
};

struct test {
    unsigned condition;
    bool negated;
    size_t count;
    unsigned values[VALUES]; /* in its pool */
};

struct rule {
    bool allow;
    unsigned verbs;
    enum kith_witness least;
    size_t count;
    struct test tests[TESTS];
};

struct subject {
    enum kith_verb verb;
    /* By condition; of facts, their witness. Own things are known when it is not NONE. */
    enum kith_witness witness[KITH_CONDITION_COUNT_];
    unsigned picks[KITH_CONDITION_COUNT_]; /* a number, or an index of texts, keys, addresses */
    enum kith_witness groups_witness;
    size_t group_count;
    gid_t groups[GROUPS];
    bool prefix;
    unsigned kinds; /* the first three bits; 0 with descriptors: unknown */
    unsigned hour;  /* since Monday, 5 January 1970, 00:00 UTC; 0: the time is unknown */
    bool zone;
};

/* What a rule's rates have let through. */
struct counter {
    unsigned key, left, hour;
};

struct counters {
    struct counter list[4096];
    size_t count;
};

/* The plain evaluator --------------------------------------------------------------------------------------------- */

enum answer { UNKNOWN, NO, YES };

static bool plain_glob(const char *pattern, bool path, const char *text) {
    if (pattern[0] == '*') {
        bool any = !path || pattern[1] == '*';
        const char *rest = pattern + (pattern[1] == '*' ? 2 : 1);
        if (plain_glob(rest, path, text))
            return true;
        return *text && (any || *text != '/') && plain_glob(pattern, path, text + 1);
    }
    if (pattern[0] == '?')
        return *text && (!path || *text != '/') && plain_glob(pattern + 1, path, text + 1);
    if (pattern[0] == '\\')
        pattern++;
    return pattern[0] == text[0] && (!pattern[0] || plain_glob(pattern + 1, path, text + 1));
}

/* Of the topics that begin so, with up to four more letters: do all (any) fit one of the values? Values are looked at one by one: a
 * subscription that only several together cover is not covered. */
static bool plain_prefix(const char *pattern, const char *prefix, bool any) {
    static const char letters[] = "ab/*c";
    bool all = true, some = false;
    for (unsigned n = 0; n < 6 * 6 * 6 * 6; n++) {
        char topic[32];
        unsigned tail[4] = {n % 6, n / 6 % 6, n / 36 % 6, n / 216};
        strcpy(topic, prefix);
        for (unsigned i = 0; i < 4; i++)
            if (tail[i] < 5)
                strncat(topic, &letters[tail[i]], 1);
        bool fits = plain_glob(pattern, false, topic);
        all = all && fits;
        some = some || fits;
    }
    return any ? some : all;
}

static bool plain_range(const char *value, unsigned number) {
    unsigned low, high;
    int n = sscanf(value, "%u-%u", &low, &high);
    return number >= low && number <= (n == 2 ? high : low);
}

static bool plain_time(unsigned value, const struct subject *subject) {
    time_t seconds = (time_t)(4 * 86400 + subject->hour * 3600) + (spans[value].local ? UTC_OFFSET : 0);
    struct tm tm, before;
    time_t yesterday = seconds - 86400;
    gmtime_r(&seconds, &tm);
    gmtime_r(&yesterday, &before);
    bool today = strchr(spans[value].days, '0' + tm.tm_wday), last = strchr(spans[value].days, '0' + before.tm_wday);
    if (spans[value].low < spans[value].high)
        return today && tm.tm_hour >= spans[value].low && tm.tm_hour < spans[value].high;
    return (today && tm.tm_hour >= spans[value].low) || (last && tm.tm_hour < spans[value].high);
}

static bool is_fact(enum kind kind) {
    return kind <= ADDRESS;
}

/* Does one value accept? Only asked when the thing is known. */
static bool plain_value(unsigned condition, unsigned value, const struct subject *subject, bool any) {
    enum kind kind = conditions[condition].kind;
    const char *text = pools[kind].values[value];
    unsigned is = subject->picks[condition];
    switch (kind) {
    case KEY:
        return value == is;
    case ADDRESS:
        return address_fits[value][is];
    case TOPIC:
        return subject->prefix ? plain_prefix(text, texts[is], any) : plain_glob(text, false, texts[is]);
    case GLOB:
    case OWN_GLOB:
        return plain_glob(text, false, texts[is]);
    case PATH:
    case OWN_PATH:
        return plain_glob(text, true, texts[is]);
    default:
        return plain_range(text, is);
    }
}

static bool plain_groups(const struct test *test, const struct subject *subject) {
    for (size_t i = 0; i < subject->group_count; i++)
        for (size_t v = 0; v < test->count; v++)
            if (plain_range(ranges[test->values[v]], subject->groups[i]))
                return true;
    return false;
}

static enum answer plain_any_value(const struct test *test, const struct subject *subject, bool any) {
    for (size_t v = 0; v < test->count; v++)
        if (plain_value(test->condition, test->values[v], subject, any))
            return YES;
    return NO;
}

static enum answer plain_kinds(const struct test *test, const struct subject *subject, bool any) {
    bool all = true, some = false;
    if (subject->picks[KITH_CONDITION_FDS] > 0 && subject->kinds == 0)
        return UNKNOWN;
    for (unsigned kind = 0; kind < 3; kind++) {
        bool fits = false;
        for (size_t v = 0; v < test->count; v++)
            fits = fits || test->values[v] == kind;
        if (subject->kinds & 1u << kind) {
            all = all && fits;
            some = some || fits;
        }
    }
    return (any ? some : all) ? YES : NO;
}

static enum answer plain_times(const struct test *test, const struct subject *subject) {
    bool unknown = subject->hour == 0;
    for (size_t v = 0; subject->hour > 0 && v < test->count; v++) {
        if (spans[test->values[v]].local && !subject->zone)
            unknown = true;
        else if (plain_time(test->values[v], subject))
            return YES;
    }
    return unknown ? UNKNOWN : NO;
}

/* The count of a rule's rate for this subject; NULL when it is not known whose it is. */
static struct counter *plain_counter(struct counters *counters, size_t rule, unsigned rate, const struct subject *subject,
                                     enum kith_witness least) {
    int per = counts[rate].per;
    if (per >= 0 && subject->witness[per] < least)
        return NULL;
    unsigned key = (unsigned)((rule * KITH_ARRAY_SIZE(rates) + rate) * 10 + (per >= 0 ? subject->picks[per] : 0));
    for (size_t i = 0; i < counters->count; i++)
        if (counters->list[i].key == key)
            return &counters->list[i];
    assert_true(counters->count < KITH_ARRAY_SIZE(counters->list));
    counters->list[counters->count] = (struct counter){.key = key, .left = counts[rate].count, .hour = subject->hour};
    return &counters->list[counters->count++];
}

static enum answer plain_rates(const struct test *test, const struct subject *subject, size_t rule, enum kith_witness least,
                               struct counters *counters) {
    for (size_t v = 0; v < test->count; v++) {
        unsigned rate = test->values[v];
        int per = counts[rate].per;
        if (per >= 0 && subject->witness[per] < least)
            return UNKNOWN;
        if (subject->hour == 0)
            return UNKNOWN;
        struct counter *counter = plain_counter(counters, rule, rate, subject, least);
        if (subject->hour > counter->hour)
            counter->left = counts[rate].count;
        counter->hour = subject->hour;
        if (counter->left == 0)
            return NO;
    }
    return YES;
}

static enum answer plain_test(const struct test *test, const struct rule *rule, size_t index, const struct subject *subject,
                              struct counters *counters) {
    enum kind kind = conditions[test->condition].kind;
    bool any = rule->allow == test->negated;
    bool known = subject->witness[test->condition] >= (is_fact(kind) ? rule->least : KITH_WITNESS_CLAIMED);
    if (kind == GROUP) {
        enum answer primary = known ? plain_any_value(test, subject, any) : UNKNOWN;
        enum answer others = subject->groups_witness < rule->least ? UNKNOWN : plain_groups(test, subject) ? YES : NO;
        return primary == YES || others == YES ? YES : primary == NO && others == NO ? NO : UNKNOWN;
    }
    if (kind == FD_KIND)
        return plain_kinds(test, subject, any);
    if (kind == TIME)
        return plain_times(test, subject);
    if (kind == RATE)
        return plain_rates(test, subject, index, rule->least, counters);
    return known || kind == OWN_NUMBER ? plain_any_value(test, subject, any) : UNKNOWN;
}

/* looked_at: what those that were asked are about. */
static bool plain_rule(const struct rule *rule, size_t index, const struct subject *subject, struct counters *counters,
                       unsigned *looked_at) {
    if (!(rule->verbs & (unsigned)subject->verb))
        return false;
    for (unsigned condition = 0; condition < KITH_CONDITION_COUNT_; condition++) {
        for (unsigned negated = 0; negated < 2; negated++) {
            for (size_t i = 0; i < rule->count; i++) {
                const struct test *test = &rule->tests[i];
                if (test->condition != condition || test->negated != negated)
                    continue;
                *looked_at |= conditions[condition].looked_at;
                if (plain_test(test, rule, index, subject, counters) != (negated ? NO : YES))
                    return false;
            }
        }
    }
    return true;
}

static void plain_take(const struct rule *rule, size_t index, const struct subject *subject, struct counters *counters) {
    for (size_t i = 0; i < rule->count; i++)
        for (size_t v = 0; rule->tests[i].condition == KITH_CONDITION_RATE && v < rule->tests[i].count; v++) {
            struct counter *counter = plain_counter(counters, index, rule->tests[i].values[v], subject, rule->least);
            /* A rate given twice counts twice. */
            if (counter && counter->left > 0)
                counter->left--;
        }
}

#endif
