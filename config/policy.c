/*
 * config/policy.c: sets, rules and included files, in the order in which they stand, become a policy.
 *
 * libconfuse keeps what is of one kind together; the order between kinds is that of the lines (a section's is that of its closing brace).
 * An included file is read when the walk comes to its line, so its rules stand where the include does. It is parsed after the text that
 * includes it has been: libconfuse reads one text at a time.
 */
#include <errno.h>
#include <glob.h>
#include <kith/config.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "config/maker.h"

KITH_DEFINE_CLEANUP(kith_policy *, kith_policy_unref)

/* Files that include each other. */
#define INCLUDE_DEPTH_MAX 8
/* Files of one policy. */
#define INCLUDES_MAX 256

const cfg_opt_t kith_config_policy_options[] = {
    KITH_CONFIG_VALUES("include"),
    KITH_CONFIG_VALUE("default"),
    KITH_CONFIG_SECTION("set", kith_config_set_options),
    KITH_CONFIG_RULE_SECTION,
    CFG_END(),
};

/* An included file: its name and its sections are used until the policy is made. */
struct file {
    char *name;
    cfg_t *cfg;
};

struct work {
    struct kith_config_maker maker;
    struct file files[INCLUDES_MAX];
    size_t file_count;
};

/* A text that is walked through, and the one that includes it. */
struct text {
    const struct text *parent;
    const char *name;
    cfg_t *section;
    unsigned depth;
    /* Which file it is; 0: none. */
    dev_t device;
    ino_t inode;
};

#define text_fail(work, text, code, line, ...) kith_config_maker_fail(&(work)->maker, (text)->name, code, line, __VA_ARGS__)

static int walk(struct work *work, const struct text *text);

/* Includes -------------------------------------------------------------------------------------------------------- */

static int check_cycle(struct work *work, const struct text *text, unsigned line, const char *path, const struct stat *stat) {
    for (const struct text *above = text; above; above = above->parent)
        if (above->device == stat->st_dev && above->inode == stat->st_ino)
            return text_fail(work, text, -EINVAL, line, "%s includes itself%s%s: remove one of the includes", path,
                             above == text ? "" : " by way of ", above == text ? "" : text->name);
    if (text->depth == INCLUDE_DEPTH_MAX)
        return text_fail(work, text, -EINVAL, line, "%s is more than %d includes deep: include it from a file further up", path,
                         INCLUDE_DEPTH_MAX);
    if (work->file_count == INCLUDES_MAX)
        return text_fail(work, text, -E2BIG, line, "%s is one file too many: at most %d are included", path, INCLUDES_MAX);
    return 0;
}

static int parse_file(struct work *work, const char *path, struct file *file) {
    char *octets;
    size_t size;
    int r = kith_config_read_file(path, &octets, &size, work->maker.error);

    if (r < 0)
        return r;
    r = kith_config_parse_text(octets, size, file->name, kith_config_policy_options, &file->cfg, work->maker.error);
    free(octets);
    return r;
}

static int include_file(struct work *work, const struct text *text, unsigned line, const char *path) {
    struct stat stat_of_it;

    if (stat(path, &stat_of_it) < 0)
        return text_fail(work, text, -errno, line, "%s cannot be included: %s", path, kith_error_name(-errno));
    if (!S_ISREG(stat_of_it.st_mode))
        return text_fail(work, text, -EINVAL, line, "%s is no regular file: include the files in it by \"%s/*.policy\"", path, path);
    int r = check_cycle(work, text, line, path, &stat_of_it);
    if (r < 0)
        return r;

    struct file *file = &work->files[work->file_count];
    file->name = strdup(path);
    if (!file->name)
        return text_fail(work, text, -ENOMEM, line, "out of memory");
    work->file_count++;
    r = parse_file(work, path, file);
    if (r < 0)
        return r;
    const struct text included = {
        .parent = text,
        .name = file->name,
        .section = file->cfg,
        .depth = text->depth + 1,
        .device = stat_of_it.st_dev,
        .inode = stat_of_it.st_ino,
    };
    return walk(work, &included);
}

/* Relative to the file that includes. */
static int path_of(struct work *work, const struct text *text, const struct kith_config_value *value, char path[PATH_MAX]) {
    const char *slash = value->text[0] == '/' ? NULL : strrchr(text->name, '/');
    int folder = slash ? (int)(slash - text->name) + 1 : 0;
    int size = snprintf(path, PATH_MAX, "%.*s%s", folder, text->name, value->text);

    if (size >= PATH_MAX)
        return text_fail(work, text, -ENAMETOOLONG, value->line, "the path has %d octets: at most %d are possible", size, PATH_MAX - 1);
    return 0;
}

/* A glob that finds nothing includes nothing; a name without wildcards has to be there. */
static int include(struct work *work, const struct text *text, const struct kith_config_value *value) {
    char path[PATH_MAX];
    glob_t found = {.gl_pathc = 0};
    int r = path_of(work, text, value, path);

    if (r < 0)
        return r;
    if (!work->maker.names->files)
        return text_fail(work, text, -EINVAL, value->line, "\"%.64s\": nothing is included here", value->text);
    switch (glob(path, GLOB_NOMAGIC, NULL, &found)) {
    case 0:
        for (size_t i = 0; r == 0 && i < found.gl_pathc; i++)
            r = include_file(work, text, value->line, found.gl_pathv[i]);
        break;
    case GLOB_NOMATCH:
        break;
    default:
        r = text_fail(work, text, -EIO, value->line, "\"%.64s\" cannot be looked for: its folder cannot be read, or memory ran out",
                      value->text);
    }
    globfree(&found);
    return r;
}

