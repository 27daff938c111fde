/* The queue and the errors of sending, with sendmmsg(2) played: what the kernel says only on a bad day. */
#include "datagram/testing.h"

int __real_sendmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags);

/* Answers in order: a negative errno, or the most datagrams that are taken. When they are used up the kernel is asked. */
static int answers[16];
static size_t answer_count, answer_next;
static unsigned calls, largest_batch;

int __wrap_sendmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags) {
    calls++;
    largest_batch = count > largest_batch ? count : largest_batch;
    if (answer_next < answer_count) {
        int answer = answers[answer_next++];
        if (answer < 0) {
            errno = -answer;
            return -1;
        }
        count = (unsigned)answer < count ? (unsigned)answer : count;
    }
    return __real_sendmmsg(fd, headers, count, flags);
}

#define PLAY(...) play((const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void play(const int *list, size_t count) {
    memcpy(answers, list, count * sizeof(*list));
    answer_count = count;
    answer_next = 0;
    calls = largest_batch = 0;
}

static void open_both(struct world *world, struct node *receiver, struct node *sender) {
    answer_count = answer_next = calls = largest_batch = 0;
    node_bind(world, receiver, "udp://127.0.0.1:*", NULL);
    node_connect(world, sender, "udp://127.0.0.1:%u", receiver, NULL);
}

static void send_numbers(struct node *sender, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++)
        assert_int_equal(node_send(sender, &i, sizeof(i)), 0);
}

static void test_what_is_queued_in_a_step_goes_out_in_batches(void **state) {
    struct world *world = *state;
    struct node receiver, sender;
    open_both(world, &receiver, &sender);
    send_numbers(&sender, 0, 20);
    assert_int_equal(calls, 0); /* not before the step's end */
    until(world, receiver.received == 20);
    assert_int_equal(calls, 1);
    send_numbers(&sender, 20, 120);
    until(world, receiver.received == 120);
    assert_int_equal(largest_batch, 32);
    assert_int_equal(calls, 1 + 4);
    node_close(&sender);
    node_close(&receiver);
}

static void test_a_batch_taken_in_parts_stays_in_order(void **state) {
    struct world *world = *state;
    struct node receiver, sender;
    open_both(world, &receiver, &sender);
    PLAY(3, 1, -EAGAIN, 5, -EINTR, 2);
    send_numbers(&sender, 0, 25);
    until(world, receiver.received == 25);
    for (uint32_t i = 0; i < 25; i++)
        assert_int_equal(receiver.numbers[i], i);
    assert_int_equal(sender.failed, 0);
    node_close(&sender);
    node_close(&receiver);
}

static void test_an_error_of_an_earlier_datagram_costs_no_later_one(void **state) {
    struct world *world = *state;
    struct node receiver, sender;
    open_both(world, &receiver, &sender);
    PLAY(-ECONNREFUSED);
    send_numbers(&sender, 0, 3);
    until(world, receiver.received == 3 && sender.failed == 1);
    assert_int_equal(sender.error, -ECONNREFUSED);
    assert_int_equal(sender.lost, 0);
    node_close(&sender);
    node_close(&receiver);
}

static void test_a_datagram_that_cannot_be_sent_is_lost_alone(void **state) {
    struct world *world = *state;
    struct node receiver, sender;
    open_both(world, &receiver, &sender);
    PLAY(1, -EMSGSIZE, -EMSGSIZE);
    send_numbers(&sender, 0, 4);
    until(world, receiver.received == 3 && sender.failed == 1);
    assert_int_equal(sender.error, -EMSGSIZE);
    assert_int_equal(sender.lost, 1);
    static const uint32_t left[] = {0, 2, 3};
    assert_memory_equal(receiver.numbers, left, sizeof(left));
    node_close(&sender);
    node_close(&receiver);
}

static void test_nobody_is_called_back_while_he_sends(void **state) {
    struct world *world = *state;
    struct node receiver, sender;
    open_both(world, &receiver, &sender);
    PLAY(-ENETUNREACH, -ENETUNREACH);
    send_numbers(&sender, 0, 32); /* a whole batch: tried at once */
    assert_int_equal(calls, 3);
    kith_datagram_flush(sender.datagram);
    assert_int_equal(sender.failed, 0);
    until(world, sender.failed == 1 && receiver.received == 31);
    assert_int_equal(sender.lost, 1);
    node_close(&sender);
    node_close(&receiver);
}

static void test_a_full_queue_says_so_and_when_there_is_room_again(void **state) {
    static uint8_t octets[16384];
    struct world *world = *state;
    struct node receiver, sender;
    unsigned accepted = 0;
    int r;
    open_both(world, &receiver, &sender);
    PLAY(-EAGAIN);
    for (;;) {
        memcpy(octets, &accepted, sizeof(accepted));
        r = node_send(&sender, octets, sizeof(octets));
        if (r < 0)
            break;
        accepted++;
    }
    assert_int_equal(r, -EAGAIN);
    assert_int_equal(accepted, 16); /* 256 KiB */
    assert_int_equal(node_send(&sender, "x", 1), -EAGAIN);
    assert_int_equal(sender.writable, 0);
    until(world, sender.writable == 1);
    assert_int_equal(node_send(&sender, "x", 1), 0);
    settle_down(world);
    assert_int_equal(sender.writable, 1);
    assert_int_equal(kith_datagram_queued(sender.datagram), 0);
    node_close(&sender);
    node_close(&receiver);
}

static void test_empty_datagrams_cannot_fill_the_queue_for_ever(void **state) {
    struct world *world = *state;
    struct node receiver, sender;
    size_t accepted = 0;
    open_both(world, &receiver, &sender);
    PLAY(-EAGAIN);
    while (node_send(&sender, NULL, 0) == 0)
        assert_in_range(++accepted, 1, 256 * 1024);
    assert_true(accepted > 0);
    until(world, sender.writable == 1);
    node_close(&sender);
    node_close(&receiver);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_WORLD(test_what_is_queued_in_a_step_goes_out_in_batches),
        WITH_WORLD(test_a_batch_taken_in_parts_stays_in_order),
        WITH_WORLD(test_an_error_of_an_earlier_datagram_costs_no_later_one),
        WITH_WORLD(test_a_datagram_that_cannot_be_sent_is_lost_alone),
        WITH_WORLD(test_nobody_is_called_back_while_he_sends),
        WITH_WORLD(test_a_full_queue_says_so_and_when_there_is_room_again),
        WITH_WORLD(test_empty_datagrams_cannot_fill_the_queue_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
