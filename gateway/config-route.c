/*
 * gateway/config-route.c: route sections -> struct gateway_route_config; see config-reader.h.
 *
 * What a target may set stands in the route for all its targets, or in a target section for that one, which begins with the route's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "gateway/cleanup.h"
#include "gateway/config-reader.h"

#define MAX_MESSAGE_DEFAULT ((size_t)1 << 20)
/* A batch of the spool has room for it, its name and its origin. */
#define MAX_MESSAGE_MAX ((size_t)128 << 20)
#define QUEUE_BYTES_DEFAULT ((size_t)16 << 20)

#define TARGET_OPTIONS                                                                                                                     \
    KITH_CONFIG_VALUE("framing"), KITH_CONFIG_VALUE("newline"), KITH_CONFIG_VALUE("origin"), KITH_CONFIG_VALUE("acks"),                    \
        KITH_CONFIG_VALUE("shell"), KITH_CONFIG_VALUE("publish"), KITH_CONFIG_VALUE("curve_server_key"),                                   \
        KITH_CONFIG_VALUE("curve_secret_key_file"), KITH_CONFIG_VALUE("in_flight"), KITH_CONFIG_VALUE("in_flight_bytes"),                  \
        KITH_CONFIG_VALUE("retry_min"), KITH_CONFIG_VALUE("retry_max"), KITH_CONFIG_VALUE("stop_timeout"),                                 \
        KITH_CONFIG_VALUE("rotate_bytes"), KITH_CONFIG_VALUE("rotate_age"), KITH_CONFIG_VALUE("keep"), KITH_CONFIG_VALUE("sync")

/* A policy is a target's own: the route's says who its sources are. */
static const cfg_opt_t target_options[] = {
    KITH_CONFIG_VALUE("to"),
    KITH_CONFIG_VALUE("policy"),
    TARGET_OPTIONS,
    CFG_END(),
};

static const cfg_opt_t source_options[] = {
    GATEWAY_SOCKET_OPTIONS,
    CFG_END(),
};

const cfg_opt_t gateway_route_options[] = {
    KITH_CONFIG_VALUES("from"),
    KITH_CONFIG_VALUES("from_bind"),
    KITH_CONFIG_VALUE("from_type"),
    KITH_CONFIG_VALUES("subscribe"),
    KITH_CONFIG_VALUE("policy"),
    KITH_CONFIG_VALUE("mode"),
    KITH_CONFIG_VALUE("frames"),
    KITH_CONFIG_VALUE("spool"),
    KITH_CONFIG_VALUE("spool_bytes"),
    KITH_CONFIG_VALUE("spool_age"),
    KITH_CONFIG_VALUE("overflow"),
    KITH_CONFIG_VALUE("queue_bytes"),
    KITH_CONFIG_VALUES("to"),
    KITH_CONFIG_SECTION("target", target_options),
    TARGET_OPTIONS,
    GATEWAY_SOCKET_OPTIONS,
    CFG_END(),
};

void gateway_route_config_deinit(struct gateway_route_config *route) {
    free(route->name);
    gateway_strings_free(route->from);
    gateway_strings_free(route->from_bind);
    gateway_strings_free(route->subscribe);
    kith_policy_unref(route->policy);
    free(route->options);
    free(route->spool);
    for (size_t i = 0; i < route->target_count; i++) {
        free(route->targets[i].name);
        free(route->targets[i].to);
        kith_policy_unref(route->targets[i].policy);
    }
    free(route->targets);
}

/* Sources ---------------------------------------------------------------------------------------------------------- */

static int read_type(struct gateway_reader *reader, cfg_t *section, struct gateway_route_config *route) {
    static const enum kith_socket_type types[] = {KITH_PULL, KITH_SUB, KITH_GATHER, KITH_DISH};
    static const char *const words[] = {"pull", "sub", "gather", "dish"};
    unsigned index = 0;
    int r = gateway_reader_word(reader, section, "from_type", words, KITH_ARRAY_SIZE(words), &index);
    route->from_type = types[index];
    const struct kith_config_value *topic = kith_config_get(section, "subscribe", 0);
    if (r >= 0 && topic && route->from_type != KITH_SUB && route->from_type != KITH_DISH)
        return gateway_reader_fail(reader, -EINVAL, topic->line, "subscribe is for from_type = \"sub\" and \"dish\": a %s has no topics",
                                   words[index]);
    return r < 0 ? r : gateway_reader_texts(reader, section, "subscribe", &route->subscribe);
}

