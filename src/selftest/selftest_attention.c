/* selftest_attention.c - attention with narrow and wide heads. SPDX-License-Identifier: MIT */
#include "ops/attention.h"
#include "selftest/reference.h"
#include "selftest/trial.h"

#include <math.h>

/* Times 1 + spread: an error of a score is one of an exponent, and scores are rounded by their
 * size. Over nine choices of numbers rows of spread 1 reach 1.1e-6, the row of spread 3 2.1e-6. */
#define LIMIT 1e-6
#define UNIT_LIMIT 4e-6
/* Beside rounded factors; what is left is the rounding of the weights, by 2^-11 or 2^-8 at most. */
#define HALF_LIMIT 2.5e-4
#define BF16_LIMIT 2e-3

static const struct shape {
    int n, tokens, keys, heads, width;
    bool causal;
    float spread; /* of the scores, in standard deviations */
} shapes[] = {
    {1, 1, 1, 1, 2, false, 1},
    {2, 5, 5, 1, 24, true, 1},
    {1, 31, 64, 2, 40, false, 1},
    {1, 300, 299, 2, 40, false, 2},
    {2, 77, 77, 3, 24, true, 1},
    {1, 50, 77, 2, 80, false, 1},
    {1, 64, 132, 2, 160, false, 8},
    {1, 40, 40, 1, 168, true, 1},
    {1, 33, 131, 1, 512, false, 3},
    {1, 128, 1024, 1, 512, false, 1},
    {1, 20, 30, 1, 520, true, 1},
};
#define WIDE_FIRST 8 /* the ones that are products on a CPU */
#define WIDE_SHAPES 2
#define REFERENCE_WORK 1e9 /* multiply-adds of the reference for one shape, about */

struct values {
    float *q, *k, *v, *want;
};

/* Every so many tokens, an odd number; all if a token's place matters. */
static int step_of(const struct trial *trial, const struct shape *s)
{
    double work = 2.0 * s->n * s->heads * s->tokens * (double)s->keys * s->width;
    return s->causal ? 1 : 2 * (int)(work / trial_work(trial, REFERENCE_WORK) / 2) + 1;
}

/* Token `at` of all images, of `count` together. */
static enum clat_status make_tokens(
    const struct shape *s, double scale, const struct values *values, size_t at, int count)
{
    size_t c = (size_t)s->heads * (size_t)s->width, image = at / (size_t)s->tokens;
    return reference_attention(values->q + at * c, values->k + image * (size_t)s->keys * c,
        values->v + image * (size_t)s->keys * c, 1, count, s->keys, s->heads, s->width, scale,
        s->causal, values->want + at * c);
}

static enum clat_status make_want(
    struct trial *trial, const struct shape *s, double scale, const struct values *values)
{
    enum clat_status status = CLAT_OK;
    int step = step_of(trial, s), count = step == 1 ? s->tokens : 1;
    if (device_is_dry(trial->device))
        return CLAT_OK;
    for (size_t at = 0; at < (size_t)s->n * s->tokens; at += step == 1 ? s->tokens : step)
        TRY(make_tokens(s, scale, values, at, count));
out:
    return status;
}

/* On a matrix unit of sub-groups, which more heads go to than those above. */
static const struct shape matrix_shapes[] = {
    {1, 70, 299, 2, 32, false, 2},
    {1, 17, 40, 1, 64, false, 8},
};

static bool is_rounded(const struct trial *trial, const struct shape *s)
{
    return attention_matrix_suits(trial->device, s->width, s->causal);
}

static double limit_of(const struct trial *trial, const struct shape *s)
{
    const struct device_facts *facts = device_facts(trial->device);
    if (is_rounded(trial, s))
        return facts->unit.bf16 ? BF16_LIMIT : HALF_LIMIT;
    return (facts->matrix_unit ? UNIT_LIMIT : LIMIT) * (1 + (double)s->spread);
}

/* As the unit takes it: q with the scale and log2(e). */
static void round_values(const struct trial *trial, size_t count, float factor, float *values)
{
    bool bf16 = device_facts(trial->device)->unit.bf16;
    for (size_t i = 0; i < count; i++)
        values[i] =
            (bf16 ? reference_bf16(values[i] * factor) : reference_half(values[i] * factor)) /
            factor;
}

static enum clat_status check_shape(struct trial *trial, const void *row)
{
    enum clat_status status;
    const struct shape *s = row;
    int c = s->heads * s->width;
    float scale = s->spread / sqrtf((float)s->width);
    struct tensor q, k, v, y;
    struct values values;
    TRY(trial_input(trial, s->n, 1, s->tokens, c, 1, 0, &q, &values.q));
    TRY(trial_input(trial, s->n, 1, s->keys, c, 1, 0, &k, &values.k));
    TRY(trial_input(trial, s->n, 1, s->keys, c, 1, 0, &v, &values.v));
    TRY(trial_output(trial, s->n, 1, s->tokens, c, &y, &values.want));
    if (is_rounded(trial, s)) {
        size_t rows = (size_t)s->n * s->keys;
        round_values(trial, (size_t)s->n * s->tokens * c, scale * 1.44269504f, values.q);
        round_values(trial, rows * c, 1, values.k);
        round_values(trial, rows * c, 1, values.v);
    }
    TRY(make_want(trial, s, (double)scale, &values));
    TRY(trial_prepare(trial, &y));
    enum clat_status outcome =
        op_attention(&trial->pool, &q, &k, &v, s->heads, scale, s->causal, &y);
    struct verdict verdict = {
        "attention", trial->form, limit_of(trial, s), &y, values.want, step_of(trial, s)};
    TRY(trial_judge(trial, outcome, &verdict, "%d x %d tokens, %d keys, width %d%s",
        s->n * s->heads, s->tokens, s->keys, s->width, s->causal ? ", causal" : ""));
out:
    return status;
}

enum clat_status selftest_attention_call(struct trial *trial, const void *row)
{
    const int *given = ((const struct op_call *)row)->numbers;
    const struct shape shape = {given[0], given[1], given[2], given[3], given[4], given[5], 1};
    return check_shape(trial, &shape);
}

/* Wide heads on the matrix unit of a CPU; all that go to that of a GPU's sub-groups. */
static enum clat_status check_units(struct trial *trial)
{
    const size_t count = sizeof shapes / sizeof shapes[0];
    const size_t more = sizeof matrix_shapes / sizeof matrix_shapes[0];
    enum clat_status status = CLAT_OK;
    const char *form = trial->form;
    device_allow_matrix_unit(trial->device, true);
    const struct device_facts *facts = device_facts(trial->device);
    trial->form = "matrix unit";
    if (facts->is_cpu && facts->matrix_unit)
        TRY(trial_rows(trial, check_shape, shapes + WIDE_FIRST, WIDE_SHAPES, sizeof shapes[0]));
    for (size_t i = 0; i < count; i++)
        if (is_rounded(trial, &shapes[i]))
            TRY(trial_case(trial, check_shape, &shapes[i]));
    for (size_t i = 0; i < more; i++)
        if (is_rounded(trial, &matrix_shapes[i]))
            TRY(trial_case(trial, check_shape, &matrix_shapes[i]));
out:
    trial->form = form;
    return status;
}

enum clat_status selftest_attention(struct trial *trial)
{
    enum clat_status status;
    TRY(trial_rows(trial, check_shape, shapes, sizeof shapes / sizeof shapes[0], sizeof shapes[0]));
    TRY(check_units(trial)); /* last: the others get the same numbers on every device */
out:
    device_allow_matrix_unit(trial->device, false);
    return status;
}
