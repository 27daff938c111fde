/* loop/poller.c: see poller.h. */
#include "loop/poller.h"

#include "base/time.h"
#include "loop/private.h"

#define KERNEL_NS (50 * KITH_NS_PER_MS / 1000)
#define SPINS_IN_VAIN 8
#define WAKES_A_SPIN 8
/* Looks between two at the clock: 0.3 us. */
#define LOOKS 8

#if defined(__x86_64__) || defined(__i386__)
#define pause_processor() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define pause_processor() __asm__ volatile("yield")
#else
#define pause_processor() __asm__ volatile("" ::: "memory")
#endif

void kith_pollers_init(struct kith_pollers *pollers) {
    *pollers = (struct kith_pollers){.credit = SPINS_IN_VAIN};
    kith_list_init(&pollers->active);
}

void kith_pollers_deinit(struct kith_pollers *pollers) {
    while (!kith_list_empty(&pollers->active))
        kith_poller_stop(kith_list_first(&pollers->active, struct kith_poller, link));
}

static unsigned work(struct kith_defer *defer) {
    struct kith_poller *poller = KITH_CONTAINER_OF(defer, struct kith_poller, defer);
    return poller->ops->work(poller);
}

void kith_poller_init(struct kith_poller *poller, const struct kith_poller_ops *ops) {
    poller->ops = ops;
    poller->spin_ns = 0;
    kith_list_init(&poller->link);
    kith_defer_init(&poller->defer, work);
}

void kith_poller_stop(struct kith_poller *poller) {
    kith_list_unlink(&poller->link);
    kith_defer_cancel(&poller->defer);
}

void kith_loop_poll(kith_loop *loop, struct kith_poller *poller) {
    if (!kith_list_empty(&poller->link) || loop->released)
        return;
    kith_list_push_back(&loop->pollers.active, &poller->link);
    if (loop->pollers.credit == 0 && ++loop->pollers.wakes % WAKES_A_SPIN == 0)
        loop->pollers.credit = 1;
    kith_loop_defer(loop, &poller->defer); /* it has been asleep: the first look is its work */
}

static bool look(kith_loop *loop) {
    bool found = false;
    kith_list_foreach (&loop->pollers.active, node) {
        struct kith_poller *poller = kith_list_entry(node, struct kith_poller, link);
        if (!poller->ops->look(poller))
            continue;
        found = true;
        kith_loop_defer(loop, &poller->defer);
    }
    return found;
}

/* How long all of them allow. */
static uint64_t spin_ns(const kith_loop *loop) {
    uint64_t ns = 0;
    kith_list_foreach (&loop->pollers.active, node) {
        const struct kith_poller *poller = kith_list_entry(node, struct kith_poller, link);
        ns = poller->spin_ns > ns ? poller->spin_ns : ns;
    }
    return ns;
}

static bool spin(kith_loop *loop, uint64_t end) {
    struct kith_pollers *pollers = &loop->pollers;
    uint64_t ns = loop->thread || pollers->credit == 0 ? 0 : spin_ns(loop);
    if (ns == 0)
        return false;
    uint64_t now = kith_time_now();
    end = end > now && end - now < ns ? end : now + ns;
    pollers->credit--;
    while (now < end && !atomic_load_explicit(&loop->stop, memory_order_relaxed)) {
        for (unsigned i = 0; i < LOOKS; i++) {
            if (look(loop)) {
                pollers->credit = SPINS_IN_VAIN;
                return true;
            }
            pause_processor();
        }
        now = kith_time_now();
    }
    return false;
}

/* Whoever is asleep is not due either: his work would wake him, and nobody would look. */
void kith_pollers_sleep(kith_loop *loop) {
    kith_list_foreach_safe (&loop->pollers.active, node) {
        struct kith_poller *poller = kith_list_entry(node, struct kith_poller, link);
        if (!poller->ops->sleep(poller))
            kith_poller_stop(poller);
        else if (kith_list_empty(&poller->defer.link))
            kith_list_push_back(&loop->deferred, &poller->defer.link); /* a host is being told already: not kith_loop_defer() */
    }
}

bool kith_pollers_look(kith_loop *loop, uint64_t end) {
    if (kith_list_empty(&loop->pollers.active))
        return false;
    if (look(loop))
        return true;
    if (end == 0)
        return false;
    if (spin(loop, end))
        return true;
    kith_pollers_sleep(loop);
    return !kith_list_empty(&loop->pollers.active);
}

bool kith_pollers_ask_kernel(kith_loop *loop) {
    uint64_t now = kith_time_now();
    if (now - loop->pollers.asked_at < KERNEL_NS)
        return false;
    loop->pollers.asked_at = now;
    return true;
}
