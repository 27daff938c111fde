/* msg/msg.c: frames of a message. See internal.h for how they lie. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "msg/internal.h"
#include "origin/internal.h"
#include "pool/memfd.h"
#include "pool/spare.h"

KITH_DEFINE_CLEANUP(kith_msg *, kith_msg_free)

int kith_msg_new(kith_msg **ret_msg) {
    kith_msg *msg = kith_spare_alloc(sizeof(*msg));
    if (!msg)
        return -ENOMEM;
    kith_list_init(&msg->link);
    msg->frames = msg->inline_frames;
    msg->first = 1; /* room for one envelope frame */
    msg->count = 0;
    msg->capacity = KITH_MSG_INLINE_FRAMES;
    msg->size = 0;
    msg->fds = NULL;
    msg->origin = NULL;
    msg->account = NULL;
    msg->group = NULL;
    msg->receipt = (struct kith_receipt){0};
    msg->sequence = msg->time = 0;
    msg->again = false;
    msg->routing_id = 0;
    msg->published = 0;
    msg->command = 0;
    msg->charged = false;
    msg->charge = 0;
    msg->fd_charge = 0;
    msg->filling = 0;
    *ret_msg = msg;
    return 0;
}

static void frames_free(kith_msg *msg) {
    for (size_t i = 0; i < msg->count; i++)
        if (kith_msg_at(msg, i)->slice.buffer)
            kith_buffer_unref(kith_msg_at(msg, i)->slice.buffer);
    if (msg->frames != msg->inline_frames)
        free(msg->frames);
}

kith_msg *kith_msg_free(kith_msg *msg) {
    if (!msg)
        return NULL;
    if (!kith_list_empty(&msg->link))
        kith_list_unlink(&msg->link);
    kith_msg_refund(msg);
    frames_free(msg);
    if (msg->fds)
        kith_fds_unref(msg->fds);
    if (msg->origin)
        kith_origin_unref(msg->origin);
    if (msg->account)
        kith_account_unref(msg->account);
    if (msg->group)
        free(msg->group);
    kith_spare_free(msg, sizeof(*msg));
    return NULL;
}

/* Makes room for `front` more frames in front and `back` more behind. */
static int msg_reserve(kith_msg *msg, size_t front, size_t back) {
    if (front <= msg->first && msg->first + msg->count + back <= msg->capacity)
        return 0;
    size_t capacity = (front + msg->count + back) * 2;
    struct kith_frame *frames = reallocarray(NULL, capacity, sizeof(*frames));
    if (!frames)
        return -ENOMEM;
    /* Both kinds of growth leave room: envelopes come in front, frames behind. */
    size_t first = front + 1;
    memcpy(&frames[first], kith_msg_at(msg, 0), msg->count * sizeof(*frames));
    if (msg->frames != msg->inline_frames)
        free(msg->frames);
    msg->frames = frames;
    msg->capacity = capacity;
    msg->first = first;
    return 0;
}

/* Fills a frame with a copy. */
static int frame_copy(struct kith_frame *frame, const void *data, size_t size) {
    frame->slice = (struct kith_slice){.buffer = NULL, .data = NULL, .size = size};
    if (size <= KITH_FRAME_SMALL) {
        if (size > 0)
            memcpy(frame->small, data, size);
        return 0;
    }
    kith_buffer *buffer;
    int r = kith_buffer_new(size, &buffer);
    if (r < 0)
        return r;
    memcpy(kith_buffer_data(buffer), data, size);
    frame->slice = (struct kith_slice){.buffer = buffer, .data = kith_buffer_data(buffer), .size = size};
    return 0;
}

/* A frame with a copy, and room for it in front or behind. The copy comes first: the octets may be those of a frame of this message, whose
 * place goes when the array grows. */
