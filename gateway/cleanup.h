/* gateway/cleanup.h: scope cleanup (base/cleanup.h) for heap blocks and the public types of libkith. */
#ifndef KITH_GATEWAY_CLEANUP_H
#define KITH_GATEWAY_CLEANUP_H

#include <kith/loop.h>
#include <kith/msg.h>
#include <kith/origin.h>
#include <kith/policy.h>
#include <kith/socket.h>

#include "base/cleanup.h"

KITH_DEFINE_CLEANUP(kith_loop *, kith_loop_free)
KITH_DEFINE_CLEANUP(kith_msg *, kith_msg_free)
KITH_DEFINE_CLEANUP(kith_origin *, kith_origin_unref)
KITH_DEFINE_CLEANUP(kith_policy *, kith_policy_unref)
KITH_DEFINE_CLEANUP(kith_socket *, kith_socket_free)

#endif
