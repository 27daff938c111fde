/* cli/socket-options.h: --option NAME=VALUE, the options of message sockets by their own table. */
#ifndef KITH_CLI_SOCKET_OPTIONS_H
#define KITH_CLI_SOCKET_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/socket.h>

struct cli_socket_option {
    const struct kith_option_info *info;
    const char *text; /* the value as it was written */
};

struct cli_socket_options {
    struct cli_socket_option set[KITH_OPTION_COUNT_]; /* the last one of a kind holds */
    size_t count;
};

/* Reads NAME=VALUE by kith_socket_options(). Returns 0, or CLI_USAGE after it has said what is wrong. */
int cli_socket_options_add(struct cli_socket_options *options, const char *text);
/* The same with an option that is known. */
int cli_socket_options_set(struct cli_socket_options *options, const struct kith_option_info *info, const char *text);
/* Is it set? */
bool cli_socket_options_has(const struct cli_socket_options *options, enum kith_option option);
/* Errors: those of kith_socket_set_option(), with text. */
int cli_socket_options_apply(const struct cli_socket_options *options, kith_socket *socket, struct kith_error *ret_error);

/* --policy FILE (NULL: none): from now on the socket asks the policy of that file. Errors: those of kith_config_policy_load(), with text.
 */
int cli_socket_set_policy(kith_socket *socket, const char *path, struct kith_error *ret_error);

#endif
