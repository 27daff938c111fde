/* BPF ring buffers: a program that the kernel runs writes, and the reader of kith.ko's rings reads. As root, in a virtual machine only. */
#include <errno.h>
#include <linux/bpf.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <kith/socket.h>

#include "ring/ring.h"

#define PINNED "/sys/fs/bpf/ring"
#define RING 65536u
#define RECORD 64

/* What bpf_ringbuf_reserve() and its like are called by: enum bpf_func_id. */
#define CALL(function)                                                                                                                     \
    (struct bpf_insn) {                                                                                                                    \
        .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_##function                                                                             \
    }
#define SET(to, value)                                                                                                                     \
    (struct bpf_insn) {                                                                                                                    \
        .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (to), .imm = (value)                                                               \
    }
#define COPY(to, from)                                                                                                                     \
    (struct bpf_insn) {                                                                                                                    \
        .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (to), .src_reg = (from)                                                            \
    }
#define SKIP_IF(what, value, count)                                                                                                        \
    (struct bpf_insn) {                                                                                                                    \
        .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = (what), .imm = (value), .off = (count)                                               \
    }
#define SKIP(count)                                                                                                                        \
    (struct bpf_insn) {                                                                                                                    \
        .code = BPF_JMP | BPF_JA, .off = (count)                                                                                           \
    }

