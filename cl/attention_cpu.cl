/* attention_cpu.cl - attention.cl for CPUs, with the queries in the lanes of the vectors.
 * SPDX-License-Identifier: MIT
 *
 * A job is 32 tokens of one head. Everything is kept transposed, [key or column][32 tokens]: then rows
 * of k and v are read as they are, one value broadcast at a time; maximum, exponential and sum go down
 * the lanes with no sum across them; and no lane is idle at any width.
 *
 *   qT [width][32]                          scaled by log2(e), so that exp becomes exp2
 *   pT [block][32] = k qT, exp2(.. - max)   tiles of KEYS keys x 32 tokens
 *   oT [width][32] += vT pT                 tiles of ROWS columns x 32 tokens
 *
 * The last tile of keys ends at the last key and skips those already done. Tokens beyond the last are
 * computed as the last one and not stored.
 * width is a multiple of 8, block a multiple of KEYS; both are arguments, so that heads of all widths
 * share a program. Tunables: KEYS (<= keys), ROWS (divides width). Grid: jobs; scratch: SCRATCH floats
 * for each work-item. */
#include "common.h"
#define PADDED(width) (BLOCKS(width, 16) * 16)
#define SCRATCH(width, block) (32 * (2 * PADDED(width) + block))
#define MASKED -1e30f

/* 2^x for x <= 0, error 2e-7 relative; at and below -126 about 1e-38. */
static inline float16 exp2_negative(float16 x)
{
    x = max(x, (float16)(-126.0f));
    float16 shifted = x + 12582912.0f, f = x - (shifted - 12582912.0f);
    float16 p = fma(f, (float16)(1.535336188319500e-4f), (float16)(1.339887440266574e-3f));
    p = fma(p, f, (float16)(9.618437357674640e-3f));
    p = fma(p, f, (float16)(5.550332471162809e-2f));
    p = fma(p, f, (float16)(2.402264791363012e-1f));
    p = fma(p, f, (float16)(6.931472028550421e-1f));
    p = fma(p, f, (float16)(1.0f));
    return as_float16(as_int16(p) + (as_int16(shifted) << 23));
}

static inline float16 zip_low(float16 a, float16 b)
{
    return (float16)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3, a.s4, b.s4, a.s5, b.s5, a.s6,
        b.s6, a.s7, b.s7);
}

static inline float16 zip_high(float16 a, float16 b)
{
    return (float16)(a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb, a.sc, b.sc, a.sd, b.sd, a.se,
        b.se, a.sf, b.sf);
}

/* 16 x 16: four perfect shuffles of the rows transpose it. */
static inline void transpose(float16 rows[16])
{
    float16 other[16];
    UNROLL for (int round = 0; round < 2; round++)
    {
        UNROLL for (int i = 0; i < 8; i++)
        {
            other[2 * i] = zip_low(rows[i], rows[i + 8]);
            other[2 * i + 1] = zip_high(rows[i], rows[i + 8]);
        }
        UNROLL for (int i = 0; i < 8; i++)
        {
            rows[2 * i] = zip_low(other[i], other[i + 8]);
            rows[2 * i + 1] = zip_high(other[i], other[i + 8]);
        }
    }
}

/* qT of the tokens from `first` on; `last` is the last token there is. */
static inline void load_queries(global const float *q, int stride, int width, int first, int last,
    float scale, global float *qT)
{
    for (int group = 0; group < 2; group++)
        for (int d = 0; d < width; d += 16) {
            float16 rows[16];
            UNROLL for (int i = 0; i < 16; i++)
            {
                global const float *from = q + (size_t)min(first + group * 16 + i, last) * stride + d;
                if (d + 16 <= width)
                    rows[i] = vload16(0, from) * scale;
                else
                    rows[i] = (float16)(vload8(0, from) * scale, (float8)(0.0f));
            }
            transpose(rows);
            UNROLL for (int i = 0; i < 16; i++) vstore16(rows[i], group, qT + (d + i) * 32);
        }
}

/* y = oT / total */
static inline void store_tokens(global const float *oT, const float16 total[2], int width,
    global float *y, int stride, int first, int last)
{
    for (int group = 0; group < 2; group++) {
        float16 inverse = 1.0f / total[group];
        for (int d = 0; d < width; d += 16) {
            float16 rows[16];
            UNROLL for (int i = 0; i < 16; i++) rows[i] =
                vload16(group, oT + (d + i) * 32) * inverse;
            transpose(rows);
            UNROLL for (int i = 0; i < 16; i++)
            {
                int token = first + group * 16 + i;
                global float *to = y + (size_t)token * stride + d;
                if (token > last)
                    continue;
                if (d + 16 <= width)
                    vstore16(rows[i], 0, to);
                else
                    vstore8(rows[i].lo, 0, to);
            }
        }
    }
}

