/* op_norm.c - group norm and layer norm against plain C in double, in both kernel shapes.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "frame.h"
#include "selftest/reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* c1 channels from x, c2 (may be 0) from x2; the rows of each tensor are `extra` wider. */
static const struct shape {
    int n, h, w, c1, c2, groups, extra;
} shapes[] = {
    {1, 1, 2, 4, 0, 2, 0},      /* two pixels */
    {1, 1, 1, 32, 0, 4, 0},     /* one pixel */
    {2, 3, 3, 7, 0, 1, 0},      /* a prime number of channels, one group */
    {2, 3, 5, 13, 0, 13, 3},    /* groups of one channel */
    {1, 5, 7, 48, 0, 3, 0},     /* 35 pixels: a block and a tail */
    {2, 4, 4, 10, 20, 3, 0},    /* each group of 10 in one tensor */
    {2, 4, 4, 16, 32, 6, 16},   /* groups of 8 */
    {2, 6, 6, 32, 64, 4, 0},    /* groups of 24: one spans both tensors */
    {1, 6, 6, 320, 112, 27, 8}, /* several tiles of 64, then 16 */
    {2, 8, 8, 320, 640, 32, 0}, /* as in an up block: groups of 30 */
    {1, 47, 47, 8, 0, 2, 8},    /* more pixels than BLOCKS_MOST * BLOCK_LEAST, portable */
    {1, 50, 50, 32, 0, 8, 0},   /* more pixels than BLOCKS_MOST * BLOCK_LEAST: larger blocks */
    {1, 91, 92, 36, 0, 9, 4},   /* the same of a GPU */
};

static struct device *device;
static struct pool pool;
static const float offsets[] = {0, 100, -3};

static struct tensor take(int n, int h, int w, int c, int extra)
{
    struct tensor whole = {0};
    CHECK_OK(pool_take(&pool, POOL_FRONT, n, h, w, c + extra, &whole));
    return tensor_channels(&whole, extra / 2, c);
}

/* The case's arrays, all dense. */
struct arrays {
    float *x, *x1, *x2, *gamma, *beta, *want, *got, *fold, *fold_got;
};

static float *array(size_t count)
{
    float *values = calloc(count ? count : 1, sizeof *values);
    if (!values)
        abort();
    return values;
}

static void fill(const struct shape *s, float offset, struct arrays *a)
{
    int c = s->c1 + s->c2;
    size_t rows = (size_t)s->n * s->h * s->w;
    a->x = array(rows * c), a->x1 = array(rows * s->c1), a->x2 = array(rows * s->c2);
    a->gamma = array(c), a->beta = array(c), a->want = array(rows * c), a->got = array(rows * c);
    a->fold = array((size_t)s->n * 2 * c), a->fold_got = array((size_t)s->n * 2 * c);
    check_random(a->x, rows * c, 3);
    check_random(a->gamma, c, 4);
    check_random(a->beta, c, 5);
    for (size_t i = 0; i < rows * c; i++)
        a->x[i] += offset;
    for (size_t row = 0; row < rows; row++) {
        memcpy(a->x1 + row * s->c1, a->x + row * c, s->c1 * sizeof(float));
        memcpy(a->x2 + row * s->c2, a->x + row * c + s->c1, s->c2 * sizeof(float));
    }
}

static void release(struct arrays *a)
{
    float *all[] = {a->x, a->x1, a->x2, a->gamma, a->beta, a->want, a->got, a->fold, a->fold_got};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
}

/* y = x*scale + shift with |shift| = 100 rounds to 4e-6; see cl/norm.cl for what is done so that it
 * is no worse. */
static double apply_limit(float offset)
{
    return offset > 10 ? 6e-6 : 1e-6;
}

static void check_group_norm(const struct shape *s, float offset)
{
    char label[128];
    int c = s->c1 + s->c2;
    struct arrays a;
    struct norm norm;
    struct pool_mark mark = pool_mark(&pool);
    CHECK_OK(pool_poison(&pool));
    struct tensor x = take(s->n, s->h, s->w, s->c1, s->extra), x2 = {0};
    struct tensor fold = take(s->n, 1, 2, c, s->extra), y = take(s->n, s->h, s->w, c, s->extra);
    size_t count = tensor_elements(&y);
    if (s->c2)
        x2 = take(s->n, s->h, s->w, s->c2, s->extra / 2);
    const struct tensor *second = s->c2 ? &x2 : NULL;
    fill(s, offset, &a);
    reference_group_norm(
        a.x, s->n, s->h * s->w, c, s->groups, 1e-5, a.gamma, a.beta, a.fold, a.want);
    CHECK_OK(norm_load(device, a.gamma, a.beta, c, s->groups, 1e-5f, &norm));
    CHECK_OK(tensor_write(device, &x, a.x1));
    if (s->c2)
        CHECK_OK(tensor_write(device, &x2, a.x2));
    CHECK_OK(op_group_norm_fold(&pool, &norm, &x, second, &fold));
    CHECK_OK(tensor_read(device, &fold, a.fold_got));
    snprintf(label, sizeof label, "%dx%dx%dx(%d+%d) in %d groups, offset %g", s->n, s->h, s->w,
        s->c1, s->c2, s->groups, (double)offset);
    check_near(label, a.fold_got, a.fold, (size_t)s->n * 2 * c, 1e-6);
    CHECK_OK(op_group_norm_apply(&pool, &x, second, &fold, ACTIVATION_NONE, &y));
    CHECK_OK(tensor_read(device, &y, a.got));
    check_near(label, a.got, a.want, count, apply_limit(offset));
    CHECK_OK(op_group_norm_apply(&pool, &x, second, &fold, ACTIVATION_SILU, &y));
    CHECK_OK(tensor_read(device, &y, a.got));
    for (size_t i = 0; i < count; i++)
        a.want[i] = (float)reference_activation(ACTIVATION_SILU, a.want[i]);
    check_near(label, a.got, a.want, count, apply_limit(offset));
    norm_free(device, &norm);
    release(&a);
    pool_release(&pool, POOL_FRONT, mark);
}

