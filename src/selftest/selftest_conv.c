/* selftest_conv.c - every form of the 3x3 convolution, with float and half weights.
 * SPDX-License-Identifier: MIT
 *
 * Of the values of a large map only some are compared, at pixels an odd number apart, so that every
 * place of a tile comes up. A layer with outliers has a few input channels thirty times as large as
 * the others, as trained networks have them: there the transforms of Winograd lose digits. */
#include "ops/conv.h"
#include "selftest/reference.h"
#include "selftest/reference_conv.h"
#include "selftest/trial.h"

#include <math.h>
#include <stdio.h>

enum { NONE = 0, FOLD = 1, SILU = 2, UP = 4, TIME = 8, RESIDUAL = 16, AFTER = 32, OUTLIERS = 64 };

#define REFERENCE_WORK 2e7 /* multiply-adds of the reference for one layer, about */
#define PORTABLE_WORK 1e8  /* most that a CPU is given to do with kernels that are not for it */

static const struct layer {
    int c1, c2, out, n, h, w, stride, flags; /* AFTER: stride 2 pads right and bottom only */
} layers[] = {
    {1, 0, 1, 1, 1, 1, 1, NONE},
    {5, 12, 20, 3, 9, 4, 1, FOLD | SILU | RESIDUAL},
    {23, 9, 70, 2, 13, 11, 1, FOLD | SILU | TIME | RESIDUAL},
    {48, 0, 48, 2, 4, 4, 1, SILU | UP},
    {16, 0, 32, 2, 8, 8, 2, AFTER},
    {3, 2, 40, 2, 1, 9, 2, FOLD | SILU | TIME},
    {4, 0, 320, 2, 32, 32, 1, NONE},
    {320, 0, 4, 2, 32, 32, 1, FOLD | SILU},
    {320, 0, 320, 2, 32, 32, 1, FOLD | SILU | TIME},
    {320, 320, 320, 1, 16, 16, 1, FOLD | SILU | RESIDUAL},
    {320, 0, 320, 1, 16, 16, 1, OUTLIERS},
    {320, 0, 320, 2, 32, 32, 2, NONE},
    {1280, 0, 320, 2, 4, 4, 1, FOLD | SILU | RESIDUAL},
    {2560, 0, 64, 1, 8, 8, 1, NONE},
    {32, 0, 64, 2, 32, 32, 1, UP},
    {128, 0, 128, 1, 64, 64, 1, FOLD | SILU | RESIDUAL},
};

struct data {
    struct reference_conv conv;
    struct tensor x, x2, fold, time, residual, y;
    float *want;
    float *weight; /* that of conv, which is const */
    int step;
};

/* Of a stride of 2 the padding before the map, and the size of y for `size` of x. */
static int pad_of(const struct layer *l)
{
    return l->stride == 2 && (l->flags & AFTER) ? 0 : 1;
}

static int output_size(const struct layer *l, int size)
{
    if (l->stride == 1)
        return l->flags & UP ? 2 * size : size;
    return (size + pad_of(l) - 2) / 2 + 1;
}

static enum clat_status make_inputs(struct trial *trial, const struct layer *l, struct data *data)
{
    enum clat_status status;
    struct reference_conv *conv = &data->conv;
    int in = l->c1 + l->c2;
    float *x, *x2, *fold, *time, *residual, *bias;
    TRY(trial_input(trial, l->n, l->h, l->w, l->c1, 1, 0, &data->x, &x));
    for (size_t i = 0; l->flags & OUTLIERS && i < tensor_elements(&data->x); i++)
        x[i] *= i % l->c1 % 64 == 7 ? 30.0f : 1.0f;
    TRY(tensor_write(trial->device, &data->x, x));
    TRY(trial_input(trial, l->n, l->h, l->w, l->c2 ? l->c2 : 1, 1, 0, &data->x2, &x2));
    TRY(trial_input(trial, l->n, 1, 2, in, 0.5f, 1, &data->fold, &fold));
    TRY(trial_input(trial, l->n, 1, 1, l->out, 0.5f, 0, &data->time, &time));
    TRY(trial_input(
        trial, l->n, conv->height, conv->width, l->out, 1, 0, &data->residual, &residual));
    TRY(trial_values(
        trial, (size_t)l->out * in * 9, 1 / sqrtf(9.0f * (float)in), 0, &data->weight));
    TRY(trial_values(trial, (size_t)l->out, 0.5f, 0, &bias));
    conv->x = x;
    conv->x2 = x2;
    conv->fold = l->flags & FOLD ? fold : NULL;
    conv->time = l->flags & TIME ? time : NULL;
    conv->residual = l->flags & RESIDUAL ? residual : NULL;
    conv->weight = data->weight;
    conv->bias = bias;
out:
    return status;
}

