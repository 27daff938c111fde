/*
 * config/internal.h: reading libconfuse text, for policies and for the gateway's larger configuration.
 *
 * kith_config_parse_text() reads a text from memory; everything that is wrong with it is one error, "NAME:LINE: what: remedy". Options are
 * declared with KITH_CONFIG_VALUE and KITH_CONFIG_VALUES: each value then keeps the line it stands on, so that whoever judges it
 * later can say where it is. A section's `line` is that of its closing brace.
 *
 *     const cfg_opt_t options[] = {KITH_CONFIG_POLICY_SECTION("policy"), KITH_CONFIG_VALUES("listen"), CFG_END()};
 *     _cleanup_(kith_config_freep) cfg_t *cfg = NULL;
 *     r = kith_config_parse_text(text, size, "/etc/kith/kith.conf", options, &cfg, ret_error);
 *
 * What is refused before libconfuse sees the text, and why, is told in config/text.c. libconfuse keeps its scanner in globals: one
 * parse at a time in the process.
 */
#ifndef KITH_CONFIG_INTERNAL_H
#define KITH_CONFIG_INTERNAL_H

#include <confuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <kith/error.h>
#include <kith/policy.h>

#include "base/cleanup.h"

/* Octets of one quoted string or bare word: a path fits. */
#define KITH_CONFIG_STRING_MAX 4095
/* Sections in one text: libconfuse takes some kilobytes for each, and compares each title with all before it. */
#define KITH_CONFIG_SECTIONS_MAX 8192
/* Sections in sections, and options in one section. */
#define KITH_CONFIG_DEPTH_MAX 8
#define KITH_CONFIG_OPTIONS_MAX 64

/* One value as it was written. */
struct kith_config_value {
    unsigned line;
    char text[];
};

/* Rows for a cfg_opt_t array: an option with one value, and one with a list (a single value without braces will do too). */
#define KITH_CONFIG_VALUE(name) CFG_PTR_CB(name, 0, CFGF_NODEFAULT, kith_config_value_parse, kith_config_value_free)
#define KITH_CONFIG_VALUES(name) CFG_PTR_LIST_CB(name, 0, CFGF_NODEFAULT, kith_config_value_parse, kith_config_value_free)
/* A titled section that may stand there many times under different titles. libconfuse copies `options` and never writes to it. */
#define KITH_CONFIG_SECTION(name, options) CFG_SEC(name, (cfg_opt_t *)(options), CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES)

/* rule "NAME" { ... } and, for a larger configuration, policy "NAME" { rule ... }. */
#define KITH_CONFIG_RULE_SECTION KITH_CONFIG_SECTION("rule", kith_config_rule_options)
#define KITH_CONFIG_POLICY_SECTION(name) KITH_CONFIG_SECTION(name, kith_config_policy_options)
extern const cfg_opt_t kith_config_rule_options[];
extern const cfg_opt_t kith_config_set_options[];
extern const cfg_opt_t kith_config_policy_options[];

/* For the rows above. */
int kith_config_value_parse(cfg_t *section, cfg_opt_t *option, const char *text, void *result);
void kith_config_value_free(void *value);

/* Reads text[0, size). source_name stands for it in errors; it is copied. An option that is given twice in a section, an unknown option and
 * an empty list are errors. Errors: -EINVAL, -E2BIG, -ENOMEM, all with text. */
int kith_config_parse_text(const char *text, size_t size, const char *source_name, const cfg_opt_t *options, cfg_t **ret_cfg,
                           struct kith_error *ret_error);
cfg_t *kith_config_free(cfg_t *cfg);
KITH_DEFINE_CLEANUP(cfg_t *, kith_config_free)

/* A file as text, NUL-terminated (the NUL is not counted); the caller frees it. Errors: -E2BIG (more than KITH_CONFIG_TEXT_MAX), -ENOMEM,
 * those of open(2) and read(2). */
int kith_config_read_file(const char *path, char **ret_text, size_t *ret_size, struct kith_error *ret_error);

/* How many values the option has in the section, 0 when it is not there; and value `index`, NULL beyond the last. */
size_t kith_config_count(cfg_t *section, const char *option);
const struct kith_config_value *kith_config_get(cfg_t *section, const char *option, size_t index);

/* Says "source_name:line: ..." and returns code. */
int kith_config_error(struct kith_error *ret_error, int code, const char *source_name, unsigned line, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Where names of users and groups are looked up: a seam, so that tests and fuzzing need no name service. Each returns -ENOENT for
 * an unknown name. */
struct kith_config_names {
    int (*user)(void *userdata, const char *name, uid_t *ret_uid);
    int (*group)(void *userdata, const char *name, gid_t *ret_gid);
    void *userdata;
    bool files; /* policies may include files */
};

/* getpwnam_r(3) and getgrnam_r(3), with files. */
extern const struct kith_config_names kith_config_system_names;

/* The policy made by the rule sections of `section`, which may be a whole parsed text. */
int kith_config_policy_from_section(cfg_t *section, const char *source_name, kith_policy **ret_policy, struct kith_error *ret_error);
int kith_config_policy_from_section_names(cfg_t *section, const char *source_name, const struct kith_config_names *names,
                                          kith_policy **ret_policy, struct kith_error *ret_error);
int kith_config_policy_parse_names(const char *text, size_t size, const char *name, const struct kith_config_names *names,
                                   kith_policy **ret_policy, struct kith_error *ret_error);

#endif
