/* cli/who.h: what `kith who` prints of a process and of those at the other end of an endpoint. */
#ifndef KITH_CLI_WHO_H
#define KITH_CLI_WHO_H

#include <stdbool.h>

#include <kith/origin.h>

/* An origin as a table: a line a fact, with its witness. */
void cli_who_print(kith_origin *origin);
/* who-endpoint.c: everyone at the other end of an endpoint (kith-who(1)). An exit status. */
int cli_who_endpoint(const char *endpoint, bool json);
/* Is it an endpoint, and no number of a process? */
bool cli_who_is_endpoint(const char *word);

#endif
