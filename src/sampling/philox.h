/* philox.h - Philox4x32-10: four random words of a counter and a key. SPDX-License-Identifier: MIT
 *
 * Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 4. There is no state:
 * any word of a stream is found directly. */
#ifndef CLATENT_SAMPLING_PHILOX_H
#define CLATENT_SAMPLING_PHILOX_H

#include <stdint.h>

/* The key is `seed`, low half first. */
void philox(uint64_t seed, const uint32_t counter[4], uint32_t words[4]);

#endif
