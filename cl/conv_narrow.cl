/* conv_narrow.cl - 3x3 convolution to very few channels, for CPUs: the last layers of UNet and
 * decoder. SPDX-License-Identifier: MIT
 *
 *   y[n][r][x][o] = sum_{s,c} p[n][r*stride + s/3][x*stride + s%3][c] weight[o][s][c]
 *
 * over the padded input p of conv_gather.cl. The output channels are too few to fill a vector, so
 * the lanes are input channels: PIXELS x OUTPUTS sums of 16 lanes each, added up across at the end.
 *
 * Grid: jobs (common.h), one job is one row of y of one image. */
#include "common.h"
#include "conv_tile.h"
#include "conv_store.h"

#define PIXELS 4
#define OUTPUTS 4
#define MOST_OUTPUTS 16 /* of a layer: they go to memory as one vector */

static inline float add_lanes(float16 v)
{
    float8 eight = v.lo + v.hi;
    float4 four = eight.lo + eight.hi;
    float2 two = four.lo + four.hi;
    return two.x + two.y;
}

/* Sums of OUTPUTS channels of PIXELS pixels; a: the first pixel's first tap, w: [OUTPUTS][9][k]. */
INLINE void narrow_sums(float16 sums[PIXELS][OUTPUTS], __global const float *a, int row, int pixel,
    __global const WEIGHT *w, int k)
{
    EACH (i, PIXELS)
        EACH (j, OUTPUTS)
            sums[i][j] = (float16)(0.0f);
    for (int s = 0; s < 9; s++)
        for (int c = 0; c < k; c += 16) {
            __global const float *at = a + s / 3 * row + s % 3 * k + c;
            float16 b[OUTPUTS];
            EACH (j, OUTPUTS)
                b[j] = WEIGHT16(0, w + (j * 9 + s) * k + c);
            EACH (i, PIXELS) {
                float16 v = vload16(0, at + i * pixel);
                EACH (j, OUTPUTS)
                    sums[i][j] = fma(v, b[j], sums[i][j]);
            }
        }
}

/* p: [images][in_rows][in_width][k], k a multiple of 16; weight: [out, padded to OUTPUTS][9][k]. */
KERNEL_CPU void narrow(TENSOR_IN(p), int in_rows, int in_width, int k, int stride,
    __global const WEIGHT *restrict weight, ENDING_ARGUMENTS, int jobs, JOB_COUNTER)
{
    const struct ending ending = ENDING;
    int row = in_width * k;
    JOBS(job, jobs)
    {
        int n = job / rows, r = job % rows;
        __global const float *a = TENSOR_AT(p) + ((size_t)n * in_rows + r * stride) * row;
        for (int x = 0; x < width; x += PIXELS, a += PIXELS * stride * k) {
            float values[PIXELS][MOST_OUTPUTS];
            for (int o = 0; o < out; o += OUTPUTS) {
                float16 sums[PIXELS][OUTPUTS];
                narrow_sums(sums, a, row, stride * k, weight + o * 9 * k, k);
                EACH (i, PIXELS)
                    EACH (j, OUTPUTS)
                        values[i][o + j] = add_lanes(sums[i][j]);
            }
            for (int o = BLOCKS(out, OUTPUTS) * OUTPUTS; o < MOST_OUTPUTS; o++)
                EACH (i, PIXELS)
                    values[i][o] = 0.0f;
            for (int i = 0; i < PIXELS; i++)
                store_output(&ending, vload16(0, values[i]), n, r, x + i, 0);
        }
    }
    JOBS_END
}
