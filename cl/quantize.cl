/* quantize.cl - the nearest row of a codebook. SPDX-License-Identifier: MIT
 *
 *     j = the first code with the least sum over c of (x[c] - codes[j][c])^2
 *     y[c] = x[c] + (codes[j][c] - x[c]),  indices = j
 *
 * Rounded like that, y is what the networks were trained on; it may differ from the code by its last
 * bit. A pixel that is not a number is nearer to no code, and keeps code 0.
 *
 * Grid: a work-item is a pixel; the _cpu form: a job is 16 pixels, which are the lanes.
 * Options: WIDTH, the channels. */
#include "common.h"

static inline void put_code(__global const float *in, __global const float *code,
    __global float *out, __global float *index, int best)
{
    for (int c = 0; c < WIDTH; c++)
        out[c] = in[c] + (code[c] - in[c]);
    if (index)
        *index = (float)best;
}

KERNEL_GROUP(64, 1, 1)
void quantize(TENSOR_IN(x), int x_stride, __global const float *codes, int count, TENSOR_OUT(y),
    int y_stride, TENSOR_OUT(indices), int indices_stride, int pixels)
{
    int pixel = get_global_id(0), best = 0;
    float v[WIDTH], least = INFINITY;
    if (pixel >= pixels)
        return;
    __global const float *in = TENSOR_AT(x) + (size_t)pixel * x_stride;
    for (int c = 0; c < WIDTH; c++)
        v[c] = in[c];
    for (int j = 0; j < count; j++) {
        float distance = 0.0f;
        for (int c = 0; c < WIDTH; c++) {
            float d = v[c] - codes[(size_t)j * WIDTH + c];
            distance = fma(d, d, distance);
        }
        best = distance < least ? j : best;
        least = distance < least ? distance : least;
    }
    put_code(in, codes + (size_t)best * WIDTH, TENSOR_AT(y) + (size_t)pixel * y_stride,
        TENSOR_GIVEN(indices) ? TENSOR_AT(indices) + (size_t)pixel * indices_stride : 0, best);
}

/* ---- the CPU shape -------------------------------------------------------------------------- */

/* Lane i of v[c] becomes channel c of pixel `first` + i; past the end, of the last pixel. */
static inline void load_pixels(
    __global const float *x, int x_stride, int first, int pixels, float16 *v)
{
    float lanes[16];
    for (int c = 0; c < WIDTH; c++) {
        for (int i = 0; i < 16; i++)
            lanes[i] = x[(size_t)min(first + i, pixels - 1) * x_stride + c];
        v[c] = vload16(0, lanes);
    }
}

static inline int16 nearest(const float16 *v, __global const float *codes, int count)
{
    float16 least = (float16)(INFINITY);
    int16 best = (int16)(0);
    for (int j = 0; j < count; j++) {
        float16 distance = (float16)(0.0f);
        for (int c = 0; c < WIDTH; c++) {
            float16 d = v[c] - (float16)(codes[(size_t)j * WIDTH + c]);
            distance = fma(d, d, distance);
        }
        int16 closer = distance < least;
        best = select(best, (int16)(j), closer);
        least = select(least, distance, closer);
    }
    return best;
}

KERNEL_CPU void quantize_cpu(TENSOR_IN(x), int x_stride, __global const float *codes, int count,
    TENSOR_OUT(y), int y_stride, TENSOR_OUT(indices), int indices_stride, int pixels, JOB_COUNTER)
{
    JOBS(job, BLOCKS(pixels, 16))
    {
        float16 v[WIDTH];
        int best[16], first = job * 16;
        load_pixels(TENSOR_AT(x), x_stride, first, pixels, v);
        vstore16(nearest(v, codes, count), 0, best);
        for (int i = 0; i < min(16, pixels - first); i++)
            put_code(TENSOR_AT(x) + (size_t)(first + i) * x_stride,
                codes + (size_t)best[i] * WIDTH, TENSOR_AT(y) + (size_t)(first + i) * y_stride,
                TENSOR_GIVEN(indices) ? TENSOR_AT(indices) + (size_t)(first + i) * indices_stride
                                      : 0,
                best[i]);
    }
    JOBS_END
}
