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
#include "flow/view/chart.h"
#include "flow/view/select.h"

/* A file of 60 MB, whose tree Chromium has up 3.8 s after its script began (2 cores, busy): more is to be narrowed first. */
#define FLOW_PAGE_CALLS_MAX 300000

/* What the tree shows at first; the page has controls for each of these. */
struct flow_page_first {
    struct flow_select select;
    enum flow_level level; /* what FLOW_LEVEL_ALL has not is left out */
};

/*
 * The page holds the whole recording, or of one with more than FLOW_PAGE_CALLS_MAX calls what is to be shown at first. `first` may be
 * NULL: everything. `svg` is the chart as Graphviz writes it; boxes with the class "call-NUMBER" (class="call-7" of a node in DOT) belong
 * to the call of that index, of which there may be several boxes. NULL: the page says that there is no chart. *ret_html is to be freed with
 * free(); a NUL that does not count stands behind it. Errors: -EINVAL (no SVG), -E2BIG (that is more than FLOW_PAGE_CALLS_MAX calls),
 * -ENOMEM, those of flow_select().
 */
int flow_view_page(const struct flow_model *model, const struct flow_page_first *first, const char *svg, size_t svg_size, char **ret_html,
                   size_t *ret_size);

#endif
