/* conv_direct.cl - 3x3 convolution as nine shifted matrix products, for CPUs.
 * SPDX-License-Identifier: MIT
 *
 *   y[n][r][x][o] = sum_{s,c} p[n][r*stride + s/3][x*stride + s%3][c] w[o/PANEL][s][c][o%PANEL]
 *
 * over the padded input p of conv_gather.cl. One register tile (conv_tile.h) is ROWS pixels x PANEL
 * channels.
 *
 * A job is one panel of output channels x `block` tiles. The taps are taken in passes of `taps` (1,
 * 3 or 9): pass outer, tile inner, the sums of the tiles wait in `partial` (first-level cache)
 * between passes. So a pass's weights, taps*k*PANEL values, are read from memory once and from the
 * cache by every further tile: at 4x4 pixels and 1280 channels the weights are all there is to
 * read.
 *
 * Tunables: those of conv_tile.h. Grid: jobs (common.h). */
#include "common.h"
#define TILE_OF_WEIGHTS
#include "conv_tile.h"
#include "conv_store.h"

/* The padded input and how it is cut into register tiles, tile_w = 8 or 4 pixels wide. */
struct map {
    __global const float *p; /* [images][in_rows][in_width][k] */
    int in_rows, in_width, k, stride;
    int tile_w, tile_h, down, across; /* `down` times `across` tiles per image */
};

/* Image, row and column of output of the first pixel of tile t. */
static inline int3 tile_place(const struct map *map, int t)
{
    int row = t / map->across;
    return (int3)(row / map->down, row % map->down * map->tile_h, t % map->across * map->tile_w);
}

/* Taps [tap, tap + taps) of one tile, w being the first one's weights. */
INLINE void add_taps(float16 tile[ROWS][VECTORS], const struct map *map, int3 place, int tap,
    int taps, __global const WEIGHT *w, __global const WEIGHT *next, int lines)
{
    int right = map->stride * map->k, below = right * map->in_width;
    bool wide = map->tile_w == 8;
    struct steps steps = {right, wide ? 4 * right : below, wide ? below : 2 * below};
    size_t row = (size_t)place.x * map->in_rows + place.y * map->stride;
    for (int s = tap; s < tap + taps; s++, w += map->k * PANEL, next += map->k * PANEL)
        tile_multiply(tile,
            map->p + ((row + s / 3) * map->in_width + place.z * map->stride + s % 3) * map->k,
            steps, w, map->k, (struct ahead){(__global const char *)next, lines, 0});
}

/* The sums of a tile, channels from o on, to y. */
static inline void store_tile(
    const struct ending *ending, __global const float *sum, int3 place, int tile_w, int o)
{
    for (int i = 0; i < ROWS; i++, sum += PANEL) {
        int down = tile_w == 8 ? i / 8 : i / 4;
        for (int j = 0; j < PANEL && o + j < ending->out; j += 16)
            store_output(ending, vload16(0, sum + j), place.x, place.y + down,
                place.z + i - down * tile_w, o + j);
    }
}

/* p as in struct map; partial: [work-items][block][ROWS][PANEL]. */
KERNEL_CPU void direct(TENSOR_IN(p), int in_rows, int in_width, int k, int stride, int images,
    __global const WEIGHT *restrict weight, int tile_w, TENSOR_OUT(partial), int taps, int block,
    ENDING_ARGUMENTS, int jobs, JOB_COUNTER)
{
    const struct ending ending = ENDING;
    int tile_h = ROWS / tile_w, down = BLOCKS(rows, tile_h), across = BLOCKS(width, tile_w);
    int tiles = images * down * across, blocks = BLOCKS(tiles, block);
    const struct map map = {
        TENSOR_AT(p), in_rows, in_width, k, stride, tile_w, tile_h, down, across};
    __global float *sums = TENSOR_AT(partial) + get_global_id(0) * block * ROWS * PANEL;
    JOBS_AHEAD (job, following, jobs)
    {
        int o = job / blocks * PANEL, first = job % blocks * block;
        int count = min(block, tiles - first), lines = BLOCKS(16 * PANEL / WEIGHT_LINE, count);
        __global const WEIGHT *first_of_next =
            weight + (size_t)(min(following, jobs - 1) / blocks) * PANEL * 9 * k;
        for (int tap = 0; tap < 9; tap += taps)
            for (int t = 0; t < count; t++) {
                __global float *sum = sums + t * ROWS * PANEL;
                __global const WEIGHT *w = weight + ((size_t)o * 9 + (size_t)tap * PANEL) * k;
                __global const WEIGHT *next = w + 16 * PANEL;
                if (count > 1)
                    next = (tap + taps < 9 ? w + taps * PANEL * k : first_of_next) +
                        t * lines * WEIGHT_LINE / 16 * k;
                float16 tile[ROWS][VECTORS];
                if (tap)
                    tile_load(tile, sum, PANEL);
                else
                    tile_clear(tile);
                add_taps(tile, &map, tile_place(&map, first + t), tap, taps, w, next, lines);
                tile_save(tile, sum, PANEL);
            }
        for (int t = 0; t < count; t++)
            store_tile(&ending, sums + t * ROWS * PANEL, tile_place(&map, first + t), tile_w, o);
    }
    JOBS_END
}
