/* shm/test-shm.c: both sides of the rings, in one process and in two, honest and not. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/testing.h"
#include "shm/internal.h"

#define SIZE KITH_SHM_SIZE_MIN
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct fixture {
    size_t descriptors;
    int fd;
    struct kith_shm *a, *b; /* made, opened */
};

static int setup(void **state) {
    static struct fixture fixture;
    fixture = (struct fixture){.descriptors = testing_fd_count(), .fd = -1};
    assert_int_equal(kith_shm_new(SIZE, &fixture.a, &fixture.fd), 0);
    assert_int_equal(kith_shm_open(fixture.fd, SIZE, &fixture.b), 0);
    assert_int_equal(kith_shm_size(fixture.b), SIZE);
    *state = &fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    kith_shm_free(fixture->a);
    kith_shm_free(fixture->b);
    kith_close(fixture->fd);
    return testing_fd_count() == fixture->descriptors ? 0 : -1;
}

static ssize_t take(struct kith_shm *shm, void *to, size_t size) {
    bool ring;
    return kith_shm_read(shm, to, size, &ring);
}

/* Octet `i` of a stream that never repeats within a ring. */
static uint8_t octet(uint64_t i) {
    return (uint8_t)(i ^ i >> 8 ^ i >> 16);
}

static void put(struct kith_shm *shm, uint64_t from, size_t size) {
    uint8_t *place;
    assert_int_equal(kith_shm_place(shm, size, &place), 0);
    for (size_t i = 0; i < size; i++)
        place[i] = octet(from + i);
    kith_shm_written(shm, size);
}

/* ------------------------------------------------------------------------------------------------------------------------ */

static void octets_pass_in_order_both_ways(void **state) {
    struct fixture *fixture = *state;
    uint64_t sent = 0, received = 0;
    for (unsigned round = 0; round < 400; round++) {
        struct kith_shm *from = round < 200 ? fixture->a : fixture->b, *to = round < 200 ? fixture->b : fixture->a;
        size_t size = 1 + (size_t)round * 7919 % 20000;
        uint8_t got[20000];
        put(from, sent, size);
        sent += size;
        kith_shm_publish(from);
        assert_int_equal(take(to, got, sizeof(got)), size);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(got[i], octet(received + i));
        received += size;
        assert_true(kith_shm_taken(from));
    }
    assert_true(received > 3 * SIZE);
}

static void what_is_not_published_is_not_seen(void **state) {
    struct fixture *fixture = *state;
    uint8_t got[8];
    put(fixture->a, 0, 8);
    assert_false(kith_shm_look(fixture->b));
    assert_int_equal(take(fixture->b, got, sizeof(got)), 0);
    assert_false(kith_shm_taken(fixture->a));
    kith_shm_publish(fixture->a);
    assert_true(kith_shm_look(fixture->b));
    assert_int_equal(kith_shm_readable(fixture->b), 8);
    assert_false(kith_shm_taken(fixture->a));
    assert_int_equal(take(fixture->b, got, sizeof(got)), 8);
    assert_true(kith_shm_taken(fixture->a));
}

static void a_full_ring_takes_no_more_and_a_part_of_what_is_long(void **state) {
    struct fixture *fixture = *state;
    static uint8_t octets[2 * SIZE], got[2 * SIZE];
    uint8_t *place;
    for (size_t i = 0; i < sizeof(octets); i++)
        octets[i] = octet(i);
    put(fixture->a, 0, 10);
    assert_int_equal(kith_shm_place(fixture->a, SIZE - 9, &place), -EAGAIN);
    assert_int_equal(kith_shm_write(fixture->a, octets + 10, sizeof(octets) - 10), SIZE - 10);
    assert_int_equal(kith_shm_write(fixture->a, octets, 1), 0);
    assert_int_equal(kith_shm_place(fixture->a, 1, &place), -EAGAIN);
    kith_shm_publish(fixture->a);
    assert_int_equal(take(fixture->b, got, 100), 100);
    assert_int_equal(kith_shm_place(fixture->a, 101, &place), -EAGAIN);
    assert_int_equal(kith_shm_place(fixture->a, 100, &place), 0);
    assert_int_equal(take(fixture->b, got + 100, sizeof(got)), SIZE - 100);
    assert_memory_equal(got, octets, SIZE);
    assert_int_equal(kith_shm_place(fixture->a, SIZE + 1, &place), -EAGAIN);
}

