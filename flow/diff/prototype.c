/* flow/diff/prototype.c: both texts are walked side by side, from word to word, and words that name parameters are passed over. */
#include "flow/diff/prototype.h"

#include <ctype.h>
#include <string.h>

static bool is_letter(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

/* A parameter's name is the last word before a comma, the end of the parameters, an array's size, or the bracket of a pointer to functions;
 * and another word or a star stands before it. */
static bool is_name(const char *begin, const char *word, const char *end) {
    const char *before = word;

    if (*end != ',' && *end != ')' && *end != '[')
        return false;
    while (before > begin && before[-1] == ' ')
        before--;
    return before > begin && (before[-1] == '*' || is_letter(before[-1]));
}

/* The next word or sign, blanks and names passed over; *ret_size of it, 0 at the end. */
static const char *next(const char *begin, const char *at, size_t *ret_size) {
    for (;;) {
        at += strspn(at, " ");
        const char *end = at;
        while (is_letter(*end))
            end++;
        if (end > at && is_name(begin, at, end)) {
            at = end;
            continue;
        }
        *ret_size = end > at ? (size_t)(end - at) : *at != '\0';
        return at;
    }
}

bool flow_prototype_is_same(const char *a, const char *b) {
    const char *at = a, *other = b;
    size_t size, other_size;

    /* What stands before the parameters has no names but the function's. */
    for (;;) {
        at = next(a, at, &size);
        other = next(b, other, &other_size);
        if (size != other_size || memcmp(at, other, size) != 0)
            return false;
        if (size == 0)
            return true;
        at += size;
        other += size;
    }
}