/* The name of a source is its endpoint. */
static int check_source_names(struct gateway_reader *reader, cfg_t *section, const char *option) {
    for (size_t i = 0; i < kith_config_count(section, option); i++) {
        const struct kith_config_value *value = kith_config_get(section, option, i);
        if (strlen(value->text) > SPOOL_NAME_MAX)
            return gateway_reader_fail(reader, -EINVAL, value->line, "%.64s...: an endpoint of a route has at most %d octets", value->text,
                                       SPOOL_NAME_MAX);
        for (size_t k = 0; k < i; k++)
            if (strcmp(kith_config_get(section, option, k)->text, value->text) == 0)
                return gateway_reader_fail(reader, -EINVAL, value->line, "%s is there twice: once is enough", value->text);
    }
    return 0;
}

static int read_sources(struct gateway_reader *reader, cfg_t *section, struct gateway_route_config *route) {
    int r = check_source_names(reader, section, "from");
    if (r >= 0)
        r = check_source_names(reader, section, "from_bind");
    if (r >= 0)
        r = gateway_reader_endpoints(reader, section, "from", false, &route->from);
    if (r >= 0)
        r = gateway_reader_endpoints(reader, section, "from_bind", true, &route->from_bind);
    if (r >= 0 && !route->from && !route->from_bind)
        return gateway_reader_fail(reader, -EINVAL, (unsigned)section->line,
                                   "route \"%s\" has no source: give it from = {\"ipc:///run/kith/%s.sock\"}, or from_bind", route->name,
                                   route->name);
    if (r >= 0)
        r = read_type(reader, section, route);
    if (r >= 0)
        r = gateway_reader_policy(reader, section, "policy", &route->policy);
    route->mode = route->policy ? 0666 : 0;
    return r < 0 ? r : gateway_reader_mode(reader, section, "mode", &route->mode);
}

/* A message has to fit into a batch of the spool; so there is always a bound. */
static int read_source_options(struct gateway_reader *reader, cfg_t *section, struct gateway_route_config *route) {
    int r = gateway_reader_socket_options(reader, section, source_options, &route->options, &route->option_count);
    if (r < 0)
        return r;
    for (size_t i = 0; i < route->option_count; i++)
        if (route->options[i].option == KITH_OPTION_MAX_MESSAGE)
            route->max_message = (size_t)route->options[i].value;
    if (route->max_message > MAX_MESSAGE_MAX)
        return gateway_reader_fail(reader, -EINVAL, kith_config_get(section, "max_message", 0)->line,
                                   "max_message = %zu: a message of a route has at most %zu octets", route->max_message, MAX_MESSAGE_MAX);
    if (route->max_message > 0)
        return 0;
    route->max_message = MAX_MESSAGE_DEFAULT;
    route->options[route->option_count++] = (struct gateway_option){KITH_OPTION_MAX_MESSAGE, MAX_MESSAGE_DEFAULT};
    return 0;
}

/* The spool -------------------------------------------------------------------------------------------------------- */

/* An option that means nothing there is a mistake. */
static int refuse_option(struct gateway_reader *reader, cfg_t *section, const char *option, const char *why) {
    const struct kith_config_value *value = kith_config_get(section, option, 0);
    return value ? gateway_reader_fail(reader, -EINVAL, value->line, "%s: %s", option, why) : 0;
}

static int read_queue(struct gateway_reader *reader, cfg_t *section, struct gateway_route_config *route) {
    static const char *const of_spools[] = {"spool_bytes", "spool_age", "overflow"};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(of_spools); i++) {
        int r = refuse_option(reader, section, of_spools[i], "is for a route with a spool: give it spool = \"/var/lib/kith/NAME.spool\"");
        if (r < 0)
            return r;
    }
    route->queue_bytes = QUEUE_BYTES_DEFAULT > 2 * route->max_message ? QUEUE_BYTES_DEFAULT : 2 * route->max_message;
    return gateway_reader_size(reader, section, "queue_bytes", 4096, &route->queue_bytes);
}

