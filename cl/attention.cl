/* attention.cl - y = softmax(scale q kT) v per image and head, without the matrix of scores.
 * SPDX-License-Identifier: MIT
 *
 *   q, y [images][tokens][..] and k, v [images][keys][..] at their strides; head h is the columns
 *   [h*WIDTH, (h+1)*WIDTH). causal: token i sees the keys 0..i.
 *
 * Online softmax (Milakov and Gimelshein, arXiv 1805.02867): keys come in tiles of 64, and what was
 * summed under an older maximum m is multiplied by exp(m - m') when a tile raises it to m'.
 *   m' = max(m, max_j s_j),  p_j = exp(s_j - m'),  l' = l exp(m - m') + sum p_j,
 *   o' = o exp(m - m') + sum p_j v_j,  y = o / l
 * A group of 64 work-items computes QUERIES tokens of one head. For the scores a work-item is a key,
 * for o it is every 64th column of the head.
 * Tunables: WIDTH (of a head), QUERIES (QUERIES * WIDTH <= 4096: local memory).
 * Grid: (64 * blocks of QUERIES tokens, images * heads). Local memory: 25 KiB at most. */
#include "common.h"
#define KEYS 64
#define DEPTH 16 /* columns of k staged at a time */
#define COLUMNS BLOCKS(WIDTH, KEYS)
#define MASKED -1e30f

KERNEL_GROUP(64, 1, 1) void attention(TENSOR_IN(q), int q_stride, TENSOR_IN(k), int k_stride,
    TENSOR_IN(v), int v_stride, TENSOR_OUT(y), int y_stride, int tokens, int keys, int heads,
    float scale, int causal)
{
    local float queries[QUERIES][WIDTH], staged[KEYS][DEPTH + 1], scores[QUERIES][KEYS + 1];
    local float maximum[QUERIES], total[QUERIES], shrink[QUERIES];
    uint item = get_local_id(0);
    int first = get_group_id(0) * QUERIES, image = get_group_id(1) / heads;
    int head = get_group_id(1) - image * heads;
    size_t row = (size_t)image * tokens, key_row = (size_t)image * keys;
    global const float *k_head = TENSOR_AT(k) + key_row * k_stride + head * WIDTH;
    global const float *v_head = TENSOR_AT(v) + key_row * v_stride + head * WIDTH;
    float o[QUERIES][COLUMNS], s[QUERIES];

    for (uint i = item; i < QUERIES * WIDTH; i += KEYS) {
        int token = min(first + (int)(i / WIDTH), tokens - 1);
        queries[i / WIDTH][i % WIDTH] =
            TENSOR_AT(q)[(row + token) * q_stride + head * WIDTH + i % WIDTH] * scale;
    }
    UNROLL for (int i = 0; i < QUERIES; i++)
        UNROLL for (int c = 0; c < COLUMNS; c++) o[i][c] = 0.0f;
    if (item < QUERIES) {
        maximum[item] = MASKED;
        total[item] = 0.0f;
    }
    int last = causal ? min(keys, first + QUERIES) : keys;
    for (int start = 0; start < last; start += KEYS) {
        /* s = q k for the key of this work-item */
        UNROLL for (int i = 0; i < QUERIES; i++) s[i] = 0.0f;
        for (int c = 0; c < WIDTH; c += DEPTH) {
            barrier(CLK_LOCAL_MEM_FENCE);
            for (uint i = item; i < KEYS * DEPTH; i += KEYS) {
                int key = min(start + (int)(i / DEPTH), keys - 1), column = c + (int)(i % DEPTH);
                staged[i / DEPTH][i % DEPTH] =
                    column < WIDTH ? k_head[(size_t)key * k_stride + column] : 0.0f;
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            for (int d = 0; d < min(DEPTH, WIDTH - c); d++)
                UNROLL for (int i = 0; i < QUERIES; i++) s[i] =
                    fma(queries[i][c + d], staged[item][d], s[i]);
        }
        int key = start + (int)item;
        UNROLL for (int i = 0; i < QUERIES; i++) scores[i][item] =
            key >= keys || (causal && key > first + i) ? MASKED : s[i];
        barrier(CLK_LOCAL_MEM_FENCE);
        /* one work-item for each token: the new maximum, the scores to weights */
        if (item < QUERIES) {
            float top = maximum[item], sum = 0.0f;
            for (int j = 0; j < KEYS; j++)
                top = max(top, scores[item][j]);
            shrink[item] = exp_bounded(max(maximum[item] - top, -87.0f));
            for (int j = 0; j < KEYS; j++) {
                float weight = exp_bounded(max(scores[item][j] - top, -87.0f));
                scores[item][j] = weight;
                sum += start + j < keys ? weight : 0.0f;
            }
            maximum[item] = top;
            total[item] = fma(total[item], shrink[item], sum);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        /* o += weights v for the columns of this work-item */
        UNROLL for (int c = 0; c < COLUMNS; c++)
        {
            int column = min((int)item + c * KEYS, WIDTH - 1);
            UNROLL for (int i = 0; i < QUERIES; i++) o[i][c] *= shrink[i];
            for (int j = 0; j < min(KEYS, keys - start); j++) {
                float value = v_head[(size_t)(start + j) * v_stride + column];
                UNROLL for (int i = 0; i < QUERIES; i++) o[i][c] =
                    fma(scores[i][j], value, o[i][c]);
            }
        }
    }
    UNROLL for (int i = 0; i < QUERIES; i++)
        UNROLL for (int c = 0; c < COLUMNS; c++)
        {
            int column = (int)item + c * KEYS;
            if (column < WIDTH && first + i < tokens)
                TENSOR_AT(y)[(row + first + i) * y_stride + head * WIDTH + column] =
                    o[i][c] / total[i];
        }
}
