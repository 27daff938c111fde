/*
 * policy/condition.h: the kinds of condition a rule may have. One table, a row a kind: its name, how its values are read and how they
 * are held against a request. Rows are in the order of enum kith_condition, which is the order in which a rule's conditions are asked.
 *
 * What is asked has three answers, so that a negated condition is sound: what is unknown satisfies neither a condition nor its negation.
 */
#ifndef KITH_POLICY_CONDITION_H
#define KITH_POLICY_CONDITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>
#include <kith/origin.h>
#include <kith/policy.h>

#include "base/text.h"
#include "policy/glob.h"
#include "policy/state.h"

enum kith_match {
    KITH_MATCH_UNKNOWN, /* there is nothing that could be believed */
    KITH_MATCH_NO,
    KITH_MATCH_YES,
};

/* Addresses without scope; IPv4 as ::ffff:a.b.c.d. */
struct kith_address_range {
    uint8_t prefix[16];
    uint8_t bits;
    uint16_t port_low, port_high;
};

/* Minutes of a day, the end excluded; low > high: over midnight. */
struct kith_time_span {
    uint16_t low, high;
    uint8_t days; /* bit 0 is Sunday, as struct tm's tm_wday */
    bool local;
};

/* Which member it is follows from the condition's row. */
struct kith_condition_value {
    union {
        struct {
            uint64_t low, high; /* both included */
        } range;
        struct kith_glob *glob;
        char *text; /* allocated */
        unsigned kind;
        struct kith_address_range address;
        struct kith_time_span span;
        struct kith_rate *rate; /* allocated */
    };
};

struct kith_condition_values {
    struct kith_condition_value *values;
    size_t count;
    size_t capacity;
    unsigned looks_at; /* set of enum kith_looked_at that holding them against a request may need */
};

struct kith_address {
    uint8_t octets[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint16_t port;
};

/* What is worked out once for all rules that are asked: the first numbers, which many rules are about, and the facts as addresses. */
struct kith_condition_scratch {
    struct {
        bool asked;
        enum kith_witness witness;
        uint64_t number;
    } numbers[2]; /* UID, PID */
    struct {
        bool parsed, valid;
        struct kith_address address;
    } addresses[2]; /* ADDRESS, DESTINATION */
};

/* What a condition's values are held against, and how. */
struct kith_condition_ask {
    const struct kith_policy_request *request;
    struct kith_condition_scratch *scratch;
    kith_policy_state *state; /* NULL: rates have counted nothing */
    const char *rule;         /* the rule's name, by which rates count */
    enum kith_witness least;
    bool any;              /* where a condition is about several things: one of them that fits suffices; else all must */
    struct kith_text *why; /* NULL, or where it is told why the answer is not YES; when it is, what was written means nothing */
};

struct kith_condition_type {
    const char *name;
    enum kith_fact fact;
    unsigned looks_at;
    uint64_t low, high; /* ranges: what a value may be */
    bool path;          /* globs: '/' is special */
    bool binary_units;  /* ranges: K, M and G behind a number */

