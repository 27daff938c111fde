/*
 * Files, layers and the range of net/ of a real kernel (tests/flow/tcp.kflow), held against what its debug symbols say: the file of each
 * address in tests/flow/layout-6.1.176.txt, which was made by nm and addr2line and not from any source tree or table.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "flow/decode/build.h"
#include "flow/decode/testing-file.h"

#define UPPER_HALF UINT64_C(0xffffffff00000000)
#define FUNCTIONS_OF_THE_KERNEL 38163 /* META: filter.of */

struct fixture {
    struct flow_recording *recording;
    struct flow_model *model;
    char *layout;
    struct flow_table files; /* address -> offset of the file's name in layout */
};

static void read_layout(struct fixture *fixture) {
    size_t size;
    char *line, *word;

    fixture->layout = test_file("layout-6.1.176.txt", &size);
    for (char *rest = fixture->layout; (line = strsep(&rest, "\n"));) {
        const char *file = line;
        if (line[0] == '#' || !strsep(&line, " "))
            continue;
        while ((word = strsep(&line, " ")))
            assert_int_equal(flow_table_insert(&fixture->files, UPPER_HALF | strtoull(word, NULL, 16), (uint32_t)(file - fixture->layout)),
                             0);
    }
    assert_true(fixture->files.count > 6000);
}

static const char *file_of(const struct fixture *fixture, uint64_t address) {
    uint32_t offset = flow_table_find(&fixture->files, address);
    return offset == FLOW_NONE ? NULL : fixture->layout + offset;
}

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->recording = test_recording("tcp.kflow");
    fixture->model = test_model(fixture->recording);
    read_layout(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    flow_model_free(fixture->model);
    flow_recording_free(fixture->recording);
    flow_table_deinit(&fixture->files);
    free(fixture->layout);
    free(fixture);
    return 0;
}

/* A model in which every symbol of the recording is a function. */
struct whole {
    struct flow_build build;
    struct flow_model model;
};

static void whole_init(struct whole *whole, const struct fixture *fixture) {
    struct flow_span text = {NULL, 0};

    *whole = (struct whole){.build.model = NULL};
    whole->build.model = &whole->model;
    for (size_t i = 0; i < fixture->recording->count; i++) {
        const struct flow_section *section = &fixture->recording->sections[i];
        if (section->type == FLOW_META)
            assert_int_equal(flow_meta_parse((struct flow_span){(const char *)section->data, section->size}, &whole->build.texts,
                                             &whole->build.meta, NULL),
                             0);
        if (section->type == FLOW_SYMBOLS)
            text = (struct flow_span){(const char *)section->data, section->size};
    }
    assert_int_equal(flow_symbols_parse(&whole->build.symbols, text), 0);
    size_t count = whole->build.symbols.count;
    whole->build.function_of = calloc(count, sizeof(*whole->build.function_of));
    whole->model.functions = calloc(count, sizeof(*whole->model.functions));
    assert_true(count > 6000 && whole->build.function_of && whole->model.functions);
    for (size_t i = 0; i < count; i++)
        whole->build.function_of[i] = (uint32_t)i;
}

static void whole_deinit(struct whole *whole) {
    flow_meta_deinit(&whole->build.meta);
    flow_symbols_deinit(&whole->build.symbols);
    flow_texts_free(whole->build.texts);
    free(whole->build.function_of);
    free(whole->model.functions);
}

struct count {
    size_t right, wrong, open;
};

/* Of the symbols in net/'s range whose file is known. */
static struct count count_files(const struct fixture *fixture, struct whole *whole, const char *what) {
    struct count count = {0};

    assert_int_equal(flow_build_files(&whole->build), 0);
    for (size_t i = 0; i < whole->build.symbols.count; i++) {
        const struct flow_symbol *symbol = &whole->build.symbols.items[i];
        const char *file = file_of(fixture, symbol->address), *said = whole->model.functions[i].file;
        if (!file || !flow_build_is_inside(&whole->build, symbol->address, false))
            continue;
        count.right += said && strcmp(said, file) == 0;
        count.wrong += said && strcmp(said, file) != 0;
        count.open += !said;
        if (said && strcmp(said, file) != 0)
            print_message("%.*s: %s said, %s\n", (int)symbol->name.size, symbol->name.text, said, file);
    }
    print_message("files, %s: %zu right, %zu wrong, %zu open\n", what, count.right, count.wrong, count.open);
    assert_true(count.right + count.wrong + count.open > 6000);
    return count;
}

