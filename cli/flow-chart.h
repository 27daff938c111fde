/* cli/flow-chart.h: charts of recordings, for the verbs that draw them. */
#ifndef KITH_CLI_FLOW_CHART_H
#define KITH_CLI_FLOW_CHART_H

#include <stdbool.h>
#include <stddef.h>

#include <kith/error.h>

#include "flow/decode/model.h"
#include "flow/view/select.h"

/* The most detailed level whose chart is a page; others are those of enum flow_level. */
#define CLI_FLOW_LEVEL_PAGE (-1)

enum cli_flow_form { CLI_FLOW_DOT, CLI_FLOW_MERMAID, CLI_FLOW_SVG, CLI_FLOW_PNG, CLI_FLOW_PDF };

/* --level. Returns 0, or an exit status after it has said what is wrong. */
int cli_flow_level(const char *value, int *ret_level);

/* The chart as DOT or Mermaid; to be freed with free(). Errors, with text: those of flow_chart_new(). */
int cli_flow_chart_text(const struct flow_model *model, const struct flow_selection *selection, int level, enum cli_flow_form form,
                        char **ret_text, size_t *ret_size, struct kith_error *ret_error);
/* The same, and written: pictures into `file`, texts to standard output. */
int cli_flow_chart(const struct flow_model *model, const struct flow_selection *selection, int level, enum cli_flow_form form,
                   const char *file, struct kith_error *ret_error);

#endif
