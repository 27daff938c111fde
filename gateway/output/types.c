/* gateway/output/types.c: the table of kinds of targets. */
#include <string.h>

#include "gateway/output/type.h"

struct row {
    struct output_kind kind;
    const struct output_type *type;
};

#define ZMTP_PROMISE "PUSH: acknowledged by the peer's kernel; PUB: so by those who subscribed and were not full"

static const struct row rows[] = {
    {{"raw+tcp://", "framed messages over TCP", "acknowledged by the peer's kernel; with acks: by the peer itself"}, &output_type_raw},
    {{"raw+ipc://", "framed messages over a unix socket", "read by the peer; with acks: acknowledged by it"}, &output_type_raw},
    {{"exec:", "framed messages to a command's standard input", "read by the command; with acks: acknowledged by it"}, &output_type_exec},
    {{"file:", "lines of a file, with rotation", "on the disk"}, &output_type_file},
    {{"tcp://", "a ZMTP peer over TCP", ZMTP_PROMISE}, &output_type_zmtp},
    {{"ipc://", "a ZMTP peer over a unix socket", "PUSH: read by the peer; PUB: so by those who subscribed and were not full"},
     &output_type_zmtp},
    {{"vsock://", "a ZMTP peer between a virtual machine and its host", "handed to the kernel"}, &output_type_zmtp},
    {{"inproc://", "a ZMTP peer in this process", "in the peer's queue"}, &output_type_zmtp},
};

const struct output_type *output_type_find(const char *target, const char **ret_rest) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(rows); i++) {
        size_t size = strlen(rows[i].kind.prefix);
        if (strncmp(target, rows[i].kind.prefix, size) == 0) {
            *ret_rest = target + size;
            return rows[i].type;
        }
    }
    return NULL;
}

const struct output_kind *output_kind_at(size_t index) {
    return index < KITH_ARRAY_SIZE(rows) ? &rows[index].kind : NULL;
}
