/* attention.cl - y = softmax(scale q kT) v per image and head, without the matrix of scores.
 * SPDX-License-Identifier: MIT
 *
 *   q, y [images][tokens][..] and k, v [images][keys][..] at their strides; head h is the columns
 *   [h*WIDTH, (h+1)*WIDTH). causal: token i sees the keys 0..i.
 *
 * Online softmax (Milakov and Gimelshein, arXiv 1805.02867): keys come in tiles of 32, and what was
 * summed under an older maximum m is multiplied by exp(m - m') when a tile raises it to m'.
 *   m' = max(m, max_j s_j),  p_j = exp(s_j - m'),  l' = l exp(m - m') + sum p_j,
 *   o' = o exp(m - m') + sum p_j v_j,  y = o / l
 *
 * A group of 8 x 16 work-items takes QUERIES tokens of one head, ROWS of them to a row of work-items.
 * Two products follow each other: s = q k, ROWS x 4 scores to a work-item, both factors staged STEP
 * columns at a time; and o += p v, ROWS rows of SPAN/8 columns, with p handed on in local memory. At
 * ROWS 4 and WIDTH 40 that is 16 multiply-adds for 8 words of local memory, and 20 for 9; tiles of 64
 * keys would be 32 for 12, but then o and the exponentials spill on some chips. Heads wider than 192
 * columns are as many groups as spans of 192; each computes all scores.
 *
 * Staged columns of q and k, which are written down, and columns of p stand in places that are xored
 * with the quad they belong to, so that no eight work-items meet one bank.
 * Tunables: WIDTH (of a head), ROWS (4; 2 where o takes more than 8 columns of a work-item).
 * Grid: (8 * blocks of QUERIES tokens, 16 * images * heads, spans). Local memory: 16 KiB. */
#include "common.h"
#define QUERIES (16 * ROWS)
#define KEYS 32
#define STEP 16
#define MASKED -1e30f

#define SPAN (WIDTH < 192 ? WIDTH : 192)
#define SPAN_QUADS (BLOCKS(SPAN, 8) * 2)
#define V_KEYS (SPAN <= 64 ? 32 : SPAN <= 128 ? 16 : 8) /* staged at a time */
#define Q_FLOATS (STEP * QUERIES)
#define K_FLOATS (STEP * KEYS)
#define V_FLOATS (V_KEYS * SPAN_QUADS * 4)
#define STAGED (V_FLOATS > Q_FLOATS + K_FLOATS ? V_FLOATS : Q_FLOATS + K_FLOATS)

/* Columns of o of a work-item: quads, 32 apart, as far as all eight have one; then single ones. */
#define COLUMNS BLOCKS(SPAN, 8)
#define QUAD_COLUMNS (SPAN / 32 * 4)
#define COLUMN(c)                                                                                  \
    ((c) < QUAD_COLUMNS ? (c) / 4 * 32 + tx * 4 + (c) % 4                                          \
                        : QUAD_COLUMNS * 8 + ((c)-QUAD_COLUMNS) * 8 + tx)

/* Four values into local memory, `step` apart. */
#define PUT_COLUMN(to, step, quad)                                                                 \
    do {                                                                                           \
        (to)[0] = (quad).x;                                                                        \
        (to)[step] = (quad).y;                                                                     \
        (to)[2 * (step)] = (quad).z;                                                               \
        (to)[3 * (step)] = (quad).w;                                                               \
    } while (0)

