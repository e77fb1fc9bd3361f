/* witness.c - everything that a run of the pipeline tells. SPDX-License-Identifier: MIT */
#include "witness.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *copy(const void *values, size_t size)
{
    return values ? memcpy(malloc(size), values, size) : NULL;
}

static enum clat_status on_trace(void *user, const char *name, int rank, const size_t *shape,
    const float *values, const int32_t *ids)
{
    struct record *record = user;
    size_t count = 1;
    for (int axis = 0; axis < rank; axis++)
        count *= shape[axis];
    int i = record->trace_count++;
    CHECK(i < TRACES, "%d stages are traced", i);
    snprintf(record->traces[i].name, sizeof record->traces[i].name, "%s", name);
    record->traces[i].count = count;
    record->traces[i].values = copy(values, count * sizeof *values);
    record->traces[i].ids = copy(ids, count * sizeof *ids);
    return CLAT_OK;
}

static enum clat_status on_image(void *user, int index, uint64_t seed, const char *item, int height,
    int width, const float *rgb, int channels, int h, int w, const float *latents)
{
    struct record *record = user;
    size_t pixels = (size_t)height * (size_t)width * 3;
    size_t elements = (size_t)channels * (size_t)h * (size_t)w;
    CHECK(index == record->image_count && index < IMAGES && item, "image %d", index);
    record->images[index].seed = seed;
    record->images[index].pixels = pixels;
    record->images[index].elements = elements;
    record->images[index].rgb = copy(rgb, pixels * sizeof *rgb);
    record->images[index].latents = copy(latents, elements * sizeof *latents);
    record->image_count++;
    return CLAT_OK;
}

static void on_step(void *user, int step, int steps, int first, int count, int total)
{
    struct record *record = user;
    CHECK(step >= 1 && step <= steps && first + count <= total, "step %d of %d", step, steps);
    record->steps++;
}

static void on_phase(void *user, enum pipeline_phase phase, int done, int total)
{
    struct record *record = user;
    CHECK((done >= 0 && done <= total && total > 0) || phase == PHASE_BUILD, "phase %d: %d of %d",
        (int)phase, done, total);
    record->phases[phase]++;
}

static bool on_cancelled(void *user)
{
    struct record *record = user;
    return record->cancel_after && --record->cancel_after == 0;
}

void record_free(struct record *record)
{
    for (int i = 0; i < record->trace_count; i++) {
        free(record->traces[i].values);
        free(record->traces[i].ids);
    }
    for (int i = 0; i < record->image_count; i++) {
        free(record->images[i].rgb);
        free(record->images[i].latents);
    }
    memset(record, 0, sizeof *record);
}

struct pipeline_events record_events(struct record *record)
{
    return (struct pipeline_events){.user = record,
        .phase = on_phase,
        .step = on_step,
        .cancelled = on_cancelled,
        .image = on_image,
        .trace = on_trace};
}

enum clat_status record_run(struct device *device, const char *folder, const char *variant,
    const struct job *job, struct record *record)
{
    struct model *model;
    struct pipeline_events events = record_events(record);
    enum clat_status status = model_open(folder, variant, &model);
    if (status == CLAT_OK)
        status = pipeline_run(device, model, job, &events);
    model_close(model);
    return status;
}

const float *record_trace(const struct record *record, const char *name, size_t count)
{
    for (int i = 0; i < record->trace_count; i++)
        if (strcmp(record->traces[i].name, name) == 0) {
            CHECK(record->traces[i].count == count, "%s: %zu values, want %zu", name,
                record->traces[i].count, count);
            return record->traces[i].values;
        }
    CHECK(false, "no trace '%s'", name);
    return NULL;
}
