/*
 * gateway/config.c: text -> struct gateway_config; see config.h.
 *
 * libconfuse and config/internal.h give values with their lines; here each is judged. Policies are read first, so that services can name
 * them wherever they stand.
 */
#include "gateway/config.h"

#include <errno.h>
#include <kith/config.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "config/internal.h"
#include "gateway/cleanup.h"

/* Rows that are named as an option in kith_socket_options(), with _ for -, set that on all sockets of the section. */
#define SOCKET_OPTIONS                                                                                                                     \
    KITH_CONFIG_VALUE("max_message"), KITH_CONFIG_VALUE("handshake_timeout"), KITH_CONFIG_VALUE("heartbeat_interval"),                     \
        KITH_CONFIG_VALUE("heartbeat_timeout"), KITH_CONFIG_VALUE("heartbeat_ttl"), KITH_CONFIG_VALUE("send_hwm"),                         \
        KITH_CONFIG_VALUE("send_hwm_bytes"), KITH_CONFIG_VALUE("recv_hwm"), KITH_CONFIG_VALUE("recv_hwm_bytes"),                           \
        KITH_CONFIG_VALUE("backlog"), KITH_CONFIG_VALUE("max_peers")

/* What a service may set. */
static const cfg_opt_t service_options[] = {
    KITH_CONFIG_VALUES("listen"),
    KITH_CONFIG_VALUE("policy"),
    KITH_CONFIG_VALUE("mode"),
    KITH_CONFIG_VALUE("builtin"),
    KITH_CONFIG_VALUES("workers"),
    KITH_CONFIG_VALUES("workers_with_origin"),
    KITH_CONFIG_VALUE("worker_policy"),
    KITH_CONFIG_VALUE("workers_mode"),
    KITH_CONFIG_VALUE("queue"),
    KITH_CONFIG_VALUE("queue_bytes"),
    KITH_CONFIG_VALUE("in_flight"),
    KITH_CONFIG_VALUE("request_timeout"),
    SOCKET_OPTIONS,
    CFG_END(),
};

/* What a proxy may set. */
static const cfg_opt_t forward_options[] = {
    KITH_CONFIG_VALUE("pattern"),
    KITH_CONFIG_VALUES("frontend"),
    KITH_CONFIG_VALUES("frontend_connect"),
    KITH_CONFIG_VALUE("frontend_policy"),
    KITH_CONFIG_VALUE("frontend_mode"),
    KITH_CONFIG_VALUES("backend"),
    KITH_CONFIG_VALUES("backend_connect"),
    KITH_CONFIG_VALUE("backend_policy"),
    KITH_CONFIG_VALUE("backend_mode"),
    SOCKET_OPTIONS,
    CFG_END(),
};

static const cfg_opt_t gateway_options[] = {
    KITH_CONFIG_VALUE("drain"),
    KITH_CONFIG_POLICY_SECTION("policy"),
    KITH_CONFIG_SECTION("service", service_options),
    KITH_CONFIG_SECTION("proxy", forward_options),
    CFG_END(),
};

#define DRAIN_MS 5000
#define MS_MAX (INT64_C(24) * 3600 * 1000)

/* One reading. */
struct reader {
    const char *name; /* of the text */
    cfg_t *cfg;
    kith_policy **policies; /* of the policy sections, in their order */
    size_t policy_count;
    struct kith_error *error;
};

#define fail(reader, code, line, ...) kith_config_error((reader)->error, code, (reader)->name, line, __VA_ARGS__)

static void strings_free(char **strings) {
    for (char **string = strings; string && *string; string++)
        free(*string);
    free(strings);
}

static void service_deinit(struct gateway_service_config *service) {
    free(service->name);
    strings_free(service->listen);
    strings_free(service->workers);
    strings_free(service->workers_with_origin);
    kith_policy_unref(service->policy);
    kith_policy_unref(service->worker_policy);
    free(service->options);
}

static void forward_deinit(struct gateway_forward_config *forward) {
    free(forward->name);
    for (size_t i = 0; i < GATEWAY_SIDE_COUNT; i++) {
        strings_free(forward->sides[i].bind);
        strings_free(forward->sides[i].connect);
        kith_policy_unref(forward->sides[i].policy);
    }
    free(forward->options);
}

