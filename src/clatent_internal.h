/* clatent_internal.h - what the files of the public face share. SPDX-License-Identifier: MIT */
#ifndef CLATENT_INTERNAL_H
#define CLATENT_INTERNAL_H

#include "base/status.h"
#include "base/text.h"
#include "clatent.h"
#include "job/list.h"
#include "job/preferences.h"
#include "pipeline/pipeline.h"
#include <stdbool.h>

struct clat_context {
    struct clat_options options; /* folders are owned copies */
    char *data_folder, *scheduler_folder;
    struct preferences preferences; /* after clat_configure() */
    bool told_of_demo;              /* that the demo model is taken, for want of another */
};

struct clat_job {
    struct clat_context *context;
    struct job_list list;
    struct text got; /* what clat_job_get() gave last */
};

/* Hands a sentence to the log callback, if there is one. */
void context_log(struct clat_context *context, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Asks the cancelled callback; `context` is a struct clat_context, the form is device_on_cancel's.
 */
bool context_is_cancelled(void *context);

/* The folder of a model as given: NULL is the demo model, "hf:..." is looked up in the hub cache, a
 * bare name in the model_path of `values`. Freed by the caller. */
enum clat_status context_find_model(struct clat_context *context, const struct job_values *values,
    const char *model, char **folder);

/* The values of a job with what its model recommends under them, and that model's folder. */
enum clat_status context_resolve(struct clat_context *context, const struct job_values *given,
    struct job_values *values, char **folder);

/* A job with its model and device, opened for one piece of work. Zero-initialise. */
struct opened {
    struct job_values values; /* the job's over the model's */
    struct job job;
    char *folder; /* of the model */
    struct model *model;
    struct device *device; /* the first of: */
    struct device *devices[DEVICES_LIMIT];
    size_t device_count;
    bool lent; /* the model is another's */
};
/* The values, then the checked job and its model, then its devices, which ask the context whether
 * to stop. opened_close() also after a failure. */
enum clat_status opened_resolve(
    struct clat_context *context, const struct job_values *given, struct opened *opened);
/* The same for a verb that does one job: CLAT_ERROR_USAGE if there are several. */
enum clat_status opened_resolve_one(
    struct clat_context *context, const struct clat_job *given, struct opened *opened);
enum clat_status opened_build(struct opened *opened);
/* One device only; CLAT_ERROR_USAGE if the job names several. */
enum clat_status opened_device(struct clat_context *context, struct opened *opened);
enum clat_status opened_devices(struct clat_context *context, struct opened *opened);
/* The devices go from one piece of work to the next, which prepares them as its job wants. */
void opened_hand_over(struct opened *from, struct opened *to);
void opened_close_devices(struct opened *opened);
void opened_close(struct opened *opened);

/* "demo", the NAME of hf:ORG/NAME@REV, or the last part of the folder; freed by the caller. */
enum clat_status opened_model_name(const struct job_values *values, char **name);

/* To the progress callback, if there is one. */
void context_tell(struct clat_context *context, const struct clat_progress *progress);
/* The `phase` of struct pipeline_events; `context` is a struct clat_context. */
void context_phase(void *context, enum pipeline_phase phase, int done, int total);

#endif