static int frame_make(kith_msg *msg, size_t front, size_t back, const void *data, size_t size, struct kith_frame *ret_frame) {
    int r = frame_copy(ret_frame, data, size);
    if (r < 0)
        return r;
    r = msg_reserve(msg, front, back);
    if (r < 0)
        kith_slice_unref(&ret_frame->slice);
    return r;
}

static int msg_add(kith_msg *msg, const void *data, size_t size) {
    struct kith_frame frame;
    int r = frame_make(msg, 0, 1, data, size, &frame);
    if (r < 0)
        return r;
    *kith_msg_at(msg, msg->count++) = frame;
    msg->size += size;
    return 0;
}

int kith_msg_add(kith_msg *msg, const void *data, size_t size) {
    if (size - 1 >= KITH_FRAME_SMALL || msg->first + msg->count >= msg->capacity)
        return msg_add(msg, data, size);
    struct kith_frame *frame = kith_msg_at(msg, msg->count++); /* the usual case, at full speed */
    frame->slice = (struct kith_slice){.size = size};
    memcpy(frame->small, data, size);
    msg->size += size;
    return 0;
}

int kith_msg_add_slice(kith_msg *msg, struct kith_slice slice) {
    if (!slice.buffer || slice.size <= KITH_FRAME_SMALL)
        return kith_msg_add(msg, slice.data, slice.size);
    int r = msg_reserve(msg, 0, 1);
    if (r < 0)
        return r;
    kith_msg_at(msg, msg->count)->slice = kith_slice_ref(slice);
    msg->count++;
    msg->size += slice.size;
    return 0;
}

int kith_msg_prepend(kith_msg *msg, const void *data, size_t size) {
    struct kith_frame frame;
    int r = frame_make(msg, 1, 0, data, size, &frame);
    if (r < 0)
        return r;
    msg->frames[--msg->first] = frame;
    msg->count++;
    msg->size += size;
    return 0;
}

void kith_msg_drop(kith_msg *msg, size_t count) {
    for (; count > 0 && msg->count > 0; count--) {
        struct kith_frame *frame = kith_msg_at(msg, 0);
        msg->size -= frame->slice.size;
        kith_slice_unref(&frame->slice);
        msg->first++;
        msg->count--;
    }
    if (msg->count == 0)
        msg->first = 1; /* as a new one has it */
}

int kith_msg_move(kith_msg *to, kith_msg *from, size_t count) {
    int r = msg_reserve(to, 0, count);
    if (r < 0)
        return r;
    for (; count > 0 && from->count > 0; count--) {
        struct kith_frame *frame = kith_msg_at(from, 0);
        *kith_msg_at(to, to->count) = *frame;
        to->count++;
        to->size += frame->slice.size;
        from->first++;
        from->count--;
        from->size -= frame->slice.size;
    }
    return 0;
}

int kith_msg_append(kith_msg *msg, kith_msg *from) {
    if (msg == from)
        return -EINVAL;
    int r = msg_reserve(msg, 0, from->count);
    if (r >= 0)
        r = kith_msg_move_fds(msg, from);
    return r < 0 ? r : kith_msg_move(msg, from, from->count);
}

int kith_msg_move_front(kith_msg *to, kith_msg *from) {
    int r = msg_reserve(to, from->count, 0);
    if (r < 0)
        return r;
    while (from->count > 0) {
        struct kith_frame *frame = kith_msg_at(from, --from->count);
        from->size -= frame->slice.size;
        to->frames[--to->first] = *frame;
        to->count++;
        to->size += frame->slice.size;
    }
    return 0;
}

size_t kith_msg_count(const kith_msg *msg) {
    return msg->count;
}

size_t kith_msg_size(const kith_msg *msg) {
    return msg->size;
}

const uint8_t *kith_msg_frame(const kith_msg *msg, size_t index, size_t *ret_size) {
    if (index >= msg->count) {
        if (ret_size)
            *ret_size = 0;
        return NULL;
    }
    const struct kith_frame *frame = kith_msg_at(msg, index);
    if (ret_size)
        *ret_size = frame->slice.size;
    return kith_frame_data(frame);
}

