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
    struct opened opened;
    struct pipeline_outline outline;
    struct output output;
    struct safetensors_writer *trace;
    char devices[1024]; /* their names */
};

/* ---- before --------------------------------------------------------------------------------- */

/* A job without a seed gets one of 32 bits, which is all that the generator of the noise uses. */
static enum clat_status draw_seed(struct run *run)
{
    const struct job_value *seed = &run->opened.values.value[job_key_find("seed")];
    bool is_random = !seed->where || (seed->count == 1 && strcmp(seed->items[0], "-1") == 0);
    uint32_t number;
    char text[16];
    if (!is_random)
        return CLAT_OK;
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        return status_set(CLAT_ERROR_INTERNAL, "the system gives no random number for a seed");
    snprintf(text, sizeof text, "%u", number);
    context_log(run->context, "seed %s", text);
    return job_values_set(&run->opened.values, "seed", text, "seed", false);
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
    const struct job_value *given = &run->opened.values.value[job_key_find("scheduler")];
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
    struct job_values *values = &run->opened.values;
    TRY(scheduler_open(run->opened.job.scheduler, &run->opened.model->scheduler,
        &run->opened.job.scheduler_options, &scheduler));
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
    TRY(set_number(&run->opened.values, "height", run->outline.height));
    TRY(set_number(&run->opened.values, "width", run->outline.width));
    TRY(set_number(&run->opened.values, "num_inference_steps", run->outline.steps));
    TRY(set_number(&run->opened.values, "guidance_scale", run->opened.job.guidance_scale));
out:
    return status;
}

static enum clat_status prepare(struct run *run, const struct clat_job *job)
{
    enum clat_status status = CLAT_OK;
    char *name = NULL;
    TRY(opened_resolve(run->context, job, &run->opened));
    TRY(draw_seed(run));
    TRY(opened_build(&run->opened));
    TRY(check_scheduler_name(run));
    TRY(pipeline_check(run->opened.model, &run->opened.job, &run->outline));
    run->opened.job.num_inference_steps = run->outline.steps;
    TRY(settle_values(run));
    TRY(opened_model_name(&run->opened.values, &name));
    TRY(output_open(
        &run->output, run->context, &run->opened.values, &run->opened.job, &run->outline, name));
    if (run->opened.job.trace) {
        TRY(output_check_folder(run->opened.job.trace));
        TRY(safetensors_create(run->opened.job.trace, &run->trace));
    }
out:
    free(name);
    return status;
}

/* ---- meanwhile ------------------------------------------------------------------------------ */

static void on_phase(void *user, enum pipeline_phase phase, int done, int total)
{
    const struct run *run = user;
    context_phase(run->context, phase, done, total);
}

static void on_step(void *user, int step, int steps, int first, int count, int total)
{
    const struct run *run = user;
    context_tell(run->context, &(struct clat_progress){.phase = "sampling",
                                   .step = step,
                                   .steps = steps,
                                   .first_image = first,
                                   .count = count,
                                   .images = total});
}

static bool on_cancelled(void *user)
{
    const struct run *run = user;
    return context_is_cancelled(run->context);
}

static void on_warning(void *user, const char *sentence)
{
    const struct run *run = user;
    context_log(run->context, "warning: %s", sentence);
}

/* What an image records is what it was made with. */
static void on_precision(void *user, const char *precision)
{
    struct run *run = user;
    if (job_values_set(&run->opened.values, "precision", precision, "memory", false) != CLAT_OK)
        context_log(run->context, "warning: %s", status_text());
}

static enum clat_status on_image(void *user, int index, uint64_t seed, const char *item, int height,
    int width, const float *rgb, int channels, int h, int w, const float *latents)
{
    struct run *run = user;
    struct output_image image = {index, seed, item, height, width, rgb, channels, h, w, latents};
    return output_add(&run->output, &image);
}

static void on_preview(void *user, int index, int nth, int step, int steps, uint64_t seed,
    const char *item, int h, int w, const float *rgb)
{
    struct run *run = user;
    struct output_image image = {.index = index,
        .seed = seed,
        .item = item,
        .height = run->outline.height,
        .width = run->outline.width};
    output_preview(&run->output, &image, nth, step, steps, h, w, rgb);
}

static enum clat_status on_trace(void *user, const char *name, int rank, const size_t *shape,
    const float *values, const int32_t *ids)
{
    struct run *run = user;
    return values ? safetensors_add_float(run->trace, name, rank, shape, values)
                  : safetensors_add_int(run->trace, name, rank, shape, ids);
}

/* For the record: each name once. */
static void name_devices(struct run *run)
{
    size_t at = 0;
    for (size_t i = 0; i < run->opened.device_count && at < sizeof run->devices; i++) {
        const char *name = device_facts(run->opened.devices[i])->name;
        if (i == 0 || !strstr(run->devices, name))
            at += (size_t)snprintf(
                run->devices + at, sizeof run->devices - at, "%s%s", i ? " + " : "", name);
    }
    run->output.device = run->devices;
}

static enum clat_status run_job(struct run *run)
{
    enum clat_status status = CLAT_OK;
    struct pipeline_events events = {.user = run,
        .phase = on_phase,
        .step = on_step,
        .cancelled = on_cancelled,
        .warn = on_warning,
        .precision = on_precision,
        .image = on_image,
        .preview = on_preview,
        .trace = run->trace ? on_trace : NULL};
    TRY(opened_devices(run->context, &run->opened));
    name_devices(run);
    TRY(pipeline_run_on(run->opened.devices, run->opened.device_count, run->opened.model,
        &run->opened.job, &events));
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
        opened_close(&run->opened);
    }
    free(run);
    return status;
}
