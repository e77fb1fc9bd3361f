/* precision.c - what `precision: auto` is on a GPU, how far its pictures are from those of floats,
 * and the ladder of precision, rung by rung. SPDX-License-Identifier: MIT
 *
 * The device is taken for a GPU (CLATENT_TEST_DEVICE=gpu): weights of text encoder and UNet are
 * half then, unless the job says otherwise. Of 8-bit values of a picture 99.9 % are within 2 levels
 * of those with float weights. */
#include "check.h"
#include "fault.h"
#include "golden.h"
#include "witness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS 2
#define MOST_BEYOND 0.001 /* of the values */

static const struct fault_layer *layer;
static struct device *device;

struct outcome {
    struct record record; /* first: both have the same address */
    enum clat_status status;
    int faults, warnings;
    char warning[2][1024]; /* the first ones */
    char precision[8];     /* that was told last */
};

static void on_warning(void *user, const char *sentence)
{
    struct outcome *outcome = user;
    if (outcome->warnings < 2)
        snprintf(outcome->warning[outcome->warnings], sizeof outcome->warning[0], "%s", sentence);
    outcome->warnings++;
}

static void on_precision(void *user, const char *precision)
{
    struct outcome *outcome = user;
    snprintf(outcome->precision, sizeof outcome->precision, "%s", precision);
}

static void run(const char *folder, const char *precision, struct outcome *outcome)
{
    char *prompts[] = {"a large red circle above a small blue square on a yellow background"};
    char word[8] = "auto";
    uint64_t seed = 7;
    struct model *model;
    struct job job = {.prompts = {prompts, 1},
        .num_inference_steps = 10,
        .guidance_scale = 3,
        .strength = 1,
        .seeds = &seed,
        .seed_count = 1,
        .batch_size = 1,
        .precision = precision ? word : NULL};
    if (precision)
        snprintf(word, sizeof word, "%s", precision);
    memset(outcome, 0, sizeof *outcome);
    struct pipeline_events events = record_events(&outcome->record);
    events.warn = on_warning;
    events.precision = on_precision;
    events.trace = NULL;
    CHECK_OK(model_open(folder, NULL, &model));
    status_clear();
    outcome->status = pipeline_run(device, model, &job, &events);
    outcome->faults = layer->faults();
    model_close(model);
}

/* `words`: of CLATENT_TEST_DEVICE, NULL: the device as it is. */
static void fresh_device(const char *words)
{
    fault_none();
    device_close(device);
    if (words)
        setenv("CLATENT_TEST_DEVICE", words, 1);
    else
        unsetenv("CLATENT_TEST_DEVICE");
    device = golden_device();
}

/* ---- 16 bits beside 32 ------------------------------------------------------------------------
 */

static long level_of(float value)
{
    return lroundf(fminf(fmaxf(value, 0), 1) * 255);
}

static void check_levels(
    const char *what, bool rounds, const struct record *got, const struct record *want)
{
    size_t beyond = 0, count = want->images[0].pixels;
    long most = 0;
    for (size_t i = 0; i < count; i++) {
        long apart = labs(level_of(got->images[0].rgb[i]) - level_of(want->images[0].rgb[i]));
        beyond += apart > LEVELS;
        most = apart > most ? apart : most;
    }
    double distance = check_distance(got->images[0].rgb, want->images[0].rgb, count);
    fprintf(stderr, "%s: %.4f %% of %zu values beyond %d levels, at most %ld; distance %.1e\n",
        what, 100.0 * (double)beyond / (double)count, count, LEVELS, most, distance);
    CHECK((double)beyond <= MOST_BEYOND * (double)count, "%s: %zu of %zu values", what, beyond,
        count);
    CHECK((distance > 1e-6) == rounds, "%s: the weights change by rounding: %d", what, !rounds);
}

/* `rounds`: not all weights are halves in the file. */
static void check_model(const char *what, const char *folder, bool rounds)
{
    static struct outcome full, rounded;
    run(folder, "f32", &full);
    run(folder, NULL, &rounded);
    CHECK(full.status == CLAT_OK && rounded.status == CLAT_OK, "%s: %s", what, status_text());
    CHECK(!full.precision[0] && strcmp(rounded.precision, "f16") == 0, "%s: '%s', then '%s'", what,
        full.precision, rounded.precision);
    check_levels(what, rounds, &rounded.record, &full.record);
    record_free(&full.record);
    record_free(&rounded.record);
}

