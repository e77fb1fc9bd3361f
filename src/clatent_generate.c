/* clatent_generate.c - one job: prepared, run, its images written. SPDX-License-Identifier: MIT
 *
 * Everything that can be known to be wrong is found before a device is opened or a weight read:
 * keys, model folder, scheduler, output folder. */
#include "base/file.h"
#include "base/memory.h"
#include "clatent_internal.h"
#include "clatent_output.h"
#include "device/device.h"
#include "formats/safetensors.h"
#include "job/hub.h"
#include "pipeline/model.h"
#include "pipeline/pipeline.h"
#include "plugins/loader.h"
#include "sampling/sampler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct run {
    struct clat_context *context;
    struct job_values values; /* the job's over the model's */
    struct job job;
    char *folder; /* of the model */
    struct model *model;
    struct pipeline_outline outline;
    struct device *device;
    struct output output;
    struct safetensors_writer *trace;
};

/* ---- before --------------------------------------------------------------------------------- */

/* A job without a seed gets one of 32 bits, which is all that the generator of the noise uses. */
static enum clat_status draw_seed(struct run *run)
{
    const struct job_value *seed = &run->values.value[job_key_find("seed")];
    bool is_random = !seed->where || (seed->count == 1 && strcmp(seed->items[0], "-1") == 0);
    uint32_t number;
    char text[16];
    if (!is_random)
        return CLAT_OK;
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        return status_set(CLAT_ERROR_INTERNAL, "the system gives no random number for a seed");
    snprintf(text, sizeof text, "%u", number);
    context_log(run->context, "seed %s", text);
    return job_values_set(&run->values, "seed", text, "seed", false);
}

static enum clat_status set_number(struct job_values *values, const char *key, double number)
{
    char text[32];
    snprintf(text, sizeof text, "%.9g", number);
    return job_values_set(values, key, text, "default", false);
}

/* A name that is unknown is reported with its place. */
static enum clat_status check_scheduler_name(const struct run *run)
{
    const struct job_value *given = &run->values.value[job_key_find("scheduler")];
    const struct clat_plugin *plugin;
    enum clat_status status = given->count ? plugins_find(given->items[0], &plugin) : CLAT_OK;
    return status == CLAT_OK ? status : status_prefix(status, "%s", given->where);
}

/* The name and all options that the scheduler will run with, in place of those given. */
static enum clat_status settle_scheduler(struct run *run)
{
    enum clat_status status = CLAT_OK;
    struct scheduler *scheduler = NULL;
    struct settings effective = {0};
    struct job_values *values = &run->values;
    TRY(scheduler_open(
        run->job.scheduler, &run->model->scheduler, &run->job.scheduler_options, &scheduler));
    TRY(scheduler_effective(scheduler, &effective));
    TRY(job_values_set(values, "scheduler", scheduler_name(scheduler), "default", false));
    for (size_t i = 0; i < effective.count; i++)
        TRY(settings_set(&values->scheduler_options, effective.items[i].key,
            effective.items[i].value, "default"));
    if (settings_find(&effective, "eta"))
        job_value_clear(&values->value[job_key_find("eta")]);
out:
    scheduler_close(scheduler);
    settings_free(&effective);
    return status;
}

/* Writes every number that the images will depend on into the values: they are what an image
 * records. */
static enum clat_status settle_values(struct run *run)
{
    enum clat_status status = CLAT_OK;
    TRY(settle_scheduler(run));
    TRY(set_number(&run->values, "height", run->outline.height));
    TRY(set_number(&run->values, "width", run->outline.width));
    TRY(set_number(&run->values, "num_inference_steps", run->outline.steps));
    TRY(set_number(&run->values, "guidance_scale", run->job.guidance_scale));
out:
    return status;
}

/* "demo", the NAME of hf:ORG/NAME@REV, or the last part of the folder. */
static enum clat_status model_name(const struct run *run, char **name)
{
    const struct job_value *given = &run->values.value[job_key_find("model")];
    const char *text = given->count ? given->items[0] : "demo";
    size_t size = strcspn(text, hub_is_address(text) ? "@" : "");
    while (size > 1 && text[size - 1] == '/')
        size--;
    size_t start = size;
    while (start > 0 && text[start - 1] != '/')
        start--;
    *name = strndup(text + start, size - start);
    return *name ? CLAT_OK : status_set(CLAT_ERROR_MEMORY, "no host memory for a name");
}

