/* flow/view/page.c: the parts of the page, one behind the other: flow/view/page/ as it is, the chart as it is, the model as JSON. */
#include "flow/view/page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/view/page-parts.h"
#include "flow/view/text.h"
#include "view/jsontext.h"

#define ROOM_AT_FIRST ((size_t)64 * 1024)

struct page {
    char *data;
    size_t size, room;
};

static void page_deinit(struct page *page) {
    free(page->data);
}

/* A view_out_fn. One octet more is kept for the NUL. */
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

/* A view_out_fn: JSON for inside <script>. "<" occurs in its strings only, where it may be written so. */
static int put_json(void *userdata, const void *data, size_t size) {
    struct view_out *out = userdata;
    const char *at = data, *end = at + size;

    while (at < end) {
        const char *less = memchr(at, '<', (size_t)(end - at));
        const char *stop = less ? less : end;
        view_out_put(out, at, (size_t)(stop - at));
        if (less)
            view_out_puts(out, "\\u003c");
        at = less ? less + 1 : end;
    }
    return out->error;
}

static int put_model(const struct flow_model *model, const struct flow_selection *selection, struct view_out *out) {
    struct view_out json;

    view_out_init(&json, put_json, out);
    return flow_view_json(model, selection, &json);
}

/* A function each: the word by which --call means it, or null when it is no system call; and which functions the first word means. */
static int put_words(const struct flow_model *model, const char *call, struct view_out *out) {
    bool first = true;
    int r = 0;

    view_out_puts(out, ",\"words\":[");
    for (size_t i = 0; r == 0 && i < model->function_count; i++) {
        char word[64];
        const char *name = model->functions[i].name;
        flow_select_word(name, word, sizeof(word));
        r = view_json_put(out, view_json_text(strcmp(word, name) != 0 ? word : NULL), &first);
    }
    view_out_puts(out, "]");
    if (!call || r < 0)
        return r;
    first = true;
    view_out_puts(out, ",\"given\":{\"word\":");
    r = view_json_put(out, view_json_text(call), &first);
    first = true;
    view_out_puts(out, ",\"functions\":[");
    for (size_t i = 0; r == 0 && i < model->function_count; i++)
        if (flow_select_is_call(model->functions[i].name, call))
            r = view_json_put(out, json_integer((json_int_t)i), &first);
    view_out_puts(out, "]}");
    return r;
}

/* `part`: in words, what of the recording is in the page when not everything is. */
static int put_first(const struct flow_model *model, const struct flow_page_first *first, const char *part, struct view_out *out) {
    const struct flow_select *select = &first->select;
    char socket[24] = "";
    struct view_out json;
    bool is_first = true;

    if (select->socket != 0)
        snprintf(socket, sizeof(socket), "%" PRIx64, select->socket);
    view_out_init(&json, put_json, out);
    view_out_puts(&json, "{\"narrow\":");
    int r = view_json_put(&json,
                          json_pack("{s:o, s:I, s:o, s:o, s:I, s:s, s:i}", "call", view_json_text(select->call ? select->call : ""), "nth",
                                    (json_int_t)select->nth, "from", view_json_text(select->from ? select->from : ""), "to",
                                    view_json_text(select->to ? select->to : ""), "depth", (json_int_t)select->depth, "socket", socket,
                                    "level", (int)first->level),
                          &is_first);
    view_out_puts(&json, ",\"lane\":");
    is_first = true;
    if (r == 0)
        r = view_json_put(&json, view_json_text(select->lane), &is_first);
    view_out_printf(&json, ",\"of\":%zu,\"part\":", model->call_count);
    is_first = true;
    if (r == 0)
        r = view_json_put(&json, view_json_text(part), &is_first);
    if (r == 0)
        r = put_words(model, select->call, &json);
    view_out_puts(&json, "}");
    int end = view_out_finish(&json);
    return r < 0 ? r : end;
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

static void put_head(struct view_out *out) {
    view_out_puts(out,
                  "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src '");
    view_out_puts(out, flow_page_script_hash);
    view_out_puts(out,
                  "'\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>kith flow</title>\n<style>\n");
    view_out_puts(out, flow_page_style);
    view_out_puts(out, "</style>\n</head>\n<body>\n");
}

/* What is in the page: everything, when a browser copes with that; or what is asked for at first. */
static int put_data(const struct flow_model *model, const struct flow_page_first *first, struct view_out *out) {
    _cleanup_(flow_selection_deinit) struct flow_selection selection = {0};
    struct flow_page_first held = {.level = first->level};
    bool whole = model->call_count <= FLOW_PAGE_CALLS_MAX;
    int r = flow_select(model, whole ? &held.select : &first->select, &selection, NULL);

    if (r == 0 && selection.count > FLOW_PAGE_CALLS_MAX)
        r = -E2BIG;
    view_out_puts(out, "<script type=\"application/json\" id=\"model\">");
    if (r == 0)
        r = put_model(model, &selection, out);
    view_out_puts(out, "</script>\n<script type=\"application/json\" id=\"start\">");
    if (r == 0)
        r = put_first(model, whole ? first : &held, selection.what, out);
    view_out_puts(out, "</script>\n");
    return r;
}

int flow_view_page(const struct flow_model *model, const struct flow_page_first *first, const char *svg, size_t svg_size, char **ret_html,
                   size_t *ret_size) {
    static const struct flow_page_first everything = {.level = FLOW_LEVEL_ALL};
    _cleanup_(page_deinit) struct page page = {0};
    struct view_out out;

    int r = svg ? find_svg(svg, svg_size, &svg, &svg_size) : 0;
    if (r < 0)
        return r;
    view_out_init(&out, append, &page);
    put_head(&out);
    view_out_puts(&out, flow_page_start);
    if (svg)
        view_out_put(&out, svg, svg_size);
    view_out_puts(&out, flow_page_end);
    r = put_data(model, first ? first : &everything, &out);
    if (r < 0)
        return r;
    view_out_puts(&out, "<script>");
    view_out_puts(&out, flow_page_script);
    view_out_puts(&out, "</script>\n</body>\n</html>\n");
    r = view_out_finish(&out);
    if (r < 0)
        return r;
    page.data[page.size] = '\0';
    *ret_size = page.size;
    *ret_html = KITH_STEAL(page.data);
    return 0;
}
