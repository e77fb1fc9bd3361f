/* unit_mfma.h - the matrix fused multiply-add of AMD's gfx90a and gfx94x: 16 x 16 sums, 64 lanes.
 * SPDX-License-Identifier: MIT
 *
 * Source: CDNA2 and CDNA3 instruction set architecture, "Matrix Arithmetic Instructions"; clang's
 * builtins. One operation is one instruction, of 16 of k. Lane l has g = l / 16; the other coordinate of
 * a row of a, of a column of b and of c is l % 16:
 *
 *             a                                 b                          c
 *      slot  0 1   2 3   4 5   6 7     column  0 .. 15             column  0 .. 15
 *   row 0    w0 w1 of lanes        slot 0  w[0], lanes of g = 0   row 0    v[0], lanes of g = 0
 *       ..   g = 0 g = 1 g = 2 3        1  w[1]                       1    v[1]
 *       15   lane % 16 = row            2  w[0], lanes of g = 1       ..
 *                                       ..                            4    v[0], lanes of g = 1
 *                                       7  w[1], lanes of g = 3       15   v[3], lanes of g = 3 */
#define UNIT_ROWS 16
#define UNIT_COLUMNS 16
#define UNIT_DEPTH 16
#define UNIT_LANES 64
#define UNIT_STRIDE 20
#define UNIT_A_WORDS 2
#define UNIT_B_WORDS 2
#define UNIT_SUMS 4
#define UNIT_ATTRIBUTES

typedef union {
    uint w[UNIT_A_WORDS];
    uint2 all;
} unit_a;
typedef unit_a unit_b;
typedef union {
    float v[UNIT_SUMS];
    float4 all;
} unit_c;

#define UNIT_ROW(lane, i) ((lane) / 16 * 4 + (i))
#define UNIT_COLUMN(lane, i) ((lane) % 16)
#define UNIT_A_ROW(lane, i) ((lane) % 16)
#define UNIT_A_SLOT(lane, i) ((lane) / 16 * 2 + (i))
#define UNIT_B_COLUMN(lane, i) ((lane) % 16)
#define UNIT_B_SLOT(lane, i) ((lane) / 16 * 2 + (i))

UNIT_INLINE void unit_load_a(int lane, local const uint4 *tile, unit_a *a)
{
    a->all = ((local const uint2 *)tile)[lane % 16 * (UNIT_STRIDE / 2) + lane / 16];
}
#define unit_load_b unit_load_a

#ifndef EMULATE
UNIT_INLINE void unit_multiply(
    const struct unit *unit, const unit_a *a, const unit_b *b, unit_c *c)
{
#ifdef BF16
    c->all = __builtin_amdgcn_mfma_f32_16x16x16bf16_1k(
        __builtin_astype(a->all, short4), __builtin_astype(b->all, short4), c->all, 0, 0, 0);
#else
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
    c->all = __builtin_amdgcn_mfma_f32_16x16x16f16(
        __builtin_astype(a->all, half4), __builtin_astype(b->all, half4), c->all, 0, 0, 0);
#endif
}
#endif
