/*
 * Fuzzes what reads the records of a handover: headers, bodies, and that whatever is understood is written again octet by octet as it was.
 *
 * The input is a row of records as they come over the socket; descriptors do not exist here.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "stream/record.h"

static void must(bool condition) {
    if (!condition)
        abort();
}

/* Takes the record. */
static void must_be(struct kith_record_out *out, const uint8_t *octets, const struct kith_record *record) {
    must(out->size == KITH_RECORD_HEADER + record->size && out->fd_count == record->fd_count);
    must(memcmp(out->octets, octets, out->size) == 0);
    out->own_fds = false; /* they are made up */
    kith_record_out_free(out);
}

static void read_listener(const uint8_t *octets, const uint8_t *body, const struct kith_record *record) {
    struct kith_record_listener listener;
    struct kith_record_out *out;
    if (kith_record_decode_listener(record, body, &listener) < 0)
        return;
    must(listener.name[0] && strlen(listener.name) < sizeof(listener.name) && strlen(listener.path) < sizeof(listener.path));
    must(!strchr(listener.path, '/'));
    must(kith_record_new_listener(&listener, 1, listener.path[0] ? 2 : -1, &out) == 0);
    must_be(out, octets, record);
}

static void read_conn(const uint8_t *octets, const uint8_t *body, const struct kith_record *record) {
    struct kith_taken_conn conn;
    struct kith_record_out *out;
    if (kith_record_decode_conn(record, body, &conn) < 0)
        return;
    must(conn.fd == -1 && conn.state_size + conn.unread_size + 4 == record->size);
    must(kith_record_new_conn(&conn, &out) == 0);
    must_be(out, octets, record);
}

static void read_cancel(const uint8_t *body, const struct kith_record *record) {
    char text[KITH_RECORD_TEXT_MAX + 1];
    int error = kith_record_decode_cancel(record, body, text);
    must(error < 0 && error >= -4095);
    must(strlen(text) <= record->size - 4);
}

static void read_number(const uint8_t *octets, const uint8_t *body, const struct kith_record *record) {
    struct kith_record_out *out;
    must(kith_record_new_number(record->type, kith_record_decode_number(body), &out) == 0);
    must_be(out, octets, record);
}

static void read_body(const uint8_t *octets, const struct kith_record *record) {
    /* In a block of its own, as large as the header says, so that a sanitizer sees the first octet read beyond it. */
    uint8_t *body = malloc(record->size > 0 ? record->size : 1);
    must(body);
    memcpy(body, octets + KITH_RECORD_HEADER, record->size);
    if (record->type == KITH_RECORD_LISTENER)
        read_listener(octets, body, record);
    else if (record->type == KITH_RECORD_CONN)
        read_conn(octets, body, record);
    else if (record->type == KITH_RECORD_CANCEL)
        read_cancel(body, record);
    else if (record->type != KITH_RECORD_HELLO)
        read_number(octets, body, record);
    free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct kith_record record;
    while (size >= KITH_RECORD_HEADER && kith_record_decode(data, &record) == 0) {
        must(record.size <= KITH_RECORD_BODY_MAX && record.fd_count <= KITH_RECORD_FDS_MAX);
        if (record.size > size - KITH_RECORD_HEADER)
            break;
        read_body(data, &record);
        data += KITH_RECORD_HEADER + record.size;
        size -= KITH_RECORD_HEADER + record.size;
    }
    return 0;
}
