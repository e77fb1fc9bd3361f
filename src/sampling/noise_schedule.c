/* noise_schedule.c - betas, cumulative alphas, timesteps, prediction types.
 * SPDX-License-Identifier: MIT
 *
 * Float32 in the order of torch: every product and sum is rounded by itself (the build turns
 * contraction off), except where torch's own kernel fuses, which is written as fmaf here. */
#include "sampling/noise_schedule.h"
#include "sampling/alphas.h"
#include "sampling/rounding.h"
#include "sampling/sigmas.h"

#include <math.h>
#include <stdlib.h>

#define PI 3.14159265358979323846

/* Cumulative alpha at t in 0..1 of the curves that are given by it: cosine (Nichol and Dhariwal
 * 2021, equation 17), exponential, Laplace (Hang et al. 2024: log SNR of Laplace's distribution).
 */
static double alpha_of_curve(int curve, double t)
{
    if (curve == CLAT_EXP)
        return exp(t * -12);
    if (curve == CLAT_LAPLACE) {
        double snr = exp(-0.5 * copysign(1, 0.5 - t) * log(1 - 2 * fabs(0.5 - t) + 1e-6));
        return sqrt(snr / (1 + snr));
    }
    double c = cos((t + 0.008) / 1.008 * PI / 2);
    return c * c;
}

/* Beta i of such a curve, at most 0.999. */
static float beta_of_curve(int curve, int count, int i)
{
    double next = (double)(i + 1) / count, here = (double)i / count;
    double beta = 1 - alpha_of_curve(curve, next) / alpha_of_curve(curve, here);
    return (float)(beta < 0.999 ? beta : 0.999);
}

static float beta_at(const struct clat_schedule *s, int count, int i)
{
    if (s->trained_betas.count)
        return (float)s->trained_betas.values[i];
    switch (s->beta_schedule) {
    case CLAT_SCALED_LINEAR: {
        float root = linspace_float((float)sqrt(s->beta_start), (float)sqrt(s->beta_end), count, i);
        return root * root;
    }
    case CLAT_SIGMOID: {
        float sigmoid = 1 / (1 + expf(-linspace_float(-6, 6, count, i)));
        return sigmoid * (float)(s->beta_end - s->beta_start) + (float)s->beta_start;
    }
    case CLAT_LINEAR:
        return linspace_float((float)s->beta_start, (float)s->beta_end, count, i);
    default:
        return beta_of_curve(s->beta_schedule, count, i);
    }
}

/* Products of float32 factors, accumulated in double, each rounded to float32. */
static void cumulative_product(float *values, int count)
{
    double product = 1;
    for (int i = 0; i < count; i++) {
        product *= (double)values[i];
        values[i] = (float)product;
    }
}

/* Lin et al. 2023, algorithm 1: sqrt(cumulative alpha) is shifted and scaled so that the last one
 * is 0 and the first stays. In: cumulative alphas. Out: the rescaled ones, through betas and back
 * as the reference does it. */
static void rescale_zero_snr(float *alphas, int count)
{
    for (int i = 0; i < count; i++)
        alphas[i] = sqrtf(alphas[i]);
    float first = alphas[0], last = alphas[count - 1];
    float scale = first / (first - last), before = 1;
    for (int i = 0; i < count; i++) {
        float root = (alphas[i] - last) * scale, bar = root * root;
        float alpha = i == 0 ? bar : bar / before;
        before = bar;
        alphas[i] = 1 - (1 - alpha);
    }
    cumulative_product(alphas, count);
}

static int train_timesteps(const struct clat_schedule *s)
{
    return s->trained_betas.count ? (int)s->trained_betas.count : s->num_train_timesteps;
}

static void alphas_cumprod(const struct clat_schedule *s, float *alphas)
{
    int count = train_timesteps(s);
    for (int i = 0; i < count; i++)
        alphas[i] = 1 - beta_at(s, count, i);
    cumulative_product(alphas, count);
    if (s->rescale_betas_zero_snr && count > 1)
        rescale_zero_snr(alphas, count);
}

/* Entry k of `steps` timesteps in falling order. rint rounds halves to even, as numpy does. */
static double timestep_at(int spacing, int train, int steps, int offset, int k)
{
    int rising = steps - 1 - k;
    if (spacing == CLAT_TRAILING)
        return rint(train + k * -((double)train / steps)) - 1;
    if (spacing == CLAT_LINSPACE)
        return steps == 1 ? 0 : rint(rising * ((double)(train - 1) / (steps - 1)));
    return (double)(train / steps) * rising + offset;
}

