/*
 * flow/source/scan.h: the functions that a C file of the kernel defines, and their lines. No I/O; the text may be anything.
 *
 * No parser: a function is a name with parentheses in front of a brace outside of all braces. What the kernel's style guarantees is relied
 * on: a function ends with a brace in the first column, whatever #if does with those in it.
 */
#ifndef KITH_FLOW_SOURCE_SCAN_H
#define KITH_FLOW_SOURCE_SCAN_H

#include "flow/decode/lines.h"

/* `is_call`: SYSCALL_DEFINE made it: the function is sys_NAME. `name` lies in the text. */
typedef void (*flow_scan_fn)(void *userdata, struct flow_span name, bool is_call, unsigned line);
void flow_scan(struct flow_span text, flow_scan_fn found, void *userdata);

#endif
