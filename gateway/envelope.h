/*
 * gateway/envelope.h: the envelope of a request as a ROUTER receives it (RFC 28): the client's routing id, any addresses that proxies on
 * the way added, an empty frame. Behind it comes the body, at least one frame.
 *
 * A REQ client sends the empty frame by itself; a DEALER client must send it. Without it a request cannot be told from its way back, so it
 * is malformed. So is one whose addresses are longer or more than those of proxies: an envelope is kept until the reply comes, and nobody
 * shall store megabytes in it.
 */
#ifndef KITH_GATEWAY_ENVELOPE_H
#define KITH_GATEWAY_ENVELOPE_H

#include <kith/msg.h>

/* Routing ids have at most 255 octets (RFC 28). No real way leads over so many proxies. */
#define GATEWAY_ADDRESS_MAX 255
#define GATEWAY_HOPS_MAX 16

/* What is wrong with a malformed request, for log lines. */
#define GATEWAY_MALFORMED "malformed request dropped: a DEALER client must send an empty frame before the body"

/* Frames of the envelope, its empty frame included: at least 2. 0: the request is malformed. */
size_t gateway_envelope_frames(const kith_msg *request);

/* A new message with copies of the first `frames` frames. Errors: -ENOMEM. */
int gateway_envelope_copy(const kith_msg *request, size_t frames, kith_msg **ret_envelope);

/* In words why a reply could not be sent by a ROUTER that is mandatory (kith_socket_send()). */
const char *gateway_unsent_reason(int error);

#endif
