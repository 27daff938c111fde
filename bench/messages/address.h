/* bench/messages/address.h: stream sockets at an endpoint, for what is written by hand. */
#ifndef KITH_BENCH_MESSAGES_ADDRESS_H
#define KITH_BENCH_MESSAGES_ADDRESS_H

#include <stdbool.h>

#include "bench/messages/contestant.h"

/* A blocking socket, TCP without delay. With `creds` (ipc) it is told the writer's credentials; they are asked for before anybody can
 * send. Or a negative errno. */
int address_connect(const struct setup *setup, bool creds);
/* Another client of many: each ten thousandth `serial` has another address of 127/8, so that ports never run out. */
int address_connect_many(const struct setup *setup, unsigned serial);
int address_listen(const struct setup *setup, bool creds);

/* A path, or a port that was free a moment ago. */
int address_choose(struct setup *setup, const char *folder);

/* As recv(2), of a socket with credentials; -EPROTO: they are not there. */
long address_receive_creds(int fd, void *data, size_t size);

#endif
