/* selftest_linear.c - linear layers: float and half weights, and CLBlast where it is built in.
 * SPDX-License-Identifier: MIT */
#include "ops/gemm.h"
#include "selftest/reference.h"
#include "selftest/trial.h"

#include <math.h>
#include <stdio.h>

#define LIMIT 1e-6
#define UNIT_LIMIT 8e-6 /* factors of 16 bits */
#define SUMS_LIMIT 2e-5 /* beside rounded factors: units may cut sums off where floats round */

/* in2 of the `in` columns come from a second tensor. Of a large product only some rows are
 * compared, an odd number apart. */
static const struct layer {
    int rows, in, out;
    enum activation activation;
    int in2;
    bool bias, residual;
    int images; /* that share the rows */
} layers[] = {
    {1, 1, 1, ACTIVATION_NONE, 0, false, false, 1},
    {2, 320, 1280, ACTIVATION_SILU, 0, true, false, 1},
    {5, 17, 31, ACTIVATION_QUICK_GELU, 5, true, true, 1},
    {13, 37, 10, ACTIVATION_GEGLU, 0, true, true, 1},
    {26, 2100, 40, ACTIVATION_NONE, 1000, true, true, 1}, /* more steps of k than a block has */
    {131, 101, 97, ACTIVATION_GELU, 50, true, true, 1},
    {1024, 4, 4, ACTIVATION_NONE, 0, true, false, 1},
    {154, 1280, 320, ACTIVATION_NONE, 0, false, false, 1},
    {128, 320, 1280, ACTIVATION_GEGLU, 0, true, false, 1},
    {512, 640, 640, ACTIVATION_NONE, 320, true, true, 1},
};

#define REFERENCE_WORK 1e9 /* multiply-adds of the reference for one layer, about */

struct data {
    struct tensor x, x2, residual, y;
    int step; /* of the rows that are compared */
    float *x_values, *weight, *bias, *added, *want;
};

/* x and x2 hold the columns of one matrix, as the reference wants it. */
static enum clat_status split_inputs(struct trial *trial, const struct layer *l, struct data *data)
{
    enum clat_status status;
    int c1 = l->in - l->in2;
    float *first, *second;
    TRY(trial_values(trial, (size_t)l->rows * l->in, 1, 0, &data->x_values));
    TRY(trial_input(trial, l->images, 1, l->rows / l->images, c1, 1, 0, &data->x, &first));
    TRY(trial_input(
        trial, l->images, 1, l->rows / l->images, l->in2 ? l->in2 : 1, 1, 0, &data->x2, &second));
    for (size_t r = 0; r < (size_t)l->rows; r++)
        for (int i = 0; i < l->in; i++)
            data->x_values[r * l->in + i] =
                i < c1 ? first[r * c1 + i] : second[r * l->in2 + i - c1];
out:
    return status;
}

static enum clat_status make_data(struct trial *trial, const struct layer *l, struct data *data)
{
    enum clat_status status;
    size_t rows = (size_t)l->out * (l->activation == ACTIVATION_GEGLU ? 2 : 1);
    data->step =
        2 * (int)((double)l->rows * (double)rows * l->in / trial_work(trial, REFERENCE_WORK) / 2) +
        1;
    TRY(split_inputs(trial, l, data));
    TRY(trial_values(trial, rows * l->in, 1 / sqrtf((float)l->in), 0, &data->weight));
    TRY(trial_values(trial, rows, 0.5f, 0, &data->bias));
    TRY(trial_input(
        trial, l->images, 1, l->rows / l->images, l->out, 1, 0, &data->residual, &data->added));
    TRY(trial_output(trial, l->images, 1, l->rows / l->images, l->out, &data->y, &data->want));
    if (device_stores_half(trial->device))
        reference_round(data->weight, rows * l->in, reference_half);
    if (gemm_matrix_suits(trial->device, l->out, l->in)) {
        bool bf16 = device_facts(trial->device)->unit.bf16;
        reference_round(data->weight, rows * l->in, bf16 ? reference_bf16 : reference_half);
        reference_round(
            data->x_values, (size_t)l->rows * l->in, bf16 ? reference_bf16 : reference_half);
    }
    for (size_t r = 0; !device_is_dry(trial->device) && r < (size_t)l->rows; r += data->step)
        reference_linear(data->x_values + r * l->in, 1, l->in, data->weight,
            l->bias ? data->bias : NULL, l->out, l->activation,
            l->residual ? data->added + r * l->out : NULL, data->want + r * l->out);
out:
    return status;
}

