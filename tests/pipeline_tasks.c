/* pipeline_tasks.c - every task from its input to its pictures, against whole runs of the
 * reference. SPDX-License-Identifier: MIT
 *
 * tests/data/tasks/NAME or compvis/NAME (tests/tools/make_tasks.py) holds a small model as its
 * authors would have stored it, and the reference's run: latents after every step, decoded picture,
 * bytes. CLATENT_ORACLE names a folder with more of them (models/NAME, goldens/NAME). */
#include "base/file.h"
#include "base/memory.h"
#include "check.h"
#include "formats/npy.h"
#include "golden.h"
#include "pipeline/condition.h"
#include "witness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN_LIMIT 1e-4 /* relative L2 distance along a whole run */

static struct device *device;

enum truncation { ROUNDED, TRUNCATED }; /* the reference's bytes: CompVis' scripts cut off */
struct task_case {
    const char *model, *run; /* names of the model and of the run in its goldens */
    int steps;
    double guidance;
    const char *scheduler;             /* NULL: the model's own */
    uint64_t seed;                     /* of the start noise; 0: it is the golden unet/x */
    const char *image, *mask, *labels; /* files beside the goldens */
    bool has_class;                    /* the golden cond/labels [0] */
    bool has_context;                  /* cond/out is given in place of a text or layout */
    const char *compat;
    enum truncation truncation;
};
static const struct task_case cases[] = {
    {"ldm-sr-tiny", "sr0/ddim", 8, 1, NULL, .seed = 2300, .image = "input0.png"},
    {"ldm-sr-tiny", "sr0/euler", 5, 1, "euler", .seed = 2300, .image = "input0.png"},
    {"ldm-sr-tiny", "sr1/ddim", 8, 1, NULL, .seed = 2301, .image = "input1.png"},
    {"ldm-uncond-tiny", "pipe/ddim", 8, 1, NULL, .seed = 3300},
    {"ldm-uncond-tiny", "pipe/dpmpp2m", 6, 1, "dpmsolver_multistep", .seed = 3300},
    {"ldm-uncond-tiny", "pipe/lms", 6, 1, "lms", .seed = 3300},
    {"ldm-uncond-tiny", "pipe/ddim_compat", 8, 1, NULL, .seed = 3300, .compat = "diffusers"},
    {"ckpt-cin256-v2", "ddim", 5, 3, .has_class = true, .truncation = TRUNCATED},
    {"ckpt-cin256", "ddim", 5, 1, .has_class = true, .truncation = TRUNCATED},
    {"ckpt-inpainting_big", "ddim", 5, 1, .image = "image.png", .mask = "mask.png",
        .truncation = TRUNCATED},
    {"ckpt-semantic_synthesis256", "ddim", 5, 1, .labels = "labels.png", .truncation = TRUNCATED},
    {"ckpt-celeba256", "ddim", 5, 1, .truncation = TRUNCATED},
    {"ckpt-lsun_churches256", "ddim", 5, 1, .truncation = TRUNCATED},
    {"ckpt-bsr_sr", "ddim", 5, 1, .image = "cond/out", .truncation = TRUNCATED},
    {"ckpt-text2img256", "ddim", 5, 5, .has_context = true, .truncation = TRUNCATED},
    {"ckpt-txt2img-f8-large", "ddim", 5, 5, .has_context = true, .truncation = TRUNCATED},
    {"ckpt-layout2img-openimages256", "ddim", 5, 1, .has_context = true, .truncation = TRUNCATED},
};

struct places {
    char model[512], folder[512]; /* of the model; of goldens and pictures */
    struct weights *goldens;
};

/* False if the model is not here. */
static bool find(const char *name, struct places *places)
{
    const char *oracle = getenv("CLATENT_ORACLE");
    char path[600];
    if (strncmp(name, "ckpt-", 5) == 0)
        snprintf(path, sizeof path, "compvis/%s", name + 5);
    else
        snprintf(path, sizeof path, "tasks/%s", name);
    snprintf(places->model, sizeof places->model, "%s", check_data(path));
    snprintf(places->folder, sizeof places->folder, "%s", places->model);
    if (!file_is_directory(places->model) && !oracle)
        return false;
    if (!file_is_directory(places->model)) {
        snprintf(places->model, sizeof places->model, "%s/models/%s", oracle, name);
        snprintf(places->folder, sizeof places->folder, "%s/goldens/%s", oracle, name);
    }
    snprintf(path, sizeof path, "%s/goldens.safetensors", places->folder);
    places->goldens = golden_open(path);
    return true;
}

