/*
 * flow/view/page.h: a recording as one HTML file that needs nothing else: the chart beside a tree of the calls.
 *
 * Texts of a recording may be anybody's. They reach the page through one door, a block of JSON in which "<" does not occur, and its script
 * puts them into text nodes only. The page's security policy names that script by its hash: no other one runs, and nothing is loaded.
 */
#ifndef KITH_FLOW_VIEW_PAGE_H
#define KITH_FLOW_VIEW_PAGE_H

#include <stddef.h>

#include "flow/decode/model.h"
#include "flow/view/select.h"

/* A file of 60 MB, whose tree Chromium has up 3.4 s after its script began (2 cores): more is to be narrowed first. */
#define FLOW_PAGE_CALLS_MAX 300000

/*
 * What is selected is in the tree. `svg` is the chart as Graphviz writes it; boxes with the class "call-NUMBER" (class="call-7" of a node
 * in DOT) belong to the call of that index, of which there may be several boxes. NULL: the page says that there is no chart. *ret_html is
 * to be freed with free(); a NUL that does not count stands behind it. Errors: -EINVAL (no SVG), -E2BIG (more than FLOW_PAGE_CALLS_MAX
 * calls), -ENOMEM.
 */
int flow_view_page(const struct flow_model *model, const struct flow_selection *selection, const char *svg, size_t svg_size,
                   char **ret_html, size_t *ret_size);

#endif