static void a_reader_that_sleeps_is_rung_once_for_each_sleep(void **state) {
    struct fixture *fixture = *state;
    uint8_t got[8];
    put(fixture->a, 0, 1);
    assert_false(kith_shm_publish(fixture->a)); /* it looks by itself */
    assert_true(kith_shm_await_octets(fixture->b));
    assert_int_equal(take(fixture->b, got, 8), 1);
    assert_false(kith_shm_await_octets(fixture->b));
    put(fixture->a, 1, 1);
    assert_true(kith_shm_publish(fixture->a));
    put(fixture->a, 2, 1);
    assert_false(kith_shm_publish(fixture->a));
    assert_false(kith_shm_publish(fixture->a)); /* nothing new */
    kith_shm_awake(fixture->b);
    assert_int_equal(take(fixture->b, got, 8), 2);
    put(fixture->a, 3, 1);
    assert_false(kith_shm_publish(fixture->a));
    assert_int_equal(take(fixture->b, got, 8), 1);
    assert_false(kith_shm_await_octets(fixture->b));
    put(fixture->a, 4, 1);
    assert_true(kith_shm_publish(fixture->a));
}

static void a_writer_that_waits_for_room_is_rung_when_half_is_free(void **state) {
    struct fixture *fixture = *state;
    static uint8_t got[SIZE];
    bool ring;
    assert_true(kith_shm_await_room(fixture->a)); /* there is */
    put(fixture->a, 0, SIZE);
    kith_shm_publish(fixture->a);
    assert_false(kith_shm_await_room(fixture->a));
    assert_int_equal(kith_shm_read(fixture->b, got, SIZE / 2 - 1, &ring), SIZE / 2 - 1);
    assert_false(ring);
    assert_int_equal(kith_shm_read(fixture->b, got, 1, &ring), 1);
    assert_true(ring);
    assert_int_equal(kith_shm_read(fixture->b, got, 1, &ring), 1);
    assert_false(ring);
    assert_true(kith_shm_await_room(fixture->a));
}

/* Is there no octet that can be written there? The kernel says so (read(2), EFAULT), where to try it would be the end. */
static bool is_read_only(const void *place) {
    int zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    assert_true(zeros >= 0);
    ssize_t n = read(zeros, (void *)(uintptr_t)place, 1);
    bool refused = n < 0 && errno == EFAULT;
    kith_close(zeros);
    assert_true(refused || n == 1);
    return refused;
}

/* What is the other side's cannot be changed by a mistake of ours. */
static void each_side_writes_what_is_its_own_and_nothing_else(void **state) {
    struct fixture *fixture = *state;
    const struct kith_shm *sides[] = {fixture->a, fixture->b};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sides); i++) {
        const struct kith_shm *shm = sides[i];
        assert_true(is_read_only(shm->other));
        assert_true(is_read_only(shm->in));
        assert_true(is_read_only(shm->in + SIZE));
        assert_true(is_read_only(shm->in + 2 * SIZE - 1));
        assert_false(is_read_only(shm->own));
        assert_false(is_read_only(shm->out));
        assert_false(is_read_only(shm->out + 2 * SIZE - 1));
    }
}

/* What /proc/sys/vm/overcommit_memory says here, or as it is; see meson.build. The names are the linker's. */
int __real_kith_file_read(int dir, const char *path, size_t max_size, char **ret_text, size_t *ret_size);
int __wrap_kith_file_read(int dir, const char *path, size_t max_size, char **ret_text, size_t *ret_size);
static const char *overcommit;

