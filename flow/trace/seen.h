/*
 * flow/trace/seen.h: which functions occur in pages, so that a recording has the prototypes of these and no others.
 *
 * Reads the kernel's own pages, on the machine that wrote them: what anybody's file may hold is the decoder's matter.
 */
#ifndef KITH_FLOW_SEEN_H
#define KITH_FLOW_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flow_seen {
    unsigned entry;  /* the number of the event funcgraph_entry; 0: not known, and then every function counts as seen */
    size_t func_at;  /* octets from an event's beginning to the function's address */
    size_t data_at;  /* from a page's to its events */
    uint64_t *slots; /* addresses, by their hash; 0: free */
    size_t room, count;
};

/* From the texts of events/ftrace/funcgraph_entry/format and events/header_page. */
void flow_seen_init(struct flow_seen *seen, const char *format, const char *header_page);
void flow_seen_deinit(struct flow_seen *seen);
/* Errors: -ENOMEM. */
int flow_seen_add_page(struct flow_seen *seen, const void *page, size_t size);
bool flow_seen_has(const struct flow_seen *seen, uint64_t address);

#endif
