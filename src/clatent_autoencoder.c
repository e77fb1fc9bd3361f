/* clatent_autoencoder.c - pictures to latents and back, by a model's autoencoder alone.
 * SPDX-License-Identifier: MIT */
#include "base/arena.h"
#include "base/file.h"
#include "base/memory.h"
#include "clatent_internal.h"
#include "clatent_output.h"
#include "device/device.h"
#include "pipeline/autoencode.h"
#include "pipeline/model.h"
#include "pipeline/picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct run {
    struct clat_context *context;
    struct opened opened;
    struct latents latents;
    struct output output;
    struct page page;          /* the job's contact sheet */
    struct pictures originals; /* of a reconstruction, 0..1 */
    double *psnr;              /* [originals.count], in dB */
};

static enum clat_status run_open(
    struct clat_context *context, const struct clat_job *job, struct run **run)
{
    enum clat_status status;
    TRY(memory_new(1, sizeof **run, run));
    (*run)->context = context;
    TRY(opened_resolve_one(context, job, &(*run)->opened));
    TRY(opened_build(&(*run)->opened));
out:
    return status;
}

static void run_close(struct run *run)
{
    if (!run)
        return;
    output_close(&run->output);
    page_close(&run->page);
    latents_free(&run->latents);
    pictures_free(&run->originals);
    free(run->psnr);
    opened_close(&run->opened);
    free(run);
}

/* ---- meanwhile ------------------------------------------------------------------------------ */

static void on_phase(void *user, enum pipeline_phase phase, int done, int total)
{
    const struct run *run = user;
    context_phase(run->context, phase, done, total);
}

static bool on_cancelled(void *user)
{
    const struct run *run = user;
    return context_is_cancelled(run->context);
}

/* Peak signal to noise ratio of values in 0..1; infinite for equal ones. */
static double psnr(const float *rgb, const float *planes, size_t pixels)
{
    double sum = 0;
    for (size_t i = 0; i < 3 * pixels; i++) {
        double difference = (double)rgb[i] - (double)planes[i % 3 * pixels + i / 3];
        sum += difference * difference;
    }
    return -10 * log10(sum / (3 * (double)pixels));
}

static enum clat_status on_image(void *user, int index, uint64_t seed, const char *item, int height,
    int width, const float *rgb, int channels, int h, int w, const float *latents)
{
    struct run *run = user;
    size_t pixels = (size_t)height * (size_t)width;
    struct output_image image = {index, seed, item, height, width, rgb, channels, h, w, latents};
    if (run->psnr)
        run->psnr[index] = psnr(rgb, run->originals.values + (size_t)index * 3 * pixels, pixels);
    return run->opened.job.output ? output_add(&run->output, &image) : CLAT_OK;
}

static void on_warning(void *user, const char *sentence)
{
    const struct run *run = user;
    context_log(run->context, "warning: %s", sentence);
}

static struct pipeline_events events_of(struct run *run)
{
    return (struct pipeline_events){.user = run,
        .phase = on_phase,
        .warn = on_warning,
        .cancelled = on_cancelled,
        .image = on_image};
}

/* ---- encode --------------------------------------------------------------------------------- */

static enum clat_status check_encode_output(const struct job *job)
{
    enum clat_status status = CLAT_OK;
    enum output_kind kind = output_kind(job->output);
    if (!job->images.count)
        FAIL(CLAT_ERROR_USAGE, "no image was given");
    if (kind != OUTPUT_NPY && kind != OUTPUT_SAFETENSORS)
        FAIL(CLAT_ERROR_USAGE,
            "output: expected a name that ends in .npy or .safetensors, found %s",
            job->output ? job->output : "none");
    if (file_exists(job->output) && !job->overwrite)
        FAIL(CLAT_ERROR_OUTPUT, "'%s' exists; --overwrite replaces it", job->output);
    TRY(output_check_folder(job->output));
out:
    return status;
}

enum clat_status clat_encode(struct clat_context *context, struct clat_job *given)
{
    enum clat_status status;
    struct run *run = NULL;
    TRY(run_open(context, given, &run));
    const struct job *job = &run->opened.job;
    struct pipeline_events events = events_of(run);
    TRY(check_encode_output(job));
    TRY(opened_device(context, &run->opened));
    TRY(pipeline_encode(run->opened.device, run->opened.model, job, &events, &run->latents));
    TRY(output_latents(job->output, run->latents.shape, run->latents.values));
out:
    run_close(run);
    return status;
}

