/* compat.c - what is scaled, as it is right and as diffusers' pipelines have it.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "golden.h"
#include "pipeline/run.h"
#include "sampling/denoiser.h"
#include "sampling/sampler.h"

#include <string.h>

/* ---- channels beside the sample ------------------------------------------------------------- */

/* Two images, guided, with 3 values of sample and 2 beside it, divided by 2. */
static void check_rows(bool unscaled, bool scaled_beside, const float want[20])
{
    static const float sample[] = {2, 4, 6, 20, 40, 60}, beside[] = {8, 10, 80, 100};
    float input[20];
    struct denoiser denoiser = {.images = 2,
        .rows = 4,
        .elements = 3,
        .beside_elements = 2,
        .beside = beside,
        .unscaled = unscaled,
        .scaled_beside = scaled_beside,
        .input = input};
    denoiser_fill(&denoiser, sample, 2);
    CHECK(memcmp(input, want, sizeof input) == 0, "unscaled %d, scaled_beside %d: %g %g %g %g %g",
        unscaled, scaled_beside, (double)input[0], (double)input[1], (double)input[2],
        (double)input[3], (double)input[4]);
}

static void the_sample_alone_is_scaled(void)
{
    static const float right[] = {
        1, 2, 3, 8, 10, 10, 20, 30, 80, 100, 1, 2, 3, 8, 10, 10, 20, 30, 80, 100};
    static const float text_to_image[] = {
        2, 4, 6, 8, 10, 20, 40, 60, 80, 100, 2, 4, 6, 8, 10, 20, 40, 60, 80, 100};
    static const float super_resolution[] = {
        1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 1, 2, 3, 4, 5, 10, 20, 30, 40, 50};
    check_rows(false, false, right);
    check_rows(true, false, text_to_image);
    check_rows(false, true, super_resolution);
}

/* ---- init_noise_sigma before any steps are planned ------------------------------------------ */

struct row {
    const char *scheduler, *option, *value;
    float training, planned; /* as diffusers has it before and after set_timesteps(10) */
};

static void check_sigma(const struct row *row)
{
    struct settings options = {0};
    struct scheduler *scheduler = NULL;
    struct plan_request request = {.steps = 10, .strength = 1};
    struct plan_outline plan = {0};
    float training = 0;
    CHECK_OK(settings_set(&options, "beta_start", "0.00085", "test"));
    CHECK_OK(settings_set(&options, "beta_end", "0.012", "test"));
    CHECK_OK(settings_set(&options, "beta_schedule", "scaled_linear", "test"));
    if (row->option)
        CHECK_OK(settings_set(&options, row->option, row->value, "test"));
    if (CHECK_OK(scheduler_open(row->scheduler, NULL, &options, &scheduler)) &&
        CHECK_OK(scheduler_plan(scheduler, &request, &plan)) &&
        CHECK_OK(scheduler_training_sigma(scheduler, &training))) {
        check_near(row->scheduler, &training, &row->training, 1, 1e-6);
        check_near(row->scheduler, &plan.init_noise_sigma, &row->planned, 1, 1e-6);
    }
    scheduler_close(scheduler);
    settings_free(&options);
}

static void the_whole_schedule_starts_higher(void)
{
    static const struct row rows[] = {{"euler", NULL, NULL, 14.6146469f, 14.6146469f},
        {"euler", "timestep_spacing", "leading", 14.648819f, 8.40629101f},
        {"lms", "timestep_spacing", "leading", 14.648819f, 8.40629101f},
        {"heun", "use_karras_sigmas", "true", 14.6146469f, 14.6146469f}, {"ddim", NULL, NULL, 1, 1},
        {"lcm", NULL, NULL, 1, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_sigma(&rows[i]);
}

/* ---- what each pipeline forgets ------------------------------------------------------------- */

/* Euler with leading timesteps, 10 steps: sigmas start at 8.35, the whole schedule's at 14.6. */
static void check_plan(enum task task, bool scaling_given, bool compat, const struct run *want)
{
    struct model model = {
        .task = task, .autoencoder = {.scaling_factor = 1, .scaling_given = scaling_given}};
    char diffusers[] = "diffusers", none[] = "none";
    struct job job = {.strength = 1, .compat = compat ? diffusers : none};
    struct run run = {.model = &model, .job = &job, .steps = 10};
    struct settings options = {0};
    CHECK_OK(settings_set(&options, "beta_start", "0.00085", "test"));
    CHECK_OK(settings_set(&options, "beta_end", "0.012", "test"));
    CHECK_OK(settings_set(&options, "beta_schedule", "scaled_linear", "test"));
    CHECK_OK(settings_set(&options, "timestep_spacing", "leading", "test"));
    if (CHECK_OK(scheduler_open("euler", NULL, &options, &run.scheduler)) &&
        CHECK_OK(run_plan(&run))) {
        CHECK(run.unscaled == want->unscaled && run.scaled_image == want->scaled_image,
            "task %d, compat %d: unscaled %d, scaled_image %d", (int)task, compat, run.unscaled,
            run.scaled_image);
        check_near("start_scale", &run.start_scale, &want->start_scale, 1, 1e-6);
        check_near("latents_scale", &run.latents_scale, &want->latents_scale, 1, 1e-6);
    }
    scheduler_close(run.scheduler);
    settings_free(&options);
}

static void pipelines_forget(void)
{
    const struct run right = {.start_scale = 8.40629101f, .latents_scale = 1};
    struct run text = {.start_scale = 1, .latents_scale = 1, .unscaled = true};
    struct run super = {.start_scale = 8.40629101f, .latents_scale = 1, .scaled_image = true};
    struct run plain = {.start_scale = 14.648819f, .latents_scale = 0.18215f};
    struct run scaled = {.start_scale = 14.648819f, .latents_scale = 1};
    for (int task = 0; task < TASKS; task++)
        check_plan((enum task)task, false, false, &right);
    check_plan(TASK_TEXT_TO_IMAGE, false, true, &text);
    check_plan(TASK_SUPER_RESOLUTION, false, true, &super);
    check_plan(TASK_UNCONDITIONAL, false, true, &plain);
    check_plan(TASK_UNCONDITIONAL, true, true, &scaled);
    check_plan(TASK_INPAINTING, false, true, &right);
}

int main(void)
{
    golden_schedulers();
    the_sample_alone_is_scaled();
    the_whole_schedule_starts_higher();
    pipelines_forget();
    return check_result();
}
