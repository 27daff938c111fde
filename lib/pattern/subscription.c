/* pattern/subscription.c: see subscription.h. */
#include "pattern/subscription.h"

#include <stdlib.h>
#include <string.h>

bool kith_subscription_parse(const struct kith_frame *frame, struct kith_subscription_frame *ret_subscription) {
    const uint8_t *octets = kith_frame_data(frame);

    if (frame->slice.size == 0 || octets[0] > KITH_SUBSCRIPTION_SUBSCRIBE)
        return false;
    ret_subscription->command = octets[0] == KITH_SUBSCRIPTION_SUBSCRIBE ? KITH_COMMAND_SUBSCRIBE : KITH_COMMAND_CANCEL;
    ret_subscription->topic = octets + 1;
    ret_subscription->size = frame->slice.size - 1;
    return true;
}

int kith_subscription_extract(kith_msg *msg, bool only_first, int (*apply)(const struct kith_subscription_frame *frame, void *userdata),
                              void *userdata) {
    struct kith_subscription_frame subscription;
    size_t count = msg->count, kept = 0, i = 0;
    int r = 0;

    for (; i < count && i < KITH_SUBSCRIPTION_FRAMES_MAX; i++) {
        struct kith_frame *frame = kith_msg_at(msg, i);
        if (kith_subscription_parse(frame, &subscription)) {
            r = apply(&subscription, userdata);
            if (r < 0)
                break;
            msg->size -= frame->slice.size;
            kith_slice_unref(&frame->slice);
            continue;
        }
        if (i == 0 && only_first)
            return 0;
        if (kept < i)
            *kith_msg_at(msg, kept) = *frame;
        kept++;
    }
    if (kept < i)
        memmove(kith_msg_at(msg, kept), kith_msg_at(msg, i), (count - i) * sizeof(struct kith_frame));
    msg->count = kept + (count - i);
    return r < 0 ? r : (int)(i - kept > 0);
}

uint8_t *kith_subscription_octets(uint8_t first, const struct kith_topic *topic, size_t *ret_size) {
    size_t size = kith_topic_size(topic);
    uint8_t *octets = malloc(1 + size);

    if (!octets)
        return NULL;
    octets[0] = first;
    kith_topic_copy(topic, octets + 1);
    *ret_size = 1 + size;
    return octets;
}
