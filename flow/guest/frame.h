/*
 * flow/guest/frame.h: what a guest sends back over its serial port: a recording, or a line that says why there is none.
 *
 *     "KITHGUEST"  type (1)  reserved (2)  CRC-32 of the octets (4, little-endian)  size (8, little-endian)  octets
 */
#ifndef KITH_FLOW_FRAME_H
#define KITH_FLOW_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FLOW_FRAME_HEADER 24

enum flow_frame_type {
    FLOW_FRAME_RECORDING = 'R',
    FLOW_FRAME_FAILURE = 'F',
};

struct flow_frame {
    enum flow_frame_type type;
    const uint8_t *data;
    size_t size;
};

void flow_frame_write_header(const struct flow_frame *frame, uint8_t header[FLOW_FRAME_HEADER]);
/* Errors: -ENODATA (not all of it is there), -EBADMSG (no frame, or a broken one). */
int flow_frame_read(const uint8_t *data, size_t size, struct flow_frame *ret_frame);

#endif
