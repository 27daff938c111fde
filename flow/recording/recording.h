/*
 * flow/recording/recording.h: the file of a recording: kith-flow-format(5).
 *
 *     "KITHFLOW"  major (2, little-endian)  minor (2)  reserved (4)  one zstd frame of sections
 *     section:    type (4 characters)  reserved (4)  size (8, little-endian)  octets
 *
 * A reader skips sections that it does not know; a new major number is for what older readers would misunderstand. The file is whole when
 * its last section is "DONE": a recorder that was killed leaves one without, and everything before it can still be read.
 *
 *     META  JSON: what was recorded, on what (struct flow_meta is what a reader needs of it)
 *     HPAG  text of events/header_page
 *     EVNT  text of an event's format file; one section an event
 *     SYMS  lines "ADDRESS NAME[ MODULE]", ascending: the functions that can occur in the recording, and their neighbours in net/
 *     PROT  lines "NAME<TAB>PROTOTYPE": from BTF, of the functions that occur
 *     TASK  lines "PID<TAB>NAME": saved_cmdlines
 *     PAGE  a page of one processor's ring buffer as trace_pipe_raw gives it, with the processor's number (4, little-endian) in front
 *     LOST  lines "CPU<TAB>EVENTS": lost on the way, from the stats files in per_cpu and from the pages
 *     CONF  the kernel's configuration, when it can be had
 *     DONE  empty
 *
 * META has at least: "kernel", "machine", "recorded_at" (RFC 3339), "page_size", "cpus", "probes_only", "roles" (an object "PID": "client"
 * or "server"), and, when they are known, "scenario", "command" (an array of words), "pids" (what was recorded; absent: every task),
 * "notes" (texts that must be shown).
 *
 * Events are ftrace's funcgraph_entry and funcgraph_exit, sock's inet_sock_set_state, and the dynamic events of the group "kith". A socket
 * is the kernel's address of its struct sock. Octets of a packet and addresses are as they lie in memory, read as a little-endian number:
 * in network order.
 *
 *     packet   head rest (the first 16 octets of its header) octets (with the TCP header): a segment was received
 *     answer   the same fields: a SYN-ACK was made and is being sent
 *     sent     sk skb seq (host order) end (the sequence number behind it) flags sport (host order) dport (network order): it is being sent
 *     datagram       head (its header) octets (with the UDP header): a datagram was received
 *     datagram_sent  sk sport dport (network order) octets (with the UDP header): one is being sent
 *     link     sk (the listener) child own (false: another processor was first)
 *     accept   child (0: accept() failed)
 *     connect  sk
 *     sendmsg  sk size
 *     recvmsg  sk size (of the buffer)
 *     close    sk
 *
 * Older recordings have the event state (sk old new family sport dport saddr daddr s6a s6b d6a d6b) and packets whose header is taken apart
 * (sport dport seq ack off flags).
 */
#ifndef KITH_FLOW_RECORDING_H
#define KITH_FLOW_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>

#include "base/cleanup.h"

#define FLOW_MAGIC "KITHFLOW"
#define FLOW_FORMAT_MAJOR 1
#define FLOW_FORMAT_MINOR 0

enum flow_section_type {
    FLOW_META,
    FLOW_HEADER_PAGE,
    FLOW_EVENT,
    FLOW_SYMBOLS,
    FLOW_PROTOTYPES,
    FLOW_TASKS,
    FLOW_PAGE,
    FLOW_LOST,
    FLOW_CONFIG,
    FLOW_DONE,
    FLOW_SECTION_TYPES_
};

/* Writing: to a descriptor, which stays the caller's. --------------------------------------------------------------------- */

struct flow_writer;

/* Errors: -ENOMEM, those of write(2). */
int flow_writer_new(int fd, struct flow_writer **ret_writer);
/* The octets of several pieces, one behind the other, become one section. Errors: those of write(2), -ENOMEM; from then on always. */
struct flow_piece {
    const void *data;
    size_t size;
};
int flow_writer_add(struct flow_writer *writer, enum flow_section_type type, const struct flow_piece *pieces, size_t count);
/* DONE, and everything is with the kernel. */
int flow_writer_finish(struct flow_writer *writer);
struct flow_writer *flow_writer_free(struct flow_writer *writer);
KITH_DEFINE_CLEANUP(struct flow_writer *, flow_writer_free)

/* Reading: from memory, whole. -------------------------------------------------------------------------------------------- */

struct flow_section {
    enum flow_section_type type;
    const uint8_t *data;
    size_t size;
};

struct flow_recording {
    uint8_t *octets; /* unpacked; the sections point into it */
    struct flow_section *sections;
    size_t count;
    bool whole;
};

/* Unpacks at most `limit` octets. Errors, with text: -EINVAL (no recording), -EPROTONOSUPPORT (a newer major number), -EBADMSG (broken),
 * -E2BIG (more than the limit), -ENOMEM. One that ends early is no error: `whole` is false. */
#define FLOW_UNPACKED_MAX ((size_t)2 * 1024 * 1024 * 1024)
int flow_recording_read(const void *data, size_t size, size_t limit, struct flow_recording **ret_recording, struct kith_error *ret_error);
struct flow_recording *flow_recording_free(struct flow_recording *recording);
KITH_DEFINE_CLEANUP(struct flow_recording *, flow_recording_free)

#endif
