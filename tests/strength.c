/* strength.c - every scheduler, started anywhere, ends at the picture that its network knows.
 * SPDX-License-Identifier: MIT
 *
 * The network knows one picture x0 and answers with the noise of whatever it sees; how much of both
 * there is, timestep and divisor say. What it is asked first must be x0 with the start noise. */
#include "check.h"
#include "golden.h"
#include "plugins/loader.h"
#include "sampling/noise.h"
#include "sampling/noise_schedule.h"
#include "sampling/sampler.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ELEMENTS 64
#define TRAIN 1000
#define STEPS 10
#define LIMIT 0.05 /* relative L2 distance: the last level may keep a little noise */

/* What a network was trained to see and to say. */
enum kind { BY_SPACE, FLOW, EDM };
static enum kind kind_of(const char *name)
{
    if (strcmp(name, "flow_match_euler") == 0)
        return FLOW;
    return strncmp(name, "edm_", 4) == 0 ? EDM : BY_SPACE;
}

struct oracle {
    const struct clat_plugin *plugin;
    enum kind kind;
    float x0[ELEMENTS], alphas[TRAIN];
    struct noise *noise;
    float epsilon[ELEMENTS]; /* the start noise */
    bool middle;             /* started from x0 and it */
    int evaluations, steps;  /* so far */
};

/* signal and noise of a sample at that timestep and divisor. */
static void level_of(
    const struct oracle *oracle, double divisor, double timestep, double *signal, double *noise)
{
    *signal = 1;
    if (oracle->kind == FLOW) {
        *noise = timestep / TRAIN;
        *signal = 1 - *noise;
    } else if (oracle->kind == EDM) {
        *noise = exp(4 * timestep);
    } else if (oracle->plugin->space == CLAT_SIGMA) {
        *noise = sqrt(divisor * divisor - 1);
    } else {
        double alpha = (double)oracle->alphas[(int)timestep];
        *signal = sqrt(alpha);
        *noise = sqrt(1 - alpha);
    }
}

/* What this kind of network says of a sample = signal x0 + noise epsilon. */
static double answer(
    const struct oracle *oracle, double signal, double noise, double sample, double x0)
{
    double epsilon = (sample - signal * x0) / noise;
    double data = 0.5, square = noise * noise + data * data;
    switch (oracle->kind) {
    case FLOW:
        return epsilon - x0;
    case EDM:
        return (x0 - data * data / square * sample) / (noise * data / sqrt(square));
    default:
        return epsilon;
    }
}

/* The first question of a run that starts in the middle. */
static void check_start(const struct oracle *oracle, const float *x, double signal, double noise)
{
    float want[ELEMENTS];
    for (int i = 0; i < ELEMENTS; i++)
        want[i] = (float)(signal * (double)oracle->x0[i] + noise * (double)oracle->epsilon[i]);
    check_near(oracle->plugin->name, x, want, ELEMENTS, 1e-5);
}

static enum clat_status evaluate(
    void *user, const float *sample, float divisor, double timestep, float *output)
{
    struct oracle *oracle = user;
    double signal, noise;
    level_of(oracle, (double)divisor, timestep, &signal, &noise);
    if (oracle->middle && !oracle->evaluations)
        check_start(oracle, sample, signal, noise);
    oracle->evaluations++;
    for (int i = 0; i < ELEMENTS; i++)
        output[i] = (float)answer(oracle, signal, noise, (double)sample[i], (double)oracle->x0[i]);
    return CLAT_OK;
}

static enum clat_status draw(void *user, float *values)
{
    noise_draw(((struct oracle *)user)->noise, values);
    return CLAT_OK;
}

static enum clat_status draw_path(void *user, double a, double b, float *values)
{
    noise_brownian(((struct oracle *)user)->noise, a, b, values);
    return CLAT_OK;
}

static enum clat_status count_step(void *user, int step, int steps, const float *sample)
{
    struct oracle *oracle = user;
    (void)sample;
    CHECK(step == oracle->steps && step < steps, "step %d of %d after %d", step, steps,
        oracle->steps);
    oracle->steps = step + 1;
    return CLAT_OK;
}

