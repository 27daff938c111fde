/* Types of a small kernel that is made here, and of the one that runs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "flow/btf/internal.h"

/* struct sock { int family; union { struct { long a, state; }; }; };
 * int tcp_v4_rcv(const struct sock *sk, void (*done)(int), char *const name, int sizes[4], ...);
 * void *plain(void); int security_look(struct sock *sk); struct sock *find(long); */
static struct flow_btf *small_kernel(void) {
    struct btf *types = btf__new_empty();
    struct flow_btf *btf = NULL;
    unsigned size;

    int integer = btf__add_int(types, "int", 4, BTF_INT_SIGNED), number = btf__add_int(types, "long", 8, BTF_INT_SIGNED);
    int letter = btf__add_int(types, "char", 1, BTF_INT_CHAR);
    int inner = btf__add_struct(types, NULL, 16);
    btf__add_field(types, "a", number, 0, 0);
    btf__add_field(types, "state", number, 64, 0);
    int either = btf__add_union(types, NULL, 16);
    btf__add_field(types, NULL, inner, 0, 0);
    int sock = btf__add_struct(types, "sock", 24);
    btf__add_field(types, "family", integer, 0, 0);
    btf__add_field(types, NULL, either, 64, 0);
    int outer = btf__add_struct(types, "inet", 40);
    btf__add_field(types, "pad", number, 0, 0);
    btf__add_field(types, "sk", sock, 64, 0);
    (void)outer;
    int done = btf__add_func_proto(types, 0);
    btf__add_func_param(types, NULL, integer);
    int done_pointer = btf__add_ptr(types, done);
    int sock_pointer = btf__add_ptr(types, btf__add_const(types, sock));
    int name = btf__add_const(types, btf__add_ptr(types, letter));
    int sizes = btf__add_array(types, integer, integer, 4);
    int receive = btf__add_func_proto(types, integer);
    btf__add_func_param(types, "sk", sock_pointer);
    btf__add_func_param(types, "done", done_pointer);
    btf__add_func_param(types, "name", name);
    btf__add_func_param(types, "sizes", sizes);
    btf__add_func_param(types, NULL, 0);
    btf__add_func(types, "tcp_v4_rcv", BTF_FUNC_STATIC, receive);
    btf__add_func(types, "plain", BTF_FUNC_STATIC, btf__add_func_proto(types, btf__add_ptr(types, 0)));
    int look = btf__add_func_proto(types, integer);
    btf__add_func_param(types, "sk", btf__add_ptr(types, sock));
    btf__add_func(types, "security_look", BTF_FUNC_STATIC, look);

    const void *data = btf__raw_data(types, &size);
    assert_int_equal(flow_btf_from_memory(data, size, &btf, NULL), 0);
    btf__free(types);
    return btf;
}

static void test_members_of_nameless_members_are_found(void **state) {
    struct flow_btf *btf = small_kernel();

    assert_int_equal(flow_btf_offset(btf, "sock", "family"), 0);
    assert_int_equal(flow_btf_offset(btf, "sock", "state"), 16);
    assert_int_equal(flow_btf_offset(btf, "inet", "sk.state"), 24);
    assert_int_equal(flow_btf_offset(btf, "inet", "sk.none"), -ENOENT);
    assert_int_equal(flow_btf_offset(btf, "inet", "pad.state"), -ENOENT);
    assert_int_equal(flow_btf_offset(btf, "none", "pad"), -ENOENT);
    flow_btf_free(btf);
}

static void expect_prototype(const struct flow_btf *btf, const char *name, const char *prototype) {
    char memory[256];
    struct kith_text text = kith_text_init(memory, sizeof(memory));

    assert_true(flow_btf_prototype(btf, name, 0, &text));
    assert_string_equal(memory, prototype);
}

static void test_prototypes_are_written_as_c_does(void **state) {
    struct flow_btf *btf = small_kernel();
    struct kith_text text = kith_text_init(NULL, 0);

    expect_prototype(btf, "tcp_v4_rcv", "int tcp_v4_rcv(const struct sock *sk, void (*done)(int), char * const name, int sizes[4], ...)");
    expect_prototype(btf, "plain", "void *plain(void)");
    assert_false(flow_btf_prototype(btf, "tcp_v4_rcv.isra.0", 0, &text));
    flow_btf_free(btf);
}

static void test_network_functions_are_told_by_their_arguments(void **state) {
    struct flow_btf *btf = small_kernel();

    assert_true(flow_btf_is_network(btf, "tcp_v4_rcv"));
    assert_false(flow_btf_is_network(btf, "plain"));
    assert_false(flow_btf_is_network(btf, "security_look"));
    assert_false(flow_btf_is_network(btf, "none"));
    assert_int_equal(flow_btf_function_count(btf), 3);
    flow_btf_free(btf);
}

static void test_what_is_no_btf_is_an_error(void **state) {
    struct kith_error error = KITH_ERROR_NONE;
    struct flow_btf *btf = NULL;

    assert_int_equal(flow_btf_from_memory("nonsense", 8, &btf, &error), -EINVAL);
    assert_int_not_equal(error.text[0], '\0');
    assert_int_equal(flow_btf_open("/nonexistent", &btf, &error), -ENOENT);
}

static void test_the_running_kernel_is_read(void **state) {
    struct flow_btf *btf = NULL;

    if (access(FLOW_BTF_RUNNING, R_OK) < 0)
        skip();
    assert_int_equal(flow_btf_open(FLOW_BTF_RUNNING, &btf, NULL), 0);
    assert_true(flow_btf_function_count(btf) > 1000);
    assert_true(flow_btf_is_network(btf, "tcp_v4_rcv"));
    assert_true(flow_btf_offset(btf, "sk_buff", "data") > 0);
    assert_true(flow_btf_offset(btf, "sock", "__sk_common.skc_family") > 0);
    expect_prototype(btf, "tcp_v4_rcv", "int tcp_v4_rcv(struct sk_buff *skb)");
    flow_btf_free(btf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_of_nameless_members_are_found),
        cmocka_unit_test(test_prototypes_are_written_as_c_does),
        cmocka_unit_test(test_network_functions_are_told_by_their_arguments),
        cmocka_unit_test(test_what_is_no_btf_is_an_error),
        cmocka_unit_test(test_the_running_kernel_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
