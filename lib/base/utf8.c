/* base/utf8.c: see utf8.h. The table is that of RFC 3629, section 4: the first octet decides the length and the range of the second. */
#include "base/utf8.h"

#include <stdint.h>

#include "base/cleanup.h"

static const struct {
    uint8_t first_min, first_max;
    uint8_t second_min, second_max;
    uint8_t length;
} forms[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
    {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

size_t kith_utf8_character(const void *data, size_t size) {
    const uint8_t *octets = data;

    if (size == 0)
        return 0;
    if (octets[0] < 0x80)
        return 1;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(forms); i++) {
        if (octets[0] < forms[i].first_min || octets[0] > forms[i].first_max)
            continue;
        if (size < forms[i].length || octets[1] < forms[i].second_min || octets[1] > forms[i].second_max)
            return 0;
        for (size_t k = 2; k < forms[i].length; k++) {
            if ((octets[k] & 0xc0) != 0x80)
                return 0;
        }
        return forms[i].length;
    }
    return 0;
}

bool kith_utf8_valid(const void *data, size_t size) {
    const uint8_t *octets = data;

    for (size_t offset = 0; offset < size;) {
        size_t length = kith_utf8_character(octets + offset, size - offset);

        if (length == 0)
            return false;
        offset += length;
    }
    return true;
}
