/* flow/guest/frame.c: see frame.h. */
#include "flow/guest/frame.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <zlib.h>

#define MAGIC "KITHGUEST"
#define MAGIC_SIZE 9
#define AT_TYPE 9
#define AT_CRC 12
#define AT_SIZE 16

static uint32_t checksum(const struct flow_frame *frame) {
    return (uint32_t)crc32_z(0, frame->data, frame->size);
}

void flow_frame_write_header(const struct flow_frame *frame, uint8_t header[FLOW_FRAME_HEADER]) {
    uint32_t crc = htole32(checksum(frame));
    uint64_t size = htole64(frame->size);

    memset(header, 0, FLOW_FRAME_HEADER);
    memcpy(header, MAGIC, MAGIC_SIZE);
    header[AT_TYPE] = (uint8_t)frame->type;
    memcpy(header + AT_CRC, &crc, sizeof(crc));
    memcpy(header + AT_SIZE, &size, sizeof(size));
}

int flow_frame_read(const uint8_t *data, size_t size, struct flow_frame *ret_frame) {
    uint32_t crc;
    uint64_t length;

    if (memcmp(data, MAGIC, size < MAGIC_SIZE ? size : MAGIC_SIZE) != 0)
        return -EBADMSG;
    if (size < FLOW_FRAME_HEADER)
        return -ENODATA;
    memcpy(&crc, data + AT_CRC, sizeof(crc));
    memcpy(&length, data + AT_SIZE, sizeof(length));
    length = le64toh(length);
    if (data[AT_TYPE] != FLOW_FRAME_RECORDING && data[AT_TYPE] != FLOW_FRAME_FAILURE)
        return -EBADMSG;
    if (length > size - FLOW_FRAME_HEADER)
        return -ENODATA;
    struct flow_frame frame = {(enum flow_frame_type)data[AT_TYPE], data + FLOW_FRAME_HEADER, (size_t)length};
    if (checksum(&frame) != le32toh(crc))
        return -EBADMSG;
    *ret_frame = frame;
    return 0;
}
