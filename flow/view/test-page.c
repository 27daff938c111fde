/* flow/view/test-page.c: what is in the page's file; tests/flow/test_page.py looks at it in a browser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>

#include "flow/view/page.h"
#include "flow/view/testing.h"

#define HOSTILE "</script><script>document.body.dataset.broken='1'</script><!--<script>\"'&"

static const char chart[] =
    "<?xml version=\"1.0\"?>\n<!DOCTYPE svg>\n<svg viewBox=\"0 0 10 10\"><g class=\"node call-0\"/></svg>\n<!-- rest -->";

static size_t occurs(const char *text, const char *what) {
    size_t count = 0;

    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        count++;
    return count;
}

/* What stands between two texts that each occur once at least; free() it. */
static char *between(const char *text, const char *before, const char *after) {
    const char *start = strstr(text, before);
    assert_non_null(start);
    start += strlen(before);
    const char *end = strstr(start, after);
    assert_non_null(end);
    return strndup(start, (size_t)(end - start));
}

static json_t *json_in(const char *html, const char *before) {
    _cleanup_(freep) char *text = between(html, before, "</script>");
    json_t *json = json_loads(text, 0, NULL);

    assert_non_null(json);
    return json;
}

static json_t *model_in(const char *html) {
    return json_in(html, "<script type=\"application/json\" id=\"model\">");
}

static json_t *start_in(const char *html) {
    return json_in(html, "<script type=\"application/json\" id=\"start\">");
}

static char *make_narrowed(const struct flow_model *model, const char *call, const char *svg, size_t size) {
    const struct flow_page_first first = {.select = {.call = call}, .level = FLOW_LEVEL_ALL};
    char *html = NULL;
    size_t length = 0;

    assert_int_equal(flow_view_page(model, call ? &first : NULL, svg, size, &html, &length), 0);
    assert_int_equal(strlen(html), length);
    return html;
}

static char *make(const struct flow_model *model, const char *svg, size_t size) {
    return make_narrowed(model, NULL, svg, size);
}

static void test_page_holds_chart_tree_and_notes(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *model = test_model_new();
    _cleanup_(freep) char *html = make(model, chart, strlen(chart));
    json_t *json = model_in(html);

    assert_int_equal(json_array_size(json_object_get(json, "calls")), model->call_count);
    assert_int_equal(json_array_size(json_object_get(json, "marks")), model->mark_count);
    assert_int_equal(json_array_size(json_object_get(json, "notes")), 1);
    json_decref(json);
    assert_int_equal(occurs(html, "<svg viewBox=\"0 0 10 10\"><g class=\"node call-0\"/></svg>"), 1);
    assert_int_equal(occurs(html, "<?xml"), 0);
    assert_int_equal(occurs(html, "<!-- rest"), 0);
}

static void test_texts_of_the_recording_cannot_leave_the_json(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *model = test_model_new();
    _cleanup_(freep) char *usual = make(model, NULL, 0);
    model->command = model->scenario = model->kernel = HOSTILE;
    model->functions[1].name = model->functions[1].prototype = model->functions[1].file = HOSTILE;
    model->tasks[0].name = model->notes[0].text = HOSTILE;
    _cleanup_(freep) char *html = make(model, NULL, 0);
    json_t *json = model_in(html);

    assert_int_equal(occurs(html, "<script"), occurs(usual, "<script"));
    assert_int_equal(occurs(html, "</script"), occurs(usual, "</script"));
    assert_int_equal(occurs(html, "<!--"), 0);
    assert_string_equal(json_string_value(json_object_get(json, "command")), HOSTILE);
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(json, "functions"), 1), "name")), HOSTILE);
    json_decref(json);
}

static void test_names_that_are_no_utf8_are_told_as_octets(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *model = test_model_new();
    model->command = "\xff\xfe<";
    _cleanup_(freep) char *html = make(model, NULL, 0);
    json_t *json = model_in(html);

    assert_string_equal(json_string_value(json_object_get(json, "command")), "\\xff\\xfe<");
    json_decref(json);
}

