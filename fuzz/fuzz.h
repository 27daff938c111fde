/* fuzz.h: what a fuzz target defines. It returns 0, keeps nothing between calls, and crashes (abort, sanitizer) on what must not be. */
#ifndef KITH_FUZZ_H
#define KITH_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
