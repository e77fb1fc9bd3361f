/* clatent_generate.h - one run of the pipeline, with its model, its device and its files.
 * SPDX-License-Identifier: MIT */
#ifndef CLATENT_GENERATE_H
#define CLATENT_GENERATE_H

#include "clatent_internal.h"
#include "clatent_output.h"

/* How far all runs are. */
struct tally {
    int images, images_done; /* that are to be made, and of runs that have ended */
    double work, work_done;  /* their steps times pixels */
};

/* Zero-initialise but for the context; freed with run_close(). */
struct run {
    struct clat_context *context;
    struct opened opened;
    struct pipeline_outline outline;
    struct tally *tally;          /* the jobs' */
    struct pipeline_store *store; /* what stays loaded; the jobs' */
    struct output output;
    struct safetensors_writer *trace;
    char devices[1024]; /* their names */
    /* Of each of its images: its number among all of the call, the {index} of its name, its number
     * on its sheet. [outline.images]; filled in by clatent_jobs.c. */
    size_t *numbers, *indices, *page_numbers;
    struct kept *kept; /* likewise, if the job can go on later; else NULL */
};

/* Everything that can be known to be wrong with one run is found here, but for the names of its
 * files. Of the `count` runs `before` it takes the model, if it is the same. */
enum clat_status run_prepare(
    struct run *run, const struct job_values *values, const struct run *before, size_t count);

/* Makes the images; the device is taken over from the `last` run (NULL: there was none), if it is
 * the same. `more`: others follow, which may take over the networks. */
enum clat_status run_generate(struct run *run, struct run *last, bool more);
/* Its images that are to be made, of those before `end`; and the steps times pixels of each. */
int run_images(const struct run *run, int end);
double run_work(const struct run *run);
void run_close(struct run *run);

#endif
