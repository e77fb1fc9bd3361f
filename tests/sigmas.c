/* sigmas.c - curves of noise levels and what they are made of, against numpy, torch and diffusers.
 * SPDX-License-Identifier: MIT
 *
 * tests/tools/make_sigmas.py recorded the tensors; their names say what they are of. Then what must
 * hold without a reference, and what is refused. */
#include "sampling/sigmas.h"
#include "check.h"
#include "checkpoint/weights.h"
#include "golden.h"
#include "sampling/noise_schedule.h"
#include "sampling/rounding.h"
#include "sampling/sampler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CURVE_LIMIT 1e-13    /* relative; elementary functions differ in the last bits */
#define TIMESTEP_LIMIT 1e-11 /* of 1000 */

/* ---- against recorded numbers --------------------------------------------------------------- */

static void compare_doubles(
    const char *name, const double *got, const void *recorded, size_t count, double limit)
{
    const double *want = recorded;
    for (size_t i = 0; i < count; i++)
        if (!CHECK(fabs(got[i] - want[i]) <= limit * fmax(fabs(want[i]), 1e-300),
                "%s: entry %zu is %.17g, recorded %.17g", name, i, got[i], want[i]))
            return;
}

/* "karras/0.002/80.0/7" */
static void compare_curve(const struct weight *recorded)
{
    char curve[16];
    float low, high;
    int count, read = sscanf(recorded->name, "%15[^/]/%f/%f/%d", curve, &low, &high, &count);
    double got[64];
    if (!CHECK(read == 4 && count <= 64, "%s", recorded->name))
        return;
    if (strcmp(curve, "karras") == 0)
        sigmas_karras((double)low, (double)high, 7, count, got);
    else if (strcmp(curve, "exponential") == 0)
        sigmas_exponential((double)low, (double)high, count, got);
    else if (strcmp(curve, "beta") == 0)
        sigmas_beta((double)low, (double)high, count, got);
    else
        sigmas_lu(low, high, count, got);
    compare_doubles(recorded->name, got, recorded->data, (size_t)count, CURVE_LIMIT);
}

/* "flow/3.0/7" */
static void compare_flow(const struct weight *recorded)
{
    double shift, got[64];
    int count;
    if (!CHECK(sscanf(recorded->name, "flow/%lf/%d", &shift, &count) == 2, "%s", recorded->name))
        return;
    sigmas_flow(shift, 1000, count, got);
    compare_doubles(recorded->name, got, recorded->data, (size_t)count, CURVE_LIMIT);
}

/* "linspace_float/0.0/999.0/50": to the last bit */
static void compare_range(const struct weight *recorded)
{
    double start, end, doubles[64];
    float floats[64];
    char kind[16];
    int count,
        read = sscanf(recorded->name, "linspace_%15[^/]/%lf/%lf/%d", kind, &start, &end, &count);
    if (!CHECK(read == 4 && count <= 64, "%s", recorded->name))
        return;
    for (int i = 0; i < count; i++) {
        floats[i] = linspace_float((float)start, (float)end, count, i);
        doubles[i] = linspace_double(start, end, count, i);
    }
    bool single = strcmp(kind, "float") == 0;
    const void *got = single ? (const void *)floats : doubles;
    size_t size = (size_t)count * (single ? sizeof *floats : sizeof *doubles);
    CHECK(memcmp(got, recorded->data, size) == 0, "%s differs", recorded->name);
}

static void compare_logarithms(struct weights *file)
{
    const struct weight *x = golden_find(file, "log/x");
    const float *values = (const float *)(const void *)x->data;
    const float *want = golden_floats(file, "log/y");
    for (size_t i = 0; i < golden_count(x); i++) {
        float got = log_float(values[i]);
        CHECK(memcmp(&got, &want[i], sizeof got) == 0, "log(%a) is %a, numpy's %a",
            (double)values[i], (double)got, (double)want[i]);
    }
}

