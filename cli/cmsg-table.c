/* cli/cmsg-table.c: kith cmsg list, kith cmsg show: what kith knows of control messages, from the one table of the library. */
#include <strings.h>

#include "base/cleanup.h"
#include "cli/cmsg.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/output.h"

enum { KEY_JSON };

static const struct cli_option options[] = {
    {KEY_JSON, "json", 0, NULL, "print JSON"},
    {0},
};

static int take_option(void *state, int key, const char *value) {
    *(bool *)state = true;
    return 0;
}

static const char *level_name(int level) {
    static const struct {
        int level;
        const char *name;
    } names[] = {{IPPROTO_IP, "SOL_IP"}, {SOL_SOCKET, "SOL_SOCKET"}, {6, "SOL_TCP"},    {17, "SOL_UDP"},     {41, "SOL_IPV6"},
                 {101, "SOL_CAN_RAW"},   {107, "SOL_CAN_J1939"},     {132, "SOL_SCTP"}, {263, "SOL_PACKET"}, {270, "SOL_NETLINK"},
                 {279, "SOL_ALG"},       {282, "SOL_TLS"},           {287, "SOL_VSOCK"}};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(names); i++) {
        if (names[i].level == level)
            return names[i].name;
    }
    return "?";
}

static json_t *type_json(const struct kith_cmsg_type *type) {
    return json_pack("{s:s, s:s, s:i, s:i, s:s?, s:s?, s:s?, s:s, s:s?, s:s, s:s}", "name", type->name, "level_name",
                     level_name(type->level), "level", type->level, "type", type->type, "option", type->option, "received_since",
                     type->since, "sent_since", type->send_since, "data", type->data, "wire", type->wire, "manual", type->manual, "summary",
                     type->summary);
}

static int run_list(const struct cli_verb *verb, int argc, char **argv) {
    const struct kith_cmsg_type *type;
    bool json = false;
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &json, &words, &count);

    if (status != CLI_GO_ON)
        return status;
    if (count > 0)
        return cli_usage(verb, "%s: list takes no argument", words[0]);
    if (!json)
        cli_print("%-14s %-28s %-28s %-9s %-9s %s\n", "LEVEL", "NAME", "OPTION", "RECEIVED", "SENT", "WHAT IT IS");
    for (size_t i = 0; (type = kith_cmsg_type_at(i)); i++) {
        json_t *object = json ? type_json(type) : NULL;

        if (object)
            cli_json_print(object);
        else
            cli_print("%-14s %-28s %-28s %-9s %-9s %s\n", level_name(type->level), type->name, type->option ? type->option : "-",
                      type->since ? type->since : "-", type->send_since ? type->send_since : "-", type->summary);
        json_decref(object);
    }
    return CLI_OK;
}

static void show(const struct kith_cmsg_type *type) {
    cli_print("%s: %s\n", type->name, type->summary);
    cli_print("  level     %s (%d)\n", level_name(type->level), type->level);
    cli_print("  type      %d\n", type->type);
    cli_print("  data      %s\n", type->data);
    if (!type->since)
        cli_print("  received  never\n");
    else if (type->option)
        cli_print("  received  since Linux %s, with %s\n", type->since, type->option);
    else
        cli_print("  received  since Linux %s, always\n", type->since);
    if (type->send_since)
        cli_print("  sent      since Linux %s\n", type->send_since);
    else
        cli_print("  sent      never\n");
    cli_print("  wire      %s\n", type->wire ? type->wire : "never leaves the host");
    cli_print("  manual    %s\n", type->manual);
}

static int run_show(const struct cli_verb *verb, int argc, char **argv) {
    const struct kith_cmsg_type *type;
    bool json = false, found = false;
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &json, &words, &count);

    if (status != CLI_GO_ON)
        return status;
    if (count != 1)
        return cli_usage(verb, "which control message? (kith cmsg list)");
    for (size_t i = 0; (type = kith_cmsg_type_at(i)); i++) {
        if (strcasecmp(type->name, words[0]) != 0)
            continue;
        found = true;
        json_t *object = json ? type_json(type) : NULL;
        if (object)
            cli_json_print(object);
        else
            show(type);
        json_decref(object);
    }
    if (found)
        return CLI_OK;
    cli_error("%s: no such control message; kith cmsg list shows all", words[0]);
    return CLI_ERROR;
}

const struct cli_verb cli_cmsg_list = {
    .name = "cmsg list",
    .summary = "list every control message of Linux's sockets",
    .usage = "[--json]",
    .details = "A line each: level, name, the option that turns reception on, the kernels from which it is received and sent. JSON: an\n"
               "object a line.",
    .options = options,
    .run = run_list,
};

const struct cli_verb cli_cmsg_show = {
    .name = "cmsg show",
    .summary = "show what is known of one control message",
    .usage = "NAME [--json]",
    .details = "Level, type, data, the option that turns reception on, since when, whether a packet carries it, where it is described.",
    .options = options,
    .run = run_show,
};