int __wrap_kith_file_read(int dir, const char *path, size_t max_size, char **ret_text, size_t *ret_size) {
    if (!overcommit || strcmp(path, "/proc/sys/vm/overcommit_memory") != 0)
        return __real_kith_file_read(dir, path, max_size, ret_text, ret_size);
    *ret_text = strdup(overcommit);
    return *ret_text ? 0 : -ENOENT;
}

static void where_memory_is_not_overcommitted_there_are_no_rings(void **state) {
    struct fixture *fixture = *state;
    static const struct {
        const char *text;
        bool usable;
    } modes[] = {{"0\n", true}, {"1\n", true}, {"2\n", false}, {"", false}};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(modes); i++) {
        struct kith_shm *made = NULL, *opened = NULL;
        int fd = -1, expected = modes[i].usable ? 0 : -EOPNOTSUPP;
        overcommit = modes[i].text;
        int usable = kith_shm_usable(), made_r = kith_shm_new(SIZE, &made, &fd), opened_r = kith_shm_open(fixture->fd, SIZE, &opened);
        overcommit = NULL;
        kith_shm_free(made);
        kith_shm_free(opened);
        kith_close(fd);
        assert_int_equal(usable, modes[i].usable);
        assert_int_equal(made_r, expected);
        assert_int_equal(opened_r, expected);
    }
}

/* Foreign memory ---------------------------------------------------------------------------------------------------------- */

static int memory(size_t size, int seals) {
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    if (seals != 0)
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static int opens(int fd) {
    struct kith_shm *shm = NULL;
    int r = kith_shm_open(fd, KITH_SHM_SIZE_MAX, &shm);
    kith_shm_free(shm);
    kith_close(fd);
    return r;
}

static void only_memory_that_is_sealed_is_opened(void **state) {
    struct fixture *fixture = *state;
    size_t good = kith_shm_file_size(SIZE);
    assert_int_equal(opens(memory(good, SEALS)), 0);
    assert_int_equal(opens(memory(good, 0)), -EBADMSG);
    assert_int_equal(opens(memory(good, F_SEAL_GROW | F_SEAL_SEAL)), -EBADMSG);
    assert_int_equal(opens(memory(good, F_SEAL_SHRINK | F_SEAL_GROW)), -EBADMSG);
    assert_int_equal(opens(memory(good, SEALS | F_SEAL_WRITE)), -EBADMSG);
    assert_int_equal(opens(memory(good + 1, SEALS)), -EBADMSG);
    assert_int_equal(opens(memory(good - 4096, SEALS)), -EBADMSG);
    assert_int_equal(opens(memory(0, SEALS)), -EBADMSG);
    assert_int_equal(opens(memory(kith_shm_file_size(SIZE / 2), SEALS)), -EBADMSG);
    assert_int_equal(opens(memory(kith_shm_file_size(3 * SIZE), SEALS)), -EBADMSG);
    assert_int_equal(opens(memory(kith_shm_file_size(2 * KITH_SHM_SIZE_MAX), SEALS)), -EBADMSG);
    struct kith_shm *shm = NULL;
    assert_int_equal(kith_shm_open(fixture->fd, SIZE / 2, &shm), -EFBIG);
    assert_null(shm);
}

static void what_is_no_memory_is_not_opened(void **state) {
    (void)state;
    int pipes[2], sockets[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(opens(pipes[i]), -EBADMSG);
        assert_int_equal(opens(sockets[i]), -EBADMSG);
    }
    assert_int_equal(opens(open("/dev/zero", O_RDWR | O_CLOEXEC)), -EBADMSG);
    assert_int_equal(opens(open("/proc/self/exe", O_RDONLY | O_CLOEXEC)), -EBADMSG);
    assert_int_equal(opens(-1), -EBADMSG);
}

/* Of one that was opened again for reading only nothing can be mapped to be written. */
static void memory_without_the_right_to_write_is_not_opened(void **state) {
    struct fixture *fixture = *state;
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fixture->fd);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(opens(fd), -EBADMSG);
}