static int bpf(enum bpf_cmd command, union bpf_attr *attributes) {
    return (int)syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

static int make_ring(void) {
    union bpf_attr attributes = {.map_type = BPF_MAP_TYPE_RINGBUF, .max_entries = RING};
    int fd = bpf(BPF_MAP_CREATE, &attributes);
    assert_true(fd >= 0);
    return fd;
}

static void pin(int fd, const char *path) {
    union bpf_attr attributes = {.pathname = (uintptr_t)path, .bpf_fd = (uint32_t)fd};
    if (bpf(BPF_OBJ_PIN, &attributes) < 0)
        fail_msg("%s: %s", path, strerror(errno));
}

/* A record of a packet's first octets; it is given up when the first of all is 255. Returns 2 when the ring is full. */
static int make_program(int ring) {
    static char log[16384];
    const struct bpf_insn program[] = {
        COPY(BPF_REG_9, BPF_REG_1),
        {.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = BPF_REG_1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = ring},
        {0},
        SET(BPF_REG_2, RECORD),
        SET(BPF_REG_3, 0),
        CALL(ringbuf_reserve),
        {.code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = BPF_REG_0, .imm = 0, .off = 2},
        SET(BPF_REG_0, 2),
        {.code = BPF_JMP | BPF_EXIT},
        COPY(BPF_REG_8, BPF_REG_0),
        COPY(BPF_REG_1, BPF_REG_9),
        SET(BPF_REG_2, 0),
        COPY(BPF_REG_3, BPF_REG_8),
        SET(BPF_REG_4, RECORD),
        CALL(skb_load_bytes),
        {.code = BPF_LDX | BPF_MEM | BPF_B, .dst_reg = BPF_REG_7, .src_reg = BPF_REG_8},
        COPY(BPF_REG_1, BPF_REG_8),
        SET(BPF_REG_2, 0),
        SKIP_IF(BPF_REG_7, 255, 2),
        CALL(ringbuf_submit),
        SKIP(1),
        CALL(ringbuf_discard),
        SET(BPF_REG_0, 0),
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr attributes = {.prog_type = BPF_PROG_TYPE_SCHED_CLS,
                                 .insns = (uintptr_t)program,
                                 .insn_cnt = sizeof(program) / sizeof(program[0]),
                                 .license = (uintptr_t) "GPL",
                                 .log_buf = (uintptr_t)log,
                                 .log_size = sizeof(log),
                                 .log_level = 1};
    int fd = bpf(BPF_PROG_LOAD, &attributes);
    if (fd < 0)
        fail_msg("%s\n%s", strerror(errno), log);
    return fd;
}

/* What the program returns. */
static uint32_t run(int program, uint8_t octet) {
    uint8_t packet[RECORD];
    memset(packet, octet, sizeof(packet));
    union bpf_attr attributes = {
        .test = {.prog_fd = (uint32_t)program, .data_in = (uintptr_t)packet, .data_size_in = sizeof(packet), .repeat = 1}};
    if (bpf(BPF_PROG_TEST_RUN, &attributes) < 0)
        fail_msg("%s", strerror(errno));
    return attributes.test.retval;
}

struct fixture {
    int map, program;
    struct kith_ring *ring;
};

static int setup(void **state) {
    static struct fixture fixture;
    struct kith_error error = KITH_ERROR_NONE;
    (void)mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL);
    fixture.map = make_ring();
    fixture.program = make_program(fixture.map);
    pin(fixture.map, PINNED);
    if (kith_ring_open_bpf(PINNED, &fixture.ring, &error) < 0)
        fail_msg("%s", error.text);
    *state = &fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    kith_ring_free(fixture->ring);
    close(fixture->program);
    close(fixture->map);
    return unlink(PINNED);
}

static bool ready(const struct kith_ring *ring) {
    struct pollfd poll_one = {.fd = kith_ring_descriptor(ring), .events = POLLIN};
    return poll(&poll_one, 1, 0) == 1 && poll_one.revents == POLLIN;
}

/* The next record has this octet, and nothing else. */
static uint64_t expect(struct kith_ring *ring, uint8_t octet) {
    const uint8_t *data;
    size_t size;
    uint64_t position;
    assert_int_equal(kith_ring_next(ring, &data, &size, &position), 1);
    assert_int_equal(size, RECORD);
    for (unsigned i = 0; i < RECORD; i++)
        assert_int_equal(data[i], octet);
    return position;
}

static int next(struct kith_ring *ring) {
    const uint8_t *data;
    size_t size;
    uint64_t position;
    return kith_ring_next(ring, &data, &size, &position);
}

static void test_records_of_a_bpf_program_come_in_order(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(next(fixture->ring), 0);
    assert_false(ready(fixture->ring));
    for (unsigned i = 0; i < 5000; i++) { /* five times round */
        assert_int_equal(run(fixture->program, (uint8_t)(i % 255)), 0);
        assert_true(ready(fixture->ring));
        kith_ring_release(fixture->ring, expect(fixture->ring, (uint8_t)(i % 255)));
        assert_int_equal(next(fixture->ring), 0);
        assert_false(ready(fixture->ring));
    }
}

static void test_what_the_program_gives_up_is_passed_over(void **state) {
    struct fixture *fixture = *state;
    static const uint8_t octets[] = {255, 1, 255, 255, 2, 255};
    for (unsigned i = 0; i < sizeof(octets); i++)
        assert_int_equal(run(fixture->program, octets[i]), 0);
    expect(fixture->ring, 1);
    kith_ring_release(fixture->ring, expect(fixture->ring, 2));
    assert_int_equal(next(fixture->ring), 0);
    assert_false(ready(fixture->ring));
}

static void test_a_full_ring_takes_records_when_some_are_released(void **state) {
    struct fixture *fixture = *state;
    unsigned taken = 0;
    while (run(fixture->program, (uint8_t)(taken % 255)) == 0)
        taken++;
    assert_int_equal(taken, RING / (RECORD + 8));
    for (unsigned i = 0; i < taken; i++) {
        uint64_t position = expect(fixture->ring, (uint8_t)(i % 255));
        assert_false(kith_ring_may_poll(fixture->ring));
        if (i == taken / 2)
            kith_ring_release(fixture->ring, position);
    }
    assert_int_equal(next(fixture->ring), 0);
    assert_int_equal(run(fixture->program, 7), 0);
    kith_ring_release(fixture->ring, expect(fixture->ring, 7));
    assert_true(kith_ring_may_poll(fixture->ring));
}

static void test_the_next_reader_gets_what_was_not_released(void **state) {
    struct fixture *fixture = *state;
    struct kith_error error = KITH_ERROR_NONE;
    for (uint8_t i = 0; i < 3; i++)
        assert_int_equal(run(fixture->program, i), 0);
    kith_ring_release(fixture->ring, expect(fixture->ring, 0));
    expect(fixture->ring, 1);
    kith_ring_free(fixture->ring);
    assert_int_equal(kith_ring_open_bpf(PINNED, &fixture->ring, &error), 0);
    expect(fixture->ring, 1);
    expect(fixture->ring, 2);
}

static void test_what_is_no_ring_buffer_is_refused_by_name(void **state) {
    struct fixture *fixture = *state;
    struct kith_error error = KITH_ERROR_NONE;
    struct kith_ring *ring = NULL;
    union bpf_attr attributes = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    int array = bpf(BPF_MAP_CREATE, &attributes);
    assert_true(array >= 0);
    pin(array, "/sys/fs/bpf/array");
    pin(fixture->program, "/sys/fs/bpf/program");
    assert_int_equal(kith_ring_open_bpf("/sys/fs/bpf/array", &ring, &error), -EMEDIUMTYPE);
    assert_non_null(strstr(error.text, "/sys/fs/bpf/array: not a BPF ring buffer"));
    assert_int_equal(kith_ring_open_bpf("/sys/fs/bpf/program", &ring, &error), -EMEDIUMTYPE);
    assert_int_equal(kith_ring_open_bpf("/sys/fs/bpf/no", &ring, &error), -ENOENT);
    assert_true(kith_ring_open_bpf("/etc/passwd", &ring, &error) < 0);
    assert_non_null(strstr(error.text, "nothing is pinned there"));
    assert_null(ring);
    unlink("/sys/fs/bpf/array");
    unlink("/sys/fs/bpf/program");
    close(array);
}

/* The octet of the next message, and its receipt. */
static uint8_t receive(kith_socket *socket, struct kith_receipt *ret_receipt) {
    kith_msg *msg = NULL;
    size_t size;
    assert_int_equal(kith_socket_recv(socket, &msg, 10000), 0);
    const uint8_t *data = kith_msg_frame(msg, 0, &size);
    assert_int_equal(size, RECORD);
    assert_true(kith_msg_receipt(msg, ret_receipt));
    assert_int_equal(kith_msg_sequence(msg), 0);
    uint8_t octet = data[RECORD - 1];
    kith_msg_free(msg);
    return octet;
}

static void test_a_socket_has_a_ring_buffer_as_an_endpoint(void **state) {
    struct fixture *fixture = *state;
    kith_loop *loop;
    kith_socket *socket;
    struct kith_receipt receipt = {0};
    fixture->ring = kith_ring_free(fixture->ring);
    assert_int_equal(run(fixture->program, 1), 0); /* before, and while nothing is released, and after */
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(kith_loop_new(&loop), 0);
        assert_int_equal(kith_socket_new(loop, KITH_PULL, &socket), 0);
        assert_int_equal(kith_socket_set_number(socket, KITH_OPTION_MANUAL_ACK, 1, NULL), 0);
        assert_int_equal(kith_socket_connect(socket, "kernel://bpf:" PINNED, NULL), 0);
        assert_int_equal(receive(socket, &receipt), 1);
        if (round == 0)
            assert_int_equal(run(fixture->program, 2), 0);
        assert_int_equal(receive(socket, &receipt), 2);
        if (round == 1)
            assert_int_equal(kith_socket_acknowledge(socket, &receipt), 0);
        assert_int_equal(run(fixture->program, (uint8_t)(3 + round)), 0);
        assert_int_equal(receive(socket, &receipt), 3);
        kith_socket_free(socket);
        kith_loop_free(loop);
    }
    struct kith_error error = KITH_ERROR_NONE;
    assert_int_equal(kith_ring_open_bpf(PINNED, &fixture->ring, &error), 0);
    expect(fixture->ring, 3);
    expect(fixture->ring, 4);
}

#define BPF_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        BPF_TEST(test_records_of_a_bpf_program_come_in_order),           BPF_TEST(test_what_the_program_gives_up_is_passed_over),
        BPF_TEST(test_a_full_ring_takes_records_when_some_are_released), BPF_TEST(test_the_next_reader_gets_what_was_not_released),
        BPF_TEST(test_what_is_no_ring_buffer_is_refused_by_name),        BPF_TEST(test_a_socket_has_a_ring_buffer_as_an_endpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
