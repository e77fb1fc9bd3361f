/* clatent_generate.c - one run: prepared, done, its images written. SPDX-License-Identifier: MIT
 *
 * Everything that can be known to be wrong is found before a device is opened or a weight read:
 * keys, model folder, scheduler, output folder. */
#include "base/file.h"
#include "base/memory.h"
#include "clatent_generate.h"
#include "device/device.h"
#include "formats/safetensors.h"
#include "pipeline/model.h"
#include "pipeline/pipeline.h"
#include "plugins/loader.h"
#include "sampling/sampler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- before --------------------------------------------------------------------------------- */

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

/* The checked job, with its model: one that a run before it has opened, or a new one. */
static enum clat_status build(struct run *run, const struct run *before, size_t count)
{
    enum clat_status status;
    struct opened *opened = &run->opened;
    for (size_t i = 0; i < count && !opened->model; i++) {
        const struct opened *other = &before[i].opened;
        const struct job_value *variant = &opened->values.value[job_key_find("variant")];
        const char *wanted = variant->count ? variant->items[0] : "";
        const char *had = other->job.variant ? other->job.variant : "";
        if (strcmp(other->folder, opened->folder) == 0 && strcmp(had, wanted) == 0) {
            opened->model = other->model;
            opened->lent = true;
        }
    }
    TRY(opened->model ? job_build(&opened->values, &opened->job) : opened_build(opened));
out:
    return status;
}

enum clat_status run_prepare(
    struct run *run, const struct job_values *values, const struct run *before, size_t count)
{
    enum clat_status status = CLAT_OK;
    char *name = NULL;
    TRY(opened_resolve(run->context, values, &run->opened));
    TRY(build(run, before, count));
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

int run_images(const struct run *run, int end)
{
    int count = 0;
    for (int i = 0; i < end; i++)
        count += !run->kept || !run->kept[i].done;
    return count;
}

double run_work(const struct run *run)
{
    return (double)run->outline.steps * run->outline.height * run->outline.width;
}

static void on_step(void *user, int step, int steps, int first, int count, int total)
{
    const struct run *run = user;
    const struct tally *tally = run->tally;
    int before = run_images(run, first), now = run_images(run, first + count) - before;
    double done = before + (double)now * step / steps;
    (void)total;
    context_tell(
        run->context, &(struct clat_progress){.phase = "sampling",
                          .step = step,
                          .steps = steps,
                          .first_image = tally->images_done + before,
                          .count = now,
                          .images = tally->images,
                          .fraction = (tally->work_done + run_work(run) * done) / tally->work});
}

static bool on_cancelled(void *user)
{
    const struct run *run = user;
    return context_is_cancelled(run->context);
}

static bool on_wanted(void *user, int index)
{
    const struct run *run = user;
    return !run->kept || !run->kept[index].done;
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

/* True if both name the same devices. */
static bool same_devices(const struct texts *a, const struct texts *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = strcmp(a->items[i], b->items[i]) == 0;
    return same;
}

/* The devices of the run before it, if the job names the same, or others. */
static enum clat_status open_devices(struct run *run, struct run *last)
{
    if (!last || !last->opened.device_count)
        return opened_devices(run->context, &run->opened);
    if (same_devices(&run->opened.job.devices, &last->opened.job.devices)) {
        opened_hand_over(&last->opened, &run->opened);
        return CLAT_OK;
    }
    pipeline_store_clear(run->store);
    opened_close_devices(&last->opened);
    return opened_devices(run->context, &run->opened);
}

enum clat_status run_generate(struct run *run, struct run *last, bool more)
{
    enum clat_status status = CLAT_OK;
    struct pipeline_events events = {.user = run,
        .phase = on_phase,
        .step = on_step,
        .cancelled = on_cancelled,
        .wanted = on_wanted,
        .warn = on_warning,
        .precision = on_precision,
        .image = on_image,
        .preview = on_preview,
        .trace = run->trace ? on_trace : NULL};
    TRY(open_devices(run, last));
    name_devices(run);
    TRY(pipeline_run_kept(run->opened.devices, run->opened.device_count, run->opened.model,
        &run->opened.job, &events, run->store, more));
    TRY(output_finish(&run->output));
    if (run->trace) {
        struct safetensors_writer *trace = run->trace;
        run->trace = NULL;
        TRY(safetensors_commit(trace));
    }
out:
    return status;
}

void run_close(struct run *run)
{
    if (run->trace)
        safetensors_abort(run->trace);
    output_close(&run->output);
    opened_close(&run->opened);
    free(run->numbers);
    free(run->indices);
    free(run->page_numbers);
    free(run->kept);
}
