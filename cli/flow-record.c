/* cli/flow-record.c: kith flow record and kith flow restore. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "cli/flow.h"
#include "cli/options.h"
#include "cli/output.h"
#include "flow/guest/guest.h"
#include "flow/guest/module.h"
#include "flow/trace/run.h"

struct record {
    const char *output, *scenario, *kernel, *accelerator;
    int64_t pid, seconds; /* 0: not given */
    bool vm, probes_only;
    const char *modules[FLOW_MODULES_MAX + 1];
    size_t module_count;
    char **words;
    int word_count;
};

enum { KEY_OUTPUT, KEY_VM, KEY_KERNEL, KEY_MODULE, KEY_ACCEL, KEY_SECONDS, KEY_SCENARIO, KEY_PID, KEY_PROBES };

static const struct cli_option options[] = {
    {KEY_OUTPUT, "output", 'o', "FILE", "the recording (SCENARIO.kflow, COMMAND.kflow)"},
    {KEY_SCENARIO, "scenario", 0, "NAME", "record one of kith's own: tcp, udp, unix...; ? lists them"},
    {KEY_PID, "pid", 0, "PID", "record a running process until it ends, or until Ctrl-C"},
    {KEY_PROBES, "probes-only", 0, NULL, "sockets and packets, no functions: the traced program is hardly slowed down"},
    {KEY_VM, "vm", 0, NULL, "in a guest, which needs no root and leaves this host alone"},
    {KEY_KERNEL, "kernel", 0, "FILE", "the guest's kernel, vmlinuz, vmlinux or a package of one, .deb (one that is found here)"},
    {KEY_MODULE, "module", 0, "NAME", "load this module of that kernel before; may be given several times"},
    {KEY_ACCEL, "accel", 0, "NAME", "QEMU's accelerator: tcg, which every host has, or kvm (tcg)"},
    {KEY_SECONDS, "seconds", 0, "N", "longest time that the guest may take (120)"},
    {0},
};

static int take_option(void *state, int key, const char *value) {
    struct record *record = state;
    switch (key) {
    case KEY_OUTPUT:
        record->output = value;
        return 0;
    case KEY_SCENARIO:
        record->scenario = value;
        return 0;
    case KEY_PID:
        return cli_number("--pid", value, 1, INT32_MAX, &record->pid);
    case KEY_PROBES:
        record->probes_only = true;
        return 0;
    case KEY_VM:
        record->vm = true;
        return 0;
    case KEY_KERNEL:
        record->kernel = value;
        return 0;
    case KEY_MODULE:
        if (record->module_count == FLOW_MODULES_MAX) {
            cli_error("--module: more than %d", FLOW_MODULES_MAX);
            return CLI_USAGE;
        }
        record->modules[record->module_count++] = value;
        return 0;
    case KEY_ACCEL:
        record->accelerator = value;
        return 0;
    default:
        return cli_number("--seconds", value, 1, 3600, &record->seconds);
    }
}

static int check(const struct cli_verb *verb, const struct record *record) {
    int subjects = (record->scenario != NULL) + (record->pid > 0) + (record->word_count > 0);
    if (subjects != 1)
        return cli_usage(verb, "one thing is recorded: --scenario NAME, --pid PID or -- COMMAND");
    if (!record->vm && (record->kernel || record->module_count > 0 || record->accelerator || record->seconds))
        return cli_usage(verb, "--kernel, --module, --accel and --seconds are for a guest: --vm");
    if (record->vm && record->pid > 0)
        return cli_usage(verb, "--pid: no process of this host runs in a guest");
    return 0;
}

/* Where to ------------------------------------------------------------------------------------------------------------- */

/* A recording gets its name when it is complete; one that was cut off keeps ".part", and can be read as far as it goes. */
struct target {
    char *path, *part;
    int fd;
};

static void target_deinit(struct target *target) {
    if (target->fd >= 0 && target->part)
        unlink(target->part);
    kith_close(target->fd);
    free(target->path);
    free(target->part);
}

static int make_path(const struct record *record, char **ret_path) {
    const char *name = record->scenario ? record->scenario : record->word_count ? record->words[0] : "process";
    const char *base = strrchr(name, '/');

    if (record->output)
        *ret_path = strdup(record->output);
    else if (asprintf(ret_path, "%s.kflow", base ? base + 1 : name) < 0)
        *ret_path = NULL;
    return *ret_path ? 0 : -ENOMEM;
}

