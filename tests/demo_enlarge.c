/* demo_enlarge.c - the demo model that enlarges knows what interpolation cannot: that edges are
 * sharp. A drawing of 256 x 256 is made small by the mean of 4 x 4 pixels and enlarged again; the
 * result must be nearer to the drawing than Lanczos' by 3 dB. SPDX-License-Identifier: MIT */
#include "check.h"
#include "clatent.h"
#include "formats/npy.h"
#include "pipeline/resize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 256, SMALL = 64, FACTOR = 4 };

static float drawing[SIDE * SIDE * 3]; /* 0..1 */
static unsigned char small[SMALL * SMALL * 3];
static double decibels;

/* Signed distance to a ring and to a square, in pixels; negative inside. */
static float distance(int shape, float x, float y)
{
    if (shape == 0)
        return fabsf(hypotf(x - 80, y - 128) - 42) - 13;
    return fmaxf(fabsf(x - 190), fabsf(y - 120)) - 34;
}

static void draw(void)
{
    static const float colours[3][3] = {
        {0.96f, 0.95f, 0.93f}, {0.87f, 0.15f, 0.16f}, {0.15f, 0.33f, 0.84f}};
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        float value = colours[0][i % 3], x = (float)(i / 3 % SIDE) + 0.5f,
              y = (float)(i / 3 / SIDE) + 0.5f;
        for (int shape = 0; shape < 2; shape++) {
            float cover = fminf(fmaxf(0.5f - distance(shape, x, y), 0), 1);
            value += cover * (colours[1 + shape][i % 3] - value);
        }
        drawing[i] = value;
    }
}

static void shrink(void)
{
    for (int i = 0; i < SMALL * SMALL * 3; i++) {
        int x = i / 3 % SMALL * FACTOR, y = i / 3 / SMALL * FACTOR;
        float sum = 0;
        for (int k = 0; k < FACTOR * FACTOR; k++)
            sum += drawing[((y + k / FACTOR) * SIDE + x + k % FACTOR) * 3 + i % 3];
        small[i] = (unsigned char)lrintf(sum * 255 / (FACTOR * FACTOR));
    }
}

/* As [1][3][SMALL][SMALL] in -1..1. */
static void write_small(const char *path)
{
    static float planes[3 * SMALL * SMALL];
    for (int i = 0; i < SMALL * SMALL * 3; i++)
        planes[i % 3 * SMALL * SMALL + i / 3] = (float)small[i] / 127.5f - 1;
    CHECK_OK(npy_write(path, planes, 4, (size_t[]){1, 3, SMALL, SMALL}));
}

static double psnr(const float *picture)
{
    double sum = 0;
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        double d = (double)picture[i] - (double)drawing[i];
        sum += d * d;
    }
    return 10 * log10(SIDE * SIDE * 3 / sum);
}

static double psnr_of_lanczos(void)
{
    static float picture[SIDE * SIDE * 3];
    unsigned char *large = NULL;
    CHECK_OK(resize_lanczos(small, SMALL, SMALL, 3, SIDE, SIDE, &large));
    for (int i = 0; large && i < SIDE * SIDE * 3; i++)
        picture[i] = (float)large[i] / 255;
    free(large);
    return psnr(picture);
}

static enum clat_status judge(void *user, const struct clat_image *image)
{
    (void)user;
    CHECK(image->width == SIDE && image->height == SIDE, "%d x %d", image->width, image->height);
    if (image->width == SIDE && image->height == SIDE)
        decibels = psnr(image->rgb);
    return CLAT_OK;
}

static void enlarge(struct clat_context *context, const char *path)
{
    struct clat_job *job = NULL;
    CHECK_OK(clat_job_new(context, &job));
    CHECK_OK(clat_job_set(job, "model", "demo-sr", "demo_enlarge"));
    CHECK_OK(clat_job_set(job, "image", path, "demo_enlarge"));
    CHECK_OK(clat_job_set(job, "seed", "1", "demo_enlarge"));
    CHECK_OK(clat_generate(context, job));
    clat_job_free(job);
}

int main(void)
{
    struct clat_options options = {.struct_size = sizeof options,
        .image = judge,
        .data_folder = check_source("data"),
        .scheduler_folder = check_build("schedulers/.libs")};
    struct clat_context *context = NULL;
    const char *path = check_scratch("demo_enlarge.npy");
    draw();
    shrink();
    write_small(path);
    enum clat_status status = clat_open(&options, &context);
    if (status == CLAT_ERROR_NO_DEVICE)
        check_skip("%s", clat_error());
    if (CHECK_OK(status))
        enlarge(context, path);
    clat_close(context);
    double plain = psnr_of_lanczos();
    CHECK(decibels > plain + 3, "%.2f dB, Lanczos %.2f dB", decibels, plain);
    fprintf(stderr, "demo_enlarge: %.2f dB, Lanczos %.2f dB\n", decibels, plain);
    return check_result();
}
