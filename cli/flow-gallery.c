/*
 * cli/flow-gallery.c: kith flow gallery: every scenario on every kernel, recorded and drawn.
 *
 * Each step is this program again, as anybody could run it: `flow record`, `flow draw`, `flow diff`. One that fails is said and costs its
 * own entry only. A recording that is there already is not made again.
 */
#include "cli/flow-gallery.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "cli/flow.h"
#include "cli/options.h"
#include "cli/output.h"
#include "flow/guest/image.h"
#include "flow/guest/kernel.h"

#define CHOSEN_MAX 32

extern char **environ;

struct chosen {
    char *names[CHOSEN_MAX];
    size_t count;
};

struct gallery {
    const char *folder, *accelerator, *seconds;
    struct chosen kernels, scenarios;
    bool again;
    struct gallery_item *items;
    size_t count, failed;
};

enum { KEY_KERNEL, KEY_SCENARIO, KEY_AGAIN, KEY_ACCEL, KEY_SECONDS };

static const struct cli_option options[] = {
    {KEY_KERNEL, "kernel", 0, "FILE",
     "this kernel (several times: these), vmlinuz, vmlinux or .deb; without it every one that is found here"},
    {KEY_SCENARIO, "scenario", 0, "NAME", "this scenario (several times: these); without it all"},
    {KEY_AGAIN, "again", 0, NULL, "record anew what was recorded already"},
    {KEY_ACCEL, "accel", 0, "NAME", "QEMU's accelerator: tcg, which every host has, or kvm (tcg)"},
    {KEY_SECONDS, "seconds", 0, "N", "longest time that a guest may take (120)"},
    {0},
};

/* Takes the text over. */
static int choose(struct chosen *chosen, char *name) {
    if (!name)
        return -ENOMEM;
    if (chosen->count == CHOSEN_MAX) {
        free(name);
        return -E2BIG;
    }
    chosen->names[chosen->count++] = name;
    return 0;
}

static void chosen_deinit(struct chosen *chosen) {
    for (size_t i = 0; i < chosen->count; i++)
        free(chosen->names[i]);
}

static void gallery_deinit(struct gallery *gallery) {
    chosen_deinit(&gallery->kernels);
    chosen_deinit(&gallery->scenarios);
    free(gallery->items);
}

static int take_option(void *state, int key, const char *value) {
    struct gallery *gallery = state;
    int64_t seconds;
    int r = 0;

    switch (key) {
    case KEY_KERNEL:
        r = choose(&gallery->kernels, strdup(value));
        break;
    case KEY_SCENARIO:
        r = choose(&gallery->scenarios, strdup(value));
        break;
    case KEY_AGAIN:
        gallery->again = true;
        break;
    case KEY_ACCEL:
        gallery->accelerator = value;
        break;
    default:
        gallery->seconds = value;
        return cli_number("--seconds", value, 1, 3600, &seconds);
    }
    if (r < 0)
        cli_error("%s: more than %d, or no memory", value, CHOSEN_MAX);
    return r < 0 ? CLI_USAGE : 0;
}

/* This program with other words -------------------------------------------------------------------------------------------- */