static int read_spool(struct gateway_reader *reader, cfg_t *section, struct gateway_route_config *route) {
    static const char *const words[] = {[SPOOL_REFUSE] = "refuse", [SPOOL_DROP_OLDEST] = "drop-oldest"};
    const struct kith_config_value *path = kith_config_get(section, "spool", 0);
    unsigned overflow = SPOOL_REFUSE;
    size_t bytes = 0;
    if (!path)
        return read_queue(reader, section, route);
    if (path->text[0] != '/')
        return gateway_reader_fail(reader, -EINVAL, path->line, "spool = \"%.64s\": write a path that begins with /, to a file of its own",
                                   path->text);
    int r = gateway_reader_text(reader, section, "spool", &route->spool);
    if (r >= 0)
        r = refuse_option(reader, section, "queue_bytes", "is for a route without a spool: this one has spool_bytes");
    if (r >= 0)
        r = gateway_reader_size(reader, section, "spool_bytes", 4096, &bytes);
    if (r >= 0)
        r = gateway_reader_ms(reader, section, "spool_age", 1000, &route->spool_age_ms);
    if (r >= 0)
        r = gateway_reader_word(reader, section, "overflow", words, KITH_ARRAY_SIZE(words), &overflow);
    route->spool_bytes = bytes;
    route->overflow = (enum spool_overflow)overflow;
    if (r >= 0 && overflow != SPOOL_REFUSE && bytes == 0)
        return gateway_reader_fail(reader, -EINVAL, path->line, "overflow = \"drop-oldest\" needs a bound: give it spool_bytes");
    return r;
}

/* Targets ---------------------------------------------------------------------------------------------------------- */

static int read_framing(struct gateway_reader *reader, cfg_t *section, struct output_options *options) {
    static const char *const framings[] = {[OUTPUT_FRAMING_NEWLINE] = "newline", [OUTPUT_FRAMING_LENGTH] = "length"};
    static const char *const newlines[] = {[OUTPUT_NEWLINE_REFUSE] = "refuse", [OUTPUT_NEWLINE_ESCAPE] = "escape"};
    unsigned framing = options->framing, newline = options->newline;
    int r = gateway_reader_word(reader, section, "framing", framings, KITH_ARRAY_SIZE(framings), &framing);
    if (r >= 0)
        r = gateway_reader_word(reader, section, "newline", newlines, KITH_ARRAY_SIZE(newlines), &newline);
    options->framing = (enum output_framing)framing;
    options->newline = (enum output_newline)newline;
    return r;
}

/* Keys. Who has no pair of his own is somebody whom the far end does not know. */
static int read_curve(struct gateway_reader *reader, cfg_t *section, struct output_options *options) {
    const struct kith_config_value *server = kith_config_get(section, "curve_server_key", 0),
                                   *secret = kith_config_get(section, "curve_secret_key_file", 0);
    if (secret && !server && !options->curve)
        return gateway_reader_fail(reader, -EINVAL, secret->line,
                                   "curve_secret_key_file is for CURVE: give it curve_server_key, the far end's key");
    if (server && (strlen(server->text) != KITH_CURVE_TEXT_SIZE - 1 ||
                   kith_z85_decode(server->text, KITH_CURVE_TEXT_SIZE - 1, options->curve_server_key, KITH_CURVE_KEY_SIZE) < 0))
        return gateway_reader_fail(reader, -EINVAL, server->line, "curve_server_key = \"%.64s\": write a key of 40 characters (Z85)",
                                   server->text);
    options->anonymous = !secret && (options->anonymous || (server && !options->curve));
    options->curve = options->curve || server;
    return secret ? gateway_reader_key_file(reader, section, "curve_secret_key_file", options->curve_secret_key) : 0;
}

