/* list.h - a job file with several jobs. SPDX-License-Identifier: MIT
 *
 *     guidance_scale: 3              # at the top: for every job
 *     jobs:
 *       - prompt: a red circle
 *       - {prompt: a star, seed: 4}  # what a job says itself wins
 */
#ifndef CLATENT_JOB_LIST_H
#define CLATENT_JOB_LIST_H

#include "job/values.h"

#define JOB_LIST_LIMIT 1000

struct job_entry {
    struct job_values values; /* the top's and its own */
    char *name;               /* "job 2 (jobs.yaml:7)", for messages */
};
/* Zero-initialise; freed with job_list_free(). */
struct job_list {
    struct job_values top; /* all there is, or what every job has */
    struct job_entry *entries;
    size_t count, capacity; /* 0: the file has no `jobs` */
};
void job_list_free(struct job_list *list);

/* Every key of a YAML file, over those that are there; a list of jobs takes the place of another.
 */
enum clat_status job_list_read(struct job_list *list, const char *path);

/* job_values_set() at the top and in every job. */
enum clat_status job_list_set(
    struct job_list *list, const char *key, const char *text, const char *where, bool append);
/* The same where the key is not given. */
enum clat_status job_list_fill(
    struct job_list *list, const char *key, const char *text, const char *where);

#endif
