/* clatent_jobs.c - all jobs of a call: every one checked, then one run after the other.
 * SPDX-License-Identifier: MIT
 *
 * Where each image goes is settled before the first run (clatent_places.c); what stays loaded goes
 * from run to run. */
#include "base/memory.h"
#include "clatent_jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define IMAGES_LIMIT 100000 /* of all jobs together */

/* ---- from jobs to runs ---------------------------------------------------------------------- */

static bool sweeps_seeds(const struct job_values *values)
{
    const struct job_value *sweep = &values->value[job_key_find("sweep")];
    for (size_t i = 0; i < sweep->count; i++)
        if (strncmp(sweep->items[i], "seed=", 5) == 0)
            return true;
    return false;
}

static bool resumes(const struct job_values *values)
{
    const struct job_value *resume = &values->value[job_key_find("resume")];
    return resume->count && strchr("tT", resume->items[0][0]);
}

/* A job without a seed gets one of 32 bits, which is all that the generator of the noise uses. */
static enum clat_status draw_seed(struct clat_context *context, struct job_values *values)
{
    const struct job_value *seed = &values->value[job_key_find("seed")];
    bool is_random = !seed->where || (seed->count == 1 && strcmp(seed->items[0], "-1") == 0);
    uint32_t number;
    char text[16];
    if (!is_random)
        return CLAT_OK;
    if (sweeps_seeds(values))
        return job_values_set(values, "seed", "0", "sweep", false);
    if (resumes(values))
        return status_set(CLAT_ERROR_USAGE,
            "resume: a job with a random seed makes other images every time: give it a seed");
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        return status_set(CLAT_ERROR_INTERNAL, "the system gives no random number for a seed");
    snprintf(text, sizeof text, "%u", number);
    context_log(context, "seed %s", text);
    return job_values_set(values, "seed", text, "seed", false);
}

enum clat_status jobs_tell_where(enum clat_status status, const char *name)
{
    return status == CLAT_OK || !name ? status : status_prefix(status, "%s", name);
}

static enum clat_status expand(struct jobs *jobs, const struct job_values *given, const char *name)
{
    enum clat_status status;
    struct job_values values = {.scheduler_options = {0}};
    TRY(job_values_copy(given, &values));
    TRY(draw_seed(jobs->context, &values));
    TRY(job_expand(&jobs->plan, &values, name));
out:
    job_values_free(&values);
    return jobs_tell_where(status, name);
}

static enum clat_status expand_all(struct jobs *jobs, const struct job_list *list)
{
    enum clat_status status = CLAT_OK;
    if (!list->count)
        return expand(jobs, &list->top, NULL);
    for (size_t i = 0; i < list->count && status == CLAT_OK; i++)
        status = expand(jobs, &list->entries[i].values, list->entries[i].name);
    return status;
}

static enum clat_status prepare_all(struct jobs *jobs)
{
    enum clat_status status = CLAT_OK;
    TRY(memory_new(jobs->plan.run_count, sizeof *jobs->runs, &jobs->runs));
    for (size_t i = 0; i < jobs->plan.run_count; i++) {
        const struct job_run *plan = &jobs->plan.runs[i];
        struct run *run = &jobs->runs[i];
        run->context = jobs->context;
        TRY(jobs_tell_where(run_prepare(run, &plan->values, jobs->runs, i), plan->name));
        jobs->images += (size_t)run->outline.images;
        if (jobs->images > IMAGES_LIMIT)
            FAIL(CLAT_ERROR_USAGE, "more than %d images; make several calls of it", IMAGES_LIMIT);
    }
out:
    return status;
}

/* ---- the work ------------------------------------------------------------------------------- */

/* "sweep: 2 scheduler x 3 num_inference_steps = 6 images" */
static void tell_sweep(const struct jobs *jobs, const struct job_part *part)
{
    char words[512] = "";
    size_t at = 0;
    for (size_t i = 0; i < part->axis_count && at < sizeof words; i++)
        at += (size_t)snprintf(words + at, sizeof words - at, "%s%zu %s", i ? " x " : "",
            part->axes[i].count, job_keys[part->axes[i].key].name);
    if (part->axis_count)
        context_log(jobs->context, "sweep: %s = %zu images", words, part->units);
}

