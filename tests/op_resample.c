/* op_resample.c - nearest neighbour and mean of 2x2 against plain C, in both kernel shapes.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "frame.h"
#include "selftest/reference.h"

#include <stdio.h>
#include <stdlib.h>

static const struct shape {
    int n, h, w, c, out_h, out_w, extra;
} shapes[] = {
    {1, 1, 1, 1, 1, 1, 0},
    {1, 1, 1, 3, 5, 7, 2},
    {2, 4, 4, 16, 8, 8, 0},
    {1, 5, 7, 19, 11, 6, 13},
    {1, 9, 5, 33, 4, 5, 0},
    {2, 8, 8, 320, 16, 16, 0},
};

static struct device *device;
static struct pool pool;

static struct tensor take(int n, int h, int w, int c, int extra)
{
    struct tensor whole = {0};
    CHECK_OK(pool_take(&pool, POOL_FRONT, n, h, w, c + extra, &whole));
    return tensor_channels(&whole, extra / 2, c);
}

static void check_shape(const struct shape *s)
{
    char label[128];
    struct pool_mark mark = pool_mark(&pool);
    CHECK_OK(pool_poison(&pool));
    struct tensor x = take(s->n, s->h, s->w, s->c, s->extra);
    struct tensor y = take(s->n, s->out_h, s->out_w, s->c, s->extra);
    size_t in = tensor_elements(&x), out = tensor_elements(&y);
    float *values = calloc(in, sizeof *values), *got = calloc(out, sizeof *got);
    float *want = calloc(out, sizeof *want);
    check_random(values, in, 2);
    CHECK_OK(tensor_write(device, &x, values));
    CHECK_OK(op_resize_nearest(&pool, &x, &y));
    CHECK_OK(tensor_read(device, &y, got));
    reference_resize_nearest(values, s->n, s->h, s->w, s->c, s->out_h, s->out_w, want);
    snprintf(
        label, sizeof label, "%dx%dx%dx%d to %dx%d", s->n, s->h, s->w, s->c, s->out_h, s->out_w);
    check_near(label, got, want, out, 0);
    free(values);
    free(got);
    free(want);
    pool_release(&pool, POOL_FRONT, mark);
}

/* The input of the case, to half its size. */
static void check_mean(const struct shape *s, bool folded, bool silu)
{
    char label[128];
    struct pool_mark mark = pool_mark(&pool);
    CHECK_OK(pool_poison(&pool));
    struct tensor x = take(s->n, s->h, s->w, s->c, s->extra);
    struct tensor y = take(s->n, s->h / 2, s->w / 2, s->c, s->extra);
    struct tensor fold = take(s->n, 1, 2, s->c, s->extra);
    size_t in = tensor_elements(&x), out = tensor_elements(&y), folds = tensor_elements(&fold);
    float *values = calloc(in, sizeof *values), *scales = calloc(folds, sizeof *scales);
    float *got = calloc(out, sizeof *got), *want = calloc(out, sizeof *want);
    check_random(values, in, 3);
    check_random(scales, folds, 4);
    CHECK_OK(tensor_write(device, &x, values));
    CHECK_OK(tensor_write(device, &fold, scales));
    CHECK_OK(op_mean_2x2(&pool, &x, folded ? &fold : NULL, silu, &y));
    CHECK_OK(tensor_read(device, &y, got));
    reference_mean_2x2(values, s->n, s->h, s->w, s->c, folded ? scales : NULL, silu, want);
    snprintf(label, sizeof label, "mean of %dx%dx%dx%d, fold %d, silu %d", s->n, s->h, s->w, s->c,
        folded, silu);
    check_near(label, got, want, out, 1e-6);
    free(values);
    free(scales);
    free(got);
    free(want);
    pool_release(&pool, POOL_FRONT, mark);
}

int main(void)
{
    if (device_open(NULL, &device) != CLAT_OK)
        check_skip("%s", status_text());
    CHECK_OK(pool_open(device, 4 << 20, &pool));
    for (int cpu = 0; cpu <= 1; cpu++) {
        if (!device_force_shape(device, cpu))
            continue;
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
            check_shape(&shapes[i]);
        for (size_t i = 1; i < sizeof shapes / sizeof shapes[0]; i++)
            for (int options = 0; options < 4 && shapes[i].h > 1; options++)
                check_mean(&shapes[i], options & 1, options & 2);
    }
    struct tensor x = {.n = 1, .h = 1, .w = 1, .c = 2, .stride = 2}, y = x;
    y.n = 2;
    CHECK_FAILS(op_resize_nearest(&pool, &x, &y), CLAT_ERROR_INTERNAL, "output 2x1x1x2");
    y = x;
    y.h = 40000;
    CHECK_FAILS(op_resize_nearest(&pool, &x, &y), CLAT_ERROR_INPUT, "at most 32768");
    y = x;
    CHECK_FAILS(op_mean_2x2(&pool, &x, NULL, false, &y), CLAT_ERROR_INTERNAL, "output 1x1x1x2");
    pool_close(&pool);
    device_close(device);
    return check_result();
}