static void check_layer_norm(const struct shape *s, float offset)
{
    char label[128];
    struct arrays a;
    struct norm norm;
    struct pool_mark mark = pool_mark(&pool);
    CHECK_OK(pool_poison(&pool));
    struct tensor x = take(s->n, s->h, s->w, s->c1, s->extra);
    struct tensor y = take(s->n, s->h, s->w, s->c1, s->extra);
    fill(s, offset, &a);
    reference_layer_norm(a.x1, tensor_pixels(&x), s->c1, 1e-5, a.gamma, a.beta, a.want);
    CHECK_OK(norm_load(device, a.gamma, a.beta, s->c1, 0, 1e-5f, &norm));
    CHECK_OK(tensor_write(device, &x, a.x1));
    CHECK_OK(op_layer_norm(&pool, &norm, &x, &y));
    CHECK_OK(tensor_read(device, &y, a.got));
    snprintf(label, sizeof label, "layer norm, %zu rows of %d, offset %g", tensor_pixels(&x), s->c1,
        (double)offset);
    check_near(label, a.got, a.want, tensor_elements(&x), 1e-6);
    norm_free(device, &norm);
    release(&a);
    pool_release(&pool, POOL_FRONT, mark);
}

/* The fold of an image from the moments of its parts, which have `part` rows each. */
static void check_parts(int h, int w, int c, int groups, int part, float offset)
{
    char label[128];
    struct arrays a;
    struct norm norm;
    struct shape s = {.n = 1, .h = h, .w = w, .c1 = c, .groups = groups};
    struct pool_mark mark = pool_mark(&pool);
    int parts = (h + part - 1) / part;
    CHECK_OK(pool_poison(&pool));
    struct tensor x = take(1, h, w, c, 3), fold = take(1, 1, 2, c, 2);
    struct tensor moments = take(1, parts, 2, groups, 0);
    fill(&s, offset, &a);
    reference_group_norm(a.x1, 1, h * w, c, groups, 1e-5, a.gamma, a.beta, a.fold, a.want);
    CHECK_OK(norm_load(device, a.gamma, a.beta, c, groups, 1e-5f, &norm));
    CHECK_OK(tensor_write(device, &x, a.x1));
    for (int i = 0; i < parts; i++) {
        struct tensor rows = x, one = moments;
        rows.offset += (size_t)(i * part * w * x.stride);
        rows.h = i < parts - 1 ? part : h - i * part;
        one.h = 1;
        one.offset += (size_t)(i * 2 * groups);
        CHECK_OK(op_group_norm_moments(&pool, &norm, &rows, &one));
    }
    CHECK_OK(op_group_norm_merge(&pool, &norm, &moments, part * w, h * w, &fold));
    CHECK_OK(tensor_read(device, &fold, a.fold_got));
    snprintf(label, sizeof label, "%dx%dx%d in parts of %d rows, offset %g", h, w, c, part,
        (double)offset);
    check_near(label, a.fold_got, a.fold, (size_t)2 * c, 1e-6);
    norm_free(device, &norm);
    release(&a);
    pool_release(&pool, POOL_FRONT, mark);
}

/* norm(x)*(1 + scale) + shift; scale and shift are a slice of wider rows. */
static void check_modulate(int n, int c)
{
    enum { MOST = 2 * 2 * 200 };
    static float fold[MOST], change[MOST], got[MOST], want[MOST];
    struct pool_mark mark = pool_mark(&pool);
    CHECK_OK(pool_poison(&pool));
    struct tensor tf = take(n, 1, 2, c, 3), tm = take(n, 1, 1, 2 * c, 5), ty = take(n, 1, 2, c, 2);
    check_random(fold, (size_t)n * 2 * c, 6);
    check_random(change, (size_t)n * 2 * c, 7);
    for (int i = 0; i < n * c; i++) {
        int at = i / c * 2 * c + i % c;
        double scale = 1.0 + change[at];
        want[at] = (float)(fold[at] * scale);
        want[at + c] = (float)(fold[at + c] * scale + change[at + c]);
    }
    CHECK_OK(tensor_write(device, &tf, fold));
    CHECK_OK(tensor_write(device, &tm, change));
    CHECK_OK(op_group_norm_modulate(&pool, &tf, &tm, &ty));
    CHECK_OK(tensor_read(device, &ty, got));
    check_near("modulate", got, want, (size_t)n * 2 * c, 3e-7);
    pool_release(&pool, POOL_FRONT, mark);
}

