/* flow/guest/machine.c: see machine.h. */
#include "flow/guest/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"

#define QEMU "qemu-system-x86_64"
#define EXEC_FAILED 127
#define KERNEL_ARGUMENTS "console=ttyS0 quiet panic=-1 rdinit=/init random.trust_cpu=on"
/* The kernel measures timers by counting while it waits, and emulated instructions are slow: four of ten seconds went there. It needs none
 * of these timers with one processor, and no tests of its ciphers. */
#define EMULATED_ARGUMENTS KERNEL_ARGUMENTS " no_timer_check nolapic_timer hpet=disable cryptomgr.notests"
/* With a source of random numbers: or the first users of them, connect(2) for one, wait for a guest that has no events. */
#define EMULATED_CPU "qemu64,+rdrand"
#define HOST_CPU "max"

#define KVM "/dev/kvm"
#define KVM_REMEDY "without --accel kvm the guest is emulated in software"

struct paths {
    char kernel[32], file_system[32], console[48], results[48];
};

int flow_machine_init(struct flow_machine *machine, struct kith_error *ret_error) {
    machine->kernel = memfd_create("kernel", MFD_CLOEXEC);
    machine->file_system = memfd_create("file-system", MFD_CLOEXEC);
    machine->console = memfd_create("console", MFD_CLOEXEC);
    machine->results = memfd_create("results", MFD_CLOEXEC);
    if (machine->kernel < 0 || machine->file_system < 0 || machine->console < 0 || machine->results < 0)
        return kith_error_set(ret_error, -errno, "no files in memory for a guest: %s", kith_error_name(-errno));
    return 0;
}

/* As execvp(3) looks for it. */
static bool has_qemu(void) {
    const char *folders = getenv("PATH");
    char path[4096];

    for (const char *at = folders ? folders : "/bin:/usr/bin"; *at;) {
        size_t size = strcspn(at, ":");
        int length = snprintf(path, sizeof(path), "%.*s/%s", (int)size, at, QEMU);
        if (length > 0 && (size_t)length < sizeof(path) && access(path, X_OK) == 0)
            return true;
        at += size + (at[size] == ':');
    }
    return false;
}

int flow_machine_check(const char *accelerator, struct kith_error *ret_error) {
    if (!has_qemu())
        return kith_error_set(ret_error, -ENOENT, QEMU " cannot be started; the package qemu-system-x86 has it");
    if (strcmp(accelerator, FLOW_MACHINE_EMULATION) == 0)
        return 0;
    if (strcmp(accelerator, "kvm") != 0)
        return kith_error_set(ret_error, -EINVAL, "'%s' is no accelerator: tcg and kvm are", accelerator);
    _cleanup_(kith_closep) int fd = open(KVM, O_RDWR | O_CLOEXEC);
    if (fd >= 0)
        return 0;
    if (errno == ENOENT)
        return kith_error_set(ret_error, -ENOENT, KVM ": this host offers no KVM; " KVM_REMEDY);
    if (errno == EACCES || errno == EPERM)
        return kith_error_set(ret_error, -errno, KVM ": this user may not use KVM (its group is usually kvm); " KVM_REMEDY);
    return kith_error_set(ret_error, -errno, KVM ": %s; " KVM_REMEDY, kith_error_name(-errno));
}

void flow_machine_deinit(struct flow_machine *machine) {
    kith_close(machine->kernel);
    kith_close(machine->file_system);
    kith_close(machine->console);
    kith_close(machine->results);
    *machine = FLOW_MACHINE_NONE;
}

int flow_machine_write(int fd, const void *data, size_t size, struct kith_error *ret_error) {
    for (const char *at = data; size > 0;) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return kith_error_set(ret_error, -errno, "cannot be written: %s", kith_error_name(-errno));
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

/* In the child: QEMU goes with us, whatever becomes of us, and says what it has to say on the console. */
static void become_qemu(const struct flow_machine *machine, const char *accelerator) {
    const int kept[] = {machine->kernel, machine->file_system, machine->console, machine->results};
    bool is_emulated = strcmp(accelerator, FLOW_MACHINE_EMULATION) == 0;
    struct paths paths;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(kept); i++)
        fcntl(kept[i], F_SETFD, 0);
    snprintf(paths.kernel, sizeof(paths.kernel), "/dev/fd/%d", machine->kernel);
    snprintf(paths.file_system, sizeof(paths.file_system), "/dev/fd/%d", machine->file_system);
    snprintf(paths.console, sizeof(paths.console), "file:/dev/fd/%d", machine->console);
    snprintf(paths.results, sizeof(paths.results), "file:/dev/fd/%d", machine->results);
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(machine->console, STDOUT_FILENO);
    dup2(machine->console, STDERR_FILENO);
    /* Under emulation the guest's clock counts its instructions and jumps over idle time: waiting costs nothing, and how busy this machine
     * is does not show in the guest. */
    execlp(QEMU, QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-machine", "pc", "-m", "512", "-accel",
           accelerator, "-cpu", is_emulated ? EMULATED_CPU : HOST_CPU, "-kernel", paths.kernel, "-initrd", paths.file_system, "-append",
           is_emulated ? EMULATED_ARGUMENTS : KERNEL_ARGUMENTS, "-serial", paths.console, "-serial", paths.results,
           is_emulated ? "-icount" : NULL, "shift=1,sleep=off", (char *)NULL);
    _exit(EXEC_FAILED);
}

static volatile sig_atomic_t interrupted;

static void on_signal(int number) {
    interrupted = 1;
}

/* Returns 1 when the process has ended. */
static int wait_for_end(int process, unsigned seconds) {
    struct pollfd ended = {.fd = process, .events = POLLIN};

    while (!interrupted) {
        int r = poll(&ended, 1, (int)seconds * 1000);
        if (r >= 0)
            return r;
        if (errno != EINTR)
            return -errno;
    }
    return -EINTR;
}

/* Within another virtual machine KVM may be there and get no guest to its end. */
static int judge(int waited, int status, const char *accelerator, unsigned seconds, struct kith_error *error) {
    bool is_emulated = strcmp(accelerator, FLOW_MACHINE_EMULATION) == 0;

    if (waited == -EINTR)
        return kith_error_set(error, -EINTR, "the guest was stopped: no recording was made");
    if (waited == 0)
        return kith_error_set(error, -ETIME, "the guest was not done after %u s%s", seconds, is_emulated ? "" : "; " KVM_REMEDY);
    if (waited < 0)
        return kith_error_set(error, waited, "the guest cannot be waited for: %s", kith_error_name(waited));
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXEC_FAILED)
        return kith_error_set(error, -ENOEXEC, QEMU " was found, but cannot be started");
    return 0; /* what else went wrong, the console knows */
}

int flow_machine_run(const struct flow_machine *machine, const char *accelerator, unsigned seconds, struct kith_error *ret_error) {
    struct sigaction action = {.sa_handler = on_signal}, old[2];
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        become_qemu(machine, accelerator);
    if (pid < 0)
        return kith_error_set(ret_error, -errno, QEMU " cannot be started: %s", kith_error_name(-errno));
    interrupted = 0;
    sigaction(SIGINT, &action, &old[0]);
    sigaction(SIGTERM, &action, &old[1]);
    _cleanup_(kith_closep) int process = (int)syscall(SYS_pidfd_open, pid, 0);
    int waited = process < 0 ? -errno : wait_for_end(process, seconds);
    if (waited <= 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    sigaction(SIGINT, &old[0], NULL);
    sigaction(SIGTERM, &old[1], NULL);
    return judge(waited, status, accelerator, seconds, ret_error);
}
