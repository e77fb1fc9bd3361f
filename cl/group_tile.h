/* group_tile.h - a product in a work-group: TILE rows of x times one panel of PANEL columns of weights.
 * SPDX-License-Identifier: MIT
 *
 * A group of WIDE x HIGH work-items takes STEP columns of x at a time, with the weights that belong to
 * them, from memory into registers while the step before is computed, then into local memory, four
 * values at a time. A work-item keeps ROWS x 8 sums:
 *
 *     rows      ty of HIGH blocks of 4 (ROWS 8: two such blocks, 4*HIGH rows apart; ROWS 1: row ty)
 *     columns   COLUMN .. + 3 and COLUMN + 16 .. + 19: so that a value of GEGLU meets its gate
 *
 *           |  0..3   4..7   8..11  12..15 | 16..19 ..        | 32..35 ..
 *     tx    |   0      1      2      3     |   0    1   2  3  |   4    5   6  7 | 4 5 6 7
 *
 * At ROWS 8 a step of k is 64 multiply-adds for 16 words of local memory, in four reads. No two
 * work-items of eight, the unit in which such reads are served, ask for one bank: the second half of
 * the weights stands 16 words further, and row r of column c of x in place r ^ 8*(c/4), so that
 * writing the quads of x, which come along rows, down the columns meets no bank twice.
 * Local memory: 13 KiB at ROWS 8. Registers: 64 sums, 24 in flight, 16 or 32 factors; AMD's
 * chips run half as many waves from 129 on.
 *
 * Tunables: ROWS (1, 4, 8), UNROLLED (1, 2, 4: columns of k whose factors are in flight together; they
 * cost registers).
 * The tiles are named in the kernel itself, by TILE_LOCAL: PoCL 3.1 lets groups that run at the same
 * time share a local array that a function was given. */
#ifndef ROWS
#define ROWS 8
#endif
#ifndef UNROLLED
#define UNROLLED 2
#endif
#define PANEL 64
#define STEP 16
#define WIDE 8
#define HIGH 16
#define ITEMS (WIDE * HIGH)
#define TILE (ROWS * HIGH)

/* Quads of x and of the weights that a work-item fetches for a step. All its quads of x stand in the
 * same columns; one of ROWS 1 may have none. */
#define X_QUADS BLOCKS(TILE *STEP / 4, ITEMS)
#define W_QUADS (PANEL * STEP / 4 / ITEMS)
#define X_ROW(i) (item / 4 + (i) * (ITEMS / 4))
#define X_COLUMN (item % 4 * 4)
#define W_ROW(i) ((item + (i)*ITEMS) / (PANEL / 4))

#define COLUMN (tx / 4 * 32 + tx % 4 * 4)
#define ROW(i) (ROWS == 1 ? ty : (i) / 4 * 4 * HIGH + ty * 4 + (i) % 4)

#define TILE_LOCAL                                                                                 \
    local float4 x_tile[STEP][TILE / 4], w_tile[STEP][PANEL / 4 + 4];                              \
    int tx = get_local_id(0), ty = get_local_id(1);                                                \
    uint item = ty * WIDE + tx /* unsigned, for cheap quotients */

/* The kernel declares `float4 sum[ROWS][2], x_next[X_QUADS], w_next[W_QUADS]`.
 * What was fetched into local memory: */
#define TILE_STORE                                                                                 \
    do {                                                                                           \
        UNROLL for (int i = 0; i < X_QUADS; i++)                                                   \
        {                                                                                          \
            uint row = X_ROW(i) ^ (ROWS == 1 ? 0 : item % 4 * 8);                                  \
            local float *column = (local float *)x_tile[X_COLUMN] + row;                           \
            if (TILE * STEP / 4 % ITEMS == 0 || X_ROW(i) < TILE) {                                 \
                column[0] = x_next[i].x;                                                           \
                column[TILE] = x_next[i].y;                                                        \
                column[2 * TILE] = x_next[i].z;                                                    \
                column[3 * TILE] = x_next[i].w;                                                    \
            }                                                                                      \
        }                                                                                          \
        UNROLL for (int i = 0; i < W_QUADS; i++)                                                   \
            w_tile[W_ROW(i)][item % 16 + item % 16 / 8 * 4] = w_next[i];                           \
    } while (0)

/* sum += x w of one step: */
#if ROWS == 1
#define TILE_ROWS(step)                                                                            \
    {                                                                                              \
        float4 a = ((local float *)x_tile[step])[ty];                                              \
        sum[0][0] = fma(a, b0, sum[0][0]);                                                         \
        sum[0][1] = fma(a, b1, sum[0][1]);                                                         \
    }
#else
#define TILE_ROWS(step)                                                                            \
    UNROLL for (int i = 0; i < ROWS; i += 4)                                                       \
    {                                                                                              \
        float4 a = x_tile[step][i / 4 * HIGH + (ty ^ (step) / 4 * 2)];                             \
        TILE_ROW(i, a.x)                                                                           \
        TILE_ROW(i + 1, a.y)                                                                       \
        TILE_ROW(i + 2, a.z)                                                                       \
        TILE_ROW(i + 3, a.w)                                                                       \
    }
#define TILE_ROW(i, a)                                                                             \
    sum[i][0] = fma((float4)(a), b0, sum[i][0]);                                                   \
    sum[i][1] = fma((float4)(a), b1, sum[i][1]);
#endif
#define TILE_MULTIPLY                                                                              \
    ROLLED for (int step = 0; step < STEP; step += UNROLLED)                                       \
        UNROLL for (int one = 0; one < UNROLLED; one++)                                            \
        {                                                                                          \
            float4 b0 = w_tile[step + one][tx + tx / 4 * 8];                                       \
            float4 b1 = w_tile[step + one][tx + tx / 4 * 8 + 4];                                   \
            TILE_ROWS(step + one)                                                                  \
        }

/* The sums of rows from `row` on to [parts][rows][panels * PANEL], without what lies beyond the last row: */
#define TILE_LEAVE(partial, part, row, rows, panel, panels)                                        \
    do {                                                                                           \
        int packed = (panels)*PANEL;                                                               \
        global float *to = (partial) + (size_t)(part) * (rows)*packed + (panel)*PANEL + COLUMN;    \
        UNROLL for (int i = 0; i < ROWS; i++) if ((row) + ROW(i) < (rows))                         \
        {                                                                                          \
            vstore4(sum[i][0], 0, to + (size_t)((row) + ROW(i)) * packed);                         \
            vstore4(sum[i][1], 4, to + (size_t)((row) + ROW(i)) * packed);                         \
        }                                                                                          \
    } while (0)