static void test_the_range_is_that_of_net(void **state) {
    const struct fixture *fixture = *state;
    struct whole whole;
    size_t wrong = 0, missing = 0, inside = 0;

    whole_init(&whole, fixture);
    for (size_t i = 0; i < fixture->files.room; i++) {
        const struct flow_table_slot *slot = &fixture->files.slots[i];
        if (slot->value == FLOW_NONE)
            continue;
        bool net = strncmp(fixture->layout + slot->value, "net/", 4) == 0;
        bool said = flow_build_is_inside(&whole.build, slot->key, false);
        bool selected = flow_symbols_find(&whole.build.symbols, slot->key) != SIZE_MAX;
        wrong += said != net;
        missing += net && !said && !selected;
        inside += said && net;
    }
    print_message("range: %zu of net/ are in it, %zu verdicts of %d are wrong (%.3f %% right); not recorded of net/: %zu\n", inside, wrong,
                  FUNCTIONS_OF_THE_KERNEL, 100.0 - 100.0 * (double)wrong / FUNCTIONS_OF_THE_KERNEL, missing);
    assert_true(inside > 6000);
    assert_true(wrong * 1000 <= FUNCTIONS_OF_THE_KERNEL);
    assert_true(missing * 1000 <= FUNCTIONS_OF_THE_KERNEL);
    whole_deinit(&whole);
}

static void test_files_are_those_of_the_debug_symbols(void **state) {
    struct whole whole;

    whole_init(&whole, *state);
    struct count count = count_files(*state, &whole, "all names");
    assert_true(count.wrong * 1000 <= count.right);
    assert_true(count.open * 50 <= count.right);
    whole_deinit(&whole);
}

/* A kernel of which the table knows half of the names only. */
static void test_neighbours_tell_the_files_of_unknown_names(void **state) {
    static const char unknown[] = "kith_unknown";
    struct whole whole;

    whole_init(&whole, *state);
    for (size_t i = 0; i < whole.build.symbols.count; i += 2)
        whole.build.symbols.items[i].name = (struct flow_span){unknown, strlen(unknown)};
    struct count count = count_files(*state, &whole, "every other name unknown");
    assert_true(count.wrong * 200 <= count.right);
    assert_true(count.open * 4 <= count.right);
    whole_deinit(&whole);
}

static void test_layers_follow_from_the_files(void **state) {
    static const struct {
        const char *beginning;
        enum flow_layer layer;
    } rows[] = {
        {"net/ipv4/tcp", FLOW_TRANSPORT},
        {"net/ipv4/inet_connection_sock.c", FLOW_TRANSPORT},
        {"net/ipv4/ip_output.c", FLOW_IP},
        {"net/ipv4/route.c", FLOW_IP},
        {"net/socket.c", FLOW_SOCKET},
        {"net/core/sock.c", FLOW_SOCKET},
        {"net/core/skbuff.c", FLOW_SOCKET},
        {"net/ipv4/af_inet.c", FLOW_SOCKET},
        {"net/sched/", FLOW_DEVICE},
        {"net/core/neighbour.c", FLOW_DEVICE},
        {"drivers/net/loopback.c", FLOW_DEVICE},
        {"kernel/", FLOW_ELSEWHERE},
        {"mm/", FLOW_ELSEWHERE},
    };
    const struct fixture *fixture = *state;
    size_t right = 0;

    for (size_t i = 0; i < fixture->model->function_count; i++) {
        const struct flow_function *function = &fixture->model->functions[i];
        const char *file = file_of(fixture, function->address);
        if (!file || function->layer == FLOW_SYSCALL)
            continue;
        if (strncmp(file, "net/", 4) == 0)
            assert_int_not_equal(function->layer, FLOW_ELSEWHERE);
        for (size_t k = 0; k < KITH_ARRAY_SIZE(rows); k++) {
            if (strncmp(file, rows[k].beginning, strlen(rows[k].beginning)) != 0)
                continue;
            if (function->layer != rows[k].layer)
                fail_msg("%s, of %s, is in layer %s", function->name, file, flow_layer_name(function->layer));
            right++;
        }
    }
    print_message("layers: %zu functions of %zu, all right\n", right, fixture->model->function_count);
    assert_true(right > 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_range_is_that_of_net),
        cmocka_unit_test(test_files_are_those_of_the_debug_symbols),
        cmocka_unit_test(test_neighbours_tell_the_files_of_unknown_names),
        cmocka_unit_test(test_layers_follow_from_the_files),
    };
    return cmocka_run_group_tests_name("flow/decode against debug symbols", tests, setup, teardown);
}
