/* base/error.h: filling a struct kith_error. */
#ifndef KITH_BASE_ERROR_H
#define KITH_BASE_ERROR_H

#include <stdarg.h>

#include <kith/error.h>

/* Sets code and text when error is not NULL; returns code, so that callers write `return kith_error_set(error, -EINVAL, "...")`. Control
 * characters become "?": a name chosen by a peer can neither forge a line of a log nor drive a terminal. Arguments may point into error. */
int kith_error_set(struct kith_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
int kith_error_vset(struct kith_error *error, int code, const char *format, va_list args) __attribute__((format(printf, 3, 0)));

/* Text of a negative errno for a person, never NULL: "Connection refused". Thread safe. */
const char *kith_error_name(int code);

#endif
