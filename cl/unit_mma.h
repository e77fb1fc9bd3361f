/* unit_mma.h - mma.sync of PTX: 16 x 8 sums, a warp of 32 lanes. SPDX-License-Identifier: MIT
 *
 * Source: PTX ISA, "Matrix fragments for mma.m16n8k16" (sm_80 on) and "mma.m16n8k8" (sm_75, with
 * -DMMA_DEPTH=8; half only). Lane l has g = l / 4 and t = l % 4. Registers of one instruction, each
 * two neighbours of k:
 *
 *                a                               b                              c
 *       slot  0 1 2 3   4 5 6 7         column  0  1 .. 7             column  0 1   2 3   4 5   6 7
 *          k  0 2 4 6   8 .. 14     slot 0  t 0  a register     row 0  t 0   t 1   t 2   t 3
 *   row 0     t 0 1 2 3   0 1 2 3        1    1  of lanes        ..      v[0] and v[1] of lanes
 *    ..         a0          a2           2    2  g = column      7       g = row
 *       7     g = row                    3    3    b0            8      v[2] and v[3] of lanes
 *   row 8       a1          a3           4    0    b1            ..      g = row - 8
 *    ..       g = row - 8                ..  ..                 15
 *
 * (at depth 8 a0, a1 and b0 alone). Here one operation is 32 of k, two instructions or four: then
 * a lane reads 128 bits of each of its rows. Which k it takes is free, and with words 4t .. 4t + 3,
 *
 *        words of a row    0 1 2 3   4 5 6 7   8 .. 11   12 .. 15
 *        lane              t = 0     t = 1     t = 2     t = 3
 *        slots of      0   .         t and t + 4 are its words 0 and 1; of instruction 1 words 2 and 3
 *
 * eight lanes, which are served together, read two whole rows: 32 banks without a gap between rows. */
#ifndef MMA_DEPTH
#define MMA_DEPTH 16
#endif
#define UNIT_ROWS 16
#define UNIT_COLUMNS 8
#define UNIT_DEPTH 32
#define UNIT_LANES 32
#define UNIT_STRIDE 16
#define UNIT_A_WORDS 8
#define UNIT_B_WORDS 4
#define UNIT_SUMS 4
#define UNIT_ATTRIBUTES

typedef union {
    uint w[UNIT_A_WORDS];
    uint4 rows[2]; /* g, g + 8 */
} unit_a;
typedef union {
    uint w[UNIT_B_WORDS];
    uint4 column; /* g */
} unit_b;
typedef struct {
    float v[UNIT_SUMS];
} unit_c;

#define UNIT_ROW(lane, i) ((lane) / 4 + (i) / 2 * 8)
#define UNIT_COLUMN(lane, i) ((lane) % 4 * 2 + (i) % 2)

/* Registers of the operation, by the drawing; 16 slots, those of one instruction after another. Of a
 * row the words go to a0, a2 of the first instruction, a0, a2 of the second (at depth 8 to a0 of each). */
#define UNIT_A_ROW(lane, i) ((lane) / 4 + (i) / 4 * 8)
#define UNIT_A_SLOT(lane, i) ((i) % 4 * 4 + (lane) % 4)
#define UNIT_B_COLUMN(lane, i) ((lane) / 4)
#define UNIT_B_SLOT(lane, i) ((i) * 4 + (lane) % 4)

UNIT_INLINE void unit_load_a(int lane, local const uint4 *tile, unit_a *a)
{
    local const uint4 *row = tile + lane / 4 * (UNIT_STRIDE / 4) + lane % 4;
    a->rows[0] = row[0];
    a->rows[1] = row[8 * (UNIT_STRIDE / 4)];
}

UNIT_INLINE void unit_load_b(int lane, local const uint4 *tile, unit_b *b)
{
    b->column = tile[lane / 4 * (UNIT_STRIDE / 4) + lane % 4];
}

#ifndef EMULATE
#ifdef BF16
#define MMA_TYPE "bf16"
#else
#define MMA_TYPE "f16"
#endif

#if MMA_DEPTH == 16
UNIT_INLINE void mma(uint a0, uint a1, uint a2, uint a3, uint b0, uint b1, unit_c *c)
{
    __asm__ volatile("mma.sync.aligned.m16n8k16.row.col.f32." MMA_TYPE "." MMA_TYPE ".f32 "
                     "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+f"(c->v[0]), "+f"(c->v[1]), "+f"(c->v[2]), "+f"(c->v[3])
                     : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

UNIT_INLINE void unit_multiply(
    const struct unit *unit, const unit_a *a, const unit_b *b, unit_c *c)
{
    mma(a->w[0], a->w[4], a->w[1], a->w[5], b->w[0], b->w[1], c);
    mma(a->w[2], a->w[6], a->w[3], a->w[7], b->w[2], b->w[3], c);
}

/* In one instruction; the upper half comes first. */
UNIT_INLINE uint mma_word(float low, float high)
{
    uint word;
    __asm__("cvt.rn." MMA_TYPE "x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
}
#define UNIT_WORD mma_word
#else
UNIT_INLINE void mma(uint a0, uint a1, uint b0, unit_c *c)
{
    __asm__ volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
                     "{%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
                     : "+f"(c->v[0]), "+f"(c->v[1]), "+f"(c->v[2]), "+f"(c->v[3])
                     : "r"(a0), "r"(a1), "r"(b0));
}

UNIT_INLINE void unit_multiply(
    const struct unit *unit, const unit_a *a, const unit_b *b, unit_c *c)
{
    UNROLL for (int i = 0; i < 4; i++) mma(a->w[i], a->w[i + 4], b->w[i], c);
}
#endif
#endif
