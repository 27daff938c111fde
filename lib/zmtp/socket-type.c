/* zmtp/socket-type.c: the socket types of RFC 37 and which of them may talk: one row a type. */
#include <string.h>

#include "base/cleanup.h"
#include "zmtp/engine.h"

#define PEERS_MAX 3

static const struct {
    const char *name;
    bool identity;
    const char *peers[PEERS_MAX];
} types[] = {
    {"REQ", true, {"REP", "ROUTER"}},
    {"REP", false, {"REQ", "DEALER"}},
    {"DEALER", true, {"REP", "DEALER", "ROUTER"}},
    {"ROUTER", true, {"REQ", "DEALER", "ROUTER"}},
    {"PUB", false, {"SUB", "XSUB"}},
    {"XPUB", false, {"SUB", "XSUB"}},
    {"SUB", false, {"PUB", "XPUB"}},
    {"XSUB", false, {"PUB", "XPUB"}},
    {"PUSH", false, {"PULL"}},
    {"PULL", false, {"PUSH"}},
    {"PAIR", false, {"PAIR"}},
    {"CLIENT", false, {"SERVER"}},
    {"SERVER", false, {"CLIENT"}},
    {"RADIO", false, {"DISH"}},
    {"DISH", false, {"RADIO"}},
    {"SCATTER", false, {"GATHER"}},
    {"GATHER", false, {"SCATTER"}},
    {"PEER", false, {"PEER"}},
    {"CHANNEL", false, {"CHANNEL"}},
};

static int find(const void *name, size_t size) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(types); i++)
        if (strlen(types[i].name) == size && memcmp(types[i].name, name, size) == 0)
            return (int)i;
    return -1;
}

const char *kith_zmtp_socket_type_find(const void *name, size_t size) {
    int i = find(name, size);
    return i < 0 ? NULL : types[i].name;
}

bool kith_zmtp_socket_type_has_identity(const char *type) {
    int i = find(type, strlen(type));
    return i >= 0 && types[i].identity;
}

bool kith_zmtp_compatible(const char *ours, const char *theirs) {
    int i = find(ours, strlen(ours));
    if (i < 0)
        return false;
    for (size_t k = 0; k < PEERS_MAX && types[i].peers[k]; k++)
        if (strcmp(types[i].peers[k], theirs) == 0)
            return true;
    return false;
}
