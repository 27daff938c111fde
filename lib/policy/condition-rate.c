/*
 * policy/condition-rate.c: how much in how much time, for each value of a fact.
 *
 *     NUMBER [messages|bytes] / s|min|h [per FACT] [burst NUMBER]        words apart, no blanks around the slash
 *
 * Unlike other conditions all values must hold, since each is a limit of its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "policy/condition.h"

/* Longest rate as it is written: it is part of each key. */
#define TEXT_MAX_OCTETS 127
/* A name of a rule, a rate, and a path (of " (deleted)" too); what is longer counts together with what begins alike. */
#define KEY_MAX_OCTETS (128 + 128 + 4096)

struct kith_rate {
    struct kith_bucket_shape shape;
    bool bytes;
    enum kith_condition per; /* on whose fact; KITH_CONDITION_COUNT_: nothing, the rule as a whole */
    char text[TEXT_MAX_OCTETS + 1];
};

static const struct {
    const char *name;
    uint64_t ns;
} periods[] = {{"s", UINT64_C(1000000000)}, {"min", UINT64_C(60000000000)}, {"h", UINT64_C(3600000000000)}};

/* The conditions on facts that tell peers apart. */
static const enum kith_condition pers[] = {
    KITH_CONDITION_UID,    KITH_CONDITION_GID,       KITH_CONDITION_PID,     KITH_CONDITION_EXE,     KITH_CONDITION_UNIT,
    KITH_CONDITION_CGROUP, KITH_CONDITION_LABEL,     KITH_CONDITION_ADDRESS, KITH_CONDITION_CID,     KITH_CONDITION_KEY,
    KITH_CONDITION_MODULE, KITH_CONDITION_CONTAINER, KITH_CONDITION_SESSION, KITH_CONDITION_USER_ID,
};

/* Reading --------------------------------------------------------------------------------------------------------- */

static bool parse_amount(const char *text, const char *end, uint64_t *ret_amount) {
    return kith_condition_units(text, end, ret_amount) && *ret_amount >= 1 && *ret_amount <= KITH_RATE_TOKENS_MAX;
}

/* "100/s" or, of two words, "messages/min". Returns what is before the slash, or NULL. */
static const char *parse_period(char *word, struct kith_rate *rate) {
    char *slash = strchr(word, '/');
    for (size_t i = 0; slash && i < KITH_ARRAY_SIZE(periods); i++) {
        if (strcmp(slash + 1, periods[i].name) == 0) {
            rate->shape.period_ns = periods[i].ns;
            *slash = '\0';
            return word;
        }
    }
    return NULL;
}

static bool parse_per(const char *word, struct kith_rate *rate) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(pers); i++) {
        if (strcmp(word, kith_condition_types[pers[i]].name) == 0) {
            rate->per = pers[i];
            return true;
        }
    }
    return false;
}

/* Splits at each blank. */
static size_t split(char *text, char *words[], size_t max) {
    size_t count = 0;
    for (char *word; text && count < max && (word = strsep(&text, " "));)
        words[count++] = word;
    return text ? max + 1 : count;
}

static bool parse_words(char *words[], size_t count, struct kith_rate *rate) {
    const char *amount = parse_period(words[0], rate);
    size_t next = 1;

    if (!amount && count > 1) {
        const char *what = parse_period(words[1], rate);
        if (!what || (strcmp(what, "messages") != 0 && strcmp(what, "bytes") != 0))
            return false;
        rate->bytes = strcmp(what, "bytes") == 0;
        amount = words[0];
        next = 2;
    }
    if (!amount || !parse_amount(amount, amount + strlen(amount), &rate->shape.tokens))
        return false;
    rate->shape.burst = rate->shape.tokens;

    if (next + 1 < count && strcmp(words[next], "per") == 0) {
        if (!parse_per(words[next + 1], rate))
            return false;
        next += 2;
    }
    if (next + 1 < count && strcmp(words[next], "burst") == 0) {
        if (!parse_amount(words[next + 1], words[next + 1] + strlen(words[next + 1]), &rate->shape.burst))
            return false;
        next += 2;
    }
    return next == count;
}

int kith_condition_rate_parse(const struct kith_condition_type *type, const char *text, struct kith_condition_value *ret_value,
                              struct kith_error *ret_error) {
    char copy[TEXT_MAX_OCTETS + 1], *words[6];
    struct kith_rate rate = {.per = KITH_CONDITION_COUNT_};
    size_t size = strlen(text), count = 0;

    if (size <= TEXT_MAX_OCTETS) {
        memcpy(copy, text, size + 1);
        count = split(copy, words, KITH_ARRAY_SIZE(words));
    }
    if (count < 1 || count > KITH_ARRAY_SIZE(words) || !parse_words(words, count, &rate))
        return kith_error_set(ret_error, -EINVAL,
                              "%s \"%.64s\" is no rate: write one like \"100/s\", \"100 messages/min per uid\" or "
                              "\"10M bytes/s per exe burst 40M\"; per may be uid, gid, pid, exe, unit, cgroup, label, container, "
                              "session, address, cid, key, user_id or module; s, min or h; numbers from 1 to 1024G",
                              type->name, text);
    memcpy(rate.text, text, size + 1);
    ret_value->rate = (struct kith_rate *)malloc(sizeof(rate));
    if (!ret_value->rate)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    *ret_value->rate = rate;
    return 0;
}

