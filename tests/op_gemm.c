/* op_gemm.c - linear layers against plain C: both kernel shapes and CLBlast.
 * SPDX-License-Identifier: MIT
 *
 * With half weights the reference computes with the rounded ones, and the tolerance is the same; on
 * units of 16 bits, emulated, with x and weights rounded as the unit takes them.
 * CLATENT_TEST_TINY (oclgrind) leaves out the shapes that take long in a simulator, and CLBlast,
 * whose kernels are not ours. */
#include "config.h"
#include "check.h"
#include "frame.h"
#include "selftest/reference.h"
#include "ops/gemm.h"
#include "device/group_unit.h"
#include "device/launch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE ACTIVATION_NONE
#define SILU ACTIVATION_SILU
#define GELU ACTIVATION_GELU
#define QUICK ACTIVATION_QUICK_GELU
#define GEGLU ACTIVATION_GEGLU

/* in2 > 0: the second input has that many of the `in` columns. side: spare columns of all rows. */
static const struct layer {
    int rows, in, out;
    enum activation activation;
    int in2, side;
    bool bias, residual;
} layers[] = {
    {1, 1, 1, NONE, 0, 0, false, false},
    {1, 4, 4, NONE, 0, 1, true, true},
    {2, 3, 17, SILU, 1, 3, true, false},
    {3, 16, 16, GELU, 0, 0, true, true},
    {5, 17, 31, QUICK, 5, 2, true, true},
    {6, 15, 64, NONE, 0, 0, false, true},
    {7, 33, 65, NONE, 16, 5, true, false},
    {13, 37, 10, GEGLU, 0, 1, true, true},
    {14, 16, 32, GEGLU, 0, 0, true, false},
    {17, 20, 33, GEGLU, 7, 0, false, true},
    {26, 2100, 40, NONE, 1000, 1, true, true}, /* k in two blocks, on a CPU */
    {40, 5, 3, SILU, 0, 2, true, true},        /* few columns: the last one that oclgrind gets */
    {2, 1280, 320, SILU, 0, 0, true, false},
    {77, 128, 128, NONE, 0, 0, true, true},
    {127, 64, 129, NONE, 0, 1, true, false},
    {128, 320, 192, GEGLU, 0, 0, true, false},
    {131, 101, 97, GELU, 50, 3, true, true},
    {154, 160, 160, GELU, 0, 0, true, false},
    {512, 128, 64, NONE, 64, 0, true, true},
    {600, 3, 320, NONE, 0, 0, true, false},
    {1024, 4, 4, NONE, 0, 0, true, false},
    {2048, 80, 80, NONE, 0, 80, true, true},
    /* half weights in two unpacked blocks, on a CPU */
    {2048, 300, 130, NONE, 100, 1, true, true},
};
#define TINY_LAYERS 12
/* For units that are not the first, whose kernels are the same: a program takes a second to build.
 * With bf16 the first only. */
static const struct layer unit_layers[] = {
    {14, 16, 32, GEGLU, 0, 0, true, false},
    {512, 128, 64, NONE, 64, 0, true, true},
};
/* The simulator keeps some fifty bytes of its own for each byte of a buffer that is written. */
#define POOL_BYTES ((size_t)32 << 20)
#define TINY_POOL_BYTES ((size_t)2 << 20)
#define LAYERS (sizeof layers / sizeof layers[0])

static double tolerance = 1e-6;
static float (*rounded)(float); /* of both factors, in layers that go to a unit; NULL: none do */
static struct device *device;
static struct pool pool;

/* x ++ x2 as one dense array. */
static float *join(const struct framed *x, const struct framed *x2, size_t rows)
{
    size_t a = x->tensor.c, b = x2 ? x2->tensor.c : 0;
    float *all = malloc(rows * (a + b) * sizeof *all);
    for (size_t r = 0; r < rows; r++) {
        memcpy(all + r * (a + b), x->values + r * a, a * sizeof *all);
        if (x2)
            memcpy(all + r * (a + b) + a, x2->values + r * b, b * sizeof *all);
    }
    return all;
}

