/*
 * kith/error.h: what went wrong, for a program and for a person.
 *
 * Every function of libkith returns 0 or a count on success and a negative errno value on failure. Functions whose
 * failure a person has to mend take an optional `struct kith_error *`: when it is not NULL and the call fails, it holds
 * the same code and one line that names the thing, the value and the remedy, without a trailing newline and without a
 * program name in front. It is untouched on success.
 *
 * On Linux ENOTSUP and EOPNOTSUPP are one number (errno(3)): of a function that names both, the arguments tell which it is.
 */
#ifndef KITH_ERROR_H
#define KITH_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#define KITH_PUBLIC __attribute__((visibility("default")))

/* Longest text of an error with its NUL; longer texts are cut at a character border and end in "...". */
#define KITH_ERROR_TEXT_MAX 512

struct kith_error {
    int code; /* negative errno, or 0 */
    char text[KITH_ERROR_TEXT_MAX];
};

/* The value of no error. C++ has no compound literals. */
#ifdef __cplusplus
#define KITH_ERROR_NONE (kith_error{})
#else
#define KITH_ERROR_NONE ((struct kith_error){.code = 0, .text = {0}})
#endif

#ifdef __cplusplus
}
#endif
#endif
