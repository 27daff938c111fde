/* Tests of gateway/request.h and gateway/envelope.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/cleanup.h"
#include "gateway/envelope.h"
#include "gateway/request.h"

KITH_DEFINE_CLEANUP(struct gateway_requests *, gateway_requests_deinit)

static kith_msg *new_msg(size_t count, const char *const *frames) {
    kith_msg *msg;
    assert_int_equal(kith_msg_new(&msg), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(kith_msg_add(msg, frames[i], strlen(frames[i])), 0);
    return msg;
}

#define NEW_MSG(...) new_msg(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})

static void assert_frame(const kith_msg *msg, size_t index, const char *expected) {
    size_t size;
    const uint8_t *frame = kith_msg_frame(msg, index, &size);
    assert_non_null(frame);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(frame, expected, size);
}

static void test_an_envelope_ends_with_the_first_empty_frame(void **state) {
    (void)state;
    _cleanup_(kith_msg_freep) kith_msg *plain = NEW_MSG("id", "", "body");
    _cleanup_(kith_msg_freep) kith_msg *hops = NEW_MSG("id", "hop", "", "", "body");
    assert_int_equal(gateway_envelope_frames(plain), 2);
    assert_int_equal(gateway_envelope_frames(hops), 3);
}

static void test_a_request_without_empty_frame_or_body_is_malformed(void **state) {
    (void)state;
    _cleanup_(kith_msg_freep) kith_msg *none = NEW_MSG("id", "body");
    _cleanup_(kith_msg_freep) kith_msg *no_body = NEW_MSG("id", "");
    _cleanup_(kith_msg_freep) kith_msg *empty_id = NEW_MSG("", "body");
    _cleanup_(kith_msg_freep) kith_msg *alone = NEW_MSG("id");
    assert_int_equal(gateway_envelope_frames(none), 0);
    assert_int_equal(gateway_envelope_frames(no_body), 0);
    assert_int_equal(gateway_envelope_frames(empty_id), 0);
    assert_int_equal(gateway_envelope_frames(alone), 0);
}

static void test_addresses_are_no_longer_and_no_more_than_those_of_proxies(void **state) {
    (void)state;
    char address[GATEWAY_ADDRESS_MAX + 2];
    memset(address, 'a', sizeof(address));
    address[GATEWAY_ADDRESS_MAX] = '\0';
    _cleanup_(kith_msg_freep) kith_msg *longest = NEW_MSG("id", address, "", "body");
    assert_int_equal(gateway_envelope_frames(longest), 3);
    memset(address, 'a', sizeof(address));
    address[GATEWAY_ADDRESS_MAX + 1] = '\0';
    _cleanup_(kith_msg_freep) kith_msg *too_long = NEW_MSG("id", address, "", "body");
    assert_int_equal(gateway_envelope_frames(too_long), 0);

    const char *frames[GATEWAY_HOPS_MAX + 4] = {"id"};
    for (size_t hops = GATEWAY_HOPS_MAX; hops <= GATEWAY_HOPS_MAX + 1; hops++) {
        for (size_t i = 1; i <= hops; i++)
            frames[i] = "hop";
        frames[hops + 1] = "";
        frames[hops + 2] = "body";
        _cleanup_(kith_msg_freep) kith_msg *msg = new_msg(hops + 3, frames);
        assert_int_equal(gateway_envelope_frames(msg), hops == GATEWAY_HOPS_MAX ? hops + 2 : 0);
    }
}

static const struct gateway_request_limits limits = {.waiting = 4, .waiting_octets = 1700, .in_flight = 2};

static void add(struct gateway_requests *requests, const char *body, uint64_t now) {
    assert_int_equal(gateway_requests_add(requests, NEW_MSG("id", "", body), 2, now), 0);
}

/* What a worker's socket does with the body it takes. */
static struct gateway_request *send_next(struct gateway_requests *requests, void *worker) {
    struct gateway_request *request = gateway_requests_next(requests, 1);
    assert_non_null(request);
    kith_msg_free(request->body);
    gateway_requests_sent(requests, request, worker, 0);
    return request;
}

static struct gateway_request *send_to(struct gateway_requests *requests, void *worker, uint64_t peer) {
    struct gateway_request *request = send_next(requests, worker);
    request->peer = peer;
    return request;
}

/* Of a connection that has gone: requests that were lost, in their order. */
static struct gateway_request *lost[8];
static size_t lost_count;

static void note_lost(struct gateway_request *request, void *userdata) {
    lost[lost_count++] = request;
    gateway_request_free(userdata, request);
}

static size_t gone(struct gateway_requests *requests, const void *worker, uint64_t peer, uint64_t unsent) {
    lost_count = 0;
    return gateway_requests_gone(requests, worker, peer, unsent, note_lost, requests);
}

