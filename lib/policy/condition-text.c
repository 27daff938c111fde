/* policy/condition-text.c: conditions whose values are globs, and the one on keys, which are compared as they are. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "policy/condition.h"

/* A key of 32 octets in Z85 (kith/curve.h). */
#define KEY_SIZE 40

/* Globs -------------------------------------------------------------------------------------------------------- */

int kith_condition_glob_parse(const struct kith_condition_type *type, const char *text, struct kith_condition_value *ret_value,
                              struct kith_error *ret_error) {
    struct kith_error error = KITH_ERROR_NONE;
    int r = kith_glob_new(text, type->path, &ret_value->glob, &error);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s \"%.256s\": %s", type->name, text, error.text);
    return 0;
}

void kith_condition_glob_deinit(struct kith_condition_value *value) {
    value->glob = kith_glob_free(value->glob);
}

void kith_condition_glob_put(const struct kith_condition_value *value, struct kith_text *text) {
    const char *pattern = kith_glob_pattern(value->glob);
    kith_text_put_printable(text, pattern, strlen(pattern));
}

static enum kith_match match_octets(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                    const struct kith_condition_ask *ask, const void *data, size_t size) {
    for (size_t i = 0; i < values->count; i++)
        if (kith_glob_match_octets(values->values[i].glob, data, size))
            return KITH_MATCH_YES;
    if (ask->why) {
        kith_text_puts(ask->why, type->name);
        kith_text_putc(ask->why, ' ');
        kith_text_put_printable(ask->why, data, size);
    }
    return kith_condition_differs(type, values, ask);
}

enum kith_match kith_condition_glob_match_fact(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                               const struct kith_condition_ask *ask) {
    const char *text = NULL;
    if (!kith_condition_believed(ask, type->name, kith_origin_text(ask->request->origin, type->fact, &text)))
        return KITH_MATCH_UNKNOWN;
    return match_octets(type, values, ask, text, strlen(text));
}

static enum kith_match match_text(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                  const struct kith_condition_ask *ask, const char *text) {
    return text ? match_octets(type, values, ask, text, strlen(text)) : kith_condition_unknown(ask, type->name);
}

enum kith_match kith_condition_glob_match_pattern(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                                  const struct kith_condition_ask *ask) {
    return match_text(type, values, ask, ask->request->pattern);
}

enum kith_match kith_condition_glob_match_service(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                                  const struct kith_condition_ask *ask) {
    return match_text(type, values, ask, ask->request->service);
}

enum kith_match kith_condition_glob_match_endpoint(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                                   const struct kith_condition_ask *ask) {
    return match_text(type, values, ask, ask->request->endpoint);
}

/* All topics that begin so, or any of them. */
static enum kith_match match_prefix(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                    const struct kith_condition_ask *ask) {
    bool (*match)(const struct kith_glob *, const void *, size_t) =
        ask->any ? kith_glob_match_any_with_prefix : kith_glob_match_all_with_prefix;

    for (size_t i = 0; i < values->count; i++)
        if (match(values->values[i].glob, ask->request->topic, ask->request->topic_size))
            return KITH_MATCH_YES;
    if (ask->why) {
        kith_text_puts(ask->why, ask->any ? "no topic that begins with \"" : "not every topic that begins with \"");
        kith_text_put_printable(ask->why, ask->request->topic, ask->request->topic_size);
        kith_text_puts(ask->why, "\" is ");
        type->put(&values->values[0], ask->why);
        if (values->count > 1)
            kith_text_printf(ask->why, " or one of %zu more", values->count - 1);
    }
    return KITH_MATCH_NO;
}

enum kith_match kith_condition_glob_match_topic(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                                const struct kith_condition_ask *ask) {
    if (!ask->request->topic)
        return kith_condition_unknown(ask, type->name);
    if (ask->request->topic_is_prefix)
        return match_prefix(type, values, ask);
    return match_octets(type, values, ask, ask->request->topic, ask->request->topic_size);
}

/* Keys --------------------------------------------------------------------------------------------------------- */

int kith_condition_key_parse(const struct kith_condition_type *type, const char *text, struct kith_condition_value *ret_value,
                             struct kith_error *ret_error) {
    /* 32/Z85 (rfc.zeromq.org). */
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    size_t size = strlen(text);

    if (size != KEY_SIZE || strspn(text, digits) != size)
        return kith_error_set(ret_error, -EINVAL, "%s \"%.64s\" is no public key: write its %d characters of Z85, as kith keygen does",
                              type->name, text, KEY_SIZE);
    ret_value->text = strdup(text);
    return ret_value->text ? 0 : kith_error_set(ret_error, -ENOMEM, "out of memory");
}

void kith_condition_key_deinit(struct kith_condition_value *value) {
    free(value->text);
}

void kith_condition_key_put(const struct kith_condition_value *value, struct kith_text *text) {
    kith_text_puts(text, value->text);
}

enum kith_match kith_condition_key_match(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                         const struct kith_condition_ask *ask) {
    const char *key = NULL;
    if (!kith_condition_believed(ask, type->name, kith_origin_text(ask->request->origin, type->fact, &key)))
        return KITH_MATCH_UNKNOWN;
    for (size_t i = 0; i < values->count; i++)
        if (strcmp(values->values[i].text, key) == 0)
            return KITH_MATCH_YES;
    if (ask->why) {
        kith_text_puts(ask->why, "key ");
        kith_text_put_printable(ask->why, key, strlen(key));
    }
    return kith_condition_differs(type, values, ask);
}
