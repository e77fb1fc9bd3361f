/* fuzz.h - what every fuzz target gives. SPDX-License-Identifier: MIT
 *
 * A target takes any bytes and must come back without a fault, whatever they are. libFuzzer drives
 * it (run.sh); replay.c gives it the seeds in `make check`. */
#ifndef CLATENT_TESTS_FUZZ_H
#define CLATENT_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
