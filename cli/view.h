/* cli/view.h: where views (view/out.h) go: standard output, through a pager on a terminal, or memory. */
#ifndef KITH_CLI_VIEW_H
#define KITH_CLI_VIEW_H

#include <stddef.h>

#include "view/out.h"

/* Writes the view; 0, or negative errno. */
typedef int (*cli_view_fn)(void *userdata, struct view_out *out);

/* Errors: -ENOMEM, the view's. What standard output says is said at the end (cli_output_finish()), and is no error here. */
int cli_view_print(cli_view_fn fn, void *userdata);
/* The same, through a pager when standard output is a terminal. */
int cli_view_page(cli_view_fn fn, void *userdata);
/* *ret_text is to be freed with free(). */
int cli_view_text(cli_view_fn fn, void *userdata, char **ret_text, size_t *ret_size);
/* Octets into the descriptor: 0, or negative errno. */
int cli_write_all(int fd, const void *data, size_t size);
/* Into a file, which is made anew. */
int cli_write_file(const char *file, const void *data, size_t size);
/* A view into the descriptor. */
int cli_view_write(int fd, cli_view_fn fn, void *userdata);

#endif
