/* cli/frames.c: see frames.h. */
#include "cli/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/output.h"
#include "gateway/cleanup.h"
#include "gateway/printable.h"

enum cli_frames_form cli_frames_form(bool raw) {
    return raw ? CLI_FRAMES_RAW : isatty(STDOUT_FILENO) ? CLI_FRAMES_VISIBLE : CLI_FRAMES_LINES;
}

static int print_visible(const uint8_t *frame, size_t size) {
    struct kith_text measure = kith_text_init(NULL, 0);
    gateway_put_lines(&measure, frame, size);
    _cleanup_(freep) char *shown = malloc(measure.length + 1);
    if (!shown)
        return -ENOMEM;
    struct kith_text text = kith_text_init(shown, measure.length + 1);
    gateway_put_lines(&text, frame, size);
    return cli_print("%s\n", shown);
}

/* A line ends with one newline, whether the frame did or not. */
static int print_frame(const uint8_t *frame, size_t size, enum cli_frames_form form) {
    if (form == CLI_FRAMES_RAW)
        return cli_output(frame, size);
    size_t text_size = size > 0 && frame[size - 1] == '\n' ? size - 1 : size;
    if (form == CLI_FRAMES_VISIBLE)
        return print_visible(frame, text_size);
    int r = cli_output(frame, text_size);
    return r < 0 ? r : cli_output("\n", 1);
}

int cli_frames_print(const kith_msg *msg, enum cli_frames_form form) {
    int r = 0;
    for (size_t i = 0; r >= 0 && i < kith_msg_count(msg); i++) {
        size_t size;
        const uint8_t *frame = kith_msg_frame(msg, i, &size);
        r = print_frame(frame, size, form);
    }
    return r;
}
