/* selftest_norm.c - group norm, layer norm. SPDX-License-Identifier: MIT
 *
 * An offset of 100 standard deviations shows whether sums lose what makes up the variance. */
#include "selftest/reference.h"
#include "selftest/trial.h"

#define EPS 1e-5

/* c1 channels from x, c2 (may be 0) from x2. */
static const struct shape {
    int n, h, w, c1, c2, groups;
    float offset;
} shapes[] = {
    {1, 1, 2, 4, 0, 2, 0},
    {2, 3, 5, 13, 0, 13, 0},
    {2, 6, 6, 32, 64, 4, 100}, /* a group spans both tensors */
    {2, 8, 8, 320, 640, 32, 0},
    {1, 50, 50, 32, 0, 8, 100},
    {2, 32, 32, 320, 0, 32, -3},
};

struct data {
    struct tensor x, x2, fold, y;
    float *x_values, *gamma, *beta, *fold_want, *want;
};

/* The limit of y = x*scale + shift where both are a hundred times the result. */
static double limit_of(const struct shape *s)
{
    return s->offset > 10 ? 6e-6 : 1e-6;
}

static enum clat_status make_data(struct trial *trial, const struct shape *s, struct data *data)
{
    enum clat_status status;
    int c = s->c1 + s->c2;
    size_t pixels = (size_t)s->n * s->h * s->w;
    float *first, *second;
    TRY(trial_input(trial, s->n, s->h, s->w, s->c1, 1, s->offset, &data->x, &first));
    TRY(trial_input(trial, s->n, s->h, s->w, s->c2 ? s->c2 : 1, 1, s->offset, &data->x2, &second));
    TRY(trial_values(trial, pixels * c, 1, 0, &data->x_values));
    for (size_t p = 0; p < pixels; p++)
        for (int i = 0; i < c; i++)
            data->x_values[p * c + i] =
                i < s->c1 ? first[p * s->c1 + i] : second[p * s->c2 + i - s->c1];
    TRY(trial_values(trial, (size_t)c, 1, 0, &data->gamma));
    TRY(trial_values(trial, (size_t)c, 1, 0, &data->beta));
    TRY(trial_output(trial, s->n, 1, 2, c, &data->fold, &data->fold_want));
    TRY(trial_output(trial, s->n, s->h, s->w, c, &data->y, &data->want));
out:
    return status;
}

static enum clat_status run_group_norm(
    struct trial *trial, const struct shape *s, const struct data *data)
{
    enum clat_status status;
    struct norm norm = {0};
    const struct tensor *second = s->c2 ? &data->x2 : NULL;
    TRY(norm_load(
        trial->device, data->gamma, data->beta, s->c1 + s->c2, s->groups, (float)EPS, &norm));
    TRY(op_group_norm_fold(&trial->pool, &norm, &data->x, second, &data->fold));
    TRY(op_group_norm_apply(
        &trial->pool, &data->x, second, &data->fold, ACTIVATION_SILU, &data->y));
out:
    norm_free(trial->device, &norm);
    return status;
}

static enum clat_status check_group_norm(struct trial *trial, const void *row)
{
    enum clat_status status;
    const struct shape *s = row;
    struct data data;
    TRY(make_data(trial, s, &data));
    reference_group_norm(data.x_values, s->n, s->h * s->w, s->c1 + s->c2, s->groups, EPS,
        data.gamma, data.beta, data.fold_want, data.want);
    for (size_t i = 0; i < tensor_elements(&data.y); i++)
        data.want[i] = (float)reference_activation(ACTIVATION_SILU, data.want[i]);
    TRY(trial_prepare(trial, &data.fold));
    TRY(trial_prepare(trial, &data.y));
    enum clat_status outcome = run_group_norm(trial, s, &data);
    TRY(trial_judge(trial, outcome,
        &(struct verdict){"group norm, moments", trial->form, 1e-6, &data.fold, data.fold_want, 0},
        "%dx%dx%d, %d+%d in %d groups, offset %g", s->n, s->h, s->w, s->c1, s->c2, s->groups,
        (double)s->offset));
    TRY(trial_judge(trial, outcome,
        &(struct verdict){"group norm, SiLU", trial->form, limit_of(s), &data.y, data.want, 0},
        "%dx%dx%d, %d+%d in %d groups, offset %g", s->n, s->h, s->w, s->c1, s->c2, s->groups,
        (double)s->offset));
out:
    return status;
}

