/* clatent_open.c - what every piece of work begins with: a job, its model, its device.
 * SPDX-License-Identifier: MIT */
#include "clatent_internal.h"
#include "device/device.h"
#include "device/tuning.h"
#include "job/expand.h"
#include "job/hub.h"
#include "pipeline/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum clat_status opened_resolve(
    struct clat_context *context, const struct job_values *given, struct opened *opened)
{
    return context_resolve(context, given, &opened->values, &opened->folder);
}

enum clat_status opened_resolve_one(
    struct clat_context *context, const struct clat_job *given, struct opened *opened)
{
    const struct job_value *resume = &given->list.top.value[job_key_find("resume")];
    if (given->list.count || job_expands(&given->list.top) || resume->where)
        return status_set(CLAT_ERROR_USAGE,
            "jobs, prompt_file, sweep and resume are for generate; this does one job at once");
    context->told_of_demo = false;
    return opened_resolve(context, &given->list.top, opened);
}

enum clat_status opened_build(struct opened *opened)
{
    enum clat_status status;
    TRY(job_build(&opened->values, &opened->job));
    TRY(model_open(opened->folder, opened->job.variant, &opened->model));
out:
    return status;
}

static void on_build(void *user, const char *program, int number, int total)
{
    (void)program;
    context_phase(user, PHASE_BUILD, number, total);
}

static void warn(void *user, const char *sentence)
{
    context_log(user, "warning: %s", sentence);
}

static enum clat_status open_one(struct clat_context *context, struct opened *opened, int index)
{
    enum clat_status status;
    char number[16];
    struct device **device = &opened->devices[opened->device_count];
    snprintf(number, sizeof number, "%d", index);
    TRY(device_open(number, device));
    opened->device_count++;
    device_on_build(*device, on_build, context);
    device_on_cancel(*device, context_is_cancelled, context);
    TRY(tuning_load(*device, context->data_folder, warn, context));
    pipeline_prepare(*device, &opened->job);
    context_log(context, "device: %s", device_facts(*device)->name);
out:
    return status;
}

/* One that does not open is left out while there are others. */
enum clat_status opened_devices(struct clat_context *context, struct opened *opened)
{
    struct device_choice choice;
    const struct texts *given = &opened->job.devices;
    enum clat_status status;
    TRY(device_choose((const char *const *)given->items, given->count, &choice));
    for (size_t i = 0; i < choice.count; i++) {
        status = open_one(context, opened, choice.index[i]);
        if (status != CLAT_OK && (opened->device_count || i + 1 < choice.count))
            context_log(context, "warning: %s; the other devices do its work", status_text());
    }
    if (opened->device_count)
        status = CLAT_OK;
    opened->device = opened->devices[0];
out:
    return status;
}

enum clat_status opened_device(struct clat_context *context, struct opened *opened)
{
    struct device_choice choice;
    const struct texts *given = &opened->job.devices;
    enum clat_status status;
    TRY(device_choose((const char *const *)given->items, given->count, &choice));
    if (choice.count > 1)
        FAIL(CLAT_ERROR_USAGE, "device: %zu devices are named, where one does the work",
            choice.count);
    TRY(open_one(context, opened, choice.index[0]));
    opened->device = opened->devices[0];
out:
    return status;
}

void opened_hand_over(struct opened *from, struct opened *to)
{
    for (size_t i = 0; i < from->device_count; i++)
        to->devices[i] = from->devices[i];
    to->device_count = from->device_count;
    to->device = from->device;
    from->device_count = 0;
    from->device = NULL;
}

void opened_close_devices(struct opened *opened)
{
    for (size_t i = 0; i < opened->device_count; i++)
        device_close(opened->devices[i]);
    opened->device_count = 0;
    opened->device = NULL;
}

void opened_close(struct opened *opened)
{
    opened_close_devices(opened);
    if (!opened->lent)
        model_close(opened->model);
    job_free(&opened->job);
    job_values_free(&opened->values);
    free(opened->folder);
    *opened = (struct opened){.folder = NULL};
}

enum clat_status opened_model_name(const struct job_values *values, char **name)
{
    const struct job_value *given = &values->value[job_key_find("model")];
    const char *text = given->count ? given->items[0] : "demo";
    size_t size = strcspn(text, hub_is_address(text) ? "@:" : "");
    while (size > 1 && text[size - 1] == '/')
        size--;
    size_t start = size;
    while (start > 0 && text[start - 1] != '/')
        start--;
    *name = strndup(text + start, size - start);
    return *name ? CLAT_OK : status_set(CLAT_ERROR_MEMORY, "no host memory for a name");
}

void context_tell(struct clat_context *context, const struct clat_progress *progress)
{
    if (context->options.progress)
        context->options.progress(context->options.user, progress);
}

void context_phase(void *context, enum pipeline_phase phase, int done, int total)
{
    static const char *const words[] = {[PHASE_BUILD] = "building kernels",
        [PHASE_LOAD_TEXT] = "loading text encoder",
        [PHASE_ENCODE] = "encoding prompts",
        [PHASE_LOAD_ENCODER] = "loading encoder",
        [PHASE_ENCODE_IMAGES] = "encoding images",
        [PHASE_LOAD_UNET] = "loading UNet",
        [PHASE_SAMPLE] = "sampling",
        [PHASE_LOAD_DECODER] = "loading decoder",
        [PHASE_DECODE] = "decoding"};
    context_tell(
        context, &(struct clat_progress){.phase = words[phase], .done = done, .total = total});
}
