/* loop/test-uring.c: the io_uring backend conforms. */
#include "loop/conformance.h"

int main(void) {
    return kith_loop_conformance("uring");
}
