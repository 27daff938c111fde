/*
 * gateway/output/file.c: file:PATH: a message a line at the end of a file, with rotation.
 *
 * A line is written whole or not at all: what a full disk cut off is taken back. What was cut off by the end of a process or of the machine
 * is ended by a newline when the file is next opened, and said in the log: the message in it was not done, so it comes once more, whole.
 * Done is what fdatasync(2) was called for, in groups: once sync_ms after the first message of a group. That call blocks the loop for as
 * long as the disk takes.
 *
 * The file is locked (flock(2)): two writers, each with its rotation, would lose each other's lines. When somebody else renames or removes
 * it, as logrotate(8) does, a new one is begun with the next group.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/time.h"
#include "gateway/output/type.h"
#include "gateway/output/wire.h"

#define FILE_MODE 0640

struct file {
    struct output output; /* first */
    const char *path;
    char *folder; /* of the path */
    int fd;
    uint64_t size;
    time_t born;
    dev_t device;
    ino_t inode;
    struct output_octets octets;
};

static struct file *file_of(struct output *output) {
    return KITH_CONTAINER_OF(output, struct file, output);
}

static void file_close(struct output *output) {
    struct file *file = file_of(output);
    file->fd = kith_close(file->fd);
    output_octets_clear(&file->octets);
}

/* Why, and what to do about it. */
static int fail(const struct file *file, int code, const char *what, struct kith_error *ret_error) {
    const char *remedy = code == -ENOSPC || code == -EDQUOT  ? ": free some space; it is tried again"
                         : code == -EACCES || code == -EPERM ? ": see its mode and its folder's"
                         : code == -EFBIG                    ? ": it may not be longer: rotate it, or raise the limit (RLIMIT_FSIZE)"
                                                             : "";
    return kith_error_set(ret_error, code, "%s: %s: %s%s", file->path, what, kith_error_name(code), remedy);
}

/* Opening ---------------------------------------------------------------------------------------------------------- */

/* When the file was made, where the file system knows it; else it is as old as its last change. */
static time_t birth(int fd, const struct stat *st) {
    struct statx stx;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &stx) == 0 && (stx.stx_mask & STATX_BTIME))
        return (time_t)stx.stx_btime.tv_sec;
    return st->st_mtime;
}

