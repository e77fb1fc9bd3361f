/* op_attention.c - attention against plain C, in both kernel shapes. SPDX-License-Identifier: MIT
 *
 * CLATENT_TEST_TINY (oclgrind) takes only the first shapes. */
#include "check.h"
#include "frame.h"
#include "selftest/reference.h"
#include "device/group_unit.h"
#include "device/launch.h"
#include "ops/attention.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const struct shape {
    int n, tokens, keys, heads, width, side;
    bool causal;
    float spread; /* of the scores, in standard deviations */
} shapes[] = {
    {1, 1, 1, 1, 2, 0, false, 1}, {2, 3, 5, 2, 4, 1, false, 1}, {1, 4, 1, 3, 6, 0, false, 1},
    {1, 33, 13, 2, 8, 3, false, 1}, {2, 5, 5, 1, 24, 2, true, 1}, {1, 2, 3, 1, 168, 1, false, 1},
    {1, 3, 5, 1, 198, 1, false, 1}, /* the last one that oclgrind gets */
    {1, 1, 77, 2, 8, 0, false, 1}, {2, 16, 16, 4, 4, 0, false, 1}, {1, 31, 64, 2, 40, 5, false, 1},
    {2, 64, 64, 3, 40, 80, false, 4}, {1, 300, 299, 2, 40, 0, false, 2},
    {2, 77, 77, 3, 24, 0, true, 1}, {1, 50, 77, 2, 80, 1, false, 1},
    {1, 64, 132, 2, 160, 0, false, 8}, {2, 1024, 77, 1, 80, 0, false, 1},
    {1, 33, 131, 1, 512, 4, false, 3}, {2, 20, 64, 2, 192, 0, false, 1},
    {1, 40, 40, 1, 168, 0, true, 1}, {1, 600, 600, 1, 168, 0, false, 1},
    {1, 128, 4096, 1, 80, 0, false, 1}, {1, 4, 4, 1, 1030, 0, false, 1},
    {1, 5, 16384, 1, 168, 1, false, 1},
    {2, 7, 16400, 1, 168, 3, false, 1},   /* two whole chunks and sixteen keys */
    {1, 6, 16401, 1, 194, 1, false, 1},   /* the same in work-groups */
    {1, 530, 16500, 1, 168, 0, false, 1}, /* not for the portable kernel, which has no chunks */
};
/* Of units of sub-groups, emulated: the heads of the models, keys to the end of a block and beyond,
 * fewer tokens than a sub-group has. Each width is a program, which takes the driver a second: the
 * first unit gets all, the others the widest that they take with half, and one with bf16. */
static const struct shape unit_shapes[] = {{2, 31, 64, 2, 40, 5, false, 4},
    {1, 20, 37, 1, 160, 0, false, 2}, {1, 80, 70, 1, 80, 1, false, 1},
    {1, 17, 40, 1, 64, 3, false, 8}, {2, 9, 5, 2, 18, 1, false, 1},
    {1, 70, 299, 2, 32, 0, false, 2}};
#define UNIT_SHAPES (sizeof unit_shapes / sizeof unit_shapes[0])
#define TINY_SHAPES 7
/* The simulator keeps some fifty bytes of its own for each byte of a buffer that is written. */
#define POOL_BYTES ((size_t)64 << 20)
#define TINY_POOL_BYTES ((size_t)2 << 20)
#define SHAPES (sizeof shapes / sizeof shapes[0])

static struct device *device;
static struct pool pool;
static bool unit;               /* products of wide heads on a matrix unit, an emulated one, too */
static float (*rounded)(float); /* of q, k, v on a unit of sub-groups; NULL: none is there */

/* As the unit takes them: q has the scale and log2(e) in it. */
static void round_factors(struct framed *tensor, int count, float factor)
{
    for (int i = 0; i < count; i++)
        tensor->values[i] = rounded(tensor->values[i] * factor) / factor;
}

