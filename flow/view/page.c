/* flow/view/page.c: the parts of the page, one behind the other: flow/view/page/ as it is, the chart as it is, the model as JSON. */
#include "flow/view/page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow/view/page-parts.h"
#include "flow/view/text.h"

#define ROOM_AT_FIRST ((size_t)64 * 1024)

struct page {
    char *data;
    size_t size, room;
};

static void page_deinit(struct page *page) {
    free(page->data);
}

/* A flow_out_fn. One octet more is kept for the NUL. */
static int append(void *userdata, const void *data, size_t size) {
    struct page *page = userdata;

    if (size >= page->room - page->size) {
        size_t room = page->room * 2 > page->size + size + 1 ? page->room * 2 : page->size + size + 1;
        if (room < ROOM_AT_FIRST)
            room = ROOM_AT_FIRST;
        char *grown = realloc(page->data, room);
        if (!grown)
            return -ENOMEM;
        page->data = grown;
        page->room = room;
    }
    memcpy(page->data + page->size, data, size);
    page->size += size;
    return 0;
}

/* A flow_out_fn: JSON for inside <script>. "<" occurs in its strings only, where it may be written so. */
static int put_json(void *userdata, const void *data, size_t size) {
    struct flow_out *out = userdata;
    const char *at = data, *end = at + size;

    while (at < end) {
        const char *less = memchr(at, '<', (size_t)(end - at));
        const char *stop = less ? less : end;
        flow_out_put(out, at, (size_t)(stop - at));
        if (less)
            flow_out_puts(out, "\\u003c");
        at = less ? less + 1 : end;
    }
    return out->error;
}

static int put_model(const struct flow_model *model, const struct flow_selection *selection, struct flow_out *out) {
    struct flow_out json;

    flow_out_init(&json, put_json, out);
    return flow_view_json(model, selection, &json);
}

/* Without the XML declaration and document type, which HTML does not know. */
static int find_svg(const char *svg, size_t size, const char **ret_start, size_t *ret_size) {
    static const char head[] = "<svg", tail[] = "</svg>";
    const char *start = memmem(svg, size, head, strlen(head)), *end = NULL;

    for (const char *at = start; at && (at = memmem(at, (size_t)(svg + size - at), tail, strlen(tail)));)
        end = at += strlen(tail);
    if (!end)
        return -EINVAL;
    *ret_start = start;
    *ret_size = (size_t)(end - start);
    return 0;
}

static void put_head(struct flow_out *out) {
    flow_out_puts(out,
                  "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src '");
    flow_out_puts(out, flow_page_script_hash);
    flow_out_puts(out,
                  "'\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>kith flow</title>\n<style>\n");
    flow_out_puts(out, flow_page_style);
    flow_out_puts(out, "</style>\n</head>\n<body>\n");
}

int flow_view_page(const struct flow_model *model, const struct flow_selection *selection, const char *svg, size_t svg_size,
                   char **ret_html, size_t *ret_size) {
    _cleanup_(page_deinit) struct page page = {0};
    struct flow_out out;

    if (selection->count > FLOW_PAGE_CALLS_MAX)
        return -E2BIG;
    int r = svg ? find_svg(svg, svg_size, &svg, &svg_size) : 0;
    if (r < 0)
        return r;
    flow_out_init(&out, append, &page);
    put_head(&out);
    flow_out_puts(&out, flow_page_start);
    if (svg)
        flow_out_put(&out, svg, svg_size);
    flow_out_puts(&out, flow_page_end);
    flow_out_puts(&out, "<script type=\"application/json\" id=\"model\">");
    r = put_model(model, selection, &out);
    if (r < 0)
        return r;
    flow_out_puts(&out, "</script>\n<script>");
    flow_out_puts(&out, flow_page_script);
    flow_out_puts(&out, "</script>\n</body>\n</html>\n");
    r = flow_out_finish(&out);
    if (r < 0)
        return r;
    page.data[page.size] = '\0';
    *ret_size = page.size;
    *ret_html = KITH_STEAL(page.data);
    return 0;
}
