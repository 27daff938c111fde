/* flow/view/words.h: marks in words. */
#ifndef KITH_FLOW_WORDS_H
#define KITH_FLOW_WORDS_H

#include <stddef.h>

#include "flow/decode/model.h"

#define FLOW_WORDS_MAX 256

/* "SYN-SENT -> ESTABLISHED 127.0.0.1:40000 -> 127.0.0.1:7777", "received SYN,ACK seq 17 ack 4, 0 octets", ... */
void flow_words_mark(const struct flow_mark *mark, char text[FLOW_WORDS_MAX]);
/* "SYN,ACK"; "none". */
void flow_words_flags(unsigned flags, char *text, size_t size);
/* "127.0.0.1:80", "[::1]:80", "" (family unknown). */
void flow_words_address(const struct flow_address *address, char *text, size_t size);
/* "12 ns", "3.4 us", "1.2 ms". */
void flow_words_duration(uint64_t ns, char *text, size_t size);

#endif