static void compare_timesteps(struct weights *file)
{
    const float *table = golden_floats(file, "table/table");
    const struct weight *sigmas = weights_find(file, "table/sigmas");
    const struct weight *want = weights_find(file, "table/timesteps");
    if (!CHECK(sigmas && want, "tables are recorded"))
        return;
    size_t count = golden_count(sigmas);
    double *got = malloc(count * sizeof *got);
    for (size_t i = 0; i < count; i++)
        got[i] = sigmas_timestep(table, 1000, ((const double *)(const void *)sigmas->data)[i]);
    compare_doubles("timesteps", got, want->data, count, TIMESTEP_LIMIT);
    free(got);
}

static void compare_recorded(void)
{
    struct weights *file = golden_open(check_data("goldens/schedulers/sigmas.safetensors"));
    for (size_t i = 0; i < weights_count(file); i++) {
        const struct weight *weight = weights_at(file, i);
        if (strncmp(weight->name, "flow/", 5) == 0)
            compare_flow(weight);
        else if (strncmp(weight->name, "linspace", 8) == 0)
            compare_range(weight);
        else if (strncmp(weight->name, "log/", 4) != 0 && strncmp(weight->name, "table/", 6) != 0)
            compare_curve(weight);
    }
    compare_logarithms(file);
    compare_timesteps(file);
    weights_close(file);
}

/* ---- what must hold ------------------------------------------------------------------------- */

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-12 * fabs(b);
}

static void curves_have_their_shape(void)
{
    enum { COUNT = 25 };
    const double low = 0.02, high = 30;
    double k[COUNT], e[COUNT], b[COUNT], f[COUNT];
    sigmas_karras(low, high, 7, COUNT, k);
    sigmas_exponential(low, high, COUNT, e);
    sigmas_beta(low, high, COUNT, b);
    sigmas_flow(1, 1000, COUNT, f);
    for (int i = 0; i < COUNT; i++) {
        int mirrored = COUNT - 1 - i;
        CHECK(near(pow(k[i], 1 / 7.) + pow(k[mirrored], 1 / 7.),
                  pow(low, 1 / 7.) + pow(high, 1 / 7.)),
            "karras: even in sigma^(1/7) at %d", i);
        CHECK(near(e[i] * e[mirrored], low * high), "exponential: even in log at %d", i);
        CHECK(near(b[i] + b[mirrored], low + high), "beta: symmetric at %d", i);
        CHECK(near(f[i], (COUNT - i) * (1 - 1 / 1000.) / COUNT), "flow: even at %d", i);
        CHECK(i == 0 || (k[i] < k[i - 1] && e[i] < e[i - 1] && b[i] < b[i - 1] && f[i] < f[i - 1]),
            "curves fall at %d", i);
    }
    CHECK(near(k[0], high) && near(e[0], high) && near(b[0], high), "curves start at the top");
    CHECK(near(k[COUNT - 1], low) && near(e[COUNT - 1], low) && near(b[COUNT - 1], low),
        "curves end at the bottom");
}

static void tables_invert(void)
{
    struct clat_schedule schedule = {.num_train_timesteps = 1000,
        .beta_start = 0.00085,
        .beta_end = 0.012,
        .beta_schedule = CLAT_SCALED_LINEAR,
        .rescale_betas_zero_snr = 1};
    float table[1000];
    sigmas_table(&schedule, table);
    CHECK(near((double)table[999], (double)sqrtf(0x1p24f - 1)), "zero SNR ends at alpha 2^-24");
    for (int t = 0; t < 1000; t++) {
        CHECK(sigmas_at(table, 1000, t) == (double)table[t], "an entry is itself at %d", t);
        CHECK(t == 0 || table[t] > table[t - 1], "tables rise at %d", t);
        CHECK(fabs(sigmas_timestep(table, 1000, (double)table[t]) - t) < 1e-3, "back at %d", t);
    }
    CHECK(sigmas_at(table, 1000, -3) == (double)table[0], "held below");
    CHECK(sigmas_at(table, 1000, 2000) == (double)table[999], "held above");
    CHECK(sigmas_timestep(table, 1000, 0) == 0, "sigma 0 is timestep 0");
    CHECK(sigmas_timestep(table, 1000, 1e9) == 999, "a huge sigma is the last timestep");
    CHECK(sigmas_timestep(table, 1, 5) == 0, "a table of one has timestep 0 alone");
}

