/* base/utf8.h: is it UTF-8? As RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef KITH_BASE_UTF8_H
#define KITH_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Octets (1 to 4) of the character that data[0..size) begins with, 0 when there is none. A NUL is a character. */
size_t kith_utf8_character(const void *data, size_t size);

/* The whole of it? Nothing at all is UTF-8. */
bool kith_utf8_valid(const void *data, size_t size);

#endif
