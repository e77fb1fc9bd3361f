/* golden_real.c - the published weights: pictures whose corners the reference's own tests state.
 * SPDX-License-Identifier: MIT
 *
 * Run by `make check-real`; CLATENT_REAL_TEXT2IM names the folder of CompVis/ldm-text2im-large-256.
 * Each run's last channel, bottom right 3 x 3 pixels in 0..1, is compared with the values that
 * diffusers' tests expect, within their tolerance. */
#include "pipeline/pipeline.h"
#include "check.h"
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the runs ------------------------------------------------------------------------------- */

struct corner {
    const char *name;
    bool numpy; /* start latents of numpy's generator, else of the seed */
    int steps;
    float guidance, limit;
    float values[9];
    int seen;
};

static enum clat_status on_image(void *user, int index, uint64_t seed, const char *prompt,
    int height, int width, const float *rgb, int channels, int h, int w, const float *latents)
{
    struct corner *corner = user;
    (void)index, (void)seed, (void)prompt, (void)channels, (void)h, (void)w, (void)latents;
    for (int i = 0; i < 9; i++) {
        int y = height - 3 + i / 3, x = width - 3 + i % 3;
        float got = rgb[3 * (y * width + x) + 2];
        CHECK(fabsf(got - corner->values[i]) < corner->limit, "%s[%d] = %.5f, want %.5f",
            corner->name, i, (double)got, (double)corner->values[i]);
    }
    corner->seen++;
    return CLAT_OK;
}

static void check_corner(struct device *device, struct model *model, struct corner *corner)
{
    char *prompts[] = {"A painting of a squirrel eating a burger"};
    uint64_t seed = 0;
    char numpy[] = "numpy";
    struct job job = {.prompts = {prompts, 1},
        .precision = "f32",
        .num_inference_steps = corner->steps,
        .guidance_scale = corner->guidance,
        .seeds = &seed,
        .seed_count = 1,
        .batch_size = 1,
        .strength = 1,
        .rng = corner->numpy ? numpy : NULL};
    struct pipeline_events events = {.user = corner, .image = on_image};
    CHECK_OK(pipeline_run(device, model, &job, &events));
    CHECK(corner->seen == 1, "%s: %d images", corner->name, corner->seen);
}

int main(void)
{
    struct corner corners[] = {
        {"3 steps, scale 6", true, 3, 6, 1e-3f,
            {.51825f, .52850f, .52543f, .54258f, .52304f, .52569f, .54363f, .55276f, .56878f}, 0},
        {"20 steps, scale 6", false, 20, 6, 1e-2f,
            {.9256f, .9340f, .8933f, .9361f, .9113f, .8727f, .9122f, .8745f, .8099f}, 0},
        {"1 step, scale 1", false, 1, 1, 1e-2f,
            {.3163f, .8670f, .6465f, .1865f, .6291f, .5139f, .2824f, .3723f, .4344f}, 0}};
    const char *folder = getenv("CLATENT_REAL_TEXT2IM");
    if (folder && !*folder)
        folder = NULL;
    struct model *model;
    if (!folder)
        check_skip("CLATENT_REAL_TEXT2IM does not name the published model's folder");
    struct device *device = golden_device();
    golden_schedulers();
    if (CHECK_OK(model_open(folder, NULL, &model)))
        for (size_t i = 0; i < sizeof corners / sizeof *corners; i++)
            check_corner(device, model, &corners[i]);
    model_close(model);
    device_close(device);
    return check_result();
}