    /* Errors: -EINVAL (with text), -ENOMEM. */
    int (*parse)(const struct kith_condition_type *type, const char *text, struct kith_condition_value *ret_value,
                 struct kith_error *ret_error);
    /* NULL: a value owns nothing. */
    void (*deinit)(struct kith_condition_value *value);
    /* YES when one of the values accepts what the request says, and the fact's witness is not weaker than asked. */
    enum kith_match (*match)(const struct kith_condition_type *type, const struct kith_condition_values *values,
                             const struct kith_condition_ask *ask);
    /* What of `looks_at` this value needs besides; NULL: nothing. */
    unsigned (*value_looks_at)(const struct kith_condition_value *value);
    /* The value as it was meant, for a person. */
    void (*put)(const struct kith_condition_value *value, struct kith_text *text);
};

extern const struct kith_condition_type kith_condition_types[KITH_CONDITION_COUNT_];

/* Reads one more value. Errors: -EINVAL (with text), -E2BIG (more than 1024), -ENOMEM; the values are then unchanged. */
int kith_condition_values_add(struct kith_condition_values *values, const struct kith_condition_type *type, const char *text,
                              struct kith_error *ret_error);
void kith_condition_values_deinit(struct kith_condition_values *values, const struct kith_condition_type *type);

/* For the rows ---------------------------------------------------------------------------------------------------- */

/* True when a fact with this witness may be used; else why not is told. */
bool kith_condition_believed(const struct kith_condition_ask *ask, const char *name, enum kith_witness witness);
/* Tells that there is no such thing: "topic is unknown". */
enum kith_match kith_condition_unknown(const struct kith_condition_ask *ask, const char *name);
/* Tells " is not A or B or one of 3 more". */
enum kith_match kith_condition_differs(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                       const struct kith_condition_ask *ask);

/* Reads decimal digits up to `end`; true when there were some and nothing else. A leading zero could be meant as octal. Saturates far above
 * every bound. */
bool kith_condition_number(const char *text, const char *end, uint64_t *ret_number);
/* The same with K, M or G behind it, powers of 1024. */
bool kith_condition_units(const char *text, const char *end, uint64_t *ret_number);

/* Ranges: condition-range.c */
#define KITH_CONDITION_RANGE(name_, fact_, low_, high_, match_)                                                                            \
    .name = (name_), .fact = (fact_), .low = (low_), .high = (high_), .parse = kith_condition_range_parse, .match = (match_),              \
    .put = kith_condition_range_put
int kith_condition_range_parse(const struct kith_condition_type *type, const char *text, struct kith_condition_value *ret_value,
                               struct kith_error *ret_error);
void kith_condition_range_put(const struct kith_condition_value *value, struct kith_text *text);
enum kith_match kith_condition_range_match_fact(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                                const struct kith_condition_ask *ask);
enum kith_match kith_condition_range_match_gid(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                               const struct kith_condition_ask *ask);
enum kith_match kith_condition_range_match_size(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                                const struct kith_condition_ask *ask);
enum kith_match kith_condition_range_match_fds(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                               const struct kith_condition_ask *ask);

/* Texts and words: condition-text.c */
#define KITH_CONDITION_GLOB(name_, fact_, match_)                                                                                          \
    .name = (name_), .fact = (fact_), .parse = kith_condition_glob_parse, .deinit = kith_condition_glob_deinit, .match = (match_),         \
    .put = kith_condition_glob_put
int kith_condition_glob_parse(const struct kith_condition_type *type, const char *text, struct kith_condition_value *ret_value,
                              struct kith_error *ret_error);
void kith_condition_glob_deinit(struct kith_condition_value *value);
void kith_condition_glob_put(const struct kith_condition_value *value, struct kith_text *text);
enum kith_match kith_condition_glob_match_fact(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                               const struct kith_condition_ask *ask);
enum kith_match kith_condition_glob_match_pattern(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                                  const struct kith_condition_ask *ask);
enum kith_match kith_condition_glob_match_service(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                                  const struct kith_condition_ask *ask);
enum kith_match kith_condition_glob_match_endpoint(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                                   const struct kith_condition_ask *ask);
enum kith_match kith_condition_glob_match_topic(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                                const struct kith_condition_ask *ask);
int kith_condition_key_parse(const struct kith_condition_type *type, const char *text, struct kith_condition_value *ret_value,
                             struct kith_error *ret_error);
void kith_condition_key_deinit(struct kith_condition_value *value);
void kith_condition_key_put(const struct kith_condition_value *value, struct kith_text *text);
enum kith_match kith_condition_key_match(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                         const struct kith_condition_ask *ask);

/* Kinds of descriptors: condition-kind.c */
int kith_condition_kind_parse(const struct kith_condition_type *type, const char *text, struct kith_condition_value *ret_value,
                              struct kith_error *ret_error);
void kith_condition_kind_put(const struct kith_condition_value *value, struct kith_text *text);
enum kith_match kith_condition_kind_match(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                          const struct kith_condition_ask *ask);

/* Addresses: condition-address.c */
int kith_condition_address_parse(const struct kith_condition_type *type, const char *text, struct kith_condition_value *ret_value,
                                 struct kith_error *ret_error);
void kith_condition_address_put(const struct kith_condition_value *value, struct kith_text *text);
enum kith_match kith_condition_address_match(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                             const struct kith_condition_ask *ask);
/* The host of a fact such as "[fe80::1%eth0]:4711": writes "fe80::1", one text for each address. False when it is none. */
bool kith_condition_address_host(const char *text, char *host, size_t size);

/* Times: condition-time.c */
int kith_condition_time_parse(const struct kith_condition_type *type, const char *text, struct kith_condition_value *ret_value,
                              struct kith_error *ret_error);
void kith_condition_time_put(const struct kith_condition_value *value, struct kith_text *text);
enum kith_match kith_condition_time_match(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                          const struct kith_condition_ask *ask);

/* Rates: condition-rate.c. Matching counts nothing; kith_condition_rate_take() does, for every rate, when the rule has decided. */
int kith_condition_rate_parse(const struct kith_condition_type *type, const char *text, struct kith_condition_value *ret_value,
                              struct kith_error *ret_error);
void kith_condition_rate_deinit(struct kith_condition_value *value);
void kith_condition_rate_put(const struct kith_condition_value *value, struct kith_text *text);
unsigned kith_condition_rate_looks_at(const struct kith_condition_value *value);
enum kith_match kith_condition_rate_match(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                          const struct kith_condition_ask *ask);
void kith_condition_rate_take(const struct kith_condition_values *values, const struct kith_condition_ask *ask);

#endif
