/* flow/recording/section.c: see section.h. */
#include "flow/recording/section.h"

#include <string.h>

static const char names[FLOW_SECTION_TYPES_][5] = {
    [FLOW_META] = "META",  [FLOW_HEADER_PAGE] = "HPAG", [FLOW_EVENT] = "EVNT", [FLOW_SYMBOLS] = "SYMS", [FLOW_PROTOTYPES] = "PROT",
    [FLOW_TASKS] = "TASK", [FLOW_PAGE] = "PAGE",        [FLOW_LOST] = "LOST",  [FLOW_CONFIG] = "CONF",  [FLOW_DONE] = "DONE",
};

const char *flow_section_name(enum flow_section_type type) {
    return names[type];
}

enum flow_section_type flow_section_find(const uint8_t name[4]) {
    for (size_t i = 0; i < FLOW_SECTION_TYPES_; i++)
        if (memcmp(names[i], name, 4) == 0)
            return (enum flow_section_type)i;
    return FLOW_SECTION_TYPES_;
}