/* ---- decode --------------------------------------------------------------------------------- */

/* A contact sheet of pictures of one size. */
static enum clat_status open_page(struct run *run, const int shape[3])
{
    enum clat_status status;
    page_begin(&run->page, &run->opened.job);
    for (int i = 0; i < shape[0]; i++)
        page_count(&run->page, shape[1], shape[2]);
    TRY(page_check(&run->page));
    TRY(page_open(&run->page));
    run->output.page = &run->page;
out:
    return status;
}

/* Names for pictures, {number, height, width}; a decoded picture has no job to tell about. */
static enum clat_status open_output(struct run *run, const int shape[3])
{
    enum clat_status status = CLAT_OK;
    char *name = NULL;
    struct opened *opened = &run->opened;
    struct pipeline_outline outline = {.images = shape[0], .item = ""};
    opened->job.metadata = false;
    if (!opened->job.output)
        return CLAT_OK;
    TRY(opened_model_name(&opened->values, &name));
    TRY(output_open(&run->output, run->context, &opened->values, &opened->job, &outline, name));
    TRY(output_start(&run->output, ""));
    if (opened->job.sheet)
        TRY(open_page(run, shape));
out:
    free(name);
    return status;
}

static enum clat_status decode(struct run *run)
{
    enum clat_status status;
    struct opened *opened = &run->opened;
    struct pipeline_events events = events_of(run);
    TRY(pipeline_decode(opened->device, opened->model, &opened->job, &run->latents, &events));
    if (opened->job.output)
        TRY(output_finish(&run->output));
    if (run->output.page)
        TRY(page_write(run->output.page));
out:
    return status;
}

enum clat_status clat_decode(struct clat_context *context, struct clat_job *given)
{
    enum clat_status status;
    struct run *run = NULL;
    TRY(run_open(context, given, &run));
    if (!run->opened.job.latents)
        FAIL(CLAT_ERROR_USAGE, "no latents were given");
    TRY(latents_read(run->opened.job.latents, &run->latents));
    const size_t *shape = run->latents.shape;
    int scale = run->opened.model->latent_scale;
    TRY(open_output(run, (int[]){(int)shape[0], (int)shape[2] * scale, (int)shape[3] * scale}));
    TRY(opened_device(context, &run->opened));
    TRY(decode(run));
out:
    run_close(run);
    return status;
}

/* ---- both ----------------------------------------------------------------------------------- */

static enum clat_status make_result(
    const struct run *run, const struct clat_reconstruction **result)
{
    enum clat_status status;
    struct arena *arena = NULL;
    struct clat_reconstruction *made = NULL;
    size_t count = (size_t)run->originals.count;
    double *values;
    TRY(arena_new(sizeof *made, &arena, &made));
    TRY(arena_take(arena, count, sizeof *values, &values));
    memcpy(values, run->psnr, count * sizeof *values);
    made->count = count;
    made->psnr = values;
    *result = made;
    made = NULL;
out:
    arena_free(made);
    return status;
}

enum clat_status clat_reconstruct(
    struct clat_context *context, struct clat_job *given, const struct clat_reconstruction **result)
{
    enum clat_status status;
    struct run *run = NULL;
    *result = NULL;
    TRY(run_open(context, given, &run));
    const struct job *job = &run->opened.job;
    struct pipeline_events events = events_of(run);
    if (!job->images.count)
        FAIL(CLAT_ERROR_USAGE, "no image was given");
    TRY(pictures_read(
        "image", &job->images, &(struct picture_rules){PNG_RGB, PICTURE_UNIT, 0}, &run->originals));
    TRY(memory_new((size_t)run->originals.count, sizeof *run->psnr, &run->psnr));
    TRY(open_output(
        run, (int[]){run->originals.count, run->originals.height, run->originals.width}));
    TRY(opened_device(context, &run->opened));
    TRY(pipeline_encode(run->opened.device, run->opened.model, job, &events, &run->latents));
    TRY(decode(run));
    TRY(make_result(run, result));
out:
    run_close(run);
    return status;
}
