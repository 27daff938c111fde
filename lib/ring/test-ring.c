/* ring/test-ring.c: the reader against a kernel that is played: a file in memory, laid out as a ring is. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/testing.h"
#include "ring/internal.h"

#define SIZE 65536u

struct fixture {
    size_t descriptors, page;
    struct kith_ring *ring;
    /* What the kernel has of it. */
    struct kith_ring_consumer *consumer;
    struct kith_ring_producer *producer;
    uint8_t *records;
    uint64_t head;
};

static int make_file(struct fixture *fixture) {
    int fd = memfd_create("ring", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)(2 * fixture->page + 2 * SIZE)), 0);
    uint8_t *memory = mmap(NULL, 2 * fixture->page + 2 * SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(memory != MAP_FAILED);
    fixture->consumer = (void *)memory;
    fixture->producer = (void *)(memory + fixture->page);
    fixture->records = memory + 2 * fixture->page;
    return fd;
}

static int setup(void **state) {
    static struct fixture fixture;
    fixture = (struct fixture){.descriptors = testing_fd_count(), .page = (size_t)sysconf(_SC_PAGESIZE)};
    int fd = make_file(&fixture);
    assert_int_equal(kith_ring_open(fd, SIZE, &fixture.ring), 0);
    *state = &fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    kith_ring_free(fixture->ring);
    munmap(fixture->consumer, 2 * fixture->page + 2 * SIZE);
    return testing_fd_count() == fixture->descriptors ? 0 : -1;
}

/* One octet of a record; the file has the records twice by hand. */
static void put(struct fixture *fixture, uint64_t position, uint8_t octet) {
    fixture->records[position % SIZE] = octet;
    fixture->records[position % SIZE + SIZE] = octet;
}

static void put_word(struct fixture *fixture, uint64_t position, uint32_t word) {
    for (unsigned i = 0; i < 4; i++)
        put(fixture, position + i, ((uint8_t *)&word)[i]);
}

/* A record of `size` octets, all the same; it is seen when the head is published. */
static void write_record(struct fixture *fixture, size_t size, uint8_t octet, uint32_t flags) {
    put_word(fixture, fixture->head, (uint32_t)size | flags);
    for (size_t i = 0; i < size; i++)
        put(fixture, fixture->head + 8 + i, octet);
    fixture->head += (8 + size + 7) / 8 * 8;
}

static void publish(struct fixture *fixture) {
    __atomic_store_n(&fixture->producer->position, fixture->head, __ATOMIC_RELEASE);
}

/* The next record has `size` octets, all the same. */
static uint64_t expect(struct fixture *fixture, size_t size, uint8_t octet) {
    const uint8_t *data;
    size_t got;
    uint64_t position;
    assert_int_equal(kith_ring_next(fixture->ring, &data, &got, &position), 1);
    assert_int_equal(got, size);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(data[i], octet);
    return position;
}

static int next(struct fixture *fixture) {
    const uint8_t *data;
    size_t size;
    uint64_t position;
    return kith_ring_next(fixture->ring, &data, &size, &position);
}

static void test_records_come_in_order_and_nothing_before_it_is_published(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(next(fixture), 0);
    write_record(fixture, 5, 1, 0);
    write_record(fixture, 0, 2, 0);
    assert_int_equal(next(fixture), 0);
    publish(fixture);
    assert_int_equal(kith_ring_pending(fixture->ring), 24);
    assert_int_equal(expect(fixture, 5, 1), 16);
    assert_int_equal(kith_ring_pending(fixture->ring), 8);
    assert_int_equal(expect(fixture, 0, 2), 24);
    assert_int_equal(next(fixture), 0);
}

static void test_a_release_is_apart_from_reading_and_goes_forward_only(void **state) {
    struct fixture *fixture = *state;
    write_record(fixture, 8, 1, 0);
    write_record(fixture, 8, 2, 0);
    publish(fixture);
    uint64_t first = expect(fixture, 8, 1);
    kith_ring_release(fixture->ring, first + 16); /* was not read yet */
    assert_int_equal(fixture->consumer->position, 0);
    uint64_t second = expect(fixture, 8, 2);
    assert_int_equal(fixture->consumer->position, 0);
    kith_ring_release(fixture->ring, first);
    assert_int_equal(fixture->consumer->position, first);
    kith_ring_release(fixture->ring, second);
    kith_ring_release(fixture->ring, first);
    assert_int_equal(fixture->consumer->position, second);
}

