/*
 * cmsg/compat.h: control messages and options that are younger than the headers of the oldest system kith is built on (Debian 12:
 * glibc 2.36, Linux 6.1). Each with the kernel header it comes from; the numbers are ABI and do not change.
 */
#ifndef KITH_CMSG_COMPAT_H
#define KITH_CMSG_COMPAT_H

#include <asm/socket.h>
#include <sys/socket.h>

#ifndef SCM_SECURITY
#define SCM_SECURITY 0x03 /* include/linux/socket.h of the kernel; glibc never had it */
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04 /* include/linux/socket.h, Linux 6.5 */
#endif

/* include/uapi/asm-generic/socket.h; Alpha, MIPS, PA-RISC and SPARC have numbers of their own and new enough headers or nothing. */
#ifndef SO_RCVMARK
#define SO_RCVMARK 75 /* Linux 5.19 */
#endif
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76 /* Linux 6.5 */
#endif
#ifndef SCM_DEVMEM_LINEAR
#define SCM_DEVMEM_LINEAR 78 /* Linux 6.12 */
#endif
#ifndef SCM_DEVMEM_DMABUF
#define SCM_DEVMEM_DMABUF 79 /* Linux 6.12 */
#endif
#ifndef SCM_TS_OPT_ID
#define SCM_TS_OPT_ID 81 /* Linux 6.13 */
#endif
#ifndef SO_RCVPRIORITY
#define SO_RCVPRIORITY 82 /* Linux 6.14 */
#endif
#ifndef SCM_INQ
#define SO_INQ 84 /* Linux 6.17 */
#define SCM_INQ SO_INQ
#endif

/* include/linux/socket.h of the kernel: levels that glibc may lack. */
#ifndef SOL_TCP
#define SOL_TCP 6
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef SOL_SCTP
#define SOL_SCTP 132
#endif
#ifndef SOL_ALG
#define SOL_ALG 279
#endif
#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#ifndef SOL_VSOCK
#define SOL_VSOCK 287
#endif

#ifndef IP_PROTOCOL
#define IP_PROTOCOL 52 /* include/uapi/linux/in.h, Linux 6.4 */
#endif
#ifndef VSOCK_RECVERR
#define VSOCK_RECVERR 1 /* include/uapi/linux/vm_sockets.h, Linux 6.7 */
#endif

#endif
