/* first_use.c - kernels that compute wrong are found before a job relies on them.
 * SPDX-License-Identifier: MIT
 *
 * The fault layer changes the text of a kernel so that it builds, runs, and gives finite numbers
 * that are wrong. The job makes the right picture with the fallback of that file, with one warning;
 * or, where there is none, it ends in CLAT_ERROR_CHECK. Likewise with a file that does not build.
 */
#include "check.h"
#include "device/fallback.h"
#include "device/verdict.h"
#include "fault.h"
#include "golden.h"
#include "ops/conv.h"
#include "selftest/first_use.h"
#include "witness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAME 1e-4 /* relative L2 distance of images by other kernels */

static const struct fault_layer *layer;
static struct device *device;

struct outcome {
    struct record record; /* first: both have the same address */
    enum clat_status status;
    int faults, launches, warnings;
    char warning[2048]; /* the last */
};

static void on_warning(void *user, const char *sentence)
{
    struct outcome *outcome = user;
    outcome->warnings++;
    snprintf(outcome->warning, sizeof outcome->warning, "%s", sentence);
}

static void run(const char *kernels, struct outcome *outcome)
{
    char *prompts[] = {"a red circle"}, word[16];
    uint64_t seed = 1;
    struct model *model;
    snprintf(word, sizeof word, "%s", kernels);
    struct job job = {.prompts = {prompts, 1},
        .height = 64,
        .width = 64,
        .num_inference_steps = 1,
        .guidance_scale = 1,
        .strength = 1,
        .seeds = &seed,
        .seed_count = 1,
        .batch_size = 1,
        .devices = {(char *[]){"0"}, 1},
        .precision = "f32",
        .kernels = word};
    memset(outcome, 0, sizeof *outcome);
    struct pipeline_events events = record_events(&outcome->record);
    events.warn = on_warning;
    CHECK_OK(model_open(check_data("ldm-text2im-tiny"), NULL, &model));
    status_clear();
    outcome->status = pipeline_run(device, model, &job, &events);
    outcome->faults = layer->faults();
    outcome->launches = layer->calls("clEnqueueNDRangeKernel");
    model_close(model);
}

static void fresh_device(void)
{
    fault_none();
    device_close(device);
    device = golden_device();
}

/* ---- what is tried -------------------------------------------------------------------------- */

/* The programs of a job with such facts, on a dry device: of each kernel in a file that has a
 * fallback a call is known, so that it can be tried. */
static void check_known(const char *what, const struct device_facts *facts, bool half)
{
    struct model *model;
    struct model_memory memory;
    struct kernel_use *uses = NULL;
    size_t count = 0, known = 0;
    struct memory_request request = {.height = 64,
        .width = 64,
        .images = 2,
        .timesteps = 2,
        .guided = true,
        .encodes = true,
        .half = half,
        .uses = &uses,
        .use_count = &count};
    CHECK_OK(model_open(check_data("ldm-text2im-tiny"), NULL, &model));
    CHECK_OK(model_memory(model, facts, &request, &memory));
    for (size_t i = 0; i < count; i++) {
        CHECK(uses[i].call.op || !fallback_exists(uses[i].file),
            "%s: nobody knows how to try %s of cl/%s.cl", what, uses[i].function, uses[i].file);
        known += uses[i].call.op != NULL;
    }
    CHECK(known > 5, "%s: %zu of %zu kernels can be tried", what, known, count);
    free(uses);
    model_close(model);
}

static void check_all_known(void)
{
    struct device_facts facts = *device_facts(device);
    check_known("this device", &facts, false);
    check_known("this device, half weights", &facts, true);
    facts.is_cpu = false;
    check_known("a GPU", &facts, false);
    check_known("a GPU, half weights", &facts, true);
    facts.is_cpu = true;
    check_known("a CPU", &facts, false);
    facts.matrix_unit = MATRIX_UNIT_EMULATED;
    check_known("a CPU with a matrix unit", &facts, false);
}

/* ---- wrong kernels, file by file ---------------------------------------------------------------
 */

