/* Tests of what a route is made of: records, receipts, and the queue, in memory and on disk by one table of expectations. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/cleanup.h"
#include "gateway/route-queue.h"
#include "gateway/route-receipts.h"
#include "gateway/route-record.h"

/* Records ---------------------------------------------------------------------------------------------------------- */

static void test_a_record_is_its_origin_and_its_body(void **state) {
    static const char origin[] = "{\"pid\":1}";
    uint8_t octets[64];
    struct route_record record;
    size_t head = route_record_head_size(origin);
    assert_int_equal(head, 4 + strlen(origin));
    route_record_put_head(octets, origin);
    memcpy(octets + head, "body", 4);
    assert_int_equal(route_record_parse(ROUTE_RECORD_ORIGIN, octets, head + 4, &record), 0);
    assert_int_equal(record.origin_size, strlen(origin));
    assert_memory_equal(record.origin, origin, strlen(origin));
    assert_int_equal(record.size, 4);
    assert_memory_equal(record.body, "body", 4);
    assert_int_equal(route_record_parse(ROUTE_RECORD_ORIGIN, octets, head, &record), 0);
    assert_int_equal(record.size, 0);
}

static void test_a_record_without_origin_is_its_body(void **state) {
    struct route_record record;
    assert_int_equal(route_record_head_size(NULL), 0);
    route_record_put_head(NULL, NULL);
    assert_int_equal(route_record_parse(ROUTE_RECORD_AGAIN, "\377\377\377\377", 4, &record), 0);
    assert_null(record.origin);
    assert_int_equal(record.size, 4);
}

static void test_a_record_that_says_more_than_it_has_is_none(void **state) {
    static const struct {
        const char *octets;
        size_t size;
    } bad[] = {{"", 0}, {"\0\0\0", 3}, {"\0\0\0\1", 4}, {"\377\377\377\377{}", 6}, {"\0\0\0\3{}", 6}};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(bad); i++) {
        struct route_record record;
        assert_int_equal(route_record_parse(ROUTE_RECORD_ORIGIN, bad[i].octets, bad[i].size, &record), -EBADMSG);
    }
}

/* Receipts --------------------------------------------------------------------------------------------------------- */

static void push(struct route_receipts *receipts, uint64_t id, uint64_t connection, uint64_t sequence) {
    assert_int_equal(route_receipts_push(receipts, id, &(struct kith_receipt){.connection = connection, .sequence = sequence}), 0);
}

static void test_receipts_of_a_connection_in_a_row_are_one(void **state) {
    _cleanup_(route_receipts_deinit) struct route_receipts receipts = {0};
    struct kith_receipt receipt;
    for (uint64_t id = 1; id <= 100; id++)
        push(&receipts, id, id <= 90 ? 7 : 8, id * 10);
    assert_false(route_receipts_take(&receipts, 0, &receipt));
    assert_true(route_receipts_take(&receipts, 50, &receipt));
    assert_true(receipt.connection == 7 && receipt.sequence == 500);
    assert_false(route_receipts_take(&receipts, 50, &receipt));
    assert_true(route_receipts_take(&receipts, 100, &receipt));
    assert_true(receipt.connection == 7 && receipt.sequence == 900);
    assert_true(route_receipts_take(&receipts, 100, &receipt));
    assert_true(receipt.connection == 8 && receipt.sequence == 1000);
    assert_false(route_receipts_take(&receipts, UINT64_MAX, &receipt));
}

/* The queue -------------------------------------------------------------------------------------------------------- */

static char name_r[] = "r", name_a[] = "a", name_b[] = "b";

struct fixture {
    bool on_disk;
    char folder[32], path[64];
    struct gateway_target_config targets[2];
    struct gateway_route_config route;
    kith_loop *loop;
    struct route_queue *queue;
    uint64_t safe;
    unsigned readable, room;
    /* What was read. */
    uint64_t first, last;
    char text[64];
};

static void on_safe(uint64_t upto, void *userdata) {
    ((struct fixture *)userdata)->safe = upto;
}

static void on_readable(void *userdata) {
    ((struct fixture *)userdata)->readable++;
}

static void on_room(void *userdata) {
    ((struct fixture *)userdata)->room++;
}

static void on_failed(const struct kith_error *error, void *userdata) {
    fail_msg("%s", error->text);
}

static void on_notice(const char *text, void *userdata) {
    fail_msg("%s", text);
}