static void test_a_reader_that_finds_nothing_says_how_far_it_has_read(void **state) {
    struct fixture *fixture = *state;
    write_record(fixture, 8, 1, 0);
    publish(fixture);
    expect(fixture, 8, 1);
    assert_int_equal(fixture->consumer->seen, 0);
    assert_int_equal(next(fixture), 0);
    assert_int_equal(fixture->consumer->seen, 16);
    assert_int_equal(fixture->consumer->position, 0);
    assert_true(kith_ring_may_poll(fixture->ring));
}

/* Three times round: a record that ends behind the first half lies in the second as a whole. */
static void test_records_go_round(void **state) {
    struct fixture *fixture = *state;
    uint64_t wrapped = 0;
    for (unsigned i = 0; i < 200; i++) {
        write_record(fixture, 1001, (uint8_t)i, 0);
        publish(fixture);
        wrapped += (fixture->head - 1016) / SIZE != (fixture->head - 1) / SIZE;
        kith_ring_release(fixture->ring, expect(fixture, 1001, (uint8_t)i));
    }
    assert_int_equal(wrapped, 3);
}

static void test_a_record_that_is_not_complete_holds_the_reader_up(void **state) {
    struct fixture *fixture = *state;
    write_record(fixture, 8, 1, KITH_RING_BUSY);
    write_record(fixture, 8, 2, 0);
    publish(fixture);
    assert_int_equal(next(fixture), 0);
    put_word(fixture, 0, 8);
    expect(fixture, 8, 1);
    expect(fixture, 8, 2);
}

static void test_a_record_that_was_given_up_is_passed_over_and_released(void **state) {
    struct fixture *fixture = *state;
    write_record(fixture, 24, 1, KITH_RING_DISCARD);
    write_record(fixture, 8, 2, 0);
    write_record(fixture, 8, 3, KITH_RING_DISCARD);
    publish(fixture);
    uint64_t position = expect(fixture, 8, 2);
    assert_int_equal(fixture->consumer->position, 32);
    assert_int_equal(next(fixture), 0);
    assert_int_equal(fixture->consumer->position, 32); /* the one before is lent still */
    kith_ring_release(fixture->ring, position);
    assert_int_equal(fixture->consumer->position, 64);
}

static void test_what_no_kernel_writes_ends_the_ring(void **state) {
    struct fixture *fixture = *state;
    static const uint32_t sizes[] = {SIZE, SIZE - 7, 57, 0x3fffffff, 0x3ffffff8};
    static const uint64_t heads[] = {SIZE + 8, 4, 1, UINT64_MAX - 7, (uint64_t)1 << 32};
    for (unsigned i = 0; i < 5; i++) {
        put_word(fixture, 0, sizes[i]);
        fixture->producer->position = sizes[i] == 57 ? 64 : SIZE;
        assert_int_equal(next(fixture), -EBADMSG);
        assert_int_equal(next(fixture), -EBADMSG);
        fixture->ring->head = 0;
        fixture->producer->position = heads[i];
        assert_int_equal(next(fixture), -EBADMSG);
    }
}

static void test_positions_run_over_the_end_of_their_type(void **state) {
    struct fixture *fixture = *state;
    fixture->head = fixture->producer->position = fixture->consumer->position = UINT64_MAX - 15;
    fixture->ring->released = fixture->ring->read = fixture->ring->head = fixture->head;
    for (unsigned i = 0; i < 4; i++)
        write_record(fixture, 8, (uint8_t)i, 0);
    publish(fixture);
    for (unsigned i = 0; i < 4; i++)
        kith_ring_release(fixture->ring, expect(fixture, 8, (uint8_t)i));
    assert_int_equal(fixture->consumer->position, 48);
}

