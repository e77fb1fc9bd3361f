/* tile_pack.cl - a matrix on the device as packed weights of gemm_tile.cl. SPDX-License-Identifier: MIT
 *
 * Value i of column c stands at m[i*step + c*lane], one of both strides is 1:
 *   m -> packed [panels of 32 columns][steps of 32 values][hi, lo][2][TILE_WORDS] (tile_bf16.h), zero padded
 * A job is 16 columns. Grid: jobs (common.h). */
#include "common.h"
#include "tile_bf16.h"

static inline float16 load_lanes(global const float *m, size_t lane, int lanes)
{
    float part[16];
    if (lane == 1 && lanes >= 16)
        return vload16(0, m);
    for (int i = 0; i < 16; i++)
        part[i] = i < lanes ? m[i * lane] : 0.0f;
    return vload16(0, part);
}

/* Value i of 16 columns, zero from value `count` on. */
static inline float16 load_value(
    global const float *m, size_t step, size_t lane, int lanes, int i, int count)
{
    return i < count ? load_lanes(m + i * step, lane, lanes) : (float16)(0.0f);
}

KERNEL_CPU void pack_tiles(TENSOR_IN(m), int step, int lane, int count, int columns,
    TENSOR_OUT(packed), int jobs, JOB_COUNTER)
{
    JOBS(job, jobs)
    {
        int steps = BLOCKS(count, TILE_STEP), first = job * 16;
        global const float *from = TENSOR_AT(m) + (size_t)first * lane;
        global uint *to = (global uint *)TENSOR_AT(packed) +
                          (size_t)(job / 2) * steps * 4 * TILE_WORDS + job % 2 * TILE_WORDS;
        for (int s = 0; s < steps; s++, to += 4 * TILE_WORDS)
            for (int w = 0; w < 16; w++) {
                int i = s * TILE_STEP + w;
                uint16 hi, lo;
                bf16_split(load_value(from, step, lane, columns - first, i, count),
                    load_value(from, step, lane, columns - first, i + 16, count), &hi, &lo);
                vstore16(hi, w, to);
                vstore16(lo, w, to + 2 * TILE_WORDS);
            }
    }
    JOBS_END
}
