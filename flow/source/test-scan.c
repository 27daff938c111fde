/* Which functions a text defines, and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "flow/source/scan.h"

static void collect(void *userdata, struct flow_span name, bool is_call, unsigned line) {
    char *text = userdata;
    size_t used = strlen(text);
    snprintf(text + used, 256 - used, "%s%s%.*s:%u", used ? " " : "", is_call ? "sys_" : "", (int)name.size, name.text, line);
}

static void assert_functions(const char *source, const char *expected) {
    char found[256] = "";
    flow_scan((struct flow_span){source, strlen(source)}, collect, found);
    assert_string_equal(found, expected);
}

static void test_definitions_are_found_and_declarations_are_not(void **state) {
    assert_functions(
        "int declared(int a);\nstatic int\nfirst(struct sock *sk)\n{\n\tif (sk) {\n\t\tcalled(1);\n\t}\n}\nvoid second(void) { }\n",
        "first:3 second:9");
    assert_functions("struct proto tcp = {\n\t.close = CLOSE(x) {\n};\nstruct s {\n\tint (*f)(int);\n};\nint f(void)\n{\n}\n", "f:7");
}

static void test_annotations_are_no_names(void **state) {
    assert_functions("static void *start(int a)\n\t__acquires(RCU)\n{\n}\n", "start:1");
}

static void test_macros_that_make_functions_give_their_argument(void **state) {
    assert_functions("SYSCALL_DEFINE3(connect, int, fd)\n{\n}\nBPF_CALL_1(bpf_x, int, a)\n{\n}\n", "sys_connect:1 bpf_x:4");
}

static void test_comments_strings_and_directives_do_not_count(void **state) {
    assert_functions("/* int a(void)\n{ */\n// int b(void) {\n#define C(x) \\\n int c(void) {\nchar *s = \"int d(void) {\";\nint "
                     "e(void)\n{\n\tputs(\"}\");\n}\n",
                     "e:7");
}

static void test_branches_of_if_that_open_braces_twice_end_with_the_function(void **state) {
    assert_functions("int a(void)\n{\n#ifdef X\n\tif (x) {\n#else\n\tif (y) {\n#endif\n\t}\n}\nint b(void)\n{\n}\n", "a:1 b:10");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definitions_are_found_and_declarations_are_not),
        cmocka_unit_test(test_annotations_are_no_names),
        cmocka_unit_test(test_macros_that_make_functions_give_their_argument),
        cmocka_unit_test(test_comments_strings_and_directives_do_not_count),
        cmocka_unit_test(test_branches_of_if_that_open_braces_twice_end_with_the_function),
    };
    return cmocka_run_group_tests_name("flow/source/scan", tests, NULL, NULL);
}
