/*
 * cmsg/numbers.c: control messages whose data are numbers: one, or a structure of them.
 *
 * The row's fields say where each lies. A kernel may be older than a structure's last members: those that the data do not reach
 * are not there. The row's min_size says what has to be.
 */
#include <string.h>

#include "cmsg/internal.h"

static bool read_field(const struct kith_cmsg *cmsg, const struct kith_cmsg_field *field, int64_t *ret_value) {
    const uint8_t *octets = (const uint8_t *)cmsg->data + field->offset;
    union {
        uint8_t u8;
        uint16_t u16;
        uint32_t u32;
        uint64_t u64;
        int32_t s32;
    } number = {.u64 = 0};

    if (cmsg->size < (size_t)field->offset + field->width)
        return false;
    if (field->form == KITH_CMSG_NETWORK) {
        for (size_t i = 0; i < field->width; i++)
            number.u64 = number.u64 << 8 | octets[i];
        *ret_value = (int64_t)number.u64;
        return true;
    }
    memcpy(&number, octets, field->width);
    if (field->form == KITH_CMSG_SIGNED && field->width == sizeof(int32_t))
        *ret_value = number.s32;
    else
        *ret_value = field->width == 1   ? (int64_t)number.u8
                     : field->width == 2 ? (int64_t)number.u16
                     : field->width == 4 ? (int64_t)number.u32
                                         : (int64_t)number.u64;
    return true;
}

int kith_cmsg_number(const struct kith_cmsg *cmsg, size_t index, const char **ret_name, int64_t *ret_value) {
    const struct kith_cmsg_row *row = cmsg->kind == KITH_CMSG_NUMBERS ? kith_cmsg_row_find(cmsg->level, cmsg->type) : NULL;
    int64_t value;

    for (const struct kith_cmsg_field *field = row ? row->fields : NULL; field && field->name; field++) {
        if (!read_field(cmsg, field, &value) || index-- > 0)
            continue;
        if (ret_name)
            *ret_name = field->name;
        if (ret_value)
            *ret_value = value;
        return 1;
    }
    return 0;
}

void kith_cmsg_format_numbers(const struct kith_cmsg *cmsg, const struct kith_cmsg_row *row, struct kith_text *text) {
    int64_t value;

    for (const struct kith_cmsg_field *field = row->fields; field && field->name; field++) {
        if (!read_field(cmsg, field, &value))
            continue;
        if (field->form == KITH_CMSG_HEX || field->form == KITH_CMSG_NETWORK)
            kith_text_printf(text, " %s=0x%llx", field->name, (unsigned long long)value);
        else
            kith_text_printf(text, " %s=%lld", field->name, (long long)value);
    }
}

/* Octets shown of one message. */
#define SHOWN 40

void kith_cmsg_format_octets(const struct kith_cmsg *cmsg, struct kith_text *text) {
    kith_text_printf(text, " size=%zu", cmsg->size);
    for (size_t i = 0; i < cmsg->size && i < SHOWN; i++)
        kith_text_printf(text, i == 0 ? " octets=%02x" : "%02x", ((const uint8_t *)cmsg->data)[i]);
    if (cmsg->size > SHOWN)
        kith_text_puts(text, "...");
}
