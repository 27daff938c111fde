/* config/text.h: the check a text passes before libconfuse reads it. */
#ifndef KITH_CONFIG_TEXT_H
#define KITH_CONFIG_TEXT_H

#include <stddef.h>

#include <kith/error.h>

/* Checks text[0, size), which is NUL-terminated and holds no other NUL, and turns its comments into spaces. source_name stands for it in
 * errors. Errors: -EINVAL, -E2BIG, with text. */
int kith_config_text_prepare(char *text, size_t size, const char *source_name, struct kith_error *ret_error);

#endif
