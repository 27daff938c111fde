/* cli/socket-options.c: see socket-options.h. */
#include "cli/socket-options.h"

#include <stdio.h>
#include <string.h>

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
    cli_error("--option %s: no such option; there are:", text);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "  %-20s %s%s%s%s\n", table[i].name, table[i].summary, *table[i].unit ? " (" : "", table[i].unit,
                *table[i].unit ? ")" : "");
    return CLI_USAGE;
}

int cli_socket_options_add(struct cli_socket_options *options, const char *text) {
    const char *equals = strchr(text, '=');
    if (!equals) {
        cli_error("--option %s: must be NAME=VALUE", text);
        return CLI_USAGE;
    }
    const struct kith_option_info *info = find_info(text, (size_t)(equals - text));
    if (!info)
        return unknown_option(text);
    struct cli_socket_option option = {.option = info->option, .text = equals + 1};
    option.octets = info->type != KITH_OPTION_TYPE_NUMBER && info->type != KITH_OPTION_TYPE_FLAG;
    if (!option.octets) {
        int status = info->option == KITH_OPTION_IPC_MODE ? cli_mode(info->name, option.text, &option.number)
                                                          : cli_number(info->name, option.text, info->min, info->max, &option.number);
        if (status != 0)
            return status;
    }
    size_t i = 0;
    while (i < options->count && options->set[i].option != option.option)
        i++;
    options->set[i] = option;
    if (i == options->count)
        options->count++;
    return 0;
}

bool cli_socket_options_has(const struct cli_socket_options *options, enum kith_option option) {
    for (size_t i = 0; i < options->count; i++)
        if (options->set[i].option == option)
            return true;
    return false;
}

int cli_socket_options_apply(const struct cli_socket_options *options, kith_socket *socket, struct kith_error *ret_error) {
    for (size_t i = 0; i < options->count; i++) {
        const struct cli_socket_option *option = &options->set[i];
        int r = option->octets ? kith_socket_set_octets(socket, option->option, option->text, strlen(option->text), ret_error)
                               : kith_socket_set_number(socket, option->option, option->number, ret_error);
        if (r < 0)
            return r;
    }
    return 0;
}
