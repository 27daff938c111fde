/* A ring's descriptor and memory: who gets none, and nothing that a process writes into one hurts. */
#include "kmod/rings.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* Refusals ------------------------------------------------------------------------------------------------------------------- */

static size_t descriptors(void) {
    size_t count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void ask_for_too_much(void) {
    struct rlimit limit = {.rlim_cur = 8 * RING, .rlim_max = 8 * RING};
    struct channel_info info;
    CHILD_CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    CHILD_CHECK(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
    struct client *client = client_new();
    size_t before = descriptors();
    CHILD_CHECK(client_join_ring(client, "limit", 8 * RING, &info) == -ENOBUFS);
    CHILD_CHECK(strstr(client->text, "RLIMIT_MEMLOCK") != NULL);
    CHILD_CHECK(descriptors() == before);
    CHILD_CHECK(client_join(client, "limit", 0) == 0);
    for (unsigned i = 0; i < 20; i++) { /* what was locked is given back */
        CHILD_CHECK(client_leave(client, "limit") == 0);
        struct kith_ring *ring = ring_join(client, "limit", 4 * RING);
        kith_ring_free(ring);
        CHILD_CHECK(client_join(client, "limit", 0) == 0);
    }
}

static void have_no_descriptor(void) {
    struct client *client = client_new();
    struct channel_info info;
    struct rlimit limit = {.rlim_cur = descriptors(), .rlim_max = descriptors()};
    CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHILD_CHECK(client_join_ring(client, "limit", RING, &info) == -EMFILE);
    CHILD_CHECK(strstr(client->text, "no descriptor") != NULL);
    CHILD_CHECK(client_join(client, "limit", 0) == 0);
}

static void test_a_ring_that_may_not_be_is_refused_and_datagrams_are_not(void **state) {
    struct client *driver = *state, *client = client_new();
    struct channel_info info;
    assert_int_equal(client_tell(driver, "open limit 2 0 0 1"), 0);
    assert_int_equal(client_join_ring(client, "limit", KITH_RING_MOST + 1, &info), -ERANGE);
    assert_int_equal(client_join_ring(client, "limit", 0, &info), -ERANGE);
    child_ends_well(in_child(ask_for_too_much));
    child_ends_well(in_child(have_no_descriptor));
    struct kith_ring *ring = ring_join(client, "limit", RING + 1);
    assert_int_equal(client_join_ring(client, "limit", RING, &info), -EALREADY);
    assert_int_equal(info_of(driver, "limit").receivers, 1);
    kith_ring_free(ring);
    client_free(client);
}

/* Its socket has no room for the answer, which names the descriptor. */
static void test_a_ring_whose_answer_cannot_be_sent_never_was(void **state) {
    struct client *driver = *state, *client = client_new();
    char octets[70000];
    assert_int_equal(client_tell(driver, "open flood 2 0 0 1"), 0);
    assert_int_equal(client_tell(driver, "open deaf 1 0 0 1"), 0);
    assert_int_equal(setsockopt(client_descriptor(client), SOL_SOCKET, SO_RCVBUF, &(int){1}, sizeof(int)), 0);
    assert_int_equal(client_join(client, "flood", 64), 0);
    tell_sent(driver, "send flood 64 4000 task", "64 0");
    struct pollfd ready = {.fd = client_descriptor(client), .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 5 * SECOND), 1);
    size_t before = descriptors();
    client_ask_for_ring(client, "deaf", RING);
    assert_int_equal(descriptors(), before);
    assert_int_equal(info_of(driver, "deaf").receivers, 0);
    while (recv(client_descriptor(client), octets, sizeof(octets), MSG_DONTWAIT) > 0 || errno == ENOBUFS)
        ;
    client_free(client);
}

static void test_pages_that_are_the_kernels_cannot_be_written(void **state) {
    struct client *driver = *state, *client = client_new();
    size_t page = (size_t)sysconf(_SC_PAGESIZE), all = page + 2 * RING;
    struct channel_info info;
    assert_int_equal(client_tell(driver, "open pages 1 0 0 1"), 0);
    assert_int_equal(client_join_ring(client, "pages", RING, &info), 0);
    int fd = info.fd, both = PROT_READ | PROT_WRITE;
    assert_ptr_equal(mmap(NULL, all, both, MAP_SHARED, fd, (off_t)page), MAP_FAILED);
    assert_int_equal(errno, EPERM);
    assert_ptr_equal(mmap(NULL, page, both, MAP_SHARED, fd, (off_t)page), MAP_FAILED);
    assert_ptr_equal(mmap(NULL, 2 * page, both, MAP_SHARED, fd, 0), MAP_FAILED);
    assert_ptr_equal(mmap(NULL, page, both, MAP_PRIVATE, fd, 0), MAP_FAILED);
    assert_ptr_equal(mmap(NULL, all + page, PROT_READ, MAP_SHARED, fd, (off_t)page), MAP_FAILED);
    uint8_t *mapped = mmap(NULL, all, PROT_READ, MAP_SHARED, fd, (off_t)page);
    assert_true(mapped != MAP_FAILED);
    assert_int_equal(mprotect(mapped, all, both), -1);
    assert_int_equal(errno, EACCES);
    assert_int_equal(mprotect(mapped, all, PROT_READ | PROT_EXEC), 0); /* as any file; it is no more than readable */
    uint8_t *own = mmap(NULL, page, both, MAP_SHARED, fd, 0);
    assert_true(own != MAP_FAILED);
    assert_ptr_equal(mremap(own, page, 2 * page, MREMAP_MAYMOVE), MAP_FAILED);
    munmap(mapped, all);
    munmap(own, page);
    close(fd);
    client_free(client);
}

/* Hostile -------------------------------------------------------------------------------------------------------------------- */

/* Full ring, full backlog: a word that were taken for an acknowledgement would make room. */
static void test_nonsense_acknowledges_nothing_and_half_a_record_those_before(void **state) {
    struct client *driver = *state, *client = client_new();
    const uint64_t nonsense[] = {UINT64_MAX - 7, UINT64_MAX, UINT64_MAX / 2, RING + 8, RING / 104 * 104 + 1, RING / 104 * 104 + 8};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct channel_info info;
    assert_int_equal(client_tell(driver, "open nonsense 1 20000 0 1"), 0);
    assert_int_equal(client_join_ring(client, "nonsense", RING, &info), 0);
    uint64_t *position = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, info.fd, 0);
    assert_true((void *)position != MAP_FAILED);
    assert_int_equal(client_tell(driver, "send nonsense 2000 64 task"), 0);
    uint64_t backlog = info_of(driver, "nonsense").backlog;
    for (unsigned i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        __atomic_store_n(position, nonsense[i], __ATOMIC_RELEASE);
        tell_sent(driver, "send nonsense 500 1000 task", "0 -11");
        assert_int_equal(info_of(driver, "nonsense").backlog, backlog);
    }
    __atomic_store_n(position, 3 * 104 + 8, __ATOMIC_RELEASE);
    munmap(position, page);
    close(info.fd);
    assert_int_equal(client_join(client, "nonsense", 0), 0);
    assert_true(client_receive(client, &got, 5 * SECOND));
    assert_int_equal(number_at(0), 3);
    client_free(client);
}

