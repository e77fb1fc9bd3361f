/* attention_wide_groups.cl - what attention by three products needs besides the products, in work-groups.
 * SPDX-License-Identifier: MIT
 *
 * The kernel of cl/attention.cl computes all scores once for each span of 192 columns of a head; of heads
 * that are wider they are a product of their own, of a band of tokens (src/ops/attention_wide.c):
 *   pack_keys   k [keys][width] -> packed [panels of keys][width][PANEL], the weights of s = q kT
 *   pack_values v [keys][width] -> packed [panels of columns][keys][PANEL], the weights of y = p v
 *   softmax     s [rows][columns] -> p in place, of scale * s. If there are more keys than columns: p
 *               relative to the largest score so far, which stands with the total so far in state
 *               [rows][2]; sums [rows][width], p v of the columns before, if there are any, are scaled to
 *               it. With `last` both are divided by the total.
 *
 * softmax reads a row twice: maximum and total come together, each work-item's own total being scaled
 * where its maximum rises (online softmax, arXiv 1805.02867), and are joined as a tree, in one order.
 * Grids: pack_keys (64 * panels, 4 * blocks of 32 columns); pack_values (PANEL * panels, keys);
 * softmax (ITEMS * rows). */
#include "common.h"
#define PANEL 64
#define DEPTH 32 /* columns of a block of keys: 8 KiB of local memory */
#define ITEMS 128
#define LOWEST -1e30f

KERNEL_GROUP(64, 4, 1)
void pack_keys(TENSOR_IN(k), int k_stride, int keys, int width, TENSOR_OUT(packed))
{
    local float block[PANEL][DEPTH + 1];
    int lane = get_local_id(0), part = get_local_id(1);
    int panel = GROUP_ID(0, 64), first = GROUP_ID(1, 4) * DEPTH;
    int column = first + lane % DEPTH;
    for (int i = part * 2 + lane / DEPTH; i < PANEL; i += 8) {
        int key = panel * PANEL + i;
        block[i][lane % DEPTH] =
            key < keys && column < width ? TENSOR_AT(k)[(size_t)key * k_stride + column] : 0.0f;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    global float *to = TENSOR_AT(packed) + ((size_t)panel * width + first) * PANEL + lane;
    for (int i = part; i < min(DEPTH, width - first); i += 4)
        to[(size_t)i * PANEL] = block[lane][i];
}

KERNEL_GROUP(64, 4, 1)
void pack_values(TENSOR_IN(v), int v_stride, int keys, int width, TENSOR_OUT(packed))
{
    int column = get_global_id(0), key = get_global_id(1), panel = column / PANEL;
    if (key < keys)
        TENSOR_AT(packed)[((size_t)panel * keys + key) * PANEL + column % PANEL] =
            column < width ? TENSOR_AT(v)[(size_t)key * v_stride + column] : 0.0f;
}

/* Four scores from column c on; those beyond the last are lowest. */
static inline float4 scores_at(global const float *row, int c, int columns)
{
    float4 v = load_quad(row + c, columns - c);
    return select(v, (float4)(LOWEST), (int4)(c, c + 1, c + 2, c + 3) >= columns);
}

static inline float4 weights_of(float4 scores, float top, float scale)
{
    return exp_bounded4(max((scores - top) * scale, (float4)(-87.0f)));
}

/* What a total under an older maximum is multiplied by. */
static inline float shrink_of(float older, float top, float scale)
{
    return exp_bounded(max((older - top) * scale, -87.0f));
}

KERNEL_GROUP(ITEMS, 1, 1)
void softmax(TENSOR_OUT(s), int s_stride, int columns, float scale, TENSOR_OUT(state),
    TENSOR_OUT(sums), int sums_stride, int width, int last)
{
    local float tops[ITEMS], totals[ITEMS];
    int item = get_local_id(0), r = GROUP_ID(0, ITEMS);
    global float *row = TENSOR_AT(s) + (size_t)r * s_stride;
    float top = LOWEST, total = 0.0f;
    for (int c = item * 4; c < columns; c += ITEMS * 4) {
        float4 scores = scores_at(row, c, columns);
        float2 pair = max(scores.lo, scores.hi);
        float most = max(top, max(pair.x, pair.y));
        float4 weights = weights_of(scores, most, scale);
        total = fma(total, shrink_of(top, most, scale),
            (weights.x + weights.y) + (weights.z + weights.w));
        top = most;
    }
    tops[item] = top;
    totals[item] = total;
    for (int half_size = ITEMS / 2; half_size > 0; half_size /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < half_size) {
            float a = tops[item], b = tops[item + half_size], most = max(a, b);
            totals[item] = totals[item] * shrink_of(a, most, scale) +
                totals[item + half_size] * shrink_of(b, most, scale);
            tops[item] = most;
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    top = tops[0];
    total = totals[0];
    float before = 1.0f; /* what the sums so far are multiplied by */
    if (TENSOR_GIVEN(state)) {
        global float *so_far = TENSOR_AT(state) + (size_t)r * 2;
        if (TENSOR_GIVEN(sums)) {
            float most = max(top, so_far[0]);
            before = shrink_of(so_far[0], most, scale);
            total = fma(so_far[1], before, total * shrink_of(top, most, scale));
            top = most;
        }
        barrier(CLK_GLOBAL_MEM_FENCE); /* all have read it */
        if (item == 0) {
            so_far[0] = top;
            so_far[1] = total;
        }
    }
    float share = last ? 1.0f / total : 1.0f;
    for (int c = item * 4; c < columns; c += ITEMS * 4)
        store_quad(
            weights_of(scores_at(row, c, columns), top, scale) * share, row + c, columns - c);
    if (TENSOR_GIVEN(sums)) {
        global float *out = TENSOR_AT(sums) + (size_t)r * sums_stride;
        for (int c = item * 4; c < width; c += ITEMS * 4)
            store_quad(load_quad(out + c, width - c) * (before * share), out + c, width - c);
    }
}
