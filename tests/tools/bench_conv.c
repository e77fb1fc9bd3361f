/* bench_conv.c - times the 3x3 convolutions, on request. SPDX-License-Identifier: MIT
 *
 * Reads lines, so that another program can alternate its own measurements with ours
 * (bench_conv.py):
 *   layer IN OUT SIDE BATCH STRIDE VARIANT -> "SLOT NAME BYTES"; VARIANT -1: the one conv_load
 * takes half 1     -> 1; layers from here on have half weights (0: float) run SLOT COUNT -> mean
 * seconds of COUNT calls in a queue Each call has group norm fold, SiLU and a residual, as in a
 * resnet block. */
#include "device/launch.h"
#include "ops/conv.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SLOTS 64

static struct layer {
    struct conv conv;
    struct tensor x, y, fold, residual;
} layers[SLOTS];

static void require(enum clat_status status)
{
    if (status == CLAT_OK)
        return;
    fprintf(stderr, "bench_conv: %s\n", status_text());
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Any values do; their spread keeps sums in the normal range. */
static void fill(float *values, size_t count)
{
    unsigned state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        values[i] = (float)(state >> 8) / 16777216.0f - 0.5f;
    }
}

static void take(struct pool *pool, int n, int h, int w, int c, struct tensor *tensor)
{
    require(pool_take(pool, POOL_FRONT, n, h, w, c, tensor));
    float *values = malloc(tensor_elements(tensor) * sizeof *values);
    fill(values, tensor_elements(tensor));
    require(tensor_write(pool->device, tensor, values));
    free(values);
}

static void add_layer(struct pool *pool, struct layer *layer, int in, int out, int side, int batch,
    int stride, int variant)
{
    struct device *device = pool->device;
    int pixels = side * side / stride / stride;
    float *weight = malloc((size_t)in * out * 9 * sizeof *weight);
    fill(weight, (size_t)in * out * 9);
    if (variant < 0)
        variant = conv_choose(device, out, in, stride, pixels);
    require(conv_load_as(device, variant, weight, NULL, out, in, stride, 1, &layer->conv));
    free(weight);
    take(pool, batch, side, side, in, &layer->x);
    take(pool, batch, 1, 2, in, &layer->fold);
    take(pool, batch, side / stride, side / stride, out, &layer->residual);
    take(pool, batch, side / stride, side / stride, out, &layer->y);
    printf(
        "%d %s %zu\n", (int)(layer - layers), conv_engine(variant)->name, layer->conv.weight.size);
}

static double run(struct pool *pool, struct layer *layer, int times)
{
    struct conv_call call = {.x = &layer->x,
        .fold = &layer->fold,
        .silu = true,
        .residual = &layer->residual,
        .y = &layer->y};
    double start = now();
    for (int i = 0; i < times; i++)
        require(op_conv(pool, &layer->conv, &call));
    require(device_finish(pool->device));
    return (now() - start) / times;
}

int main(void)
{
    struct device *device;
    struct pool pool;
    char line[128];
    int count = 0, slot, times, in, out, side, batch, stride, variant;
    require(device_open(NULL, &device));
    require(pool_open(device, (size_t)2000 << 20, &pool));
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "layer %d %d %d %d %d %d", &in, &out, &side, &batch, &stride, &variant) ==
                6 &&
            count < SLOTS) {
            add_layer(&pool, &layers[count++], in, out, side, batch, stride, variant);
            run(&pool, &layers[count - 1], 1);
        } else if (sscanf(line, "half %d", &times) == 1) {
            device_store_half(device, times);
            printf("%d\n", times);
        } else if (sscanf(line, "run %d %d", &slot, &times) == 2 && slot < count && times > 0) {
            printf("%.9f\n", run(&pool, &layers[slot], times));
        } else {
            fprintf(stderr, "bench_conv: not understood: %s", line);
        }
        fflush(stdout);
    }
    pool_close(&pool);
    device_close(device);
    return 0;
}
