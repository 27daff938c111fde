/* Which functions are recorded, on a small kernel that is made here; and what dynamic events are asked for. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>
#include <cmocka.h>

#include "flow/trace/functions.h"
#include "flow/trace/probes.h"

/* Elsewhere, then 40 functions of net/ of which every second has a socket for an argument, then elsewhere again. */
#define NET 40

static void put_function(char *names, char *symbols, const char *name, unsigned *address) {
    sprintf(names + strlen(names), "%s\n", name);
    sprintf(symbols + strlen(symbols), "%08x t %s\n", *address, name);
    *address += 16;
}

struct kernel {
    char *names, *symbols;
    struct flow_btf *btf;
};

static struct kernel small_kernel(void) {
    struct kernel kernel = {calloc(1, 8192), calloc(1, 8192), NULL};
    struct btf *types = btf__new_empty();
    unsigned address = 0x1000, size;
    char name[32];

    int sock = btf__add_struct(types, "sock", 8), pointer = btf__add_ptr(types, sock);
    int number = btf__add_int(types, "long", 8, 0);
    btf__add_struct(types, "sk_buff", 32);
    btf__add_field(types, "len", number, 64, 0);
    int proto = btf__add_func_proto(types, 0);
    btf__add_func_param(types, "sk", pointer);
    put_function(kernel.names, kernel.symbols, "schedule", &address);
    put_function(kernel.names, kernel.symbols, "__x64_sys_connect", &address);
    put_function(kernel.names, kernel.symbols, "__x64_sys_read", &address);
    put_function(kernel.names, kernel.symbols, "selinux_sock_look", &address);
    put_function(kernel.names, kernel.symbols, "far_away", &address);
    strcat(kernel.symbols, "00002000 t same\n"); /* that one cannot be recorded */
    address = 0x3000;
    for (int i = 0; i < NET; i++) {
        snprintf(name, sizeof(name), "net_%d", i);
        put_function(kernel.names, kernel.symbols, name, &address);
        if (i % 2 == 0)
            btf__add_func(types, name, BTF_FUNC_STATIC, proto);
    }
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "else_%d", i);
        put_function(kernel.names, kernel.symbols, name, &address);
    }
    strcat(kernel.names, "__ftrace_invalid_address___123\ndriver_xmit [veth]\ndriver_probe [veth]\n");
    strcat(kernel.symbols, "00009000 t driver_xmit\t[veth]\n");
    btf__add_func(types, "driver_xmit", BTF_FUNC_STATIC, proto);
    btf__add_func(types, "far_away", BTF_FUNC_STATIC, proto);
    btf__add_func(types, "selinux_sock_look", BTF_FUNC_STATIC, proto);
    btf__add_func(types, "tcp_close", BTF_FUNC_STATIC, proto);
    btf__add_func(types, "unix_release", BTF_FUNC_STATIC, proto);
    const void *data = btf__raw_data(types, &size);
    assert_int_equal(flow_btf_from_memory(data, size, &kernel.btf, NULL), 0);
    btf__free(types);
    return kernel;
}

static const struct flow_function_entry *find(const struct flow_functions *functions, const char *name) {
    for (size_t i = 0; i < functions->count; i++)
        if (strcmp(functions->entries[i].name, name) == 0)
            return &functions->entries[i];
    fail_msg("%s is not there", name);
    return NULL;
}

static void test_all_of_net_is_recorded_and_little_else(void **state) {
    struct kernel kernel = small_kernel();
    struct flow_functions *functions = NULL;

    assert_int_equal(flow_functions_new(kernel.names, kernel.symbols, kernel.btf, &functions), 0);
    for (int i = 0; i < NET - 1; i++) {
        char name[32];
        snprintf(name, sizeof(name), "net_%d", i);
        assert_true(find(functions, name)->in_net);
        assert_true(find(functions, name)->selected);
    }
    assert_true(find(functions, "__x64_sys_connect")->selected);
    assert_true(find(functions, "far_away")->selected);
    assert_true(find(functions, "driver_xmit")->selected);
    assert_string_equal(find(functions, "driver_xmit")->module, "veth");
    const char *const others[] = {"schedule", "__x64_sys_read", "selinux_sock_look", "else_3", "driver_probe"};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(others); i++)
        assert_false(find(functions, others[i])->selected);
    flow_functions_free(functions);
    flow_btf_free(kernel.btf);
}

