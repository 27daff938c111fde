/* bench/server/flood.h: clients that send and never read. */
#ifndef KITH_BENCH_SERVER_FLOOD_H
#define KITH_BENCH_SERVER_FLOOD_H

#include "bench/server/place.h"

struct flood;

/* Connects. Errors: those of socket(2) and connect(2), -ENOMEM. */
int flood_new(unsigned connections, const struct place *server, struct flood **ret_flood);
struct flood *flood_free(struct flood *flood);

/* Sends until nobody takes anything any more, at most 4 MiB a connection. Errors: those of send(2) (-ECONNRESET: the server closed). */
int flood_run(struct flood *flood);

#endif
