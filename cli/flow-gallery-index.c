/* cli/flow-gallery-index.c: the gallery's first page: a section a kernel, an entry a scenario. It needs nothing but the files beside it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cli/flow-gallery.h"

static const char head[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>kith flow: gallery</title>\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src 'self'; style-src 'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<style>body{font:15px/1.45 sans-serif;margin:2em auto;max-width:72em;padding:0 1em;color:#222}h2{border-bottom:1px solid #ccc}\n"
    "section{display:grid;grid-template-columns:repeat(auto-fill,minmax(19em,1fr));gap:1em}\n"
    "article{border:1px solid #ddd;border-radius:4px;padding:.8em}article h3{margin:0 0 .4em}\n"
    "article img{width:100%;height:14em;object-fit:cover;object-position:top left;border:1px solid #eee}\n"
    "p{margin:.4em 0}.lost{color:#8c1d18;font-weight:bold}</style></head><body>\n"
    "<h1>Ways through the kernel</h1>\n"
    "<p>Recorded by <b>kith flow gallery</b>. Each picture is as it was recorded on that kernel; what cannot be seen is said below "
    "it.</p>\n";

static void put_text(FILE *file, const char *text) {
    for (; *text; text++) {
        if (strchr("<>&\"'", *text))
            fprintf(file, "&#%d;", *text);
        else
            fputc(*text, file);
    }
}

/* In an address. */
static void put_name(FILE *file, const char *name) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~+";

    for (; *name; name++)
        fprintf(file, strchr(plain, *name) ? "%c" : "%%%02X", (unsigned char)*name);
}

static void put_link(FILE *file, const struct gallery_item *item, const char *rest, const char *more, const char *text) {
    fputs("<a href=\"", file);
    put_name(file, item->kernel);
    fputs("/", file);
    put_name(file, item->scenario);
    fputs(rest, file);
    put_name(file, more);
    fprintf(file, "%s\">", *rest == '-' ? (strcmp(rest, "-from-") == 0 ? ".txt" : ".svg") : "");
    put_text(file, text);
    fputs("</a>", file);
}

static void put_item(FILE *file, const struct gallery_item *item) {
    fputs("<article><h3>", file);
    put_text(file, item->scenario);
    fputs("</h3><a href=\"", file);
    put_name(file, item->kernel);
    fputs("/", file);
    put_name(file, item->scenario);
    fputs(".svg\"><img loading=\"lazy\" alt=\"chart\" src=\"", file);
    put_name(file, item->kernel);
    fputs("/", file);
    put_name(file, item->scenario);
    fputs(".svg\"></a>\n<p>", file);
    for (size_t i = 0; i < item->call_count; i++) {
        fputs(i > 0 ? ", " : "", file);
        put_link(file, item, "-", item->calls[i], item->calls[i]);
    }
    fprintf(file, "</p>\n<p>%zu functions, %zu packets</p>", item->functions, item->packets);
    if (item->lost > 0)
        fprintf(file, "<p class=\"lost\">%llu events were lost</p>", item->lost);
    fputs("<p>", file);
    put_link(file, item, ".html", "", "page with tree and search");
    fputs(", ", file);
    put_link(file, item, ".kflow", "", "recording");
    if (*item->compared_with) {
        fputs(", ", file);
        put_link(file, item, "-from-", item->compared_with, "differences from ");
        put_text(file, item->compared_with);
    }
    fputs("</p></article>\n", file);
}

static void put_all(FILE *file, const struct gallery_item *items, size_t count) {
    fputs(head, file);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(items[i].kernel, items[i - 1].kernel) != 0) {
            fputs(i > 0 ? "</section>\n<h2>Linux " : "<h2>Linux ", file);
            put_text(file, items[i].kernel);
            fputs("</h2><section>\n", file);
        }
        put_item(file, &items[i]);
    }
    fputs(count > 0 ? "</section></body></html>\n" : "</body></html>\n", file);
}

int cli_flow_gallery_index(const char *folder, const struct gallery_item *items, size_t count, struct kith_error *ret_error) {
    _cleanup_(freep) char *path = NULL, *part = NULL;

    if (asprintf(&path, "%s/index.html", folder) < 0 || asprintf(&part, "%s.part", path) < 0)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    FILE *file = fopen(part, "we");
    if (!file)
        return kith_error_set(ret_error, -errno, "%s: %s", part, kith_error_name(-errno));
    put_all(file, items, count);
    int r = ferror(file) ? -EIO : 0;
    if (fclose(file) != 0 || (r == 0 && rename(part, path) < 0))
        r = -errno;
    return r < 0 ? kith_error_set(ret_error, r, "%s: %s", path, kith_error_name(r)) : 0;
}