/* An error of a score is one of an exponent. Weights of 16 bits are off by 2^-11 or 2^-8 at most,
 * by less than half of that in the mean. */
static double limit_of(const struct shape *s)
{
    if (rounded)
        return rounded == reference_half ? 2.5e-4 : 2e-3;
    return unit ? 4e-6 * (1 + (double)s->spread) : 2e-6;
}

static void check_shape(const struct shape *s, const char *form)
{
    char label[128];
    int c = s->heads * s->width;
    float scale = s->spread / sqrtf((float)s->width);
    struct pool_mark mark = pool_mark(&pool);
    struct framed q = frame_new(&pool, s->n, s->tokens, c, s->side, 1);
    struct framed k = frame_new(&pool, s->n, s->keys, c, s->side + 1, 2);
    struct framed v = frame_new(&pool, s->n, s->keys, c, s->side + 2, 3);
    struct framed y = frame_new(&pool, s->n, s->tokens, c, s->side, 0);
    struct pool_mark before = pool_mark(&pool);
    float *want = malloc((size_t)s->n * s->tokens * c * sizeof *want);
    snprintf(label, sizeof label, "%s %dx%dx%d, %d heads of %d%s", form, s->n, s->tokens, s->keys,
        s->heads, s->width, s->causal ? ", causal" : "");
    double work = device_work(device), flop = 4.0 * s->n * s->tokens * s->keys * c;
    CHECK_OK(op_attention(
        &pool, &q.tensor, &k.tensor, &v.tensor, s->heads, scale, s->causal, &y.tensor));
    CHECK(device_work(device) - work == flop, "%s: %g", label, device_work(device) - work);
    CHECK(pool.back == before.back && pool.front == before.front, "%s keeps memory", label);
    frame_read(&pool, label, &y);
    if (rounded) {
        round_factors(&q, s->n * s->tokens * c, scale * 1.44269504f);
        round_factors(&k, s->n * s->keys * c, 1);
        round_factors(&v, s->n * s->keys * c, 1);
    }
    reference_attention(q.values, k.values, v.values, s->n, s->tokens, s->keys, s->heads, s->width,
        (double)scale, s->causal, want);
    check_near(label, y.values, want, (size_t)s->n * s->tokens * c, limit_of(s));
    free(want);
    frame_free(&q);
    frame_free(&k);
    frame_free(&v);
    frame_free(&y);
    pool_release(&pool, POOL_FRONT, mark);
}

/* Scores of some thousands: the maximum is taken off before the exponential. */
static void check_large_scores(const char *form)
{
    struct pool_mark mark = pool_mark(&pool);
    struct framed q = frame_new(&pool, 1, 40, 16, 0, 1), k = frame_new(&pool, 1, 40, 16, 0, 2);
    struct framed y = frame_new(&pool, 1, 40, 16, 0, 0);
    float *want = malloc(40 * 16 * sizeof *want);
    CHECK_OK(op_attention(&pool, &q.tensor, &k.tensor, &k.tensor, 2, 1000, false, &y.tensor));
    frame_read(&pool, form, &y);
    reference_attention(q.values, k.values, k.values, 1, 40, 40, 2, 8, 1000, false, want);
    check_near("large scores", y.values, want, 40 * 16, 1e-3);
    free(want);
    frame_free(&q);
    frame_free(&k);
    frame_free(&y);
    pool_release(&pool, POOL_FRONT, mark);
}

static void check_form(const char *form, bool cpu, size_t count)
{
    if (!device_force_shape(device, cpu))
        return;
    for (size_t i = 0; i < count; i++)
        check_shape(&shapes[i], form);
    check_large_scores(form);
}

/* Only heads that are too wide for the kernel with queries in the lanes; `most` scores. */
static void check_unit(const char *form, enum matrix_unit which, size_t count, double most)
{
    device_force_shape(device, true);
    device_force_matrix_unit(device, which);
    unit = true;
    for (size_t i = 0; i < count; i++)
        if (shapes[i].width > 160 && (double)shapes[i].tokens * shapes[i].keys <= most)
            check_shape(&shapes[i], form);
    unit = false;
    device_allow_matrix_unit(device, false);
}

