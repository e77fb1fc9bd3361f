/* bench_gemm.c - times linear layers and attention, on request. SPDX-License-Identifier: MIT
 *
 * Reads lines, so that another program can alternate its own measurements with ours
 * (bench_gemm.py):
 *   linear ROWS IN OUT ACTIVATION ENGINE     -> "SLOT"; ENGINE 1: own, 2: CLBlast
 *   attention IMAGES TOKENS KEYS HEADS WIDTH -> "SLOT"
 *   pack OUT IN    -> seconds of one linear_load
 *   half 1         -> 1; layers from here on have half weights (0: float)
 *   unit 1         -> 1; layers from here on use a matrix unit if there is one (0: none)
 *   run SLOT COUNT -> best and median seconds of COUNT calls
 * A linear layer has a bias and, unless its activation is GEGLU, a residual. */
#include "device/launch.h"
#include "ops/op.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SLOTS 64
#define RUNS 400
#define QUEUED 4

static struct slot {
    struct linear linear; /* in = 0: an attention */
    struct tensor x, k, v, residual, y;
    int heads;
} slots[SLOTS];
static int count;

static void require(enum clat_status status)
{
    if (status == CLAT_OK)
        return;
    fprintf(stderr, "bench_gemm: %s\n", status_text());
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static float *make_values(size_t size)
{
    float *values = malloc(size * sizeof *values);
    unsigned state = 1;
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525u + 1013904223u;
        values[i] = (float)(state >> 8) / 16777216.0f - 0.5f;
    }
    return values;
}

static void take(struct pool *pool, int n, int rows, int c, struct tensor *tensor)
{
    require(pool_take(pool, POOL_FRONT, n, 1, rows, c, tensor));
    float *values = make_values(tensor_elements(tensor));
    require(tensor_write(pool->device, tensor, values));
    free(values);
}

static void add_linear(struct pool *pool, int rows, int in, int out, int activation, int engine)
{
    struct slot *slot = &slots[count];
    int columns = activation == ACTIVATION_GEGLU ? 2 * out : out;
    float *weight = make_values((size_t)columns * in);
    gemm_set_engine(pool->device, engine);
    require(linear_load(pool->device, weight, NULL, out, in, activation, &slot->linear));
    free(weight);
    take(pool, 1, rows, in, &slot->x);
    take(pool, 1, rows, out, &slot->residual);
    take(pool, 1, rows, out, &slot->y);
}

static void add_attention(struct pool *pool, int n, int tokens, int keys, int heads, int width)
{
    struct slot *slot = &slots[count];
    slot->heads = heads;
    take(pool, n, tokens, heads * width, &slot->x);
    take(pool, n, keys, heads * width, &slot->k);
    take(pool, n, keys, heads * width, &slot->v);
    take(pool, n, tokens, heads * width, &slot->y);
}

static void call(struct pool *pool, const struct slot *slot)
{
    bool pairs = slot->linear.activation == ACTIVATION_GEGLU;
    if (slot->linear.in)
        require(op_linear(
            pool, &slot->linear, &slot->x, NULL, pairs ? NULL : &slot->residual, &slot->y));
    else
        require(
            op_attention(pool, &slot->x, &slot->k, &slot->v, slot->heads, 0.2f, false, &slot->y));
}

/* Seconds of one of some calls in a queue, as they are in a network. */
static double run(struct pool *pool, const struct slot *slot)
{
    double start = now();
    for (int i = 0; i < QUEUED; i++)
        call(pool, slot);
    require(device_finish(pool->device));
    return (now() - start) / QUEUED;
}

static double time_pack(struct device *device, int out, int in)
{
    struct linear linear;
    float *weight = make_values((size_t)out * in);
    double start = now();
    require(linear_load(device, weight, NULL, out, in, ACTIVATION_NONE, &linear));
    double seconds = now() - start;
    linear_free(device, &linear);
    free(weight);
    return seconds;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void answer(struct pool *pool, const char *line)
{
    int a, b, c, d, e;
    if (sscanf(line, "linear %d %d %d %d %d", &a, &b, &c, &d, &e) == 5 && count < SLOTS) {
        add_linear(pool, a, b, c, d, e);
        run(pool, &slots[count]);
        printf("%d\n", count++);
    } else if (sscanf(line, "attention %d %d %d %d %d", &a, &b, &c, &d, &e) == 5 && count < SLOTS) {
        add_attention(pool, a, b, c, d, e);
        run(pool, &slots[count]);
        printf("%d\n", count++);
    } else if (sscanf(line, "half %d", &a) == 1) {
        device_store_half(pool->device, a);
        printf("%d\n", a);
    } else if (sscanf(line, "unit %d", &a) == 1) {
        device_allow_matrix_unit(pool->device, a);
        printf("%d\n", a);
    } else if (sscanf(line, "pack %d %d", &a, &b) == 2) {
        printf("%.6f\n", time_pack(pool->device, a, b));
    } else if (sscanf(line, "run %d %d", &a, &b) == 2 && a < count && b <= RUNS) {
        double seconds[RUNS];
        for (int i = 0; i < b; i++)
            seconds[i] = run(pool, &slots[a]);
        qsort(seconds, b, sizeof seconds[0], compare);
        printf("%.9f %.9f\n", seconds[0], seconds[b / 2]);
    } else {
        fprintf(stderr, "bench_gemm: not understood: %s", line);
    }
    fflush(stdout);
}

int main(void)
{
    struct device *device;
    struct pool pool;
    char line[128];
    require(device_open(NULL, &device));
    require(pool_open(device, (size_t)1000 << 20, &pool));
    while (fgets(line, sizeof line, stdin))
        answer(&pool, line);
    pool_close(&pool);
    device_close(device);
    return 0;
}
