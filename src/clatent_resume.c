/* clatent_resume.c - what a call that was cut off has made, so that it is not made again.
 * SPDX-License-Identifier: MIT
 *
 * The names of files do not depend on what is there: {index} begins at 0, and the manifest of the
 * folder says what is ours. */
#include "base/file.h"
#include "base/memory.h"
#include "clatent_jobs.h"
#include "formats/png.h"

#include <stdlib.h>
#include <string.h>

static enum clat_status check_run(const struct run *run)
{
    const struct job *job = &run->opened.job;
    if (run->output.kind != OUTPUT_PNG)
        return status_set(CLAT_ERROR_USAGE,
            "resume: expected an output that ends in .png, a file for each image, found '%s'",
            job->output ? job->output : "none");
    if (strstr(job->output, "{date"))
        return status_set(CLAT_ERROR_USAGE,
            "resume: {date} in the output '%s' gives other names later", job->output);
    if (job->trace)
        return status_set(CLAT_ERROR_USAGE,
            "resume: a trace is of a whole run, which may be in parts here: leave one of them out");
    return CLAT_OK;
}

static void on_bad_line(void *user, const char *sentence)
{
    const struct jobs *jobs = user;
    context_log(jobs->context, "warning: %s", sentence);
}

static bool same_folder(const struct manifest *manifest, const char *image)
{
    const char *slash = strrchr(image, '/');
    size_t size = slash ? (size_t)(slash - image) + 1 : 0;
    return strlen(manifest->path) == size + strlen(MANIFEST_NAME) &&
           memcmp(manifest->path, image, size) == 0;
}

/* The manifest of the folder that an image is in. */
static enum clat_status find_manifest(
    struct jobs *jobs, const char *image, struct manifest **manifest)
{
    enum clat_status status;
    for (size_t i = 0; i < jobs->manifest_count; i++)
        if (same_folder(jobs->manifests[i], image)) {
            *manifest = jobs->manifests[i];
            return CLAT_OK;
        }
    TRY(memory_grow(
        &jobs->manifests, &jobs->manifest_capacity, jobs->manifest_count, sizeof *jobs->manifests));
    TRY(memory_new(1, sizeof **manifest, manifest));
    jobs->manifests[jobs->manifest_count++] = *manifest;
    TRY(manifest_open(image, on_bad_line, jobs, *manifest));
out:
    return status;
}

/* Looks for one image. */
static enum clat_status look(struct jobs *jobs, const struct spot *spot)
{
    enum clat_status status;
    struct run *run = &jobs->runs[spot->run];
    const struct job *job = &run->opened.job;
    struct kept *kept = &run->kept[spot->index];
    struct output_image image = {.index = (int)spot->index,
        .seed = pipeline_seed(job, (int)spot->index),
        .item = pipeline_item(run->opened.model, job, (int)spot->index)};
    struct manifest *manifest = NULL;
    enum manifest_state state;
    kept->path = spot->path;
    TRY(output_settings(&run->output, &image, kept->settings));
    TRY(find_manifest(jobs, spot->path, &manifest));
    TRY(manifest_look(manifest, spot->path, kept->settings, &state));
    kept->done = state == MANIFEST_DONE;
    kept->replaces = state == MANIFEST_OURS;
    run->output.manifest = manifest;
    if (state == MANIFEST_FOREIGN && !job->overwrite)
        FAIL(CLAT_ERROR_OUTPUT,
            "resume: '%s' is there, but not as '%s' has it: --overwrite makes it anew", spot->path,
            manifest->path);
out:
    return status;
}

enum clat_status jobs_resume(struct jobs *jobs)
{
    enum clat_status status = CLAT_OK;
    size_t done = 0;
    for (size_t i = 0; i < jobs->plan.run_count; i++) {
        struct run *run = &jobs->runs[i];
        TRY(check_run(run));
        TRY(memory_new((size_t)run->outline.images, sizeof *run->kept, &run->kept));
        run->output.kept = run->kept;
    }
    for (size_t i = 0; i < jobs->images; i++) {
        TRY(look(jobs, &jobs->spots[i]));
        done += jobs->runs[jobs->spots[i].run].kept[jobs->spots[i].index].done;
    }
    for (size_t i = 0; i < jobs->manifest_count; i++)
        TRY(manifest_repair(jobs->manifests[i]));
    if (done)
        context_log(jobs->context, "resume: %zu of %zu images are finished", done, jobs->images);
out:
    return status;
}

static enum clat_status show(const struct run *run, size_t index)
{
    enum clat_status status;
    const char *path = run->kept[index].path;
    struct file_map map = {0};
    struct png_pixels pixels = {0};
    TRY(file_map_open(path, &map));
    TRY(png_decode(path, map.data, map.size, PNG_RGB, &pixels));
    if (pixels.height != run->outline.height || pixels.width != run->outline.width)
        FAIL(CLAT_ERROR_INPUT, "'%s': expected %d x %d pixels, found %d x %d", path,
            run->outline.width, run->outline.height, pixels.width, pixels.height);
    page_put_bytes(
        run->output.page, run->page_numbers[index], pixels.values, pixels.height, pixels.width);
out:
    free(pixels.values);
    file_map_close(&map);
    return status;
}

enum clat_status jobs_show_finished(struct jobs *jobs)
{
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; i < jobs->images && status == CLAT_OK; i++) {
        const struct spot *spot = &jobs->spots[i];
        const struct run *run = &jobs->runs[spot->run];
        if (run->kept && run->kept[spot->index].done && run->output.page)
            status = show(run, spot->index);
    }
    return status;
}

void jobs_close_manifests(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->manifest_count; i++) {
        manifest_close(jobs->manifests[i]);
        free(jobs->manifests[i]);
    }
    free(jobs->manifests);
}