static float *random_values(size_t count, float scale, uint64_t seed)
{
    float *values = malloc(count * sizeof *values);
    check_random(values, count, seed);
    for (size_t i = 0; i < count; i++)
        values[i] *= scale;
    return values;
}

static bool is_rounded(const struct layer *l)
{
    return rounded && gemm_matrix_suits(device, l->out, l->in);
}

static void check_call(const struct layer *l, const char *label, const float *weight,
    const float *bias, const struct linear *linear)
{
    struct pool_mark mark = pool_mark(&pool);
    struct framed x = frame_new(&pool, 1, l->rows, l->in - l->in2, l->side, 1), x2, residual;
    struct framed y = frame_new(&pool, 1, l->rows, l->out, l->side, 0);
    if (l->in2)
        x2 = frame_new(&pool, 1, l->rows, l->in2, l->side + 1, 2);
    if (l->residual)
        residual = frame_new(&pool, 1, l->rows, l->out, l->side + 2, 3);
    struct pool_mark before = pool_mark(&pool);
    double work = device_work(device), flop = 2.0 * l->rows * l->in * l->out;
    CHECK_OK(op_linear(&pool, linear, &x.tensor, l->in2 ? &x2.tensor : NULL,
        l->residual ? &residual.tensor : NULL, &y.tensor));
    CHECK(device_work(device) - work == flop * (l->activation == GEGLU ? 2 : 1), "%s: %g", label,
        device_work(device) - work);
    CHECK(pool.back == before.back && pool.front == before.front, "%s keeps memory", label);
    frame_read(&pool, label, &y);
    float *all = join(&x, l->in2 ? &x2 : NULL, (size_t)l->rows);
    float *want = malloc((size_t)l->rows * l->out * sizeof *want);
    if (is_rounded(l))
        reference_round(all, (size_t)l->rows * l->in, rounded);
    reference_linear(all, (size_t)l->rows, l->in, weight, bias, l->out, l->activation,
        l->residual ? residual.values : NULL, want);
    check_near(label, y.values, want, (size_t)l->rows * l->out, tolerance);
    free(all);
    free(want);
    frame_free(&x);
    frame_free(&y);
    if (l->in2)
        frame_free(&x2);
    if (l->residual)
        frame_free(&residual);
    pool_release(&pool, POOL_FRONT, mark);
}

static void check_layer(const struct layer *l, const char *form)
{
    char label[128];
    struct linear linear;
    size_t rows = (size_t)l->out * (l->activation == GEGLU ? 2 : 1);
    float *weight = random_values(rows * l->in, 1, 4), *bias = random_values(rows, 2, 5);
    snprintf(label, sizeof label, "%s %dx%d+%d to %d, activation %d", form, l->rows, l->in - l->in2,
        l->in2, l->out, (int)l->activation);
    CHECK_OK(
        linear_load(device, weight, l->bias ? bias : NULL, l->out, l->in, l->activation, &linear));
    if (is_rounded(l) || linear.half)
        reference_round(weight, rows * l->in, is_rounded(l) ? rounded : reference_half);
    check_call(l, label, weight, l->bias ? bias : NULL, &linear);
    linear_free(device, &linear);
    free(weight);
    free(bias);
}

static void check_layers(const char *form, bool cpu, enum gemm_engine engine, bool half,
    const struct layer *list, size_t count)
{
    if (!device_force_shape(device, cpu))
        return;
    device_store_half(device, half);
    gemm_set_engine(device, engine);
    for (size_t i = 0; i < count; i++)
        check_layer(&list[i], form);
    gemm_set_engine(device, GEMM_AUTO);
    device_store_half(device, false);
}

static void check_form(const char *form, bool cpu, enum gemm_engine engine, bool half, size_t count)
{
    check_layers(form, cpu, engine, half, layers, count);
}

/* Factors of 16 bits. */
static void check_tiles(const char *form, enum matrix_unit unit, size_t count)
{
    device_force_matrix_unit(device, unit);
    tolerance = 8e-6;
    check_form(form, true, GEMM_AUTO, false, count);
    tolerance = 1e-6;
    device_allow_matrix_unit(device, false);
}