#define BIAS "v += vload16(0, ending->bias|v -= vload16(0, ending->bias"
#define CONV(variant, out)                                                                         \
    {                                                                                              \
        "conv 3x3", false, true, 1e6,                                                              \
        {                                                                                          \
            2, 16, 16, 48, 16, out, 1, 1, 1, 1, 0, 1, 1, variant                                   \
        }                                                                                          \
    }
#define ATTENTION(width)                                                                           \
    {                                                                                              \
        "attention", false, true, 1e6,                                                             \
        {                                                                                          \
            1, 64, 77, 2, width                                                                    \
        }                                                                                          \
    }
#define LINEAR                                                                                     \
    {                                                                                              \
        "linear", false, true, 1e6,                                                                \
        {                                                                                          \
            1, 64, 96, 0, 80, 0, 1                                                                 \
        }                                                                                          \
    }

enum shape { CPU, CPU_UNIT, GROUPS, GROUPS_UNIT };

/* Each gives finite numbers. Without a row in fallback.c nothing can take its place. */
static const struct mutation {
    const char *file;
    enum shape shape;
    struct op_call call; /* that launches it */
    const char *change;  /* OLD|NEW */
} mutations[] = {
    {"gemm_cpu", CPU, LINEAR, "value += vload16(|value -= vload16("},
    {"gemm_tile", CPU_UNIT, LINEAR, "value += vload16(|value -= vload16("},
    {"tile_pack", CPU_UNIT, ATTENTION(512), "return vload16(0, m)|return 0.9f * vload16(0, m)"},
    {"attention_cpu", CPU, ATTENTION(40), "* scale,|* scale * 1.01f,"},
    {"attention_wide", CPU, ATTENTION(512), "- top) * scale)|- top) * scale * 1.01f)"},
    {"conv_direct", CPU, CONV(CONV_DIRECT, 64), BIAS},
    {"conv_gather", CPU, CONV(CONV_DIRECT, 64),
        "v = fma(v, load_part(scale|v = fma(v, 1.01f * load_part(scale"},
    {"conv_narrow", CPU, CONV(CONV_NARROW, 4), BIAS},
    {"conv_narrow_groups", GROUPS, CONV(CONV_NARROW_GROUPS, 4),
        "return fma((float4)(a.w), w[3], sum)|return fma((float4)(a.w), w[2], sum)"},
    {"conv_winograd", CPU, CONV(CONV_WINOGRAD_FUSED, 64), BIAS},
    {"conv_unit", CPU_UNIT, CONV(CONV_UNIT, 64), BIAS},
    {"conv_tiled", GROUPS, CONV(CONV_TILED, 64), "v += vload4(0, e->bias|v -= vload4(0, e->bias"},
    {"conv_winograd_groups", GROUPS, CONV(CONV_WINOGRAD_GROUPS, 64),
        "v += e->bias[o]|v -= e->bias[o]"},
    {"gemm_matrix", GROUPS_UNIT, LINEAR, "v += vload4(0, bias|v -= vload4(0, bias"},
    {"attention_matrix", GROUPS_UNIT, ATTENTION(40), "* LOG2_E,|* 1.01f * LOG2_E,"},
    {"attention_wide_groups", GROUPS, ATTENTION(512),
        "(scores - top) * scale|(scores - top) * scale * 1.01f"},
    {"conv_matrix", GROUPS_UNIT, CONV(CONV_MATRIX, 64),
        "BAND_QUAD(r, c), 0,|BAND_QUAD(r, c) * 1.01f, 0,"},
    {"norm_cpu", CPU, {"group norm", false, true, 1e6, {2, 8, 8, 64, 0, 8}},
        "1.0f / sqrt(|1.01f / sqrt("},
    {"conv", GROUPS, CONV(CONV_PLAIN, 64), "sum += bias[o]|sum -= bias[o]"},
    {"gemm", GROUPS, LINEAR, "+ bias0|- bias0"},
    {"attention", GROUPS, ATTENTION(40), "left) * scale;|left) * scale * 1.01f;"},
    {"norm", GROUPS, {"group norm", false, true, 1e6, {2, 8, 8, 64, 0, 8}},
        "1.0f / sqrt(|1.01f / sqrt("},
    {"norm", GROUPS, {"layer norm", false, true, 1e6, {2, 8, 8, 64}}, "1.0f / sqrt(|1.01f / sqrt("},
};
enum { MUTATIONS = sizeof mutations / sizeof *mutations };