static void sizes_are_checked(void **state) {
    (void)state;
    struct kith_shm *shm = NULL;
    int fd = -1;
    assert_int_equal(kith_shm_new(SIZE / 2, &shm, &fd), -EINVAL);
    assert_int_equal(kith_shm_new(SIZE + 4096, &shm, &fd), -EINVAL);
    assert_int_equal(kith_shm_new(2 * KITH_SHM_SIZE_MAX, &shm, &fd), -EINVAL);
    assert_int_equal(kith_shm_new(0, &shm, &fd), -EINVAL);
    assert_null(shm);
    assert_int_equal(fd, -1);
}

static void memory_that_is_given_back_reads_as_zeros(void **state) {
    struct fixture *fixture = *state;
    uint8_t got[8];
    put(fixture->a, 1, 8);
    kith_shm_publish(fixture->a);
    assert_int_equal(kith_shm_readable(fixture->b), 8);
    assert_int_equal(ftruncate(fixture->fd, 0), -1); /* what would be SIGBUS */
    assert_int_equal(fallocate(fixture->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)kith_shm_file_size(SIZE)), 0);
    assert_int_equal(take(fixture->b, got, 8), -EBADMSG); /* the position fell back */
    uint8_t *place;
    assert_int_equal(kith_shm_place(fixture->a, SIZE - 8, &place), 0);
    memset(place, 1, SIZE - 8);
}

/* Words that say what cannot be --------------------------------------------------------------------------------------------- */

/* The other side's words, as it could write them. */
static struct kith_shm_words *words_of(struct kith_shm *shm) {
    return shm->own;
}

static void a_writer_that_claims_too_much_ends_it(void **state) {
    struct fixture *fixture = *state;
    static const uint64_t claims[] = {SIZE + 1, UINT64_MAX, (uint64_t)1 << 63, 7};
    uint8_t got[16];
    put(fixture->a, 0, 8);
    kith_shm_publish(fixture->a);
    assert_int_equal(take(fixture->b, got, sizeof(got)), 8);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(claims); i++) {
        words_of(fixture->a)->written = claims[i] == 7 ? 7 : 8 + claims[i];
        assert_true(kith_shm_look(fixture->b));
        assert_int_equal(kith_shm_readable(fixture->b), -EBADMSG);
        assert_int_equal(take(fixture->b, got, sizeof(got)), -EBADMSG);
    }
}

static void a_reader_that_claims_what_was_not_written_ends_it(void **state) {
    struct fixture *fixture = *state;
    static uint8_t octets[SIZE];
    static const uint64_t claims[] = {SIZE / 2 + 1, SIZE, UINT64_MAX, (uint64_t)1 << 63};
    uint8_t *place;
    put(fixture->a, 0, SIZE / 2);
    kith_shm_publish(fixture->a);
    put(fixture->a, SIZE / 2, SIZE / 2);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(claims); i++) {
        words_of(fixture->b)->read = claims[i];
        assert_int_equal(kith_shm_place(fixture->a, 1, &place), -EBADMSG);
        assert_int_equal(kith_shm_write(fixture->a, octets, SIZE), -EBADMSG);
        assert_true(kith_shm_await_room(fixture->a));
    }
    words_of(fixture->b)->read = 100;
    assert_int_equal(kith_shm_place(fixture->a, 100, &place), 0);
    words_of(fixture->b)->read = 99; /* backwards */
    assert_int_equal(kith_shm_place(fixture->a, SIZE, &place), -EBADMSG);
}

struct scribbler {
    _Atomic bool stop;
    uint8_t *memory;
    size_t size;
};