/* A unit of sub-groups in plain OpenCL C. */
static void check_group_unit(struct group_unit which, size_t first, size_t end)
{
    char form[64];
    snprintf(form, sizeof form, "unit %s, %s", unit_shape(which.kind)->name,
        which.bf16 ? "bf16" : "half");
    device_force_unit(device, which);
    rounded = which.bf16 ? reference_bf16 : reference_half;
    for (size_t i = first; i < end; i++)
        if (attention_matrix_suits(device, unit_shapes[i].width, false))
            check_shape(&unit_shapes[i], form);
    rounded = NULL;
    device_allow_matrix_unit(device, false);
}

static void check_group_units(bool tiny)
{
    device_force_shape(device, false);
    for (int kind = UNIT_NONE + 1; kind < UNIT_KINDS; kind++) {
        struct group_unit which = {.kind = (enum unit_kind)kind, .emulated = true};
        bool has_bf16 = unit_shape(which.kind)->has_bf16, all = kind == UNIT_NONE + 1;
        check_group_unit(which, has_bf16 && !all && !tiny, tiny ? 1 : all ? UNIT_SHAPES : 2);
        which.bf16 = true;
        if (has_bf16 && !tiny)
            check_group_unit(which, 0, 1);
    }
}

static void check_faults(void)
{
    struct tensor q = {.n = 1, .h = 1, .w = 4, .c = 6, .stride = 6}, k = q;
    CHECK_FAILS(op_attention(&pool, &q, &k, &k, 4, 1, false, &q), CLAT_ERROR_INTERNAL, "4 heads");
    k.w = 5;
    CHECK_FAILS(
        op_attention(&pool, &q, &q, &k, 2, 1, false, &q), CLAT_ERROR_INTERNAL, "4, 4, 5, 4");
}

/* Scratch shows in the peak of a dry pool and is given back. */
static void check_dry(void)
{
    struct device *dry;
    struct pool dry_pool;
    struct tensor q;
    CHECK_OK(device_open_dry(NULL, &dry));
    CHECK_OK(pool_open(dry, 0, &dry_pool));
    CHECK_OK(pool_take(&dry_pool, POOL_FRONT, 1, 32, 32, 512, &q));
    size_t before = dry_pool.front;
    CHECK_OK(op_attention(&dry_pool, &q, &q, &q, 1, 0.04f, false, &q));
    size_t scratch = (2 * (size_t)1024 * 512 + 512 * 1024) * sizeof(float);
    CHECK(dry_pool.peak - before == scratch, "%zu bytes", dry_pool.peak - before);
    CHECK(dry_pool.front == before && dry_pool.back == 0, "given back");
    pool_close(&dry_pool);
    device_close(dry);
}

int main(void)
{
    size_t count = getenv("CLATENT_TEST_TINY") ? TINY_SHAPES : SHAPES;
    if (device_open(NULL, &device) != CLAT_OK)
        check_skip("%s", status_text());
    CHECK_OK(pool_open(device, count == SHAPES ? POOL_BYTES : TINY_POOL_BYTES, &pool));
    device_allow_matrix_unit(device, true);
    if (device_facts(device)->matrix_unit)
        check_unit("matrix unit", MATRIX_UNIT_TILES, count, 1e9);
    else
        fprintf(stderr, "op_attention: no matrix unit here, only its emulation is run\n");
    check_unit("emulated matrix unit", MATRIX_UNIT_EMULATED, count, 1e5);
    device_allow_matrix_unit(device, false);
    check_group_units(count != SHAPES);
    check_form("portable", false, count == SHAPES ? SHAPES - 1 : count);
    check_form("cpu", true, count);
    check_faults();
    check_dry();
    pool_close(&pool);
    CHECK(device_memory_used(device) <= 8, "%zu bytes left", device_memory_used(device));
    device_close(device);
    return check_result();
}