static int read_target_options(struct gateway_reader *reader, cfg_t *section, struct output_options *options) {
    const struct {
        const char *name;
        uint64_t *value;
        int64_t min;
    } times[] = {{"retry_min", &options->retry_min_ms, 1},
                 {"retry_max", &options->retry_max_ms, 1},
                 {"stop_timeout", &options->stop_ms, 1},
                 {"rotate_age", &options->rotate_ms, 1000},
                 {"sync", &options->sync_ms, 1}};
    const struct {
        const char *name;
        bool *value;
    } flags[] = {{"origin", &options->origin}, {"acks", &options->acks}, {"shell", &options->shell}, {"publish", &options->publish}};
    int64_t keep = options->keep, rotate = (int64_t)options->rotate_octets;
    int r = read_framing(reader, section, options);
    if (r >= 0)
        r = read_curve(reader, section, options);
    for (size_t i = 0; r >= 0 && i < KITH_ARRAY_SIZE(times); i++)
        r = gateway_reader_ms(reader, section, times[i].name, times[i].min, times[i].value);
    for (size_t i = 0; r >= 0 && i < KITH_ARRAY_SIZE(flags); i++)
        r = gateway_reader_flag(reader, section, flags[i].name, flags[i].value);
    if (r >= 0)
        r = gateway_reader_size(reader, section, "in_flight", 1, &options->flight_messages);
    if (r >= 0)
        r = gateway_reader_size(reader, section, "in_flight_bytes", 1, &options->flight_octets);
    if (r >= 0)
        r = gateway_reader_number(reader, section, "rotate_bytes", 1, INT64_C(1) << 40, &rotate);
    if (r >= 0)
        r = gateway_reader_number(reader, section, "keep", 1, 10000, &keep);
    options->rotate_octets = (uint64_t)rotate;
    options->keep = (unsigned)keep;
    return r;
}

/* The options as they are, and the policy that the output would have. */
static int check_target(struct gateway_reader *reader, const struct gateway_target_config *target, unsigned line) {
    struct kith_error error = KITH_ERROR_NONE;
    struct output_options options = target->options;
    options.policy = target->policy;
    int r = output_check(target->to, &options, &error);
    return r < 0 ? gateway_reader_fail(reader, r, line, "%s", error.text) : 0;
}

/* Takes the policy; copies the options, which are set. */
static int add_target(struct gateway_reader *reader, struct gateway_route_config *route, const char *name,
                      const struct kith_config_value *to, const struct output_options *options, kith_policy *policy) {
    struct gateway_target_config *target = &route->targets[route->target_count++];
    target->policy = policy;
    memcpy(&target->options, options, sizeof(*options)); /* with what lies between its members: gateway_route_config_same() */
    target->name = strdup(name);
    target->to = strdup(to->text);
    if (!target->name || !target->to)
        return gateway_reader_no_memory(reader);
    if (strlen(name) > SPOOL_NAME_MAX || *name == '\0')
        return gateway_reader_fail(reader, -EINVAL, to->line,
                                   "%.64s: the name of a target has 1 to %d octets: write target \"NAME\" { to = \"...\" }", to->text,
                                   SPOOL_NAME_MAX);
    for (size_t i = 0; i + 1 < route->target_count; i++)
        if (strcmp(route->targets[i].name, name) == 0)
            return gateway_reader_fail(reader, -EINVAL, to->line, "target %s is there twice: each has a cursor of its own", name);
    return check_target(reader, target, to->line);
}

static int read_target(struct gateway_reader *reader, cfg_t *section, const struct output_options *of_route,
                       struct gateway_route_config *route) {
    const struct kith_config_value *to = kith_config_get(section, "to", 0);
    struct output_options options;
    if (!to)
        return gateway_reader_fail(reader, -EINVAL, (unsigned)section->line,
                                   "target \"%.64s\" goes nowhere: give it to = \"raw+tcp://HOST:PORT\"", cfg_title(section));
    memcpy(&options, of_route, sizeof(options));
    kith_policy *policy = NULL;
    int r = read_target_options(reader, section, &options);
    if (r >= 0)
        r = gateway_reader_policy(reader, section, "policy", &policy);
    return r < 0 ? r : add_target(reader, route, cfg_title(section), to, &options, policy);
}

