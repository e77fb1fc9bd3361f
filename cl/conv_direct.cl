/* conv_direct.cl - 3x3 convolution as nine shifted matrix products, for CPUs. SPDX-License-Identifier: MIT
 *
 *   y[n][r][x][o] = sum_{s,c} p[n][r*stride + s/3][x*stride + s%3][c] weight[o/PANEL][s][c][o%PANEL]
 * over the padded input p of conv_gather.cl. One register tile (conv_tile.h) is ROWS pixels x PANEL channels.
 *
 * A job is one panel of output channels x `block` tiles. The taps are taken in passes of `taps` (1, 3 or 9):
 * pass outer, tile inner, the sums of the tiles wait in `partial` (first-level cache) between passes. So a
 * pass's weights, taps*k*PANEL values, are read from memory once and from the cache by every further tile:
 * at 4x4 pixels and 1280 channels the weights are all there is to read.
 *
 * Tunables: those of conv_tile.h. Grid: jobs (common.h). */
#include "common.h"
#include "conv_tile.h"
#include "conv_store.h"

static inline void tile_load(global const float *restrict from, float16 tile[ROWS][VECTORS])
{
    UNROLL for (int i = 0; i < ROWS; i++)
        UNROLL for (int j = 0; j < VECTORS; j++)
            tile[i][j] = vload16(i * VECTORS + j, from);
}

static inline void tile_save(float16 tile[ROWS][VECTORS], global float *restrict to)
{
    UNROLL for (int i = 0; i < ROWS; i++)
        UNROLL for (int j = 0; j < VECTORS; j++)
            vstore16(tile[i][j], i * VECTORS + j, to);
}

/* p: [images][in_rows][in_width][k]; y and residual: [images][rows][width][out] at their strides.
 * partial: [work-items][block][ROWS][PANEL]. */
KERNEL_CPU void direct(TENSOR_IN(p), int in_rows, int in_width, int k, int stride, global const float *restrict weight,
    global const float *restrict bias, TENSOR_IN(time), int time_stride, TENSOR_IN(residual),
    int residual_stride, TENSOR_OUT(y), int y_stride, int images, int rows, int width, int out,
    int tile_w, TENSOR_OUT(partial), int taps, int block, int jobs, JOB_COUNTER)
{
    int across = (width + tile_w - 1) / tile_w, tile_h = ROWS / tile_w, down = (rows + tile_h - 1) / tile_h;
    int tiles = images * down * across, blocks = (tiles + block - 1) / block;
    global float *sums = TENSOR_AT(partial) + get_global_id(0) * block * ROWS * PANEL;
    int right = stride * k, below = stride * in_width * k;
    struct steps steps = {right, tile_w == 8 ? 4 * right : below, tile_w == 8 ? below : 2 * below};
    JOBS(job, jobs)
    {
        int panel = job / blocks, first = job % blocks * block, last = min(first + block, tiles);
        int o = panel * PANEL;
        int ahead = (PANEL + last - first - 1) / (last - first);
        for (int tap = 0; tap < 9; tap += taps)
            for (int t = first; t < last; t++) {
                int n = t / (down * across), ty = t / across % down * tile_h, tx = t % across * tile_w;
                global float *sum = sums + (t - first) * ROWS * PANEL;
                float16 tile[ROWS][VECTORS];
                if (tap)
                    tile_load(sum, tile);
                else
                    tile_clear(tile);
                for (int s = tap; s < tap + taps; s++) {
                    global const float *w = weight + ((size_t)panel * 9 + s) * k * PANEL;
                    global const float *a = TENSOR_AT(p)
                        + (((size_t)n * in_rows + ty * stride + s / 3) * in_width + tx * stride + s % 3) * k;
                    global const float *next = w + (last - first > 1 ? taps * k * PANEL : 16 * PANEL);
                    tile_multiply(tile, a, steps, w, k,
                        next + (size_t)(t - first) * ahead * k, ahead);
                }
                tile_save(tile, sum);
            }
        for (int t = first; t < last; t++) {
            int n = t / (down * across), ty = t / across % down * tile_h, tx = t % across * tile_w;
            global const float *at_time = TENSOR_GIVEN(time) ? TENSOR_AT(time) + (size_t)n * time_stride + o : 0;
            for (int i = 0; i < ROWS; i++) {
                int r = ty + i / tile_w, x = tx + i % tile_w;
                if (r >= rows || x >= width)
                    continue;
                size_t pixel = ((size_t)n * rows + r) * width + x;
                for (int j = 0; j < PANEL && o + j < out; j += 16)
                    store_output(vload16(0, sums + ((t - first) * ROWS + i) * PANEL + j), bias + o + j,
                        at_time ? at_time + j : 0,
                        TENSOR_GIVEN(residual) ? TENSOR_AT(residual) + pixel * residual_stride + o + j : 0,
                        out - o - j, TENSOR_AT(y) + pixel * y_stride + o + j);
            }
        }
    }
    JOBS_END
}
