/* conv_unit.cl - 3x3 convolution, stride 1, on the matrix unit of a CPU: nine shifted products.
 * SPDX-License-Identifier: MIT
 *
 *     split  p [pixels][k] -> a [pixels][pixel]: per step of 32 channels 16 words hi, 16 words lo
 *     unit   a, w (+ bias, time, residual) -> y
 *
 * p is the padded input of conv_gather.cl, `wide` pixels to a row. Output pixel (y, x) of an image
 * stands at y*wide + x; then the pixels that tap (i, j) meets stand i*wide + j further on, side by
 * side for side by side outputs. So a tile of the first factor is 16 places of a, read where they
 * are; sums of places beyond the width of y are computed in vain, 2 in `wide`.
 *
 *   w  [panels of 32 outputs][9][steps][hi, lo][2][TILE_WORDS], zero padded (ops/conv_unit.c)
 *
 * A job is one panel x `block` blocks of 32 places. The taps are taken in passes of `taps`, as in
 * conv_direct.cl: a pass's weights are read from memory once and from the second-level cache by
 * every further block, while the blocks fetch the next ones, each its share.
 * Grid: jobs (common.h). */
#include "common.h"
#include "tile_bf16.h"
#include "conv_store.h"
#define BLOCK 32
#define STEP_WORDS (4 * TILE_WORDS)

/* A job is one pixel of p; pixel is the number of words of one in a. */
KERNEL_CPU void split(TENSOR_IN(p), int k, TENSOR_OUT(a), int pixel, int jobs, JOB_COUNTER)
{
    JOBS(job, jobs)
    {
        __global const float *from = TENSOR_AT(p) + (size_t)job * k;
        __global uint *to = (__global uint *)TENSOR_AT(a) + (size_t)job * pixel;
        for (int i = 0; i < k; i += TILE_STEP) {
            uint16 hi, lo;
            bf16_split(vload16(0, from + i), vload16(1, from + i), &hi, &lo);
            vstore16(hi, 0, to + i);
            vstore16(lo, 1, to + i);
        }
    }
    JOBS_END
}

struct map {
    __global const uint *a;
    int pixel, steps;
    int wide, places; /* of an image of the padded input; places of its output */
    size_t image;     /* words of one */
};

/* Cache lines to fetch: `count` with each step. */
struct ahead {
    __global const uint *line;
    int count;
};

/* sums += places first.. of image n, taps tap.. times w. */
static inline __attribute__((always_inline)) void add_taps(struct tiles *tiles,
    const struct map *map, int n, int first, bool both, int tap, int taps,
    __global const uint *w, struct ahead ahead)
{
    for (int t = tap; t < tap + taps; t++) {
        __global const uint *a = map->a + n * map->image +
                                 (size_t)(first + t / 3 * map->wide + t % 3) * map->pixel;
        __global const uint *below = a + (size_t)16 * map->pixel;
        for (int s = 0; s < map->steps; s++, a += TILE_STEP, below += TILE_STEP, w += STEP_WORDS) {
            for (int i = 0; i < ahead.count; i++, ahead.line += 16)
                PREFETCH_L2(ahead.line);
            TILES_STEP_AT(tiles, a, below, a + 16, below + 16, map->pixel, w, both);
        }
    }
}

/* The sums of a block, outputs from o on, to y. */
static inline void store_block(const struct ending *ending, const float *sums, const struct map *map,
    int n, int first, int o)
{
    for (int i = 0; i < BLOCK && first + i < map->places; i++) {
        int y = (first + i) / map->wide, x = first + i - y * map->wide;
        store_output(ending, vload16(2 * i, sums), n, y, x, o);
        if (o + 16 < ending->out)
            store_output(ending, vload16(2 * i + 1, sums), n, y, x, o + 16);
    }
}

/* partial: [work-items][block][32][32] sums between passes; image_blocks: blocks of an image. */
KERNEL_CPU void unit(TENSOR_IN(a), int pixel, int image_pixels, int wide, int places, int image_blocks,
    int blocks, int steps, __global const uint *restrict weight, TENSOR_OUT(partial), int taps,
    int block, ENDING_ARGUMENTS, int jobs, JOB_COUNTER)
{
    const struct ending ending = ENDING;
    const struct map map = {(__global const uint *)TENSOR_AT(a), pixel, steps, wide, places,
        (size_t)image_pixels * pixel};
    int parts = BLOCKS(blocks, block);
    __global float *kept = TENSOR_AT(partial) + (size_t)get_global_id(0) * block * BLOCK * BLOCK;
    struct tiles tiles;
    TILES_BEGIN(&tiles);
    JOBS(job, jobs)
    {
        int panel = job / parts, start = job % parts * block, end = min(start + block, blocks);
        int share = BLOCKS(STEP_WORDS / 16, end - start);
        for (int tap = 0; tap < 9; tap += taps)
            for (int b = start; b < end; b++) {
                int n = b / image_blocks, first = b % image_blocks * BLOCK;
                __global const uint *w =
                    weight + ((size_t)panel * 9 + tap) * steps * STEP_WORDS;
                struct ahead ahead = {
                    w + ((size_t)STEP_WORDS + (b - start) * share * 16) * taps * steps, share};
                __global float *sums = kept + (b - start) * BLOCK * BLOCK;
                if (tap)
                    TILES_LOAD_SUMS(&tiles, sums, BLOCK);
                else
                    TILES_ZERO_SUMS(&tiles);
                if (places - first > TILE_ROWS)
                    add_taps(&tiles, &map, n, first, true, tap, taps, w, ahead);
                else
                    add_taps(&tiles, &map, n, first, false, tap, taps, w, ahead);
                if (tap + taps < 9)
                    TILES_STORE_SUMS(&tiles, sums, BLOCK);
                else {
                    float16 last[BLOCK * 2];
                    TILES_STORE_SUMS(&tiles, (float *)last, BLOCK);
                    store_block(&ending, (float *)last, &map, n, first, panel * BLOCK);
                }
            }
    }
    TILES_END(&tiles);
    JOBS_END
}