/* All units of sub-groups: what the kernels around them do, in plain OpenCL C. */
static void check_units(size_t count)
{
    char form[64];
    for (int kind = UNIT_NONE + 1; kind < UNIT_KINDS; kind++)
        for (int bf16 = 0; bf16 <= unit_shape((enum unit_kind)kind)->has_bf16; bf16++) {
            const struct group_unit unit = {(enum unit_kind)kind, bf16, true};
            snprintf(form, sizeof form, "unit %s, %s", unit_shape(unit.kind)->name,
                bf16 ? "bf16" : "half");
            device_force_unit(device, unit);
            rounded = bf16 ? reference_bf16 : reference_half;
            if (kind == UNIT_NONE + 1 && !bf16) /* the last layer takes too long */
                check_form(form, false, GEMM_OWN, false, count < LAYERS ? count : LAYERS - 1);
            else
                check_layers(
                    form, false, GEMM_OWN, false, unit_layers, count < LAYERS || bf16 ? 1 : 2);
        }
    rounded = NULL;
    device_allow_matrix_unit(device, false);
}

/* Every packed column comes from the row that the kernels take it for. */
static void check_packing(void)
{
    CHECK(gemm_columns(1, false) == 64 && gemm_columns(64, false) == 64, "one panel");
    CHECK(gemm_columns(65, false) == 128 && gemm_columns(33, true) == 128, "two panels");
    CHECK(gemm_columns(INT32_MAX, true) == 0, "too many columns");
    CHECK(gemm_source_row(20, 100, false) == 20 && gemm_source_row(100, 100, false) == -1, "plain");
    CHECK(
        gemm_source_row(5, 20, true) == 5 && gemm_source_row(16 + 5, 20, true) == 25, "first pair");
    CHECK(
        gemm_source_row(32 + 3, 20, true) == 19 && gemm_source_row(32 + 4, 20, true) == -1, "tail");
    CHECK(
        gemm_source_row(48 + 3, 20, true) == 39 && gemm_source_row(48 + 4, 20, true) == -1, "gate");
}

static void check_faults(void)
{
    float weight[6] = {0};
    struct linear linear;
    struct tensor x = {.n = 1, .h = 1, .w = 4, .c = 3, .stride = 3}, y = x;
    CHECK_OK(linear_load(device, weight, NULL, 2, 3, NONE, &linear));
    CHECK_FAILS(op_linear(&pool, &linear, &x, NULL, NULL, &y), CLAT_ERROR_INTERNAL, "3 to 2");
    y.c = 2;
    y.w = 5;
    CHECK_FAILS(op_linear(&pool, &linear, &x, NULL, NULL, &y), CLAT_ERROR_INTERNAL, "4 rows");
    linear_free(device, &linear);
    CHECK_FAILS(linear_load(device, NULL, NULL, 2, 3, NONE, &linear), CLAT_ERROR_INTERNAL, "2 x 3");
}

/* Without a device: bytes and work are counted, and CLBlast's temporary shows in the peak. It
 * gets no half weights. */
static void check_dry(enum gemm_engine engine, bool half, size_t bytes, size_t temporary)
{
    struct device *dry;
    struct pool dry_pool;
    struct linear linear;
    struct tensor x, y;
    CHECK_OK(device_open_dry(NULL, &dry));
    gemm_set_engine(dry, engine);
    device_store_half(dry, half);
    CHECK_OK(pool_open(dry, 0, &dry_pool));
    CHECK_OK(linear_load(dry, NULL, NULL, 40, 10, GEGLU, &linear));
    CHECK(device_memory_used(dry) == bytes, "%zu bytes", device_memory_used(dry));
    CHECK_OK(pool_take(&dry_pool, POOL_FRONT, 1, 1, 64, 10, &x));
    CHECK_OK(pool_take(&dry_pool, POOL_FRONT, 1, 1, 64, 40, &y));
    size_t before = dry_pool.peak;
    CHECK_OK(op_linear(&dry_pool, &linear, &x, NULL, NULL, &y));
    CHECK(dry_pool.peak - before == temporary, "%zu bytes", dry_pool.peak - before);
    CHECK(device_work(dry) == 2.0 * 64 * 80 * 10, "%g", device_work(dry));
    linear_free(dry, &linear);
    CHECK(device_memory_used(dry) == 0, "%zu bytes left", device_memory_used(dry));
    pool_close(&dry_pool);
    device_close(dry);
}

