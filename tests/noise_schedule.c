/* noise_schedule.c - the arithmetic that schedulers share, against diffusers on torch, bit for bit.
 * SPDX-License-Identifier: MIT
 *
 * tests/tools/make_noise_schedules.py recorded the tensors; their names say what they are of. */
#include "sampling/noise_schedule.h"
#include "check.h"
#include "checkpoint/weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct clat_tools *const tools = &noise_schedule_tools;

static int choice(const char *word, const char *const *choices)
{
    for (int i = 0; choices[i]; i++)
        if (strcmp(word, choices[i]) == 0)
            return i;
    return -1;
}

/* "alphas/scaled_linear/0.00085/0.012/1000/0" */
static void compare_alphas(const struct weight *recorded)
{
    static const char *const curves[] = {"linear", "scaled_linear", "squaredcos_cap_v2", NULL};
    struct clat_schedule s = {0};
    char curve[32];
    int read = sscanf(recorded->name, "alphas/%31[^/]/%lf/%lf/%d/%d", curve, &s.beta_start,
        &s.beta_end, &s.num_train_timesteps, &s.rescale_betas_zero_snr);
    s.beta_schedule = choice(curve, curves);
    size_t count = recorded->shape[0];
    if (!CHECK(read == 5 && s.num_train_timesteps == (int)count, "%s", recorded->name))
        return;
    float *alphas = malloc(count * sizeof *alphas);
    tools->alphas_cumprod(&s, alphas);
    /* Exact, save where the recorded numbers hang on a mathematical library: the cosine, and the
     * square roots of whole arrays before rescaling, of which 6 in 1000 are an ulp off there. */
    bool exact = s.beta_schedule != CLAT_SQUAREDCOS_CAP_V2 && !s.rescale_betas_zero_snr;
    double limit = exact ? 0 : 1e-6;
    check_near(recorded->name, alphas, (const float *)recorded->data, count, limit);
    CHECK(!s.rescale_betas_zero_snr || alphas[count - 1] == 0, "%s: the last alpha is %g",
        recorded->name, (double)alphas[count - 1]);
    free(alphas);
}

/* "timesteps/leading/1000/1/30" */
static void compare_timesteps(const struct weight *recorded)
{
    static const char *const spacings[] = {"leading", "trailing", "linspace", NULL};
    char spacing[32];
    int train, offset, steps;
    int read =
        sscanf(recorded->name, "timesteps/%31[^/]/%d/%d/%d", spacing, &train, &offset, &steps);
    const float *want = (const float *)recorded->data;
    if (!CHECK(read == 4 && recorded->shape[0] == (size_t)steps, "%s", recorded->name))
        return;
    double *got = malloc((size_t)steps * sizeof *got);
    tools->timesteps(choice(spacing, spacings), train, steps, offset, got);
    for (int i = 0; i < steps; i++)
        CHECK(got[i] == (double)want[i], "%s: timestep %d is %g, recorded %g", recorded->name, i,
            got[i], (double)want[i]);
    free(got);
}

static void trained_betas_are_taken_as_they_are(void)
{
    float alphas[3];
    const double betas[3] = {0.5, 0.25, 0.125};
    struct clat_schedule s = {.num_train_timesteps = 3, .trained_betas = {betas, 3}};
    tools->alphas_cumprod(&s, alphas);
    CHECK(alphas[0] == 0.5f && alphas[1] == 0.375f && alphas[2] == 0.328125f, "%g %g %g",
        (double)alphas[0], (double)alphas[1], (double)alphas[2]);
}

/* From x0 and epsilon to a sample, to what each kind of network says of it, and back. */
static void predictions_agree(void)
{
    enum { N = 64 };
    float x0[N], e[N], x[N], m[N], x0_found[N], e_found[N];
    const float alpha = 0.3f;
    check_random(x0, N, 1);
    check_random(e, N, 2);
    for (int i = 0; i < N; i++)
        x[i] = sqrtf(alpha) * x0[i] + sqrtf(1 - alpha) * e[i];
    for (int kind = CLAT_EPSILON; kind <= CLAT_V_PREDICTION; kind++) {
        for (int i = 0; i < N; i++)
            m[i] = kind == CLAT_EPSILON  ? e[i]
                   : kind == CLAT_SAMPLE ? x0[i]
                                         : sqrtf(alpha) * e[i] - sqrtf(1 - alpha) * x0[i];
        tools->predict(kind, alpha, N, x, m, x0_found, e_found);
        check_near("x0", x0_found, x0, N, 1e-6);
        check_near("epsilon", e_found, e, N, 1e-6);
    }
}

static void bounds_hold(void)
{
    float x[5] = {-3, -0.5f, 0, 2, 7}, scratch[5];
    tools->clip(2, 5, x);
    CHECK(x[0] == -2 && x[1] == -0.5f && x[3] == 2 && x[4] == 2, "clip: %g .. %g", (double)x[0],
        (double)x[4]);
    /* |x| sorted: 0 1 2 3 4; the quantile 0.875 lies at 3.5 */
    float y[5] = {-4, 1, 0, 3, -2};
    tools->threshold(0.875, 10, 5, y, scratch);
    CHECK(y[0] == -1 && y[3] == 3 / 3.5f && y[4] == -2 / 3.5f, "threshold: %g %g %g", (double)y[0],
        (double)y[3], (double)y[4]);
    float z[5] = {-4, 1, 0, 3, -2};
    tools->threshold(0.875, 2, 5, z, scratch);
    CHECK(z[0] == -1 && z[1] == 0.5f && z[3] == 1, "threshold, bounded: %g %g", (double)z[0],
        (double)z[1]);
    float w[3] = {-0.5f, 0.25f, 0};
    tools->threshold(0.5, 2, 3, w, scratch);
    CHECK(w[0] == -0.5f && w[1] == 0.25f, "values within 1 stay: %g", (double)w[0]);
}

int main(void)
{
    struct weights *recorded = NULL;
    int curves = 0, spacings = 0;
    CHECK_OK(
        weights_open_file(check_data("goldens/schedulers/noise_schedules.safetensors"), &recorded));
    for (size_t i = 0; recorded && i < weights_count(recorded); i++) {
        const struct weight *tensor = weights_at(recorded, i);
        bool alphas = strncmp(tensor->name, "alphas/", 7) == 0;
        *(alphas ? &curves : &spacings) += 1;
        alphas ? compare_alphas(tensor) : compare_timesteps(tensor);
    }
    CHECK(curves == 16 && spacings > 100, "%d curves, %d spacings", curves, spacings);
    weights_close(recorded);
    trained_betas_are_taken_as_they_are();
    predictions_agree();
    bounds_hold();
    return check_result();
}