void kith_condition_rate_deinit(struct kith_condition_value *value) {
    free(value->rate);
}

void kith_condition_rate_put(const struct kith_condition_value *value, struct kith_text *text) {
    kith_text_puts(text, value->rate->text);
}

unsigned kith_condition_rate_looks_at(const struct kith_condition_value *value) {
    unsigned looks_at = value->rate->bytes ? KITH_LOOKED_AT_SIZE : 0;
    if (value->rate->per != KITH_CONDITION_COUNT_)
        looks_at |= kith_condition_types[value->rate->per].looks_at;
    return looks_at;
}

/* Counting -------------------------------------------------------------------------------------------------------- */

/* In decimal; rates are asked for every message, so without printf(3). */
static void put_number(uint64_t number, struct kith_text *key) {
    char digits[20];
    size_t begin = sizeof(digits);
    do
        digits[--begin] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    kith_text_put(key, digits + begin, sizeof(digits) - begin);
}

/* The fact's value as text, one for each value. False (and why) when it is unknown or not believed. */
static bool put_fact(const struct kith_rate *rate, const struct kith_condition_ask *ask, struct kith_text *key) {
    kith_origin *origin = ask->request->origin;
    const struct kith_condition_type *per = &kith_condition_types[rate->per];
    const char *text = NULL;
    char host[64];
    uint64_t number = 0;

    enum kith_witness witness = kith_origin_number(origin, per->fact, &number);
    if (witness != KITH_WITNESS_NONE) {
        put_number(number, key);
        return kith_condition_believed(ask, per->name, witness);
    }
    witness = kith_origin_text(origin, per->fact, &text);
    if (!kith_condition_believed(ask, per->name, witness))
        return false;
    /* A peer has many ports and one host. */
    if (rate->per == KITH_CONDITION_ADDRESS && kith_condition_address_host(text, host, sizeof(host)))
        text = host;
    kith_text_puts(key, text);
    return true;
}

/* RULE NUL RATE NUL VALUE; neither of the first two has a NUL. */
static bool make_key(const struct kith_rate *rate, const struct kith_condition_ask *ask, char buffer[KEY_MAX_OCTETS], size_t *ret_size) {
    struct kith_text key = kith_text_init(buffer, KEY_MAX_OCTETS);
    kith_text_puts(&key, ask->rule);
    kith_text_putc(&key, '\0');
    kith_text_puts(&key, rate->text);
    kith_text_putc(&key, '\0');
    if (rate->per != KITH_CONDITION_COUNT_ && !put_fact(rate, ask, &key))
        return false;
    *ret_size = key.length < KEY_MAX_OCTETS ? key.length : KEY_MAX_OCTETS - 1;
    return true;
}

static enum kith_match match_rate(const struct kith_rate *rate, const struct kith_condition_ask *ask) {
    char key[KEY_MAX_OCTETS];
    size_t key_size;

    if (!make_key(rate, ask, key, &key_size))
        return KITH_MATCH_UNKNOWN;
    if (!ask->state)
        return KITH_MATCH_YES;
    if (ask->request->now == 0)
        return kith_condition_unknown(ask, "time");
    if (kith_bucket_has(ask->state, &rate->shape, key, key_size, ask->request->now, rate->bytes))
        return KITH_MATCH_YES;
    if (ask->why) {
        kith_text_puts(ask->why, "more than ");
        kith_text_puts(ask->why, rate->text);
    }
    return KITH_MATCH_NO;
}

enum kith_match kith_condition_rate_match(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                          const struct kith_condition_ask *ask) {
    for (size_t i = 0; i < values->count; i++) {
        enum kith_match match = match_rate(values->values[i].rate, ask);
        if (match != KITH_MATCH_YES)
            return match;
    }
    return KITH_MATCH_YES;
}

void kith_condition_rate_take(const struct kith_condition_values *values, const struct kith_condition_ask *ask) {
    for (size_t i = 0; ask->state && i < values->count; i++) {
        const struct kith_rate *rate = values->values[i].rate;
        char key[KEY_MAX_OCTETS];
        size_t key_size;
        if (make_key(rate, ask, key, &key_size))
            kith_bucket_take(ask->state, key, key_size, rate->bytes ? ask->request->size : 1);
    }
}
