/* op_quantize.c - the nearest code against plain C in double, in both kernel shapes.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "frame.h"
#include "selftest/reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct shape {
    int n, h, w, c, codes, extra;
} shapes[] = {
    {1, 1, 1, 1, 1, 0},
    {1, 1, 17, 3, 256, 2},
    {2, 5, 7, 4, 300, 0},
    {1, 16, 16, 3, 8192, 0},
    {1, 3, 3, 64, 40, 13},
};

static struct device *device;
static struct pool pool;

static struct tensor take(int n, int h, int w, int c, int extra)
{
    struct tensor whole = {0};
    CHECK_OK(pool_take(&pool, POOL_FRONT, n, h, w, c + extra, &whole));
    return tensor_channels(&whole, extra / 2, c);
}

/* One case: every code of the second half stands in the first half too and must never be chosen. */
static void check_shape(const struct shape *s)
{
    char label[128];
    struct pool_mark mark = pool_mark(&pool);
    CHECK_OK(pool_poison(&pool));
    struct tensor x = take(s->n, s->h, s->w, s->c, s->extra);
    struct tensor y = take(s->n, s->h, s->w, s->c, s->extra);
    struct tensor indices = take(s->n, s->h, s->w, 1, s->extra);
    size_t rows = tensor_pixels(&x), count = tensor_elements(&x);
    size_t table = (size_t)s->codes * s->c, half = (size_t)(s->codes / 2) * s->c;
    float *values = calloc(count, sizeof *values), *codes = calloc(table, sizeof *codes);
    float *got = calloc(count + rows, sizeof *got), *want = calloc(count + rows, sizeof *want);
    struct codebook codebook;
    check_random(values, count, 2);
    check_random(codes, table, 3);
    memcpy(codes + table - half, codes, half * sizeof *codes);
    CHECK_OK(codebook_load(device, codes, s->codes, s->c, &codebook));
    CHECK_OK(tensor_write(device, &x, values));
    CHECK_OK(op_quantize(&pool, &codebook, &x, &y, &indices));
    CHECK_OK(tensor_read(device, &y, got));
    CHECK_OK(tensor_read(device, &indices, got + count));
    reference_quantize(values, rows, s->c, codes, s->codes, want + count, want);
    snprintf(label, sizeof label, "%zu pixels of %d, %d codes", rows, s->c, s->codes);
    check_near(label, got, want, count + rows, 0);
    CHECK_OK(op_quantize(&pool, &codebook, &x, &y, NULL));
    CHECK_OK(tensor_read(device, &y, got));
    check_near(label, got, want, count, 0);
    codebook_free(device, &codebook);
    free(values);
    free(codes);
    free(got);
    free(want);
    pool_release(&pool, POOL_FRONT, mark);
}

/* Not a number, and farther away than a float can tell. */
static void check_hopeless(void)
{
    const float codes[] = {1, 2, 3}, values[] = {NAN, 3e38f, INFINITY, 2.6f};
    float got[4];
    struct codebook codebook;
    struct pool_mark mark = pool_mark(&pool);
    struct tensor x = take(1, 1, 4, 1, 0), y = take(1, 1, 4, 1, 0), indices = take(1, 1, 4, 1, 0);
    CHECK_OK(codebook_load(device, codes, 3, 1, &codebook));
    CHECK_OK(tensor_write(device, &x, values));
    CHECK_OK(op_quantize(&pool, &codebook, &x, &y, &indices));
    CHECK_OK(tensor_read(device, &indices, got));
    CHECK(got[0] == 0 && got[1] == 0 && got[2] == 0 && got[3] == 2, "codes %g %g %g %g",
        (double)got[0], (double)got[1], (double)got[2], (double)got[3]);
    CHECK_OK(tensor_read(device, &y, got));
    CHECK(isnan(got[0]), "what is not a number stays visible");
    codebook_free(device, &codebook);
    pool_release(&pool, POOL_FRONT, mark);
}

static void check_refusals(void)
{
    struct codebook codebook;
    float one = 1;
    struct tensor x = {.n = 1, .h = 1, .w = 1, .c = 2, .stride = 2};
    CHECK_FAILS(codebook_load(device, &one, 1, 1000, &codebook), CLAT_ERROR_INPUT, "at most 256");
    CHECK_OK(codebook_load(device, &one, 1, 1, &codebook));
    CHECK_FAILS(op_quantize(&pool, &codebook, &x, &x, NULL), CLAT_ERROR_INTERNAL, "codes of 1");
    codebook_free(device, &codebook);
}

int main(void)
{
    if (device_open(NULL, &device) != CLAT_OK)
        check_skip("%s", status_text());
    CHECK_OK(pool_open(device, 1 << 20, &pool));
    for (int cpu = 0; cpu <= 1; cpu++) {
        if (!device_force_shape(device, cpu))
            continue;
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
            if (!getenv("CLATENT_TEST_TINY") || shapes[i].codes < 1000)
                check_shape(&shapes[i]);
        check_hopeless();
    }
    check_refusals();
    pool_close(&pool);
    device_close(device);
    return check_result();
}
