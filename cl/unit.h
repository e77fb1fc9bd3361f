/* unit.h - one operation of a matrix unit that belongs to a sub-group: c += a b.
 * SPDX-License-Identifier: MIT
 *
 * Factors are of 16 bits, half or with -DBF16 bf16, two neighbours of k in one word (the even k in its
 * low half); sums are float. Tiles of a and b stand in local memory with k along their rows; every
 * lane of a sub-group takes the words that its unit wants of it, and holds some sums of c:
 *
 *     a   k  0 1   2 3   4 5 ..       b   k  0 1   2 3   4 5 ..       c  column 0  1  2  3 ..
 *   row 0  [word][word][word]    column 0  [word][word][word]       row 0      .  .  .  .
 *   row 1  [word][word][word]    column 1  [word][word][word]       row 1      .  .  .  .
 *   ..      <- UNIT_STRIDE words from row to row ->                 ..
 *
 * A unit is a header unit_NAME.h, included below for -DUNIT_NAME, and a row in device/group_unit.c.
 * It gives
 *
 *   UNIT_ROWS, UNIT_COLUMNS, UNIT_DEPTH   of the operation. Rows 8 or 16, columns 8 or 16, depth
 *                             (k of one operation, some instructions perhaps) 8, 16 or 32
 *   UNIT_LANES                8, 16, 32 or 64 work-items of a sub-group: consecutive ones of local id 0
 *   UNIT_STRIDE               words, a multiple of 4, 16 to 20: what its reads like best. Tiles have 16
 *                             words (32 of k) in a row
 *   UNIT_A_WORDS, UNIT_B_WORDS, UNIT_SUMS  words of a and of b, sums of c with one lane
 *   UNIT_ATTRIBUTES           of kernels that use it, e.g. the size of sub-groups; may be empty
 *   unit_a, unit_b, unit_c    what a lane has. unit_a and unit_b have a member w[] of words, unit_c a
 *                             member v[] of sums (unions with the vectors of the unit's own functions do)
 *   unit_load_a(lane, tile, &a), unit_load_b(lane, tile, &b)
 *                             of `local const uint4 *tile`, which points at row or column 0 and the
 *                             first k of the operation
 *   UNIT_ROW(lane, i), UNIT_COLUMN(lane, i)   where c.v[i] lies in c
 *   unit_multiply(unit, &a, &b, &c)  c += a b, by all lanes of the work-group together
 *   UNIT_WORD                 if it has its own way to make a word of two floats, unit_word()
 *
 * All of these get addresses: a unit_a, unit_b or unit_c is written where it stays and never assigned (common.h).
 *
 * Which k a word holds is free, as long as a and b agree: the sum does not ask for an order.
 * With -DEMULATE unit_multiply is that of unit_emulated.h, which tests all the rest on any device. For
 * it a unit describes its registers, as its maker documents them and not as the loads above have it:
 *
 *   UNIT_A_ROW(lane, i), UNIT_A_SLOT(lane, i)     word i of a lane's unit_a is two k of that row: slot s
 *   UNIT_B_COLUMN(lane, i), UNIT_B_SLOT(lane, i)  has k 2s and 2s + 1, 0 <= s < UNIT_DEPTH/2
 *
 * (a slot of -1 is a copy of what another lane has; where a word of a is of two rows, 16 bits i of a lane
 * are UNIT_A_HALF_ROW(lane, i), k UNIT_A_HALF_K(lane, i) instead). A kernel begins with UNIT_BEGIN, which declares
 *
 *     const struct unit unit = {lane, sub};   of UNIT_LANES, of the work-group's sub-groups
 *
 * and has UNIT_KERNEL(work-items) in the place of KERNEL_GROUP. Operations stand in uniform flow, in loops
 * marked UNIT_LOOP. */
#define UNIT_INLINE static inline __attribute__((always_inline))

struct unit {
    int lane, sub;
#ifdef EMULATE
    local uint *exchange; /* of the sub-group */
#endif
};

#ifdef UNIT_MMA
#include "unit_mma.h"
#elif defined UNIT_DPAS
#include "unit_dpas.h"
#elif defined UNIT_WMMA
#include "unit_wmma.h"
#elif defined UNIT_MFMA
#include "unit_mfma.h"
#elif defined UNIT_DOT2
#include "unit_dot2.h"
#endif

#ifdef EMULATE
#include "unit_emulated.h"
#define UNIT_LOOP ROLLED
#define UNIT_KERNEL(items) KERNEL_GROUP(items, 1, 1)
#define UNIT_BEGIN(items)                                                                          \
    local uint unit_exchange[(items) / UNIT_LANES * UNIT_EXCHANGE];                                \
    const struct unit unit = {get_local_id(0) % UNIT_LANES, get_local_id(0) / UNIT_LANES,          \
        unit_exchange + get_local_id(0) / UNIT_LANES * UNIT_EXCHANGE}
#else
#define UNIT_LOOP UNROLL
#define UNIT_KERNEL(items) UNIT_ATTRIBUTES KERNEL_GROUP(items, 1, 1)
#define UNIT_BEGIN(items)                                                                          \
    const struct unit unit = {get_local_id(0) % UNIT_LANES, get_local_id(0) / UNIT_LANES}
#endif

/* Two floats as a word, each rounded to the nearest, to even. Half has no numbers above 65504: what
 * is nearer to 65536 becomes infinity, so that it is seen (a job then goes on without the unit). */
#ifdef UNIT_WORD
#define unit_word UNIT_WORD
#elif defined BF16
UNIT_INLINE uint unit_bf16(float value)
{
    uint bits = as_uint(value);
    return (bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

UNIT_INLINE uint unit_word(float low, float high)
{
    return unit_bf16(low) | unit_bf16(high) << 16;
}
#else
UNIT_INLINE uint unit_word(float low, float high)
{
    uint word;
    vstore_half2_rte((float2)(low, high), 0, (half *)&word);
    return word;
}
#endif

UNIT_INLINE void unit_zero(unit_c *c)
{
    UNROLL for (int i = 0; i < UNIT_SUMS; i++) c->v[i] = 0.0f;
}