static int target_init(struct target *target, const struct record *record, struct kith_error *error) {
    if (make_path(record, &target->path) < 0 || asprintf(&target->part, "%s.part", target->path) < 0)
        return kith_error_set(error, -ENOMEM, "out of memory");
    target->fd = open(target->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    return target->fd < 0 ? kith_error_set(error, -errno, "%s: %s", target->part, kith_error_name(-errno)) : 0;
}

static int target_finish(struct target *target, struct kith_error *error) {
    if (rename(target->part, target->path) < 0)
        return kith_error_set(error, -errno, "%s: %s", target->path, kith_error_name(-errno));
    target->fd = kith_close(target->fd);
    return 0;
}

/* From what ------------------------------------------------------------------------------------------------------------ */

/* execvp(3) looks in PATH; a guest has none. */
static int find_command(const char *word, char **ret_path, struct kith_error *error) {
    const char *path = getenv("PATH");
    _cleanup_(freep) char *folders = strdup(strchr(word, '/') || !path ? "" : path);

    if (*folders == '\0') {
        *ret_path = strdup(word);
        return 0;
    }
    for (char *rest = folders, *folder; (folder = strsep(&rest, ":"));) {
        if (asprintf(ret_path, "%s/%s", folder, word) < 0)
            return kith_error_set(error, -ENOMEM, "out of memory");
        if (access(*ret_path, X_OK) == 0)
            return 0;
        free(*ret_path);
        *ret_path = NULL;
    }
    return kith_error_set(error, -ENOENT, "%s: no such command", word);
}

static int record_guest(const struct record *record, int fd, struct kith_error *error) {
    _cleanup_(freep) char *init = NULL, *program = NULL;
    int r = cli_flow_find_program(CLI_FLOW_GUEST, &init, error);
    if (r == 0)
        r = record->scenario ? cli_flow_find_program(CLI_FLOW_SCENARIO, &program, error) : find_command(record->words[0], &program, error);
    if (r < 0)
        return r;
    struct flow_guest_options guest = {
        .kernel = record->kernel,
        .modules = record->modules,
        .init = init,
        .program = program,
        .scenario = record->scenario,
        .words = record->word_count ? record->words + 1 : NULL,
        .accelerator = record->accelerator,
        .probes_only = record->probes_only,
        .seconds = (unsigned)record->seconds,
    };
    return flow_guest_record(&guest, fd, error);
}

static int record_host(const struct record *record, int fd, struct kith_error *error) {
    _cleanup_(freep) char *program = NULL;
    int status = 0, r = record->scenario ? cli_flow_find_program(CLI_FLOW_SCENARIO, &program, error) : 0;
    char *scenario[] = {program, (char *)(uintptr_t)record->scenario, NULL};
    struct flow_run run = {
        .trace = {.probes_only = record->probes_only},
        .scenario = record->scenario,
        .command = record->scenario     ? scenario
                   : record->word_count ? record->words
                                        : NULL,
        .pid = (pid_t)record->pid,
    };
    if (r == 0)
        r = flow_run(&run, fd, &status, error);
    if (r == 0 && WIFEXITED(status) && WEXITSTATUS(status) != 0)
        cli_error("%s: ended with %d", run.command[0], WEXITSTATUS(status));
    else if (r == 0 && WIFSIGNALED(status))
        cli_error("%s: ended by signal %d", run.command[0], WTERMSIG(status));
    return r;
}

/* What would work when ftrace cannot be used here: one line. */
static int check_host(const struct record *record, struct kith_error *error) {
    struct kith_error why = KITH_ERROR_NONE;
    int r = flow_trace_check(NULL, &why);

    if (r == 0 || record->pid > 0)
        return r == 0 ? 0 : kith_error_set(error, r, "%s", why.text);
    return kith_error_set(error, r, "%s; a guest can be used: kith flow record --vm %s%s", why.text,
                          record->scenario ? "--scenario " : "-- ", record->scenario ? record->scenario : record->words[0]);
}

static int list_scenarios(void) {
    _cleanup_(freep) char *text = NULL;
    struct kith_error error = KITH_ERROR_NONE;

    if (cli_flow_list_scenarios(&text, &error) < 0)
        return cli_fail(&error);
    cli_print("%s", text);
    return CLI_OK;
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    struct record record = {0};
    struct kith_error error = KITH_ERROR_NONE;
    int status = cli_options_parse(verb, argc, argv, take_option, &record, &record.words, &record.word_count);
    if (status != CLI_GO_ON)
        return status;
    if (record.scenario && strcmp(record.scenario, "?") == 0)
        return list_scenarios();
    status = check(verb, &record);
    if (status != 0)
        return status;
    _cleanup_(target_deinit) struct target target = {.fd = -1};
    int r = record.vm ? 0 : check_host(&record, &error);
    if (r == 0)
        r = target_init(&target, &record, &error);
    if (r == 0)
        r = record.vm ? record_guest(&record, target.fd, &error) : record_host(&record, target.fd, &error);
    if (r == 0)
        r = target_finish(&target, &error);
    if (r < 0)
        return cli_fail(&error);
    cli_print("%s\n", target.path);
    return CLI_OK;
}

const struct cli_verb cli_flow_record = {
    .name = "flow record",
    .summary = "record a program's way through the kernel",
    .usage = "[-o FILE] [--vm [--kernel FILE]] --scenario NAME | --pid PID | -- COMMAND...",
    .details =
        "Records which functions of the kernel's network code a program runs through, with packets and states of sockets, into one file.\n"
        "On this host that takes root and ftrace; with --vm it takes QEMU, no root, and COMMAND must be a static program.",
    .options = options,
    .run = run,
};

static int no_option(void *state, int key, const char *value) {
    return 0;
}

static int run_restore(const struct cli_verb *verb, int argc, char **argv) {
    struct kith_error error = KITH_ERROR_NONE;
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, no_option, NULL, &words, &count);
    if (status != CLI_GO_ON)
        return status;
    if (count > 0)
        return cli_usage(verb, "%s: no words are taken", words[0]);
    return flow_trace_restore(NULL, NULL, &error) < 0 ? cli_fail(&error) : CLI_OK;
}

const struct cli_verb cli_flow_restore = {
    .name = "flow restore",
    .summary = "undo the settings of a recorder that was killed",
    .usage = "",
    .details = "A recorder that is killed with SIGKILL leaves its settings of ftrace, and a file that says what they were before. This "
               "puts them back.",
    .run = run_restore,
};
