/* selftest_simple.c - elementwise ops, resampling, the nearest code. SPDX-License-Identifier: MIT
 */
#include "selftest/reference.h"
#include "selftest/trial.h"

/* ---- one value in, one value out ------------------------------------------------------------ */

static const struct shape {
    int n, h, w, c;
} shapes[] = {{1, 1, 1, 17}, {2, 3, 5, 7}, {2, 8, 8, 320}};

#define ROWS(table) table, sizeof table / sizeof table[0], sizeof table[0]

static enum clat_status check_activations(struct trial *trial, const void *row)
{
    static const char *const names[] = {"copy", "SiLU", "GELU", "quick GELU"};
    enum clat_status status;
    const struct shape *s = row;
    struct tensor x, y;
    float *values, *want;
    TRY(trial_input(trial, s->n, s->h, s->w, s->c, 2, 0, &x, &values));
    TRY(trial_output(trial, s->n, s->h, s->w, s->c, &y, &want));
    for (int i = ACTIVATION_NONE; i <= ACTIVATION_QUICK_GELU; i++) {
        enum activation activation = (enum activation)i;
        double limit = activation == ACTIVATION_NONE ? 0 : 5e-7;
        for (size_t j = 0; j < tensor_elements(&x); j++)
            want[j] = (float)reference_activation(activation, values[j]);
        TRY(trial_prepare(trial, &y));
        TRY(trial_judge(trial, op_activate(&trial->pool, &x, activation, &y),
            &(struct verdict){names[i], trial->form, limit, &y, want, 0}, "%dx%dx%dx%d", s->n, s->h,
            s->w, s->c));
    }
out:
    return status;
}

static enum clat_status check_sums(struct trial *trial, const void *row)
{
    enum clat_status status;
    const struct shape *s = row;
    struct tensor a, b, y;
    float *a_values, *b_values, *want;
    TRY(trial_input(trial, s->n, s->h, s->w, s->c, 1, 0, &a, &a_values));
    TRY(trial_input(trial, s->n, s->h, s->w, s->c, 1, 0, &b, &b_values));
    TRY(trial_output(trial, s->n, s->h, s->w, s->c, &y, &want));
    for (size_t i = 0; i < tensor_elements(&y); i++)
        want[i] = a_values[i] + b_values[i];
    TRY(trial_prepare(trial, &y));
    TRY(trial_judge(trial, op_add(&trial->pool, &a, &b, &y),
        &(struct verdict){"sum", trial->form, 0, &y, want, 0}, "%dx%dx%dx%d", s->n, s->h, s->w,
        s->c));
    for (size_t i = 0; i < tensor_elements(&y); i++)
        want[i] = (float)(a_values[i] * (double)0.18215f - 0.5);
    TRY(trial_prepare(trial, &y));
    TRY(trial_judge(trial, op_affine(&trial->pool, &a, 0.18215f, -0.5f, &y),
        &(struct verdict){"affine", trial->form, 2e-7, &y, want, 0}, "%dx%dx%dx%d", s->n, s->h,
        s->w, s->c));
out:
    return status;
}

/* ---- resampling ----------------------------------------------------------------------------- */

static const struct resize {
    int n, h, w, c, out_h, out_w;
} resizes[] = {{1, 5, 7, 3, 11, 13}, {2, 16, 16, 80, 32, 32}, {1, 9, 4, 33, 3, 5}};

static enum clat_status check_resize(struct trial *trial, const void *row)
{
    enum clat_status status;
    const struct resize *r = row;
    struct tensor x, y;
    float *values, *want;
    TRY(trial_input(trial, r->n, r->h, r->w, r->c, 1, 0, &x, &values));
    TRY(trial_output(trial, r->n, r->out_h, r->out_w, r->c, &y, &want));
    reference_resize_nearest(values, r->n, r->h, r->w, r->c, r->out_h, r->out_w, want);
    TRY(trial_prepare(trial, &y));
    TRY(trial_judge(trial, op_resize_nearest(&trial->pool, &x, &y),
        &(struct verdict){"resize", trial->form, 0, &y, want, 0}, "%dx%dx%dx%d to %dx%d", r->n,
        r->h, r->w, r->c, r->out_h, r->out_w));
out:
    return status;
}

static enum clat_status check_mean(struct trial *trial, const void *row)
{
    enum clat_status status;
    const struct resize *r = row;
    struct tensor x, fold, y;
    float *values, *fold_values, *want;
    TRY(trial_input(trial, r->n, r->h, r->w, r->c, 1, 0, &x, &values));
    TRY(trial_input(trial, r->n, 1, 2, r->c, 0.5f, 1, &fold, &fold_values));
    TRY(trial_output(trial, r->n, r->h / 2, r->w / 2, r->c, &y, &want));
    reference_mean_2x2(values, r->n, r->h, r->w, r->c, fold_values, true, want);
    TRY(trial_prepare(trial, &y));
    TRY(trial_judge(trial, op_mean_2x2(&trial->pool, &x, &fold, true, &y),
        &(struct verdict){"mean 2x2, SiLU", trial->form, 1e-6, &y, want, 0}, "%dx%dx%dx%d", r->n,
        r->h, r->w, r->c));
out:
    return status;
}

/* ---- codes ---------------------------------------------------------------------------------- */

static const struct codes {
    int pixels, width, count;
} codes[] = {{1, 1, 1}, {35, 5, 17}, {256, 3, 8192}};

/* Every pixel lies near one code, or the rounding of a distance would decide. */
static void move_near(float *x, const struct codes *c, const float *table)
{
    for (int p = 0; p < c->pixels; p++)
        for (int i = 0; i < c->width; i++) {
            float *value = &x[(size_t)p * c->width + i];
            *value = table[(size_t)(p * 31 % c->count) * c->width + i] + 1e-4f * *value;
        }
}

static enum clat_status check_codes(struct trial *trial, const void *row)
{
    enum clat_status status;
    const struct codes *c = row;
    struct codebook codebook = {0};
    struct tensor x, y;
    float *values, *table, *want, *indices;
    TRY(trial_input(trial, 1, 1, c->pixels, c->width, 1, 0, &x, &values));
    TRY(trial_values(trial, (size_t)c->count * c->width, 1, 0, &table));
    TRY(trial_values(trial, (size_t)c->pixels, 1, 0, &indices));
    TRY(trial_output(trial, 1, 1, c->pixels, c->width, &y, &want));
    move_near(values, c, table);
    TRY(tensor_write(trial->device, &x, values));
    reference_quantize(values, (size_t)c->pixels, c->width, table, c->count, indices, want);
    TRY(trial_prepare(trial, &y));
    enum clat_status outcome = codebook_load(trial->device, table, c->count, c->width, &codebook);
    if (outcome == CLAT_OK)
        outcome = op_quantize(&trial->pool, &codebook, &x, &y, NULL);
    TRY(trial_judge(trial, outcome, &(struct verdict){"quantize", trial->form, 1e-7, &y, want, 0},
        "%d x %d, %d codes", c->pixels, c->width, c->count));
out:
    codebook_free(trial->device, &codebook);
    return status;
}

enum clat_status selftest_simple(struct trial *trial)
{
    enum clat_status status;
    TRY(trial_rows(trial, check_activations, ROWS(shapes)));
    TRY(trial_rows(trial, check_sums, ROWS(shapes)));
    TRY(trial_rows(trial, check_resize, ROWS(resizes)));
    TRY(trial_rows(trial, check_mean, ROWS(resizes)));
    TRY(trial_rows(trial, check_codes, ROWS(codes)));
out:
    return status;
}
