/*
 * record: the answers of all dumps of the network namespace that it runs in, as tests/map/zoo.diag and fuzz/corpus/map-netlink have them:
 * an octet with the row of map_dumps (bit 7: facts are in it), then the message, and so on. Not a test: tests/map/record.py makes the
 * files.
 *
 * record FILE plain|full MOST: no more than MOST answers of each dump.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/sock_diag.h>

#include "map/source/internal.h"

#define FACTS 0x80

struct recording {
    FILE *file;
    unsigned char whose;
    int left;
};

static int put(const struct nlmsghdr *answer, void *userdata) {
    struct recording *recording = userdata;

    if (recording->left-- > 0) {
        fputc(recording->whose, recording->file);
        fwrite(answer, 1, answer->nlmsg_len, recording->file);
    }
    return 0;
}

static void record(struct recording *recording, struct map_ask *ask, struct nlmsghdr *request, size_t whose, int most) {
    recording->whose = (unsigned char)whose;
    recording->left = most;
    map_ask_dump(ask, request, put, recording);
}

static void record_sockets(struct recording *recording, enum map_depth depth, int most) {
    struct map_ask ask;

    for (size_t i = 0; i < map_dump_count; i++)
        if (map_dumps[i].ask && map_ask_open(&ask, NETLINK_SOCK_DIAG) == 0) {
            struct nlmsghdr *request = map_ask_begin(&ask, SOCK_DIAG_BY_FAMILY);
            map_dumps[i].ask(&map_dumps[i], depth, request);
            record(recording, &ask, request, i | (depth == MAP_FULL ? FACTS : 0), most);
            map_ask_close(&ask);
        }
}

/* The numbers behind those of map_dumps: fuzz/fuzz-map-netlink.c. */
static void record_names(struct recording *recording) {
    struct map_ask ask;

    if (map_ask_open(&ask, NETLINK_GENERIC) == 0) {
        struct nlmsghdr *request = map_ask_begin(&ask, 0);
        map_genl_ask(GENL_ID_CTRL, request);
        record(recording, &ask, request, map_dump_count, 1);
        map_ask_close(&ask);
    }
    if (map_ask_open(&ask, NETLINK_ROUTE) == 0) {
        struct nlmsghdr *request = map_ask_begin(&ask, 0);
        map_links_ask(request);
        record(recording, &ask, request, map_dump_count + 1, 2);
        request = map_ask_begin(&ask, 0);
        map_locals_ask(request);
        record(recording, &ask, request, map_dump_count + 2, 3);
        map_ask_close(&ask);
    }
}

int main(int argc, char **argv) {
    struct recording recording = {.file = argc == 4 ? fopen(argv[1], "wb") : NULL};

    if (!recording.file) {
        fprintf(stderr, "usage: record FILE plain|full MOST\n");
        return 2;
    }
    record_sockets(&recording, strcmp(argv[2], "full") == 0 ? MAP_FULL : MAP_PLAIN, atoi(argv[3]));
    record_names(&recording);
    return fclose(recording.file) == 0 ? 0 : 1;
}
