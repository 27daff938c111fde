/*
 * gateway/config-values.c: see config-reader.h.
 */
#include "gateway/config-reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <kith/config.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "gateway/cleanup.h"

#define KEY_FILE_MAX 1024
#define MS_MAX (INT64_C(24) * 3600 * 1000)

void gateway_strings_free(char **strings) {
    for (char **string = strings; string && *string; string++)
        free(*string);
    free(strings);
}

int gateway_reader_no_memory(struct gateway_reader *reader) {
    return kith_error_set(reader->error, -ENOMEM, "%s: out of memory", reader->name);
}

/* Values ----------------------------------------------------------------------------------------------------------- */

int gateway_reader_number(struct gateway_reader *reader, cfg_t *section, const char *option, int64_t min, int64_t max, int64_t *number) {
    const struct kith_config_value *value = kith_config_get(section, option, 0);
    if (!value)
        return 0;
    char *end;
    errno = 0;
    long long n = strtoll(value->text, &end, 0);
    if (end == value->text || *end || errno || n < min || n > max)
        return gateway_reader_fail(reader, -EINVAL, value->line, "%s = \"%.64s\": write a number from %lld to %lld", option, value->text,
                                   (long long)min, (long long)max);
    *number = n;
    return 0;
}

int gateway_reader_size(struct gateway_reader *reader, cfg_t *section, const char *option, int64_t min, size_t *size) {
    int64_t number = (int64_t)*size;
    int r = gateway_reader_number(reader, section, option, min, INT64_C(1) << 40, &number);
    *size = (size_t)number;
    return r;
}

/* In base 8 with and without the 0 in front, as chmod(1) takes them: 444 in base 10 would let others write. */
int gateway_reader_mode(struct gateway_reader *reader, cfg_t *section, const char *option, unsigned *mode) {
    const struct kith_config_value *value = kith_config_get(section, option, 0);
    if (!value)
        return 0;
    char *end;
    long bits = strtol(value->text, &end, 8);
    if (end == value->text || *end || bits < 0 || bits > 0777)
        return gateway_reader_fail(reader, -EINVAL, value->line, "%s = \"%.64s\": write permission bits as for chmod(1), 0 to 0777", option,
                                   value->text);
    *mode = (unsigned)bits;
    return 0;
}

int gateway_reader_ms(struct gateway_reader *reader, cfg_t *section, const char *option, int64_t min, uint64_t *ms) {
    int64_t number = (int64_t)*ms;
    int r = gateway_reader_number(reader, section, option, min, MS_MAX, &number);
    *ms = (uint64_t)number;
    return r;
}

static int check_endpoint(struct gateway_reader *reader, const struct kith_config_value *value, bool listening) {
    struct kith_error error = KITH_ERROR_NONE;
    int r = kith_endpoint_check(value->text, listening, &error);
    return r < 0 ? gateway_reader_fail(reader, r, value->line, "%s", error.text) : 0;
}

int gateway_reader_texts(struct gateway_reader *reader, cfg_t *section, const char *option, char ***ret_texts) {
    size_t count = kith_config_count(section, option);
    if (count == 0)
        return 0;
    char **texts = *ret_texts = calloc(count + 1, sizeof(*texts));
    if (!texts)
        return gateway_reader_no_memory(reader);
    for (size_t i = 0; i < count; i++) {
        texts[i] = strdup(kith_config_get(section, option, i)->text);
        if (!texts[i])
            return gateway_reader_no_memory(reader);
    }
    return 0;
}

int gateway_reader_endpoints(struct gateway_reader *reader, cfg_t *section, const char *option, bool listening, char ***ret_endpoints) {
    for (size_t i = 0; i < kith_config_count(section, option); i++) {
        int r = check_endpoint(reader, kith_config_get(section, option, i), listening);
        if (r < 0)
            return r;
    }
    return gateway_reader_texts(reader, section, option, ret_endpoints);
}

int gateway_reader_text(struct gateway_reader *reader, cfg_t *section, const char *option, char **ret_text) {
    const struct kith_config_value *value = kith_config_get(section, option, 0);
    if (!value)
        return 0;
    *ret_text = strdup(value->text);
    return *ret_text ? 0 : gateway_reader_no_memory(reader);
}

/* A secret key, as `kith keygen --out` writes it. Others must not have been able to read it. */
int gateway_reader_key_file(struct gateway_reader *reader, cfg_t *section, const char *option, uint8_t key[static KITH_CURVE_KEY_SIZE]) {
    const struct kith_config_value *value = kith_config_get(section, option, 0);
    _cleanup_(freep) char *text = NULL;
    struct stat status;
    if (stat(value->text, &status) == 0 && (status.st_mode & S_IRWXO))
        return gateway_reader_fail(reader, -EPERM, value->line,
                                   "%s: everybody may read or write this secret: chmod o= %s, and make a new one", value->text,
                                   value->text);
    int r = kith_file_read(AT_FDCWD, value->text, KEY_FILE_MAX, &text, NULL);
    if (r < 0)
        return gateway_reader_fail(reader, r, value->line, "%s: %s", value->text, kith_error_name(r));
    text[strcspn(text, "\n")] = '\0';
    size_t size = strlen(text);
    r = size == KITH_CURVE_TEXT_SIZE - 1 ? kith_z85_decode(text, size, key, KITH_CURVE_KEY_SIZE) : -EINVAL;
    explicit_bzero(text, size);
    if (r < 0)
        return gateway_reader_fail(reader, -EINVAL, value->line, "%s: not a secret key of 40 characters (Z85): kith keygen --out makes one",
                                   value->text);
    return 0;
}