static enum clat_status make_want(struct trial *trial, struct data *data)
{
    enum clat_status status;
    const struct reference_conv *conv = &data->conv;
    double *values;
    if (device_is_dry(trial->device))
        return CLAT_OK; /* there is nothing to compare with it */
    TRY(arena_take(trial->arena, (size_t)conv->out, sizeof *values, &values));
    for (int p = 0; !device_is_dry(trial->device) && p < conv->n * conv->height * conv->width;
         p += data->step) {
        int n = p / conv->width / conv->height, y = p / conv->width % conv->height;
        TRY(reference_conv_pixel(conv, n, y, p % conv->width, values));
        for (int o = 0; o < conv->out; o++)
            data->want[(size_t)p * conv->out + o] = (float)values[o];
    }
out:
    return status;
}

static double work_of(const struct reference_conv *conv)
{
    return 9.0 * conv->n * conv->height * conv->width * conv->out * (conv->c1 + conv->c2);
}

static enum clat_status make_data(struct trial *trial, const struct layer *l, struct data *data)
{
    enum clat_status status;
    data->conv = (struct reference_conv){.n = l->n,
        .h = l->h,
        .w = l->w,
        .c1 = l->c1,
        .c2 = l->c2,
        .out = l->out,
        .stride = l->stride,
        .pad = pad_of(l),
        .upsample = l->flags & UP,
        .silu = l->flags & SILU,
        .height = output_size(l, l->h),
        .width = output_size(l, l->w)};
    data->step = 2 * (int)(work_of(&data->conv) / trial_work(trial, REFERENCE_WORK) / 2) + 1;
    TRY(make_inputs(trial, l, data));
    TRY(trial_output(
        trial, l->n, data->conv.height, data->conv.width, l->out, &data->y, &data->want));
out:
    return status;
}

static enum clat_status run_variant(
    struct trial *trial, const struct data *data, enum conv_variant variant)
{
    enum clat_status status;
    const struct reference_conv *conv = &data->conv;
    struct conv layer = {0};
    struct conv_call call = {.x = &data->x,
        .x2 = conv->c2 ? &data->x2 : NULL,
        .fold = conv->fold ? &data->fold : NULL,
        .silu = conv->silu,
        .upsample = conv->upsample,
        .time = conv->time ? &data->time : NULL,
        .residual = conv->residual ? &data->residual : NULL,
        .y = &data->y};
    TRY(conv_load_as(trial->device, variant, conv->weight, conv->bias, conv->out,
        conv->c1 + conv->c2, conv->stride, conv->pad, &layer));
    TRY(op_conv(&trial->pool, &layer, &call));
out:
    conv_free(trial->device, &layer);
    return status;
}

/* An error of 16-bit factors is small beside those of many products, not beside one. */
static bool is_few(const struct layer *l, enum conv_variant variant)
{
    return variant == CONV_UNIT && 9 * (l->c1 + l->c2) < 16;
}

static bool is_portable(enum conv_variant variant)
{
    return variant == CONV_PLAIN || variant == CONV_TILED || variant == CONV_WINOGRAD_GROUPS ||
           variant == CONV_NARROW_GROUPS;
}

static double limit_of(enum conv_variant variant)
{
    if (variant == CONV_MATRIX)
        return 4e-5; /* beside rounded factors, some of which round the other way in double */
    return variant == CONV_WINOGRAD || variant == CONV_WINOGRAD_FUSED ||
                   variant == CONV_WINOGRAD_GROUPS || variant == CONV_UNIT
               ? 8e-6
               : 4e-6;
}

