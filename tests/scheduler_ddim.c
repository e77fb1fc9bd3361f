/* scheduler_ddim.c - a scheduler's options and refusals, images of a batch, starts in the middle;
 * on the example of DDIM. SPDX-License-Identifier: MIT
 *
 * Its trajectories are in scheduler_vp.c. */
#include "check.h"
#include "plugins/loader.h"
#include "sampling/noise.h"
#include "sampling/sampler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Opens with one user setting and plans; returns the status of the first that fails. */
static enum clat_status try_setting(const char *key, const char *value, int steps)
{
    struct settings user = {0};
    struct scheduler *scheduler = NULL;
    struct plan_request request = {.steps = steps, .strength = 1};
    struct plan_outline outline;
    settings_set(&user, key, value, "job.yaml:7");
    enum clat_status status = scheduler_open("ddim", NULL, &user, &scheduler);
    if (status == CLAT_OK)
        status = scheduler_plan(scheduler, &request, &outline);
    scheduler_close(scheduler);
    settings_free(&user);
    return status;
}

static void wrong_options_are_refused(void)
{
    CHECK_FAILS(try_setting("etta", "0", 10), CLAT_ERROR_USAGE, "did you mean 'eta'");
    CHECK_FAILS(try_setting("eta", "2", 10), CLAT_ERROR_USAGE,
        "job.yaml:7: eta is '2', expected a "
        "number from 0 to 1");
    CHECK_FAILS(try_setting("eta", "nan", 10), CLAT_ERROR_USAGE, "expected a number");
    CHECK_FAILS(try_setting("clip_sample", "yes", 10), CLAT_ERROR_USAGE, "true or false");
    CHECK_FAILS(try_setting("timestep_spacing", "even", 10), CLAT_ERROR_USAGE,
        "one of leading, trailing, linspace");
    CHECK_FAILS(try_setting("trained_betas", "[0.1, x]", 1), CLAT_ERROR_USAGE, "list of numbers");
    CHECK_FAILS(try_setting("trained_betas", "[0.1, 0.2", 1), CLAT_ERROR_USAGE, "list of numbers");
    CHECK_FAILS(try_setting("trained_betas", "[0.1, 0.2]", 3), CLAT_ERROR_USAGE, "larger than");
    CHECK_OK(try_setting("trained_betas", "[0.1, 0.2]", 2));
    CHECK_FAILS(try_setting("steps_offset", "1", 1000), CLAT_ERROR_USAGE, "past the last one");
    CHECK_FAILS(try_setting("eta", "0", 1001), CLAT_ERROR_USAGE, "larger than num_train_timesteps");
    CHECK_FAILS(try_setting("eta", "0", 0), CLAT_ERROR_USAGE, "expected 1 or more");
    CHECK_OK(try_setting("timestep_spacing", "trailing", 61));
}

/* ---- images do not see each other ----------------------------------------------------------- */

struct quiet {
    size_t count;
    struct noise *noise;
};

static enum clat_status quiet_network(
    void *user, const float *sample, float divisor, double timestep, float *output)
{
    (void)divisor;
    const struct quiet *quiet = user;
    for (size_t i = 0; i < quiet->count; i++)
        output[i] = sample[i] * 0.2f + (float)(0.0004 * timestep - 0.1);
    return CLAT_OK;
}

static enum clat_status quiet_noise(void *user, float *values)
{
    noise_draw(((struct quiet *)user)->noise, values);
    return CLAT_OK;
}

/* Runs the images first .. first+count of three of 20 values with eta 1 from a start of zeros. */
static void run_images(size_t first, size_t count, float *sample)
{
    struct settings user = {0};
    struct scheduler *scheduler = NULL;
    struct noise_source source = {.seeds = (uint64_t[]){7, 8, 9}, .images = 3, .elements = 20};
    struct quiet quiet = {.count = count * 20};
    struct sampler_host host = {.user = &quiet, .evaluate = quiet_network, .noise = quiet_noise};
    struct plan_request request = {.steps = 5, .strength = 1};
    struct plan_outline outline;
    memset(sample, 0, count * 20 * sizeof *sample);
    CHECK_OK(noise_open(&source, first, count, &quiet.noise));
    CHECK_OK(settings_set(&user, "eta", "1", "test"));
    if (CHECK_OK(scheduler_open("ddim", NULL, &user, &scheduler)) &&
        CHECK_OK(scheduler_plan(scheduler, &request, &outline)))
        CHECK_OK(scheduler_run(scheduler, &host, count, 20, sample));
    scheduler_close(scheduler);
    noise_close(quiet.noise);
    settings_free(&user);
}

