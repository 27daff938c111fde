/* base/cleanup.h: objects that free themselves at the end of their scope, until handed over. */
#ifndef KITH_BASE_CLEANUP_H
#define KITH_BASE_CLEANUP_H

#include <stdlib.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

/* Defines fn##p, for _cleanup_(fn##p), from a destructor that takes the pointer and copes with NULL. */
#define KITH_DEFINE_CLEANUP(type, fn)                                                                                                      \
    static inline __attribute__((unused)) void fn##p(type *object) {                                                                       \
        if (*object)                                                                                                                       \
            fn(*object);                                                                                                                   \
    }

/* For _cleanup_(freep), of any pointer to memory of malloc()'s. */
static inline __attribute__((unused)) void freep(void *pointer) {
    free(*(void **)pointer);
}

/* Hands the pointer over: returns it and leaves NULL. */
#define KITH_STEAL(pointer)                                                                                                                \
    __extension__({                                                                                                                        \
        __typeof__(pointer) steal_ = (pointer);                                                                                            \
        (pointer) = NULL;                                                                                                                  \
        steal_;                                                                                                                            \
    })

#define KITH_ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define KITH_CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