static void test_requests_go_in_the_order_of_arrival(void **state) {
    (void)state;
    struct gateway_requests requests;
    gateway_requests_init(&requests, &limits);
    _cleanup_(gateway_requests_deinitp) struct gateway_requests *owner = &requests;
    assert_null(gateway_requests_next(owner, 1));
    add(owner, "first", 1);
    add(owner, "second", 2);
    struct gateway_request *request = gateway_requests_next(owner, 1);
    assert_frame(request->envelope, 0, "id");
    assert_frame(request->envelope, 1, "");
    assert_int_equal(kith_msg_count(request->envelope), 2);
    assert_frame(request->body, 0, "first");
    assert_int_equal(kith_msg_count(request->body), 1);
    send_next(owner, owner);
    assert_frame(gateway_requests_next(owner, 1)->body, 0, "second");
}

static void test_only_what_is_in_flight_is_found_by_its_id(void **state) {
    (void)state;
    struct gateway_requests requests;
    gateway_requests_init(&requests, &limits);
    _cleanup_(gateway_requests_deinitp) struct gateway_requests *owner = &requests;
    add(owner, "x", 1);
    struct gateway_request *request = gateway_requests_next(owner, 1);
    uint8_t id[GATEWAY_REQUEST_ID_SIZE];
    memcpy(id, request->id, sizeof(id));
    assert_null(gateway_requests_find(owner, id, sizeof(id)));
    send_next(owner, owner);
    assert_ptr_equal(gateway_requests_find(owner, id, sizeof(id)), request);
    assert_null(gateway_requests_find(owner, id, sizeof(id) - 1));
    assert_null(gateway_requests_find(owner, NULL, 0));
    id[GATEWAY_REQUEST_ID_SIZE - 1] ^= 1;
    assert_null(gateway_requests_find(owner, id, sizeof(id)));
    id[GATEWAY_REQUEST_ID_SIZE - 1] ^= 1;
    gateway_request_free(owner, request);
    assert_null(gateway_requests_find(owner, id, sizeof(id)));
    assert_int_equal(owner->in_flight_count, 0);
}

static void test_no_two_ids_are_alike_and_the_next_is_not_told_by_the_last(void **state) {
    (void)state;
    const struct gateway_request_limits many = {.waiting = 1000, .waiting_octets = SIZE_MAX, .in_flight = 1000};
    struct gateway_requests requests;
    gateway_requests_init(&requests, &many);
    _cleanup_(gateway_requests_deinitp) struct gateway_requests *owner = &requests;
    uint8_t last[GATEWAY_REQUEST_ID_SIZE] = {0};
    size_t same_half = 0;
    for (int i = 0; i < 500; i++) {
        add(owner, "x", (uint64_t)i);
        struct gateway_request *request = send_next(owner, owner);
        assert_memory_not_equal(request->id, last, sizeof(last));
        same_half += memcmp(request->id + 8, last + 8, 8) == 0;
        memcpy(last, request->id, sizeof(last));
    }
    assert_int_equal(same_half, 0);
}

static void test_the_table_is_full_by_count_or_octets_and_low_at_half(void **state) {
    (void)state;
    struct gateway_requests requests;
    gateway_requests_init(&requests, &limits);
    _cleanup_(gateway_requests_deinitp) struct gateway_requests *owner = &requests;
    char large[501] = {0};
    memset(large, 'x', sizeof(large) - 1);
    for (uint64_t i = 0; i < 3; i++)
        add(owner, "x", i);
    assert_false(gateway_requests_full(owner));
    assert_false(gateway_requests_low(owner));
    add(owner, "x", 3);
    assert_true(gateway_requests_full(owner));
    send_next(owner, owner);
    send_next(owner, owner);
    assert_true(gateway_requests_low(owner));
    assert_null(gateway_requests_next(owner, 1)); /* two in flight are enough */
    add(owner, large, 4);                         /* 3 frames of 128, "id" and the body */
    assert_int_equal(owner->waiting_octets, 3 * 3 * 128 + 3 + 3 + 502);
    assert_false(gateway_requests_low(owner));
    assert_false(gateway_requests_full(owner));
    gateway_request_free(owner, gateway_requests_next(owner, 2));
    add(owner, large, 5);
    assert_int_equal(owner->waiting_count, 3);
    assert_true(gateway_requests_full(owner));
}

static void test_frames_without_octets_fill_the_table_too(void **state) {
    (void)state;
    struct gateway_requests requests;
    gateway_requests_init(&requests, &limits);
    _cleanup_(gateway_requests_deinitp) struct gateway_requests *owner = &requests;
    const char *frames[16] = {"id", "", ""};
    for (size_t i = 2; i < 16; i++)
        frames[i] = "";
    assert_int_equal(gateway_requests_add(owner, new_msg(16, frames), 2, 1), 0);
    assert_true(gateway_requests_full(owner));
}