#if HAVE_CLBLAST
/* What CLBlast built for a context that is gone, twice over, must not be used in the next one. */
static void check_clblast_again(size_t count)
{
    for (int i = 0; i < 2; i++) {
        pool_close(&pool);
        CHECK_OK(device_reopen(device));
        CHECK_OK(pool_open(device, POOL_BYTES, &pool));
        check_form("clblast in a new context", false, GEMM_CLBLAST, false, count);
    }
}

/* Images of a batch get the bits that they get alone; also where a call is too long for one
 * enqueue. */
static void check_clblast_batch(void)
{
    enum { IN = 640, OUT = 320, ROWS = 40 };
    struct pool_mark mark = pool_mark(&pool);
    struct framed x = frame_new(&pool, 3, ROWS, IN, 0, 1), y = frame_new(&pool, 3, ROWS, OUT, 0, 0);
    struct framed one = frame_new(&pool, 1, ROWS, OUT, 0, 0);
    struct tensor last = tensor_batch(&x.tensor, 2, 1);
    float *weight = random_values((size_t)IN * OUT, 0.05f, 3);
    struct linear linear;
    gemm_set_engine(device, GEMM_CLBLAST);
    CHECK_OK(linear_load(device, weight, NULL, OUT, IN, NONE, &linear));
    CHECK_OK(op_linear(&pool, &linear, &x.tensor, NULL, NULL, &y.tensor));
    CHECK_OK(op_linear(&pool, &linear, &last, NULL, NULL, &one.tensor));
    frame_read(&pool, "a batch of three", &y);
    frame_read(&pool, "its last image", &one);
    CHECK(memcmp(one.values, y.values + 2 * ROWS * OUT, sizeof(float) * ROWS * OUT) == 0,
        "CLBlast: a batch changes an image");
    linear_free(device, &linear);
    gemm_set_engine(device, GEMM_AUTO);
    free(weight);
    frame_free(&x);
    frame_free(&y);
    frame_free(&one);
    pool_release(&pool, POOL_FRONT, mark);
}
#endif

int main(void)
{
    bool tiny = getenv("CLATENT_TEST_TINY") != NULL;
    size_t count = tiny ? TINY_LAYERS : LAYERS;
    check_packing();
    if (device_open(NULL, &device) != CLAT_OK)
        check_skip("%s", status_text());
    CHECK_OK(pool_open(device, tiny ? TINY_POOL_BYTES : POOL_BYTES, &pool));
    device_allow_matrix_unit(device, true);
    if (device_facts(device)->matrix_unit)
        check_tiles("matrix unit", MATRIX_UNIT_TILES, count);
    else
        fprintf(stderr, "op_gemm: no matrix unit here, only its emulation is run\n");
    check_tiles("emulated matrix unit", MATRIX_UNIT_EMULATED, count);
    device_allow_matrix_unit(device, false);
    check_units(count);
    check_form("portable", false, GEMM_OWN, false, count);
    check_form("portable, half", false, GEMM_OWN, true, count);
    check_form("cpu", true, GEMM_AUTO, false, count);
    check_form("cpu, half", true, GEMM_AUTO, true, count);
    check_faults();
    check_dry(GEMM_AUTO, true, 128 * 10 * 2 + 128 * 4, 0);
    check_dry(GEMM_AUTO, false, (128 * 10 + 128) * 4, 0);
#if HAVE_CLBLAST
    if (!tiny) {
        check_form("clblast", false, GEMM_CLBLAST, false, count);
        check_clblast_batch();
        check_clblast_again(TINY_LAYERS);
    }
    check_dry(GEMM_CLBLAST, true, 128 * 10 * 2 + 128 * 4, 0);
    check_dry(GEMM_CLBLAST, false, (80 * 10 + 80) * 4, 64 * 80 * 4);
#else
    CHECK_FAILS(gemm_clblast_check(), CLAT_ERROR_USAGE, "--without-clblast");
#endif
    pool_close(&pool);
    CHECK(device_memory_used(device) <= 8, "%zu bytes left", device_memory_used(device));
    device_close(device);
    return check_result();
}
