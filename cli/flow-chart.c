/* cli/flow-chart.c: see flow-chart.h. */
#include "cli/flow-chart.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/graphviz.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/view.h"
#include "flow/view/chart.h"

int cli_flow_level(const char *value, int *ret_level) {
    if (strcmp(value, "page") == 0) {
        *ret_level = CLI_FLOW_LEVEL_PAGE;
        return 0;
    }
    if (value[0] < '0' + FLOW_LEVEL_OUTLINE || value[0] > '0' + FLOW_LEVEL_ALL || value[1] != '\0') {
        cli_error("--level: '%s' is neither a number from 0 to 4 nor page", value);
        return CLI_USAGE;
    }
    *ret_level = value[0] - '0';
    return 0;
}

struct shown {
    const struct flow_chart *chart;
    enum cli_flow_form form;
};

static int write_view(void *userdata, struct view_out *out) {
    const struct shown *shown = userdata;
    return shown->form == CLI_FLOW_MERMAID ? flow_view_mermaid(shown->chart, out) : flow_view_dot(shown->chart, out);
}

int cli_flow_chart_text(const struct flow_model *model, const struct flow_selection *selection, int level, enum cli_flow_form form,
                        char **ret_text, size_t *ret_size, struct kith_error *ret_error) {
    _cleanup_(flow_chart_freep) struct flow_chart *chart = NULL;
    int r = level == CLI_FLOW_LEVEL_PAGE ? flow_chart_new_page(model, selection, &chart, ret_error)
                                         : flow_chart_new(model, selection, (enum flow_level)level, &chart, ret_error);

    if (r < 0)
        return r;
    r = cli_view_text(write_view, &(struct shown){chart, form}, ret_text, ret_size);
    return r < 0 ? kith_error_set(ret_error, r, "%s", kith_error_name(r)) : 0;
}

int cli_flow_chart(const struct flow_model *model, const struct flow_selection *selection, int level, enum cli_flow_form form,
                   const char *file, struct kith_error *ret_error) {
    static const char *const formats[] = {[CLI_FLOW_SVG] = "svg", [CLI_FLOW_PNG] = "png", [CLI_FLOW_PDF] = "pdf"};
    char *text = NULL;
    size_t size = 0;
    int r = cli_flow_chart_text(model, selection, level, form, &text, &size, ret_error);

    if (r == 0 && form <= CLI_FLOW_MERMAID)
        (void)cli_output(text, size); /* what standard output says is said at the end */
    else if (r == 0)
        r = cli_graphviz_draw(text, size, CLI_GRAPHVIZ_PLACED, formats[form], file, ret_error);
    free(text);
    return r;
}
