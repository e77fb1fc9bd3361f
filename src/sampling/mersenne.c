/* mersenne.c - words of MT19937. SPDX-License-Identifier: MIT */
#include "sampling/mersenne.h"

void mersenne_seed(struct mersenne *words, uint32_t seed)
{
    words->state[0] = seed;
    for (uint32_t i = 1; i < MERSENNE_WORDS; i++) {
        uint32_t before = words->state[i - 1];
        words->state[i] = 1812433253u * (before ^ (before >> 30)) + i;
    }
    words->next = MERSENNE_WORDS;
}

static void regenerate(struct mersenne *words)
{
    uint32_t *state = words->state;
    for (int i = 0; i < MERSENNE_WORDS; i++) {
        uint32_t word = (state[i] & 0x80000000u) | (state[(i + 1) % MERSENNE_WORDS] & 0x7fffffffu);
        state[i] = state[(i + 397) % MERSENNE_WORDS] ^ (word >> 1) ^ (word & 1 ? 0x9908b0dfu : 0);
    }
    words->next = 0;
}

uint32_t mersenne_next(struct mersenne *words)
{
    if (words->next == MERSENNE_WORDS)
        regenerate(words);
    uint32_t word = words->state[words->next++];
    word ^= word >> 11;
    word ^= (word << 7) & 0x9d2c5680u;
    word ^= (word << 15) & 0xefc60000u;
    return word ^ (word >> 18);
}