kith_origin *kith_msg_origin(const kith_msg *msg) {
    return msg->origin;
}

int kith_msg_copy(const kith_msg *msg, kith_msg **ret_copy) {
    _cleanup_(kith_msg_freep) kith_msg *copy = NULL;
    int r = kith_msg_new(&copy);
    for (size_t i = 0; r >= 0 && i < msg->count; i++)
        r = kith_msg_add_slice(copy, kith_frame_slice(kith_msg_at(msg, i)));
    if (r >= 0 && msg->group)
        r = kith_msg_set_group(copy, msg->group);
    if (r < 0)
        return r;
    copy->routing_id = msg->routing_id;
    copy->published = msg->published;
    copy->fds = msg->fds ? kith_fds_ref(msg->fds) : NULL;
    *ret_copy = KITH_STEAL(copy);
    return 0;
}

uint64_t kith_msg_sequence(const kith_msg *msg) {
    return msg->sequence;
}

uint64_t kith_msg_time(const kith_msg *msg) {
    return msg->time;
}

bool kith_msg_again(const kith_msg *msg) {
    return msg->again;
}

bool kith_msg_receipt(const kith_msg *msg, struct kith_receipt *ret_receipt) {
    if (msg->receipt.connection == 0)
        return false;
    *ret_receipt = msg->receipt;
    return true;
}

uint32_t kith_msg_routing_id(const kith_msg *msg) {
    return msg->routing_id;
}

void kith_msg_set_routing_id(kith_msg *msg, uint32_t routing_id) {
    msg->routing_id = routing_id;
}

const char *kith_msg_group(const kith_msg *msg) {
    return msg->group ? msg->group : "";
}

int kith_msg_set_group(kith_msg *msg, const char *group) {
    if (strnlen(group, KITH_GROUP_MAX + 1) > KITH_GROUP_MAX)
        return -EINVAL;
    char *copy = strdup(group);
    if (!copy)
        return -ENOMEM;
    free(msg->group);
    msg->group = copy;
    return 0;
}

/* Room for `need` octets in the last frame's buffer: at least `times` as many as now, so that a frame costs as many copies as a vector that
 * grows; at most what the frame can still need. */
static int frame_grow(kith_msg *msg, struct kith_frame *frame, size_t need, size_t times, uint64_t frame_size) {
    size_t have = frame->slice.buffer ? kith_buffer_size(frame->slice.buffer) : KITH_FRAME_SMALL;
    if (need <= have)
        return 0;
    size_t want = need;
    if (have <= SIZE_MAX / times && want < have * times)
        want = have * times;
    if (want > frame_size)
        want = (size_t)frame_size;
    kith_buffer *buffer;
    int r = kith_buffer_new(want, &buffer);
    if (r < 0)
        return r;
    memcpy(kith_buffer_data(buffer), kith_frame_data(frame), msg->filling);
    kith_buffer_unref(frame->slice.buffer);
    frame->slice.buffer = buffer;
    frame->slice.data = kith_buffer_data(buffer);
    return 0;
}

static int msg_receive_whole(kith_msg *msg, const struct kith_slice *slice, const uint8_t *data, size_t size) {
    if (size < KITH_FRAME_SHARE || !slice->buffer)
        return kith_msg_add(msg, data, size);
    return kith_msg_add_slice(msg, (struct kith_slice){.buffer = slice->buffer, .data = data, .size = size});
}

int kith_msg_receive(kith_msg *msg, const struct kith_slice *slice, const uint8_t *data, size_t size, uint64_t frame_size,
                     uint64_t offset) {
    if (offset == 0 && size == frame_size)
        return msg_receive_whole(msg, slice, data, size);

    if (offset == 0) {
        int r = kith_msg_add(msg, NULL, 0);
        if (r < 0)
            return r;
        msg->filling = 0;
    }
    struct kith_frame *frame = kith_msg_at(msg, msg->count - 1);
    int r = frame_grow(msg, frame, msg->filling + size, 2, frame_size);
    if (r < 0)
        return r;
    uint8_t *room = (frame->slice.buffer ? kith_buffer_data(frame->slice.buffer) : frame->small) + msg->filling;
    if (size > 0 && data != room)
        memcpy(room, data, size);
    msg->filling += size;
    frame->slice.size += size;
    msg->size += size;
    return 0;
}

