/* clatent_output.c - finished images into files. SPDX-License-Identifier: MIT
 *
 * .png: one file per image, with its record. .npy and .safetensors: one file of all images, or one
 * per image if the pattern names each. "-": the bytes of a PNG file for the caller. The record is
 * made by clatent_record.c. */
#include "clatent_output.h"
#include "base/file.h"
#include "base/memory.h"
#include "formats/npy.h"
#include "formats/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---------------------------------------------------------------------------------- */

enum clat_status output_expand(const struct output *output, const char *pattern,
    const struct output_image *image, size_t index, char **path)
{
    struct output_fields fields = {.index = index,
        .seed = image->seed,
        .prompt = image->item,
        .model = output->model,
        .steps = output->job->num_inference_steps,
        .time = output->time};
    return output_path(pattern, &fields, path);
}

static enum clat_status make_path(
    const struct output *output, const struct output_image *image, size_t index, char **path)
{
    return output_expand(output, output->job->output, image, index, path);
}

static size_t index_of(const struct output *output, const struct output_image *image)
{
    size_t index = (size_t)image->index;
    return output->first_index + (output->indices ? output->indices[index] : index);
}

/* .npy and .safetensors may be of all images. */
static bool has_own_path(const struct output *output)
{
    return output->kind == OUTPUT_PNG ||
           ((output->kind == OUTPUT_NPY || output->kind == OUTPUT_SAFETENSORS) &&
               !output->collects);
}

enum clat_status output_name(
    const struct output *output, const struct output_image *image, char **path)
{
    *path = NULL;
    return has_own_path(output) ? make_path(output, image, index_of(output, image), path) : CLAT_OK;
}

/* The name of this image; one that is taken moves {index} on. */
static enum clat_status choose_path(
    struct output *output, const struct output_image *image, char **path)
{
    enum clat_status status = CLAT_OK;
    *path = NULL;
    TRY(make_path(output, image, index_of(output, image), path));
    while (file_exists(*path) && !output->job->overwrite) {
        if (!output_has_index(output->job->output))
            FAIL(CLAT_ERROR_OUTPUT,
                "'%s' exists; --overwrite replaces it, {index} in the name takes the next free one",
                *path);
        free(*path);
        *path = NULL;
        output->first_index++;
        TRY(make_path(output, image, index_of(output, image), path));
    }
out:
    return status;
}

static enum clat_status check_pattern(const struct output *output)
{
    const char *pattern = output->job->output;
    bool one_seed = job_has_one_generator(output->job);
    bool is_distinct = strstr(pattern, "{index") || (strstr(pattern, "{seed") && !one_seed);
    if (output->images > 1 && output->kind == OUTPUT_STREAM)
        return status_set(
            CLAT_ERROR_USAGE, "output '-' takes one image, but %zu are asked for", output->images);
    if (output->images > 1 && output->kind == OUTPUT_PNG && !is_distinct)
        return status_set(CLAT_ERROR_USAGE,
            "output '%s' names one file, but %zu images are asked for: put {index} into the name",
            pattern, output->images);
    return CLAT_OK;
}

static enum clat_status check_preview(const struct output *output, const struct output_image *first)
{
    enum clat_status status;
    char *path = NULL;
    TRY(output_expand(output, output->job->preview_output, first, 0, &path));
    TRY(output_check_folder(path));
out:
    free(path);
    return status;
}

/* Expands the name of the first image, so that a wrong one is found now and not after the work. */
enum clat_status output_start(struct output *output, const char *item)
{
    enum clat_status status = CLAT_OK;
    const struct job *job = output->job;
    char *path = NULL;
    if (output->kind == OUTPUT_NONE || output->kind == OUTPUT_STREAM)
        return CLAT_OK;
    struct output_image first = {.seed = job->seed_count ? job->seeds[0] : 0, .item = item};
    struct output_fields fields = {.seed = first.seed,
        .prompt = first.item,
        .model = output->model,
        .steps = job->num_inference_steps,
        .time = output->time};
    TRY(output_path(job->output, &fields, &path));
    TRY(output_check_folder(path));
    if (!job->overwrite && !job->resume)
        TRY(output_next_index(job->output, &fields, &output->first_index));
    free(path);
    path = NULL;
    if (!job->resume)
        TRY(choose_path(output, &first, &path));
    if (output->collects) {
        output->path = path;
        path = NULL;
    }
out:
    free(path);
    return status;
}

enum clat_status output_open(struct output *output, struct clat_context *context,
    const struct job_values *values, const struct job *job, const struct pipeline_outline *outline,
    const char *model)
{
    enum clat_status status = CLAT_OK;
    *output = (struct output){.context = context,
        .values = values,
        .job = job,
        .kind = output_kind(job->output),
        .key = outline->key,
        .images = (size_t)outline->images,
        .time = time(NULL)};
    TRY(memory_string(model, &output->model));
    if (job->preview && job->preview_output)
        TRY(check_preview(output, &(struct output_image){.item = outline->item}));
    if (output->kind == OUTPUT_NONE)
        goto out;
    TRY(check_pattern(output));
    output->collects = (output->kind == OUTPUT_NPY || output->kind == OUTPUT_SAFETENSORS) &&
                       !output_is_per_image(job->output);
out:
    return status;
}

/* ---- writing -------------------------------------------------------------------------------- */