/* The schedule of Stable Diffusion for whoever has these options. */
static void set_model(struct settings *model)
{
    CHECK_OK(settings_set(model, "beta_start", "0.00085", "test"));
    CHECK_OK(settings_set(model, "beta_end", "0.012", "test"));
    CHECK_OK(settings_set(model, "beta_schedule", "scaled_linear", "test"));
    CHECK_OK(settings_set(model, "clip_sample", "false", "test"));
}

/* These take their steps from the share of the timesteps that strength leaves, all of them. */
static bool spreads(const struct clat_plugin *plugin)
{
    return strcmp(plugin->name, "lcm") == 0 || strcmp(plugin->name, "tcd") == 0;
}

static void start(const struct plan_outline *plan, struct oracle *oracle, float *x)
{
    float *e = oracle->epsilon;
    noise_draw(oracle->noise, e);
    for (int i = 0; i < ELEMENTS; i++)
        x[i] = oracle->middle ? plan->signal * oracle->x0[i] + plan->noise * e[i]
                              : plan->init_noise_sigma * e[i];
}

static void run(struct scheduler *scheduler, struct oracle *oracle, double strength)
{
    struct plan_request request = {.steps = STEPS, .strength = strength};
    struct plan_outline plan;
    struct sampler_host host = {oracle, evaluate, count_step, draw, draw_path};
    struct noise_source source = {.seeds = (uint64_t[]){4}, .images = 1, .elements = ELEMENTS};
    float x[ELEMENTS];
    char label[100];
    oracle->evaluations = oracle->steps = 0;
    oracle->middle = strength < 1;
    snprintf(label, sizeof label, "%s, strength %g", oracle->plugin->name, strength);
    CHECK_OK(noise_open(&source, 0, 1, &oracle->noise));
    if (CHECK_OK(scheduler_plan(scheduler, &request, &plan))) {
        start(&plan, oracle, x);
        CHECK_OK(scheduler_run(scheduler, &host, 1, ELEMENTS, x));
        int steps = spreads(oracle->plugin) ? STEPS : (int)(STEPS * strength);
        CHECK(oracle->steps == steps && plan.count - plan.first == steps,
            "%s: %d steps from %d of %d", label, oracle->steps, plan.first, plan.count);
        CHECK(oracle->evaluations <= plan.evaluations, "%s: %d evaluations", label,
            oracle->evaluations);
        check_near(label, x, oracle->x0, ELEMENTS, LIMIT);
    }
    noise_close(oracle->noise);
}

static void check_scheduler(const struct clat_plugin *plugin)
{
    static const double strengths[] = {1, 0.9, 0.8, 0.7, 0.5, 0.35, 0.2};
    struct settings model = {0};
    struct scheduler *scheduler = NULL;
    struct clat_schedule schedule = {.num_train_timesteps = TRAIN,
        .beta_start = 0.00085,
        .beta_end = 0.012,
        .beta_schedule = CLAT_SCALED_LINEAR};
    struct oracle oracle = {.plugin = plugin, .kind = kind_of(plugin->name)};
    noise_schedule_tools.alphas_cumprod(&schedule, oracle.alphas);
    check_random(oracle.x0, ELEMENTS, 1);
    set_model(&model);
    if (CHECK_OK(scheduler_open(plugin->name, &model, NULL, &scheduler)))
        for (size_t i = 0; i < sizeof strengths / sizeof *strengths; i++)
            run(scheduler, &oracle, strengths[i]);
    scheduler_close(scheduler);
    settings_free(&model);
}

int main(void)
{
    const struct plugin *plugins;
    size_t count, found = 0;
    golden_schedulers();
    if (!CHECK_OK(plugins_list(&plugins, &count)))
        return check_result();
    for (size_t i = 0; i < count; i++)
        if (plugins[i].scheduler && ++found)
            check_scheduler(plugins[i].scheduler);
    CHECK(found >= 20, "%zu schedulers", found);
    return check_result();
}