static enum clat_status run_layer_norm(
    struct trial *trial, const struct shape *s, const struct data *data)
{
    enum clat_status status;
    struct norm norm = {0};
    struct tensor y = tensor_reshape(&data->x2, s->n, s->h, s->w, s->c1);
    TRY(norm_load(trial->device, data->gamma, data->beta, s->c1, 0, (float)EPS, &norm));
    TRY(op_layer_norm(&trial->pool, &norm, &data->x, &y));
out:
    norm_free(trial->device, &norm);
    return status;
}

static enum clat_status check_layer_norm(struct trial *trial, const void *row)
{
    enum clat_status status;
    const struct shape *s = row;
    struct data data;
    float *want;
    TRY(trial_input(trial, s->n, s->h, s->w, s->c1, 1, s->offset, &data.x, &data.x_values));
    TRY(trial_values(trial, (size_t)s->c1, 1, 0, &data.gamma));
    TRY(trial_values(trial, (size_t)s->c1, 1, 0, &data.beta));
    TRY(trial_output(trial, s->n, s->h, s->w, s->c1, &data.x2, &want));
    reference_layer_norm(
        data.x_values, tensor_pixels(&data.x), s->c1, EPS, data.gamma, data.beta, want);
    TRY(trial_prepare(trial, &data.x2));
    enum clat_status outcome = run_layer_norm(trial, s, &data);
    TRY(trial_judge(trial, outcome,
        &(struct verdict){"layer norm", trial->form, limit_of(s), &data.x2, want, 0},
        "%zu x %d, offset %g", tensor_pixels(&data.x), s->c1, (double)s->offset));
out:
    return status;
}

#define OFFSET 3 /* of a call's values, in standard deviations */

enum clat_status selftest_group_norm_call(struct trial *trial, const void *row)
{
    const int *given = ((const struct op_call *)row)->numbers;
    const struct shape shape = {given[0], given[1], given[2], given[3], given[4], given[5], OFFSET};
    return check_group_norm(trial, &shape);
}

/* x and x2 beside each other in y, as the op joins them. */
static void apply(const struct shape *s, enum activation activation, const float *const x[2],
    const float *fold, float *want)
{
    int c = s->c1 + s->c2;
    for (int p = 0; p < s->n * s->h * s->w; p++)
        for (int i = 0; i < c; i++) {
            const float *scale = fold + (size_t)(p / s->h / s->w) * 2 * c + i;
            float value =
                i < s->c1 ? x[0][(size_t)p * s->c1 + i] : x[1][(size_t)p * s->c2 + i - s->c1];
            want[(size_t)p * c + i] =
                (float)reference_activation(activation, (double)value * scale[0] + scale[c]);
        }
}

enum clat_status selftest_apply_call(struct trial *trial, const void *row)
{
    enum clat_status status;
    const int *given = ((const struct op_call *)row)->numbers;
    const struct shape s = {given[0], given[1], given[2], given[3], given[4], 1, 0};
    enum activation activation = (enum activation)given[5];
    struct tensor x, x2, fold, y;
    float *values[2], *folds, *want;
    TRY(trial_input(trial, s.n, s.h, s.w, s.c1, 1, 0, &x, &values[0]));
    TRY(trial_input(trial, s.n, s.h, s.w, s.c2 ? s.c2 : 1, 1, 0, &x2, &values[1]));
    TRY(trial_input(trial, s.n, 1, 2, s.c1 + s.c2, 1, 0, &fold, &folds));
    TRY(trial_output(trial, s.n, s.h, s.w, s.c1 + s.c2, &y, &want));
    apply(&s, activation, (const float *const *)values, folds, want);
    TRY(trial_prepare(trial, &y));
    TRY(trial_judge(trial,
        op_group_norm_apply(&trial->pool, &x, s.c2 ? &x2 : NULL, &fold, activation, &y),
        &(struct verdict){"group norm, apply", trial->form, 1e-6, &y, want, 0}, "%dx%dx%d, %d+%d",
        s.n, s.h, s.w, s.c1, s.c2));
out:
    return status;
}

enum clat_status selftest_layer_norm_call(struct trial *trial, const void *row)
{
    const int *given = ((const struct op_call *)row)->numbers;
    const struct shape shape = {given[0], given[1], given[2], given[3], 0, 0, OFFSET};
    return check_layer_norm(trial, &shape);
}

enum clat_status selftest_norm(struct trial *trial)
{
    enum clat_status status;
    size_t count = sizeof shapes / sizeof shapes[0];
    TRY(trial_rows(trial, check_group_norm, shapes, count, sizeof shapes[0]));
    TRY(trial_rows(trial, check_layer_norm, shapes, count, sizeof shapes[0]));
out:
    return status;
}
