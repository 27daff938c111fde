/*
 * curve/z85.c: octets as text that fits into sources, command lines and configuration files (RFC 32): four octets are a number of 32 bits,
 * big endian, written with five digits of base 85.
 */
#include <errno.h>

#include <kith/curve.h>

#define BASE 85
#define GROUP_OCTETS 4
#define GROUP_DIGITS 5

static const char digits[BASE + 1] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

int kith_z85_encode(const void *data, size_t size, char *text, size_t room) {
    const uint8_t *octets = data;
    if (size % GROUP_OCTETS != 0)
        return -EINVAL;
    if (room == 0 || (room - 1) / GROUP_DIGITS < size / GROUP_OCTETS)
        return -ENOBUFS;
    for (size_t at = 0; at < size; at += GROUP_OCTETS, text += GROUP_DIGITS) {
        uint32_t number = (uint32_t)octets[at] << 24 | (uint32_t)octets[at + 1] << 16 | (uint32_t)octets[at + 2] << 8 | octets[at + 3];
        for (int digit = GROUP_DIGITS - 1; digit >= 0; digit--, number /= BASE)
            text[digit] = digits[number % BASE];
    }
    *text = '\0';
    return 0;
}

/* BASE: it is none. */
static unsigned digit_of(char c) {
    for (unsigned digit = 0; digit < BASE; digit++)
        if (digits[digit] == c)
            return digit;
    return BASE;
}

int kith_z85_decode(const char *text, size_t length, void *data, size_t room) {
    uint8_t *octets = data;
    if (length % GROUP_DIGITS != 0)
        return -EINVAL;
    if (room / GROUP_OCTETS < length / GROUP_DIGITS)
        return -ENOBUFS;
    for (size_t at = 0; at < length; at += GROUP_DIGITS) {
        uint64_t number = 0; /* 85^5 is more than 2^32 */
        for (size_t i = 0; i < GROUP_DIGITS; i++) {
            const unsigned digit = digit_of(text[at + i]);
            if (digit == BASE)
                return -EINVAL;
            number = number * BASE + digit;
        }
        if (number > UINT32_MAX)
            return -EINVAL;
        for (int shift = 24; shift >= 0; shift -= 8)
            *octets++ = (uint8_t)(number >> shift);
    }
    return 0;
}
