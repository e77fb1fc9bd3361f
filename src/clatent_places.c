/* clatent_places.c - where the images of all jobs go. SPDX-License-Identifier: MIT
 *
 * Images are numbered over all jobs, in the order in which a reader has them; {index} counts those
 * of one pattern; runs may go through them in another order. No two may have one name, and those of
 * one sheet know their places on it. */
#include "base/file.h"
#include "base/memory.h"
#include "clatent_jobs.h"

#include <stdlib.h>
#include <string.h>

/* ---- numbers of images ---------------------------------------------------------------------- */

/* Where the images of each unit of a job begin, [units]; *next is the number behind the last. */
static enum clat_status number_units(
    const struct jobs *jobs, size_t part, size_t *next, size_t **starts)
{
    enum clat_status status;
    size_t units = jobs->plan.parts[part].units;
    TRY(memory_new(units, sizeof **starts, starts));
    for (size_t i = 0; i < jobs->plan.run_count; i++) {
        const struct job_run *run = &jobs->plan.runs[i];
        for (size_t j = 0; run->job == part && j < run->count; j++)
            (*starts)[run->units[j]] = run->whole ? (size_t)jobs->runs[i].outline.images : 1;
    }
    for (size_t i = 0; i < units; i++) {
        size_t count = (*starts)[i];
        (*starts)[i] = *next;
        *next += count;
    }
out:
    return status;
}

static enum clat_status number_images(struct jobs *jobs, size_t index, const size_t *starts)
{
    enum clat_status status;
    const struct job_run *plan = &jobs->plan.runs[index];
    struct run *run = &jobs->runs[index];
    size_t images = (size_t)run->outline.images;
    if (!plan->whole && images != plan->count)
        return status_set(CLAT_ERROR_INTERNAL, "%zu units became %zu images", plan->count, images);
    TRY(memory_new(images, sizeof *run->numbers, &run->numbers));
    TRY(memory_new(images, sizeof *run->indices, &run->indices));
    TRY(memory_new(images, sizeof *run->page_numbers, &run->page_numbers));
    for (size_t j = 0; j < images; j++) {
        run->numbers[j] = plan->whole ? starts[plan->units[0]] + j : starts[plan->units[j]];
        jobs->spots[run->numbers[j]] = (struct spot){.run = index, .index = j};
    }
    run->output.numbers = run->numbers;
    run->output.indices = run->indices;
    run->output.page_numbers = run->page_numbers;
out:
    return status;
}

enum clat_status jobs_number_all(struct jobs *jobs)
{
    enum clat_status status;
    size_t next = 0, *starts = NULL;
    TRY(memory_new(jobs->images, sizeof *jobs->spots, &jobs->spots));
    for (size_t part = 0; part < jobs->plan.part_count; part++) {
        TRY(number_units(jobs, part, &next, &starts));
        for (size_t i = 0; i < jobs->plan.run_count; i++)
            if (jobs->plan.runs[i].job == part)
                TRY(number_images(jobs, i, starts));
        free(starts);
        starts = NULL;
    }
out:
    free(starts);
    return status;
}

/* ---- names of files ------------------------------------------------------------------------- */

static struct run *run_of(const struct jobs *jobs, const struct spot *spot)
{
    return &jobs->runs[spot->run];
}

/* The first run with the pattern of run `index`. */
static size_t first_alike(const struct jobs *jobs, size_t index)
{
    const char *pattern = jobs->runs[index].opened.job.output;
    for (size_t i = 0; i < index; i++)
        if (strcmp(jobs->runs[i].opened.job.output, pattern) == 0)
            return i;
    return index;
}

static enum clat_status refuse_shared(const struct run *run, size_t images)
{
    const char *pattern = run->opened.job.output;
    if (run->output.kind == OUTPUT_STREAM)
        return status_set(
            CLAT_ERROR_USAGE, "output '-' takes one image, but %zu are asked for", images);
    return status_set(CLAT_ERROR_USAGE,
        "output '%s' names one file, but %zu images are asked for: put {index} into the name",
        pattern, images);
}

/* {index} of each image counts those of its pattern; what the first run of a pattern finds out is
 * so for the others. */
enum clat_status jobs_start_outputs(struct jobs *jobs)
{
    enum clat_status status = CLAT_OK;
    size_t *first = NULL, *counts = NULL;
    TRY(memory_new(jobs->plan.run_count, sizeof *first, &first));
    TRY(memory_new(jobs->plan.run_count, sizeof *counts, &counts));
    for (size_t i = 0; i < jobs->plan.run_count; i++) {
        struct run *run = &jobs->runs[i];
        first[i] = run->opened.job.output ? first_alike(jobs, i) : i;
        run->output.time = jobs->runs[0].output.time;
        if (first[i] == i)
            TRY(jobs_tell_where(
                output_start(&run->output, run->outline.item), jobs->plan.runs[i].name));
        run->output.first_index = jobs->runs[first[i]].output.first_index;
        if (first[i] != i && (run->output.collects || run->output.kind == OUTPUT_STREAM))
            TRY(refuse_shared(run, jobs->images));
    }
    for (size_t i = 0; i < jobs->images; i++) {
        const struct spot *spot = &jobs->spots[i];
        run_of(jobs, spot)->indices[spot->index] = counts[first[spot->run]]++;
    }
out:
    free(first);
    free(counts);
    return status;
}

