/* gateway/endpoints.h: what services, proxies and routes do alike with their sockets' options, endpoints, and directories. */
#ifndef KITH_GATEWAY_ENDPOINTS_H
#define KITH_GATEWAY_ENDPOINTS_H

#include "gateway/config.h"

/* `service`: the section's name, which rules of policies may ask for. Errors: those of kith_socket_set_number(), with text. */
int gateway_endpoints_set_options(kith_socket *socket, const char *service, const struct gateway_option *options, size_t count,
                                  unsigned mode, struct kith_error *ret_error);
/* The directory of a path under /run is often the service's own and gone after a boot: it is made, one level deep. endpoints may be NULL.
 */
void gateway_endpoints_make_directories(char **endpoints, unsigned mode);
/* All of them; NULL: none. Errors: those of kith_socket_bind() and kith_socket_connect(), with text. */
int gateway_endpoints_bind(kith_socket *socket, char **endpoints, struct kith_error *ret_error);
int gateway_endpoints_connect(kith_socket *socket, char **endpoints, struct kith_error *ret_error);

#endif
