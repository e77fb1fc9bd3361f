/* conv_tile.h - what the CPU-shaped convolution kernels share. SPDX-License-Identifier: MIT
 *
 * A register tile is ROWS pixels x PANEL output channels, float16 tile[ROWS][VECTORS]. Its indices
 * come from unrolled loops only, so that it lives in vector registers; per step of k it takes
 * VECTORS loads of weights and ROWS broadcasts for ROWS*VECTORS multiply-adds.
 *
 * The second factor of tile_multiply is float, or of WEIGHT if the file defines TILE_OF_WEIGHTS
 * before.
 *
 * Tunables: VECTORS (weights are packed in panels of 16*VECTORS output channels), ROWS (pixels).
 * ROWS*VECTORS + VECTORS + 1 should not exceed the vector registers of the CPU (32 in AVX-512). */
#ifndef VECTORS
#define VECTORS 2
#endif
#ifndef ROWS
#define ROWS 8
#endif
#define PANEL (16 * VECTORS)
#ifdef TILE_OF_WEIGHTS
#define FACTOR WEIGHT
#define FACTOR16(j, w) WEIGHT16(j, w)
#else
#define FACTOR float
#define FACTOR16(j, w) vload16(j, w)
#endif

INLINE void tile_clear(float16 tile[ROWS][VECTORS])
{
    EACH (i, ROWS)
        EACH (j, VECTORS)
            tile[i][j] = (float16)(0.0f);
}

/* From and to memory, rows `stride` apart. */
INLINE void tile_load(float16 tile[ROWS][VECTORS], __global const float *from, int stride)
{
    EACH (i, ROWS)
        EACH (j, VECTORS)
            tile[i][j] = vload16(j, from + (size_t)i * stride);
}

INLINE void tile_save(float16 tile[ROWS][VECTORS], __global float *to, int stride)
{
    EACH (i, ROWS)
        EACH (j, VECTORS)
            store16(tile[i][j], to + (size_t)i * stride + 16 * j);
}

/* Where the pixels of a tile stand: pixel i is at (i % 4) * one + (i / 4 % 2) * four + (i / 8) *
 * eight, so that four neighbours always lie side by side, the groups of four in any rectangle. */
struct steps {
    int one, four, eight;
};

static inline int tile_pixel(int i, struct steps steps)
{
    return i % 4 * steps.one + i / 4 % 2 * steps.four + i / 8 * steps.eight;
}

/* What is fetched during a product: per 16 channels of it, `lines` cache lines of later weights,
 * this product's part, into the second level; and the values of the next tile into the first one,
 * unless `a` is NULL. */
struct ahead {
    __global const char *weights;
    int lines;
    __global const float *a;
};
#define LINE 64 /* bytes */

/* tile += a w: k values per pixel from a on, times w [k][PANEL]; k is a multiple of 4. */
INLINE void tile_multiply(float16 tile[ROWS][VECTORS], __global const float *a, struct steps steps,
    __global const FACTOR *w, int k, struct ahead ahead)
{
    for (int c = 0; c < k; c += 4) {
        for (int i = c % 16 ? ahead.lines : 0; i < ahead.lines; i++)
            PREFETCH_L2(ahead.weights + (c / 16 * ahead.lines + i) * LINE);
        if (ahead.a && c % 16 == 0)
            EACH (i, ROWS)
                PREFETCH(ahead.a + tile_pixel(i, steps) + c);
        EACH (step, 4) {
            float16 b[VECTORS];
            EACH (j, VECTORS)
                b[j] = FACTOR16(j, w);
            EACH (i, ROWS) {
                float16 broadcast = a[tile_pixel(i, steps)];
                EACH (j, VECTORS)
                    tile[i][j] = fma(broadcast, b[j], tile[i][j]);
            }
            w += PANEL;
            a++;
        }
    }
}
