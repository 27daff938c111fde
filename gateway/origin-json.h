/* gateway/origin-json.h: kith_origin_to_json() into memory of its own. */
#ifndef KITH_GATEWAY_ORIGIN_JSON_H
#define KITH_GATEWAY_ORIGIN_JSON_H

#include <kith/origin.h>

/* "{}" for NULL. The text is to free(). Errors: -ENOMEM. */
int gateway_origin_json(kith_origin *origin, char **ret_json);

#endif
