/* cli/socket-options.c: see socket-options.h. */
#include "cli/socket-options.h"

#include <stdio.h>
#include <string.h>

#include <kith/config.h>

#include "cli/options.h"
#include "cli/output.h"

static const struct kith_option_info *find_info(const char *name, size_t size) {
    size_t count;
    const struct kith_option_info *table = kith_socket_options(&count);
    for (size_t i = 0; i < count; i++)
        if (strlen(table[i].name) == size && memcmp(table[i].name, name, size) == 0)
            return &table[i];
    return NULL;
}

/* Names what there is instead of an unknown option. */
static int unknown_option(const char *text) {
    size_t count;
    const struct kith_option_info *table = kith_socket_options(&count);
    cli_error("--option %s: no such option; there are (kith options tells more):", text);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "  %-24s %s\n", table[i].name, table[i].summary);
    return CLI_USAGE;
}

int cli_socket_options_set(struct cli_socket_options *options, const struct kith_option_info *info, const char *text) {
    struct kith_error error = KITH_ERROR_NONE;
    int64_t number;
    bool is_number = info->type == KITH_OPTION_TYPE_NUMBER || info->type == KITH_OPTION_TYPE_FLAG;
    if (is_number && kith_option_parse(info, text, &number, &error) < 0) {
        cli_error("--option %s", error.text);
        return CLI_USAGE;
    }
    size_t i = 0;
    while (i < options->count && options->set[i].info != info)
        i++;
    options->set[i] = (struct cli_socket_option){.info = info, .text = text};
    if (i == options->count)
        options->count++;
    return 0;
}

int cli_socket_options_add(struct cli_socket_options *options, const char *text) {
    const char *equals = strchr(text, '=');
    if (!equals) {
        cli_error("--option %s: must be NAME=VALUE", text);
        return CLI_USAGE;
    }
    const struct kith_option_info *info = find_info(text, (size_t)(equals - text));
    return info ? cli_socket_options_set(options, info, equals + 1) : unknown_option(text);
}

bool cli_socket_options_has(const struct cli_socket_options *options, enum kith_option option) {
    for (size_t i = 0; i < options->count; i++)
        if (options->set[i].info->option == option)
            return true;
    return false;
}

int cli_socket_options_apply(const struct cli_socket_options *options, kith_socket *socket, struct kith_error *ret_error) {
    for (size_t i = 0; i < options->count; i++) {
        int r = kith_socket_set_option(socket, options->set[i].info->name, options->set[i].text, ret_error);
        if (r < 0)
            return r;
    }
    return 0;
}

int cli_socket_set_policy(kith_socket *socket, const char *path, struct kith_error *ret_error) {
    kith_policy *policy;
    int r = path ? kith_config_policy_load(path, &policy, ret_error) : 0;
    if (r < 0 || !path)
        return r;
    kith_socket_set_policy(socket, policy);
    kith_policy_unref(policy);
    return 0;
}
