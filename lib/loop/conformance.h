/*
 * loop/conformance.h: what every backend must do, as tests through kith/loop.h.
 *
 * A backend's own test program calls kith_loop_conformance() with its name. Each test gets a fresh loop; after each the loop and everything
 * in it must be gone, down to the number of open descriptors.
 */
#ifndef KITH_LOOP_CONFORMANCE_H
#define KITH_LOOP_CONFORMANCE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "loop/private.h"

/* Runs the whole suite. Returns the number of failed tests. */
int kith_loop_conformance(const char *backend);

/* The parts. */
int conformance_io(const char *backend);
int conformance_timer(const char *backend);
int conformance_step(const char *backend);
int conformance_process(const char *backend);
int conformance_host(const char *backend);

/* For cmocka_unit_test_prestate_setup_teardown(), prestate being the backend's name. */
struct conformance {
    kith_loop *loop; /* the test may free it and leave NULL */
    size_t fds_before;
};
int conformance_setup(void **state);
int conformance_teardown(void **state);

#define CONFORMANCE_TEST(test)                                                                                                             \
    { #test, test, conformance_setup, conformance_teardown, (void *)backend }

/* Both ends of a connected stream, non-blocking. */
void conformance_pair(int ret_fds[2]);
void conformance_close_pair(int fds[2]);
/* Counts calls in *(unsigned *)userdata and does nothing else: what is ready stays so. */
void conformance_count_io(kith_io *io, int fd, unsigned events, void *userdata);
void conformance_count_timer(kith_timer *timer, void *userdata);

#endif