static const struct route_queue_ops ops = {
    .safe = on_safe, .readable = on_readable, .room = on_room, .failed = on_failed, .notice = on_notice};

static void open_queue(struct fixture *fixture) {
    struct kith_error error = KITH_ERROR_NONE;
    if (route_queue_open(fixture->loop, &fixture->route, &ops, fixture, &fixture->queue, &error) < 0)
        fail_msg("%s", error.text);
}

static int setup(void **state, bool on_disk) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    *fixture = (struct fixture){.on_disk = on_disk, .folder = "/tmp/kith-route-XXXXXX", .targets = {{.name = name_a}, {.name = name_b}}};
    if (!mkdtemp(fixture->folder) || kith_loop_new(&fixture->loop) < 0)
        return -1;
    snprintf(fixture->path, sizeof(fixture->path), "%s/spool", fixture->folder);
    fixture->route = (struct gateway_route_config){.name = name_r,
                                                   .queue_bytes = 8192,
                                                   .spool_bytes = 8192,
                                                   .max_message = 4096,
                                                   .spool = on_disk ? fixture->path : NULL,
                                                   .targets = fixture->targets,
                                                   .target_count = 2};
    open_queue(fixture);
    *state = fixture;
    return 0;
}

static int setup_memory(void **state) {
    return setup(state, false);
}

static int setup_disk(void **state) {
    return setup(state, true);
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    static const char *const endings[] = {"", "-wal", "-shm", ".lock"};
    char name[128];
    (void)route_queue_close(fixture->queue, NULL);
    kith_loop_free(fixture->loop);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(endings); i++) {
        snprintf(name, sizeof(name), "%s%s", fixture->path, endings[i]);
        unlink(name);
    }
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

static void append(struct fixture *fixture, const char *text) {
    assert_int_equal(route_queue_append(fixture->queue, "source", 5, ROUTE_RECORD_AGAIN, text, strlen(text)), 0);
}

static int note(const struct spool_message *message, void *userdata) {
    struct fixture *fixture = userdata;
    assert_string_equal(message->source, "source");
    assert_int_equal(message->sequence, 5);
    assert_int_equal(message->flags, ROUTE_RECORD_AGAIN);
    assert_true(message->time_ms > 0);
    fixture->first = fixture->first ? fixture->first : message->id;
    fixture->last = message->id;
    strncat(fixture->text, message->data, message->size);
    return 0;
}

/* What is read after `after`, as one text. */
static const char *read_after(struct fixture *fixture, uint64_t after, size_t max_bytes) {
    struct kith_error error = KITH_ERROR_NONE;
    fixture->first = fixture->last = 0;
    *fixture->text = '\0';
    if (route_queue_read(fixture->queue, after, max_bytes, note, fixture, &error) < 0)
        fail_msg("%s", error.text);
    return fixture->text;
}

static void step(struct fixture *fixture) {
    assert_true(kith_loop_step(fixture->loop, 5000) >= 0);
}

static void test_targets_read_each_from_its_cursor(void **state) {
    struct fixture *fixture = *state;
    append(fixture, "one");
    append(fixture, "two");
    append(fixture, "three");
    assert_int_equal(route_queue_last(fixture->queue), 3);
    while (fixture->readable == 0 || (fixture->on_disk && fixture->safe < 3))
        step(fixture);
    assert_string_equal(read_after(fixture, 0, 1000), "onetwothree");
    assert_true(fixture->first == 1 && fixture->last == 3);
    assert_string_equal(read_after(fixture, 0, 1), "one");
    assert_string_equal(read_after(fixture, 0, 6), "onetwo");
    assert_string_equal(read_after(fixture, 2, 1000), "three");
    assert_string_equal(read_after(fixture, 3, 1000), "");
    route_queue_done(fixture->queue, 0, 2);
    route_queue_done(fixture->queue, 1, 100);
    assert_int_equal(route_queue_cursor(fixture->queue, 0), 2);
    assert_int_equal(route_queue_cursor(fixture->queue, 1), 3);
    assert_string_equal(read_after(fixture, 2, 1000), "three");
    route_queue_done(fixture->queue, 0, 3);
    while (fixture->safe < 3)
        step(fixture);
    assert_int_equal(route_queue_safe(fixture->queue), 3);
}