/* The walk -------------------------------------------------------------------------------------------------------- */

static int set_default(struct work *work, const struct text *text) {
    const struct kith_config_value *value = kith_config_get(text->section, "default", 0);
    bool allow;

    if (!value)
        return 0;
    allow = strcmp(value->text, "allow") == 0;
    if (!allow && strcmp(value->text, "deny") != 0)
        return text_fail(work, text, -EINVAL, value->line, "\"%.64s\" is no default: write deny or allow", value->text);
    if (work->maker.default_source)
        return text_fail(work, text, -EINVAL, value->line, "%s has given a default already: remove one of the two",
                         work->maker.default_source);
    work->maker.default_source = text->name;
    return kith_policy_set_default(work->maker.policy, allow);
}

/* The line of a section, INT_MAX beyond the last. */
static unsigned line_of(cfg_t *section, const char *kind, unsigned index) {
    return index < cfg_size(section, kind) ? (unsigned)cfg_getnsec(section, kind, index)->line : INT_MAX;
}

static int walk(struct work *work, const struct text *text) {
    const struct kith_config_value *value;
    unsigned sets = 0, rules = 0;
    size_t includes = 0;
    int r = set_default(work, text);

    while (r == 0) {
        unsigned set_line = line_of(text->section, "set", sets), rule_line = line_of(text->section, "rule", rules);
        unsigned section_line = set_line < rule_line ? set_line : rule_line;

        value = kith_config_get(text->section, "include", includes);
        if (value && value->line == section_line)
            return text_fail(work, text, -EINVAL, value->line, "an include on a line with a rule or a set: write it on a line of its own");
        if (value && value->line < section_line) {
            r = include(work, text, value);
            includes++;
        } else if (section_line == INT_MAX) {
            break;
        } else if (set_line <= rule_line) {
            r = kith_config_maker_set(&work->maker, cfg_getnsec(text->section, "set", sets++), text->name);
        } else {
            r = kith_config_maker_rule(&work->maker, cfg_getnsec(text->section, "rule", rules++), text->name);
        }
    }
    return r;
}

static struct work *work_free(struct work *work) {
    if (!work)
        return NULL;
    for (size_t i = 0; i < work->file_count; i++) {
        kith_config_free(work->files[i].cfg);
        free(work->files[i].name);
    }
    free(work->maker.sets);
    kith_policy_unref(work->maker.policy);
    free(work);
    return NULL;
}

KITH_DEFINE_CLEANUP(struct work *, work_free)

int kith_config_policy_from_section_names(cfg_t *section, const char *source_name, const struct kith_config_names *names,
                                          kith_policy **ret_policy, struct kith_error *ret_error) {
    _cleanup_(work_freep) struct work *work = (struct work *)calloc(1, sizeof(*work));
    struct stat stat_of_it;

    if (!work || kith_policy_new(&work->maker.policy) < 0)
        return kith_error_set(ret_error, -ENOMEM, "%s: out of memory", source_name);
    work->maker.names = names;
    work->maker.error = ret_error;

    struct text text = {.name = source_name, .section = section};
    if (names->files && stat(source_name, &stat_of_it) == 0) {
        text.device = stat_of_it.st_dev;
        text.inode = stat_of_it.st_ino;
    }
    int r = walk(work, &text);
    if (r == 0)
        *ret_policy = KITH_STEAL(work->maker.policy);
    return r;
}

int kith_config_policy_from_section(cfg_t *section, const char *source_name, kith_policy **ret_policy, struct kith_error *ret_error) {
    return kith_config_policy_from_section_names(section, source_name, &kith_config_system_names, ret_policy, ret_error);
}

int kith_config_policy_parse_names(const char *text, size_t size, const char *name, const struct kith_config_names *names,
                                   kith_policy **ret_policy, struct kith_error *ret_error) {
    _cleanup_(kith_config_freep) cfg_t *cfg = NULL;
    int r = kith_config_parse_text(text, size, name, kith_config_policy_options, &cfg, ret_error);

    return r < 0 ? r : kith_config_policy_from_section_names(cfg, name, names, ret_policy, ret_error);
}

int kith_config_policy_parse(const char *text, size_t size, const char *name, kith_policy **ret_policy, struct kith_error *ret_error) {
    if ((!text && size > 0) || !name || !ret_policy)
        return kith_error_set(ret_error, -EINVAL, "a policy needs a text and a name for it");
    return kith_config_policy_parse_names(text, size, name, &kith_config_system_names, ret_policy, ret_error);
}

int kith_config_policy_load(const char *path, kith_policy **ret_policy, struct kith_error *ret_error) {
    char *text;
    size_t size;

    if (!path || !ret_policy)
        return kith_error_set(ret_error, -EINVAL, "a policy file needs a path");
    int r = kith_config_read_file(path, &text, &size, ret_error);
    if (r < 0)
        return r;
    r = kith_config_policy_parse(text, size, path, ret_policy, ret_error);
    free(text);
    return r;
}