/* Ended by NULL; standard output goes to the file. Returns its exit status, or a negative errno. */
static int run_self(const char *const *words, const char *output) {
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    int r = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, (char *const *)(uintptr_t)words, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (r != 0)
        return -r;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

/* What it has to say about a failure it has said itself. */
static bool is_done(const char *const *words, const char *output) {
    int r = run_self(words, output);

    if (r < 0)
        cli_error("%s %s: %s", words[1], words[2], kith_error_name(r));
    return r == CLI_OK;
}

/* FOLDER/KERNEL/SCENARIO and what stands behind it; to free(). NULL: no memory. */
static char *path_of(const struct gallery *gallery, const struct gallery_item *item, const char *dash, const char *part, const char *end) {
    char *path;

    return asprintf(&path, "%s/%s/%s%s%s%s", gallery->folder, item->kernel, item->scenario, dash, part, end) < 0 ? NULL : path;
}

/* A scenario ------------------------------------------------------------------------------------------------------------------ */

static bool record(const struct gallery *gallery, const char *kernel, const struct gallery_item *item, const char *path) {
    const char *words[16] = {"kith", "flow", "record", "--vm", "--kernel", kernel, "--scenario", item->scenario, "-o", path};
    size_t count = 10;

    if (!gallery->again && access(path, R_OK) == 0)
        return true;
    if (gallery->accelerator) {
        words[count++] = "--accel";
        words[count++] = gallery->accelerator;
    }
    if (gallery->seconds) {
        words[count++] = "--seconds";
        words[count] = gallery->seconds;
    }
    return is_done(words, "/dev/null");
}

static void add_call(struct gallery_item *item, const char *name) {
    char word[GALLERY_NAME_MAX];

    flow_select_word(name, word, sizeof(word));
    for (size_t i = 0; i < item->call_count; i++)
        if (strcmp(item->calls[i], word) == 0)
            return;
    if (item->call_count < GALLERY_CALLS_MAX && strchr(word, '/') == NULL)
        memcpy(item->calls[item->call_count++], word, sizeof(word));
}

/* The calls that tasks made, in the order in which each was first made. */
static int look(struct gallery_item *item, const char *path, struct kith_error *error) {
    _cleanup_(flow_model_freep) struct flow_model *model = NULL;
    int r = cli_flow_load(path, &model, error);

    if (r < 0)
        return r;
    for (size_t i = 0; i < model->call_count; i++)
        if (model->calls[i].parent == FLOW_NONE && model->calls[i].lane != FLOW_SOFTIRQ)
            add_call(item, model->functions[model->calls[i].function].name);
    for (size_t i = 0; i < model->mark_count; i++)
        item->packets += model->marks[i].type == FLOW_MARK_PACKET && !model->marks[i].packet.sent;
    for (size_t i = 0; i < model->function_count; i++)
        item->functions += model->functions[i].calls > 0;
    item->lost = model->lost_events;
    return 0;
}

static bool draw(const struct gallery *gallery, const struct gallery_item *item, const char *recording) {
    _cleanup_(freep) char *svg = path_of(gallery, item, "", "", ".svg"), *html = path_of(gallery, item, "", "", ".html");
    bool done = svg && html && is_done((const char *[]){"kith", "flow", "draw", recording, "--svg", svg, NULL}, "/dev/null") &&
                is_done((const char *[]){"kith", "flow", "draw", recording, "--html", html, NULL}, "/dev/null");

    for (size_t i = 0; done && i < item->call_count; i++) {
        _cleanup_(freep) char *path = path_of(gallery, item, "-", item->calls[i], ".svg");
        char call[GALLERY_NAME_MAX + 2];
        snprintf(call, sizeof(call), "%s:1", item->calls[i]);
        done = path && is_done((const char *[]){"kith", "flow", "draw", recording, "--svg", path, "--call", call, NULL}, "/dev/null");
    }
    return done;
}

/* With the same scenario on the kernel before. */
static void compare(const struct gallery *gallery, struct gallery_item *item, const char *recording) {
    for (size_t i = gallery->count; i-- > 0;) {
        const struct gallery_item *other = &gallery->items[i];
        if (strcmp(other->scenario, item->scenario) != 0 || strcmp(other->kernel, item->kernel) == 0)
            continue;
        _cleanup_(freep) char *before = path_of(gallery, other, "", "", ".kflow");
        _cleanup_(freep) char *text = path_of(gallery, item, "-from-", other->kernel, ".txt");
        int r = before && text ? run_self((const char *[]){"kith", "flow", "diff", before, recording, NULL}, text) : -ENOMEM;
        if (r == 0 || r == 1) /* the same, or not: as diff(1) */
            memcpy(item->compared_with, other->kernel, sizeof(item->compared_with));
        return;
    }
}

static bool make_item(const struct gallery *gallery, const char *kernel, struct gallery_item *item) {
    _cleanup_(freep) char *recording = path_of(gallery, item, "", "", ".kflow");
    struct kith_error error = KITH_ERROR_NONE;

    if (!recording || !record(gallery, kernel, item, recording))
        return false;
    if (look(item, recording, &error) < 0) {
        cli_error("%s", error.text);
        return false;
    }
    compare(gallery, item, recording);
    return draw(gallery, item, recording);
}

/* A kernel ----------------------------------------------------------------------------------------------------------------------- */

static int version_of(const char *path, char *version, size_t room, struct kith_error *error) {
    struct flow_kernel kernel = FLOW_KERNEL_NONE;
    int r = flow_kernel_load(&kernel, path, NULL, error);

    if (r == 0) {
        flow_image_version(kernel.image, kernel.size, version, room);
        if (!*version)
            r = kith_error_set(error, -EINVAL, "%s: this kernel does not say its version", path);
    }
    flow_kernel_deinit(&kernel);
    return r;
}

static int make_folder(const char *path, struct kith_error *error) {
    return mkdir(path, 0777) < 0 && errno != EEXIST ? kith_error_set(error, -errno, "%s: %s", path, kith_error_name(-errno)) : 0;
}

static bool is_made(const struct gallery *gallery, const char *version) {
    for (size_t i = 0; i < gallery->count; i++)
        if (strcmp(gallery->items[i].kernel, version) == 0)
            return true;
    return false;
}

static int make_kernel(struct gallery *gallery, const char *path, struct kith_error *error) {
    _cleanup_(freep) char *folder = NULL;
    char version[GALLERY_NAME_MAX];
    int r = version_of(path, version, sizeof(version), error);

    if (r < 0 || is_made(gallery, version))
        return r;
    if (asprintf(&folder, "%s/%s", gallery->folder, version) < 0)
        return kith_error_set(error, -ENOMEM, "out of memory");
    r = make_folder(folder, error);
    for (size_t i = 0; r == 0 && i < gallery->scenarios.count; i++) {
        struct gallery_item *item = &gallery->items[gallery->count];
        memset(item, 0, sizeof(*item));
        memcpy(item->kernel, version, sizeof(version));
        snprintf(item->scenario, sizeof(item->scenario), "%s", gallery->scenarios.names[i]);
        bool made = make_item(gallery, path, item);
        cli_print("%s  %-16s  %s\n", version, item->scenario, made ? "done" : "failed");
        gallery->count += made;
        gallery->failed += !made;
    }
    return r;
}

/* All ---------------------------------------------------------------------------------------------------------------------------- */

static int find_scenarios(struct gallery *gallery, struct kith_error *error) {
    _cleanup_(freep) char *text = NULL;
    int r = gallery->scenarios.count > 0 ? 0 : cli_flow_list_scenarios(&text, error);

    for (char *rest = text, *name; r == 0 && rest && (name = strsep(&rest, "\n"));)
        if (*name)
            r = choose(&gallery->scenarios, strdup(name));
    return r < 0 && error->code == 0 ? kith_error_set(error, r, "more than %d scenarios", CHOSEN_MAX) : r;
}

static int find_kernels(struct gallery *gallery, struct kith_error *error) {
    char **paths = NULL;
    int r = gallery->kernels.count > 0 ? 0 : flow_image_find_all(&paths, error);

    for (size_t i = 0; r == 0 && paths && paths[i]; i++)
        r = choose(&gallery->kernels, paths[i]); /* which frees what is too much */
    free(paths);
    return r < 0 && error->code == 0 ? kith_error_set(error, r, "more than %d kernels", CHOSEN_MAX) : r;
}

static int make(struct gallery *gallery, struct kith_error *error) {
    int r = find_scenarios(gallery, error);

    if (r == 0)
        r = find_kernels(gallery, error);
    if (r == 0)
        r = make_folder(gallery->folder, error);
    if (r < 0)
        return r;
    gallery->items = calloc(gallery->kernels.count * gallery->scenarios.count + 1, sizeof(*gallery->items));
    if (!gallery->items)
        return kith_error_set(error, -ENOMEM, "out of memory");
    for (size_t i = 0; i < gallery->kernels.count; i++) {
        if (make_kernel(gallery, gallery->kernels.names[i], error) == 0)
            continue;
        cli_error("%s", error->text);
        gallery->failed++;
    }
    return cli_flow_gallery_index(gallery->folder, gallery->items, gallery->count, error);
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    _cleanup_(gallery_deinit) struct gallery gallery = {0};
    struct kith_error error = KITH_ERROR_NONE;
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &gallery, &words, &count);

    if (status != CLI_GO_ON)
        return status;
    if (count != 1)
        return cli_usage(verb, "into which folder?");
    gallery.folder = words[0];
    if (make(&gallery, &error) < 0)
        return cli_fail(&error);
    cli_print("%s/index.html\n", gallery.folder);
    return gallery.failed > 0 ? CLI_ERROR : CLI_OK;
}

const struct cli_verb cli_flow_gallery = {
    .name = "flow gallery",
    .summary = "record and draw every scenario on every kernel",
    .usage = "DIR [--kernel FILE]... [--scenario NAME]... [--again] [--accel NAME] [--seconds N]",
    .details = "Records kith's scenarios in guests, and writes charts, pages and an index of them into DIR. What is there already is not "
               "recorded again. It takes about ten seconds a scenario and kernel.",
    .options = options,
    .run = run,
};
