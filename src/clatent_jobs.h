/* clatent_jobs.h - all runs of a call, and the images that they make. SPDX-License-Identifier: MIT
 */
#ifndef CLATENT_JOBS_H
#define CLATENT_JOBS_H

#include "clatent_generate.h"
#include "job/expand.h"

/* One image, by its number. */
struct spot {
    size_t run, index; /* the run, and which of its images */
    char *path;        /* NULL: no file of its own */
};

struct jobs {
    struct clat_context *context;
    struct job_plan plan;
    struct run *runs; /* [run_count] of the plan; zeroed ones are not yet prepared */
    struct tally tally;
    struct pipeline_store *store; /* what stays loaded between them */
    struct spot *spots;
    size_t images; /* [images] */
    struct page *pages;
    size_t page_count, page_capacity;
    struct manifest **manifests; /* [manifest_count], one of each folder */
    size_t manifest_count, manifest_capacity;
};

/* `name` before the sentence of a failure, unless there is only one job. */
enum clat_status jobs_tell_where(enum clat_status status, const char *name);

/* clatent_places.c, in this order: the spot of each image; {index}, and a look at the folders;
 * names of files; one trace for each run; sheets. CLAT_ERROR_USAGE, _OUTPUT. */
enum clat_status jobs_number_all(struct jobs *jobs);
enum clat_status jobs_start_outputs(struct jobs *jobs);
enum clat_status jobs_name_all(struct jobs *jobs);
enum clat_status jobs_check_traces(const struct jobs *jobs);
enum clat_status jobs_plan_pages(struct jobs *jobs);

/* clatent_resume.c: which images are finished already, and may be skipped. CLAT_ERROR_USAGE for
 * jobs that cannot go on later, CLAT_ERROR_OUTPUT for a file that is none of theirs. */
enum clat_status jobs_resume(struct jobs *jobs);
/* Puts those on their sheets. */
enum clat_status jobs_show_finished(struct jobs *jobs);
void jobs_close_manifests(struct jobs *jobs);

#endif
