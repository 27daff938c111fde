/* cli/status-gateway.h: kith status ENDPOINT: what a gateway's service of builtin = "status" says. */
#ifndef KITH_CLI_STATUS_GATEWAY_H
#define KITH_CLI_STATUS_GATEWAY_H

#include <stdbool.h>

/* Asks, and prints it, as it came or as text. Returns the exit status. */
int cli_status_gateway(const char *endpoint, bool json);

#endif