/* tile[i] += a[i*down] b[0..32), for `count` steps of a by `along` and of b by 32 */
#define TILE_MULTIPLY(tile, height, a, down, along, b, count)                                      \
    do {                                                                                           \
        global const float *a_ = a, *b_ = b;                                                       \
        _Pragma("unroll 4") for (int step = 0; step < (count); step++)                             \
        {                                                                                          \
            float16 b0_ = vload16(0, b_), b1_ = vload16(1, b_);                                    \
            UNROLL for (int i = 0; i < height; i++)                                                \
            {                                                                                      \
                float16 broadcast_ = a_[i * (down)];                                               \
                tile[i][0] = fma(broadcast_, b0_, tile[i][0]);                                     \
                tile[i][1] = fma(broadcast_, b1_, tile[i][1]);                                     \
            }                                                                                      \
            a_ += along;                                                                           \
            b_ += 32;                                                                              \
        }                                                                                          \
    } while (0)

/* The scores of one key, without those of tokens before it; token 0 of the lanes is `first`. */
static inline float16 mask_later(float16 scores, int key, int first)
{
    int16 tokens = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) + first;
    return select(scores, (float16)(MASKED), (int16)(key) > tokens);
}

/* pT = k qT for `count` keys from `start` on, and their maximum. */
static inline void score_block(global const float *k, int stride, global const float *qT, int width,
    int start, int count, int keys, bool causal, int first_token, float16 top[2], global float *pT)
{
    for (int t = 0; t < count; t += KEYS) {
        int key = min(start + t, keys - KEYS), done = start + t - key;
        float16 tile[KEYS][2];
        UNROLL for (int i = 0; i < KEYS; i++) tile[i][0] = tile[i][1] = (float16)(0.0f);
        TILE_MULTIPLY(tile, KEYS, k + (size_t)key * stride, stride, 1, qT, width);
        UNROLL for (int i = 0; i < KEYS; i++)
            if (i >= done)
                UNROLL for (int j = 0; j < 2; j++)
                {
                    if (causal)
                        tile[i][j] = mask_later(tile[i][j], key + i, first_token + j * 16);
                    top[j] = max(top[j], tile[i][j]);
                    vstore16(tile[i][j], j, pT + (t + i - done) * 32);
                }
    }
}

/* oT = oT * shrink + vT pT; the first block starts from nothing. */
static inline void weigh_block(global const float *v, int stride, global const float *pT, int width,
    int count, bool starts, const float16 shrink[2], global float *oT)
{
    for (int d = 0; d < width; d += ROWS) {
        float16 tile[ROWS][2];
        UNROLL for (int i = 0; i < ROWS; i++)
            UNROLL for (int j = 0; j < 2; j++) tile[i][j] =
                starts ? (float16)(0.0f) : vload16(j, oT + (d + i) * 32) * shrink[j];
        TILE_MULTIPLY(tile, ROWS, v + d, 1, stride, pT, count);
        UNROLL for (int i = 0; i < ROWS; i++)
            UNROLL for (int j = 0; j < 2; j++) vstore16(tile[i][j], j, oT + (d + i) * 32);
    }
}

KERNEL_CPU void attention_cpu(TENSOR_IN(q), int q_stride, TENSOR_IN(k), int k_stride, TENSOR_IN(v),
    int v_stride, TENSOR_OUT(y), int y_stride, int tokens, int keys, int heads, int width,
    int block, int causal, float scale, TENSOR_OUT(scratch), int jobs, JOB_COUNTER)
{
    global float *qT = TENSOR_AT(scratch) + get_global_id(0) * SCRATCH(width, block);
    global float *oT = qT + 32 * PADDED(width), *pT = oT + 32 * PADDED(width);
    int tiles = BLOCKS(tokens, 32);
    JOBS(job, jobs)
    {
        int column = job / tiles, token = (job - column * tiles) * 32, image = column / heads;
        int head = (column - image * heads) * width;
        global const float *k_head = TENSOR_AT(k) + (size_t)image * keys * k_stride + head;
        global const float *v_head = TENSOR_AT(v) + (size_t)image * keys * v_stride + head;
        float16 top[2] = {(float16)(MASKED), (float16)(MASKED)};
        float16 total[2] = {(float16)(0.0f), (float16)(0.0f)};
        load_queries(TENSOR_AT(q) + (size_t)image * tokens * q_stride + head, q_stride, width,
            token, tokens - 1, scale * 1.44269504f, qT);
        int end = causal ? min(keys, token + 32) : keys;
        for (int start = 0; start < end; start += block) {
            int count = min(block, end - start);
            float16 old[2] = {top[0], top[1]}, shrink[2];
            score_block(
                k_head, k_stride, qT, width, start, count, keys, causal, token, top, pT);
            UNROLL for (int j = 0; j < 2; j++)
            {
                shrink[j] = exp2_negative(old[j] - top[j]);
                total[j] *= shrink[j];
            }
            for (int i = 0; i < count; i++)
                UNROLL for (int j = 0; j < 2; j++)
                {
                    float16 weight = exp2_negative(vload16(j, pT + i * 32) - top[j]);
                    total[j] += weight;
                    vstore16(weight, j, pT + i * 32);
                }
            weigh_block(v_head + (size_t)start * v_stride, v_stride, pT, width, count, start == 0,
                shrink, oT);
        }
        store_tokens(oT, total, width, TENSOR_AT(y) + (size_t)image * tokens * y_stride + head,
            y_stride, token, tokens - 1);
    }
    JOBS_END
}
