/* witness.h - everything that a run of the pipeline tells, kept for comparing.
 * SPDX-License-Identifier: MIT */
#ifndef CLATENT_TESTS_WITNESS_H
#define CLATENT_TESTS_WITNESS_H

#include "pipeline/model.h"
#include "pipeline/pipeline.h"

#define TRACES 64
#define IMAGES 16

struct record {
    struct {
        char name[64];
        size_t count;
        float *values;
        int32_t *ids;
    } traces[TRACES];
    int trace_count;
    struct {
        uint64_t seed;
        float *rgb, *latents;
        size_t pixels, elements;
    } images[IMAGES];
    int image_count;
    int steps, evaluations;       /* steps told */
    int phases[PHASE_DECODE + 1]; /* how often each was told */
    int cancel_after;             /* questions answered with no; 0: always no */
};

/* Events that go into the record. */
struct pipeline_events record_events(struct record *record);
void record_free(struct record *record);

/* Opens the model, runs the job and closes it again. */
enum clat_status record_run(struct device *device, const char *folder, const char *variant,
    const struct job *job, struct record *record);

/* A traced stage, which must have `count` values; NULL if there is none. */
const float *record_trace(const struct record *record, const char *name, size_t count);

#endif
