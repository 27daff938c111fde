/*
 * kith-flow-guest: the first and only process of a guest besides what it records. Static: the guest has nothing else.
 *
 * It mounts what tracing needs, makes one recording in memory, sends it over the second serial port and switches the machine off. What goes
 * wrong is sent the same way; the kernel has the first port.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "flow/guest/frame.h"
#include "flow/guest/request.h"
#include "flow/trace/run.h"

#define REQUEST_MAX 65536
/* The machine has one processor and 512 MB, and nothing else to do with them. */
#define BUFFER_KB 32768

static const struct {
    const char *type, *place;
} file_systems[] = {
    {"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tracefs", "/sys/kernel/tracing"}, {"tmpfs", "/run"}, {"tmpfs", "/tmp"},
};

static int mount_all(struct kith_error *error) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(file_systems); i++) {
        mkdir(file_systems[i].place, 0755);
        if (mount(file_systems[i].type, file_systems[i].place, file_systems[i].type, 0, NULL) < 0 && errno != EBUSY) {
            int r = -errno;
            if (strcmp(file_systems[i].type, "tracefs") == 0)
                return kith_error_set(error, r, "the guest's kernel has no tracefs: it was built without ftrace");
            return kith_error_set(error, r, "guest: %s cannot be mounted: %s", file_systems[i].place, kith_error_name(r));
        }
    }
    return 0;
}

static int raise_loopback(struct kith_error *error) {
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    _cleanup_(kith_closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &loopback) < 0)
        return kith_error_set(error, -errno, "guest: the loopback interface cannot be brought up: %s", kith_error_name(-errno));
    return 0;
}

static int load_modules(struct kith_error *error) {
    for (unsigned i = 0;; i++) {
        char name[64];
        snprintf(name, sizeof(name), "/" FLOW_REQUEST_MODULE, i);
        _cleanup_(kith_closep) int fd = open(name, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return errno == ENOENT ? 0 : kith_error_set(error, -errno, "guest: %s: %s", name, kith_error_name(-errno));
        if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
            return kith_error_set(error, -errno, "guest: the kernel refuses a module (%s): %s", name, kith_error_name(-errno));
    }
}

/* The words lie in `text`. */
static int read_request(char *words[FLOW_REQUEST_WORDS_MAX + 1], char **ret_text, struct kith_error *error) {
    size_t size = 0, count = 0;
    int r = kith_file_read(AT_FDCWD, "/" FLOW_REQUEST_FILE, REQUEST_MAX, ret_text, &size);

    for (char *word = *ret_text; r == 0 && word < *ret_text + size && count < FLOW_REQUEST_WORDS_MAX; word += strlen(word) + 1)
        words[count++] = word;
    words[count] = NULL;
    if (r < 0 || count < FLOW_REQUEST_COMMAND)
        return kith_error_set(error, r < 0 ? r : -EINVAL, "guest: it was not told what to record");
    return 0;
}

/* Into a file in memory. */
static int record(char **words, int *ret_fd, struct kith_error *error) {
    char *scenario[] = {(char[]){"/" FLOW_REQUEST_SCENARIO_PROGRAM}, words[FLOW_REQUEST_SCENARIO], NULL};
    bool is_scenario = *words[FLOW_REQUEST_SCENARIO] != '\0';
    struct flow_run run = {
        .trace = {.probes_only = strcmp(words[FLOW_REQUEST_WHAT], FLOW_REQUEST_PROBES) == 0,
                  .every_task = true,
                  .is_disposable = true,
                  .buffer_kb = BUFFER_KB,
                  .note = *words[FLOW_REQUEST_NOTE] ? words[FLOW_REQUEST_NOTE] : NULL},
        .scenario = is_scenario ? words[FLOW_REQUEST_SCENARIO] : NULL,
        .command = is_scenario ? scenario : words + FLOW_REQUEST_COMMAND,
    };
    _cleanup_(kith_closep) int fd = memfd_create("recording", MFD_CLOEXEC);
    int status = 0;

    if (fd < 0)
        return kith_error_set(error, -errno, "guest: no memory for the recording");
    int r = flow_run(&run, fd, &status, error);
    if (r == 0 && is_scenario && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        return kith_error_set(error, -EIO, "guest: the scenario '%s' failed; its last words are on the console", run.scenario);
    if (r == 0)
        *ret_fd = KITH_STEAL_FD(fd);
    return r;
}

static void send_all(int port, const void *data, size_t size) {
    for (const char *at = data; size > 0;) {
        ssize_t n = write(port, at, size);
        if (n < 0 && errno != EINTR)
            return;
        at += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
}

static void send_frame(const struct flow_frame *frame) {
    uint8_t header[FLOW_FRAME_HEADER];
    struct termios port;
    _cleanup_(kith_closep) int fd = open(FLOW_REQUEST_PORT, O_WRONLY | O_NOCTTY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (tcgetattr(fd, &port) == 0) {
        cfmakeraw(&port);
        tcsetattr(fd, TCSANOW, &port);
    }
    flow_frame_write_header(frame, header);
    send_all(fd, header, sizeof(header));
    send_all(fd, frame->data, frame->size);
    tcdrain(fd);
}

static int send_recording(int fd, struct kith_error *error) {
    struct stat file;
    if (fstat(fd, &file) < 0)
        return kith_error_set(error, -errno, "guest: the recording cannot be read");
    void *data = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return kith_error_set(error, -errno, "guest: the recording cannot be read");
    send_frame(&(struct flow_frame){FLOW_FRAME_RECORDING, data, (size_t)file.st_size});
    munmap(data, (size_t)file.st_size);
    return 0;
}

int main(void) {
    struct kith_error error = KITH_ERROR_NONE;
    char *words[FLOW_REQUEST_WORDS_MAX + 1], *text = NULL;
    int fd = -1;

    if (getpid() != 1) {
        fputs("kith-flow-guest is the first process of a guest of `kith flow record --vm`, and of no use elsewhere\n", stderr);
        return 2;
    }
    int r = mount_all(&error);
    if (r == 0)
        r = load_modules(&error);
    if (r == 0)
        r = raise_loopback(&error);
    if (r == 0)
        r = read_request(words, &text, &error);
    if (r == 0)
        r = record(words, &fd, &error);
    if (r == 0)
        r = send_recording(fd, &error);
    if (r < 0)
        send_frame(&(struct flow_frame){FLOW_FRAME_FAILURE, (const uint8_t *)error.text, strlen(error.text)});
    reboot(RB_POWER_OFF);
    return 1;
}
