/* odd_plugin.c - a plugin that does wrong what its option says; plugin_loader.c expects each fault
 * to be caught. SPDX-License-Identifier: MIT */
#include <clatent-scheduler.h>
#include <math.h>

struct options {
    int fault;
};

enum {
    NONE,
    NO_STEPS,
    TOO_MANY,
    NAN_TIMESTEP,
    NAN_SIGMA,
    PLAN_CODE,
    RUN_CODE,
    NAN_ASKED,
    NAN_LEFT,
    NO_WORK,
    ENDLESS,
    WRONG_STEP,
    EARLY_NETWORK,
    EARLY_NOISE,
    EARLY_PATH,
    NO_LENGTH,
    BELOW_ZERO,
    PAST_THE_END,
    BEFORE_THE_START,
    OWN_REASON,
    DEAF
};
static const char *const faults[] = {"none", "no_steps", "too_many", "nan_timestep", "nan_sigma",
    "plan_code", "run_code", "nan_asked", "nan_left", "no_work", "endless", "wrong_step",
    "early_network", "early_noise", "early_path", "no_length", "below_zero", "past_the_end",
    "before_the_start", "own_reason", "deaf", NULL};

static const struct clat_option options[] = {{"fault", CLAT_CHOICE, offsetof(struct options, fault),
                                                 "none", 0, 0, faults, "what goes wrong"},
    {NULL}};

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    int fault = ((const struct options *)run->options)->fault;
    plan->count = fault == NO_STEPS ? 0 : fault == TOO_MANY ? plan->capacity + 1 : 1;
    plan->evaluations = 1;
    plan->timesteps[0] = fault == NAN_TIMESTEP ? (double)NAN : 999;
    plan->signal[0] = 1;
    plan->init_noise_sigma = fault == NAN_SIGMA ? NAN : 1;
    if (fault == EARLY_NETWORK)
        return run->evaluate(run, NULL, 1, 0, NULL);
    if (fault == EARLY_NOISE)
        return run->noise(run, NULL);
    if (fault == EARLY_PATH)
        return run->brownian(run, 1, 2, NULL);
    if (fault == PAST_THE_END || fault == BEFORE_THE_START)
        plan->first = fault == PAST_THE_END ? 2 : -2;
    return fault == PLAN_CODE ? 1234 : 0;
}

static int sample(struct clat_run *run)
{
    int fault = ((const struct options *)run->options)->fault;
    float *output = run->scratch(run, run->images * run->elements);
    if (!output)
        return run->fail(run, "no memory");
    if (run->scratch(run, (size_t)-1 / 2))
        return run->fail(run, "half of all memory was given");
    if (fault == NO_WORK)
        return 0;
    if (fault == NO_LENGTH || fault == BELOW_ZERO)
        return run->brownian(run, fault == NO_LENGTH ? 1 : -1, 1, output);
    if (fault == OWN_REASON)
        return run->fail(run, "it is Sunday");
    if (fault == WRONG_STEP)
        return run->step_done(run, 1, run->sample);
    for (int i = 0; fault == ENDLESS && i < 1000; i++)
        run->evaluate(run, run->sample, 1, 999, output);
    if (fault == DEAF) { /* does not look at what the host returns */
        run->evaluate(run, run->sample, 1, 999, output);
        run->step_done(run, 0, run->sample);
        return 0;
    }
    int code = run->evaluate(run, run->sample, 1, fault == NAN_ASKED ? (double)NAN : 999, output);
    if (fault == NAN_LEFT)
        run->sample[run->elements] = NAN;
    return code ? code : fault == RUN_CODE ? -1 : run->step_done(run, 0, run->sample);
}

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "odd",
    .title = "goes wrong on request",
    .source = "tests/odd_plugin.c",
    .version = "1",
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