static enum clat_status run_layer(struct trial *trial, const struct layer *l, struct data *data)
{
    enum clat_status status;
    struct linear linear = {0};
    TRY(linear_load(trial->device, data->weight, l->bias ? data->bias : NULL, l->out, l->in,
        l->activation, &linear));
    TRY(op_linear(&trial->pool, &linear, &data->x, l->in2 ? &data->x2 : NULL,
        l->residual ? &data->residual : NULL, &data->y));
out:
    linear_free(trial->device, &linear);
    return status;
}

static enum clat_status check_layer(struct trial *trial, const void *row)
{
    static const char *const words[] = {"", ", SiLU", ", GELU", ", quick GELU", ", GEGLU"};
    enum clat_status status;
    const struct layer *l = row;
    struct data data;
    char variant[48];
    bool half = device_stores_half(trial->device);
    snprintf(variant, sizeof variant, "%s%s", trial->form, half ? ", half weights" : "");
    double limit = device_facts(trial->device)->matrix_unit          ? UNIT_LIMIT
                   : gemm_matrix_suits(trial->device, l->out, l->in) ? SUMS_LIMIT
                                                                     : LIMIT;
    struct verdict verdict = {"linear", variant, limit, &data.y, NULL, 0};
    TRY(make_data(trial, l, &data));
    verdict.want = data.want;
    verdict.step = data.step;
    TRY(trial_prepare(trial, &data.y));
    TRY(trial_judge(trial, run_layer(trial, l, &data), &verdict, "%d x %d -> %d%s%s%s", l->rows,
        l->in, l->out, words[l->activation], l->in2 ? ", two inputs" : "",
        l->residual ? ", residual" : ""));
out:
    return status;
}

enum clat_status selftest_linear_call(struct trial *trial, const void *row)
{
    const int *given = ((const struct op_call *)row)->numbers;
    const struct layer layer = {given[1], given[2], given[4], (enum activation)given[5], given[3],
        true, given[6], given[0]};
    return check_layer(trial, &layer);
}

static enum clat_status check_layers(struct trial *trial)
{
    return trial_rows(
        trial, check_layer, layers, sizeof layers / sizeof layers[0], sizeof layers[0]);
}

/* The engine in place of our own kernels; its kernels have no shape of ours. */
static enum clat_status check_clblast(struct trial *trial)
{
    enum clat_status status;
    enum gemm_engine engine = gemm_engine_of(trial->device);
    const char *form = trial->form;
    trial->form = "CLBlast";
    gemm_set_engine(trial->device, GEMM_CLBLAST);
    status = check_layers(trial);
    gemm_set_engine(trial->device, engine);
    trial->form = form;
    return status;
}

/* The matrix unit of a CPU, or that of a GPU's sub-groups, each for kernels of its shape. */
static enum clat_status check_unit(struct trial *trial)
{
    enum clat_status status = CLAT_OK;
    const char *form = trial->form;
    device_allow_matrix_unit(trial->device, true);
    if ((device_facts(trial->device)->is_cpu && device_facts(trial->device)->matrix_unit) ||
        gemm_matrix_can(trial->device)) {
        trial->form = "matrix unit";
        status = check_layers(trial);
    }
    trial->form = form;
    return status;
}

enum clat_status selftest_linear(struct trial *trial)
{
    enum clat_status status;
    bool cpu = device_facts(trial->device)->is_cpu;
    device_store_half(trial->device, false);
    TRY(check_unit(trial));
    device_allow_matrix_unit(trial->device, false);
    TRY(check_layers(trial));
    if (!cpu && gemm_clblast_check() == CLAT_OK)
        TRY(check_clblast(trial));
    device_store_half(trial->device, true);
    TRY(check_layers(trial));
out:
    device_store_half(trial->device, false);
    return status;
}