static int read_targets(struct gateway_reader *reader, cfg_t *section, struct gateway_route_config *route) {
    struct output_options options;
    size_t direct = kith_config_count(section, "to"), sections = cfg_size(section, "target");
    if (direct + sections == 0 || direct + sections > SPOOL_TARGETS_MAX)
        return gateway_reader_fail(reader, -EINVAL, (unsigned)section->line,
                                   "route \"%s\" has %zu targets: give it 1 to %d: to = {\"raw+tcp://HOST:PORT\"}", route->name,
                                   direct + sections, SPOOL_TARGETS_MAX);
    route->targets = calloc(direct + sections, sizeof(*route->targets));
    if (!route->targets)
        return gateway_reader_no_memory(reader);
    memset(&options, 0, sizeof(options));
    int r = read_target_options(reader, section, &options);
    for (size_t i = 0; r >= 0 && i < direct; i++) {
        const struct kith_config_value *to = kith_config_get(section, "to", i);
        r = add_target(reader, route, to->text, to, &options, NULL);
    }
    for (size_t i = 0; r >= 0 && i < sections; i++)
        r = read_target(reader, cfg_getnsec(section, "target", (unsigned)i), &options, route);
    return r;
}

/* Routes ----------------------------------------------------------------------------------------------------------- */

static int read_route(struct gateway_reader *reader, cfg_t *section, struct gateway_route_config *route) {
    static const char *const words[] = {[GATEWAY_FRAMES_REFUSE] = "refuse", [GATEWAY_FRAMES_JOIN] = "join", [GATEWAY_FRAMES_LAST] = "last"};
    unsigned frames = GATEWAY_FRAMES_REFUSE;
    int r = gateway_reader_name(reader, section, &route->name);
    if (r >= 0)
        r = read_sources(reader, section, route);
    if (r >= 0)
        r = read_source_options(reader, section, route);
    if (r >= 0)
        r = gateway_reader_word(reader, section, "frames", words, KITH_ARRAY_SIZE(words), &frames);
    route->frames = (enum gateway_frames)frames;
    if (r >= 0)
        r = read_spool(reader, section, route);
    return r < 0 ? r : read_targets(reader, section, route);
}

/* Two writers of one file would be found out only when the second opens it, with the first one running. */
static int check_spool(struct gateway_reader *reader, const struct gateway_config *config, cfg_t *section) {
    const struct gateway_route_config *last = &config->routes[config->route_count - 1];
    for (size_t i = 0; last->spool && i + 1 < config->route_count; i++)
        if (config->routes[i].spool && strcmp(config->routes[i].spool, last->spool) == 0)
            return gateway_reader_fail(reader, -EINVAL, kith_config_get(section, "spool", 0)->line,
                                       "%s is the spool of route \"%s\" already: give each route a file of its own", last->spool,
                                       config->routes[i].name);
    return 0;
}

int gateway_reader_routes(struct gateway_reader *reader, struct gateway_config *config) {
    unsigned count = cfg_size(reader->cfg, "route");
    config->routes = calloc(count ? count : 1, sizeof(*config->routes));
    if (!config->routes)
        return gateway_reader_no_memory(reader);
    for (unsigned i = 0; i < count; i++) {
        cfg_t *section = cfg_getnsec(reader->cfg, "route", i);
        config->route_count++;
        int r = read_route(reader, section, &config->routes[i]);
        if (r >= 0)
            r = check_spool(reader, config, section);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Comparing -------------------------------------------------------------------------------------------------------- */

static bool same_targets(const struct gateway_route_config *a, const struct gateway_route_config *b) {
    if (a->target_count != b->target_count)
        return false;
    for (size_t i = 0; i < a->target_count; i++)
        if (strcmp(a->targets[i].name, b->targets[i].name) != 0 || strcmp(a->targets[i].to, b->targets[i].to) != 0 ||
            memcmp(&a->targets[i].options, &b->targets[i].options, sizeof(a->targets[i].options)) != 0)
            return false;
    return true;
}

static bool same_spool(const struct gateway_route_config *a, const struct gateway_route_config *b) {
    return a->spool_bytes == b->spool_bytes && a->spool_age_ms == b->spool_age_ms && a->overflow == b->overflow &&
           a->queue_bytes == b->queue_bytes && (a->spool && b->spool ? strcmp(a->spool, b->spool) == 0 : a->spool == b->spool);
}

bool gateway_route_config_same(const struct gateway_route_config *a, const struct gateway_route_config *b) {
    return a->from_type == b->from_type && a->mode == b->mode && a->frames == b->frames && gateway_same_strings(a->from, b->from) &&
           gateway_same_strings(a->from_bind, b->from_bind) && gateway_same_strings(a->subscribe, b->subscribe) &&
           gateway_same_options(a->options, a->option_count, b->options, b->option_count) && same_spool(a, b) && same_targets(a, b);
}
