/* expand.h - a job with a file of prompts or a sweep, as runs of the pipeline.
 * SPDX-License-Identifier: MIT
 *
 * A job comes to units: one for each cell of its sweep, or for each image of a line of its prompts,
 * and otherwise one for all of it. Units that differ in prompt, class and seed only are put
 * together into one run, so that they share calls of the UNet; that changes no picture. Units are
 * numbered as a reader has them: the last axis of a sweep goes round first. Runs come in the order
 * in which the fewest networks must be loaded. */
#ifndef CLATENT_JOB_EXPAND_H
#define CLATENT_JOB_EXPAND_H

#include "job/sweep.h"
#include "job/values.h"

/* One call of the pipeline. */
struct job_run {
    struct job_values values;
    char *name;    /* "job 2 (jobs.yaml:7), eta=0.5": for messages; NULL: the only one */
    size_t job;    /* whose it is */
    size_t *units; /* [count] number of each image among the units of the job */
    size_t count;
    bool whole; /* one unit, of as many images as the pipeline finds in it */
};

/* What became of one job. */
struct job_part {
    size_t units;
    struct sweep_axis axes[SWEEP_AXES];
    size_t axis_count; /* 0: no sweep */
};

/* Zero-initialise; freed with job_plan_free() also after a failure. */
struct job_plan {
    struct job_run *runs;
    size_t run_count, run_capacity;
    struct job_part *parts; /* of the jobs, in their order */
    size_t part_count, part_capacity;
};
/* Adds one job, `name` for messages or NULL. Where it has a sweep, or lines with options, its seed
 * must be given and not random. CLAT_ERROR_USAGE, _INPUT. */
enum clat_status job_expand(
    struct job_plan *plan, const struct job_values *values, const char *name);
void job_plan_free(struct job_plan *plan);

/* True if it needs that. */
bool job_expands(const struct job_values *values);

#endif
