/* philox.c - Philox4x32-10. SPDX-License-Identifier: MIT */
#include "sampling/philox.h"

#define ROUNDS 10

void philox(uint64_t seed, const uint32_t counter[4], uint32_t words[4])
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint32_t a = counter[0], b = counter[1], c = counter[2], d = counter[3];
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t left = UINT64_C(0xD2511F53) * a, right = UINT64_C(0xCD9E8D57) * c;
        a = (uint32_t)(right >> 32) ^ b ^ k0;
        b = (uint32_t)right;
        c = (uint32_t)(left >> 32) ^ d ^ k1;
        d = (uint32_t)left;
        k0 += 0x9E3779B9u; /* the golden ratio, */
        k1 += 0xBB67AE85u; /* sqrt(3) - 1 */
    }
    words[0] = a;
    words[1] = b;
    words[2] = c;
    words[3] = d;
}