static bool use_shape(enum shape shape)
{
    if (!device_force_shape(device, shape == CPU || shape == CPU_UNIT))
        return false;
    if (shape == CPU_UNIT)
        device_force_matrix_unit(device, MATRIX_UNIT_EMULATED);
    if (shape == GROUPS_UNIT)
        device_force_unit(device, (struct group_unit){.kind = UNIT_MMA, .emulated = true});
    return true;
}

/* One kernel to be tried, whichever: its call launches all of them. */
static struct kernel_use use_of(const struct mutation *mutation)
{
    struct kernel_use use = {.function = "?", .call = mutation->call};
    snprintf(use.file, sizeof use.file, "%s", mutation->file);
    return use;
}

static void keep_warning(void *user, const char *sentence)
{
    struct outcome *outcome = user;
    if (!strstr(outcome->warning, sentence) && outcome->warnings++ == 0)
        snprintf(outcome->warning, sizeof outcome->warning, "%s", sentence);
}

/* As it is, it is right. Others are tried by jobs, below. */
static void check_unit(const struct mutation *mutation)
{
    struct kernel_use use = use_of(mutation);
    fresh_device();
    if (!use_shape(mutation->shape))
        return;
    CHECK_OK(first_use_check(device, &use, 1));
    CHECK(device_facts(device)->refused == 0, "%s: refused for nothing", mutation->file);
}

static void check_found(const struct mutation *mutation)
{
    struct outcome told = {.warnings = 0};
    struct kernel_use use = use_of(mutation);
    const struct device_facts *facts;
    char words[64];
    fresh_device();
    if (!use_shape(mutation->shape))
        return;
    facts = device_facts(device);
    device_on_warning(device, keep_warning, &told);
    fault_set("CLFAULT_MUTATE", "%s.cl -|%s", mutation->file, mutation->change);
    enum clat_status status = first_use_check(device, &use, 1);
    CHECK(layer->faults() > 0, "%s: no fault was made", mutation->file);
    snprintf(words, sizeof words, "cl/%s.cl compute wrong", mutation->file);
    if (fallback_exists(mutation->file))
        CHECK(status == CLAT_OK && fallback_is_taken(facts, mutation->file) && told.warnings >= 1,
            "%s: status %d, %d warnings: %s", mutation->file, status, told.warnings, status_text());
    else
        CHECK(status == CLAT_ERROR_CHECK && strstr(status_text(), words) && told.warnings == 0,
            "%s: status %d: %s", mutation->file, status, status_text());
}

/* A file that does not build is replaced likewise. */
static void check_unbuilt(const struct mutation *mutation)
{
    struct outcome told = {.warnings = 0};
    struct kernel_use use = use_of(mutation);
    fresh_device();
    if (!use_shape(mutation->shape))
        return;
    device_on_warning(device, keep_warning, &told);
    fault_set("CLFAULT_BUILD", "%s.cl -", mutation->file);
    enum clat_status status = first_use_check(device, &use, 1);
    CHECK(layer->faults() > 0, "%s: no fault was made", mutation->file);
    if (fallback_exists(mutation->file))
        CHECK(status == CLAT_OK && fallback_is_taken(device_facts(device), mutation->file) &&
                  told.warnings == 1 && strstr(told.warning, "does not build"),
            "%s: status %d, %d warnings: %s", mutation->file, status, told.warnings, told.warning);
    else
        CHECK(status == CLAT_ERROR_DEVICE && strstr(status_text(), "does not build"),
            "%s: status %d: %s", mutation->file, status, status_text());
}

/* Every row of the table of fallbacks has its mutation. */
static void check_rows(void)
{
    const char *file;
    for (size_t row = 0; (file = fallback_file(row)) != NULL; row++) {
        int found = 0;
        for (int i = 0; i < MUTATIONS; i++)
            found += strcmp(mutations[i].file, file) == 0;
        CHECK(found > 0, "no mutation of cl/%s.cl", file);
    }
}

/* ---- wrong kernels in a job -------------------------------------------------------------------
 */

