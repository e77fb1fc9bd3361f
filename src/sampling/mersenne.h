/* mersenne.h - words of MT19937 (Matsumoto and Nishimura 1998). SPDX-License-Identifier: MIT
 *
 * What torch's CPU generator and numpy's RandomState draw from. */
#ifndef CLATENT_SAMPLING_MERSENNE_H
#define CLATENT_SAMPLING_MERSENNE_H

#include <stdint.h>

#define MERSENNE_WORDS 624

struct mersenne {
    uint32_t state[MERSENNE_WORDS];
    int next; /* index of the next word; MERSENNE_WORDS: regenerate first */
};

void mersenne_seed(struct mersenne *words, uint32_t seed);
uint32_t mersenne_next(struct mersenne *words);

#endif
