/* pool/test-memfd.c: memory that is passed on: sealed, looked at before it is believed, and given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/testing.h"
#include "pool/memfd.h"
#include "pool/pool.h"

#define SIZE ((size_t)3 * 1024 * 1024 + 17)
#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static uint8_t *octets_new(void) {
    uint8_t *octets = malloc(SIZE);
    assert_non_null(octets);
    for (size_t i = 0; i < SIZE; i++)
        octets[i] = (uint8_t)(i * 131 + i / 251);
    return octets;
}

static void test_what_was_filled_is_what_is_received(void **state) {
    (void)state;
    uint8_t *octets = octets_new();
    kith_buffer *buffer, *received;
    const char *why;
    assert_int_equal(kith_buffer_new_memfd(0, &buffer), -EINVAL);
    assert_int_equal(kith_buffer_new_memfd(SIZE, &buffer), 0);
    assert_int_equal(kith_buffer_size(buffer), SIZE);
    memcpy(kith_buffer_data(buffer), octets, SIZE);
    int fd = kith_buffer_seal(buffer);
    assert_true(fd >= 0);
    assert_int_equal(kith_buffer_seal(buffer), fd);
    assert_int_equal(fcntl(fd, F_GET_SEALS) & ALL_SEALS, ALL_SEALS);
    assert_memory_equal(kith_buffer_data(buffer), octets, SIZE); /* at the same place */
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(kith_buffer_new_received(fcntl(fd, F_DUPFD_CLOEXEC, 0), SIZE, &received, &why), 0);
    assert_memory_equal(kith_buffer_data(received), octets, SIZE);
    assert_int_equal(kith_buffer_seal(received), -ENOTSUP);
    assert_int_equal(testing_fd_count(), testing_fds_before + 1); /* a received one needs none */
    kith_buffer_unref(buffer);
    assert_memory_equal(kith_buffer_data(received), octets, SIZE);
    kith_buffer_unref(received);
    free(octets);
}

static void test_a_copy_is_sealed_from_the_start(void **state) {
    (void)state;
    uint8_t *octets = octets_new();
    kith_buffer *buffer;
    assert_int_equal(kith_buffer_new_memfd_copy(octets, SIZE, &buffer), 0);
    assert_int_equal(fcntl(kith_buffer_seal(buffer), F_GET_SEALS) & ALL_SEALS, ALL_SEALS);
    assert_memory_equal(kith_buffer_data(buffer), octets, SIZE);
    assert_true(kith_buffer_portable(buffer));
    kith_buffer_unref(buffer);
    free(octets);
}

static void test_memory_that_somebody_may_write_to_is_not_sealed(void **state) {
    (void)state;
    kith_buffer *buffer, *heap;
    char path[64];
    assert_int_equal(kith_buffer_new_memfd_copy("x", 1, &buffer), 0);
    int before = kith_buffer_seal(buffer);
    kith_buffer_unref(buffer);
    assert_int_equal(kith_buffer_new_memfd(4096, &buffer), 0); /* the kernel gives out the lowest number: that one again */
    snprintf(path, sizeof(path), "/proc/self/fd/%d", before);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    void *writable = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(writable, MAP_FAILED);
    close(fd);
    assert_int_equal(kith_buffer_seal(buffer), -EBUSY);
    munmap(writable, 4096);
    assert_true(kith_buffer_seal(buffer) >= 0);
    kith_buffer_unref(buffer);
    assert_int_equal(kith_buffer_new(4096, &heap), 0);
    assert_int_equal(kith_buffer_seal(heap), -ENOTSUP);
    kith_buffer_unref(heap);
}

static int memfd_with(unsigned flags, off_t size, int seals) {
    int fd = memfd_create("test", MFD_CLOEXEC | flags);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, size), 0);
    if (seals)
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void refuse(int fd, uint64_t size, const char *expected) {
    kith_buffer *buffer = NULL;
    const char *why = NULL;
    assert_int_equal(kith_buffer_new_received(fd, size, &buffer, &why), -EPROTO);
    assert_null(buffer);
    assert_string_equal(why, expected);
}

static void test_nothing_is_believed_without_every_seal(void **state) {
    (void)state;
    const unsigned may = MFD_ALLOW_SEALING;
    refuse(memfd_with(may, 4096, ALL_SEALS & ~F_SEAL_WRITE), 4096, "it lacks F_SEAL_WRITE");
    refuse(memfd_with(may, 4096, ALL_SEALS & ~F_SEAL_SHRINK), 4096, "it lacks F_SEAL_SHRINK");
    refuse(memfd_with(may, 4096, ALL_SEALS & ~F_SEAL_GROW), 4096, "it lacks F_SEAL_GROW");
    refuse(memfd_with(may, 4096, ALL_SEALS & ~F_SEAL_SEAL), 4096, "it lacks F_SEAL_SEAL");
    refuse(memfd_with(0, 4096, 0), 4096, "it lacks F_SEAL_WRITE");
    refuse(memfd_with(may, 4096, ALL_SEALS), 4097, "it has another size");
    refuse(memfd_with(may, 4096, ALL_SEALS), 4095, "it has another size");
    refuse(memfd_with(may, 0, ALL_SEALS), 0, "it has another size");
}

/* A page that nobody has made is the maker's no less than the others: reading must not need a new one, which may not be had. */
static void test_what_has_holes_is_read_and_not_mapped(void **state) {
    (void)state;
    struct stat st;
    kith_buffer *buffer;
    const char *why;
    uint8_t *octets = calloc(1, SIZE);
    int fd = memfd_with(MFD_ALLOW_SEALING, SIZE, 0);
    assert_non_null(octets);
    memcpy(octets + SIZE - 3, "end", 3);
    assert_int_equal(pwrite(fd, "end", 3, SIZE - 3), 3);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, ALL_SEALS), 0);
    assert_int_equal(kith_buffer_new_received(fcntl(fd, F_DUPFD_CLOEXEC, 0), SIZE, &buffer, &why), 0);
    assert_int_equal(kith_buffer_size(buffer), SIZE);
    assert_memory_equal(kith_buffer_data(buffer), octets, SIZE);
    assert_int_equal(fstat(fd, &st), 0);
    assert_in_range(st.st_blocks * 512, 0, sysconf(_SC_PAGESIZE));
    assert_false(kith_buffer_is_memfd(buffer));
    kith_buffer_unref(buffer);
    free(octets);
    close(fd);
}

static void test_what_is_no_memfd_is_refused(void **state) {
    (void)state;
    int pair[2];
    assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
    refuse(pair[0], 4096, "it is no memfd of ordinary pages");
    refuse(pair[1], 4096, "it is no memfd of ordinary pages");
    refuse(open("/proc/self/maps", O_RDONLY | O_CLOEXEC), 4096, "it is no memfd of ordinary pages");
    int huge = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
    if (huge >= 0) { /* a kernel may have been built without */
        assert_int_equal(fcntl(huge, F_ADD_SEALS, ALL_SEALS), 0);
        refuse(huge, 4096, "it is no memfd of ordinary pages");
    }
}

#define MEMFD_TEST(name) cmocka_unit_test_setup_teardown(name, testing_fds_setup, testing_fds_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        MEMFD_TEST(test_what_was_filled_is_what_is_received),
        MEMFD_TEST(test_a_copy_is_sealed_from_the_start),
        MEMFD_TEST(test_memory_that_somebody_may_write_to_is_not_sealed),
        MEMFD_TEST(test_nothing_is_believed_without_every_seal),
        MEMFD_TEST(test_what_has_holes_is_read_and_not_mapped),
        MEMFD_TEST(test_what_is_no_memfd_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
