/* unit_wmma.h - the wave matrix multiply-accumulate of AMD's gfx11 and gfx12: 16 x 16 sums, 32 lanes.
 * SPDX-License-Identifier: MIT
 *
 * Sources: RDNA3 and RDNA4 instruction set architecture, "Wave Matrix Multiply Accumulate"; clang's
 * builtins. One operation is one instruction, 16 of k. A row of a, a column of b and a column of c belong
 * to lane % 16; with h = lane / 16 the two generations, -DWMMA_GENERATION=11 and 12, differ in the rest:
 *
 *   11     a (b: columns for rows)          c                      12      a                      c
 *      slot   0    1   ..  7         column  0 .. 15                 slot  0 .. 3  4 .. 7      column  0 .. 15
 *   row 0   w[0] w[1] .. w[7]     row  0  v[0], h = 0             row  0  w[0..3] w[0..3]    row  0  v[0], h = 0
 *       1    with both h              1   v[0], h = 1                 1    h = 0   h = 1         ..
 *       ..                            2   v[1], h = 0                 ..                         7   v[7], h = 0
 *       15                            ..                              15                         8   v[0], h = 1
 *                                     15  v[7], h = 1                                            15  v[7], h = 1 */
#ifndef WMMA_GENERATION
#define WMMA_GENERATION 11
#endif
#define UNIT_ROWS 16
#define UNIT_COLUMNS 16
#define UNIT_DEPTH 16
#define UNIT_LANES 32
#define UNIT_STRIDE 20
#define UNIT_SUMS 8
#define UNIT_ATTRIBUTES

#if WMMA_GENERATION == 11
#define UNIT_A_WORDS 8
#define WMMA_SLOT(lane, i) ((lane) < 16 ? (i) : -1) /* the other half has copies */
#define UNIT_ROW(lane, i) ((i)*2 + (lane) / 16)
#else
#define UNIT_A_WORDS 4
#define WMMA_SLOT(lane, i) ((lane) / 16 * 4 + (i))
#define UNIT_ROW(lane, i) ((i) + (lane) / 16 * 8)
#endif
#define UNIT_B_WORDS UNIT_A_WORDS
#define UNIT_COLUMN(lane, i) ((lane) % 16)
#define UNIT_A_ROW(lane, i) ((lane) % 16)
#define UNIT_A_SLOT(lane, i) WMMA_SLOT(lane, i)
#define UNIT_B_COLUMN(lane, i) ((lane) % 16)
#define UNIT_B_SLOT(lane, i) WMMA_SLOT(lane, i)

#if WMMA_GENERATION == 11
typedef union {
    uint w[UNIT_A_WORDS];
    uint8 all;
} unit_a;
#else
typedef union {
    uint w[UNIT_A_WORDS];
    uint4 all;
} unit_a;
#endif
typedef unit_a unit_b;
typedef union {
    float v[UNIT_SUMS];
    float8 all;
} unit_c;

UNIT_INLINE void unit_load_a(int lane, local const uint4 *tile, unit_a *a)
{
    local const uint4 *row = tile + lane % 16 * (UNIT_STRIDE / 4);
#if WMMA_GENERATION == 11
    a->all = (uint8)(row[0], row[1]);
#else
    a->all = row[lane / 16];
#endif
}
#define unit_load_b unit_load_a

#ifndef EMULATE
#if WMMA_GENERATION == 11
#define WMMA_NAME(type) __builtin_amdgcn_wmma_f32_16x16x16_##type##_w32
#define WMMA_HALF half16
#define WMMA_SHORT short16
#else
#define WMMA_NAME(type) __builtin_amdgcn_wmma_f32_16x16x16_##type##_w32_gfx12
#define WMMA_HALF half8
#define WMMA_SHORT short8
#endif

UNIT_INLINE void unit_multiply(
    const struct unit *unit, const unit_a *a, const unit_b *b, unit_c *c)
{
#ifdef BF16
    c->all = WMMA_NAME(bf16)(
        __builtin_astype(a->all, WMMA_SHORT), __builtin_astype(b->all, WMMA_SHORT), c->all);
#else
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
    c->all = WMMA_NAME(f16)(
        __builtin_astype(a->all, WMMA_HALF), __builtin_astype(b->all, WMMA_HALF), c->all);
#endif
}
#endif
