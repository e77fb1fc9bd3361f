/* scheduler_sde.c - what DPM-Solver SDE does with its Brownian path. SPDX-License-Identifier: MIT
 *
 * For data that is normal with spread D the network is known: e = sigma x / (sigma^2 + D^2). A
 * sampler of the stochastic equation must then end with that spread. The two increments of a step
 * overlap, and their correlation is the root of the share of the shorter one. */
#include "check.h"
#include "golden.h"
#include "sampling/noise.h"
#include "sampling/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ELEMENTS 6000
#define STEPS 20
#define SPREAD 1.5

struct increment {
    double a, b;
    float values[ELEMENTS];
};

struct gauss {
    struct noise *noise;
    bool independent; /* a fresh draw for every increment, instead of a path */
    int increments;
    struct increment *first; /* of the step */
};

static enum clat_status gauss_network(
    void *user, const float *sample, float divisor, double timestep, float *output)
{
    double variance = (double)divisor * (double)divisor - 1, sigma = sqrt(variance);
    (void)user, (void)timestep;
    for (int i = 0; i < ELEMENTS; i++)
        output[i] = (float)(sigma * (double)sample[i] / (variance + SPREAD * SPREAD));
    return CLAT_OK;
}

static double correlation(const float *x, const float *y)
{
    double xy = 0, xx = 0, yy = 0;
    for (int i = 0; i < ELEMENTS; i++) {
        xy += (double)x[i] * (double)y[i];
        xx += (double)x[i] * (double)x[i];
        yy += (double)y[i] * (double)y[i];
    }
    return xy / sqrt(xx * yy);
}

/* The second request of a step starts where the first did and goes further. */
static void compare_increments(struct gauss *gauss, double a, double b, const float *values)
{
    int step = gauss->increments / 2;
    struct increment *first = gauss->first;
    if (gauss->increments % 2 == 0) {
        first->a = a;
        first->b = b;
        memcpy(first->values, values, sizeof first->values);
    } else {
        CHECK(a == first->a && b < first->b && first->b < a, "step %d: %g..%g, then %g..%g", step,
            first->a, first->b, a, b);
        double share = (first->a - first->b) / (a - b), found = correlation(first->values, values);
        double want = gauss->independent ? 0 : sqrt(share);
        CHECK(fabs(found - want) < 0.04, "step %d: correlation %g, expected %g", step, found, want);
    }
    gauss->increments++;
}

static enum clat_status gauss_brownian(void *user, double a, double b, float *values)
{
    struct gauss *gauss = user;
    if (gauss->independent)
        noise_draw(gauss->noise, values);
    else
        noise_brownian(gauss->noise, a, b, values);
    compare_increments(gauss, a, b, values);
    return CLAT_OK;
}

static double spread(const float *x)
{
    double sum = 0;
    for (int i = 0; i < ELEMENTS; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum / ELEMENTS);
}

/* Samples from start noise; leaves them in `x`. */
static void run(uint64_t seed, bool independent, float *x)
{
    struct noise_source source = {.seeds = &seed, .images = 1, .elements = ELEMENTS};
    struct plan_request request = {STEPS, 1, false};
    struct plan_outline plan;
    struct settings user = {0};
    struct scheduler *scheduler = NULL;
    struct gauss gauss = {.independent = independent, .first = malloc(sizeof *gauss.first)};
    struct sampler_host host = {
        .user = &gauss, .evaluate = gauss_network, .brownian = gauss_brownian};
    CHECK_OK(noise_open(&source, 0, 1, &gauss.noise));
    CHECK_OK(settings_set(&user, "use_karras_sigmas", "true", "test"));
    if (CHECK_OK(scheduler_open("dpmsolver_sde", NULL, &user, &scheduler)) &&
        CHECK_OK(scheduler_plan(scheduler, &request, &plan))) {
        noise_draw(gauss.noise, x);
        for (int i = 0; i < ELEMENTS; i++)
            x[i] *= plan.init_noise_sigma;
        CHECK_OK(scheduler_run(scheduler, &host, 1, ELEMENTS, x));
        CHECK(gauss.increments == 2 * (STEPS - 1), "%d increments", gauss.increments);
    }
    scheduler_close(scheduler);
    settings_free(&user);
    noise_close(gauss.noise);
    free(gauss.first);
}

int main(void)
{
    float *x = malloc(3 * ELEMENTS * sizeof *x), *again = x + ELEMENTS, *other = again + ELEMENTS;
    golden_schedulers();
    run(7, false, x);
    run(7, false, again);
    run(8, false, other);
    CHECK(memcmp(x, again, ELEMENTS * sizeof *x) == 0, "a seed gives one result");
    CHECK(fabs(correlation(x, other)) < 0.04, "seeds give independent results");
    CHECK(fabs(spread(x) / SPREAD - 1) < 0.04, "spread %g, expected %g", spread(x), SPREAD);
    run(7, true, other);
    CHECK(spread(other) < 0.95 * SPREAD, "independent noise is another sampler: spread %g",
        spread(other));
    free(x);
    return check_result();
}
