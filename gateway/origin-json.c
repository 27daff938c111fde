/* gateway/origin-json.c: see origin-json.h. */
#include "gateway/origin-json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int gateway_origin_json(kith_origin *origin, char **ret_json) {
    char guess[2048]; /* most origins fit: the facts are few and short */
    int length = origin ? kith_origin_to_json(origin, guess, sizeof(guess)) : 0;
    if (length < 0)
        return length;
    size_t size = origin ? (size_t)length + 1 : sizeof("{}");
    char *json = malloc(size);
    if (!json)
        return -ENOMEM;
    if (!origin)
        memcpy(json, "{}", size);
    else if (size <= sizeof(guess))
        memcpy(json, guess, size);
    else if ((length = kith_origin_to_json(origin, json, size)) < 0 || (size_t)length >= size) {
        free(json);
        return length < 0 ? length : -ENOMEM;
    }
    *ret_json = json;
    return 0;
}
