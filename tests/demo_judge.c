/* demo_judge.c - the demo model makes what it is asked for: eight prompts, right colours, no
 * others, and a pair the right way round. Every pixel counts for the nearest colour of the palette
 * of tools/train_demo/world.py; shadows and edges belong to no colour. Uses the public header only.
 * SPDX-License-Identifier: MIT */
#include "clatent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLOURS 10
#define SIDE 64
#define NEAR 0.16f /* largest distance to a palette colour, in RGB of 0..1 */
#define ENOUGH 25  /* pixels within an object */
#define STRAY 8    /* pixels within something of a colour that nobody asked for */

enum colour { RED, ORANGE, YELLOW, GREEN, BLUE, PURPLE, PINK, WHITE, BLACK, GRAY, NONE };
static const char *const names[COLOURS] = {
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black", "gray"};
static const unsigned char palette[COLOURS][3] = {{222, 38, 42}, {250, 140, 25}, {252, 220, 50},
    {40, 165, 75}, {38, 85, 215}, {130, 50, 175}, {250, 140, 195}, {244, 244, 240}, {28, 28, 32},
    {135, 138, 142}};

/* across and down: where the first object lies, seen from the second: -1, 0 or 1. */
static const struct expectation {
    const char *prompt;
    enum colour background, first, second;
    int across, down;
} expectations[] = {
    {"a large red circle above a small blue square on a yellow background", YELLOW, RED, BLUE, 0,
        -1},
    {"two green stars on a black background", BLACK, GREEN, NONE, 0, 0},
    {"a purple triangle to the left of an orange ring on white", WHITE, PURPLE, ORANGE, -1, 0},
    {"a large white heart on a red background", RED, WHITE, NONE, 0, 0},
    {"three blue rings on a white background", WHITE, BLUE, NONE, 0, 0},
    {"four pink hearts on a purple background", PURPLE, PINK, NONE, 0, 0},
    {"a green cross below a black circle on an orange background", ORANGE, GREEN, BLACK, 0, 1},
    {"a yellow square to the right of a green triangle on a blue background", BLUE, YELLOW, GREEN,
        1, 0},
};
#define PROMPTS (sizeof expectations / sizeof *expectations)

static int judged, failures;

static void fail(int prompt, const char *what, int colour)
{
    fprintf(stderr, "demo_judge: '%s': %s %s\n", expectations[prompt].prompt, what, names[colour]);
    failures++;
}

static enum colour nearest_colour(const float *rgb)
{
    float best = NEAR * NEAR;
    enum colour found = NONE;
    for (int i = 0; i < COLOURS; i++) {
        float distance = 0;
        for (int c = 0; c < 3; c++) {
            float d = rgb[c] - (float)palette[i][c] / 255;
            distance += d * d;
        }
        if (distance < best) {
            best = distance;
            found = (enum colour)i;
        }
    }
    return found;
}

/* Of each colour: its pixels within, those of the image's frame, and the sums of the former's
 * coordinates. Within: the four neighbours are of the same colour. On an edge between red and
 * yellow lies orange. */
struct census {
    int within[COLOURS + 1], frame[COLOURS + 1];
    double x[COLOURS + 1], y[COLOURS + 1];
};

static void count_pixel(struct census *census, const unsigned char *map, int x, int y)
{
    const unsigned char *here = map + (size_t)y * SIDE + x;
    if (!x || !y || x == SIDE - 1 || y == SIDE - 1) {
        census->frame[*here]++;
        return;
    }
    if (*here != here[-1] || *here != here[1] || *here != here[-SIDE] || *here != here[SIDE])
        return;
    census->within[*here]++;
    census->x[*here] += x;
    census->y[*here] += y;
}

static struct census take_census(const struct clat_image *image)
{
    struct census census = {0};
    unsigned char map[SIDE * SIDE];
    for (size_t i = 0; i < SIDE * SIDE; i++)
        map[i] = (unsigned char)nearest_colour(image->rgb + i * 3);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            count_pixel(&census, map, x, y);
    return census;
}

static void judge_places(int prompt, const struct census *census)
{
    const struct expectation *want = &expectations[prompt];
    if (want->second == NONE || !census->within[want->first] || !census->within[want->second])
        return;
    double x = census->x[want->first] / census->within[want->first];
    double y = census->y[want->first] / census->within[want->first];
    x -= census->x[want->second] / census->within[want->second];
    y -= census->y[want->second] / census->within[want->second];
    if ((want->across && x * want->across < 8) || (want->down && y * want->down < 8))
        fail(prompt, "on the wrong side:", want->first);
}

static enum clat_status judge_image(void *user, const struct clat_image *image)
{
    (void)user;
    const struct expectation *want = &expectations[image->index];
    judged++;
    if (image->width != SIDE || image->height != SIDE) {
        fprintf(stderr, "demo_judge: expected %d by %d pixels, found %d by %d\n", SIDE, SIDE,
            image->width, image->height);
        failures++;
        return CLAT_OK;
    }
    struct census census = take_census(image);
    if (census.frame[want->background] < 4 * (SIDE - 1) * 3 / 4)
        fail(image->index, "the background is not", want->background);
    for (int i = 0; i < COLOURS; i++) {
        int asked = i == (int)want->first || i == (int)want->second;
        if (asked && census.within[i] < ENOUGH)
            fail(image->index, "no object is", i);
        if (!asked && i != (int)want->background && census.within[i] > STRAY)
            fail(image->index, "nobody asked for", i);
    }
    judge_places(image->index, &census);
    return CLAT_OK;
}

static enum clat_status make_images(struct clat_context *context)
{
    struct clat_job *job = NULL;
    enum clat_status status = clat_job_new(context, &job);
    for (size_t i = 0; i < PROMPTS && status == CLAT_OK; i++)
        status = clat_job_add(job, "prompt", expectations[i].prompt, "demo_judge");
    if (status == CLAT_OK)
        status = clat_job_set(job, "seed", "1", "demo_judge");
    if (status == CLAT_OK)
        status = clat_generate(context, job);
    clat_job_free(job);
    return status;
}

int main(void)
{
    char data[4096], schedulers[4096];
    const char *source = getenv("top_srcdir"), *build = getenv("top_builddir");
    snprintf(data, sizeof data, "%s/data", source ? source : ".");
    snprintf(schedulers, sizeof schedulers, "%s/schedulers/.libs", build ? build : ".");
    struct clat_options options = {.struct_size = sizeof options,
        .image = judge_image,
        .data_folder = data,
        .scheduler_folder = schedulers};
    struct clat_context *context = NULL;
    enum clat_status status = clat_open(&options, &context);
    if (status == CLAT_OK)
        status = make_images(context);
    clat_close(context);
    if (status == CLAT_ERROR_NO_DEVICE) {
        fprintf(stderr, "skipped: %s\n", clat_error());
        return 77;
    }
    if (status != CLAT_OK)
        fprintf(stderr, "demo_judge: %s\n", clat_error());
    else if (judged != (int)PROMPTS)
        fprintf(stderr, "demo_judge: expected %d images, found %d\n", (int)PROMPTS, judged);
    return status != CLAT_OK || judged != (int)PROMPTS || failures;
}