struct gateway_config *gateway_config_free(struct gateway_config *config) {
    if (!config)
        return NULL;
    for (size_t i = 0; i < config->service_count; i++)
        service_deinit(&config->services[i]);
    free(config->services);
    for (size_t i = 0; i < config->forward_count; i++)
        forward_deinit(&config->forwards[i]);
    free(config->forwards);
    free(config);
    return NULL;
}

static int no_memory(struct reader *reader) {
    return kith_error_set(reader->error, -ENOMEM, "%s: out of memory", reader->name);
}

/* Values ----------------------------------------------------------------------------------------------------------- */

/* A whole number between min and max; 0 in front means base 8. Absent: *number stays. */
static int read_number(struct reader *reader, cfg_t *section, const char *option, int64_t min, int64_t max, int64_t *number) {
    const struct kith_config_value *value = kith_config_get(section, option, 0);
    if (!value)
        return 0;
    char *end;
    errno = 0;
    long long n = strtoll(value->text, &end, 0);
    if (end == value->text || *end || errno || n < min || n > max)
        return fail(reader, -EINVAL, value->line, "%s = \"%.64s\": write a number from %lld to %lld", option, value->text, (long long)min,
                    (long long)max);
    *number = n;
    return 0;
}

static int read_size(struct reader *reader, cfg_t *section, const char *option, int64_t min, size_t *size) {
    int64_t number = (int64_t)*size;
    int r = read_number(reader, section, option, min, INT64_C(1) << 40, &number);
    *size = (size_t)number;
    return r;
}

/* In base 8 with and without the 0 in front, as chmod(1) takes them: 444 in base 10 would let others write. */
static int read_mode(struct reader *reader, cfg_t *section, const char *option, unsigned *mode) {
    const struct kith_config_value *value = kith_config_get(section, option, 0);
    if (!value)
        return 0;
    char *end;
    long bits = strtol(value->text, &end, 8);
    if (end == value->text || *end || bits < 0 || bits > 0777)
        return fail(reader, -EINVAL, value->line, "%s = \"%.64s\": write permission bits as for chmod(1), 0 to 0777", option, value->text);
    *mode = (unsigned)bits;
    return 0;
}

static int read_ms(struct reader *reader, cfg_t *section, const char *option, int64_t min, uint64_t *ms) {
    int64_t number = (int64_t)*ms;
    int r = read_number(reader, section, option, min, MS_MAX, &number);
    *ms = (uint64_t)number;
    return r;
}

static int check_endpoint(struct reader *reader, const struct kith_config_value *value, bool listening) {
    struct kith_error error = KITH_ERROR_NONE;
    int r = kith_endpoint_check(value->text, listening, &error);
    return r < 0 ? fail(reader, r, value->line, "%s", error.text) : 0;
}

/* Absent: *ret_endpoints stays NULL. */
static int read_endpoints(struct reader *reader, cfg_t *section, const char *option, bool listening, char ***ret_endpoints) {
    size_t count = kith_config_count(section, option);
    if (count == 0)
        return 0;
    char **endpoints = *ret_endpoints = calloc(count + 1, sizeof(*endpoints));
    if (!endpoints)
        return no_memory(reader);
    for (size_t i = 0; i < count; i++) {
        const struct kith_config_value *value = kith_config_get(section, option, i);
        int r = check_endpoint(reader, value, listening);
        if (r < 0)
            return r;
        endpoints[i] = strdup(value->text);
        if (!endpoints[i])
            return no_memory(reader);
    }
    return 0;
}

/* Policies --------------------------------------------------------------------------------------------------------- */

/* A file named in the configuration lies beside it, unless its path is absolute. */
static int load_policy(struct reader *reader, const struct kith_config_value *value, kith_policy **ret_policy) {
    const char *slash = value->text[0] == '/' ? NULL : strrchr(reader->name, '/');
    _cleanup_(freep) char *path = NULL;
    if (asprintf(&path, "%.*s%s", slash ? (int)(slash - reader->name + 1) : 0, reader->name, value->text) < 0) {
        path = NULL;
        return no_memory(reader);
    }
    struct kith_error error = KITH_ERROR_NONE;
    int r = kith_config_policy_load(path, ret_policy, &error);
    return r < 0 ? fail(reader, r, value->line, "policy: %s", error.text) : 0;
}

