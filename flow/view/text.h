/* flow/view/text.h: the views that are text. Each ends with the model's notes. */
#ifndef KITH_FLOW_VIEW_TEXT_H
#define KITH_FLOW_VIEW_TEXT_H

#include "flow/view/select.h"
#include "view/out.h"

struct flow_tree_options {
    bool colour;
    bool ascii;  /* no line drawing characters */
    bool unfold; /* helpers too */
};

/* All: 0, -ENOMEM, or the error of out's function. */
int flow_view_tree(const struct flow_model *model, const struct flow_selection *selection, const struct flow_tree_options *options,
                   struct view_out *out);
int flow_view_json(const struct flow_model *model, const struct flow_selection *selection, struct view_out *out);
/* Lines "FRAME;FRAME;... NS", for flame graphs: the time that each call took itself, the lane being the first frame. */
int flow_view_folded(const struct flow_model *model, const struct flow_selection *selection, struct view_out *out);
/* The Trace Event Format, which Perfetto and Chrome read. */
int flow_view_perfetto(const struct flow_model *model, const struct flow_selection *selection, struct view_out *out);

#endif
