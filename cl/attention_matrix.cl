/* attention_matrix.cl - attention.cl on a matrix unit, factors of 16 bits: y = softmax(scale q kT) v.
 * SPDX-License-Identifier: MIT
 *
 *   q, y [images][tokens][..] and k, v [images][keys][..] at their strides; head h is the columns
 *   [h*WIDTH, (h+1)*WIDTH). No causal form.
 *
 * The online softmax is that of attention.cl, in powers of two: log2(e) goes with the scale into q.
 * A sub-group has UNIT_QUERIES tokens, whose factors stay in registers, and SPAN columns of their
 * sums o. Keys come in blocks of KEYS, of which the work-group makes tiles of words (unit.h) in local
 * memory, STEP channels or keys to a row:
 *
 *   k_tile  [steps of channels][KEYS][UNIT_STRIDE]   in the order that unit_hand.h asks for
 *   v_tile  [steps of keys][CHANNELS][UNIT_STRIDE]   turned, so that keys are neighbours
 *
 * Scores become weights and a factor of the second product without leaving their registers. Weights
 * are kept 2^14 times as large as they are: then halves have all their bits down to 2^-28 of the
 * largest.
 *
 * Tunables: WIDTH (of a head), SPAN (columns of y of a work-group), KEYS (a multiple of 32), SUBS
 * (sub-groups). Grid: (SUBS * UNIT_LANES * blocks of QUERIES tokens, images * heads, spans).
 * Local memory: the tiles, 26 KiB for KEYS 32, WIDTH and SPAN 160. */
#include "common.h"
#include "unit.h"
#include "unit_hand.h"
#define ITEMS (SUBS * UNIT_LANES)
#define QUERIES (SUBS * UNIT_QUERIES)
#define STEP 32 /* values in a row of a tile */
#define MASKED -1e30f
#define ENLARGED 14.0f /* log2 */
#define LOG2_E 1.44269504f

#define DEPTHS BLOCKS(WIDTH, UNIT_DEPTH) /* operations along a head */
#define HEAD_QUADS (DEPTHS * UNIT_DEPTH / 4)
#define PIECES BLOCKS(SPAN, UNIT_OTHERS) /* operations along a span */
#define CHANNELS (PIECES * UNIT_OTHERS)
#define SCORES (KEYS / UNIT_OTHERS)
#define QUAD_STRIDE (UNIT_STRIDE / 4) /* uint4 of a row */

/* Row `row` of tiles of `rows` rows, value `at` of it. */
#define TILE_AT(tile, rows, row, at) ((tile) + ((at) / STEP * (rows) + (row)) * QUAD_STRIDE + (at) % STEP / 8)

/* The key of a block that stands in row n of its tiles. */
#define KEY_IN(n) ((n) / UNIT_DEPTH * UNIT_DEPTH + UNIT_HANDED_KEY((n) % UNIT_DEPTH))

/* KEYS rows of q or k, from row `first` on, into tiles; of those beyond the last the last one. */
UNIT_INLINE void stage_rows(local uint4 *tile, global const float *head, int stride, int first,
    int rows, float scale, bool keys)
{
    ROLLED for (int i = get_local_id(0); i < KEYS * HEAD_QUADS; i += ITEMS)
    {
        int n = i / HEAD_QUADS, at = i % HEAD_QUADS * 4;
        int row = min(first + (keys ? KEY_IN(n) : n), rows - 1);
        float4 quad = load_quad(head + (size_t)row * stride + at, WIDTH - at) * scale;
        local uint *to = (local uint *)TILE_AT(tile, KEYS, n, 0) +
                         at / STEP * KEYS * UNIT_STRIDE + at % STEP / 2;
        to[0] = unit_word(quad.x, quad.y);
        to[1] = unit_word(quad.z, quad.w);
    }
}

/* KEYS rows of v, turned: a word is two keys of one channel. */
UNIT_INLINE void stage_turned(
    local uint4 *tile, global const float *head, int stride, int first, int rows, int left)
{
    ROLLED for (int i = get_local_id(0); i < KEYS / 2 * (CHANNELS / 4); i += ITEMS)
    {
        int two = i % (KEYS / 2) * 2, at = i / (KEYS / 2) * 4;
        int even = min(first + two, rows - 1), odd = min(first + two + 1, rows - 1);
        float4 low = load_quad(head + (size_t)even * stride + at, left - at);
        float4 high = load_quad(head + (size_t)odd * stride + at, left - at);
        local uint *to = (local uint *)TILE_AT(tile, CHANNELS, at, 0) +
                         two / STEP * CHANNELS * UNIT_STRIDE + two % STEP / 2;
        to[0] = unit_word(low.x, high.x);
        to[UNIT_STRIDE] = unit_word(low.y, high.y);
        to[2 * UNIT_STRIDE] = unit_word(low.z, high.z);
        to[3 * UNIT_STRIDE] = unit_word(low.w, high.w);
    }
}