/* The picture is right, and one warning tells why it came slower. */
static void check_replaced(const char *file, const char *change, const struct outcome *want)
{
    struct outcome got;
    fresh_device();
    fault_set("CLFAULT_MUTATE", "%s.cl -|%s", file, change);
    run("auto", &got);
    CHECK(got.faults > 0, "%s: no fault was made", file);
    if (CHECK(got.status == CLAT_OK, "%s: status %d: %s", file, got.status, status_text()))
        check_near(file, got.record.images[0].rgb, want->record.images[0].rgb,
            want->record.images[0].pixels, SAME);
    CHECK(got.warnings == 1 && strstr(got.warning, "compute wrong") && strstr(got.warning, file),
        "%s: %d warnings: %s", file, got.warnings, got.warning);
    record_free(&got.record);
}

static void check_ended(const char *file, const char *change)
{
    struct outcome got;
    fresh_device();
    fault_set("CLFAULT_MUTATE", "%s.cl -|%s", file, change);
    run("generic", &got);
    CHECK(got.faults > 0 && got.status == CLAT_ERROR_CHECK && got.record.image_count == 0 &&
              strstr(status_text(), "compute wrong") && strstr(status_text(), file) &&
              !strchr(status_text(), '\n'),
        "%s: %d faults, status %d: %s", file, got.faults, got.status, status_text());
    record_free(&got.record);
}

static void check_jobs(void)
{
    static struct outcome want, again;
    layer->reset();
    run("auto", &want);
    CHECK(want.status == CLAT_OK && want.warnings == 0, "%s", status_text());
    layer->reset();
    run("auto", &again); /* in this process they are known now */
    CHECK(again.launches < want.launches, "%d launches with verdicts, %d without", again.launches,
        want.launches);
    fprintf(stderr, "%d launches without verdicts, %d with them\n", want.launches, again.launches);
    if (device_facts(device)->is_cpu) {
        check_replaced("gemm_cpu", "value += vload16(|value -= vload16(", &want);
        check_replaced("conv_direct", BIAS, &want);
    }
    record_free(&again.record);
    fresh_device();
    run("generic", &again);
    CHECK(again.status == CLAT_OK && again.warnings == 0, "%s", status_text());
    record_free(&again.record);
    check_ended("gemm", "+ bias0|- bias0");
    record_free(&want.record);
}

/* ---- verdicts on disk -------------------------------------------------------------------------
 */

/* What was right is not tried again by the next process, unless a text is another. */
static void check_kept(void)
{
    static struct outcome first, second;
    setenv("CLATENT_CACHE", "auto", 1);
    setenv("XDG_CACHE_HOME", check_scratch("first_use"), 1);
    fresh_device();
    layer->reset();
    run("auto", &first);
    fresh_device();
    layer->reset();
    run("auto", &second);
    CHECK(first.status == CLAT_OK && second.status == CLAT_OK, "%s", status_text());
    CHECK(
        second.launches <= first.launches, "%d launches, then %d", first.launches, second.launches);
    struct kernel_use use = use_of(&mutations[0]);
    snprintf(use.function, sizeof use.function, "of_process_%ld", (long)getpid());
    CHECK(!verdict_is_right(device, &use), "right without a trial");
    verdict_note_right(device, &use);
    verdicts_keep(device);
    fresh_device();
    CHECK(verdict_is_right(device, &use), "the verdict is not on disk");
    snprintf(use.options, sizeof use.options, "-DROWS=1");
    CHECK(!verdict_is_right(device, &use), "right with other options");
    record_free(&first.record);
    record_free(&second.record);
}

int main(void)
{
    setenv("CLATENT_CACHE", "off", 1); /* the layer changes texts behind our back */
    layer = fault_open();
    golden_schedulers();
    fresh_device();
    check_all_known();
    check_rows();
    for (int i = 0; i < MUTATIONS; i++) {
        if (mutations[i].shape == CPU_UNIT || mutations[i].shape == GROUPS_UNIT)
            check_unit(&mutations[i]);
        check_found(&mutations[i]);
        check_unbuilt(&mutations[i]);
    }
    fresh_device();
    check_jobs();
    check_kept();
    fault_none();
    device_close(device);
    return check_result();
}
