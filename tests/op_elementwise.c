/* op_elementwise.c - activation, sum and affine against plain C, in both kernel shapes.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "frame.h"
#include "selftest/reference.h"
#include "device/launch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Tensors of a case: x and y are channel slices of rows that are `extra` wider. */
static const struct shape {
    int n, h, w, c, extra;
} shapes[] = {
    {1, 1, 1, 1, 0},
    {1, 1, 1, 17, 0},
    {2, 3, 5, 7, 0},
    {1, 7, 9, 31, 6},
    {2, 1, 77, 48, 16},
    {1, 16, 16, 64, 0}, /* dense and a multiple of a long row */
    {2, 8, 8, 320, 320},
};

static struct device *device;
static struct pool pool;

static struct tensor take_slice(const struct shape *s)
{
    struct tensor whole = {0};
    CHECK_OK(pool_take(&pool, POOL_FRONT, s->n, s->h, s->w, s->c + s->extra, &whole));
    return tensor_channels(&whole, s->extra / 2, s->c);
}

static size_t count_of(const struct shape *s)
{
    return (size_t)s->n * s->h * s->w * s->c;
}

static void check_activation(
    const struct shape *s, enum activation activation, const float *x, float *got, float *want)
{
    char label[128];
    struct pool_mark mark = pool_mark(&pool);
    CHECK_OK(pool_poison(&pool));
    struct tensor tx = take_slice(s), ty = take_slice(s);
    CHECK_OK(tensor_write(device, &tx, x));
    CHECK_OK(op_activate(&pool, &tx, activation, &ty));
    CHECK_OK(tensor_read(device, &ty, got));
    for (size_t i = 0; i < count_of(s); i++)
        want[i] = (float)reference_activation(activation, x[i]);
    snprintf(label, sizeof label, "activation %d of %dx%dx%dx%d+%d", (int)activation, s->n, s->h,
        s->w, s->c, s->extra);
    check_near(label, got, want, count_of(s), activation == ACTIVATION_NONE ? 0 : 2e-7);
    pool_release(&pool, POOL_FRONT, mark);
}

static void check_add(const struct shape *s, const float *x, float *got, float *want)
{
    struct pool_mark mark = pool_mark(&pool);
    CHECK_OK(pool_poison(&pool));
    struct tensor a = take_slice(s), b = take_slice(s), y = take_slice(s);
    for (size_t i = 0; i < count_of(s); i++)
        want[i] = 3 - x[i];
    CHECK_OK(tensor_write(device, &a, x));
    CHECK_OK(tensor_write(device, &b, want));
    CHECK_OK(op_add(&pool, &a, &b, &y));
    CHECK_OK(tensor_read(device, &y, got));
    for (size_t i = 0; i < count_of(s); i++)
        want[i] = x[i] + want[i];
    check_near("sum", got, want, count_of(s), 0);
    pool_release(&pool, POOL_FRONT, mark);
}

static void check_affine(const struct shape *s, const float *x, float *got, float *want)
{
    struct pool_mark mark = pool_mark(&pool);
    CHECK_OK(pool_poison(&pool));
    struct tensor tx = take_slice(s), y = take_slice(s);
    CHECK_OK(tensor_write(device, &tx, x));
    CHECK_OK(op_affine(&pool, &tx, 0.18215f, -0.5f, &y));
    CHECK_OK(tensor_read(device, &y, got));
    for (size_t i = 0; i < count_of(s); i++)
        want[i] = (float)(x[i] * (double)0.18215f - 0.5);
    check_near("affine", got, want, count_of(s), 1e-7);
    pool_release(&pool, POOL_FRONT, mark);
}