/* On a CPU nothing is rounded unless the job says so. */
static void check_cpu(const char *folder)
{
    static struct outcome open, given, full;
    fresh_device(NULL);
    run(folder, NULL, &open);
    run(folder, "auto", &given);
    run(folder, "f32", &full);
    size_t size = full.record.images[0].pixels * sizeof(float);
    bool same = memcmp(open.record.images[0].rgb, full.record.images[0].rgb, size) == 0 &&
                memcmp(given.record.images[0].rgb, full.record.images[0].rgb, size) == 0;
    CHECK(same == device_facts(device)->on_host, "auto on a CPU");
    record_free(&open.record);
    record_free(&given.record);
    record_free(&full.record);
}

/* ---- the ladder -------------------------------------------------------------------------------
 */

/* Kernels get values that are no numbers after they were found right: nothing but the guards behind
 * each stage sees them. */
static void spoil(const char *folder, const char *precision, const char *change)
{
    static struct outcome before;
    fresh_device("gpu");
    run(folder, precision, &before);
    CHECK(before.status == CLAT_OK, "%s", status_text());
    record_free(&before.record);
    fresh_device("gpu");
    fault_set("CLFAULT_MUTATE", "%s", change);
}

/* Half weights of one width only, which the text encoder and the UNet have each: their stages go
 * back to floats, one after the other. */
static void check_rungs(const char *folder)
{
    static struct outcome full, got;
    fresh_device("gpu");
    run(folder, "f32", &full);
    spoil(folder, NULL, "gemm.cl -|vload_half4(j, w)|((float4)(NAN) + vload_half4(j, w))");
    run(folder, NULL, &got);
    CHECK(got.faults > 0 && got.status == CLAT_OK, "%d faults, status %d: %s", got.faults,
        got.status, status_text());
    CHECK(got.warnings == 2 && strstr(got.warning[0], "the text encoder") &&
              strstr(got.warning[0], "weights of 16 bits") && strstr(got.warning[1], "UNet"),
        "%d warnings: %s; %s", got.warnings, got.warning[0], got.warning[1]);
    CHECK(strcmp(got.precision, "f32") == 0, "precision '%s'", got.precision);
    if (got.status == CLAT_OK)
        CHECK(memcmp(got.record.images[0].rgb, full.record.images[0].rgb,
                  full.record.images[0].pixels * sizeof(float)) == 0,
            "not the picture of float weights");
    record_free(&got.record);
    record_free(&full.record);
}

#define FLOATS_OF(file) file ".cl -|vload4(j, w)|((float4)(NAN) + vload4(j, w))"

/* Float weights that give no numbers: there is no rung below, and the stage is named. */
static void check_last(
    const char *folder, const char *precision, const char *change, const char *stage)
{
    static struct outcome got;
    spoil(folder, precision, change);
    run(folder, precision, &got);
    CHECK(got.faults > 0 && got.status == CLAT_ERROR_CHECK && got.record.image_count == 0 &&
              strstr(status_text(), stage) && strstr(status_text(), "not a finite number"),
        "%s: %d faults, status %d: %s", stage, got.faults, got.status, status_text());
    CHECK(got.warnings == 0, "%s: %d warnings: %s", stage, got.warnings, got.warning[0]);
    record_free(&got.record);
}

int main(void)
{
    const char *top = getenv("top_srcdir");
    char demo[4096];
    const char *tiny = check_data("ldm-text2im-tiny");
    snprintf(demo, sizeof demo, "%s/data/models/demo", top ? top : ".");
    layer = fault_open();
    golden_schedulers();
    fresh_device("gpu");
    check_model("tiny model", tiny, true);
    check_model("demo model", demo, false);
    fresh_device("gpu,unit=mma"); /* factors are half, too */
    check_model("tiny model, emulated unit", tiny, true);
    check_rungs(tiny);
    check_last(tiny, "f32", FLOATS_OF("gemm"), "the text encoder");
    check_last(tiny, "f32", FLOATS_OF("conv_tiled"), "UNet");
    check_last(tiny, NULL, FLOATS_OF("gemm"), "the decoder"); /* has no others */
    check_cpu(tiny);
    fault_none();
    device_close(device);
    return check_result();
}
