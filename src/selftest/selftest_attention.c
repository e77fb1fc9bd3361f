/* selftest_attention.c - attention with narrow and wide heads. SPDX-License-Identifier: MIT */
#include "selftest/reference.h"
#include "selftest/trial.h"

#include <math.h>

#define LIMIT 2e-6
#define UNIT_LIMIT 4e-6 /* times 1 + spread: an error of a score is one of an exponent */

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

static enum clat_status check_shape(struct trial *trial, const void *row)
{
    enum clat_status status;
    const struct shape *s = row;
    int c = s->heads * s->width;
    float scale = s->spread / sqrtf((float)s->width);
    struct tensor q, k, v, y;
    float *q_values, *k_values, *v_values, *want;
    TRY(trial_input(trial, s->n, 1, s->tokens, c, 1, 0, &q, &q_values));
    TRY(trial_input(trial, s->n, 1, s->keys, c, 1, 0, &k, &k_values));
    TRY(trial_input(trial, s->n, 1, s->keys, c, 1, 0, &v, &v_values));
    TRY(trial_output(trial, s->n, 1, s->tokens, c, &y, &want));
    TRY(reference_attention(q_values, k_values, v_values, s->n, s->tokens, s->keys, s->heads,
        s->width, (double)scale, s->causal, want));
    TRY(trial_prepare(trial, &y));
    enum clat_status outcome =
        op_attention(&trial->pool, &q, &k, &v, s->heads, scale, s->causal, &y);
    double limit =
        device_facts(trial->device)->matrix_unit ? UNIT_LIMIT * (1 + (double)s->spread) : LIMIT;
    TRY(trial_judge(trial, outcome, &(struct verdict){"attention", trial->form, limit, &y, want, 0},
        "%d x %d tokens, %d keys, width %d%s", s->n * s->heads, s->tokens, s->keys, s->width,
        s->causal ? ", causal" : ""));
out:
    return status;
}

/* Wide heads on the matrix unit. */
static enum clat_status check_unit(struct trial *trial)
{
    const char *form = trial->form;
    device_allow_matrix_unit(trial->device, true);
    if (!device_facts(trial->device)->is_cpu || !device_facts(trial->device)->matrix_unit)
        return CLAT_OK;
    trial->form = "matrix unit";
    enum clat_status status =
        trial_rows(trial, check_shape, shapes + WIDE_FIRST, WIDE_SHAPES, sizeof shapes[0]);
    trial->form = form;
    return status;
}

enum clat_status selftest_attention(struct trial *trial)
{
    enum clat_status status;
    TRY(trial_rows(trial, check_shape, shapes, sizeof shapes / sizeof shapes[0], sizeof shapes[0]));
    TRY(check_unit(trial)); /* last: the others get the same numbers on every device */
out:
    device_allow_matrix_unit(trial->device, false);
    return status;
}