/* The policy that `option` names: a section's name, or a file's path, which has a '/'. Absent: NULL. */
static int read_policy(struct reader *reader, cfg_t *section, const char *option, kith_policy **ret_policy) {
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
    return fail(reader, -EINVAL, value->line, "%s: there is no policy \"%.64s\": write policy \"%.64s\" { rule ... }, or a path with a /",
                option, value->text, value->text);
}

static int read_policies(struct reader *reader) {
    unsigned count = cfg_size(reader->cfg, "policy");
    reader->policies = calloc(count ? count : 1, sizeof(*reader->policies));
    if (!reader->policies)
        return no_memory(reader);
    for (unsigned i = 0; i < count; i++) {
        int r = kith_config_policy_from_section(cfg_getnsec(reader->cfg, "policy", i), reader->name, &reader->policies[i], reader->error);
        if (r < 0)
            return r;
        reader->policy_count++;
    }
    return 0;
}

/* Who may be a worker when nobody says: whoever becomes one sees the clients' requests, so: root and the gateway's own user. */
static int default_worker_policy(struct reader *reader, kith_policy **ret_policy) {
    char uid[16];
    kith_policy_rule *rule;
    _cleanup_(kith_policy_unrefp) kith_policy *policy = NULL;
    snprintf(uid, sizeof(uid), "%u", geteuid());
    int r = kith_policy_new(&policy);
    if (r >= 0)
        r = kith_policy_add_rule(policy, "root and the gateway's own user", true, KITH_VERB_ALL, &rule, reader->error);
    if (r >= 0)
        r = kith_policy_rule_add(rule, KITH_CONDITION_UID, "0", reader->error);
    if (r >= 0)
        r = kith_policy_rule_add(rule, KITH_CONDITION_UID, uid, reader->error);
    if (r < 0)
        return r == -ENOMEM ? no_memory(reader) : r;
    *ret_policy = KITH_STEAL(policy);
    return 0;
}

/* Services --------------------------------------------------------------------------------------------------------- */

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