/* ---- the job -------------------------------------------------------------------------------- */

/* A file of the case, or a golden as a tensor. */
static char *file_of(const struct places *places, const char *name)
{
    char path[600];
    if (!weights_find(places->goldens, name)) {
        snprintf(path, sizeof path, "%s/%s", places->folder, name);
        return strdup(path);
    }
    const struct weight *weight = golden_find(places->goldens, name);
    snprintf(path, sizeof path, "%s-%zu.npy", name, golden_count(weight));
    for (char *c = path; *c; c++)
        *c = *c == '/' ? '-' : *c;
    char *file = strdup(check_scratch(path));
    CHECK_OK(npy_write(file, golden_floats(places->goldens, name), 4, weight->shape));
    return file;
}

/* Texts of a job, owned by it. */
struct job_parts {
    char *image, *mask, *labels, *class;
    uint64_t seed;
    char prompt[1];
};

static struct texts one(char **text)
{
    return (struct texts){text, *text ? 1 : 0};
}

static struct job make_job(
    const struct task_case *test, const struct places *places, struct job_parts *parts)
{
    static char layout[] = "[{class: 0, x: 0, y: 0, w: 1, h: 1}]";
    char number[16] = "";
    *parts = (struct job_parts){.seed = test->seed};
    parts->image = test->image ? file_of(places, test->image) : NULL;
    parts->mask = test->mask ? file_of(places, test->mask) : NULL;
    parts->labels = test->labels ? file_of(places, test->labels) : NULL;
    if (test->has_class)
        snprintf(number, sizeof number, "%d",
            *(const int32_t *)golden_find(places->goldens, "cond/labels")->data);
    parts->class = test->has_class ? strdup(number) : NULL;
    struct job job = {.num_inference_steps = test->steps,
        .precision = "f32",
        .guidance_scale = test->guidance,
        .scheduler = (char *)test->scheduler,
        .compat = (char *)test->compat,
        .strength = 1,
        .seeds = &parts->seed,
        .seed_count = 1,
        .batch_size = 1,
        .images = one(&parts->image),
        .masks = one(&parts->mask),
        .label_maps = one(&parts->labels),
        .classes = one(&parts->class)};
    if (!test->seed) {
        const size_t *shape = golden_find(places->goldens, "unet/x")->shape;
        job.latents = file_of(places, "unet/x");
        bool follows = test->image || test->labels; /* the size does */
        job.height = follows ? 0 : (int)shape[2];   /* in latent pixels, as yet */
        job.width = follows ? 0 : (int)shape[3];
    }
    if (test->has_context && strstr(test->model, "layout"))
        job.layout = layout;
    return job;
}

static void free_parts(struct job *job, struct job_parts *parts)
{
    free(job->latents);
    free(parts->image);
    free(parts->mask);
    free(parts->labels);
    free(parts->class);
}

/* ---- against the reference ------------------------------------------------------------------ */

static const float *find_float(
    const struct places *places, const struct task_case *test, const char *name, size_t *count)
{
    char label[96];
    snprintf(label, sizeof label, "%s/%s", test->run, name);
    if (!weights_find(places->goldens, label))
        return NULL;
    *count = golden_count(golden_find(places->goldens, label));
    return golden_floats(places->goldens, label);
}

static void check_steps(
    const struct places *places, const struct task_case *test, const struct record *record)
{
    size_t count;
    const float *want = find_float(places, test, "x", &count);
    for (int i = 0; want && i < test->steps; i++) {
        char label[64];
        snprintf(label, sizeof label, "latents.%d", i);
        size_t elements = count / (size_t)test->steps;
        const float *got = record_trace(record, label, elements);
        if (got)
            check_near(label, got, want + (size_t)i * elements, elements, RUN_LIMIT);
    }
}

/* At most one value in a thousand may differ, by one. Truncation doubles a rounding error's chance
 * to show, but that limit holds there too. */
