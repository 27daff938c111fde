/*
 * origin/program.h: does a process still run the program that it ran? Asks the kernel.
 *
 * execve(2) keeps pid and pidfd; what it replaces is the memory. A descriptor of /proc/PID/pagemap stands for the memory that the process
 * had when it was opened, and reads as empty once nobody uses that any more: a system call of 0.3 us. Memory may be shared beyond an exec
 * (vfork(2), CLONE_VM): so the file that is executed is compared as well.
 */
#ifndef KITH_ORIGIN_PROGRAM_H
#define KITH_ORIGIN_PROGRAM_H

#include <sys/types.h>

struct kith_program {
    dev_t device;
    ino_t inode;
};

/* A descriptor of the memory of a process. Errors: -ENOENT, -ESRCH (it has ended), -EACCES (ptrace(2), PTRACE_MODE_READ_FSCREDS), -EMFILE,
 * -ENFILE, -ENOMEM. */
int kith_program_open_memory(pid_t pid);
/* 1 while somebody uses it, 0 when nobody does. */
int kith_program_memory_used(int memory);
/* The file that the process executes. Errors: -ENOENT (it has ended, or is about to), -EACCES as above. */
int kith_program_file(pid_t pid, struct kith_program *ret_program);

#endif