KERNEL_GROUP(8, 16, 1) void attention(TENSOR_IN(q), int q_stride, TENSOR_IN(k), int k_stride,
    TENSOR_IN(v), int v_stride, TENSOR_OUT(y), int y_stride, int tokens, int keys, int heads,
    float scale, int causal)
{
    local float staged[STAGED] __attribute__((aligned(16)));
    local float weights[KEYS * QUERIES] __attribute__((aligned(16)));
    local float edge[QUERIES * 8] __attribute__((aligned(16)));
    local float *q_tile = staged, *k_tile = staged + Q_FLOATS;
    int tx = get_local_id(0), ty = get_local_id(1), item = ty * 8 + tx;
    int first = GROUP_ID(0, 8) * QUERIES, head_row = GROUP_ID(1, 16), image = head_row / heads;
    int head = head_row - image * heads, span = GROUP_ID(2, 1) * SPAN;
    size_t row = (size_t)image * tokens, key_row = (size_t)image * keys;
    global const float *q_head = TENSOR_AT(q) + row * q_stride + head * WIDTH;
    global const float *k_head = TENSOR_AT(k) + key_row * k_stride + head * WIDTH;
    global const float *v_head = TENSOR_AT(v) + key_row * v_stride + head * WIDTH + span;
    float o[ROWS][COLUMNS], top[ROWS], total[ROWS];
    UNROLL for (int i = 0; i < ROWS; i++)
    {
        UNROLL for (int c = 0; c < COLUMNS; c++) o[i][c] = 0.0f;
        top[i] = MASKED;
        total[i] = 0.0f;
    }
    int last = causal ? min(keys, first + QUERIES) : keys;
    for (int start = 0; start < last; start += KEYS) {
        /* s = q k */
        float s[ROWS][4];
        UNROLL for (int i = 0; i < ROWS; i++)
            UNROLL for (int j = 0; j < 4; j++) s[i][j] = 0.0f;
        ROLLED for (int c = 0; c < WIDTH; c += STEP)
        {
            int at = item % 4 * 4, left = WIDTH - c - at;
            barrier(CLK_LOCAL_MEM_FENCE);
            UNROLL for (int i = 0; i < QUERIES / 32; i++)
            {
                int r = item / 4 + i * 32;
                int token = min(first + r, tokens - 1);
                float4 quad = load_quad(q_head + (size_t)token * q_stride + c + at, left) * scale;
                PUT_COLUMN(q_tile + at * QUERIES + (r ^ at * 2), QUERIES, quad);
            }
            UNROLL for (int i = 0; i < KEYS / 32; i++)
            {
                int r = item / 4 + i * 32;
                int key = min(start + r, keys - 1);
                float4 quad = load_quad(k_head + (size_t)key * k_stride + c + at, left);
                PUT_COLUMN(k_tile + at * KEYS + (r ^ at * 2), KEYS, quad);
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            ROLLED for (int two = 0; two < min(STEP, WIDTH - c); two += 2)
                UNROLL for (int d = two; d < two + 2; d++)
                {
                    local const float *a = q_tile + d * QUERIES + (ty * ROWS ^ two / 4 * 8);
                    local const float *b = k_tile + d * KEYS + (tx * 4 ^ two / 4 * 8);
                    UNROLL for (int i = 0; i < ROWS; i++)
                        UNROLL for (int j = 0; j < 4; j++) s[i][j] =
                            fma(a[i], b[j], s[i][j]);
                }
        }
        /* the new maximum of each token */
        UNROLL for (int i = 0; i < ROWS; i++)
        {
            float most = MASKED;
            UNROLL for (int j = 0; j < 4; j++)
            {
                int key = start + tx * 4 + j;
                if (key >= keys || (causal && key > first + ty * ROWS + i))
                    s[i][j] = MASKED;
                most = max(most, s[i][j]);
            }
            edge[(ty * ROWS + i) * 8 + tx] = most;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        UNROLL for (int i = 0; i < ROWS; i++)
        {
            float most = top[i];
            UNROLL for (int j = 0; j < 8; j++) most = max(most, edge[(ty * ROWS + i) * 8 + j]);
            float shrink = exp_bounded(max(top[i] - most, -87.0f));
            UNROLL for (int c = 0; c < COLUMNS; c++) o[i][c] *= shrink;
            total[i] *= shrink;
            top[i] = most;
        }
        /* the scores to weights, o += p v */
        UNROLL for (int j = 0; j < 4; j++)
            UNROLL for (int i = 0; i < ROWS; i++)
            {
                float weight = exp_bounded(max(s[i][j] - top[i], -87.0f));
                weights[(tx * 4 + j) * QUERIES + (ty ^ tx) * ROWS + i] = weight;
                total[i] += weight;
            }
        for (int begin = 0; begin < KEYS; begin += V_KEYS) {
            for (int i = item; i < V_KEYS * SPAN_QUADS; i += 128) {
                int key = min(start + begin + i / SPAN_QUADS, keys - 1), at = i % SPAN_QUADS * 4;
                float4 quad = load_quad(v_head + (size_t)key * v_stride + at, WIDTH - span - at);
                PUT_COLUMN(staged + i * 4, 1, quad);
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            ROLLED for (int j = 0; j < V_KEYS; j++)
            {
                local const float *v_row = staged + j * SPAN_QUADS * 4;
                local const float *p = weights + (begin + j) * QUERIES + (ty ^ (begin + j) / 4) * ROWS;
                UNROLL for (int c = 0; c < COLUMNS; c++)
                {
                    float value = v_row[COLUMN(c)];
                    UNROLL for (int i = 0; i < ROWS; i++) o[i][c] = fma(p[i], value, o[i][c]);
                }
            }
            barrier(CLK_LOCAL_MEM_FENCE);
        }
    }
    /* the total of each token, of what its eight work-items have seen */
    UNROLL for (int i = 0; i < ROWS; i++) edge[(ty * ROWS + i) * 8 + tx] = total[i];
    barrier(CLK_LOCAL_MEM_FENCE);
    UNROLL for (int i = 0; i < ROWS; i++)
    {
        int token = first + ty * ROWS + i;
        float sum = 0.0f;
        UNROLL for (int j = 0; j < 8; j++) sum += edge[(ty * ROWS + i) * 8 + j];
        global float *to = TENSOR_AT(y) + (row + token) * y_stride + head * WIDTH + span;
        UNROLL for (int c = 0; c < COLUMNS; c++)
            if (token < tokens && COLUMN(c) < SPAN && span + COLUMN(c) < WIDTH)
                to[COLUMN(c)] = o[i][c] / sum;
    }
}
