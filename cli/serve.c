/* cli/serve.c: kith serve: runs the gateway. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/options.h"
#include "cli/output.h"
#include "gateway/cleanup.h"
#include "gateway/gateway.h"

struct serve {
    const char *path; /* NULL: the default configuration */
    bool check, print_default;
    int level;
};

enum { KEY_CONFIG, KEY_CHECK, KEY_PRINT_DEFAULT, KEY_VERBOSE, KEY_QUIET };

static const struct cli_option options[] = {
    {KEY_CONFIG, "config", 'c', "FILE", "the configuration: kith.conf(5)"},
    {KEY_CHECK, "check", 0, NULL, "only say whether the configuration is right"},
    {KEY_PRINT_DEFAULT, "print-default-config", 0, NULL, "print the configuration that is used without a file"},
    {KEY_VERBOSE, "verbose", 'v', NULL, "log each request too, and which loop it runs on"},
    {KEY_QUIET, "quiet", 'q', NULL, "log only what is wrong"},
    {0},
};

static int take_option(void *state, int key, const char *value) {
    struct serve *serve = state;
    switch (key) {
    case KEY_CONFIG:
        serve->path = value;
        break;
    case KEY_CHECK:
        serve->check = true;
        break;
    case KEY_PRINT_DEFAULT:
        serve->print_default = true;
        break;
    case KEY_VERBOSE:
        serve->level = LOG_DEBUG;
        break;
    default:
        serve->level = LOG_WARNING;
        break;
    }
    return 0;
}

static int read_config(const struct serve *serve, struct gateway_config **ret_config, struct kith_error *error) {
    if (serve->path)
        return gateway_config_load(serve->path, ret_config, error);
    _cleanup_(freep) char *text = NULL;
    int r = gateway_config_default(&text, error);
    return r < 0 ? r : gateway_config_parse(text, strlen(text), "default configuration", ret_config, error);
}

static int print_default(void) {
    _cleanup_(freep) char *text = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    if (gateway_config_default(&text, &error) < 0)
        return cli_fail(&error);
    cli_output(text, strlen(text));
    return CLI_OK;
}

struct server {
    kith_loop *loop;
    struct gateway_log *log;
    struct gateway *gateway;
};

static void server_deinit(struct server *server) {
    gateway_free(server->gateway);
    gateway_log_free(server->log);
    kith_loop_free(server->loop);
}

static void log_loop(const struct server *server) {
    const char *reason = kith_loop_backend_reason(server->loop);
    gateway_log(server->log, LOG_DEBUG, "loop: %s%s%s", kith_loop_backend_name(server->loop), reason ? ": " : "", reason ? reason : "");
}

static int serve_config(const struct serve *serve, struct gateway_config **config, struct kith_error *error) {
    _cleanup_(server_deinit) struct server server = {0};
    int r = kith_loop_new_with(NULL, &server.loop, error);
    if (r < 0)
        return r;
    r = gateway_log_new(server.loop, STDERR_FILENO, "kith serve", serve->level, &server.log);
    if (r < 0)
        return kith_error_set(error, r, "cannot start: %s", kith_error_name(r));
    log_loop(&server);
    r = gateway_new(server.loop, server.log, *config, serve->path, &server.gateway, error);
    if (r < 0)
        return r;
    *config = NULL; /* the gateway's now */
    r = gateway_run(server.gateway);
    return r < 0 ? kith_error_set(error, r, "the loop ended: %s", kith_error_name(r)) : 0;
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    struct serve serve = {.level = LOG_INFO};
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &serve, &words, &count);
    if (status != CLI_GO_ON)
        return status;
    if (count > 0)
        return cli_usage(verb, "%s: what is to be served stands in the configuration (-c FILE)", words[0]);
    if (serve.print_default)
        return print_default();
    _cleanup_(gateway_config_freep) struct gateway_config *config = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    if (read_config(&serve, &config, &error) < 0)
        return cli_fail(&error);
    if (!serve.check)
        return serve_config(&serve, &config, &error) < 0 ? cli_fail(&error) : CLI_OK;
    cli_print("%s: right: %zu service(s), %zu proxies, %zu route(s)\n", serve.path ? serve.path : "default configuration",
              config->service_count, config->forward_count, config->route_count);
    return CLI_OK;
}

const struct cli_verb cli_serve = {
    .name = "serve",
    .summary = "run the gateway: services and their workers, proxies, routes; under policies",
    .usage = "[-c FILE] [--check | --print-default-config] [-v | -q]",
    .details =
        "Serves what the configuration says: requests of clients go to workers under policy, replies go back; messages of routes go from\n"
        "sources over a spool on disk to their targets. SIGHUP reads the policies\n"
        "again, SIGTERM ends it after the requests that were taken are answered.",
    .options = options,
    .run = run,
};
