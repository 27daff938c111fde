/*
 * flow/decode/source-table.h: which files define a function, in Linux 6.1: flow/decode/source-table.txt, which tools/make-source-table
 * made. Files of another version differ little; a name that moved is told wrong.
 */
#ifndef KITH_FLOW_SOURCE_TABLE_H
#define KITH_FLOW_SOURCE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow/decode/lines.h"

#define FLOW_SOURCE_FILE_MAX 64

extern const char flow_source_files[][FLOW_SOURCE_FILE_MAX];
extern const size_t flow_source_file_count;
extern const char flow_source_names[];
extern const size_t flow_source_names_size;

/* Functions of one name, each in its file. */
#define FLOW_SOURCE_CANDIDATES_MAX 32
struct flow_source_candidates {
    uint16_t files[FLOW_SOURCE_CANDIDATES_MAX]; /* indices of flow_source_files */
    size_t count;
    bool elsewhere; /* files that are not in the table have one, too */
};

/* For a symbol's name: what the compiler appended (.isra.0) and the names that macros make of a system call are seen through. More than
 * FLOW_SOURCE_CANDIDATES_MAX count as none. */
void flow_source_find(struct flow_span name, struct flow_source_candidates *ret_candidates);

/* A symbol's name as the source has it: __x64_sys_connect is sys_connect, tcp_ack.isra.0 is tcp_ack. */
struct flow_span flow_source_plain_name(struct flow_span name);

#endif
