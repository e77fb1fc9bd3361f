/* unit_trial.cl - what is asked of a device before its unit is used (device/group_unit.c).
 * SPDX-License-Identifier: MIT
 *
 * facts [8]: rows, columns, depth, lanes of the unit.
 * sums [2][ROWS][COLUMNS]: a b, and a b + a b, of a [ROWS][DEPTH] and b [COLUMNS][DEPTH]; one work-group
 * of two sub-groups, the first of which does the one and the second the other. */
#include "common.h"
#include "unit.h"
#define ITEMS (2 * UNIT_LANES)

UNIT_KERNEL(ITEMS)
void unit_trial(global const float *restrict a_values, global const float *restrict b_values,
    global float *restrict sums, global int *restrict facts)
{
    local uint4 a_tile[UNIT_ROWS * UNIT_STRIDE / 4], b_tile[UNIT_COLUMNS * UNIT_STRIDE / 4];
    UNIT_BEGIN(ITEMS);
    int item = get_local_id(0);
    for (int i = item; i < UNIT_ROWS * UNIT_DEPTH / 2; i += ITEMS)
        ((local uint *)a_tile)[i / (UNIT_DEPTH / 2) * UNIT_STRIDE + i % (UNIT_DEPTH / 2)] =
            unit_word(a_values[2 * i], a_values[2 * i + 1]);
    for (int i = item; i < UNIT_COLUMNS * UNIT_DEPTH / 2; i += ITEMS)
        ((local uint *)b_tile)[i / (UNIT_DEPTH / 2) * UNIT_STRIDE + i % (UNIT_DEPTH / 2)] =
            unit_word(b_values[2 * i], b_values[2 * i + 1]);
    barrier(CLK_LOCAL_MEM_FENCE);
    unit_a a;
    unit_b b;
    unit_c once, twice;
    unit_load_a(unit.lane, a_tile, &a);
    unit_load_b(unit.lane, b_tile, &b);
    unit_zero(&once);
    unit_zero(&twice);
    unit_multiply(&unit, &a, &b, &once);
    unit_multiply(&unit, &a, &b, &twice);
    unit_multiply(&unit, &a, &b, &twice);
    UNROLL for (int i = 0; i < UNIT_SUMS; i++)
        sums[(unit.sub * UNIT_ROWS + UNIT_ROW(unit.lane, i)) * UNIT_COLUMNS +
            UNIT_COLUMN(unit.lane, i)] = unit.sub ? twice.v[i] : once.v[i];
    if (item == 0) {
        facts[0] = UNIT_ROWS;
        facts[1] = UNIT_COLUMNS;
        facts[2] = UNIT_DEPTH;
        facts[3] = UNIT_LANES;
    }
}
