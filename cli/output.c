/* cli/output.c: see output.h. */
#include "cli/output.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/verbs.h"

static int output_error; /* the first one: a negative errno */

void cli_output_init(void) {
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, (size_t)64 * 1024);
}

/* fwrite(3) of the octet that flushes a line may report success although the flush failed: only ferror(3) knows. */
static int note(int failed) {
    if ((failed || ferror(stdout)) && output_error == 0)
        output_error = errno ? -errno : -EIO;
    return output_error;
}

int cli_output(const void *data, size_t size) {
    if (output_error < 0)
        return output_error;
    return note(fwrite(data, 1, size, stdout) != size);
}

int cli_print(const char *format, ...) {
    if (output_error < 0)
        return output_error;
    va_list args;
    va_start(args, format);
    int r = vprintf(format, args);
    va_end(args);
    return note(r < 0);
}

int cli_flush(void) {
    return note(fflush(stdout) != 0);
}

int cli_output_finish(int status) {
    cli_flush();
    /* Some file systems tell only here that there was no room (NFS, quota). */
    note(close(STDOUT_FILENO) < 0 && errno != EBADF);
    if (output_error == 0 || output_error == -EPIPE)
        return status;
    cli_error("standard output: %s: what was printed is incomplete", kith_error_name(output_error));
    return status == CLI_OK ? CLI_ERROR : status;
}

void cli_error(const char *format, ...) {
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fprintf(stderr, "kith: %s\n", text);
}

int cli_fail(const struct kith_error *error) {
    cli_error("%s", error->text[0] ? error->text : kith_error_name(error->code));
    return CLI_ERROR;
}