/* ---- what is refused ------------------------------------------------------------------------ */

/* Plans `steps` steps of euler with settings "key", "value", ..., NULL. */
static enum clat_status plan(int steps, const char *const *pairs)
{
    struct settings user = {0};
    struct scheduler *scheduler = NULL;
    struct plan_request request = {steps, 1, false};
    struct plan_outline outline;
    for (; *pairs; pairs += 2)
        CHECK_OK(settings_set(&user, pairs[0], pairs[1], "job.yaml:7"));
    enum clat_status status = scheduler_open("euler", NULL, &user, &scheduler);
    if (status == CLAT_OK)
        status = scheduler_plan(scheduler, &request, &outline);
    scheduler_close(scheduler);
    settings_free(&user);
    return status;
}
#define PLAN(steps, ...) plan(steps, (const char *const[]){__VA_ARGS__, NULL})
#define REFUSED(steps, words, ...) CHECK_FAILS(PLAN(steps, __VA_ARGS__), CLAT_ERROR_USAGE, words)

static void impossible_levels_are_refused(void)
{
    REFUSED(9, "only one of", "use_karras_sigmas", "true", "use_beta_sigmas", "true");
    REFUSED(9, "leaves no room", "use_karras_sigmas", "true", "timesteps", "[9, 5, 1]");
    REFUSED(9, "leaves no room", "use_exponential_sigmas", "true", "sigmas", "[9, 0]");
    REFUSED(9, "only one of timesteps and sigmas", "timesteps", "[9, 1]", "sigmas", "[9, 0]");
    REFUSED(9, "timesteps must fall", "timesteps", "[5, 9]");
    REFUSED(9, "timesteps must fall", "timesteps", "[1000, 5]");
    REFUSED(9, "sigmas must", "sigmas", "[1]");
    REFUSED(9, "sigmas must", "sigmas", "[1, 1]");
    REFUSED(9, "sigmas must", "sigmas", "[1, 0, 0]");
    REFUSED(9, "sigma_min must be below", "sigma_min", "5", "sigma_max", "5");
    REFUSED(9, "sigmas do not fall", "sigma_min", "500", "use_karras_sigmas", "true");
    REFUSED(3, "sigmas do not fall", "num_train_timesteps", "1");
    REFUSED(11, "larger than", "timestep_spacing", "leading", "num_train_timesteps", "10");
    REFUSED(11, "larger than", "timestep_spacing", "trailing", "num_train_timesteps", "10");
    REFUSED(1000, "steps_offset", "timestep_spacing", "leading", "steps_offset", "1");
    REFUSED(9, "which have no sigma", "trained_betas", "[0.1, 1]");
    REFUSED(2, "which have no sigma", "trained_betas", "[0, 0.1]");
    REFUSED(9, "continuous", "timestep_type", "continuous", "prediction_type", "v_prediction",
        "timesteps", "[9, 1]");
}

static void extremes_are_planned(void)
{
    CHECK_OK(PLAN(1, "use_beta_sigmas", "true"));
    CHECK_OK(PLAN(1, "num_train_timesteps", "1"));
    CHECK_OK(PLAN(5000, "use_karras_sigmas", "true"));
    CHECK_OK(PLAN(1000, "timestep_spacing", "leading"));
    CHECK_OK(PLAN(994, "timestep_spacing", "trailing"));
    CHECK_OK(PLAN(1, "sigmas", "[14, 9, 7, 5, 4, 3, 2, 1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0]"));
}

int main(void)
{
    golden_schedulers();
    compare_recorded();
    curves_have_their_shape();
    tables_invert();
    impossible_levels_are_refused();
    extremes_are_planned();
    return check_result();
}
