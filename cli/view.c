/* cli/view.c: see view.h. */
#include "cli/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/output.h"
#include "cli/pager.h"

static int write_stdout(void *userdata, const void *data, size_t size) {
    return cli_output(data, size);
}

int cli_write_all(int fd, const void *data, size_t size) {
    const char *octets = data;

    while (size > 0) {
        ssize_t written = write(fd, octets, size);
        if (written < 0 && errno != EINTR)
            return -errno;
        octets += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
    return 0;
}

int cli_write_file(const char *file, const void *data, size_t size) {
    _cleanup_(kith_closep) int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    int r = fd < 0 ? -errno : cli_write_all(fd, data, size);
    return r == 0 && close(KITH_STEAL_FD(fd)) < 0 ? -errno : r;
}

static int write_fd(void *userdata, const void *data, size_t size) {
    return cli_write_all(*(int *)userdata, data, size);
}

static int write_stream(void *userdata, const void *data, size_t size) {
    return fwrite(data, 1, size, userdata) == size ? 0 : -ENOMEM;
}

static int write_view(view_out_fn write_fn, void *where, cli_view_fn fn, void *userdata) {
    _cleanup_(freep) struct view_out *out = malloc(sizeof(*out));

    if (!out)
        return -ENOMEM;
    view_out_init(out, write_fn, where);
    int r = fn(userdata, out), finished = view_out_finish(out);
    return r < 0 ? r : finished;
}

int cli_view_print(cli_view_fn fn, void *userdata) {
    int r = write_view(write_stdout, NULL, fn, userdata);
    return r == -ENOMEM ? r : 0;
}

int cli_view_page(cli_view_fn fn, void *userdata) {
    struct cli_pager pager;

    cli_pager_start(&pager);
    if (pager.fd < 0)
        return cli_view_print(fn, userdata);
    int r = write_view(write_fd, &pager.fd, fn, userdata);
    cli_pager_end(&pager);
    return r == -EPIPE ? 0 : r; /* the reader has seen enough */
}

int cli_view_text(cli_view_fn fn, void *userdata, char **ret_text, size_t *ret_size) {
    _cleanup_(freep) char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    if (!stream)
        return -ENOMEM;
    int r = write_view(write_stream, stream, fn, userdata);
    if (fclose(stream) != 0 && r == 0)
        r = -ENOMEM;
    if (r < 0)
        return r;
    *ret_text = KITH_STEAL(text);
    *ret_size = size;
    return 0;
}

int cli_view_write(int fd, cli_view_fn fn, void *userdata) {
    return write_view(write_fd, &fd, fn, userdata);
}
