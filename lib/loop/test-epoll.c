/* loop/test-epoll.c: the epoll backend conforms. */
#include "loop/conformance.h"

int main(void) {
    return kith_loop_conformance("epoll");
}
