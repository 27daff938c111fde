/* kith/kith.h: all of libkith. See kith(7). */
#ifndef KITH_KITH_H
#define KITH_KITH_H

#include <kith/buffer.h>
#include <kith/cache.h>
#include <kith/cmsg.h>
#include <kith/curve.h>
#include <kith/error.h>
#include <kith/event.h>
#include <kith/handover.h>
#include <kith/inherit.h>
#include <kith/loop.h>
#include <kith/msg.h>
#include <kith/option.h>
#include <kith/origin.h>
#include <kith/peer.h>
#include <kith/policy.h>
#include <kith/proxy.h>
#include <kith/resolve.h>
#include <kith/socket.h>
#include <kith/stream.h>
#include <kith/workers.h>

#endif
