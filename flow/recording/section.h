/* flow/recording/section.h: how a section begins in the file; what writer and reader share. */
#ifndef KITH_FLOW_SECTION_H
#define KITH_FLOW_SECTION_H

#include "flow/recording/recording.h"

#define FLOW_MAGIC_SIZE 8
#define FLOW_FILE_HEADER 16
#define FLOW_SECTION_HEADER 16

/* Four characters, without a NUL behind. */
const char *flow_section_name(enum flow_section_type type);
/* FLOW_SECTION_TYPES_: not known. */
enum flow_section_type flow_section_find(const uint8_t name[4]);

#endif
