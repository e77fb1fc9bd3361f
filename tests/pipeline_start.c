/* pipeline_start.c - what runs start from and whose noise they use, against diffusers: generators,
 * streams, the middle of a run, and the defects that compat keeps. SPDX-License-Identifier: MIT
 *
 * goldens/start.safetensors has the final latents of two images of one prompt (ten in one case), 5
 * steps, guidance 2, seeds 5 and 6 or a generator of seed 5 (tests/tools/make_start.py). */
#include "check.h"
#include "formats/npy.h"
#include "golden.h"
#include "pipeline/pipeline.h"

#include <stdlib.h>
#include <string.h>

#define ELEMENTS ((size_t)4 * 8 * 8)
#define STEPS 5
#define RUN_LIMIT 1e-4 /* relative L2 distance along a whole run */

static struct device *device;
static struct weights *goldens;

struct record {
    float latents[10 * ELEMENTS];
    int images, steps;
};

static enum clat_status on_image(void *user, int index, uint64_t seed, const char *prompt,
    int height, int width, const float *rgb, int channels, int h, int w, const float *latents)
{
    struct record *record = user;
    (void)seed, (void)prompt, (void)height, (void)width, (void)rgb, (void)channels, (void)h,
        (void)w;
    memcpy(record->latents + (size_t)index * ELEMENTS, latents, ELEMENTS * sizeof *latents);
    record->images++;
    return CLAT_OK;
}

static void on_step(void *user, int step, int steps, int first, int count, int total)
{
    struct record *record = user;
    (void)first, (void)count, (void)total;
    record->steps = steps;
    CHECK(step >= 1 && step <= steps, "step %d of %d", step, steps);
}

static enum clat_status run(const struct job *job, struct record *record)
{
    struct pipeline_events events = {.user = record, .step = on_step, .image = on_image};
    struct model *model;
    *record = (struct record){0};
    enum clat_status status = model_open(check_data("ldm-text2im-tiny"), NULL, &model);
    if (status == CLAT_OK)
        status = pipeline_run(device, model, job, &events);
    model_close(model);
    return status;
}

/* A run as recorded; what is not said is the default. */
struct row {
    const char *golden, *scheduler, *eta;
    const char *rng, *generator, *compat;
    double strength; /* 0: 1 */
    int images;      /* 0: 2 */
};
static const struct row rows[] = {
    {"batch.ddim", "ddim", "1", .generator = "batch"},
    {"batch10.ddim", "ddim", "1", .generator = "batch", .images = 10},
    {"image.ddim", "ddim", "1", .generator = "image"},
    {"image.euler_ancestral", "euler_ancestral", NULL, .generator = "image"},
    {"numpy.ddim", "ddim", "0", .rng = "numpy", .generator = "batch"},
    {"batch.euler", "euler", NULL, .generator = "batch"},
    {"batch.lms", "lms", NULL, .generator = "batch"},
    {"batch.heun", "heun", NULL, .generator = "batch"},
    {"diffusers.euler", "euler", NULL, .generator = "batch", .compat = "diffusers"},
    {"diffusers.lms", "lms", NULL, .generator = "batch", .compat = "diffusers"},
    {"diffusers.heun", "heun", NULL, .generator = "batch", .compat = "diffusers"},
    {"batch.ddim", "ddim", "1", .generator = "batch", .compat = "diffusers"},
    {"middle.ddim", "ddim", "1", .strength = 0.6},
    {"middle.euler", "euler", NULL, .strength = 0.6},
    {"middle.heun", "heun", NULL, .strength = 0.6},
};

static void run_row(const struct row *row, struct record *record)
{
    char *prompts[] = {strdup("castle")}, *latents = strdup(check_scratch("clean.npy"));
    uint64_t seed = 5;
    struct job job = {.prompts = {prompts, 1},
        .precision = "f32",
        .height = 64,
        .width = 64,
        .num_inference_steps = STEPS,
        .guidance_scale = 2,
        .strength = row->strength > 0 ? row->strength : 1,
        .seeds = &seed,
        .seed_count = 1,
        .batch_size = row->images ? row->images : 2,
        .scheduler = strdup(row->scheduler),
        .rng = row->rng ? strdup(row->rng) : NULL,
        .generator = row->generator ? strdup(row->generator) : NULL,
        .compat = row->compat ? strdup(row->compat) : NULL};
    if (row->eta)
        CHECK_OK(settings_set(&job.scheduler_options, "eta", row->eta, "test"));
    if (row->strength > 0) {
        job.latents = latents;
        CHECK_OK(npy_write(latents, golden_floats(goldens, "latents"), 4, (size_t[]){2, 4, 8, 8}));
    }
    CHECK_OK(run(&job, record));
    settings_free(&job.scheduler_options);
    free(job.scheduler);
    free(job.rng);
    free(job.generator);
    free(job.compat);
    free(latents);
    free(prompts[0]);
}

static void runs_are_as_recorded(void)
{
    static struct record record;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int images = rows[i].images ? rows[i].images : 2;
        run_row(&rows[i], &record);
        CHECK(record.images == images, "%s: %d images", rows[i].golden, record.images);
        CHECK(record.steps == (rows[i].strength > 0 ? 3 : STEPS), "%s: %d steps", rows[i].golden,
            record.steps);
        check_near(rows[i].golden, record.latents, golden_floats(goldens, rows[i].golden),
            (size_t)images * ELEMENTS, RUN_LIMIT);
    }
}

/* What diffusers forgets matters: its latents are far from those of the same scheduler and noise
 * with both scalings. */
static void defects_are_seen(void)
{
    static const char *const names[][2] = {{"diffusers.euler", "batch.euler"},
        {"diffusers.lms", "batch.lms"}, {"diffusers.heun", "batch.heun"}};
    for (size_t i = 0; i < 3; i++) {
        double distance = check_distance(
            golden_floats(goldens, names[i][0]), golden_floats(goldens, names[i][1]), 2 * ELEMENTS);
        CHECK(distance > 0.5, "%s: %g", names[i][0], distance);
    }
}

int main(void)
{
    device = golden_device();
    golden_schedulers();
    goldens = golden_open(check_data("goldens/start.safetensors"));
    runs_are_as_recorded();
    defects_are_seen();
    weights_close(goldens);
    return check_result();
}