static enum clat_status judge_variant(
    struct trial *trial, const struct data *data, enum conv_variant variant, bool outliers)
{
    enum clat_status status;
    const struct reference_conv *conv = &data->conv;
    char name[48];
    snprintf(name, sizeof name, "%s%s", conv_engine(variant)->name,
        device_stores_half(trial->device) ? ", half weights" : "");
    struct verdict verdict = {
        "conv 3x3", name, limit_of(variant), &data->y, data->want, data->step};
    TRY(trial_prepare(trial, &data->y));
    TRY(trial_judge(trial, run_variant(trial, data, variant), &verdict,
        "%dx%dx%d, %d+%d -> %d%s%s%s%s%s%s%s", conv->n, conv->h, conv->w, conv->c1, conv->c2,
        conv->out, conv->stride == 2 ? ", stride 2" : "", conv->upsample ? ", up" : "",
        conv->fold ? ", norm" : "", conv->silu ? ", SiLU" : "", conv->time ? ", time" : "",
        conv->residual ? ", residual" : "", outliers ? ", outliers" : ""));
out:
    return status;
}

static size_t weights_of(const struct reference_conv *conv)
{
    return (size_t)9 * conv->out * (conv->c1 + conv->c2);
}

/* What a unit of a GPU's sub-groups makes of its factors */
typedef float rounding(float);
static rounding *unit_rounding(const struct device *device)
{
    return device_facts(device)->unit.bf16 ? reference_bf16 : reference_half;
}

/* Last, since it rounds the layer: on the unit of a GPU's sub-groups. */
static enum clat_status check_matrix(struct trial *trial, const struct layer *l, struct data *data)
{
    enum clat_status status = CLAT_OK;
    rounding *round = unit_rounding(trial->device);
    if (device_stores_half(trial->device) ||
        !conv_can(trial->device, CONV_MATRIX, l->out, l->stride))
        return CLAT_OK;
    reference_round(data->weight, weights_of(&data->conv), round);
    data->conv.rounded = round;
    TRY(make_want(trial, data));
    TRY(judge_variant(trial, data, CONV_MATRIX, l->flags & OUTLIERS));
out:
    return status;
}

enum clat_status selftest_conv_call(struct trial *trial, const void *row)
{
    enum clat_status status;
    const int *given = ((const struct op_call *)row)->numbers;
    enum conv_variant variant = (enum conv_variant)given[13];
    struct layer layer = {given[3], given[4], given[5], given[0], given[1], given[2], given[6],
        (given[7] ? 0 : AFTER) | (given[8] ? FOLD : 0) | (given[9] ? SILU : 0) |
            (given[10] ? UP : 0) | (given[11] ? TIME : 0) | (given[12] ? RESIDUAL : 0)};
    struct data data = {.step = 1};
    TRY(make_data(trial, &layer, &data));
    if (device_stores_half(trial->device))
        reference_round(data.weight, weights_of(&data.conv), reference_half);
    if (variant == CONV_MATRIX) {
        data.conv.rounded = unit_rounding(trial->device);
        reference_round(data.weight, weights_of(&data.conv), data.conv.rounded);
    }
    TRY(make_want(trial, &data));
    TRY(judge_variant(trial, &data, variant, false));
out:
    return status;
}

static enum clat_status check_layer(struct trial *trial, const void *row)
{
    enum clat_status status;
    const struct layer *l = row;
    struct data data = {.step = 1};
    TRY(make_data(trial, l, &data));
    if (device_stores_half(trial->device))
        reference_round(data.weight, weights_of(&data.conv), reference_half);
    TRY(make_want(trial, &data));
    for (int variant = 0; variant < CONV_VARIANTS; variant++) {
        bool portable = is_portable((enum conv_variant)variant);
        if (!conv_can(trial->device, (enum conv_variant)variant, l->out, l->stride) ||
            variant == CONV_MATRIX || (!portable && !trial->has_cpu_shape) ||
            is_few(l, (enum conv_variant)variant) ||
            (portable && trial->has_cpu_shape && work_of(&data.conv) > PORTABLE_WORK))
            continue;
        trial_shape(trial, !portable);
        TRY(judge_variant(trial, &data, (enum conv_variant)variant, l->flags & OUTLIERS));
    }
    TRY(check_matrix(trial, l, &data));
out:
    return status;
}

enum clat_status selftest_conv(struct trial *trial)
{
    enum clat_status status = CLAT_OK;
    device_allow_matrix_unit(trial->device, true);
    for (int half = 0; half <= 1; half++) {
        device_store_half(trial->device, half);
        TRY(trial_rows(
            trial, check_layer, layers, sizeof layers / sizeof layers[0], sizeof layers[0]));
    }
out:
    device_allow_matrix_unit(trial->device, false);
    device_store_half(trial->device, false);
    return status;
}
