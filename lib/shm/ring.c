/*
 * shm/ring.c: the rings: octets in and out, and who is to be rung.
 *
 * Invariants, of our own words, which nobody else can change: other_read <= published <= written <= other_read + size, and read <=
 * other_written <= read + size. A word of the other side is loaded once into a local one and held against them; what breaks them ends the
 * rings. So every octet lies inside its ring, whatever there is in the memory.
 *
 * Sleeping: a side stores what it waits for, then looks once more; the other stores how far it has come, then looks for a wait. The fence
 * between the two of each makes one of them see the other's. A wait is rung for once; the next one of that side is another position.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "shm/internal.h"

static uint64_t load(const uint64_t *word) {
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint64_t *word, uint64_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* The other side waits for `position` to be reached, and was not rung for that. */
static bool is_due(const uint64_t *wait, uint64_t position, uint64_t *rung) {
    atomic_thread_fence(memory_order_seq_cst);
    uint64_t at = load(wait);
    if (at == 0 || at == *rung || (int64_t)(position - at) < 0)
        return false;
    *rung = at;
    return true;
}

/* Out ------------------------------------------------------------------------------------------------------------------ */

static size_t room_known(const struct kith_shm *shm) {
    return shm->size - (size_t)(shm->written - shm->other_read);
}

static int look_for_room(struct kith_shm *shm) {
    uint64_t read = load(&shm->other->read);
    if (read - shm->other_read > shm->published - shm->other_read)
        return -EBADMSG;
    shm->other_read = read;
    return 0;
}

int kith_shm_place(struct kith_shm *shm, size_t size, uint8_t **ret_place) {
    if (room_known(shm) < size) {
        int r = look_for_room(shm);
        if (r < 0)
            return r;
        if (room_known(shm) < size)
            return -EAGAIN;
    }
    *ret_place = shm->out + (shm->written & (shm->size - 1));
    return 0;
}

void kith_shm_written(struct kith_shm *shm, size_t size) {
    shm->written += size;
}

ssize_t kith_shm_write(struct kith_shm *shm, const void *data, size_t size) {
    if (room_known(shm) < size) {
        int r = look_for_room(shm);
        if (r < 0)
            return r;
    }
    if (size > room_known(shm))
        size = room_known(shm);
    if (size == 0)
        return 0;
    memcpy(shm->out + (shm->written & (shm->size - 1)), data, size);
    shm->written += size;
    return (ssize_t)size;
}

bool kith_shm_publish(struct kith_shm *shm) {
    if (shm->published == shm->written)
        return false;
    shm->published = shm->written;
    store(&shm->own->written, shm->published);
    return is_due(&shm->other->octets_at, shm->published, &shm->octets_rung);
}

bool kith_shm_await_room(struct kith_shm *shm) {
    uint64_t at = shm->written - shm->size / 2;
    store(&shm->own->room_at, at);
    atomic_thread_fence(memory_order_seq_cst);
    /* Something wrong is no wait either: whoever writes next is told. */
    return look_for_room(shm) < 0 || room_known(shm) >= shm->size / 2;
}

bool kith_shm_taken(const struct kith_shm *shm) {
    return shm->written == shm->published && load(&shm->other->read) == shm->published;
}

/* In ------------------------------------------------------------------------------------------------------------------- */

static int look_for_octets(struct kith_shm *shm) {
    uint64_t written = load(&shm->other->written);
    if (written - shm->read > shm->size || written - shm->read < shm->other_written - shm->read)
        return -EBADMSG;
    shm->other_written = written;
    return 0;
}

bool kith_shm_look(const struct kith_shm *shm) {
    return shm->other_written != shm->read || load(&shm->other->written) != shm->read;
}

ssize_t kith_shm_readable(struct kith_shm *shm) {
    int r = look_for_octets(shm);
    return r < 0 ? r : (ssize_t)(shm->other_written - shm->read);
}

ssize_t kith_shm_read(struct kith_shm *shm, void *to, size_t size, bool *ret_ring) {
    *ret_ring = false;
    int r = look_for_octets(shm);
    if (r < 0)
        return r;
    uint64_t there = shm->other_written - shm->read;
    if (size > there)
        size = (size_t)there;
    if (size == 0)
        return 0;
    memcpy(to, shm->in + (shm->read & (shm->size - 1)), size);
    shm->read += size;
    store(&shm->own->read, shm->read);
    *ret_ring = is_due(&shm->other->room_at, shm->read, &shm->room_rung);
    return (ssize_t)size;
}

bool kith_shm_await_octets(struct kith_shm *shm) {
    store(&shm->own->octets_at, shm->read + 1);
    shm->asleep = true;
    atomic_thread_fence(memory_order_seq_cst);
    if (!kith_shm_look(shm))
        return false;
    kith_shm_awake(shm);
    return true;
}

void kith_shm_awake(struct kith_shm *shm) {
    if (!shm->asleep)
        return;
    store(&shm->own->octets_at, 0);
    shm->asleep = false;
}
