/* cli/flow-gallery.h: what `kith flow gallery` has made, and the page that shows it. */
#ifndef KITH_CLI_FLOW_GALLERY_H
#define KITH_CLI_FLOW_GALLERY_H

#include <stddef.h>

#include <kith/error.h>

#define GALLERY_CALLS_MAX 24
#define GALLERY_NAME_MAX 64

/* A scenario on a kernel. Its files are KERNEL/SCENARIO.kflow, .html, .svg, and KERNEL/SCENARIO-CALL.svg for each call. */
struct gallery_item {
    char kernel[GALLERY_NAME_MAX], scenario[GALLERY_NAME_MAX];
    char calls[GALLERY_CALLS_MAX][GALLERY_NAME_MAX];
    size_t call_count;
    size_t functions, packets;
    unsigned long long lost;
    char compared_with[GALLERY_NAME_MAX]; /* a kernel: KERNEL/SCENARIO-from-THAT.txt says how they differ; "": none */
};

/* Writes FOLDER/index.html. Names may be anybody's. Errors, with text: those of writing a file. */
int cli_flow_gallery_index(const char *folder, const struct gallery_item *items, size_t count, struct kith_error *ret_error);

#endif
