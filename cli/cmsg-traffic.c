/* cli/cmsg-traffic.c: names of DSCPs: RFC 2474 (CS), RFC 2597 (AF), RFC 3246 (EF), RFC 5865 (VOICE-ADMIT), RFC 8622 (LE). */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "base/cleanup.h"
#include "cli/cmsg.h"

static const struct {
    const char *name;
    unsigned dscp;
} names[] = {
    {"default", 0}, {"le", 1},    {"cs0", 0},   {"cs1", 8},   {"cs2", 16},  {"cs3", 24},  {"cs4", 32},  {"cs5", 40},
    {"cs6", 48},    {"cs7", 56},  {"af11", 10}, {"af12", 12}, {"af13", 14}, {"af21", 18}, {"af22", 20}, {"af23", 22},
    {"af31", 26},   {"af32", 28}, {"af33", 30}, {"af41", 34}, {"af42", 36}, {"af43", 38}, {"ef", 46},   {"voice-admit", 44},
};

int cmsg_traffic_parse(const char *text, unsigned *ret_traffic) {
    unsigned long number;
    char *end;

    for (size_t i = 0; i < KITH_ARRAY_SIZE(names); i++) {
        if (strcasecmp(names[i].name, text) == 0) {
            *ret_traffic = names[i].dscp << 2;
            return 0;
        }
    }
    if (text[0] < '0' || text[0] > '9')
        return -EINVAL;
    number = strtoul(text, &end, 0);
    if (*end != '\0' || number > UINT8_MAX)
        return -EINVAL;
    *ret_traffic = (unsigned)number;
    return 0;
}