static enum clat_status name_image(struct jobs *jobs, struct spot *spot)
{
    enum clat_status status;
    const struct run *run = run_of(jobs, spot);
    const struct job *job = &run->opened.job;
    struct output_image image = {.index = (int)spot->index,
        .seed = pipeline_seed(job, (int)spot->index),
        .item = pipeline_item(run->opened.model, job, (int)spot->index)};
    if (!job->output)
        return CLAT_OK;
    TRY(output_name(&run->output, &image, &spot->path));
    if (spot->path && !output_has_index(job->output) && !job->overwrite && !job->resume &&
        file_exists(spot->path))
        FAIL(CLAT_ERROR_OUTPUT,
            "'%s' exists; --overwrite replaces it, {index} in the name takes the next free one",
            spot->path);
out:
    return status;
}

static int compare_spots(const void *a, const void *b)
{
    const struct spot *const *x = a, *const *y = b;
    int order = strcmp((*x)->path, (*y)->path);
    return order ? order : (*x > *y) - (*x < *y);
}

static enum clat_status refuse_twice(
    const struct jobs *jobs, const struct spot *one, const struct spot *other)
{
    const struct job_run *a = &jobs->plan.runs[one->run], *b = &jobs->plan.runs[other->run];
    if (one->run == other->run || !a->name || !b->name)
        return refuse_shared(run_of(jobs, one), jobs->images);
    return status_set(CLAT_ERROR_USAGE,
        "output: '%s' is the name of an image of %s and of one of %s: put {index} into the name, "
        "or give each its own",
        one->path, a->name, b->name);
}

/* No two images may have one name. */
enum clat_status jobs_name_all(struct jobs *jobs)
{
    enum clat_status status;
    const struct spot **named = NULL;
    size_t count = 0;
    TRY(memory_new(jobs->images, sizeof *named, &named));
    for (size_t i = 0; i < jobs->images; i++) {
        TRY(name_image(jobs, &jobs->spots[i]));
        if (jobs->spots[i].path)
            named[count++] = &jobs->spots[i];
    }
    qsort(named, count, sizeof *named, compare_spots);
    for (size_t i = 1; i < count; i++)
        if (strcmp(named[i - 1]->path, named[i]->path) == 0)
            TRY(refuse_twice(jobs, named[i - 1], named[i]));
out:
    free(named);
    return status;
}

/* ---- traces and sheets ---------------------------------------------------------------------- */

enum clat_status jobs_check_traces(const struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->plan.run_count; i++)
        for (size_t j = 0; j < i; j++) {
            const char *a = jobs->runs[i].opened.job.trace, *b = jobs->runs[j].opened.job.trace;
            if (a && b && strcmp(a, b) == 0)
                return status_set(CLAT_ERROR_USAGE,
                    "trace: '%s' can hold one run, but %s and %s both name it", a,
                    jobs->plan.runs[j].name, jobs->plan.runs[i].name);
        }
    return CLAT_OK;
}

/* The sheet of that path, or a new one, of that job's sweep if it has one. */
static enum clat_status find_page(struct jobs *jobs, const struct spot *spot, size_t *index)
{
    enum clat_status status = CLAT_OK;
    const struct job *job = &run_of(jobs, spot)->opened.job;
    const struct job_part *part = &jobs->plan.parts[jobs->plan.runs[spot->run].job];
    if (!part->axis_count)
        part = NULL;
    for (*index = 0; *index < jobs->page_count; ++*index) {
        if (strcmp(jobs->pages[*index].path, job->sheet) != 0)
            continue;
        if (jobs->pages[*index].part != part)
            FAIL(CLAT_ERROR_USAGE,
                "sheet: '%s' shows one sweep, and nothing else: give each its own sheet",
                job->sheet);
        goto out;
    }
    TRY(memory_grow(&jobs->pages, &jobs->page_capacity, jobs->page_count, sizeof *jobs->pages));
    page_begin(&jobs->pages[jobs->page_count++], job);
    jobs->pages[*index].part = part;
out:
    return status;
}

/* Which images stand on which sheet, and where. */
enum clat_status jobs_plan_pages(struct jobs *jobs)
{
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; i < jobs->images; i++) {
        const struct spot *spot = &jobs->spots[i];
        struct run *run = run_of(jobs, spot);
        size_t page;
        if (!run->opened.job.sheet)
            continue;
        TRY(find_page(jobs, spot, &page));
        run->page_numbers[spot->index] = jobs->pages[page].count;
        page_count(&jobs->pages[page], run->outline.height, run->outline.width);
    }
    for (size_t i = 0; i < jobs->page_count; i++)
        TRY(page_check(&jobs->pages[i]));
    for (size_t i = 0; i < jobs->plan.run_count; i++)
        for (size_t j = 0; j < jobs->page_count && jobs->runs[i].opened.job.sheet; j++)
            if (strcmp(jobs->pages[j].path, jobs->runs[i].opened.job.sheet) == 0)
                jobs->runs[i].output.page = &jobs->pages[j];
out:
    return status;
}