static void tell_counts(const struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->plan.part_count; i++)
        tell_sweep(jobs, &jobs->plan.parts[i]);
    if (jobs->plan.part_count > 1)
        context_log(jobs->context, "%zu jobs, %zu images", jobs->plan.part_count, jobs->images);
    else if (jobs->plan.run_count > 1 && !jobs->plan.parts[0].axis_count)
        context_log(jobs->context, "%zu images", jobs->images);
}

static enum clat_status check_all(struct jobs *jobs, const struct job_list *list)
{
    enum clat_status status;
    jobs->context->told_of_demo = false;
    TRY(expand_all(jobs, list));
    TRY(prepare_all(jobs));
    TRY(jobs_number_all(jobs));
    TRY(jobs_start_outputs(jobs));
    TRY(jobs_name_all(jobs));
    TRY(jobs_check_traces(jobs));
    TRY(jobs_plan_pages(jobs));
    tell_counts(jobs);
    if (jobs->images && jobs->runs[0].opened.job.resume)
        TRY(jobs_resume(jobs));
out:
    return status;
}

/* True if nothing of it is to be made. */
static bool is_finished(const struct run *run)
{
    bool finished = run->kept != NULL;
    for (int i = 0; finished && i < run->outline.images; i++)
        finished = run->kept[i].done;
    return finished;
}

/* What is to be done in all, and the prompts of all runs, so that those of one model are encoded
 * together. */
static enum clat_status open_store(struct jobs *jobs)
{
    enum clat_status status;
    TRY(pipeline_store_new(&jobs->store));
    for (size_t i = 0; i < jobs->plan.run_count; i++) {
        struct run *run = &jobs->runs[i];
        const struct texts *prompts = &run->opened.job.prompts;
        run->store = jobs->store;
        run->tally = &jobs->tally;
        jobs->tally.images += run_images(run, run->outline.images);
        jobs->tally.work += run_work(run) * run_images(run, run->outline.images);
        for (size_t j = 0; j < prompts->count && !is_finished(run) && i > 0; j++)
            TRY(pipeline_store_expect(jobs->store, run->opened.model, prompts->items[j]));
    }
out:
    return status;
}

/* The run that comes after this one; NULL: none. */
static struct run *next_run(const struct jobs *jobs, size_t index)
{
    while (++index < jobs->plan.run_count)
        if (!is_finished(&jobs->runs[index]))
            return &jobs->runs[index];
    return NULL;
}

static enum clat_status run_all(struct jobs *jobs)
{
    enum clat_status status = CLAT_OK;
    struct run *last = NULL;
    TRY(open_store(jobs));
    for (size_t i = 0; i < jobs->page_count; i++)
        TRY(page_open(&jobs->pages[i]));
    TRY(jobs_show_finished(jobs));
    for (size_t i = 0; i < jobs->plan.run_count; i++) {
        struct run *run = &jobs->runs[i];
        if (is_finished(run))
            continue;
        const struct run *next = next_run(jobs, i);
        bool more = next && next->opened.model == run->opened.model;
        TRY(jobs_tell_where(run_generate(run, last, more), jobs->plan.runs[i].name));
        last = run;
        jobs->tally.images_done += run_images(run, run->outline.images);
        jobs->tally.work_done += run_work(run) * run_images(run, run->outline.images);
    }
    for (size_t i = 0; i < jobs->page_count; i++)
        TRY(page_write(&jobs->pages[i]));
out:
    return status;
}

/* Backwards: a run may have the model of one before it. */
static void close_all(struct jobs *jobs)
{
    pipeline_store_free(jobs->store);
    for (size_t i = jobs->runs ? jobs->plan.run_count : 0; i-- > 0;)
        run_close(&jobs->runs[i]);
    for (size_t i = 0; jobs->spots && i < jobs->images; i++)
        free(jobs->spots[i].path);
    for (size_t i = 0; i < jobs->page_count; i++)
        page_close(&jobs->pages[i]);
    jobs_close_manifests(jobs);
    free(jobs->runs);
    free(jobs->spots);
    free(jobs->pages);
    job_plan_free(&jobs->plan);
}

enum clat_status clat_generate(struct clat_context *context, struct clat_job *job)
{
    enum clat_status status;
    struct jobs jobs = {.context = context};
    TRY(check_all(&jobs, &job->list));
    TRY(run_all(&jobs));
out:
    close_all(&jobs);
    return status;
}
