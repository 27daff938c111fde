/*
 * session/commands.c: see commands.h.
 *
 * The message has one frame, with a buffer of its own: each command's head, a word, and behind it its octets.
 */
#include "session/commands.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

/* Of a row's buffer: a hundred topics as they are in practice. */
#define ROW_SIZE ((size_t)4096)
/* A head: the command, and above it how many octets it has. */
#define HEAD_SIZE sizeof(uint64_t)
#define COMMAND_BITS 8

KITH_DEFINE_CLEANUP(kith_msg *, kith_msg_free)

static void put(kith_msg *msg, const struct kith_command *command) {
    struct kith_slice *slice = &kith_msg_at(msg, 0)->slice;
    uint64_t head = (uint64_t)command->size << COMMAND_BITS | command->command;
    uint8_t *end = kith_buffer_data(slice->buffer) + (slice->data - kith_buffer_data(slice->buffer)) + slice->size;

    memcpy(end, &head, HEAD_SIZE);
    if (command->size > 0)
        memcpy(end + HEAD_SIZE, command->octets, command->size);
    slice->size += HEAD_SIZE + command->size;
    msg->size += HEAD_SIZE + command->size;
}

int kith_commands_new(const struct kith_command *command, kith_msg **ret_msg) {
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    kith_buffer *buffer;
    size_t size;

    if (__builtin_add_overflow(HEAD_SIZE, command->size, &size))
        return -ENOMEM;
    int r = kith_msg_new(&msg);
    if (r >= 0)
        r = kith_buffer_new(size > ROW_SIZE ? size : ROW_SIZE, &buffer);
    if (r < 0)
        return r;
    kith_msg_at(msg, 0)->slice = (struct kith_slice){.buffer = buffer, .data = kith_buffer_data(buffer)};
    msg->count = 1;
    msg->command = KITH_COMMANDS_ROW;
    put(msg, command);
    *ret_msg = KITH_STEAL(msg);
    return 0;
}

bool kith_commands_add(kith_msg *msg, const struct kith_command *command) {
    if (msg->command != KITH_COMMANDS_ROW)
        return false;
    const struct kith_slice *slice = &kith_msg_at(msg, 0)->slice;
    size_t room = kith_buffer_room(slice->buffer, slice->data + slice->size);
    if (room < HEAD_SIZE || command->size > room - HEAD_SIZE)
        return false;
    put(msg, command);
    return true;
}

bool kith_commands_first(const kith_msg *msg, struct kith_command *ret_command) {
    const struct kith_slice *slice = &kith_msg_at(msg, 0)->slice;
    uint64_t head;

    if (slice->size == 0)
        return false;
    memcpy(&head, slice->data, HEAD_SIZE);
    *ret_command = (struct kith_command){
        .command = (enum kith_session_command)(head & ((1u << COMMAND_BITS) - 1)),
        .octets = slice->data + HEAD_SIZE,
        .size = (size_t)(head >> COMMAND_BITS),
    };
    return true;
}

void kith_commands_drop_first(kith_msg *msg) {
    struct kith_slice *slice = &kith_msg_at(msg, 0)->slice;
    struct kith_command first;

    if (!kith_commands_first(msg, &first))
        return;
    slice->data += HEAD_SIZE + first.size;
    slice->size -= HEAD_SIZE + first.size;
    msg->size -= HEAD_SIZE + first.size;
}