/* Words ------------------------------------------------------------------------------------------------------------- */

int gateway_reader_word(struct gateway_reader *reader, cfg_t *section, const char *option, const char *const *words, size_t count,
                        unsigned *ret_index) {
    const struct kith_config_value *value = kith_config_get(section, option, 0);
    char choice[128];
    struct kith_text text = kith_text_init(choice, sizeof(choice));
    if (!value)
        return 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(words[i], value->text) == 0) {
            *ret_index = (unsigned)i;
            return 0;
        }
        kith_text_printf(&text, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", words[i]);
    }
    return gateway_reader_fail(reader, -EINVAL, value->line, "%s = \"%.64s\": write %s", option, value->text, choice);
}

int gateway_reader_flag(struct gateway_reader *reader, cfg_t *section, const char *option, bool *flag) {
    static const char *const words[] = {"no", "yes"};
    unsigned index = *flag;
    int r = gateway_reader_word(reader, section, option, words, KITH_ARRAY_SIZE(words), &index);
    *flag = index != 0;
    return r;
}

/* Policies ---------------------------------------------------------------------------------------------------------- */

/* A file named in the configuration lies beside it, unless its path is absolute. */
static int load_policy(struct gateway_reader *reader, const struct kith_config_value *value, kith_policy **ret_policy) {
    const char *slash = value->text[0] == '/' ? NULL : strrchr(reader->name, '/');
    _cleanup_(freep) char *path = NULL;
    if (asprintf(&path, "%.*s%s", slash ? (int)(slash - reader->name + 1) : 0, reader->name, value->text) < 0) {
        path = NULL;
        return gateway_reader_no_memory(reader);
    }
    struct kith_error error = KITH_ERROR_NONE;
    int r = kith_config_policy_load(path, ret_policy, &error);
    return r < 0 ? gateway_reader_fail(reader, r, value->line, "policy: %s", error.text) : 0;
}

int gateway_reader_policy(struct gateway_reader *reader, cfg_t *section, const char *option, kith_policy **ret_policy) {
    const struct kith_config_value *value = kith_config_get(section, option, 0);
    if (!value)
        return 0;
    if (strchr(value->text, '/'))
        return load_policy(reader, value, ret_policy);
    for (size_t i = 0; i < reader->policy_count; i++) {
        if (strcmp(cfg_title(cfg_getnsec(reader->cfg, "policy", (unsigned)i)), value->text) == 0) {
            *ret_policy = kith_policy_ref(reader->policies[i]);
            return 0;
        }
    }
    return gateway_reader_fail(reader, -EINVAL, value->line,
                               "%s: there is no policy \"%.64s\": write policy \"%.64s\" { rule ... }, or a path with a /", option,
                               value->text, value->text);
}

/* Sockets and names -------------------------------------------------------------------------------------------------- */

/* "max_message" -> the row of "max-message"; NULL: it is no option of sockets. */
static const struct kith_option_info *find_socket_option(const char *name) {
    size_t count;
    const struct kith_option_info *table = kith_socket_options(&count);
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (name[k] && (table[i].name[k] == name[k] || (name[k] == '_' && table[i].name[k] == '-')))
            k++;
        if (!name[k] && !table[i].name[k])
            return &table[i];
    }
    return NULL;
}

int gateway_reader_socket_options(struct gateway_reader *reader, cfg_t *section, const cfg_opt_t *rows, struct gateway_option **ret_options,
                                  size_t *ret_count) {
    struct gateway_option *options = calloc(KITH_OPTION_COUNT_, sizeof(*options));
    if (!options)
        return gateway_reader_no_memory(reader);
    *ret_options = options;
    for (const cfg_opt_t *row = rows; row->name; row++) {
        const struct kith_option_info *info = find_socket_option(row->name);
        if (!info || !kith_config_get(section, row->name, 0))
            continue;
        struct gateway_option *option = &options[(*ret_count)++];
        option->option = info->option;
        int r = gateway_reader_number(reader, section, row->name, info->min, info->max, &option->value);
        if (r < 0)
            return r;
    }
    return 0;
}

int gateway_reader_name(struct gateway_reader *reader, cfg_t *section, char **ret_name) {
    const char *name = cfg_title(section);
    size_t size = strlen(name);
    if (size == 0 || size > GATEWAY_SERVICE_NAME_MAX)
        return gateway_reader_fail(reader, -EINVAL, (unsigned)section->line, "%s \"%.16s%s\": give it a name of 1 to %d octets",
                                   cfg_name(section), name, size > 16 ? "..." : "", GATEWAY_SERVICE_NAME_MAX);
    *ret_name = strdup(name);
    return *ret_name ? 0 : gateway_reader_no_memory(reader);
}

bool gateway_same_strings(char **a, char **b) {
    if (!a || !b)
        return a == b;
    for (; *a && *b; a++, b++)
        if (strcmp(*a, *b) != 0)
            return false;
    return *a == *b; /* both at their end */
}

bool gateway_same_options(const struct gateway_option *a, size_t a_count, const struct gateway_option *b, size_t b_count) {
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++)
        if (a[i].option != b[i].option || a[i].value != b[i].value)
            return false;
    return true;
}
