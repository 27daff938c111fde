/* cli/passed.c: see passed.h. */
#include "cli/passed.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <kith/policy.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "cli/options.h"
#include "cli/output.h"
#include "gateway/cleanup.h"
#include "gateway/printable.h"

static int open_word(const char *word) {
    int64_t number;
    bool is_number = word[0] != '\0' && word[strspn(word, "0123456789")] == '\0';
    if (!is_number)
        return open(word, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (cli_number("--fd", word, 0, INT_MAX, &number) != 0) {
        errno = EBADF;
        return -1;
    }
    return fcntl((int)number, F_DUPFD_CLOEXEC, 0);
}

int cli_passed_add(struct cli_passed *passed, const char *word) {
    if (passed->count == KITH_MSG_FDS_MAX) {
        cli_error("--fd: there are %d already, as many as a message may have", KITH_MSG_FDS_MAX);
        return CLI_USAGE;
    }
    int fd = open_word(word);
    if (fd < 0) {
        cli_error("--fd %s: %s", word, kith_error_name(-errno));
        return CLI_ERROR;
    }
    passed->fds[passed->count++] = fd;
    return 0;
}

void cli_passed_deinit(struct cli_passed *passed) {
    for (size_t i = 0; i < passed->count; i++)
        kith_close(passed->fds[i]);
    passed->count = 0;
}

int cli_passed_attach(const struct cli_passed *passed, kith_msg *msg) {
    int r = 0;
    for (size_t i = 0; r >= 0 && i < passed->count; i++) {
        int fd = fcntl(passed->fds[i], F_DUPFD_CLOEXEC, 0);
        r = fd < 0 ? -errno : kith_msg_add_fd(msg, fd);
        if (r < 0)
            kith_close(fd);
    }
    return r;
}

/* What came ------------------------------------------------------------------------------------------------------------------ */

/* Where the descriptor leads, and what it is. The name is chosen by whoever passed it. */
static int look_at(const kith_msg *msg, size_t index, char **ret_target, const char **ret_kind) {
    char path[32];
    int fd = kith_msg_fd(msg, index);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int r = kith_link_read(AT_FDCWD, path, ret_target);
    if (r >= 0)
        *ret_kind = kith_fd_kind_name(kith_fd_kind_of(fd));
    return r;
}

int cli_passed_print(const kith_msg *msg) {
    int r = 0;
    for (size_t i = 0; r >= 0 && i < kith_msg_fd_count(msg); i++) {
        _cleanup_(freep) char *target = NULL;
        char shown[1024];
        const char *kind;
        r = look_at(msg, i, &target, &kind);
        if (r < 0)
            return cli_print("fd %zu: %s\n", i, kith_error_name(r));
        struct kith_text text = kith_text_init(shown, sizeof(shown));
        gateway_put_printable(&text, target, strlen(target), sizeof(shown) / 4, '\0');
        r = cli_print("fd %zu: %s %s\n", i, kind, shown);
    }
    return r;
}

static json_t *describe(const kith_msg *msg, size_t index) {
    _cleanup_(freep) char *target = NULL;
    const char *kind;
    if (look_at(msg, index, &target, &kind) < 0)
        return json_object();
    json_t *is_text = json_string(target); /* NULL for what is no UTF-8: its kind is told all the same */
    return is_text ? json_pack("{s:s, s:o}", "kind", kind, "target", is_text) : json_pack("{s:s}", "kind", kind);
}

int cli_passed_add_json(json_t *object, const kith_msg *msg) {
    if (kith_msg_fd_count(msg) == 0)
        return 0;
    json_auto_t *list = json_array();
    for (size_t i = 0; list && i < kith_msg_fd_count(msg); i++) {
        json_t *one = describe(msg, i);
        if (!one || json_array_append_new(list, one) < 0)
            return -ENOMEM;
    }
    return list && json_object_set(object, "fds", list) == 0 ? 0 : -ENOMEM;
}
