/*
 * Fuzzes one side of a pair of rings whose other side writes anything anywhere into the memory: between two steps of ours, words, positions
 * and octets change as the input says.
 *
 * Each step takes three octets: what is done (bits 0 to 2), how much of it (the second octet and bits 3 to 5 of the first), and what the
 * other side writes first: nothing, an honest next position, or a word made of the next eight octets to a place that the third says.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "shm/internal.h"

#define SIZE KITH_SHM_SIZE_MIN

static void must(bool condition) {
    if (!condition)
        abort();
}

/* One pair for all inputs: making it takes system calls. */
static struct kith_shm *made, *hostile;
static struct kith_shm victim;

static void begin(void) {
    if (!hostile) {
        int fd;
        must(kith_shm_new(SIZE, &made, &fd) == 0 && kith_shm_open(fd, SIZE, &hostile) == 0);
        victim = *made;
        close(fd);
    }
    struct kith_shm fresh = {.pid = victim.pid, .size = SIZE, .mapping = victim.mapping, .mapping_size = victim.mapping_size};
    fresh.own = victim.own;
    fresh.other = victim.other;
    fresh.out = victim.out;
    fresh.in = victim.in;
    victim = fresh;
    memset(victim.own, 0, sizeof(*victim.own));
    memset(hostile->own, 0, sizeof(*hostile->own));
}

static void sabotage(uint8_t how, uint64_t word) {
    struct kith_shm_words *words = hostile->own;
    uint64_t *const places[] = {&words->written, &words->read, &words->octets_at, &words->room_at};
    if (how < 64)
        return;
    if (how < 128) {
        words->written = victim.read + (how & 31) * 997;
        words->read = victim.published - (how & 32 ? 0 : (victim.published - victim.other_read) / 2);
    } else if (how < 192) {
        *places[how & 3] = how & 4 ? word : *places[how & 3] + (word & 0xffff);
    } else {
        memcpy(hostile->out + word % (SIZE - 8), &word, sizeof(word));
    }
}

static void look_at(const uint8_t *octets, size_t size) {
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + octets[i]);
}

static void in(size_t size) {
    static uint8_t got[SIZE];
    bool ring;
    uint64_t before = victim.read;
    ssize_t r = kith_shm_read(&victim, got, size, &ring);
    must(r == -EBADMSG || (r >= 0 && (size_t)r <= size));
    must(victim.read == before + (r > 0 ? (uint64_t)r : 0));
    look_at(got, r > 0 ? (size_t)r : 0);
}

static void out(size_t size) {
    uint8_t *place;
    int r = kith_shm_place(&victim, size, &place);
    must(r == 0 || r == -EAGAIN || r == -EBADMSG);
    if (r < 0)
        return;
    must(place >= victim.out && place + size <= victim.out + 2 * SIZE);
    memset(place, 1, size);
    kith_shm_written(&victim, size);
}

static void step(uint8_t what, size_t size) {
    static uint8_t octets[SIZE];
    ssize_t r;
    switch (what & 7) {
    case 0:
        in(size);
        break;
    case 1:
        out(size);
        break;
    case 2:
        r = kith_shm_write(&victim, octets, size);
        must(r == -EBADMSG || (r >= 0 && (size_t)r <= size));
        break;
    case 3:
        (void)kith_shm_publish(&victim);
        break;
    case 4:
        (void)kith_shm_await_octets(&victim);
        break;
    case 5:
        (void)kith_shm_publish(&victim);
        (void)kith_shm_await_room(&victim);
        break;
    case 6:
        kith_shm_awake(&victim);
        break;
    default:
        r = kith_shm_readable(&victim);
        must(r == -EBADMSG || (r >= 0 && (size_t)r <= SIZE));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    begin();
    while (size >= 3) {
        uint64_t word = 0;
        memcpy(&word, data + 3, size - 3 < sizeof(word) ? size - 3 : sizeof(word));
        sabotage(data[2], word);
        step(data[0], ((size_t)(data[0] >> 3 & 7) << 13 | (size_t)data[1] << 5) % SIZE + (data[0] >> 6));
        must(victim.written - victim.published <= SIZE && victim.written - victim.other_read <= SIZE);
        must(victim.other_written - victim.read <= SIZE);
        data += 3;
        size -= 3;
    }
    return 0;
}
