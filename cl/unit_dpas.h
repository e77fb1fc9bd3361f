/* unit_dpas.h - matrix_mad_k16 of a sub-group: 8 x 8 sums of 8 lanes, or 8 x 16 of 16.
 * SPDX-License-Identifier: MIT
 *
 * Source: Khronos, cl_intel_subgroup_matrix_multiply_accumulate 1.1.0. Every device has one size of
 * sub-groups for it, -DDPAS_LANES=8 or 16. One operation is one instruction, of 8 rows and 16 of k:
 *
 *          a, 8 lanes                    b, both                        c, both
 *      slot  0  1  ..  7             column  0    1   ..            column  0    1   ..
 *   row 0    w[0] of lanes        slot 0   w[0] of lanes         row 0    v[0] of lanes
 *       1    w[1]                      1   w[1]                      1    v[1]
 *       ..   lane = slot               ..  lane = column             ..   lane = column
 *       7    w[7]                      7   w[7]                      7    v[7]
 *
 * With 16 lanes there are only 16 bits of a row for each lane, k = lane: w[i] of a holds rows 2i (low)
 * and 2i + 1 (high). In b each lane reads its column from end to end. */
#ifndef DPAS_LANES
#define DPAS_LANES 8
#endif
#define UNIT_ROWS 8
#define UNIT_COLUMNS DPAS_LANES
#define UNIT_DEPTH 16
#define UNIT_LANES DPAS_LANES
#define UNIT_STRIDE 20
#define UNIT_A_WORDS (64 / DPAS_LANES)
#define UNIT_B_WORDS 8
#define UNIT_SUMS 8
#define UNIT_ATTRIBUTES __attribute__((intel_reqd_sub_group_size(DPAS_LANES)))

typedef union {
    uint w[UNIT_A_WORDS];
#if DPAS_LANES == 8
    int8 all;
#else
    ushort half_of_row[UNIT_ROWS];
    short8 all;
#endif
} unit_a;
typedef union {
    uint w[UNIT_B_WORDS];
    int8 all;
} unit_b;
typedef union {
    float v[UNIT_SUMS];
    float8 all;
} unit_c;

#define UNIT_ROW(lane, i) (i)
#define UNIT_COLUMN(lane, i) (lane)
#define UNIT_B_COLUMN(lane, i) (lane)
#define UNIT_B_SLOT(lane, i) (i)

#if DPAS_LANES == 8
#define UNIT_A_ROW(lane, i) (i)
#define UNIT_A_SLOT(lane, i) (lane)
#define DPAS_PART uint /* of a row of a with one lane */
#define DPAS_PARTS w
#define DPAS_READ intel_sub_group_block_read
#else
#define UNIT_A_HALF_ROW(lane, i) (i)
#define UNIT_A_HALF_K(lane, i) (lane)
#define DPAS_PART ushort
#define DPAS_PARTS half_of_row
#define DPAS_READ intel_sub_group_block_read_us
#endif

/* Some compilers have these functions, but not their declarations. */
#ifdef EMULATE
#define DPAS_READ_ROW(row) (row)[lane]
#else
#ifndef cl_intel_subgroup_local_block_io
DPAS_PART __attribute__((overloadable)) DPAS_READ(local const DPAS_PART *row);
#endif
#define DPAS_READ_ROW(row) DPAS_READ(row) /* the lanes of a sub-group together, from one address */
#endif

UNIT_INLINE void unit_load_a(int lane, local const uint4 *tile, unit_a *a)
{
    local const DPAS_PART *parts = (local const DPAS_PART *)tile;
    UNROLL for (int row = 0; row < UNIT_ROWS; row++) a->DPAS_PARTS[row] =
        DPAS_READ_ROW(parts + row * (UNIT_STRIDE * 4 / sizeof(DPAS_PART)));
}

UNIT_INLINE void unit_load_b(int lane, local const uint4 *tile, unit_b *b)
{
    local const uint4 *column = tile + lane * (UNIT_STRIDE / 4);
    b->all = as_int8((uint8)(column[0], column[1]));
}

#ifndef EMULATE
#ifdef BF16
#define DPAS intel_sub_group_bf16_bf16_matrix_mad_k16
#else
#define DPAS intel_sub_group_f16_f16_matrix_mad_k16
#endif
#ifndef cl_intel_subgroup_matrix_multiply_accumulate
#if DPAS_LANES == 8
float8 __attribute__((overloadable)) DPAS(int8 a, int8 b, float8 c);
#else
float8 __attribute__((overloadable)) DPAS(short8 a, int8 b, float8 c);
#endif
#endif

UNIT_INLINE void unit_multiply(
    const struct unit *unit, const unit_a *a, const unit_b *b, unit_c *c)
{
    c->all = DPAS(a->all, b->all, c->all);
}
#endif
