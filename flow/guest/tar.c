/* flow/guest/tar.c: see tar.h. Fields of a header: POSIX.1, pax, "ustar Interchange Format". */
#include "flow/guest/tar.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 512
#define NAME_SIZE 100
#define AT_SIZE 124
#define SIZE_SIZE 12
#define AT_CHECKSUM 148
#define CHECKSUM_SIZE 8
#define AT_TYPE 156
#define AT_PREFIX 345
#define PREFIX_SIZE 155
/* GNU: the octets of this entry are the name of the next. */
#define LONG_NAME 'L'

static bool is_octal(const uint8_t *field, size_t size, uint64_t *ret_number) {
    uint64_t number = 0;
    size_t i = 0;

    while (i < size && field[i] == ' ')
        i++;
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
        number = 8 * number + (uint64_t)(field[i] - '0');
    *ret_number = number;
    return i == size || field[i] == '\0' || field[i] == ' ';
}

/* The sum of the header's octets, its own field taken as blanks. */
static bool is_header(const uint8_t *block) {
    uint64_t wanted, sum = 0;

    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= AT_CHECKSUM && i < AT_CHECKSUM + CHECKSUM_SIZE ? ' ' : block[i];
    return is_octal(block + AT_CHECKSUM, CHECKSUM_SIZE, &wanted) && wanted == sum;
}

static int skip(struct flow_tar *tar) {
    uint8_t block[BLOCK];

    for (; tar->left > 0; tar->left -= BLOCK)
        if (fread(block, BLOCK, 1, tar->file) != 1)
            return -EBADMSG;
    return 0;
}

/* Returns 1, 0 at the end. */
static int read_header(struct flow_tar *tar, uint8_t *block) {
    static const uint8_t nothing[BLOCK];

    if (fread(block, BLOCK, 1, tar->file) != 1)
        return -EBADMSG;
    if (memcmp(block, nothing, BLOCK) == 0)
        return 0;
    if (!is_header(block) || !is_octal(block + AT_SIZE, SIZE_SIZE, &tar->size))
        return -EBADMSG;
    tar->type = block[AT_TYPE] ? (char)block[AT_TYPE] : '0';
    tar->left = (tar->size + BLOCK - 1) & ~(uint64_t)(BLOCK - 1);
    return 1;
}

static void take_name(struct flow_tar *tar, const uint8_t *block) {
    const char *prefix = (const char *)block + AT_PREFIX;
    bool has_prefix = memcmp(block + 257, "ustar", 6) == 0 && *prefix;

    snprintf(tar->name, sizeof(tar->name), "%.*s%s%.*s", has_prefix ? PREFIX_SIZE : 0, prefix, has_prefix ? "/" : "", NAME_SIZE,
             (const char *)block);
}

static int read_long_name(struct flow_tar *tar) {
    uint8_t *name = NULL;
    int r = flow_tar_read(tar, sizeof(tar->name) - 1, &name);

    if (r == 0)
        snprintf(tar->name, sizeof(tar->name), "%.*s", (int)tar->size, (const char *)name);
    free(name);
    return r < 0 ? -EBADMSG : 0;
}

int flow_tar_next(struct flow_tar *tar) {
    uint8_t block[BLOCK];
    bool is_named = false;
    int r = skip(tar);

    while (r == 0) {
        r = read_header(tar, block);
        if (r <= 0)
            return r;
        if (tar->type == LONG_NAME) {
            r = read_long_name(tar);
            is_named = true;
            continue;
        }
        if (!is_named)
            take_name(tar, block);
        return 1;
    }
    return r;
}

int flow_tar_read(struct flow_tar *tar, size_t limit, uint8_t **ret_data) {
    if (tar->size > limit)
        return -EFBIG;
    uint8_t *data = malloc(tar->left ? (size_t)tar->left : 1);
    if (!data)
        return -ENOMEM;
    if (tar->left > 0 && fread(data, (size_t)tar->left, 1, tar->file) != 1) {
        free(data);
        return -EBADMSG;
    }
    tar->left = 0;
    *ret_data = data;
    return 0;
}