static enum clat_status write_file(const char *path, const struct text *file, bool replace)
{
    enum clat_status status = CLAT_OK;
    struct file_out out = {0};
    TRY(file_out_open(path, &out));
    TRY(file_out_write(&out, file->data, file->size));
    TRY(replace ? file_out_commit(&out) : file_out_commit_new(&out));
out:
    file_out_abort(&out);
    return status;
}

static enum clat_status write_latents(const char *path, const size_t shape[4], const float *values)
{
    enum clat_status status = CLAT_OK;
    struct safetensors_writer *writer = NULL;
    TRY(safetensors_create(path, &writer));
    TRY(safetensors_add_float(writer, "latents", 4, shape, values));
    struct safetensors_writer *complete = writer;
    writer = NULL;
    TRY(safetensors_commit(complete));
out:
    if (writer)
        safetensors_abort(writer);
    return status;
}

enum clat_status output_latents(const char *path, const size_t shape[4], const float *values)
{
    return output_kind(path) == OUTPUT_NPY ? npy_write(path, values, 4, shape)
                                           : write_latents(path, shape, values);
}

static enum clat_status write_array(
    const struct output *output, const char *path, const size_t shape[4], const float *values)
{
    return output->kind == OUTPUT_NPY ? npy_write(path, values, 4, shape)
                                      : write_latents(path, shape, values);
}

/* What an array file holds of an image: pixels or latents. */
static const float *array_of(
    const struct output *output, const struct output_image *image, size_t shape[4])
{
    bool pixels = output->kind == OUTPUT_NPY;
    shape[0] = 1;
    shape[1] = (size_t)(pixels ? image->height : image->channels);
    shape[2] = (size_t)(pixels ? image->width : image->h);
    shape[3] = (size_t)(pixels ? 3 : image->w);
    return pixels ? image->rgb : image->latents;
}

static enum clat_status collect(struct output *output, const struct output_image *image)
{
    enum clat_status status = CLAT_OK;
    const float *values = array_of(output, image, output->shape);
    output->elements = output->shape[1] * output->shape[2] * output->shape[3];
    if (!output->collected)
        TRY(memory_new(output->images, output->elements * sizeof(float), &output->collected));
    memcpy(output->collected + (size_t)image->index * output->elements, values,
        output->elements * sizeof(float));
out:
    return status;
}

static enum clat_status write_image(const struct output *output, const struct output_image *image,
    const char *path, struct text *file)
{
    enum clat_status status = CLAT_OK;
    size_t shape[4];
    if (output->kind == OUTPUT_NPY || output->kind == OUTPUT_SAFETENSORS) {
        const float *values = array_of(output, image, shape);
        return write_array(output, path, shape, values);
    }
    TRY(output_encode(output, image, file));
    const struct kept *kept = output->kept ? &output->kept[image->index] : NULL;
    if (kept)
        TRY(manifest_add(output->manifest, path, kept->settings, file->data, file->size));
    if (output->kind == OUTPUT_PNG)
        TRY(write_file(path, file, output->job->overwrite || (kept && kept->replaces)));
out:
    return status;
}

static enum clat_status check_finite(const struct output_image *image)
{
    size_t count = (size_t)image->height * (size_t)image->width * 3;
    for (size_t i = 0; i < count; i++)
        if (!isfinite(image->rgb[i]))
            return status_set(CLAT_ERROR_CHECK,
                "image %d holds values that are not numbers; nothing was written for it",
                image->index);
    return CLAT_OK;
}

static enum clat_status tell_caller(const struct output *output, const struct output_image *image,
    const char *path, const struct text *file)
{
    const struct clat_options *options = &output->context->options;
    size_t index = (size_t)image->index;
    struct clat_image told = {.index = (int)(output->numbers ? output->numbers[index] : index),
        .seed = image->seed,
        .prompt = image->item,
        .path = path,
        .height = image->height,
        .width = image->width,
        .rgb = image->rgb};
    if (output->kind == OUTPUT_STREAM) {
        told.file = (const unsigned char *)file->data;
        told.file_size = file->size;
    }
    return options->image ? options->image(options->user, &told) : CLAT_OK;
}

enum clat_status output_add(struct output *output, const struct output_image *image)
{
    enum clat_status status = CLAT_OK;
    struct text file = {0};
    char *path = NULL;
    TRY(check_finite(image));
    if (output->kept)
        TRY(memory_string(output->kept[image->index].path, &path));
    else if (has_own_path(output))
        TRY(choose_path(output, image, &path));
    if (output->collects)
        TRY(collect(output, image));
    else if (output->kind != OUTPUT_NONE)
        TRY(write_image(output, image, path, &file));
    if (output->page)
        page_put(output->page,
            output->page_numbers ? output->page_numbers[image->index] : (size_t)image->index,
            image->rgb, image->height, image->width);
    TRY(tell_caller(output, image, path ? path : output->path, &file));
out:
    free(path);
    text_free(&file);
    return status;
}

enum clat_status output_finish(struct output *output)
{
    enum clat_status status = CLAT_OK;
    output->shape[0] = output->images;
    if (output->collected)
        TRY(write_array(output, output->path, output->shape, output->collected));
out:
    return status;
}

void output_close(struct output *output)
{
    free(output->model);
    free(output->collected);
    free(output->path);
    *output = (struct output){0};
}
