/* peak.cl - as many multiply-adds as a device can do, with no memory. SPDX-License-Identifier: MIT
 *
 * Each work-item has SUMS independent sums of WIDTH lanes: enough to hide the latency of a
 * multiply-add. No value is known to the compiler, and y gets the sum of all, so nothing can be
 * left out.
 *
 * Options: WIDTH 1, 4, 8 or 16; SUMS; GROUP, the size of a work-group. */
#include "common.h"

#define SUM4(v) ((v).s0 + (v).s1 + (v).s2 + (v).s3)
#if WIDTH == 1
#define VECTOR float
#define SUM(v) (v)
#elif WIDTH == 4
#define VECTOR float4
#define SUM(v) SUM4(v)
#elif WIDTH == 8
#define VECTOR float8
#define SUM(v) SUM4((v).lo + (v).hi)
#else
#define VECTOR float16
#define SUM(v) sum16(v)
#endif

KERNEL_GROUP(GROUP, 1, 1)
void peak(float factor, float term, int rounds, TENSOR_OUT(y))
{
    VECTOR sums[SUMS];
    float total = 0.0f;
    UNROLL
    for (int i = 0; i < SUMS; i++)
        sums[i] = (VECTOR)(term * (float)(i + 1 + get_global_id(0)));
    for (int round = 0; round < rounds; round++) {
        UNROLL
        for (int i = 0; i < SUMS; i++)
            sums[i] = fma(sums[i], (VECTOR)factor, (VECTOR)term);
    }
    UNROLL
    for (int i = 0; i < SUMS; i++)
        total += SUM(sums[i]);
    TENSOR_AT(y)[get_global_id(0)] = total;
}
