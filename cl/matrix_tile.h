/* matrix_tile.h - a product in a work-group on a matrix unit: TILE rows of x times PANELS panels of 64
 * columns of weights. SPDX-License-Identifier: MIT
 *
 * A group of ITEMS work-items takes STEP columns of x at a time, with the weights that belong to them,
 * from memory into registers while the step before is computed, then as words of two values (unit.h)
 * into local memory. Its sub-groups share the result:
 *
 *            64 columns * PANELS
 *          +----------+----------+        a sub-group:       ACROSS
 *          |  sub 0   |  sub 1   |                     +----+----+----+----+
 *     TILE +----------+----------+                DOWN |    |    |    |    |  operations, each of
 *     rows |  sub 2   |  sub 3   |                     +----+----+----+----+  UNIT_ROWS x UNIT_COLUMNS
 *          +----------+----------+                     |    |    |    |    |
 *
 * With TILE 128 and one panel a lane keeps 64 sums, whatever the unit; a step is 64 x 32 multiply-adds
 * of a lane for STEP*(TILE + 64)/128 = 48 words read from memory.
 *
 *   weights in memory   [panels][steps][64 columns][16 words], zero padded (ops/gemm_matrix.c)
 *
 * Sums leave through local memory, BAND rows at a time (one row of each sub-group's operations): so what
 * follows works on quads of columns side by side, wherever the unit has its sums.
 * Local memory: 12 to 16 KiB for TILE 128, 17 to 21 KiB for two panels.
 *
 * Tunables: TILE (32, 64, 128), PANELS (1, 2: twice the work-items).
 * The tiles are named in the kernel itself, by TILE_LOCAL, as in group_tile.h. */
#ifndef TILE
#define TILE 128
#endif
#ifndef PANELS
#define PANELS 1
#endif
#define PANEL 64
#define STEP 32
#define STEP_QUADS 4 /* of words, in a row */
#define ITEMS (128 * PANELS)
#define SUBS_DOWN (UNIT_LANES < 32 ? 4 : 2)
#define SUBS_ACROSS (ITEMS / UNIT_LANES / SUBS_DOWN)
#define DOWN (TILE / SUBS_DOWN / UNIT_ROWS)
#define ACROSS (PANELS * PANEL / SUBS_ACROSS / UNIT_COLUMNS)

/* Of four values of x, which all stand in the same columns; of four words of x; of weights. */
#define X_FLOATS (TILE * STEP / 4 / ITEMS)
#define X_ROW(i) (item / 8 + (i) * (ITEMS / 8))
#define X_COLUMN (item % 8 * 4)
#define X_WORDS BLOCKS(TILE *STEP_QUADS, ITEMS)
#define X_WORD_ROW(i) (item / 4 + (i) * (ITEMS / 4))
#define W_WORDS (PANEL * PANELS * STEP_QUADS / ITEMS)
#define W_PLACE(i) (item + (i)*ITEMS)
#define PANEL_QUADS (PANEL * STEP_QUADS) /* of a step of a panel */

#define ROW_QUADS (UNIT_STRIDE / 4)
#define BAND (SUBS_DOWN * UNIT_ROWS)
#define BAND_QUADS (PANELS * PANEL / 4)
#define BAND_STRIDE (PANELS * PANEL + 8)
#define TILE_QUADS ((TILE + PANELS * PANEL) * ROW_QUADS)
#define LOCAL_QUADS                                                                                \
    (TILE_QUADS > BAND * BAND_STRIDE / 4 ? TILE_QUADS : BAND * BAND_STRIDE / 4)

#define TILE_LOCAL                                                                                 \
    UNIT_BEGIN(ITEMS);                                                                             \
    local uint4 tiles[LOCAL_QUADS];                                                                \
    local uint4 *x_tile = tiles, *w_tile = tiles + TILE * ROW_QUADS;                               \
    local float *band = (local float *)tiles;                                                      \
    uint item = get_local_id(0); /* unsigned, for cheap quotients */                               \
    int sub_down = unit.sub / SUBS_ACROSS, sub_across = unit.sub % SUBS_ACROSS;                    \
    unit_c sum[DOWN][ACROSS]

#define TILE_ZERO                                                                                  \
    UNROLL for (int i = 0; i < DOWN; i++) UNROLL for (int j = 0; j < ACROSS; j++) unit_zero(&sum[i][j])

/* What was fetched into local memory: `float4 x_next[X_FLOATS]`, or `uint4 x_next[X_WORDS]`, and
 * `uint4 w_next[W_WORDS]`. */
#define TILE_STORE_FLOATS                                                                          \
    UNROLL for (int i = 0; i < X_FLOATS; i++)((local uint2 *)x_tile)[X_ROW(i) * ROW_QUADS * 2 +    \
        item % 8] = (uint2)(unit_word(x_next[i].x, x_next[i].y),                                   \
        unit_word(x_next[i].z, x_next[i].w))
#define TILE_STORE_WORDS                                                                           \
    UNROLL for (int i = 0; i < X_WORDS; i++) if (TILE * STEP_QUADS % ITEMS == 0 ||                 \
        X_WORD_ROW(i) < TILE) x_tile[X_WORD_ROW(i) * ROW_QUADS + item % 4] = x_next[i]
#define TILE_STORE_WEIGHTS                                                                         \
    UNROLL for (int i = 0; i < W_WORDS; i++)                                                       \
        w_tile[W_PLACE(i) / 4 * ROW_QUADS + item % 4] = w_next[i]

/* sum += x w of one step: */
#define TILE_MULTIPLY                                                                              \
    UNIT_LOOP for (int k = 0; k < STEP; k += UNIT_DEPTH)                                           \
    {                                                                                              \
        unit_b b[ACROSS];                                                                          \
        UNROLL for (int j = 0; j < ACROSS; j++) unit_load_b(unit.lane,                             \
            w_tile + (sub_across * ACROSS + j) * UNIT_COLUMNS * ROW_QUADS + k / 8, &b[j]);         \
        UNIT_LOOP for (int i = 0; i < DOWN; i++)                                                   \
        {                                                                                          \
            unit_a a;                                                                              \
            unit_load_a(unit.lane,                                                                 \
                x_tile + (sub_down * DOWN + i) * UNIT_ROWS * ROW_QUADS + k / 8, &a);               \
            UNIT_LOOP for (int j = 0; j < ACROSS; j++) unit_multiply(&unit, &a, &b[j], &sum[i][j]);\
        }                                                                                          \
    }

/* Rows i of the sub-groups' operations into the band: */
#define TILE_LEAVE(i)                                                                              \
    do {                                                                                           \
        barrier(CLK_LOCAL_MEM_FENCE);                                                              \
        UNROLL for (int j = 0; j < ACROSS; j++) UNROLL for (int e = 0; e < UNIT_SUMS; e++)         \
            band[(sub_down * UNIT_ROWS + UNIT_ROW(unit.lane, e)) * BAND_STRIDE +                   \
                (sub_across * ACROSS + j) * UNIT_COLUMNS + UNIT_COLUMN(unit.lane, e)] =            \
                sum[i][j].v[e];                                                                    \
        barrier(CLK_LOCAL_MEM_FENCE);                                                              \
    } while (0)
/* The row of the tile that row r of the band is; four columns of it, c counted in fours. */
#define BAND_ROW(i, r) ((r) / UNIT_ROWS * (DOWN * UNIT_ROWS) + (i)*UNIT_ROWS + (r) % UNIT_ROWS)
#define BAND_QUAD(r, c) (((local float4 *)band)[(r) * (BAND_STRIDE / 4) + (c)])
