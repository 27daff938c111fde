/* map/kernel/load.c: libbpf loads programs into the kernel; what it would print is dropped, its errors are put into words here. */
#include "map/kernel/load.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

#define TYPES "/sys/kernel/btf/vmlinux"

/* ENOTSUPP of the kernel's include/linux/errno.h: it gets out to user space, which has no name for it. */
#define KERNEL_ENOTSUPP 524

/* For the verifier's way through one program; too small, and the kernel would say -ENOSPC in place of what is wrong. */
#define LOG_OCTETS (256 * 1024)

static int print_nothing(enum libbpf_print_level level, const char *format, va_list args) {
    return 0;
}

/* Has this thread a capability, in its own user namespace? */
static bool has_capability(unsigned capability) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{0}};

    return syscall(SYS_capget, &header, sets) == 0 && (sets[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability));
}

static int explain_refusal(int code, const char *step, struct kith_error *error) {
    bool bpf = has_capability(CAP_BPF), perfmon = has_capability(CAP_PERFMON);

    if (!has_capability(CAP_SYS_ADMIN) && !(bpf && perfmon))
        return kith_error_set(error, -EPERM, "%s: not without %s%s%s; run it as root, or `setcap cap_bpf,cap_perfmon=ep` the program", step,
                              bpf ? "" : "CAP_BPF", bpf || perfmon ? "" : " and ", perfmon ? "" : "CAP_PERFMON");
    return kith_error_set(error, -EPERM,
                          "%s: %s, although the capabilities are there: they count in the first user namespace only (not in a "
                          "container's), and a seccomp filter or a security module may forbid bpf(2)",
                          step, kith_error_name(code));
}

/* What the verifier said last, but for its statistics; "" when it said nothing. Ends the lines of `log`. */
static const char *last_line(char *log) {
    static const char statistics[] = "processed ";
    const char *last = "";
    char *save = NULL;

    for (char *line = strtok_r(log, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (strncmp(line, statistics, strlen(statistics)) != 0)
            last = line;
    return last;
}

/* The verifier's two ways to say that a helper came with a later kernel. */
static bool is_about_a_helper(const char *reason) {
    return strncmp(reason, "unknown func ", 13) == 0 || strstr(reason, "cannot use helper");
}

int map_kernel_explain(int code, const char *step, char *log, struct kith_error *ret_error) {
    const char *reason = log ? last_line(log) : "";

    if (is_about_a_helper(reason))
        return kith_error_set(ret_error, -ENOTSUP, "%s: this kernel is too old (%s); it takes Linux 5.15", step, reason);
    switch (code) {
    case -EPERM:
        return explain_refusal(code, step, ret_error);
    case -ESRCH: /* libbpf: no function of that name in the kernel's types */
    case -ENOSYS:
    case -EOPNOTSUPP:
    case -KERNEL_ENOTSUPP:
        return kith_error_set(ret_error, -ENOTSUP,
                              "%s: this kernel cannot do it; what it takes: CONFIG_BPF_SYSCALL, CONFIG_BPF_EVENTS, CONFIG_DEBUG_INFO_BTF, "
                              "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS, Linux 5.15",
                              step);
    default:
        return kith_error_set(ret_error, code, "%s: %s%s%s", step, kith_error_name(code), *reason ? ": " : "", reason);
    }
}

int map_kernel_open(const struct map_kernel_program *program, struct bpf_object **ret_object, struct kith_error *ret_error) {
    libbpf_set_print(print_nothing);
    if (access(TYPES, R_OK) < 0)
        return kith_error_set(ret_error, -ENOTSUP, TYPES ": %s: the kernel tells nobody its types; it takes one with CONFIG_DEBUG_INFO_BTF",
                              kith_error_name(-errno));
    LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = program->name);
    struct bpf_object *object = bpf_object__open_mem(program->octets, program->size, &options);
    int r = (int)libbpf_get_error(object);
    if (r < 0)
        return kith_error_set(ret_error, r, "BPF program %s: %s", program->name, kith_error_name(r));
    *ret_object = object;
    return 0;
}

int map_kernel_load(struct bpf_object *object, struct kith_error *ret_error) {
    _cleanup_(freep) char *log = calloc(1, LOG_OCTETS);
    struct bpf_program *program;

    if (!log)
        return kith_error_set(ret_error, -ENOMEM, "loading a BPF program: no memory");
    bpf_object__for_each_program(program, object) /* one after the other: what the last one said is why it failed */
        bpf_program__set_log_buf(program, log, LOG_OCTETS);
    int r = bpf_object__load(object);
    return r < 0 ? map_kernel_explain(r, "loading a BPF program", log, ret_error) : 0;
}