static void images_are_independent(void)
{
    float together[60], alone[20];
    run_images(0, 3, together);
    for (size_t i = 0; i < 3; i++) {
        run_images(i, 1, alone);
        CHECK(
            memcmp(alone, together + 20 * i, sizeof alone) == 0, "image %zu changes in a batch", i);
    }
}

/* ---- the middle of a run -------------------------------------------------------------------- */

static enum clat_status try_strength(int steps, double strength, struct plan_outline *outline)
{
    struct scheduler *scheduler = NULL;
    struct plan_request request = {.steps = steps, .strength = strength};
    enum clat_status status = scheduler_open("ddim", NULL, NULL, &scheduler);
    if (status == CLAT_OK)
        status = scheduler_plan(scheduler, &request, outline);
    scheduler_close(scheduler);
    return status;
}

/* As many steps are done as fit, by a product in double: 50 * 0.58 is a little less than 29. */
static void strength_is_a_share_of_the_steps(void)
{
    static const struct {
        int steps;
        double strength;
        int first;
    } rows[] = {{50, 1, 0}, {50, 0.8, 10}, {50, 0.58, 22}, {100, 0.29, 72}, {10, 0.1, 9}};
    struct plan_outline outline;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (CHECK_OK(try_strength(rows[i].steps, rows[i].strength, &outline)))
            CHECK(outline.first == rows[i].first, "row %zu: first step %d", i, outline.first);
    CHECK_FAILS(try_strength(10, 0, &outline), CLAT_ERROR_USAGE, "strength is 0, expected more");
    CHECK_FAILS(try_strength(10, 1.5, &outline), CLAT_ERROR_USAGE, "strength is 1.5, expected");
    CHECK_FAILS(try_strength(10, 0.05, &outline), CLAT_ERROR_USAGE,
        "a strength of 0.05 leaves none of 10 steps to do, expected a strength of at least 1/10");
}

/* ---- options from the model ----------------------------------------------------------------- */

static enum clat_status try_model(const char *key, const char *value, struct settings *effective)
{
    struct settings model = {0};
    struct scheduler *scheduler = NULL;
    settings_set(&model, "_class_name", "DDIMScheduler", "scheduler_config.json");
    settings_set(&model, key, value, "scheduler_config.json");
    enum clat_status status = scheduler_open(NULL, &model, NULL, &scheduler);
    if (status == CLAT_OK && effective)
        status = scheduler_effective(scheduler, effective);
    scheduler_close(scheduler);
    settings_free(&model);
    return status;
}

static void the_model_is_heard(void)
{
    struct settings effective = {0};
    CHECK_OK(try_model("skip_prk_steps", "true", NULL)); /* another class's: passed over */
    CHECK_FAILS(try_model("beta_end", "\"high\"", NULL), CLAT_ERROR_INPUT,
        "scheduler_config.json: beta_end is");
    CHECK_FAILS(try_model("prediction_type", "null", NULL), CLAT_ERROR_INPUT,
        "one of epsilon, sample, v_prediction");
    CHECK_OK(try_model("trained_betas", "null", NULL));
    CHECK_OK(try_model("steps_offset", "1", &effective));
    const struct setting *offset = settings_find(&effective, "steps_offset");
    const struct setting *eta = settings_find(&effective, "eta");
    CHECK(effective.count == 17, "%zu effective options", effective.count);
    CHECK(offset && strcmp(offset->value, "1") == 0, "what the model says is effective");
    CHECK(eta && strcmp(eta->value, "0") == 0, "defaults are effective too");
    settings_free(&effective);
}

static void names_are_resolved(void)
{
    const struct clat_plugin *plugin = NULL;
    CHECK_OK(plugins_find("DDIM", &plugin));
    CHECK_OK(plugins_find("ddimscheduler", &plugin));
    CHECK_FAILS(plugins_find("dimm", &plugin), CLAT_ERROR_NO_DEVICE, "did you mean 'ddim'");
    CHECK_FAILS(plugins_find("warp", &plugin), CLAT_ERROR_NO_DEVICE, "known: ddim");
}

int main(void)
{
    char directory[4096];
    const char *build = getenv("top_builddir");
    snprintf(directory, sizeof directory, "%s/schedulers/.libs", build ? build : ".");
    if (build)
        CHECK_OK(plugins_add_directory(directory));
    wrong_options_are_refused();
    images_are_independent();
    strength_is_a_share_of_the_steps();
    the_model_is_heard();
    names_are_resolved();
    return check_result();
}