static enum clat_status prepare(struct run *run, const struct clat_job *job)
{
    enum clat_status status = CLAT_OK;
    char *name = NULL;
    TRY(context_resolve(run->context, &job->values, &run->values, &run->folder));
    TRY(draw_seed(run));
    TRY(job_build(&run->values, &run->job));
    TRY(model_open(run->folder, run->job.variant, &run->model));
    TRY(check_scheduler_name(run));
    TRY(pipeline_check(run->model, &run->job, &run->outline));
    run->job.num_inference_steps = run->outline.steps;
    TRY(settle_values(run));
    TRY(model_name(run, &name));
    TRY(output_open(&run->output, run->context, &run->values, &run->job, &run->outline, name));
    if (run->job.trace) {
        TRY(output_check_folder(run->job.trace));
        TRY(safetensors_create(run->job.trace, &run->trace));
    }
out:
    free(name);
    return status;
}

/* ---- meanwhile ------------------------------------------------------------------------------ */

static void tell(struct run *run, const struct clat_progress *progress)
{
    const struct clat_options *options = &run->context->options;
    if (options->progress)
        options->progress(options->user, progress);
}

static void on_phase(void *user, enum pipeline_phase phase, int done, int total)
{
    static const char *const words[] = {[PHASE_LOAD_TEXT] = "loading text encoder",
        [PHASE_ENCODE] = "encoding prompts",
        [PHASE_LOAD_ENCODER] = "loading encoder",
        [PHASE_ENCODE_IMAGES] = "encoding images",
        [PHASE_LOAD_UNET] = "loading UNet",
        [PHASE_SAMPLE] = "sampling",
        [PHASE_LOAD_DECODER] = "loading decoder",
        [PHASE_DECODE] = "decoding"};
    tell(user, &(struct clat_progress){.phase = words[phase], .done = done, .total = total});
}

static void on_step(void *user, int step, int steps, int first, int count, int total)
{
    tell(user, &(struct clat_progress){.phase = "sampling",
                   .step = step,
                   .steps = steps,
                   .first_image = first,
                   .count = count,
                   .images = total});
}

static void on_build(void *user, const char *program, int number)
{
    (void)program;
    tell(user, &(struct clat_progress){.phase = "building kernels", .done = number});
}

static bool on_cancelled(void *user)
{
    const struct run *run = user;
    return context_is_cancelled(run->context);
}

static enum clat_status on_image(void *user, int index, uint64_t seed, const char *item, int height,
    int width, const float *rgb, int channels, int h, int w, const float *latents)
{
    struct run *run = user;
    struct output_image image = {index, seed, item, height, width, rgb, channels, h, w, latents};
    return output_add(&run->output, &image);
}

static enum clat_status on_trace(void *user, const char *name, int rank, const size_t *shape,
    const float *values, const int32_t *ids)
{
    struct run *run = user;
    return values ? safetensors_add_float(run->trace, name, rank, shape, values)
                  : safetensors_add_int(run->trace, name, rank, shape, ids);
}

static enum clat_status run_job(struct run *run)
{
    enum clat_status status = CLAT_OK;
    struct pipeline_events events = {.user = run,
        .phase = on_phase,
        .step = on_step,
        .cancelled = on_cancelled,
        .image = on_image,
        .trace = run->trace ? on_trace : NULL};
    TRY(device_open(run->job.device, &run->device));
    device_on_build(run->device, on_build, run);
    context_log(run->context, "device: %s", device_facts(run->device)->name);
    run->output.device = device_facts(run->device)->name;
    TRY(pipeline_run(run->device, run->model, &run->job, &events));
    TRY(output_finish(&run->output));
    if (run->trace) {
        struct safetensors_writer *trace = run->trace;
        run->trace = NULL;
        TRY(safetensors_commit(trace));
    }
out:
    return status;
}

enum clat_status clat_generate(struct clat_context *context, struct clat_job *job)
{
    enum clat_status status = CLAT_OK;
    struct run *run = NULL;
    TRY(memory_new(1, sizeof *run, &run));
    run->context = context;
    TRY(prepare(run, job));
    TRY(run_job(run));
out:
    if (run) {
        if (run->trace)
            safetensors_abort(run->trace);
        output_close(&run->output);
        device_close(run->device);
        model_close(run->model);
        job_free(&run->job);
        job_values_free(&run->values);
        free(run->folder);
    }
    free(run);
    return status;
}