size_t kith_msg_room(kith_msg *msg, uint64_t left, uint8_t **ret_place) {
    struct kith_frame *frame = kith_msg_at(msg, msg->count - 1);
    size_t times = msg->filling < KITH_MSG_AHEAD_FROM ? 2 : KITH_MSG_AHEAD;
    if (frame_grow(msg, frame, msg->filling + 1, times, msg->filling + left) < 0 || !frame->slice.buffer)
        return 0;
    size_t room = kith_buffer_size(frame->slice.buffer) - msg->filling;
    *ret_place = kith_buffer_data(frame->slice.buffer) + msg->filling;
    return room < left ? room : (size_t)left;
}

void kith_msg_charge(kith_msg *msg, struct kith_account *account) {
    if (!msg->account)
        msg->account = kith_account_ref(account);
    if (msg->charged)
        return;
    msg->charged = true;
    msg->charge = kith_msg_cost(msg);
    msg->fd_charge = msg->fds ? (uint8_t)msg->fds->count : 0;
    kith_account_take(msg->account, msg->charge, msg->fd_charge);
}

void kith_msg_refund(kith_msg *msg) {
    if (!msg->charged)
        return;
    msg->charged = false;
    kith_account_give(msg->account, msg->charge, msg->fd_charge);
}

static int frame_share(struct kith_frame *frame) {
    struct kith_slice before = frame->slice;
    if (!before.buffer)
        return 0;
    if (!kith_buffer_may_be_shared(before.buffer)) {
        int r = frame_copy(frame, before.data, before.size);
        if (r < 0) {
            frame->slice = before;
            return r;
        }
        kith_slice_unref(&before);
    }
    if (frame->slice.buffer)
        kith_buffer_share(frame->slice.buffer);
    return 0;
}

int kith_msg_share(kith_msg *msg) {
    for (size_t i = 0; i < msg->count; i++) {
        int r = frame_share(kith_msg_at(msg, i));
        if (r < 0)
            return r;
    }
    if (msg->fds)
        kith_fds_share(msg->fds);
    if (msg->origin)
        kith_origin_share(msg->origin);
    if (msg->account)
        kith_account_share(msg->account);
    return 0;
}

static bool is_whole(const struct kith_slice *slice) {
    return slice->buffer && slice->data == kith_buffer_data(slice->buffer) && slice->size == kith_buffer_size(slice->buffer);
}

int kith_msg_frame_memfd(const kith_msg *msg, size_t index) {
    struct kith_slice *slice = &kith_msg_at(msg, index)->slice;
    int fd = is_whole(slice) ? kith_buffer_seal(slice->buffer) : -ENOTSUP;
    if (fd != -ENOTSUP || msg->published < KITH_MSG_MANY)
        return fd;
    kith_buffer *buffer;
    int r = kith_buffer_new_memfd_copy(kith_frame_data(kith_msg_at(msg, index)), slice->size, &buffer);
    if (r < 0)
        return r;
    kith_buffer_share(buffer); /* the message may be one that several threads use in turn */
    const struct kith_slice moved = {.buffer = buffer, .data = kith_buffer_data(buffer), .size = slice->size};
    kith_slice_unref(slice);
    *slice = moved;
    return kith_buffer_seal(buffer);
}

size_t kith_msg_queue_free(struct kith_list *queue) {
    size_t count = 0;
    while (!kith_list_empty(queue)) {
        kith_msg_free(kith_list_first(queue, kith_msg, link));
        count++;
    }
    return count;
}
