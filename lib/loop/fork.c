/* loop/fork.c: the page that does not survive fork(2). It holds a mark; zero means that the kernel wiped it. */
#include <sys/mman.h>
#include <unistd.h>

#include "loop/fork.h"

void kith_fork_guard_init(struct kith_fork_guard *guard) {
    *guard = (struct kith_fork_guard){.size = (size_t)sysconf(_SC_PAGESIZE), .pid = getpid()};

    void *page = mmap(NULL, guard->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return;
    if (madvise(page, guard->size, MADV_WIPEONFORK) < 0) {
        munmap(page, guard->size);
        return;
    }
    guard->page = page;
    *guard->page = 1;
}

void kith_fork_guard_deinit(struct kith_fork_guard *guard) {
    if (guard->page)
        munmap((void *)guard->page, guard->size);
    guard->page = NULL;
}

bool kith_fork_guard_crossed(const struct kith_fork_guard *guard) {
    return guard->page ? *guard->page == 0 : getpid() != guard->pid;
}