static int sync_folder(const struct file *file) {
    _cleanup_(kith_closep) int fd = open(file->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
}

static int end_partial_line(struct file *file, struct kith_error *ret_error) {
    char last = '\n';
    if (file->size > 0 && pread(file->fd, &last, 1, (off_t)file->size - 1) != 1)
        return fail(file, -EIO, "its last octet cannot be read", ret_error);
    if (last == '\n')
        return 0;
    ssize_t n = write(file->fd, "\n", 1);
    if (n != 1)
        return fail(file, n < 0 ? -errno : -EIO, "its last line is not whole and cannot be ended", ret_error);
    output_log(&file->output, LOG_WARNING, "%s: its last line is not whole: it was ended at octet %llu", file->path,
               (unsigned long long)file->size);
    file->size++;
    return 0;
}

static int check_file(struct file *file, struct kith_error *ret_error) {
    struct stat st;
    if (fstat(file->fd, &st) < 0)
        return fail(file, -errno, "cannot be looked at", ret_error);
    if (!S_ISREG(st.st_mode))
        return kith_error_set(ret_error, -EINVAL, "%s: not a regular file: name another one", file->path);
    if (flock(file->fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? kith_error_set(ret_error, -EBUSY, "%s: somebody else has locked it, and may write to it: name another one", file->path)
                   : fail(file, -errno, "cannot be locked", ret_error);
    file->size = (uint64_t)st.st_size;
    file->born = birth(file->fd, &st);
    file->device = st.st_dev;
    file->inode = st.st_ino;
    return 0;
}

/* On failure file->fd may be open: file_close() follows. */
static int open_file(struct file *file, struct kith_error *ret_error) {
    /* Not blocking: a FIFO must not hold the loop up before it is refused. */
    file->fd = open(file->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, FILE_MODE);
    if (file->fd < 0)
        return fail(file, -errno, "cannot be opened", ret_error);
    int r = check_file(file, ret_error);
    if (r >= 0)
        r = end_partial_line(file, ret_error);
    if (r < 0)
        return r;
    r = sync_folder(file);
    return r < 0 ? fail(file, r, "its folder cannot be written to the disk", ret_error) : 0;
}

static int file_open(struct output *output, struct kith_error *ret_error) {
    int r = open_file(file_of(output), ret_error);
    if (r >= 0)
        output_up(output);
    return r;
}

/* Rotation --------------------------------------------------------------------------------------------------------- */

static void numbered(const struct file *file, unsigned number, char *name, size_t size) {
    if (number == 0)
        snprintf(name, size, "%s", file->path);
    else
        snprintf(name, size, "%s.%u", file->path, number);
}

/* PATH.1 becomes PATH.2 and so on, the last one is replaced; PATH becomes PATH.1. */
static int shift(const struct file *file) {
    size_t size = strlen(file->path) + 16;
    _cleanup_(freep) char *from = malloc(size);
    _cleanup_(freep) char *to = malloc(size);
    if (!from || !to)
        return -ENOMEM;
    int r = 0;
    for (unsigned number = file->output.options.keep; number > 0 && r >= 0; number--) {
        numbered(file, number - 1, from, size);
        numbered(file, number, to, size);
        if (rename(from, to) < 0 && errno != ENOENT)
            r = -errno;
    }
    return r;
}

static int rotate(struct file *file, struct kith_error *ret_error) {
    if (fdatasync(file->fd) < 0)
        return fail(file, -errno, "cannot be written to the disk", ret_error);
    int r = shift(file);
    if (r < 0)
        return fail(file, r, "cannot be rotated", ret_error);
    file->fd = kith_close(file->fd);
    return open_file(file, ret_error);
}

static bool is_due(const struct file *file, size_t more) {
    const struct output_options *options = &file->output.options;
    if (file->size == 0)
        return false;
    if (options->rotate_octets > 0 && file->size + more > options->rotate_octets)
        return true;
    time_t now = time(NULL);
    return options->rotate_ms > 0 && now >= file->born && (uint64_t)(now - file->born) >= (options->rotate_ms + 999) / 1000;
}

/* Messages --------------------------------------------------------------------------------------------------------- */

static int append(struct file *file, struct kith_error *ret_error) {
    size_t size = output_octets_size(&file->octets);
    for (size_t written = 0; written < size;) {
        ssize_t n = write(file->fd, file->octets.data + written, size - written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int r = n < 0 ? -errno : -EIO;
            /* When this fails, too, the next opening ends the line. */
            if (written > 0 && ftruncate(file->fd, (off_t)file->size) < 0)
                output_log(&file->output, LOG_WARNING, "%s: its last line is not whole", file->path);
            return fail(file, r, "cannot be written to", ret_error);
        }
        written += (size_t)n;
    }
    file->size += size;
    return 0;
}

static int file_send(struct output *output, const struct output_message *message, struct kith_error *ret_error) {
    struct file *file = file_of(output);
    output_octets_clear(&file->octets);
    int r = output_wire_put(&file->octets, &output->options, message);
    if (r < 0)
        return r;
    if (is_due(file, output_octets_size(&file->octets)))
        r = rotate(file, ret_error);
    if (r >= 0)
        r = append(file, ret_error);
    if (r >= 0)
        output->octets += output_octets_size(&file->octets);
    return r;
}

static bool is_still_there(const struct file *file) {
    struct stat st;
    return stat(file->path, &st) == 0 && st.st_dev == file->device && st.st_ino == file->inode;
}

static int file_delivered(struct output *output, uint64_t *ret_octets, struct kith_error *ret_error) {
    struct file *file = file_of(output);
    if (fdatasync(file->fd) < 0)
        return fail(file, -errno, "cannot be written to the disk", ret_error);
    *ret_octets = output->octets;
    if (is_still_there(file))
        return 0;
    file->fd = kith_close(file->fd);
    return open_file(file, ret_error);
}

static void file_finish(struct output *output) {
    file_close(output);
    output_ended(output);
}

static int file_parse(struct output *output, const char *rest, struct kith_error *ret_error) {
    struct file *file = file_of(output);
    file->fd = -1;
    file->path = rest;
    if (rest[0] == '\0' || rest[strlen(rest) - 1] == '/')
        return kith_error_set(ret_error, -EINVAL, "%s: no file: write file:/PATH", output->target);
    if (output->options.framing != OUTPUT_FRAMING_NEWLINE)
        return kith_error_set(ret_error, -EINVAL,
                              "%s: length framing is for streams: a partial message would make a file unreadable from "
                              "there on; use newline framing",
                              output->target);
    if (output->options.acks)
        return kith_error_set(ret_error, -EINVAL, "%s: a file sends no acks: leave them off", output->target);
    const char *slash = strrchr(rest, '/');
    file->folder = !slash ? strdup(".") : slash == rest ? strdup("/") : strndup(rest, (size_t)(slash - rest));
    return file->folder ? 0 : kith_error_set(ret_error, -ENOMEM, "%s: out of memory", output->target);
}

static void file_deinit(struct output *output) {
    struct file *file = file_of(output);
    output_octets_deinit(&file->octets);
    free(file->folder);
}

const struct output_type output_type_file = {
    .size = sizeof(struct file),
    .parse = file_parse,
    .open = file_open,
    .send = file_send,
    .delivered = file_delivered,
    .finish = file_finish,
    .close = file_close,
    .deinit = file_deinit,
    .slow_poll = true,
};
