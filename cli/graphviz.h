/* cli/graphviz.h: pictures by Graphviz's program dot. */
#ifndef KITH_CLI_GRAPHVIZ_H
#define KITH_CLI_GRAPHVIZ_H

#include <stddef.h>

#include <kith/error.h>

enum cli_graphviz_layout {
    CLI_GRAPHVIZ_PLACED,  /* the text has its own places */
    CLI_GRAPHVIZ_LAYERED, /* dot(1) finds them */
};

/* Draws DOT. format: "svg", "png", "pdf". file: where to, which is made anew. Errors, with text: -ENOENT (no dot), -EIO (it failed; it has
 * said why), those of starting a program, of open(2) and write(2). */
int cli_graphviz_draw(const char *dot, size_t size, enum cli_graphviz_layout layout, const char *format, const char *file,
                      struct kith_error *ret_error);
/* The same into memory, to be freed with free(). */
int cli_graphviz_text(const char *dot, size_t size, enum cli_graphviz_layout layout, const char *format, char **ret_text, size_t *ret_size,
                      struct kith_error *ret_error);

#endif