static void check_shape(const struct shape *s)
{
    size_t count = count_of(s);
    float *x = calloc(count, sizeof *x), *got = calloc(count, sizeof *got);
    float *want = calloc(count, sizeof *want);
    check_random(x, count, 1);
    for (size_t i = 0; i < count; i++)
        x[i] *= 3;
    for (int activation = ACTIVATION_NONE; activation <= ACTIVATION_QUICK_GELU; activation++)
        check_activation(s, activation, x, got, want);
    check_add(s, x, got, want);
    check_affine(s, x, got, want);
    free(x);
    free(got);
    free(want);
}

/* Each value by itself: the relative L2 distance would hide a bad lower tail. The product 1.702 x
 * is rounded before the exponential: up to 20 * 2^-24 at the ends. */
static void check_accuracy(enum activation activation)
{
    enum { COUNT = 4096 };
    static float x[COUNT], got[COUNT];
    struct shape s = {1, 64, 64, 1, 0};
    struct pool_mark mark = pool_mark(&pool);
    struct tensor tx = take_slice(&s), ty = take_slice(&s);
    double worst = 0;
    int at = 0;
    for (int i = 0; i < COUNT; i++)
        x[i] = (float)(i - COUNT / 2) * (12.0f / (COUNT / 2));
    CHECK_OK(tensor_write(device, &tx, x));
    CHECK_OK(op_activate(&pool, &tx, activation, &ty));
    CHECK_OK(tensor_read(device, &ty, got));
    for (int i = 0; i < COUNT; i++) {
        double want = reference_activation(activation, x[i]);
        double error = want != 0 ? fabs(got[i] - want) / fabs(want) : fabs(got[i]);
        at = error > worst ? i : at;
        worst = error > worst ? error : worst;
    }
    double limit = activation == ACTIVATION_QUICK_GELU ? 1.5e-6 : 4e-7;
    CHECK(worst <= limit, "activation %d: relative error %.3g at x = %g, got %g", (int)activation,
        worst, (double)x[at], (double)got[at]);
    pool_release(&pool, POOL_FRONT, mark);
}

/* Not a number stays one, infinity does not become one. */
static void check_special(enum activation activation)
{
    float x[4] = {NAN, INFINITY, 1000, -1000}, got[4];
    struct shape s = {1, 1, 1, 4, 0};
    struct pool_mark mark = pool_mark(&pool);
    struct tensor tx = take_slice(&s), ty = take_slice(&s);
    CHECK_OK(tensor_write(device, &tx, x));
    CHECK_OK(op_activate(&pool, &tx, activation, &ty));
    CHECK_OK(tensor_read(device, &ty, got));
    CHECK(isnan(got[0]) && isinf(got[1]) && got[2] == 1000 && fabsf(got[3]) < 1e-30f,
        "activation %d: %g %g %g %g", (int)activation, (double)got[0], (double)got[1],
        (double)got[2], (double)got[3]);
    pool_release(&pool, POOL_FRONT, mark);
}

static void check_form(bool cpu)
{
    if (!device_force_shape(device, cpu))
        return;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        check_shape(&shapes[i]);
    for (int activation = ACTIVATION_SILU; activation <= ACTIVATION_QUICK_GELU; activation++) {
        check_accuracy(activation);
        check_special(activation);
    }
}

int main(void)
{
    if (device_open(NULL, &device) != CLAT_OK)
        check_skip("%s", status_text());
    CHECK_OK(pool_open(device, 4 << 20, &pool));
    check_form(false);
    check_form(true);
    struct tensor x = {.n = 1, .h = 1, .w = 1, .c = 2, .stride = 2}, y = x;
    y.c = y.stride = 3;
    CHECK_FAILS(op_activate(&pool, &x, ACTIVATION_SILU, &y), CLAT_ERROR_INTERNAL, "1x1x1x2");
    CHECK_FAILS(op_activate(&pool, &x, ACTIVATION_GEGLU, &x), CLAT_ERROR_INTERNAL, "activation 4");
    pool_close(&pool);
    CHECK(device_memory_used(device) <= 8, "%zu bytes left", device_memory_used(device));
    device_close(device);
    return check_result();
}