static void test_the_oldest_is_found_in_either_list(void **state) {
    (void)state;
    struct gateway_requests requests;
    gateway_requests_init(&requests, &limits);
    _cleanup_(gateway_requests_deinitp) struct gateway_requests *owner = &requests;
    assert_null(gateway_requests_oldest(owner));
    add(owner, "first", 1);
    add(owner, "second", 2);
    struct gateway_request *first = send_next(owner, owner);
    assert_ptr_equal(gateway_requests_oldest(owner), first);
    gateway_request_free(owner, first);
    assert_int_equal(gateway_requests_oldest(owner)->since, 2);
    gateway_request_free(owner, gateway_requests_oldest(owner));
    assert_null(gateway_requests_oldest(owner));
    assert_int_equal(owner->waiting_count + owner->waiting_octets + owner->in_flight_count, 0);
}

static void test_what_may_be_lost_makes_way_for_others(void **state) {
    (void)state;
    struct gateway_requests requests;
    gateway_requests_init(&requests, &limits);
    _cleanup_(gateway_requests_deinitp) struct gateway_requests *owner = &requests;
    int here, there;
    add(owner, "first", 1);
    add(owner, "second", 2);
    add(owner, "third", 3);
    struct gateway_request *first = send_next(owner, &here);
    send_next(owner, &there);
    assert_null(gateway_requests_next(owner, 1));
    assert_null(gateway_requests_next(owner, 0));
    assert_non_null(gateway_requests_next(owner, 2));
    assert_int_equal(gone(owner, &here, 7, 0), 1);
    assert_int_equal(gone(owner, &here, 7, 0), 1);
    assert_int_equal(lost_count, 0);
    assert_frame(gateway_requests_next(owner, 1)->body, 0, "third");
    assert_ptr_equal(gateway_requests_find(owner, first->id, sizeof(first->id)), first);
    gateway_request_free(owner, first);
    assert_non_null(gateway_requests_next(owner, 1));
    send_next(owner, &there);
    assert_int_equal(owner->doubtful_count, 0);
    assert_int_equal(owner->in_flight_count, 2);
}

static void test_what_a_worker_had_is_lost_with_it(void **state) {
    (void)state;
    struct gateway_requests requests;
    gateway_requests_init(&requests, &(struct gateway_request_limits){.waiting = 100, .waiting_octets = 100000, .in_flight = 100});
    _cleanup_(gateway_requests_deinitp) struct gateway_requests *owner = &requests;
    int lane, other;
    struct gateway_request *sent[6];
    for (unsigned i = 0; i < 6; i++)
        add(owner, "x", i);
    for (unsigned i = 0; i < 6; i++) /* 1 2 1 2 1, and one of another lane's 1 */
        sent[i] = send_to(owner, i < 5 ? &lane : &other, i < 5 ? 1 + i % 2 : 1);
    assert_int_equal(gone(owner, &lane, 1, 1), 1); /* the last of its three had not left */
    assert_int_equal(lost_count, 2);
    assert_ptr_equal(lost[0], sent[0]);
    assert_ptr_equal(lost[1], sent[2]);
    assert_true(sent[4]->doubtful);
    assert_false(sent[1]->doubtful);
    assert_int_equal(owner->in_flight_count, 4);
    assert_int_equal(gone(owner, &lane, 2, 9), 3); /* its two, and the one of which it is not known */
    assert_int_equal(lost_count, 0);
    assert_int_equal(gone(owner, &lane, 0, 0), 3);
    assert_int_equal(lost_count, 0);
    assert_int_equal(gone(owner, &other, 1, 0), 0);
    assert_int_equal(lost_count, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_envelope_ends_with_the_first_empty_frame),
        cmocka_unit_test(test_a_request_without_empty_frame_or_body_is_malformed),
        cmocka_unit_test(test_addresses_are_no_longer_and_no_more_than_those_of_proxies),
        cmocka_unit_test(test_requests_go_in_the_order_of_arrival),
        cmocka_unit_test(test_only_what_is_in_flight_is_found_by_its_id),
        cmocka_unit_test(test_no_two_ids_are_alike_and_the_next_is_not_told_by_the_last),
        cmocka_unit_test(test_the_table_is_full_by_count_or_octets_and_low_at_half),
        cmocka_unit_test(test_frames_without_octets_fill_the_table_too),
        cmocka_unit_test(test_what_may_be_lost_makes_way_for_others),
        cmocka_unit_test(test_what_a_worker_had_is_lost_with_it),
        cmocka_unit_test(test_the_oldest_is_found_in_either_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