/* A peer gone mad: anything anywhere, mostly where the words are. */
static void *scribble(void *opaque) {
    struct scribbler *scribbler = opaque;
    uint32_t dice = 1;
    while (!atomic_load_explicit(&scribbler->stop, memory_order_relaxed)) {
        dice = dice * 1664525 + 1013904223;
        size_t place = dice & 1 ? (dice >> 8) % 320 : (dice & 2 ? 4096 + (dice >> 8) % 320 : (dice >> 2) % (scribbler->size - 8));
        uint64_t value = dice & 4 ? dice >> 16 : (uint64_t)dice << 32 | dice;
        __atomic_store_n((uint64_t *)(void *)(scribbler->memory + place / 8 * 8), value, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void one_turn(struct kith_shm *shm, unsigned round) {
    static uint8_t octets[SIZE];
    uint8_t *place;
    bool ring;
    size_t size = 1 + (size_t)round * 131 % SIZE;
    ssize_t got = kith_shm_read(shm, octets, size, &ring);
    assert_true(got == -EBADMSG || (got >= 0 && (size_t)got <= size));
    int r = kith_shm_place(shm, size, &place);
    assert_true(r == 0 || r == -EAGAIN || r == -EBADMSG);
    if (r == 0) {
        assert_true(place >= shm->out && place + size <= shm->out + 2 * SIZE);
        memset(place, 1, size);
        kith_shm_written(shm, size);
    }
    ssize_t wrote = kith_shm_write(shm, octets, size);
    assert_true(wrote == -EBADMSG || (wrote >= 0 && (size_t)wrote <= size));
    (void)kith_shm_publish(shm);
    (void)kith_shm_await_room(shm);
    if (!kith_shm_await_octets(shm))
        kith_shm_awake(shm);
    ssize_t there = kith_shm_readable(shm);
    assert_true(there == -EBADMSG || (there >= 0 && (size_t)there <= SIZE));
}

static void a_peer_that_writes_anything_anywhere_hurts_nobody_else(void **state) {
    struct fixture *fixture = *state;
    struct scribbler scribbler = {.size = kith_shm_file_size(SIZE)};
    pthread_t thread;
    scribbler.memory = mmap(NULL, scribbler.size, PROT_READ | PROT_WRITE, MAP_SHARED, fixture->fd, 0);
    assert_true(scribbler.memory != MAP_FAILED);
    assert_int_equal(pthread_create(&thread, NULL, scribble, &scribbler), 0);
    unsigned rounds = testing_under_valgrind() ? 2000 : 20000;
    for (unsigned round = 0; round < rounds; round++) {
        one_turn(fixture->a, round);
        one_turn(fixture->b, round);
    }
    atomic_store(&scribbler.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    munmap(scribbler.memory, scribbler.size);
}

/* Two processes ----------------------------------------------------------------------------------------------------------- */

#define STREAM ((uint64_t)24 * 1024 * 1024)

static void ring_bell(int fd) {
    assert_true(send(fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 || errno == EAGAIN);
}

static void sleep_until_rung(int fd) {
    char bells[64];
    assert_true(recv(fd, bells, sizeof(bells), 0) > 0);
}

static void produce(struct kith_shm *shm, int bell) {
    uint32_t dice = 7;
    uint64_t sent = 0;
    while (sent < STREAM) {
        uint8_t *place;
        dice = dice * 1664525 + 1013904223;
        size_t size = 1 + (dice >> 8) % (dice & 64 ? 100 : 20000);
        if (size > STREAM - sent)
            size = (size_t)(STREAM - sent);
        int r = kith_shm_place(shm, size, &place);
        if (r == 0) {
            for (size_t i = 0; i < size; i++)
                place[i] = octet(sent + i);
            kith_shm_written(shm, size);
            sent += size;
        }
        if ((r != 0 || dice & 128 || sent == STREAM) && kith_shm_publish(shm))
            ring_bell(bell);
        if (r == -EAGAIN && !kith_shm_await_room(shm))
            sleep_until_rung(bell);
        assert_true(r == 0 || r == -EAGAIN);
    }
}

static void consume(struct kith_shm *shm, int bell) {
    static uint8_t got[SIZE];
    for (uint64_t received = 0; received < STREAM;) {
        bool ring;
        ssize_t size = kith_shm_read(shm, got, 1 + received % SIZE, &ring);
        assert_true(size >= 0);
        if (ring)
            ring_bell(bell);
        for (ssize_t i = 0; i < size; i++)
            if (got[i] != octet(received + (uint64_t)i))
                fail_msg("octet %llu is wrong", (unsigned long long)received + (unsigned long long)i);
        received += (uint64_t)size;
        if (size == 0 && !kith_shm_await_octets(shm)) {
            sleep_until_rung(bell);
            kith_shm_awake(shm);
        }
    }
}

/* A wake-up that is lost would make both sleep for ever. */
static void two_processes_lose_neither_octets_nor_wake_ups(void **state) {
    struct fixture *fixture = *state;
    int bells[2], status;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, bells), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct kith_shm *shm;
        alarm(60);
        if (kith_shm_open(fixture->fd, SIZE, &shm) < 0)
            _exit(1);
        produce(shm, bells[1]);
        _exit(0);
    }
    alarm(60);
    consume(fixture->a, bells[0]);
    alarm(0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    kith_close(bells[0]);
    kith_close(bells[1]);
}

static void *produce_in_thread(void *opaque) {
    void **arguments = opaque;
    produce(arguments[0], *(int *)arguments[1]);
    return NULL;
}

static void two_threads_do_the_same(void **state) {
    struct fixture *fixture = *state;
    int bells[2];
    pthread_t thread;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, bells), 0);
    void *arguments[] = {fixture->b, &bells[1]};
    assert_int_equal(pthread_create(&thread, NULL, produce_in_thread, arguments), 0);
    consume(fixture->a, bells[0]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    kith_close(bells[0]);
    kith_close(bells[1]);
}

/* What it had written before is there all the same. */
static void a_writer_that_is_killed_leaves_what_it_published(void **state) {
    struct fixture *fixture = *state;
    uint8_t got[2000];
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct kith_shm *shm;
        uint8_t *place;
        if (kith_shm_open(fixture->fd, SIZE, &shm) < 0 || kith_shm_place(shm, 1000, &place) < 0)
            _exit(1);
        memset(place, 7, 1000);
        kith_shm_written(shm, 1000);
        kith_shm_publish(shm);
        kith_shm_written(shm, 500); /* in the middle of something */
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(take(fixture->a, got, sizeof(got)), 1000);
    assert_int_equal(got[999], 7);
}

static void a_forked_child_has_no_such_memory(void **state) {
    struct fixture *fixture = *state;
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        unsigned char resident;
        void *mapping = fixture->a->mapping;
        bool gone = mincore(mapping, 1, &resident) < 0 && errno == ENOMEM;
        /* Something else lies there now: that is left alone. */
        void *other = mmap(mapping, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        kith_shm_free(fixture->a);
        bool stays = other == mapping && mincore(other, 1, &resident) == 0;
        _exit(gone && stays ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(octets_pass_in_order_both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_published_is_not_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_ring_takes_no_more_and_a_part_of_what_is_long, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_that_sleeps_is_rung_once_for_each_sleep, setup, teardown),
        cmocka_unit_test_setup_teardown(a_writer_that_waits_for_room_is_rung_when_half_is_free, setup, teardown),
        cmocka_unit_test_setup_teardown(each_side_writes_what_is_its_own_and_nothing_else, setup, teardown),
        cmocka_unit_test_setup_teardown(where_memory_is_not_overcommitted_there_are_no_rings, setup, teardown),
        cmocka_unit_test_setup_teardown(only_memory_that_is_sealed_is_opened, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_memory_is_not_opened, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_without_the_right_to_write_is_not_opened, setup, teardown),
        cmocka_unit_test_setup_teardown(sizes_are_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_that_is_given_back_reads_as_zeros, setup, teardown),
        cmocka_unit_test_setup_teardown(a_writer_that_claims_too_much_ends_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_that_claims_what_was_not_written_ends_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_writes_anything_anywhere_hurts_nobody_else, setup, teardown),
        cmocka_unit_test_setup_teardown(two_processes_lose_neither_octets_nor_wake_ups, setup, teardown),
        cmocka_unit_test_setup_teardown(two_threads_do_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(a_writer_that_is_killed_leaves_what_it_published, setup, teardown),
        cmocka_unit_test_setup_teardown(a_forked_child_has_no_such_memory, setup, teardown),
    };
    return cmocka_run_group_tests_name("shm/shm", tests, NULL, NULL);
}
