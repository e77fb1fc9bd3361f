/* unit_dot2.h - two products of halves and a float sum in one instruction: 16 x 16 sums, 32 lanes.
 * SPDX-License-Identifier: MIT
 *
 * Source: AMD's instruction sets, V_DOT2_F32_F16 (gfx906, gfx1011, gfx103x and on); clang's builtin. No
 * lane sees another's registers: the sub-group is only an agreement who computes what, and may be
 * any 32 work-items. Lane l has i = l % 4 and j = l / 4:
 *
 *          a                              b                             c
 *      slot  0 1 2 3             column   0        1  ..         column  0   1  ..   8  ..
 *   row 0    w[0..3], i = 0      slot 0   w[0]                 row 0     v0  v0      v4
 *       1            i = 1            1   w[1]  j = 0  j = 1       1     j = 0  1 ..  0 ..
 *       ..                            ..                           4     v1
 *       4    w[4..7], i = 0     column 8  w[4..7], j = 0           ..
 *
 * row 4r + i and column 8s + j are its: v[4s + r]. A word of a is with eight lanes, one of b with four. */
#define UNIT_ROWS 16
#define UNIT_COLUMNS 16
#define UNIT_DEPTH 8
#define UNIT_LANES 32
#define UNIT_STRIDE 20
#define UNIT_A_WORDS 16
#define UNIT_B_WORDS 8
#define UNIT_SUMS 8
#define UNIT_ATTRIBUTES

typedef union {
    uint w[UNIT_A_WORDS];
    uint4 rows[4];
} unit_a;
typedef union {
    uint w[UNIT_B_WORDS];
    uint4 columns[2];
} unit_b;
typedef struct {
    float v[UNIT_SUMS];
} unit_c;

#define UNIT_ROW(lane, i) ((i) % 4 * 4 + (lane) % 4)
#define UNIT_COLUMN(lane, i) ((i) / 4 * 8 + (lane) / 4)
#define UNIT_A_ROW(lane, i) ((i) / 4 * 4 + (lane) % 4)
#define UNIT_A_SLOT(lane, i) ((lane) < 4 ? (i) % 4 : -1)
#define UNIT_B_COLUMN(lane, i) ((i) / 4 * 8 + (lane) / 4)
#define UNIT_B_SLOT(lane, i) ((lane) % 4 == 0 ? (i) % 4 : -1)

UNIT_INLINE void unit_load_a(int lane, local const uint4 *tile, unit_a *a)
{
    UNROLL for (int r = 0; r < 4; r++) a->rows[r] = tile[(r * 4 + lane % 4) * (UNIT_STRIDE / 4)];
}

UNIT_INLINE void unit_load_b(int lane, local const uint4 *tile, unit_b *b)
{
    UNROLL for (int s = 0; s < 2; s++) b->columns[s] =
        tile[(s * 8 + lane / 4) * (UNIT_STRIDE / 4)];
}

#ifndef EMULATE
UNIT_INLINE void unit_multiply(
    const struct unit *unit, const unit_a *a, const unit_b *b, unit_c *c)
{
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
    UNROLL for (int slot = 0; slot < 4; slot++)
        UNROLL for (int i = 0; i < UNIT_SUMS; i++) c->v[i] =
            __builtin_amdgcn_fdot2(__builtin_astype(a->w[i % 4 * 4 + slot], half2),
                __builtin_astype(b->w[i / 4 * 4 + slot], half2), c->v[i], false);
}
#endif
