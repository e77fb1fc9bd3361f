/* conv_narrow_groups.cl - 3x3 convolution to very few channels, stride 1, in work-groups: the last layers
 * of UNet and decoder. SPDX-License-Identifier: MIT
 *
 * A panel of 64 outputs would be computed for 3 or 4. Here a group makes SIDE x SIDE pixels of QUAD
 * outputs: STEP channels of its pixels and of one more on each side go through local memory, with norm and
 * SiLU done on the way, and a work-item keeps the sums of two pixels, SIDE/2 rows apart. Weights are
 * the same for all work-items, and come along with the instructions or in one line for all.
 *
 *   x, x2   [n][h][w] rows; each pixel stands for 2x2 if `up` is 1
 *   weight  [blocks of QUAD outputs][9][k][QUAD], zero padded; k: the channels rounded up to whole steps
 *
 * With `partial` [parts][pixels][QUAD * blocks] a group takes `steps` steps only, and leaves its sums to
 * tiled_end of conv_tiled.cl: a small map has few tiles.
 *
 * A step is 144 multiply-adds for 18 quads of local memory per pixel and 72 of weights per two; pixels stand
 * three quads apart, so that no eight work-items meet one bank. Local memory: 15 KiB.
 * Grid: (SIDE * tiles across, SIDE/2 * tiles down, images * blocks * parts). */
#include "common.h"
#include "conv_quad.h"

#define SIDE 16
#define HALO (SIDE + 2)
#define QUAD 4
#define STEP 8
#define ITEMS (SIDE * SIDE / 2)

/* Channels c .. + 3 of pixel p. */
static inline float4 source_quad(const struct source *s, int p, int c)
{
    bool second = c >= s->c1;
    if (c + QUAD > (second ? s->channels : s->c1))
        return (float4)(source_value(s, p, c), source_value(s, p, c + 1), source_value(s, p, c + 2),
            source_value(s, p, c + 3));
    float4 v = second ? vload4(0, s->x2 + (size_t)p * s->x2_stride + c - s->c1)
                      : vload4(0, s->x + (size_t)p * s->x_stride + c);
    if (s->fold) {
        global const float *scale = s->fold + (size_t)(p / s->image) * 2 * s->channels + c;
        v = fma(v, vload4(0, scale), vload4(0, scale + s->channels));
    }
    return s->silu_wanted ? silu4(v) : v;
}

/* sum += the products of four channels `a` with four rows of weights. */
static inline float4 add_quad(float4 sum, float4 a, const float4 w[QUAD])
{
    sum = fma((float4)(a.x), w[0], sum);
    sum = fma((float4)(a.y), w[1], sum);
    sum = fma((float4)(a.z), w[2], sum);
    return fma((float4)(a.w), w[3], sum);
}

KERNEL_GROUP(SIDE, SIDE / 2, 1)
void narrow(TENSOR_IN(x), int x_stride, int c1, TENSOR_IN(x2), int x2_stride, TENSOR_IN(fold),
    int channels, int silu_wanted, int h, int w, int up, global const WEIGHT *restrict weight, int k,
    int rows, int width, int blocks, int parts, int steps, TENSOR_OUT(partial), ENDING_ARGUMENTS)
{
    local float4 tile[HALO * HALO][STEP / QUAD + 1];
    int tx = get_local_id(0), ty = get_local_id(1), item = ty * SIDE + tx;
    int left = GROUP_ID(0, SIDE) * SIDE, top = GROUP_ID(1, SIDE / 2) * SIDE, z = GROUP_ID(2, 1);
    int part = z % parts, block = z / parts % blocks, n = z / parts / blocks;
    const struct source source = {TENSOR_AT(x), TENSOR_AT(x2),
        TENSOR_GIVEN(fold) ? TENSOR_AT(fold) : 0, x_stride, x2_stride, c1, channels, silu_wanted, h * w};
    global const WEIGHT *from = weight + (size_t)block * 9 * k * QUAD;
    float4 sum[2] = {(float4)(0.0f), (float4)(0.0f)};
    for (int c = part * steps * STEP; c < min((part + 1) * steps * STEP, k); c += STEP) {
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int i = item; i < HALO * HALO * (STEP / QUAD); i += ITEMS) {
            int at = i / (STEP / QUAD), quad = i % (STEP / QUAD);
            int row = top + at / HALO - 1, column = left + at % HALO - 1;
            bool inside = row >= 0 && column >= 0 && row < rows && column < width;
            int p = (n * h + (row >> up)) * w + (column >> up);
            tile[at][quad] = (float4)(0.0f);
            if (inside && c + quad * QUAD < channels)
                tile[at][quad] = source_quad(&source, p, c + quad * QUAD);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        ROLLED for (int quad = 0; quad < STEP / QUAD; quad++)
            UNROLL for (int tap = 0; tap < 9; tap++)
            {
                int at = (ty + tap / 3) * HALO + tx + tap % 3;
                float4 weights[QUAD];
                UNROLL for (int i = 0; i < QUAD; i++) weights[i] =
                    WEIGHT4((size_t)tap * k + c + quad * QUAD + i, from);
                sum[0] = add_quad(sum[0], tile[at][quad], weights);
                sum[1] = add_quad(sum[1], tile[at + SIDE / 2 * HALO][quad], weights);
            }
    }
    const struct ending ending = ENDING;
    UNROLL for (int i = 0; i < 2; i++)
    {
        int row = top + ty + i * SIDE / 2, p = (n * rows + row) * width + left + tx;
        if (row >= rows || left + tx >= width)
            continue;
        if (TENSOR_GIVEN(partial))
            vstore4(sum[i], ((size_t)part * pixels + p) * blocks + block, TENSOR_AT(partial));
        else
            end_quad(&ending, p, block * QUAD, sum[i]);
    }
}
