/*
 * tests/flow/make-page.c: the page of a recording, of the model of flow/view/testing.h, or of that model with hostile texts.
 *
 *     make-page OUT RECORDING|small|hostile [SVG]
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/error.h"
#include "base/fd.h"
#include "flow/decode/decode.h"
#include "flow/view/page.h"
#include "flow/view/testing.h"

#define HOSTILE "</script><script>document.body.dataset.broken='1'</script><img src=x onerror=\"document.body.dataset.broken='2'\">"

static void freep(char **text) {
    free(*text);
}

static struct flow_model *hostile_model(void) {
    struct flow_model *model = test_model_new();

    model->scenario = model->command = model->kernel = model->machine = HOSTILE;
    for (size_t i = 0; i < model->function_count; i++)
        model->functions[i].name = model->functions[i].prototype = model->functions[i].file = model->functions[i].module = HOSTILE;
    model->tasks[0].name = model->notes[0].text = HOSTILE;
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
    else
        return read_model(what, ret_model);
    return 0;
}

int main(int argc, char **argv) {
    _cleanup_(flow_model_freep) struct flow_model *model = NULL;
    _cleanup_(freep) char *svg = NULL, *html = NULL;
    size_t svg_size = 0, size = 0;

    if (argc < 3 || get_model(argv[2], &model) < 0)
        return 2;
    int r = argc > 3 ? kith_file_read(AT_FDCWD, argv[3], FLOW_UNPACKED_MAX, &svg, &svg_size) : 0;
    if (r == 0)
        r = flow_view_page(model, svg, svg_size, &html, &size);
    if (r < 0) {
        fprintf(stderr, "%s\n", kith_error_name(r));
        return 1;
    }
    FILE *file = fopen(argv[1], "we");
    if (!file)
        return 1;
    size_t written = fwrite(html, 1, size, file);
    return fclose(file) == 0 && written == size ? 0 : 1;
}
