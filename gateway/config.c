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
#include "gateway/cleanup.h"
#include "gateway/config-reader.h"

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
    GATEWAY_SOCKET_OPTIONS,
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
    GATEWAY_SOCKET_OPTIONS,
    CFG_END(),
};

static const cfg_opt_t gateway_options[] = {
    KITH_CONFIG_VALUE("drain"),
    KITH_CONFIG_VALUE("audit"),
    KITH_CONFIG_VALUE("audit_file"),
    KITH_CONFIG_VALUES("control"),
    KITH_CONFIG_VALUE("control_policy"),
    KITH_CONFIG_VALUE("control_mode"),
    KITH_CONFIG_POLICY_SECTION("policy"),
    KITH_CONFIG_SECTION("service", service_options),
    KITH_CONFIG_SECTION("proxy", forward_options),
    KITH_CONFIG_SECTION("route", gateway_route_options),
    CFG_END(),
};

#define DRAIN_MS 5000

static void service_deinit(struct gateway_service_config *service) {
    free(service->name);
    gateway_strings_free(service->listen);
    gateway_strings_free(service->workers);
    gateway_strings_free(service->workers_with_origin);
    kith_policy_unref(service->policy);
    kith_policy_unref(service->worker_policy);
    free(service->options);
}

static void forward_deinit(struct gateway_forward_config *forward) {
    free(forward->name);
    for (size_t i = 0; i < GATEWAY_SIDE_COUNT; i++) {
        gateway_strings_free(forward->sides[i].bind);
        gateway_strings_free(forward->sides[i].connect);
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
    for (size_t i = 0; i < config->route_count; i++)
        gateway_route_config_deinit(&config->routes[i]);
    free(config->routes);
    free(config->audit_file);
    gateway_strings_free(config->control.listen);
    kith_policy_unref(config->control.policy);
    free(config);
    return NULL;
}

/* Policies --------------------------------------------------------------------------------------------------------- */

static int read_policies(struct gateway_reader *reader) {
    unsigned count = cfg_size(reader->cfg, "policy");
    reader->policies = calloc(count ? count : 1, sizeof(*reader->policies));
    if (!reader->policies)
        return gateway_reader_no_memory(reader);
    for (unsigned i = 0; i < count; i++) {
        int r = kith_config_policy_from_section(cfg_getnsec(reader->cfg, "policy", i), reader->name, &reader->policies[i], reader->error);
        if (r < 0)
            return r;
        reader->policy_count++;
    }
    return 0;
}

/* Who may be a worker when nobody says: whoever becomes one sees the clients' requests, so: root and the gateway's own user. */
static int default_worker_policy(struct gateway_reader *reader, kith_policy **ret_policy) {
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
        return r == -ENOMEM ? gateway_reader_no_memory(reader) : r;
    *ret_policy = KITH_STEAL(policy);
    return 0;
}

/* Services --------------------------------------------------------------------------------------------------------- */

static int read_limits(struct gateway_reader *reader, cfg_t *section, struct gateway_service_config *service) {
    service->limits = (struct gateway_request_limits){.waiting = 1000, .waiting_octets = (size_t)64 << 20, .in_flight = 100};
    service->request_timeout_ms = 30000;
    int r = gateway_reader_size(reader, section, "queue", 1, &service->limits.waiting);
    if (r >= 0)
        r = gateway_reader_size(reader, section, "queue_bytes", 1, &service->limits.waiting_octets);
    if (r >= 0)
        r = gateway_reader_size(reader, section, "in_flight", 1, &service->limits.in_flight);
    if (r >= 0)
        r = gateway_reader_ms(reader, section, "request_timeout", 1, &service->request_timeout_ms);
    return r;
}

static int read_answer(struct gateway_reader *reader, cfg_t *section, struct gateway_service_config *service) {
    const struct kith_config_value *value = kith_config_get(section, "builtin", 0);
    bool workers = service->workers || service->workers_with_origin;
    unsigned line = value ? value->line : (unsigned)section->line;
    if (!!value == workers)
        return gateway_reader_fail(
            reader, -EINVAL, line,
            "service \"%s\" has %s: give it workers = {\"ipc://...\"} (or workers_with_origin), or builtin = \"echo\"", service->name,
            value ? "workers and builtin, but only one can answer" : "nobody who answers");
    if (!value)
        service->answer = GATEWAY_ANSWER_WORKERS;
    else if (strcmp(value->text, "echo") == 0)
        service->answer = GATEWAY_ANSWER_ECHO;
    else if (strcmp(value->text, "who") == 0)
        service->answer = GATEWAY_ANSWER_WHO;
    else if (strcmp(value->text, "status") == 0)
        service->answer = GATEWAY_ANSWER_STATUS;
    else
        return gateway_reader_fail(reader, -EINVAL, line, "builtin = \"%.64s\": there are echo, who and status", value->text);
    return 0;
}

/* The kernel names local peers only. */
static int check_worker_endpoints(struct gateway_reader *reader, cfg_t *section, const char *option, const char *who, const char *policy) {
    for (size_t i = 0; i < kith_config_count(section, option); i++) {
        const struct kith_config_value *value = kith_config_get(section, option, i);
        if (strncmp(value->text, "ipc://", strlen("ipc://")) != 0)
            return gateway_reader_fail(
                reader, -EINVAL, value->line,
                "%s: %s that come over the network have no uid to know them by: write %s = \"NAME\" to say who may be one", value->text,
                who, policy);
    }
    return 0;
}

static int read_worker_policy(struct gateway_reader *reader, cfg_t *section, struct gateway_service_config *service) {
    int r = gateway_reader_policy(reader, section, "worker_policy", &service->worker_policy);
    if (r < 0 || service->worker_policy || service->answer != GATEWAY_ANSWER_WORKERS)
        return r;
    r = check_worker_endpoints(reader, section, "workers", "workers", "worker_policy");
    if (r >= 0)
        r = check_worker_endpoints(reader, section, "workers_with_origin", "workers", "worker_policy");
    return r < 0 ? r : default_worker_policy(reader, &service->worker_policy);
}

static int read_service(struct gateway_reader *reader, cfg_t *section, struct gateway_service_config *service) {
    int r = gateway_reader_name(reader, section, &service->name);
    if (r < 0)
        return r;
    if (!kith_config_get(section, "listen", 0))
        return gateway_reader_fail(reader, -EINVAL, (unsigned)section->line,
                                   "service \"%s\" listens nowhere: give it listen = {\"ipc:///run/kith/%s.sock\"}", service->name,
                                   service->name);
    r = gateway_reader_endpoints(reader, section, "listen", true, &service->listen);
    if (r >= 0)
        r = gateway_reader_endpoints(reader, section, "workers", true, &service->workers);
    if (r >= 0)
        r = gateway_reader_endpoints(reader, section, "workers_with_origin", true, &service->workers_with_origin);
    if (r >= 0)
        r = read_answer(reader, section, service);
    if (r >= 0)
        r = gateway_reader_policy(reader, section, "policy", &service->policy);
    if (r >= 0)
        r = read_worker_policy(reader, section, service);
    /* With a policy the path lets everyone connect, so that the policy decides, and tells those it turns away why. */
    service->mode = service->policy ? 0666 : 0;
    if (r >= 0)
        r = gateway_reader_mode(reader, section, "mode", &service->mode);
    if (r >= 0)
        r = gateway_reader_mode(reader, section, "workers_mode", &service->workers_mode);
    if (r >= 0)
        r = read_limits(reader, section, service);
    return r < 0 ? r : gateway_reader_socket_options(reader, section, service_options, &service->options, &service->option_count);
}

/* Proxies ---------------------------------------------------------------------------------------------------------- */

static int read_pattern(struct gateway_reader *reader, cfg_t *section, struct gateway_forward_config *forward) {
    static const char *const patterns[] = {
        [GATEWAY_FORWARD_PUBLISH] = "publish", [GATEWAY_FORWARD_PIPELINE] = "pipeline", [GATEWAY_FORWARD_REQUESTS] = "requests"};
    const struct kith_config_value *value = kith_config_get(section, "pattern", 0);
    for (size_t i = 0; value && i < KITH_ARRAY_SIZE(patterns); i++) {
        if (strcmp(value->text, patterns[i]) != 0)
            continue;
        forward->pattern = (enum gateway_forward_pattern)i;
        return 0;
    }
    return gateway_reader_fail(reader, -EINVAL, value ? value->line : (unsigned)section->line,
                               "proxy \"%s\": write pattern = \"publish\", \"pipeline\" or \"requests\"", forward->name);
}

/* The names of a side's rows. */
struct side_rows {
    const char *bind, *connect, *policy, *mode;
};

static int read_side(struct gateway_reader *reader, cfg_t *section, const struct side_rows *rows, struct gateway_side_config *side) {
    int r = gateway_reader_endpoints(reader, section, rows->bind, true, &side->bind);
    if (r >= 0)
        r = gateway_reader_endpoints(reader, section, rows->connect, false, &side->connect);
    if (r >= 0 && !side->bind && !side->connect)
        return gateway_reader_fail(reader, -EINVAL, (unsigned)section->line,
                                   "proxy \"%s\" has no %s: give it %s = {\"ipc:///run/kith/%s-%s.sock\"}", cfg_title(section), rows->bind,
                                   rows->bind, cfg_title(section), rows->bind);
    if (r >= 0)
        r = gateway_reader_policy(reader, section, rows->policy, &side->policy);
    side->mode = side->policy ? 0666 : 0;
    return r < 0 ? r : gateway_reader_mode(reader, section, rows->mode, &side->mode);
}

/* Whoever takes messages at the backend sees what was not meant for everybody. */
static int guard_backend(struct gateway_reader *reader, cfg_t *section, struct gateway_side_config *side) {
    if (side->policy || !side->bind)
        return 0;
    int r = check_worker_endpoints(reader, section, "backend", "receivers", "backend_policy");
    return r < 0 ? r : default_worker_policy(reader, &side->policy);
}

static int read_forward(struct gateway_reader *reader, cfg_t *section, struct gateway_forward_config *forward) {
    static const struct side_rows rows[GATEWAY_SIDE_COUNT] = {
        [GATEWAY_SIDE_FRONTEND] = {"frontend", "frontend_connect", "frontend_policy", "frontend_mode"},
        [GATEWAY_SIDE_BACKEND] = {"backend", "backend_connect", "backend_policy", "backend_mode"},
    };
    int r = gateway_reader_name(reader, section, &forward->name);
    if (r >= 0)
        r = read_pattern(reader, section, forward);
    for (size_t i = 0; r >= 0 && i < GATEWAY_SIDE_COUNT; i++)
        r = read_side(reader, section, &rows[i], &forward->sides[i]);
    if (r >= 0)
        r = guard_backend(reader, section, &forward->sides[GATEWAY_SIDE_BACKEND]);
    return r < 0 ? r : gateway_reader_socket_options(reader, section, forward_options, &forward->options, &forward->option_count);
}

static int read_forwards(struct gateway_reader *reader, struct gateway_config *config) {
    unsigned count = cfg_size(reader->cfg, "proxy");
    config->forwards = calloc(count ? count : 1, sizeof(*config->forwards));
    if (!config->forwards)
        return gateway_reader_no_memory(reader);
    for (unsigned i = 0; i < count; i++) {
        config->forward_count++;
        int r = read_forward(reader, cfg_getnsec(reader->cfg, "proxy", i), &config->forwards[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Whoever may use it may end connections and sees who talks to whom. */
static int read_control(struct gateway_reader *reader, struct gateway_control_config *control) {
    int r = gateway_reader_endpoints(reader, reader->cfg, "control", true, &control->listen);
    if (r >= 0)
        r = gateway_reader_policy(reader, reader->cfg, "control_policy", &control->policy);
    control->mode = control->policy ? 0666 : 0;
    if (r >= 0)
        r = gateway_reader_mode(reader, reader->cfg, "control_mode", &control->mode);
    if (r < 0 || control->policy || !control->listen)
        return r;
    r = check_worker_endpoints(reader, reader->cfg, "control", "clients", "control_policy");
    return r < 0 ? r : default_worker_policy(reader, &control->policy);
}

static int read_services(struct gateway_reader *reader, struct gateway_config *config) {
    unsigned count = cfg_size(reader->cfg, "service");
    if (count + cfg_size(reader->cfg, "proxy") + cfg_size(reader->cfg, "route") == 0)
        return gateway_reader_fail(reader, -EINVAL, (unsigned)reader->cfg->line,
                                   "there is no service: write service \"echo\" { listen = {...}  builtin = \"echo\" }");
    config->services = calloc(count ? count : 1, sizeof(*config->services));
    if (!config->services)
        return gateway_reader_no_memory(reader);
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

static int check_value(struct gateway_reader *reader, struct seen *seen, const struct kith_config_value *value) {
    for (size_t i = 0; i < seen->count; i++)
        if (strcmp(seen->values[i]->text, value->text) == 0)
            return gateway_reader_fail(reader, -EINVAL, value->line,
                                       "%s is used on line %u already: give each socket an endpoint of its own", value->text,
                                       seen->values[i]->line);
    if (seen->count == KITH_ARRAY_SIZE(seen->values))
        return gateway_reader_fail(reader, -E2BIG, value->line, "more than %zu endpoints: run several gateways", seen->count);
    seen->values[seen->count++] = value;
    return 0;
}

static int check_sections(struct gateway_reader *reader, struct seen *seen, const char *kind, const char *const *options,
                          size_t option_count) {
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

static int check_unique(struct gateway_reader *reader) {
    static const char *const of_services[] = {"listen", "workers", "workers_with_origin"}, *const of_proxies[] = {"frontend", "backend"},
                             *const of_routes[] = {"from_bind"};
    struct seen seen = {.count = 0};
    int r = 0;
    for (size_t i = 0; r >= 0 && i < kith_config_count(reader->cfg, "control"); i++)
        r = check_value(reader, &seen, kith_config_get(reader->cfg, "control", i));
    if (r >= 0)
        r = check_sections(reader, &seen, "service", of_services, KITH_ARRAY_SIZE(of_services));
    if (r >= 0)
        r = check_sections(reader, &seen, "proxy", of_proxies, KITH_ARRAY_SIZE(of_proxies));
    return r < 0 ? r : check_sections(reader, &seen, "route", of_routes, KITH_ARRAY_SIZE(of_routes));
}

static int read_audit(struct gateway_reader *reader, struct gateway_config *config) {
    static const char *const levels[] = {[GATEWAY_AUDIT_DENIALS] = "denials", [GATEWAY_AUDIT_ALL] = "all", [GATEWAY_AUDIT_OFF] = "off"};
    unsigned level = GATEWAY_AUDIT_DENIALS;
    int r = gateway_reader_word(reader, reader->cfg, "audit", levels, KITH_ARRAY_SIZE(levels), &level);
    config->audit = (enum gateway_audit_level)level;
    return r < 0 ? r : gateway_reader_text(reader, reader->cfg, "audit_file", &config->audit_file);
}

static int read_all(struct gateway_reader *reader, struct gateway_config **ret_config) {
    _cleanup_(gateway_config_freep) struct gateway_config *config = calloc(1, sizeof(*config));
    if (!config)
        return gateway_reader_no_memory(reader);
    config->drain_ms = DRAIN_MS;
    int r = gateway_reader_ms(reader, reader->cfg, "drain", 0, &config->drain_ms);
    if (r >= 0)
        r = read_audit(reader, config);
    if (r >= 0)
        r = check_unique(reader);
    if (r >= 0)
        r = read_policies(reader);
    if (r >= 0)
        r = read_control(reader, &config->control);
    if (r >= 0)
        r = read_services(reader, config);
    if (r >= 0)
        r = read_forwards(reader, config);
    if (r >= 0)
        r = gateway_reader_routes(reader, config);
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
    struct gateway_reader reader = {.name = name, .cfg = cfg, .error = ret_error};
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

bool gateway_service_config_same_sockets(const struct gateway_service_config *a, const struct gateway_service_config *b) {
    return a->answer == b->answer && a->mode == b->mode && a->workers_mode == b->workers_mode &&
           gateway_same_options(a->options, a->option_count, b->options, b->option_count) && gateway_same_strings(a->listen, b->listen) &&
           gateway_same_strings(a->workers, b->workers) && gateway_same_strings(a->workers_with_origin, b->workers_with_origin);
}

bool gateway_control_config_same_socket(const struct gateway_control_config *a, const struct gateway_control_config *b) {
    return a->mode == b->mode && gateway_same_strings(a->listen, b->listen);
}

static bool same_side(const struct gateway_side_config *a, const struct gateway_side_config *b) {
    return a->mode == b->mode && gateway_same_strings(a->bind, b->bind) && gateway_same_strings(a->connect, b->connect);
}

bool gateway_forward_config_same_sockets(const struct gateway_forward_config *a, const struct gateway_forward_config *b) {
    return a->pattern == b->pattern && gateway_same_options(a->options, a->option_count, b->options, b->option_count) &&
           same_side(&a->sides[0], &b->sides[0]) && same_side(&a->sides[1], &b->sides[1]);
}