static void test_each_function_has_its_own_address(void **state) {
    struct kernel kernel = small_kernel();
    struct flow_functions *functions = NULL;

    assert_int_equal(flow_functions_new(kernel.names, kernel.symbols, kernel.btf, &functions), 0);
    assert_int_equal(find(functions, "schedule")->address, 0x1000);
    assert_int_equal(find(functions, "net_0")->address, 0x3000);
    assert_int_equal(find(functions, "else_9")->address, 0x3000 + 16 * (NET + 9));
    assert_int_equal(find(functions, "__ftrace_invalid_address___123")->address, 0);
    flow_functions_free(functions);
    flow_btf_free(kernel.btf);
}

static void test_a_kernel_without_types_still_has_its_calls(void **state) {
    struct kernel kernel = small_kernel();
    struct flow_functions *functions = NULL;

    assert_int_equal(flow_functions_new(kernel.names, kernel.symbols, NULL, &functions), 0);
    assert_int_equal(functions->selected, 1);
    assert_true(find(functions, "__x64_sys_connect")->selected);
    flow_functions_free(functions);
    flow_btf_free(kernel.btf);
}

static void test_no_functions_are_an_error(void **state) {
    struct flow_functions *functions = NULL;

    assert_int_equal(flow_functions_new(strdup(""), strdup(""), NULL, &functions), -ENODATA);
}

static int write_probe(const struct flow_probe *probe, const struct flow_btf *btf, char line[FLOW_PROBE_TEXT_MAX]) {
    struct kith_text text = kith_text_init(line, FLOW_PROBE_TEXT_MAX);

    return flow_probe_write(probe, btf, &text);
}

static void test_probes_take_their_offsets_from_the_kernel(void **state) {
    struct kernel kernel = small_kernel();
    char line[FLOW_PROBE_TEXT_MAX];

    assert_int_equal(
        write_probe(&(struct flow_probe){"close", "tcp_close", 'p', "n=+{sk_buff:len+8}($arg1):u32 m=+{4}($arg1):u8"}, kernel.btf, line),
        0);
    assert_string_equal(line, "p:kith/close tcp_close n=+16($arg1):u32 m=+4($arg1):u8\n");
    assert_int_equal(write_probe(&(struct flow_probe){"close", "tcp_close", 'p', "n=+{sk_buff:none}($arg1)"}, kernel.btf, line), -ENOENT);
    assert_int_equal(write_probe(&(struct flow_probe){"close", "not_there", 'p', "n=1"}, kernel.btf, line), -ENOENT);
    assert_int_equal(write_probe(&(struct flow_probe){"close", "tcp_close", 'p', "n=+{sk_buff:len"}, kernel.btf, line), -EINVAL);
    free(kernel.names);
    free(kernel.symbols);
    flow_btf_free(kernel.btf);
}

/* The kernel refuses a second probe of an event whose fields differ from the first's. */
static void test_probes_of_one_event_have_the_same_fields(void **state) {
    for (size_t i = 1; i < flow_probe_count; i++) {
        const struct flow_probe *a = &flow_probes[i - 1], *b = &flow_probes[i];
        if (strcmp(a->event, b->event) != 0)
            continue;
        const char *x = a->fields, *y = b->fields;
        while (x && y) {
            size_t size = strcspn(x, "=");
            assert_int_equal(strncmp(x, y, size + 1), 0);
            x = strchr(x, ' ') ? strchr(x, ' ') + 1 : NULL;
            y = strchr(y, ' ') ? strchr(y, ' ') + 1 : NULL;
        }
        assert_true(!x && !y);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_net_is_recorded_and_little_else),     cmocka_unit_test(test_each_function_has_its_own_address),
        cmocka_unit_test(test_a_kernel_without_types_still_has_its_calls), cmocka_unit_test(test_no_functions_are_an_error),
        cmocka_unit_test(test_probes_take_their_offsets_from_the_kernel),  cmocka_unit_test(test_probes_of_one_event_have_the_same_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