/* Where numpy's arange gives one trailing timestep too many (-1, for steps = 61, 103, ...), it is
 * left out: no model was trained at -1. */
static void timesteps(int spacing, int train, int steps, int offset, double *out)
{
    for (int k = 0; k < steps; k++)
        out[k] = timestep_at(spacing, train, steps, offset, k);
    if (spacing == CLAT_LINSPACE && steps > 1)
        out[0] = train - 1;
}

static void predict(
    int prediction, float alpha, size_t count, const float *x, const float *m, float *x0, float *e)
{
    float a = sqrtf(alpha), b = sqrtf(1 - alpha);
    for (size_t i = 0; i < count; i++) {
        if (prediction == CLAT_EPSILON) {
            x0[i] = (x[i] - b * m[i]) / a;
            e[i] = m[i];
        } else if (prediction == CLAT_SAMPLE) {
            x0[i] = m[i];
            e[i] = (x[i] - a * m[i]) / b;
        } else {
            x0[i] = a * x[i] - b * m[i];
            e[i] = a * m[i] + b * x[i];
        }
    }
}

static void clip(float range, size_t count, float *x0)
{
    for (size_t i = 0; i < count; i++)
        x0[i] = x0[i] < -range ? -range : x0[i] > range ? range : x0[i];
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The quantile of sorted values, linear between neighbours as torch.quantile. */
static float quantile(const float *sorted, size_t count, double ratio)
{
    double rank = (double)(float)ratio * (double)(count - 1);
    size_t below = (size_t)rank, above = below + 1 < count ? below + 1 : below;
    float weight = (float)(rank - (double)below);
    return fmaf(weight, sorted[above] - sorted[below], sorted[below]);
}

static void threshold(double ratio, double largest, size_t count, float *x0, float *scratch)
{
    for (size_t i = 0; i < count; i++)
        scratch[i] = fabsf(x0[i]);
    qsort(scratch, count, sizeof *scratch, compare_floats);
    float s = quantile(scratch, count, ratio);
    s = s < 1 ? 1 : s > (float)largest ? (float)largest : s;
    for (size_t i = 0; i < count; i++)
        x0[i] = (x0[i] < -s ? -s : x0[i] > s ? s : x0[i]) / s;
}

static void predict_sigma(
    int prediction, float sigma, size_t count, const float *x, const float *m, float *x0)
{
    float s2 = sigma * sigma + 1, c = -sigma / sqrtf(s2);
    for (size_t i = 0; i < count; i++) {
        if (prediction == CLAT_EPSILON)
            x0[i] = x[i] - sigma * m[i];
        else if (prediction == CLAT_SAMPLE)
            x0[i] = m[i];
        else
            x0[i] = m[i] * c + x[i] / s2;
    }
}

static void bound(
    const struct clat_run *run, const struct clat_bounds *bounds, float *x0, float *scratch)
{
    if (bounds->thresholding)
        for (size_t i = 0; i < run->images; i++)
            threshold(bounds->dynamic_thresholding_ratio, bounds->sample_max_value, run->elements,
                x0 + i * run->elements, scratch);
    else if (bounds->clip_sample)
        clip((float)bounds->clip_sample_range, run->images * run->elements, x0);
}

const struct clat_tools noise_schedule_tools = {
    .size = sizeof(struct clat_tools),
    .train_timesteps = train_timesteps,
    .level_of_alphas = level_of_alphas,
    .sigma_table = sigmas_table,
    .plan_sigmas = sigmas_plan,
    .sigma_curve = sigmas_follow,
    .plan_multistep = sigmas_plan_multistep,
    .timestep_of_sigma = sigmas_timestep,
    .timestep_of_sigma_float = sigmas_timestep_float,
    .predict_sigma = predict_sigma,
    .bound = bound,
    .alphas_cumprod = alphas_cumprod,
    .timesteps = timesteps,
    .predict = predict,
    .clip = clip,
    .threshold = threshold,
    .plan_alphas = plan_alphas,
    .plan_distilled = plan_distilled,
    .numpy_log = log_float,
};
