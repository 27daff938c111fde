/* flow/guest/request.h: what the guest is asked for: the file /request, words that each end in a NUL. */
#ifndef KITH_FLOW_REQUEST_H
#define KITH_FLOW_REQUEST_H

#include <stdbool.h>

#define FLOW_REQUEST_FILE "request"
#define FLOW_REQUEST_SCENARIO_PROGRAM "bin/kith-flow-scenario"
#define FLOW_REQUEST_MODULE "modules/%02u.ko"
#define FLOW_REQUEST_PORT "/dev/ttyS1"

/* The words: "functions" or "probes"; a note for META, or nothing; the scenario's name, or nothing; the command. */
enum { FLOW_REQUEST_WHAT, FLOW_REQUEST_NOTE, FLOW_REQUEST_SCENARIO, FLOW_REQUEST_COMMAND };
#define FLOW_REQUEST_PROBES "probes"
#define FLOW_REQUEST_FUNCTIONS "functions"
#define FLOW_REQUEST_WORDS_MAX 64

#endif
