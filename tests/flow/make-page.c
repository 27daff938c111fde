/*
 * tests/flow/make-page.c: the page of a recording, of the model of flow/view/testing.h, or of that model with hostile texts.
 *
 *     make-page OUT RECORDING|small|hostile|COUNT [SVG | --call NAME]
 *     make-page OUT RECORDING|small|hostile|COUNT --dot LEVEL     its chart instead
 *
 * COUNT: a model of so many calls, in trees of a thousand.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/error.h"
#include "base/fd.h"
#include "flow/decode/decode.h"
#include "flow/view/chart.h"
#include "flow/view/page.h"
#include "flow/view/testing.h"

#define HOSTILE "</script><script>document.body.dataset.broken='1'</script><img src=x onerror=\"document.body.dataset.broken='2'\">"

static struct flow_model *hostile_model(void) {
    struct flow_model *model = test_model_new();

    model->scenario = model->command = model->kernel = model->machine = HOSTILE;
    for (size_t i = 0; i < model->function_count; i++)
        model->functions[i].name = model->functions[i].prototype = model->functions[i].file = model->functions[i].module = HOSTILE;
    model->tasks[0].name = model->notes[0].text = HOSTILE;
    return model;
}

#define TREE 1000
#define DEPTH 20

/* Trees of a chain each, from which leaves hang. */
static struct flow_model *large_model(size_t count) {
    struct flow_model *model = test_model_new();
    struct flow_call *calls = calloc(count, sizeof(*calls));

    if (!calls)
        abort();
    for (size_t i = 0; i < count; i++) {
        uint32_t place = (uint32_t)(i % TREE), root = (uint32_t)i - place, depth = place < DEPTH ? place : 1 + place % (DEPTH - 1);
        calls[i] = (struct flow_call){.function = place % (uint32_t)model->function_count,
                                      .parent = place == 0 ? FLOW_NONE : root + depth - 1,
                                      .first_child = FLOW_NONE,
                                      .next = FLOW_NONE,
                                      .handed_from = FLOW_NONE,
                                      .begin_ns = i * 10,
                                      .end_ns = i * 10 + 5,
                                      .depth = (uint16_t)depth,
                                      .lane = (uint8_t)(i / TREE % FLOW_OTHER)};
    }
    free(model->calls);
    model->calls = calls;
    model->call_count = count;
    return model;
}

static int read_model(const char *path, struct flow_model **ret_model) {
    _cleanup_(flow_recording_freep) struct flow_recording *recording = NULL;
    _cleanup_(freep) char *data = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    size_t size = 0;
    int r = kith_file_read(AT_FDCWD, path, FLOW_UNPACKED_MAX, &data, &size);

    if (r == 0)
        r = flow_recording_read(data, size, FLOW_UNPACKED_MAX, &recording, &error);
    if (r == 0)
        r = flow_model_new(recording, NULL, ret_model, &error);
    if (r < 0)
        fprintf(stderr, "%s: %s %s\n", path, kith_error_name(r), error.text);
    return r;
}

static int get_model(const char *what, struct flow_model **ret_model) {
    if (strcmp(what, "small") == 0)
        *ret_model = test_model_new();
    else if (strcmp(what, "hostile") == 0)
        *ret_model = hostile_model();
    else if (atol(what) > TREE)
        *ret_model = large_model((size_t)atol(what));
    else
        return read_model(what, ret_model);
    return 0;
}

static int write_all(void *userdata, const void *data, size_t size) {
    return fwrite(data, 1, size, userdata) == size ? 0 : -EIO;
}

static int write_chart(const struct flow_model *model, enum flow_level level, FILE *file) {
    static const struct flow_select everything;
    _cleanup_(flow_selection_deinit) struct flow_selection selection = {0};
    _cleanup_(flow_chart_freep) struct flow_chart *chart = NULL;
    struct view_out out;
    int r = flow_select(model, &everything, &selection, NULL);

    if (r == 0)
        r = flow_chart_new(model, &selection, level, &chart, NULL);
    view_out_init(&out, write_all, file);
    return r == 0 ? flow_view_dot(chart, &out) : r;
}

static int write_page(const struct flow_model *model, const char *chart, const char *call, FILE *file) {
    const struct flow_page_first first = {.select = {.call = call}, .level = FLOW_LEVEL_ALL};
    _cleanup_(freep) char *svg = NULL, *html = NULL;
    size_t svg_size = 0, size = 0;
    int r = chart ? kith_file_read(AT_FDCWD, chart, FLOW_UNPACKED_MAX, &svg, &svg_size) : 0;

    if (r == 0)
        r = flow_view_page(model, &first, svg, svg_size, &html, &size);
    return r == 0 ? write_all(file, html, size) : r;
}

int main(int argc, char **argv) {
    _cleanup_(flow_model_freep) struct flow_model *model = NULL;

    if (argc < 3 || get_model(argv[2], &model) < 0)
        return 2;
    FILE *file = fopen(argv[1], "we");
    if (!file)
        return 1;
    bool dot = argc > 4 && strcmp(argv[3], "--dot") == 0;
    bool narrowed = argc > 4 && strcmp(argv[3], "--call") == 0;
    int r = dot ? write_chart(model, (enum flow_level)atoi(argv[4]), file)
                : write_page(model, argc > 3 && !narrowed ? argv[3] : NULL, narrowed ? argv[4] : NULL, file);
    if (r < 0)
        fprintf(stderr, "%s\n", kith_error_name(r));
    return fclose(file) == 0 && r == 0 ? 0 : 1;
}