static void check_bytes(
    const struct places *places, const struct task_case *test, const struct record *record)
{
    char label[96];
    snprintf(label, sizeof label, "%s/image_u8", test->run);
    const struct weight *weight = golden_find(places->goldens, label);
    const unsigned char *want = weight->data;
    size_t count = golden_count(weight), differ = 0;
    CHECK(
        record->images[0].pixels == count, "%zu values, want %zu", record->images[0].pixels, count);
    for (size_t i = 0; i < count && i < record->images[0].pixels; i++) {
        float value = record->images[0].rgb[i] * 255;
        int got = (int)(test->truncation == TRUNCATED ? value : rintf(value));
        CHECK(abs(got - want[i]) <= 1, "%s: byte %zu is %d, want %d", label, i, got, want[i]);
        differ += got != want[i];
    }
    CHECK(differ * 1000 <= count, "%s: %zu of %zu bytes differ", label, differ, count);
}

static void check_record(
    const struct places *places, const struct task_case *test, const struct record *record)
{
    size_t count;
    const float *decoded = find_float(places, test, "decoded", &count);
    const float *condition =
        weights_find(places->goldens, "cond/out") && (test->image || test->labels)
            ? golden_floats(places->goldens, "cond/out")
            : NULL;
    check_steps(places, test, record);
    if (decoded)
        check_near("decoded", record_trace(record, "decoded", count), decoded, count, RUN_LIMIT);
    if (condition) {
        count = golden_count(golden_find(places->goldens, "cond/out"));
        check_near("condition", record_trace(record, "condition", count), condition, count, 3e-5);
    }
    if (record->image_count == 1)
        check_bytes(places, test, record);
    CHECK(record->image_count == 1, "%d images", record->image_count);
}

/* The pipeline with a context that is given, since its tokens belong to no text. */
static enum clat_status run_with_context(const struct places *places, const struct job *job,
    const struct model *model, const struct pipeline_events *events)
{
    enum clat_status status;
    struct run run = {.device = device, .model = model, .job = job, .events = events};
    const float *context = golden_floats(places->goldens, "cond/out");
    size_t row = (size_t)model_context_tokens(model) * (size_t)model->unet.cross_attention_dim;
    TRY(run_settle(&run));
    TRY(run_check_memory(&run));
    run.tokens = model_context_tokens(model);
    run.context_width = model->unet.cross_attention_dim;
    TRY(memory_new(2, row * sizeof *run.context, &run.context));
    memcpy(run.context, context + (run.guided ? row : 0), row * sizeof *context);
    memcpy(run.context + row, context, row * sizeof *context);
    TRY(run_start_latents(&run));
    TRY(run_sample(&run));
    TRY(run_decode(&run));
    TRY(run_trace(&run, "decoded", 4, (size_t[]){1, 3, (size_t)run.height, (size_t)run.width},
        run.decoded, NULL));
out:
    run_free(&run);
    return status;
}

static void check_case(const struct task_case *test, const struct places *places)
{
    struct record record = {0};
    struct job_parts parts;
    struct model *model = NULL;
    static char empty[] = "", *prompt[] = {empty};
    struct job job = make_job(test, places, &parts);
    if (!CHECK_OK(model_open(places->model, NULL, &model)))
        return;
    job.height *= model->latent_scale;
    job.width *= model->latent_scale;
    if (model->task == TASK_TEXT_TO_IMAGE)
        job.prompts = (struct texts){prompt, 1};
    struct pipeline_events events = record_events(&record);
    enum clat_status status = test->has_context ? run_with_context(places, &job, model, &events)
                                                : pipeline_run(device, model, &job, &events);
    if (CHECK_OK(status))
        check_record(places, test, &record);
    model_close(model);
    record_free(&record);
    free_parts(&job, &parts);
}

int main(void)
{
    int run = 0, all = sizeof cases / sizeof *cases;
    device = golden_device();
    golden_schedulers();
    for (int i = 0; i < all; i++) {
        struct places places = {.goldens = NULL};
        if (!find(cases[i].model, &places))
            continue;
        printf("%s %s\n", cases[i].model, cases[i].run);
        check_case(&cases[i], &places);
        weights_close(places.goldens);
        run++;
    }
    printf("%d of %d runs (CLATENT_ORACLE has the others)\n", run, all);
    device_close(device);
    return check_result();
}
