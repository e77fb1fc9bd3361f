/* golden_real.c - the published weights: pictures whose corners the reference's own tests state.
 * SPDX-License-Identifier: MIT
 *
 * Run by `make check-real`; CLATENT_REAL_TEXT2IM names the folder of CompVis/ldm-text2im-large-256.
 * Each run's last channel, bottom right 3 x 3 pixels in 0..1, is compared with the values that
 * diffusers' tests expect, within their tolerance. */
#include "formats/npy.h"
#include "pipeline/pipeline.h"
#include "check.h"
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATENTS (4 * 32 * 32)

/* ---- numpy.random.RandomState(0).standard_normal -------------------------------------------- */

struct mersenne {
    uint32_t state[624];
    int next;
};

static void mersenne_seed(struct mersenne *m, uint32_t seed)
{
    m->state[0] = seed;
    for (uint32_t i = 1; i < 624; i++)
        m->state[i] = 1812433253u * (m->state[i - 1] ^ (m->state[i - 1] >> 30)) + i;
    m->next = 624;
}

static uint32_t mersenne_word(struct mersenne *m)
{
    if (m->next == 624) {
        for (int i = 0; i < 624; i++) {
            uint32_t y = (m->state[i] & 0x80000000u) | (m->state[(i + 1) % 624] & 0x7fffffffu);
            m->state[i] = m->state[(i + 397) % 624] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
        }
        m->next = 0;
    }
    uint32_t y = m->state[m->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

/* Uniform in -1..1 with 53 bits. */
static double mersenne_uniform(struct mersenne *m)
{
    uint32_t high = mersenne_word(m) >> 5, low = mersenne_word(m) >> 6;
    return 2 * ((high * 67108864.0 + low) / 9007199254740992.0) - 1;
}

/* The polar method, two values at a time, the second one first. */
static void numpy_normal(uint32_t seed, float *values, size_t count)
{
    struct mersenne m;
    mersenne_seed(&m, seed);
    for (size_t i = 0; i < count; i += 2) {
        double x1, x2, r2;
        do {
            x1 = mersenne_uniform(&m);
            x2 = mersenne_uniform(&m);
            r2 = x1 * x1 + x2 * x2;
        } while (r2 >= 1 || r2 == 0);
        double f = sqrt(-2 * log(r2) / r2);
        values[i] = (float)(f * x2);
        values[i + 1] = (float)(f * x1);
    }
}

static void check_numpy_normal(void)
{
    static const float first[] = {
        1.76405235f, 0.40015721f, 0.97873798f, 2.2408932f, 1.86755799f, -0.97727788f};
    static float values[LATENTS];
    double sum = 0;
    numpy_normal(0, values, LATENTS);
    for (size_t i = 0; i < LATENTS; i++)
        sum += (double)values[i];
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        CHECK(fabsf(values[i] - first[i]) < 1e-7f, "[%zu] = %.9g", i, (double)values[i]);
    CHECK(fabs(sum - -109.071237) < 1e-4, "the sum is %.9g", sum);
}

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
    size_t shape[] = {1, 4, 32, 32};
    static float values[LATENTS];
    struct job job = {.prompts = prompts,
        .prompt_count = 1,
        .num_inference_steps = corner->steps,
        .guidance_scale = corner->guidance,
        .seeds = &seed,
        .seed_count = 1,
        .batch_size = 1};
    if (corner->numpy) {
        job.latents = strdup(check_scratch("numpy-latents.npy"));
        numpy_normal(0, values, LATENTS);
        CHECK_OK(npy_write(job.latents, values, 4, shape));
    }
    struct pipeline_events events = {.user = corner, .image = on_image};
    CHECK_OK(pipeline_run(device, model, &job, &events));
    CHECK(corner->seen == 1, "%s: %d images", corner->name, corner->seen);
    free(job.latents);
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
    check_numpy_normal();
    if (!folder && check_result() != 0)
        return 1;
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