static int read_socket_options(struct reader *reader, cfg_t *section, const cfg_opt_t *rows, struct gateway_option **ret_options,
                               size_t *ret_count) {
    struct gateway_option *options = calloc(KITH_OPTION_COUNT_, sizeof(*options));
    if (!options)
        return no_memory(reader);
    *ret_options = options;
    for (const cfg_opt_t *row = rows; row->name; row++) {
        const struct kith_option_info *info = find_socket_option(row->name);
        if (!info || !kith_config_get(section, row->name, 0))
            continue;
        struct gateway_option *option = &options[(*ret_count)++];
        option->option = info->option;
        int r = read_number(reader, section, row->name, info->min, info->max, &option->value);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_limits(struct reader *reader, cfg_t *section, struct gateway_service_config *service) {
    service->limits = (struct gateway_request_limits){.waiting = 1000, .waiting_octets = (size_t)64 << 20, .in_flight = 100};
    service->request_timeout_ms = 30000;
    int r = read_size(reader, section, "queue", 1, &service->limits.waiting);
    if (r >= 0)
        r = read_size(reader, section, "queue_bytes", 1, &service->limits.waiting_octets);
    if (r >= 0)
        r = read_size(reader, section, "in_flight", 1, &service->limits.in_flight);
    if (r >= 0)
        r = read_ms(reader, section, "request_timeout", 1, &service->request_timeout_ms);
    return r;
}

static int read_answer(struct reader *reader, cfg_t *section, struct gateway_service_config *service) {
    const struct kith_config_value *value = kith_config_get(section, "builtin", 0);
    bool workers = service->workers || service->workers_with_origin;
    unsigned line = value ? value->line : (unsigned)section->line;
    if (!!value == workers)
        return fail(reader, -EINVAL, line,
                    "service \"%s\" has %s: give it workers = {\"ipc://...\"} (or workers_with_origin), or builtin = \"echo\"",
                    service->name, value ? "workers and builtin, but only one can answer" : "nobody who answers");
    if (!value)
        service->answer = GATEWAY_ANSWER_WORKERS;
    else if (strcmp(value->text, "echo") == 0)
        service->answer = GATEWAY_ANSWER_ECHO;
    else if (strcmp(value->text, "who") == 0)
        service->answer = GATEWAY_ANSWER_WHO;
    else
        return fail(reader, -EINVAL, line, "builtin = \"%.64s\": there are echo and who", value->text);
    return 0;
}

/* The kernel names local peers only. */
static int check_worker_endpoints(struct reader *reader, cfg_t *section, const char *option, const char *who, const char *policy) {
    for (size_t i = 0; i < kith_config_count(section, option); i++) {
        const struct kith_config_value *value = kith_config_get(section, option, i);
        if (strncmp(value->text, "ipc://", strlen("ipc://")) != 0)
            return fail(reader, -EINVAL, value->line,
                        "%s: %s that come over the network have no uid to know them by: write %s = \"NAME\" to say who may be one",
                        value->text, who, policy);
    }
    return 0;
}

static int read_worker_policy(struct reader *reader, cfg_t *section, struct gateway_service_config *service) {
    int r = read_policy(reader, section, "worker_policy", &service->worker_policy);
    if (r < 0 || service->worker_policy || service->answer != GATEWAY_ANSWER_WORKERS)
        return r;
    r = check_worker_endpoints(reader, section, "workers", "workers", "worker_policy");
    if (r >= 0)
        r = check_worker_endpoints(reader, section, "workers_with_origin", "workers", "worker_policy");
    return r < 0 ? r : default_worker_policy(reader, &service->worker_policy);
}

static int read_name(struct reader *reader, cfg_t *section, char **ret_name) {
    const char *name = cfg_title(section);
    size_t size = strlen(name);
    if (size == 0 || size > GATEWAY_SERVICE_NAME_MAX)
        return fail(reader, -EINVAL, (unsigned)section->line, "%s \"%.16s%s\": give it a name of 1 to %d octets", cfg_name(section), name,
                    size > 16 ? "..." : "", GATEWAY_SERVICE_NAME_MAX);
    *ret_name = strdup(name);
    return *ret_name ? 0 : no_memory(reader);
}

static int read_service(struct reader *reader, cfg_t *section, struct gateway_service_config *service) {
    int r = read_name(reader, section, &service->name);
    if (r < 0)
        return r;
    if (!kith_config_get(section, "listen", 0))
        return fail(reader, -EINVAL, (unsigned)section->line,
                    "service \"%s\" listens nowhere: give it listen = {\"ipc:///run/kith/%s.sock\"}", service->name, service->name);
    r = read_endpoints(reader, section, "listen", true, &service->listen);
    if (r >= 0)
        r = read_endpoints(reader, section, "workers", true, &service->workers);
    if (r >= 0)
        r = read_endpoints(reader, section, "workers_with_origin", true, &service->workers_with_origin);
    if (r >= 0)
        r = read_answer(reader, section, service);
    if (r >= 0)
        r = read_policy(reader, section, "policy", &service->policy);
    if (r >= 0)
        r = read_worker_policy(reader, section, service);
    /* With a policy the path lets everyone connect, so that the policy decides, and tells those it turns away why. */
    service->mode = service->policy ? 0666 : 0;
    if (r >= 0)
        r = read_mode(reader, section, "mode", &service->mode);
    if (r >= 0)
        r = read_mode(reader, section, "workers_mode", &service->workers_mode);
    if (r >= 0)
        r = read_limits(reader, section, service);
    return r < 0 ? r : read_socket_options(reader, section, service_options, &service->options, &service->option_count);
}

/* Proxies ---------------------------------------------------------------------------------------------------------- */

static int read_pattern(struct reader *reader, cfg_t *section, struct gateway_forward_config *forward) {
    static const char *const patterns[] = {
        [GATEWAY_FORWARD_PUBLISH] = "publish", [GATEWAY_FORWARD_PIPELINE] = "pipeline", [GATEWAY_FORWARD_REQUESTS] = "requests"};
    const struct kith_config_value *value = kith_config_get(section, "pattern", 0);
    for (size_t i = 0; value && i < KITH_ARRAY_SIZE(patterns); i++) {
        if (strcmp(value->text, patterns[i]) != 0)
            continue;
        forward->pattern = (enum gateway_forward_pattern)i;
        return 0;
    }
    return fail(reader, -EINVAL, value ? value->line : (unsigned)section->line,
                "proxy \"%s\": write pattern = \"publish\", \"pipeline\" or \"requests\"", forward->name);
}

/* The names of a side's rows. */
struct side_rows {
    const char *bind, *connect, *policy, *mode;
};

static int read_side(struct reader *reader, cfg_t *section, const struct side_rows *rows, struct gateway_side_config *side) {
    int r = read_endpoints(reader, section, rows->bind, true, &side->bind);
    if (r >= 0)
        r = read_endpoints(reader, section, rows->connect, false, &side->connect);
    if (r >= 0 && !side->bind && !side->connect)
        return fail(reader, -EINVAL, (unsigned)section->line, "proxy \"%s\" has no %s: give it %s = {\"ipc:///run/kith/%s-%s.sock\"}",
                    cfg_title(section), rows->bind, rows->bind, cfg_title(section), rows->bind);
    if (r >= 0)
        r = read_policy(reader, section, rows->policy, &side->policy);
    side->mode = side->policy ? 0666 : 0;
    return r < 0 ? r : read_mode(reader, section, rows->mode, &side->mode);
}

/* Whoever takes messages at the backend sees what was not meant for everybody. */
static int guard_backend(struct reader *reader, cfg_t *section, struct gateway_side_config *side) {
    if (side->policy || !side->bind)
        return 0;
    int r = check_worker_endpoints(reader, section, "backend", "receivers", "backend_policy");
    return r < 0 ? r : default_worker_policy(reader, &side->policy);
}

static int read_forward(struct reader *reader, cfg_t *section, struct gateway_forward_config *forward) {
    static const struct side_rows rows[GATEWAY_SIDE_COUNT] = {
        [GATEWAY_SIDE_FRONTEND] = {"frontend", "frontend_connect", "frontend_policy", "frontend_mode"},
        [GATEWAY_SIDE_BACKEND] = {"backend", "backend_connect", "backend_policy", "backend_mode"},
    };
    int r = read_name(reader, section, &forward->name);
    if (r >= 0)
        r = read_pattern(reader, section, forward);
    for (size_t i = 0; r >= 0 && i < GATEWAY_SIDE_COUNT; i++)
        r = read_side(reader, section, &rows[i], &forward->sides[i]);
    if (r >= 0)
        r = guard_backend(reader, section, &forward->sides[GATEWAY_SIDE_BACKEND]);
    return r < 0 ? r : read_socket_options(reader, section, forward_options, &forward->options, &forward->option_count);
}

static int read_forwards(struct reader *reader, struct gateway_config *config) {
    unsigned count = cfg_size(reader->cfg, "proxy");
    config->forwards = calloc(count ? count : 1, sizeof(*config->forwards));
    if (!config->forwards)
        return no_memory(reader);
    for (unsigned i = 0; i < count; i++) {
        config->forward_count++;
        int r = read_forward(reader, cfg_getnsec(reader->cfg, "proxy", i), &config->forwards[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_services(struct reader *reader, struct gateway_config *config) {
    unsigned count = cfg_size(reader->cfg, "service");
    if (count + cfg_size(reader->cfg, "proxy") == 0)
        return fail(reader, -EINVAL, (unsigned)reader->cfg->line,
                    "there is no service: write service \"echo\" { listen = {...}  builtin = \"echo\" }");
    config->services = calloc(count ? count : 1, sizeof(*config->services));
    if (!config->services)
        return no_memory(reader);
    for (unsigned i = 0; i < count; i++) {
        config->service_count++;
        int r = read_service(reader, cfg_getnsec(reader->cfg, "service", i), &config->services[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Two sockets at one endpoint would be found out only when the second is bound, with the first one running. */
struct seen {
    const struct kith_config_value *values[1024];
    size_t count;
};

static int check_value(struct reader *reader, struct seen *seen, const struct kith_config_value *value) {
    for (size_t i = 0; i < seen->count; i++)
        if (strcmp(seen->values[i]->text, value->text) == 0)
            return fail(reader, -EINVAL, value->line, "%s is used on line %u already: give each socket an endpoint of its own", value->text,
                        seen->values[i]->line);
    if (seen->count == KITH_ARRAY_SIZE(seen->values))
        return fail(reader, -E2BIG, value->line, "more than %zu endpoints: run several gateways", seen->count);
    seen->values[seen->count++] = value;
    return 0;
}

static int check_sections(struct reader *reader, struct seen *seen, const char *kind, const char *const *options, size_t option_count) {
    for (unsigned i = 0; i < cfg_size(reader->cfg, kind); i++) {
        cfg_t *section = cfg_getnsec(reader->cfg, kind, i);
        for (size_t k = 0; k < option_count; k++) {
            for (size_t n = 0; n < kith_config_count(section, options[k]); n++) {
                int r = check_value(reader, seen, kith_config_get(section, options[k], n));
                if (r < 0)
                    return r;
            }
        }
    }
    return 0;
}

static int check_unique(struct reader *reader) {
    static const char *const of_services[] = {"listen", "workers", "workers_with_origin"}, *const of_proxies[] = {"frontend", "backend"};
    struct seen seen = {.count = 0};
    int r = check_sections(reader, &seen, "service", of_services, KITH_ARRAY_SIZE(of_services));
    return r < 0 ? r : check_sections(reader, &seen, "proxy", of_proxies, KITH_ARRAY_SIZE(of_proxies));
}

static int read_all(struct reader *reader, struct gateway_config **ret_config) {
    _cleanup_(gateway_config_freep) struct gateway_config *config = calloc(1, sizeof(*config));
    if (!config)
        return no_memory(reader);
    config->drain_ms = DRAIN_MS;
    int r = read_ms(reader, reader->cfg, "drain", 0, &config->drain_ms);
    if (r >= 0)
        r = check_unique(reader);
    if (r >= 0)
        r = read_policies(reader);
    if (r >= 0)
        r = read_services(reader, config);
    if (r >= 0)
        r = read_forwards(reader, config);
    if (r < 0)
        return r;
    *ret_config = KITH_STEAL(config);
    return 0;
}

int gateway_config_parse(const char *text, size_t size, const char *name, struct gateway_config **ret_config,
                         struct kith_error *ret_error) {
    _cleanup_(kith_config_freep) cfg_t *cfg = NULL;
    int r = kith_config_parse_text(text, size, name, gateway_options, &cfg, ret_error);
    if (r < 0)
        return r;
    struct reader reader = {.name = name, .cfg = cfg, .error = ret_error};
    r = read_all(&reader, ret_config);
    for (size_t i = 0; i < reader.policy_count; i++)
        kith_policy_unref(reader.policies[i]);
    free(reader.policies);
    return r;
}

int gateway_config_load(const char *path, struct gateway_config **ret_config, struct kith_error *ret_error) {
    _cleanup_(freep) char *text = NULL;
    size_t size;
    int r = kith_config_read_file(path, &text, &size, ret_error);
    return r < 0 ? r : gateway_config_parse(text, size, path, ret_config, ret_error);
}

/* Comparing -------------------------------------------------------------------------------------------------------- */

static bool same_strings(char **a, char **b) {
    if (!a || !b)
        return a == b;
    for (; *a && *b; a++, b++)
        if (strcmp(*a, *b) != 0)
            return false;
    return *a == *b; /* both at their end */
}

static bool same_options(const struct gateway_option *a, size_t a_count, const struct gateway_option *b, size_t b_count) {
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++)
        if (a[i].option != b[i].option || a[i].value != b[i].value)
            return false;
    return true;
}

bool gateway_service_config_same_sockets(const struct gateway_service_config *a, const struct gateway_service_config *b) {
    return a->answer == b->answer && a->mode == b->mode && a->workers_mode == b->workers_mode &&
           same_options(a->options, a->option_count, b->options, b->option_count) && same_strings(a->listen, b->listen) &&
           same_strings(a->workers, b->workers) && same_strings(a->workers_with_origin, b->workers_with_origin);
}

static bool same_side(const struct gateway_side_config *a, const struct gateway_side_config *b) {
    return a->mode == b->mode && same_strings(a->bind, b->bind) && same_strings(a->connect, b->connect);
}

bool gateway_forward_config_same_sockets(const struct gateway_forward_config *a, const struct gateway_forward_config *b) {
    return a->pattern == b->pattern && same_options(a->options, a->option_count, b->options, b->option_count) &&
           same_side(&a->sides[0], &b->sides[0]) && same_side(&a->sides[1], &b->sides[1]);
}
