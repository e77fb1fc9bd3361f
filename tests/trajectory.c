/* trajectory.c - replaying recorded runs of schedulers. SPDX-License-Identifier: MIT */
#include "trajectory.h"
#include "check.h"
#include "checkpoint/weights.h"
#include "formats/json.h"
#include "golden.h"
#include "sampling/noise.h"
#include "sampling/sampler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED 11               /* of the recorded runs, */
#define SECTION_G "section_g" /* but for those in this file: */
#define SECTION_SEED 0
#define TIMESTEPS 1000. /* limits of timesteps are relative to it */

/* One case as recorded, and how far its replay is. */
struct replay {
    const struct expected *expected;
    const char *file, *label;
    const double *timesteps;       /* [calls] */
    const float *start, *x;        /* [elements], [calls][elements] or, if last_only, [elements] */
    bool last_only;                /* x is recorded after the last evaluation alone */
    int calls, evaluations, steps; /* recorded; done so far */
    size_t elements;
    struct noise *noise; /* the stream that the run was recorded with */
};

/* ---- comparing ------------------------------------------------------------------------------ */

/* The recorded sample at this point; NULL if there is none. */
static const float *recorded_sample(const struct replay *replay)
{
    int done = replay->evaluations;
    if (done == 0)
        return replay->start;
    if (replay->last_only)
        return done == replay->calls ? replay->x : NULL;
    return replay->x + (size_t)(done - 1) * replay->elements;
}

static bool compare(const struct replay *replay, const char *what, const float *got)
{
    char label[256];
    int done = replay->evaluations;
    const float *want = recorded_sample(replay);
    if (!want)
        return true;
    snprintf(label, sizeof label, "%s/%s: %s after %d of %d evaluations", replay->file,
        replay->label, what, done, replay->calls);
    if (replay->expected->limit > 0)
        return check_near(label, got, want, replay->elements, replay->expected->limit);
    size_t i = 0;
    while (i < replay->elements && memcmp(&got[i], &want[i], sizeof *got) == 0)
        i++;
    if (i == replay->elements)
        return CHECK(true, "%s", label);
    return CHECK(
        false, "%s: value %zu is %a, recorded %a", label, i, (double)got[i], (double)want[i]);
}

/* The network: sees the sample scaled and the timestep, both as recorded. */
static enum clat_status toy_network(
    void *user, const float *sample, float divisor, double timestep, float *output)
{
    struct replay *replay = user;
    if (!CHECK(replay->evaluations < replay->calls, "%s/%s: more than %d evaluations", replay->file,
            replay->label, replay->calls))
        return CLAT_CANCELLED;
    double want = replay->timesteps[replay->evaluations];
    bool same = CHECK(fabs(timestep - want) <= replay->expected->limit * TIMESTEPS,
        "%s/%s: evaluation %d at timestep %.9g, recorded %.9g", replay->file, replay->label,
        replay->evaluations, timestep, want);
    if (!compare(replay, "input", sample) || !same)
        return CLAT_CANCELLED;
    float shift = (float)(0.0004 * timestep - 0.1);
    for (size_t i = 0; i < replay->elements; i++) {
        float scaled = sample[i] / divisor * 0.2f;
        output[i] = scaled + shift;
    }
    replay->evaluations++;
    return CLAT_OK;
}

static enum clat_status step_done(void *user, int step, int steps, const float *sample)
{
    struct replay *replay = user;
    (void)step, (void)steps;
    replay->steps++;
    return compare(replay, "sample", sample) ? CLAT_OK : CLAT_CANCELLED;
}

static enum clat_status draw_noise(void *user, float *values)
{
    noise_draw(((struct replay *)user)->noise, values);
    return CLAT_OK;
}

/* Recorded runs took a fresh draw for every increment of a Brownian path. */
static enum clat_status draw_increment(void *user, double a, double b, float *values)
{
    (void)a, (void)b;
    return draw_noise(user, values);
}

/* The recorded start is the first draw of the stream times init_noise_sigma; where a run starts in
 * the middle, it is the draw itself. */
static void check_start(const struct replay *replay, float sigma)
{
    float *noise = malloc(replay->elements * sizeof *noise);
    noise_draw(replay->noise, noise);
    for (size_t i = 0; i < replay->elements; i++)
        noise[i] *= sigma;
    compare(replay, "start", noise);
    free(noise);
}

/* Where recorded: the levels that an image is brought to where a run starts in the middle. */
static void check_levels(
    const struct replay *replay, const struct json_t *facts, const struct plan_outline *plan)
{
    double signal, noise;
    if (json_as_number(json_member(facts, "signal"), &signal) &&
        json_as_number(json_member(facts, "noise"), &noise))
        CHECK((double)plan->signal == signal && (double)plan->noise == noise,
            "%s/%s: starts at signal %.9g and noise %.9g, recorded %.9g and %.9g", replay->file,
            replay->label, (double)plan->signal, (double)plan->noise, signal, noise);
}

/* ---- one case ------------------------------------------------------------------------------- */

static void add_all(struct settings *settings, const struct json_t *object)
{
    void *place = NULL;
    const char *key;
    const struct json_t *value;
    while (json_next(object, &place, &key, &value)) {
        char *text = NULL;
        CHECK_OK(json_text(value, &text));
        CHECK_OK(settings_set(settings, key, text, "recorded"));
        free(text);
    }
}

