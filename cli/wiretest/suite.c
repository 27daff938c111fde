/* cli/wiretest/suite.c: what decides a case. See suite.h. */
#include "cli/wiretest/suite.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

__attribute__((format(printf, 3, 0))) static void decide(struct suite *suite, enum suite_verdict verdict, const char *format,
                                                         va_list args) {
    char text[SUITE_TEXT];
    vsnprintf(text, sizeof(text), format, args);
    struct kith_text reason = kith_text_init(suite->reason, sizeof(suite->reason));
    kith_text_put_printable(&reason, text, strlen(text));
    suite->decided = true;
    suite->verdict = verdict;
}

static void show(struct suite *suite, const struct wire *wire) {
    struct kith_text seen = kith_text_init(suite->seen, sizeof(suite->seen));
    for (size_t i = 0; wire && i < wire->seen_size; i++)
        kith_text_printf(&seen, "%02x", wire->seen[i]);
}

void suite_not_ok(struct suite *suite, const struct wire *wire, const char *format, ...) {
    if (suite->decided)
        return;
    va_list args;
    va_start(args, format);
    decide(suite, SUITE_NOT_OK, format, args);
    va_end(args);
    show(suite, wire);
}

void suite_skip(struct suite *suite, const char *format, ...) {
    if (suite->decided)
        return;
    va_list args;
    va_start(args, format);
    decide(suite, SUITE_SKIP, format, args);
    va_end(args);
}

void suite_note(struct suite *suite, const char *format, ...) {
    char text[SUITE_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    const size_t size = strlen(suite->note);
    struct kith_text note = kith_text_init(suite->note + size, sizeof(suite->note) - size);
    if (size > 0)
        kith_text_puts(&note, "; ");
    kith_text_put_printable(&note, text, strlen(text));
}