static void test_a_later_reader_gets_what_was_not_released(void **state) {
    struct fixture *fixture = *state;
    struct kith_ring *second;
    for (uint8_t i = 0; i < 3; i++)
        write_record(fixture, 8, i, 0);
    publish(fixture);
    kith_ring_release(fixture->ring, expect(fixture, 8, 0));
    expect(fixture, 8, 1);
    assert_int_equal(kith_ring_map(dup(kith_ring_descriptor(fixture->ring)), SIZE, KITH_RING_BPF, &second), 0);
    kith_ring_free(fixture->ring);
    fixture->ring = second;
    expect(fixture, 8, 1);
    assert_false(kith_ring_may_poll(second));
    kith_ring_release(second, expect(fixture, 8, 2));
    assert_true(kith_ring_may_poll(second));
    assert_int_equal(next(fixture), 0);
    assert_int_equal(fixture->consumer->seen, 0); /* a BPF ring buffer has no such word */
}

static void test_what_is_no_ring_is_refused_and_its_descriptor_closed(void **state) {
    struct fixture *fixture = *state;
    struct kith_ring *ring = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    size_t before = testing_fd_count();
    assert_int_equal(kith_ring_open(dup(kith_ring_descriptor(fixture->ring)), SIZE - fixture->page, &ring), -EINVAL);
    assert_int_equal(kith_ring_open(dup(kith_ring_descriptor(fixture->ring)), 100, &ring), -EINVAL);
    assert_int_equal(kith_ring_open(dup(kith_ring_descriptor(fixture->ring)), 0, &ring), -EINVAL);
    assert_int_equal(kith_ring_open(dup(kith_ring_descriptor(fixture->ring)), SIZE_MAX / 2 + 1, &ring), -EINVAL);
    fixture->producer->position = SIZE + 8;
    assert_int_equal(kith_ring_open(dup(kith_ring_descriptor(fixture->ring)), SIZE, &ring), -EBADMSG);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(kith_ring_open(ends[0], SIZE, &ring), -EACCES);
    close(ends[1]);
    assert_null(ring);
    assert_true(kith_ring_open_bpf("/nowhere/at/all", &ring, &error) < 0);
    assert_non_null(strstr(error.text, "/nowhere/at/all: "));
    assert_true(kith_ring_open_bpf("/proc/self/status", &ring, &error) < 0);
    assert_non_null(strstr(error.text, "/proc/self/status: "));
    assert_int_equal(testing_fd_count(), before);
    assert_null(kith_ring_free(NULL));
}

#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* What a child has where the parent has a ring is its own: kith.ko gives it no mapping. */
static void test_a_forked_child_that_frees_it_unmaps_nothing_of_its_own(void **state) {
    struct fixture *fixture = *state;
    int status = -1;
    assert_int_equal(madvise(fixture->ring->consumer, fixture->page, MADV_DONTFORK), 0);
    assert_int_equal(madvise((void *)fixture->ring->producer, fixture->page + 2 * SIZE, MADV_DONTFORK), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        volatile uint8_t *own =
            mmap(fixture->ring->consumer, fixture->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        unsigned char there;
        if (own == MAP_FAILED)
            _exit(2);
        kith_ring_free(fixture->ring);
        _exit(mincore((void *)own, fixture->page, &there) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RING_TEST(test_records_come_in_order_and_nothing_before_it_is_published),
        RING_TEST(test_a_release_is_apart_from_reading_and_goes_forward_only),
        RING_TEST(test_a_reader_that_finds_nothing_says_how_far_it_has_read),
        RING_TEST(test_records_go_round),
        RING_TEST(test_a_record_that_is_not_complete_holds_the_reader_up),
        RING_TEST(test_a_record_that_was_given_up_is_passed_over_and_released),
        RING_TEST(test_what_no_kernel_writes_ends_the_ring),
        RING_TEST(test_positions_run_over_the_end_of_their_type),
        RING_TEST(test_a_later_reader_gets_what_was_not_released),
        RING_TEST(test_what_is_no_ring_is_refused_and_its_descriptor_closed),
        RING_TEST(test_a_forked_child_that_frees_it_unmaps_nothing_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
