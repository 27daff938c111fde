/* Which functions occur: told from pages of the recording in tests/flow, and from pages that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>

#include "base/fd.h"
#include "flow/recording/recording.h"
#include "flow/trace/seen.h"

static struct flow_recording *sample(void) {
    struct flow_recording *recording = NULL;
    char *data = NULL;
    size_t size;

    assert_int_equal(kith_file_read(AT_FDCWD, SAMPLE, SIZE_MAX, &data, &size), 0);
    assert_int_equal(flow_recording_read(data, size, FLOW_UNPACKED_MAX, &recording, NULL), 0);
    free(data);
    return recording;
}

static char *text_of(const struct flow_recording *recording, enum flow_section_type type) {
    for (size_t i = 0; i < recording->count; i++)
        if (recording->sections[i].type == type)
            return strndup((const char *)recording->sections[i].data, recording->sections[i].size);
    return NULL;
}

static void prepare(struct flow_seen *seen, const struct flow_recording *recording) {
    char *format = text_of(recording, FLOW_EVENT), *header = text_of(recording, FLOW_HEADER_PAGE);

    assert_non_null(strstr(format, "funcgraph_entry"));
    flow_seen_init(seen, format, header);
    assert_int_equal(seen->data_at, 16);
    assert_int_equal(seen->func_at, 8);
    free(format);
    free(header);
}

static bool occurs(const struct flow_seen *seen, const char *symbols, const char *name) {
    char line[128];
    snprintf(line, sizeof(line), " %s\n", name);
    const char *found = strstr(symbols, line);
    assert_non_null(found);
    while (found > symbols && found[-1] != '\n')
        found--;
    return flow_seen_has(seen, strtoull(found, NULL, 16));
}

static void test_functions_that_occur_are_known_and_no_others(void **state) {
    struct flow_recording *recording = sample();
    char *symbols = text_of(recording, FLOW_SYMBOLS);
    struct flow_seen seen;

    prepare(&seen, recording);
    for (size_t i = 0; i < recording->count; i++)
        if (recording->sections[i].type == FLOW_PAGE)
            assert_int_equal(flow_seen_add_page(&seen, recording->sections[i].data + 4, recording->sections[i].size - 4), 0);
    assert_true(occurs(&seen, symbols, "tcp_v4_connect"));
    assert_true(occurs(&seen, symbols, "tcp_v4_rcv"));
    assert_true(occurs(&seen, symbols, "__x64_sys_accept"));
    assert_false(occurs(&seen, symbols, "udp_sendmsg"));
    assert_false(occurs(&seen, symbols, "tcp_v6_connect"));
    assert_true(seen.count > 100 && seen.count < 2000);
    flow_seen_deinit(&seen);
    free(symbols);
    flow_recording_free(recording);
}

static void test_any_page_is_read_within_its_bounds(void **state) {
    struct flow_recording *recording = sample();
    struct flow_seen seen;

    prepare(&seen, recording);
    srand(1);
    for (int i = 0; i < 20000; i++) {
        size_t size = (size_t)(rand() % 200);
        uint8_t *page = malloc(size + 1); /* of this size, so that a sanitizer sees one octet too many */
        page = realloc(page, size ? size : 1);
        for (size_t j = 0; j < size; j++)
            page[j] = (uint8_t)(rand() % 4 ? rand() % 32 : rand());
        assert_int_equal(flow_seen_add_page(&seen, page, size), 0);
        free(page);
    }
    flow_seen_deinit(&seen);
    flow_recording_free(recording);
}

static void test_without_a_format_everything_counts_as_seen(void **state) {
    struct flow_seen seen;

    flow_seen_init(&seen, "", "");
    assert_true(flow_seen_has(&seen, 0x1000));
    flow_seen_deinit(&seen);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions_that_occur_are_known_and_no_others),
        cmocka_unit_test(test_any_page_is_read_within_its_bounds),
        cmocka_unit_test(test_without_a_format_everything_counts_as_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
