/* twin_plugin.c - two plugins with names and options of every kind, for scheduler_options.c.
 * SPDX-License-Identifier: MIT
 *
 * Built twice, with TWIN as "twin_one" and "twin_two": they share the alias "twin". */
#include <clatent-scheduler.h>
#include <math.h>

struct options {
    int use_karras_sigmas, use_beta_sigmas, level, kind;
    double ratio, bound;
    struct clat_reals numbers;
};

static const struct clat_option options[] = {
    {"use_karras_sigmas", CLAT_BOOL, offsetof(struct options, use_karras_sigmas), "false", 0, 0,
        NULL, "a curve"},
    {"use_beta_sigmas", CLAT_BOOL, offsetof(struct options, use_beta_sigmas), "true", 0, 0, NULL,
        "another curve"},
    {"level", CLAT_INT, offsetof(struct options, level), "3", 1, 9, NULL, "a whole number"},
    {"kind", CLAT_CHOICE, offsetof(struct options, kind), "plain", 0, 0,
        CLAT_CHOICES("plain", "fancy"), "a choice"},
    {"ratio", CLAT_REAL, offsetof(struct options, ratio), "null", 0, 1, NULL, "a number or null"},
    {"bound", CLAT_REAL, offsetof(struct options, bound), "-inf", -INFINITY, 0, NULL,
        "a number without lowest"},
    {"numbers", CLAT_REALS, offsetof(struct options, numbers), "null", -5, 5, NULL, "a list"},
    {NULL}};

static const struct clat_alias aliases[] = {
    {"twin", NULL},
    {TWIN "++ 2.Q", "level=2,numbers=[1,2]"},
    {TWIN " beta", "level=7"}, /* ends in a schedule, and is none */
    {TWIN " broken", "level=77"},
    {NULL, NULL},
};

static const struct clat_foreign foreign[] = {
    {"kind", "posh", "fancy"}, {"kind", "null", "plain"}, {NULL, NULL, NULL}};

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    (void)run;
    plan->timesteps[0] = 1;
    plan->signal[0] = 1;
    plan->count = plan->evaluations = 1;
    return 0;
}

static int sample(struct clat_run *run)
{
    return run->step_done(run, 0, run->sample);
}

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = TWIN,
    .title = "has a twin",
    .source = "tests/twin_plugin.c",
    .version = "1",
    .aliases = aliases,
    .foreign = foreign,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