static void test_page_loads_nothing(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *model = test_model_new();
    _cleanup_(freep) char *html = make(model, NULL, 0);
    static const char *const ways[] = {" src=", "<link", "@import", "url(", "http://", "https://", "fetch(", "XMLHttpRequest", "innerHTML"};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(ways); i++)
        assert_int_equal(occurs(html, ways[i]), 0);
    assert_int_equal(occurs(html, "default-src 'none'"), 1);
    assert_int_equal(occurs(html, "script-src 'sha256-"), 1);
}

static void test_narrowed_page_has_everything_and_says_what_to_begin_with(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *model = test_model_new();
    _cleanup_(freep) char *html = make_narrowed(model, "accept", NULL, 0);
    json_auto_t *json = model_in(html), *start = start_in(html);
    json_t *given = json_object_get(start, "given");

    assert_int_equal(json_array_size(json_object_get(json, "calls")), model->call_count);
    assert_string_equal(json_string_value(json_object_get(json_object_get(start, "narrow"), "call")), "accept");
    assert_int_equal(json_array_size(json_object_get(start, "words")), model->function_count);
    assert_string_equal(json_string_value(json_array_get(json_object_get(start, "words"), 0)), "connect");
    assert_true(json_is_null(json_array_get(json_object_get(start, "words"), 1)));
    assert_int_equal(json_array_size(json_object_get(given, "functions")), 1);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(given, "functions"), 0)), 9);
}

/* Of more calls than a browser copes with the page has what was asked for, and says so. */
static void test_page_of_a_too_large_recording_has_what_was_asked_for(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *model = test_model_new();
    size_t count = FLOW_PAGE_CALLS_MAX + 2;
    struct flow_call *calls = calloc(count, sizeof(*calls));

    assert_non_null(calls);
    for (size_t i = 0; i < count; i++)
        calls[i].parent = calls[i].handed_from = FLOW_NONE;
    calls[count - 1].function = 9; /* __x64_sys_accept */
    free(model->calls);
    model->calls = calls;
    model->call_count = count;
    model->mark_count = 0;
    _cleanup_(freep) char *html = make_narrowed(model, "accept", NULL, 0);
    json_auto_t *json = model_in(html), *start = start_in(html);
    json_t *held = json_object_get(json, "calls");

    assert_int_equal(json_array_size(held), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(held, 0), "index")), (json_int_t)count - 1);
    assert_string_equal(json_string_value(json_object_get(start, "part")), "accept");
    assert_int_equal(json_integer_value(json_object_get(start, "of")), (json_int_t)count);
}

static void test_chart_that_is_no_svg_is_an_error(void **state) {
    _cleanup_(flow_model_freep) struct flow_model *model = test_model_new();
    static const char *const texts[] = {"", "digraph {}", "<svg>", "</svg><svg>", "<svg></sv"};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(texts); i++) {
        char *html = NULL;
        size_t size = 0;
        assert_int_equal(flow_view_page(model, NULL, texts[i], strlen(texts[i]), &html, &size), -EINVAL);
        assert_null(html);
    }
}

static void test_more_calls_than_a_browser_copes_with_are_an_error(void **state) {
    struct flow_model model = {.call_count = FLOW_PAGE_CALLS_MAX + 1};
    char *html = NULL;
    size_t size = 0;

    assert_int_equal(flow_view_page(&model, NULL, NULL, 0, &html, &size), -E2BIG);
}

static void test_recording_without_calls_makes_a_page(void **state) {
    static const struct flow_model model;
    _cleanup_(freep) char *html = make(&model, NULL, 0);
    json_t *json = model_in(html);

    assert_int_equal(json_array_size(json_object_get(json, "calls")), 0);
    json_decref(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page_holds_chart_tree_and_notes),
        cmocka_unit_test(test_texts_of_the_recording_cannot_leave_the_json),
        cmocka_unit_test(test_names_that_are_no_utf8_are_told_as_octets),
        cmocka_unit_test(test_page_loads_nothing),
        cmocka_unit_test(test_narrowed_page_has_everything_and_says_what_to_begin_with),
        cmocka_unit_test(test_page_of_a_too_large_recording_has_what_was_asked_for),
        cmocka_unit_test(test_chart_that_is_no_svg_is_an_error),
        cmocka_unit_test(test_more_calls_than_a_browser_copes_with_are_an_error),
        cmocka_unit_test(test_recording_without_calls_makes_a_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