static void test_memory_is_safe_when_all_targets_have_it(void **state) {
    struct fixture *fixture = *state;
    append(fixture, "one");
    step(fixture);
    assert_int_equal(fixture->safe, 0);
    route_queue_done(fixture->queue, 0, 1);
    step(fixture);
    assert_int_equal(fixture->safe, 0);
    route_queue_done(fixture->queue, 1, 1);
    while (fixture->safe == 0)
        step(fixture);
    assert_int_equal(fixture->safe, 1);
    struct spool_statistics statistics;
    route_queue_statistics(fixture->queue, &statistics);
    assert_true(statistics.messages == 0 && statistics.bytes == 0 && statistics.appended == 1);
}

static void test_what_is_full_refuses_and_tells_when_there_is_room(void **state) {
    struct fixture *fixture = *state;
    char large[1000];
    memset(large, 'x', sizeof(large));
    int r, count = 0;
    while ((r = route_queue_append(fixture->queue, "source", 5, 0, large, sizeof(large))) == 0)
        count++;
    assert_true(r == -EAGAIN || r == -ENOSPC);
    assert_in_range(count, 6, 8);
    assert_int_equal(route_queue_append(fixture->queue, "source", 5, 0, fixture, 9000), -EMSGSIZE);
    while (fixture->readable == 0 || (fixture->on_disk && fixture->safe < (uint64_t)count))
        step(fixture);
    assert_int_equal(fixture->room, 0);
    assert_true(route_queue_append(fixture->queue, "source", 5, 0, large, sizeof(large)) < 0);
    route_queue_done(fixture->queue, 0, UINT64_MAX);
    route_queue_done(fixture->queue, 1, UINT64_MAX);
    while (fixture->room == 0)
        step(fixture);
    assert_int_equal(route_queue_append(fixture->queue, "source", 5, 0, large, sizeof(large)), 0);
    assert_int_equal(route_queue_last(fixture->queue), count + 1);
}

/* Done inside the callback: what lies at the front goes while it is read. */
static int be_done(const struct spool_message *message, void *userdata) {
    struct fixture *fixture = userdata;
    fixture->last = message->id;
    route_queue_done(fixture->queue, 0, message->id);
    route_queue_done(fixture->queue, 1, message->id);
    return 0;
}

static void test_a_reader_may_be_done_at_once(void **state) {
    struct fixture *fixture = *state;
    struct kith_error error = KITH_ERROR_NONE;
    for (int i = 0; i < 10; i++)
        append(fixture, "text");
    while (fixture->readable == 0 || (fixture->on_disk && fixture->safe < 10))
        step(fixture);
    assert_int_equal(route_queue_read(fixture->queue, 0, 1000, be_done, fixture, &error), 10);
    assert_int_equal(fixture->last, 10);
    assert_int_equal(route_queue_read(fixture->queue, 10, 1000, be_done, fixture, &error), 0);
}

static void test_closing_says_what_is_lost(void **state) {
    struct fixture *fixture = *state;
    struct kith_error error = KITH_ERROR_NONE;
    append(fixture, "one");
    int r = route_queue_close(fixture->queue, &error);
    fixture->queue = NULL;
    assert_int_equal(r, fixture->on_disk ? 0 : -ECANCELED);
    assert_true(fixture->on_disk || strstr(error.text, "1 messages"));
    open_queue(fixture);
    assert_int_equal(route_queue_last(fixture->queue), fixture->on_disk ? 1 : 0);
    assert_string_equal(read_after(fixture, 0, 1000), fixture->on_disk ? "one" : "");
}

#define BOTH(test)                                                                                                                         \
    {#test ": memory", test, setup_memory, teardown, NULL}, {                                                                              \
#test ": disk", test, setup_disk, teardown, NULL                                                                                   \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_record_is_its_origin_and_its_body),
        cmocka_unit_test(test_a_record_without_origin_is_its_body),
        cmocka_unit_test(test_a_record_that_says_more_than_it_has_is_none),
        cmocka_unit_test(test_receipts_of_a_connection_in_a_row_are_one),
        BOTH(test_targets_read_each_from_its_cursor),
        cmocka_unit_test_setup_teardown(test_memory_is_safe_when_all_targets_have_it, setup_memory, teardown),
        BOTH(test_what_is_full_refuses_and_tells_when_there_is_room),
        BOTH(test_a_reader_may_be_done_at_once),
        BOTH(test_closing_says_what_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
