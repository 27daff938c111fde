/* session/kinds.h: what descriptors are, as policies call it. */
#ifndef KITH_SESSION_KINDS_H
#define KITH_SESSION_KINDS_H

struct kith_fds;

/* Set of enum kith_fd_kind: of those that are there. Two or three system calls a descriptor. */
unsigned kith_fds_kinds(const struct kith_fds *fds);

#endif