/* An image whose first pixel, the pivot, is far from all others. */
static void check_outlier(void)
{
    enum { PIXELS = 64, C = 16 };
    static float x[PIXELS * C], gamma[C], beta[C], fold[2 * C], want[PIXELS * C], got[PIXELS * C];
    struct norm norm;
    struct pool_mark mark = pool_mark(&pool);
    CHECK_OK(pool_poison(&pool));
    struct tensor tx = take(1, 8, 8, C, 0), tf = take(1, 1, 2, C, 0), ty = take(1, 8, 8, C, 0);
    check_random(x, PIXELS * C, 9);
    for (int i = 0; i < C; i++) {
        x[i] = 1000;
        gamma[i] = 1;
    }
    reference_group_norm(x, 1, PIXELS, C, 4, 1e-6, gamma, beta, fold, want);
    CHECK_OK(norm_load(device, gamma, beta, C, 4, 1e-6f, &norm));
    CHECK_OK(tensor_write(device, &tx, x));
    CHECK_OK(op_group_norm_fold(&pool, &norm, &tx, NULL, &tf));
    CHECK_OK(op_group_norm_apply(&pool, &tx, NULL, &tf, ACTIVATION_NONE, &ty));
    CHECK_OK(tensor_read(device, &ty, got));
    check_near("outlier", got, want, PIXELS * C, 1e-6);
    norm_free(device, &norm);
    pool_release(&pool, POOL_FRONT, mark);
}

/* In a simulator only small cases end in time. */
static bool is_too_large(const struct shape *s)
{
    return getenv("CLATENT_TEST_TINY") && (long)s->n * s->h * s->w * (s->c1 + s->c2) > 20000;
}

static void check_refusals(void)
{
    struct norm norm;
    float one = 1;
    struct tensor x = {.n = 1, .h = 1, .w = 1, .c = 3, .stride = 3}, fold = x;
    CHECK_FAILS(
        norm_load(device, &one, &one, 10, 4, 1e-5f, &norm), CLAT_ERROR_INPUT, "10 channels");
    CHECK_OK(norm_load(device, &one, &one, 1, 1, 1e-5f, &norm));
    CHECK_FAILS(
        op_group_norm_fold(&pool, &norm, &x, NULL, &fold), CLAT_ERROR_INTERNAL, "expected 1");
    CHECK_FAILS(op_layer_norm(&pool, &norm, &x, &x), CLAT_ERROR_INTERNAL, "rows of 3");
    CHECK_FAILS(op_group_norm_apply(&pool, &x, NULL, &fold, ACTIVATION_GELU, &x),
        CLAT_ERROR_INTERNAL, "activation 2");
    CHECK_FAILS(
        op_group_norm_modulate(&pool, &fold, &x, &fold), CLAT_ERROR_INTERNAL, "its modulation 1x3");
    CHECK_FAILS(
        op_group_norm_moments(&pool, &norm, &x, &fold), CLAT_ERROR_INTERNAL, "expected 1 of 1");
    CHECK_FAILS(
        op_group_norm_merge(&pool, &norm, &x, 4, 9, &fold), CLAT_ERROR_INTERNAL, "1 parts of 4");
    norm_free(device, &norm);
}

int main(void)
{
    if (device_open(NULL, &device) != CLAT_OK)
        check_skip("%s", status_text());
    CHECK_OK(pool_open(device, 8 << 20, &pool));
    size_t offset_count = getenv("CLATENT_TEST_TINY") ? 1 : sizeof offsets / sizeof offsets[0];
    for (int cpu = 0; cpu <= 1; cpu++) {
        if (!device_force_shape(device, cpu))
            continue;
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
            for (size_t j = 0; j < offset_count; j++) {
                if (is_too_large(&shapes[i]))
                    continue;
                check_group_norm(&shapes[i], offsets[j]);
                check_layer_norm(&shapes[i], offsets[j]);
            }
        check_outlier();
        check_modulate(1, 1);
        check_modulate(2, 200);
        for (size_t j = 0; j < offset_count; j++) {
            check_parts(5, 4, 4, 2, 2, offsets[j]);
            check_parts(21, 9, 32, 32, 8, offsets[j]);
            check_parts(16, 40, 64, 8, 8, offsets[j]);
            check_parts(7, 3, 6, 3, 7, offsets[j]);
        }
    }
    check_refusals();
    CHECK(pool.front == 0 && pool.back == 0, "%zu and %zu bytes left", pool.front, pool.back);
    pool_close(&pool);
    device_close(device);
    return check_result();
}
