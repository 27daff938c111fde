/*
 * config/parse.c: libconfuse, with its errors caught and its values keeping their lines. See config/internal.h.
 *
 * libconfuse hands its error function no pointer of ours, so the parse that runs is kept in a variable of the thread; outside of a parse
 * it is NULL and what libconfuse says goes nowhere. Only the first error counts: those behind it follow from it.
 *
 * When memory runs out inside libconfuse's scanner it ends the process (flex's default); the limits on text and strings keep what it asks
 * for there below a few kilobytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <kith/config.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "config/internal.h"
#include "config/text.h"

struct parse {
    const char *source_name;
    struct kith_error error;
};

static _Thread_local struct parse *running;

/* Errors --------------------------------------------------------------------------------------------------------- */

int kith_config_error(struct kith_error *ret_error, int code, const char *source_name, unsigned line, const char *format, ...) {
    char text[KITH_ERROR_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return kith_error_set(ret_error, code, "%s:%u: %s", source_name, line, text);
}

/* "known here are a, b and c" would need the last one known in advance: a plain list will do. */
static void put_options(struct kith_text *text, const cfg_t *section) {
    kith_text_puts(text, "here there are");
    for (const cfg_opt_t *option = section->opts; option && option->name; option++) {
        kith_text_puts(text, option == section->opts ? " " : ", ");
        kith_text_puts(text, option->name);
    }
}

/* What to do about libconfuse's messages, by how they begin. A translated message finds none and goes without. */
static const struct {
    const char *begin, *remedy;
} remedies[] = {
    {"missing equal sign", "write NAME = VALUE"},
    {"missing opening brace", "write { behind it, and } behind its last option"},
    {"missing title", "write its name in quotes, then {"},
    {"premature end of file", "a value or a closing brace is missing"},
    {"unexpected closing brace", "it closes nothing: remove it"},
    {"unexpected token", "check the quotes, commas and braces in front of it"},
    {"found duplicate title", "give each section a name of its own"},
    {"attempt to append", "write = instead of +="},
};

static void put_remedy(struct kith_text *text, const cfg_t *section, const char *message) {
    if (strncmp(message, "no such option", strlen("no such option")) == 0) {
        kith_text_puts(text, ": ");
        put_options(text, section);
        return;
    }
    for (size_t i = 0; i < KITH_ARRAY_SIZE(remedies); i++) {
        if (strncmp(message, remedies[i].begin, strlen(remedies[i].begin)) == 0) {
            kith_text_puts(text, ": ");
            kith_text_puts(text, remedies[i].remedy);
            return;
        }
    }
}

/* cfg_errfunc_t. The section is the one being read and has the line. */
static void __attribute__((format(printf, 2, 0))) catch_error(cfg_t *section, const char *format, va_list args) {
    char message[KITH_ERROR_TEXT_MAX], hint[KITH_ERROR_TEXT_MAX];

    if (!running || running->error.code != 0)
        return;
    vsnprintf(message, sizeof(message), format, args);
    struct kith_text remedy = kith_text_init(hint, sizeof(hint));
    put_remedy(&remedy, section, message);
    kith_config_error(&running->error, -EINVAL, running->source_name, (unsigned)section->line, "%s%s", message, hint);
}

/* Values --------------------------------------------------------------------------------------------------------- */

int kith_config_value_parse(cfg_t *section, cfg_opt_t *option, const char *text, void *result) {
    size_t size = strlen(text) + 1;
    struct kith_config_value *value = (struct kith_config_value *)malloc(sizeof(*value) + size);
    if (!value) {
        if (running && running->error.code == 0)
            kith_config_error(&running->error, -ENOMEM, running->source_name, (unsigned)section->line, "out of memory");
        return -1;
    }
    value->line = (unsigned)section->line;
    memcpy(value->text, text, size);
    *(struct kith_config_value **)result = value;
    return 0;
}

void kith_config_value_free(void *value) {
    free(value);
}

size_t kith_config_count(cfg_t *section, const char *option) {
    return cfg_size(section, option);
}

const struct kith_config_value *kith_config_get(cfg_t *section, const char *option, size_t index) {
    return index < cfg_size(section, option) ? (const struct kith_config_value *)cfg_getnptr(section, option, (unsigned)index) : NULL;
}

/* Parsing -------------------------------------------------------------------------------------------------------- */

/* An empty list leaves no value and no line: the section's has to do. */
static int refuse_empty_lists(cfg_t *section, const char *source_name, struct kith_error *ret_error) {
    for (cfg_opt_t *option = section->opts; option && option->name; option++) {
        if (option->type != CFGT_SEC && (option->flags & CFGF_LIST) && (option->flags & CFGF_MODIFIED) && cfg_opt_size(option) == 0)
            return kith_config_error(ret_error, -EINVAL, source_name, (unsigned)section->line,
                                     "%s of this section is an empty list: give it a value or leave it out", option->name);
        for (unsigned i = 0; option->type == CFGT_SEC && i < cfg_opt_size(option); i++) {
            int r = refuse_empty_lists(cfg_opt_getnsec(option, i), source_name, ret_error);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int parse(cfg_t *cfg, const char *text, const char *source_name, struct kith_error *ret_error) {
    struct parse parse = {.source_name = source_name};

    cfg_set_error_function(cfg, catch_error);
    running = &parse;
    /* libconfuse takes an old ERANGE for its own. */
    errno = 0;
    int r = cfg_parse_buf(cfg, text);
    int error = errno;
    running = NULL;

    if (r == CFG_SUCCESS)
        return refuse_empty_lists(cfg, source_name, ret_error);
    if (parse.error.code != 0)
        return kith_error_set(ret_error, parse.error.code, "%s", parse.error.text);
    if (error == ENOMEM)
        return kith_error_set(ret_error, -ENOMEM, "%s: out of memory", source_name);
    return kith_config_error(ret_error, -EINVAL, source_name, (unsigned)cfg->line, "cannot be read: check what stands above this line");
}

int kith_config_parse_text(const char *text, size_t size, const char *source_name, const cfg_opt_t *options, cfg_t **ret_cfg,
                           struct kith_error *ret_error) {
    if (size > KITH_CONFIG_TEXT_MAX)
        return kith_error_set(ret_error, -E2BIG, "%s: the text has %zu octets: at most %d are read", source_name, size,
                              KITH_CONFIG_TEXT_MAX);
    const char *nul = size > 0 ? (const char *)memchr(text, '\0', size) : NULL;
    if (nul)
        return kith_error_set(ret_error, -EINVAL, "%s: a NUL at octet %td: this is no text file", source_name, nul - text);

    _cleanup_(kith_config_freep) cfg_t *cfg = NULL;
    char *copy = strndup(size > 0 ? text : "", size);
    if (!copy)
        return kith_error_set(ret_error, -ENOMEM, "%s: out of memory", source_name);

    int r = kith_config_text_prepare(copy, size, source_name, ret_error);
    if (r == 0) {
        /* libconfuse copies the options and writes to the copy. */
        cfg = cfg_init((cfg_opt_t *)options, CFGF_NONE);
        r = cfg ? parse(cfg, copy, source_name, ret_error) : kith_error_set(ret_error, -ENOMEM, "%s: out of memory", source_name);
    }
    free(copy);
    if (r < 0)
        return r;
    *ret_cfg = KITH_STEAL(cfg);
    return 0;
}

cfg_t *kith_config_free(cfg_t *cfg) {
    if (cfg)
        cfg_free(cfg);
    return NULL;
}

/* Files ---------------------------------------------------------------------------------------------------------- */

int kith_config_read_file(const char *path, char **ret_text, size_t *ret_size, struct kith_error *ret_error) {
    int r = kith_file_read(AT_FDCWD, path, KITH_CONFIG_TEXT_MAX, ret_text, ret_size);
    if (r == -EFBIG)
        return kith_error_set(ret_error, -E2BIG, "%s: larger than %d octets: split it", path, KITH_CONFIG_TEXT_MAX);
    return r < 0 ? kith_error_set(ret_error, r, "%s: cannot be read: %s", path, kith_error_name(r)) : 0;
}