struct hostile {
    uint64_t *words;
    const volatile uint64_t *head;
    bool stop;
};

/* Writes the reader's page all over, again and again: anything, and what a kernel might take. */
static void *write_anything(void *userdata) {
    struct hostile *hostile = userdata;
    uint64_t state = 88172645463325252;
    for (unsigned i = 0; !__atomic_load_n(&hostile->stop, __ATOMIC_RELAXED); i++) {
        const uint64_t head = *hostile->head;
        const uint64_t values[] = {0, 1, head, head + 8, head - 1, head - 8, head - RING, head + RING, UINT64_MAX, UINT64_MAX / 2, state};
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        hostile->words[i % 8 == 7 ? state % 512 : i % 2] = values[state % (sizeof(values) / sizeof(values[0]))];
    }
    return NULL;
}

static void be_hostile(void) {
    static const char *const contexts[] = {"task", "timer", "irq", "thread"};
    struct client *client = client_new();
    struct channel_info info;
    struct hostile hostile = {.stop = false};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    pthread_t thread;
    for (unsigned mode = 1; mode <= 3; mode++) {
        CHILD_CHECK(client_tell(client, "open hostile.%u %u 20000 %u 1", mode, mode, mode % 2) == 0);
        char name[16];
        snprintf(name, sizeof(name), "hostile.%u", mode);
        CHILD_CHECK(client_join_ring(client, name, RING, &info) == 0);
        hostile.words = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, info.fd, 0);
        hostile.head = mmap(NULL, page, PROT_READ, MAP_SHARED, info.fd, (off_t)page);
        CHILD_CHECK((void *)hostile.words != MAP_FAILED && (const volatile void *)hostile.head != MAP_FAILED);
        hostile.stop = false;
        CHILD_CHECK(pthread_create(&thread, NULL, write_anything, &hostile) == 0);
        for (unsigned i = 0; i < 400; i++) {
            struct pollfd ready = {.fd = info.fd, .events = POLLIN};
            CHILD_CHECK(client_tell(client, "send %s 50 %u %s", name, 64 + i % 8 * 100, contexts[i % 3]) == 0);
            CHILD_CHECK(poll(&ready, 1, 0) >= 0);
        }
        CHILD_CHECK(client_info(client, name, &info) == 0);
        __atomic_store_n(&hostile.stop, true, __ATOMIC_RELAXED);
        CHILD_CHECK(pthread_join(thread, NULL) == 0);
        if (mode == 2)
            CHILD_CHECK(client_leave(client, name) == 0);
    }
}

static void test_a_reader_that_writes_anything_hurts_nobody_else(void **state) {
    struct client *driver = *state, *client = client_new();
    assert_int_equal(client_tell(driver, "open bystander 1 1000000 1 1"), 0);
    struct kith_ring *ring = ring_join(client, "bystander", RING);
    pid_t pid = in_child(be_hostile);
    for (unsigned i = 0; i < 20; i++) {
        tell_sent(driver, "send bystander 100 64 timer", "100 0");
        take_in_order(ring, i * 100, 100, 0);
    }
    child_ends_well(pid);
    for (unsigned mode = 1; mode <= 3; mode++) { /* the next one gets messages that are whole */
        char name[16];
        struct kith_message_header header;
        snprintf(name, sizeof(name), "hostile.%u", mode);
        assert_int_equal(info_of(driver, name).receivers, 0);
        struct kith_ring *next = ring_join(client, name, RING);
        assert_int_equal(client_tell(driver, "send %s 1 64 task", name), 0);
        take(next, &header);
        assert_true(header.size >= 64 && header.size < 1000);
        kith_ring_free(next);
    }
    kith_ring_free(ring);
    client_free(client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        MODULE_TEST(test_a_ring_that_may_not_be_is_refused_and_datagrams_are_not),
        MODULE_TEST(test_a_ring_whose_answer_cannot_be_sent_never_was),
        MODULE_TEST(test_pages_that_are_the_kernels_cannot_be_written),
        MODULE_TEST(test_nonsense_acknowledges_nothing_and_half_a_record_those_before),
        MODULE_TEST(test_a_reader_that_writes_anything_hurts_nobody_else),
        cmocka_unit_test(test_the_kernel_log_has_no_complaint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