UNIT_KERNEL(ITEMS)
void attention_matrix(TENSOR_IN(q), int q_stride, TENSOR_IN(k), int k_stride, TENSOR_IN(v),
    int v_stride, TENSOR_OUT(y), int y_stride, int tokens, int keys, int heads, float scale)
{
    local uint4 k_tile[BLOCKS(WIDTH, STEP) * KEYS * QUAD_STRIDE];
    local uint4 v_tile[KEYS / STEP * CHANNELS * QUAD_STRIDE];
    UNIT_BEGIN(ITEMS);
    int first = GROUP_ID(0, ITEMS) * QUERIES, image = GROUP_ID(1, 1) / heads;
    int head = GROUP_ID(1, 1) - image * heads, span = GROUP_ID(2, 1) * SPAN;
    int own = unit.sub * UNIT_QUERIES; /* of the work-group's tokens, the sub-group's first */
    size_t row = (size_t)image * tokens, key_row = (size_t)image * keys;
    global const float *q_head = TENSOR_AT(q) + row * q_stride + head * WIDTH;
    global const float *k_head = TENSOR_AT(k) + key_row * k_stride + head * WIDTH;
    global const float *v_head = TENSOR_AT(v) + key_row * v_stride + head * WIDTH + span;
    unit_query factors[DEPTHS];
    unit_c o[PIECES];
    float top[UNIT_HELD], total[UNIT_HELD];
    for (int start = 0; start < QUERIES; start += KEYS) {
        barrier(CLK_LOCAL_MEM_FENCE);
        stage_rows(k_tile, q_head, q_stride, first + start, tokens, scale * LOG2_E, false);
        barrier(CLK_LOCAL_MEM_FENCE);
        if (own >= start && own < start + KEYS)
            UNROLL for (int d = 0; d < DEPTHS; d++) unit_load_query(unit.lane,
                TILE_AT(k_tile, KEYS, own - start, d * UNIT_DEPTH), &factors[d]);
    }
    UNROLL for (int i = 0; i < PIECES; i++) unit_zero(&o[i]);
    UNROLL for (int h = 0; h < UNIT_HELD; h++)
    {
        top[h] = MASKED;
        total[h] = 0.0f;
    }
    for (int start = 0; start < keys; start += KEYS) {
        barrier(CLK_LOCAL_MEM_FENCE);
        stage_rows(k_tile, k_head, k_stride, start, keys, 1.0f, true);
        stage_turned(v_tile, v_head, v_stride, start, keys, WIDTH - span);
        barrier(CLK_LOCAL_MEM_FENCE);
        /* s = q k */
        unit_c s[SCORES];
        UNIT_LOOP for (int j = 0; j < SCORES; j++)
        {
            unit_zero(&s[j]);
            UNIT_LOOP for (int d = 0; d < DEPTHS; d++)
            {
                unit_other there;
                unit_load_other(
                    unit.lane, TILE_AT(k_tile, KEYS, j * UNIT_OTHERS, d * UNIT_DEPTH), &there);
                unit_multiply_query(&unit, &factors[d], &there, &s[j]);
            }
        }
        if (start + KEYS > keys)
            UNROLL for (int j = 0; j < SCORES; j++)
                UNROLL for (int i = 0; i < UNIT_SUMS; i++)
                {
                    int n = j * UNIT_OTHERS + UNIT_OTHER(unit.lane, i);
                    s[j].v[i] = start + KEY_IN(n) < keys ? s[j].v[i] : MASKED;
                }
        /* the new maximum of each token */
        UNIT_LOOP for (int h = 0; h < UNIT_HELD; h++)
        {
            float most = top[h];
            UNROLL for (int j = 0; j < SCORES; j++)
                UNROLL for (int i = 0; i < UNIT_SUMS; i++) if (UNIT_HELD_OF(i) == h) most =
                    max(most, s[j].v[i]);
            UNIT_SHARED(&unit, max, most);
            float shrink = native_exp2(top[h] - most);
            UNROLL for (int c = 0; c < PIECES; c++)
                UNROLL for (int i = 0; i < UNIT_SUMS; i++) if (UNIT_HELD_OF(i) == h) o[c].v[i] *=
                    shrink;
            total[h] *= shrink;
            top[h] = most;
        }
        /* the scores to weights, o += p v */
        UNROLL for (int j = 0; j < SCORES; j++)
            UNROLL for (int i = 0; i < UNIT_SUMS; i++)
            {
                s[j].v[i] = native_exp2(s[j].v[i] - top[UNIT_HELD_OF(i)] + ENLARGED);
                total[UNIT_HELD_OF(i)] += s[j].v[i];
            }
        UNIT_LOOP for (int d = 0; d < KEYS / UNIT_DEPTH; d++)
        {
            unit_query weights;
            unit_hand_on(&unit, s, d, &weights);
            UNIT_LOOP for (int c = 0; c < PIECES; c++)
            {
                unit_other there;
                unit_load_other(
                    unit.lane, TILE_AT(v_tile, CHANNELS, c * UNIT_OTHERS, d * UNIT_DEPTH), &there);
                unit_multiply_query(&unit, &weights, &there, &o[c]);
            }
        }
    }
    UNIT_LOOP for (int h = 0; h < UNIT_HELD; h++) UNIT_SHARED(&unit, unit_sum, total[h]);
    UNROLL for (int i = 0; i < UNIT_SUMS; i++)
    {
        int token = first + own + UNIT_QUERY(unit.lane, i);
        global float *to = TENSOR_AT(y) + (row + token) * y_stride + head * WIDTH + span;
        if (token < tokens)
            UNROLL for (int c = 0; c < PIECES; c++)
            {
                int channel = c * UNIT_OTHERS + UNIT_OTHER(unit.lane, i);
                if (channel < SPAN && span + channel < WIDTH)
                    to[channel] = o[c].v[i] / total[UNIT_HELD_OF(i)];
            }
    }
}
