/* kernel/records.c: see records.h. */
#include "kernel/records.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

/* Records of one turn of the loop. */
#define TURN 256
/* How often a BPF ring buffer with records that are not released is looked at. */
#define LOOK_MS 10

/* A record that is not released, and where it ends. */
struct lent {
    uint64_t number, position;
};

struct kith_kernel_records {
    struct kith_ring *ring;
    kith_io *io;
    kith_timer *timer;
    const struct kith_kernel_records_ops *ops;
    void *userdata;
    bool reading, freed, dispatching, ending;
    struct lent *lent;             /* a ring of them */
    size_t first, count, capacity; /* a power of two */
};

static void records_destroy(struct kith_kernel_records *records) {
    kith_ring_free(records->ring);
    free(records->lent);
    free(records);
}

struct kith_kernel_records *kith_kernel_records_free(struct kith_kernel_records *records) {
    if (!records)
        return NULL;
    records->freed = true;
    records->io = kith_io_free(records->io);
    records->timer = kith_timer_free(records->timer);
    if (!records->dispatching)
        records_destroy(records);
    return NULL;
}

KITH_DEFINE_CLEANUP(struct kith_kernel_records *, kith_kernel_records_free)

/* Room for one more. Errors: -ENOMEM. */
static int reserve(struct kith_kernel_records *records) {
    if (records->count < records->capacity)
        return 0;
    size_t capacity = records->capacity > 0 ? 2 * records->capacity : TURN;
    struct lent *lent = calloc(capacity, sizeof(*lent));
    if (!lent)
        return -ENOMEM;
    for (size_t i = 0; i < records->count; i++)
        lent[i] = records->lent[(records->first + i) & (records->capacity - 1)];
    free(records->lent);
    records->lent = lent;
    records->first = 0;
    records->capacity = capacity;
    return 0;
}

/* Waits for more, in the way that there is. */
static void await(struct kith_kernel_records *records) {
    if (records->ending)
        return; /* nothing more will come */
    bool poll = kith_ring_may_poll(records->ring);
    (void)kith_io_set_events(records->io, records->reading && poll ? KITH_IO_READ : 0);
    if (records->reading && !poll)
        (void)kith_timer_arm(records->timer, LOOK_MS, 0);
    else
        kith_timer_disarm(records->timer);
}

/* The next record. 1; 0: there is none now; -EBADMSG, -ENOMEM. */
static int read_record(struct kith_kernel_records *records, uint64_t *ret_number) {
    const uint8_t *data;
    size_t size;
    struct lent lent;
    int r = reserve(records);
    if (r >= 0)
        r = kith_ring_next(records->ring, &data, &size, &lent.position);
    if (r <= 0)
        return r;
    *ret_number = lent.number = records->ops->number(data, size, records->userdata);
    records->lent[(records->first + records->count++) & (records->capacity - 1)] = lent;
    records->ops->record(data, size, records->userdata);
    return 1;
}

/* After a turn. */
static void go_on(struct kith_kernel_records *records, int r) {
    if (r == -EBADMSG)
        records->ops->failed(r, records->userdata);
    else if (r == 1 && records->reading)
        (void)kith_timer_arm(records->timer, 0, 0);
    else if (r == -ENOMEM)
        (void)kith_timer_arm(records->timer, LOOK_MS, 0);
    else if (r == 0 && records->ending)
        records->ops->ended(records->userdata);
    else
        await(records);
}

static void dispatch(struct kith_kernel_records *records) {
    uint64_t number = 0;
    int r = 1;
    records->dispatching = true;
    for (unsigned i = 0; i < TURN && r > 0 && !records->freed && records->reading; i++)
        r = read_record(records, &number);
    if (number != 0 && !records->freed)
        records->ops->turn(number, records->userdata);
    records->dispatching = false;
    if (records->freed)
        records_destroy(records);
    else
        go_on(records, r);
}

void kith_kernel_records_end(struct kith_kernel_records *records) {
    records->ending = true;
    records->io = kith_io_free(records->io); /* its hang-up would be told again and again */
    if (records->reading)
        (void)kith_timer_arm(records->timer, 0, 0);
}

static void on_readable(kith_io *io, int fd, unsigned events, void *userdata) {
    (void)io, (void)fd;
    if (events & KITH_IO_HANGUP)
        kith_kernel_records_end(userdata);
    dispatch(userdata);
}

static void on_timer(kith_timer *timer, void *userdata) {
    (void)timer;
    dispatch(userdata);
}

int kith_kernel_records_new(kith_loop *loop, struct kith_ring *ring, const struct kith_kernel_records_ops *ops, void *userdata,
                            struct kith_kernel_records **ret_records) {
    _cleanup_(kith_kernel_records_freep) struct kith_kernel_records *records = calloc(1, sizeof(*records));
    if (!records) {
        kith_ring_free(ring);
        return -ENOMEM;
    }
    *records = (struct kith_kernel_records){.ring = ring, .ops = ops, .userdata = userdata, .reading = true};
    int r = kith_timer_new(loop, on_timer, records, &records->timer);
    if (r >= 0)
        r = kith_io_new(loop, kith_ring_descriptor(ring), KITH_IO_READ, on_readable, records, &records->io);
    if (r >= 0)
        r = kith_timer_arm(records->timer, 0, 0); /* what is there already may not be told by polling */
    if (r < 0)
        return r;
    *ret_records = KITH_STEAL(records);
    return 0;
}

void kith_kernel_records_set_reading(struct kith_kernel_records *records, bool reading) {
    if (reading == records->reading)
        return;
    records->reading = reading;
    if (reading)
        (void)kith_timer_arm(records->timer, 0, 0);
    else
        await(records);
}

void kith_kernel_records_release(struct kith_kernel_records *records, uint64_t number) {
    uint64_t position = 0;
    for (; records->count > 0 && records->lent[records->first].number <= number; records->count--) {
        position = records->lent[records->first].position;
        records->first = (records->first + 1) & (records->capacity - 1);
    }
    if (position == 0)
        return;
    kith_ring_release(records->ring, position);
    /* Else the timer is armed already, and is not put off. */
    if (!records->dispatching && kith_ring_may_poll(records->ring))
        await(records);
}
