// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* main.c: kith.ko comes and goes. */
#include "internal.h"

static int __init kith_init(void) {
    int error;
    kith_workqueue = alloc_workqueue("kith", WQ_UNBOUND, 0);
    if (!kith_workqueue)
        return -ENOMEM;
    error = kith_registry_init();
    if (error)
        goto no_registry;
    error = kith_netlink_init();
    if (error)
        goto no_netlink;
    return 0;

no_netlink:
    kith_registry_exit();
no_registry:
    destroy_workqueue(kith_workqueue);
    return error;
}

/* Every channel's owner uses our symbols: there is no channel any more. */
static void __exit kith_exit(void) {
    kith_netlink_exit();
    kith_registry_exit();
    destroy_workqueue(kith_workqueue);
}

module_init(kith_init);
module_exit(kith_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_AUTHOR("the kith authors");
MODULE_DESCRIPTION("Named channels between kernel modules and processes");
MODULE_VERSION("0.1.0"); /* meson.build's */
