/* preview.c - colours of latents, and previews of the demo model that foretell its picture.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "clatent.h"
#include "pipeline/preview.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the fit -------------------------------------------------------------------------------- */

enum { CHANNELS = 4, PIXELS = 50 };

/* Colours that are linear in the latents are found again. */
static void test_fit(void)
{
    static const double map[3][CHANNELS + 1] = {
        {0.3, -0.2, 0.1, 0, 0.05}, {0, 0.4, 0, -0.3, 0}, {-0.1, 0.1, 0.2, 0.2, -0.2}};
    float latents[CHANNELS * PIXELS], rgb[3 * PIXELS], again[3 * PIXELS];
    struct colours colours;
    for (int i = 0; i < CHANNELS * PIXELS; i++)
        latents[i] = sinf(1.7f * (float)(i * i % 101));
    for (int p = 0; p < PIXELS; p++)
        for (int c = 0; c < 3; c++) {
            double sum = map[c][CHANNELS];
            for (int i = 0; i < CHANNELS; i++)
                sum += map[c][i] * (double)latents[i * PIXELS + p];
            rgb[3 * p + c] = (float)sum;
        }
    CHECK_OK(colours_fit(&colours, CHANNELS, PIXELS, latents, rgb));
    colours_apply(&colours, PIXELS, latents, again);
    for (int i = 0; i < 3 * PIXELS; i++) {
        float want = fminf(fmaxf(rgb[i] / 2 + 0.5f, 0), 1);
        CHECK(fabsf(again[i] - want) < 1e-4f, "%g, not %g", (double)again[i], (double)want);
    }
    colours_free(&colours);
    latents[3] = NAN;
    CHECK_FAILS(
        colours_fit(&colours, CHANNELS, PIXELS, latents, rgb), CLAT_ERROR_CHECK, "are no numbers");
    /* Too few pixels, or a channel that is always the same: some map all the same. */
    memset(latents, 0, sizeof latents);
    CHECK_OK(colours_fit(&colours, CHANNELS, 2, latents, rgb));
    colours_free(&colours);
}

/* ---- of the demo model ---------------------------------------------------------------------- */

struct watch {
    float *rgb; /* of the last preview */
    int height, width, seen;
    double similar, similar_half; /* 1 - error / variance: of the last one, and in the middle */
    float *early;
};

static void watch_preview(void *user, const struct clat_preview *preview)
{
    struct watch *watch = user;
    size_t count = 3 * (size_t)preview->height * (size_t)preview->width;
    float **to = 2 * preview->step <= preview->steps ? &watch->early : &watch->rgb;
    CHECK(preview->step % 4 == 0 || preview->step == preview->steps, "step %d", preview->step);
    CHECK(!preview->path, "nobody asked for a file");
    watch->seen++;
    watch->height = preview->height;
    watch->width = preview->width;
    free(*to);
    *to = malloc(count * sizeof **to);
    CHECK(*to, "no memory");
    if (*to)
        memcpy(*to, preview->rgb, count * sizeof **to);
}

/* Against the mean colour of the squares that pixels of the preview stand for. */
static double similarity(
    const struct watch *watch, const float *preview, const struct clat_image *image)
{
    int f = image->height / watch->height, n = 3 * watch->height * watch->width;
    double error = 0, sum = 0, squares = 0;
    for (int i = 0; preview && i < n; i++) {
        int c = i % 3, x = i / 3 % watch->width, y = i / 3 / watch->width;
        double mean = 0;
        for (int k = 0; k < f * f; k++)
            mean += (double)image->rgb[3 * ((y * f + k / f) * image->width + x * f + k % f) + c];
        mean /= f * f;
        error += (mean - (double)preview[i]) * (mean - (double)preview[i]);
        sum += mean;
        squares += mean * mean;
    }
    return preview ? 1 - error / (squares - sum * sum / n) : -1;
}

static enum clat_status compare(void *user, const struct clat_image *image)
{
    struct watch *watch = user;
    watch->similar = similarity(watch, watch->rgb, image);
    watch->similar_half = similarity(watch, watch->early, image);
    return CLAT_OK;
}

static enum clat_status sample(
    struct clat_context *context, const char *scheduler, const char *every)
{
    static const char *const keys[][2] = {{"prompt", "a large red circle on a green background"},
        {"seed", "1"}, {"num_inference_steps", "12"}, {NULL, NULL}};
    struct clat_job *job;
    enum clat_status status = clat_job_new(context, &job);
    for (int i = 0; keys[i][0] && status == CLAT_OK; i++)
        status = clat_job_set(job, keys[i][0], keys[i][1], "test");
    if (status == CLAT_OK)
        status = clat_job_set(job, "scheduler", scheduler, "test");
    if (status == CLAT_OK && every)
        status = clat_job_set(job, "preview", every, "test");
    if (status == CLAT_OK)
        status = clat_generate(context, job);
    clat_job_free(job);
    return status;
}

/* How linear a decoder is limits what colours can tell. Of this model's pictures, a map that was
 * fitted to four of them explains 0.40 to 0.88 of a fifth. */
static void test_demo(void)
{
    static const char *const schedulers[] = {"ddim", "euler", "dpmsolver_multistep", "heun"};
    struct watch watch = {.seen = 0};
    struct clat_options options = {
        .struct_size = sizeof options, .user = &watch, .image = compare, .preview = watch_preview};
    struct clat_context *context;
    options.data_folder = check_source("data");
    options.scheduler_folder = check_build("schedulers/.libs");
    CHECK_OK(clat_open(&options, &context));
    if (sample(context, "ddim", NULL) == CLAT_ERROR_NO_DEVICE)
        check_skip("%s", clat_error());
    CHECK(watch.seen == 0, "%d previews that nobody asked for", watch.seen);
    for (size_t i = 0; i < sizeof schedulers / sizeof *schedulers; i++) {
        watch.seen = 0;
        CHECK_OK(sample(context, schedulers[i], "4"));
        CHECK(watch.seen == 3, "%s: %d previews", schedulers[i], watch.seen);
        CHECK(watch.similar > 0.5, "%s: the last preview explains %.3f of the picture",
            schedulers[i], watch.similar);
        CHECK(watch.similar_half > 0.35, "%s: the first previews explain %.3f of the picture",
            schedulers[i], watch.similar_half);
    }
    clat_close(context);
    free(watch.rgb);
    free(watch.early);
}

int main(void)
{
    test_fit();
    test_demo();
    return check_result();
}