static void run_case(struct replay *replay, const struct json_t *facts, struct scheduler *scheduler)
{
    long long steps = 0;
    double strength = 1;
    struct plan_outline plan;
    float *sample = malloc(replay->elements * sizeof *sample);
    struct sampler_host host = {replay, toy_network, step_done, draw_noise, draw_increment};
    json_as_integer(json_member(facts, "n"), &steps);
    bool middle = json_as_number(json_member(facts, "strength"), &strength);
    bool compat = replay->expected->compat;
    json_as_boolean(json_member(facts, "compat"), &compat);
    struct plan_request request = {(int)steps, strength, compat};
    memcpy(sample, replay->start, replay->elements * sizeof *sample);
    if (CHECK_OK(scheduler_plan(scheduler, &request, &plan))) {
        check_start(replay, middle ? 1 : plan.init_noise_sigma);
        CHECK(middle || plan.evaluations == replay->calls,
            "%s/%s: %d evaluations planned, recorded %d", replay->file, replay->label,
            plan.evaluations, replay->calls);
        check_levels(replay, facts, &plan);
        if (CHECK_OK(scheduler_run(scheduler, &host, 1, replay->elements, sample))) {
            CHECK(replay->evaluations == replay->calls, "%s/%s: %d evaluations, recorded %d",
                replay->file, replay->label, replay->evaluations, replay->calls);
            CHECK(replay->steps == plan.count - plan.first, "%s/%s: %d steps", replay->file,
                replay->label, replay->steps);
            compare(replay, "result", sample);
        }
    }
    free(sample);
}

static const struct weight *recorded(
    const struct weights *file, const struct replay *replay, const char *part)
{
    char name[128];
    snprintf(name, sizeof name, "%s/%s", replay->label, part);
    const struct weight *weight = weights_find(file, name);
    if (!CHECK(weight, "%s: %s is not recorded", replay->file, name))
        exit(check_result());
    return weight;
}

/* Options are given as a user's: one that the plugin does not know is refused. Those of section_g
 * are a model's scheduler_config.json, the same for all classes. */
static void replay_case(const struct weights *file, const struct expected *expected,
    const char *label, const struct json_t *facts)
{
    struct settings model = {0}, user = {0};
    struct scheduler *scheduler = NULL;
    bool shared = strcmp(expected->file, SECTION_G) == 0;
    struct replay replay = {.expected = expected, .file = expected->file, .label = label};
    const struct weight *start = recorded(file, &replay, "x0"), *x = recorded(file, &replay, "x");
    const struct weight *timesteps = recorded(file, &replay, "timesteps");
    replay.timesteps = (const double *)(const void *)timesteps->data;
    replay.start = (const float *)(const void *)start->data;
    replay.x = (const float *)(const void *)x->data;
    replay.calls = (int)timesteps->shape[0];
    replay.last_only = x->shape[0] < timesteps->shape[0];
    replay.elements = golden_count(start);
    uint64_t seed = shared ? SECTION_SEED : SEED;
    struct noise_source source = {.seeds = &seed, .images = 1, .elements = replay.elements};
    CHECK_OK(noise_open(&source, 0, 1, &replay.noise));
    add_all(shared ? &model : &user, json_member(facts, "config"));
    add_all(&user, json_member(facts, "step"));
    const char *class_name = json_as_string(json_member(facts, "cls"));
    if (CHECK_OK(scheduler_open(class_name, &model, &user, &scheduler)))
        run_case(&replay, facts, scheduler);
    scheduler_close(scheduler);
    settings_free(&model);
    settings_free(&user);
    noise_close(replay.noise);
}

/* ---- files ---------------------------------------------------------------------------------- */

/* The row about a case: that with its label, else the one without. */
static const struct expected *row_of(
    const struct expected *table, size_t count, const char *file, const char *label)
{
    const struct expected *general = NULL;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].file, file) != 0)
            continue;
        if (!table[i].label)
            general = &table[i];
        else if (strcmp(table[i].label, label) == 0)
            return &table[i];
    }
    return general;
}

static void replay_file(const struct expected *table, size_t count, const char *stem)
{
    char name[128];
    struct weights *file = NULL;
    struct json *cases = NULL;
    snprintf(name, sizeof name, "goldens/schedulers/%s.safetensors", stem);
    CHECK_OK(weights_open_file(check_data(name), &file));
    snprintf(name, sizeof name, "goldens/schedulers/%s.json", stem);
    CHECK_OK(json_open(check_data(name), 1 << 20, &cases));
    if (file && cases) {
        void *place = NULL;
        const char *label;
        const struct json_t *facts;
        while (json_next(json_member(json_root(cases), "cases"), &place, &label, &facts))
            replay_case(file, row_of(table, count, stem, label), label, facts);
    }
    json_close(cases);
    weights_close(file);
}

void trajectories_replay(const struct expected *table, size_t count)
{
    golden_schedulers();
    for (size_t i = 0; i < count; i++) {
        CHECK((table[i].limit > 0) == (table[i].reason != NULL), "%s: a limit needs its reason",
            table[i].file);
        if (!table[i].label)
            replay_file(table, count, table[i].file);
    }
}
