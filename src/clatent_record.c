/* clatent_record.c - what an image says of itself. SPDX-License-Identifier: MIT
 *
 * A .png file holds the job that makes this image alone, for us and for other programs to read, and
 * the mark of pictures made by a machine. The same settings, without what does not change a
 * picture, give the digest by which an interrupted job knows its images again. */
#include "clatent_output.h"
#include "base/file.h"
#include "base/memory.h"
#include "formats/png.h"
#include "job/metadata.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The job that makes this image alone. */
static enum clat_status values_of_image(
    const struct output *output, const struct output_image *image, struct job_values *values)
{
    enum clat_status status = CLAT_OK;
    char seed[32];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)image->seed);
    TRY(job_values_copy(output->values, values));
    if (output->key && strcmp(output->key, "layout") != 0)
        TRY(job_values_set(values, output->key, image->item, "image", false));
    TRY(job_values_set(values, "seed", seed, "image", false));
    job_value_clear(&values->value[job_key_find("batch_size")]);
out:
    return status;
}

/* Start latents and a generator for the batch belong to the whole job, which then is what makes the
 * image again. */
static bool needs_whole(const struct output *output)
{
    return output->job->latents || job_has_one_generator(output->job);
}

static enum clat_status digest_files(const struct job_values *values, struct digest *digest)
{
    static const char *const keys[] = {
        "image", "mask", "label_map", "latents", "class_labels", "layout"};
    enum clat_status status = CLAT_OK;
    struct file_map map = {0};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const struct job_value *value = &values->value[job_key_find(keys[i])];
        for (size_t j = 0; j < value->count && value->items[j][0] != '['; j++) {
            TRY(file_map_open(value->items[j], &map));
            digest_add(digest, map.data, map.size);
            file_map_close(&map);
        }
    }
out:
    file_map_close(&map);
    return status;
}

enum clat_status output_settings(
    const struct output *output, const struct output_image *image, char text[DIGEST_TEXT])
{
    static const char *const others[] = {"device", "gemm", "kernels"};
    enum clat_status status;
    struct job_values values = {.scheduler_options = {0}};
    struct text json = {0};
    struct digest digest = digest_of_nothing;
    TRY(values_of_image(output, image, &values));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        job_value_clear(&values.value[job_key_find(others[i])]);
    TRY(metadata_job(&values, &json));
    if (needs_whole(output)) {
        TRY(text_print(&json, "%d of ", image->index));
        TRY(metadata_job(output->values, &json));
    }
    digest_add(&digest, json.data, json.size);
    TRY(digest_files(&values, &digest));
    digest_text(&digest, text);
out:
    text_free(&json);
    job_values_free(&values);
    return status;
}

/* A text of the image, appended to a list of at most three. */
static enum clat_status keep_text(
    struct png_text *texts, size_t *count, const char *keyword, struct text *text)
{
    enum clat_status status = CLAT_OK;
    TRY(memory_string(keyword, &texts[*count].keyword));
    texts[*count].text = text->data;
    *text = (struct text){0};
    (*count)++;
out:
    return status;
}

static enum clat_status make_texts(const struct output *output, const struct output_image *image,
    struct png_text texts[3], size_t *count)
{
    enum clat_status status = CLAT_OK;
    struct job_values values = {0};
    struct text text = {0};
    if (output->job->metadata) {
        TRY(values_of_image(output, image, &values));
        const struct job_values *record = needs_whole(output) ? output->values : &values;
        TRY(metadata_parameters(&values, output->model, &text));
        TRY(keep_text(texts, count, METADATA_PARAMETERS_KEY, &text));
        TRY(metadata_json(record, output->device, &text));
        TRY(keep_text(texts, count, METADATA_KEY, &text));
    }
    if (output->job->ai_mark) {
        TRY(metadata_xmp(job_is_composite(output->job), &text));
        TRY(keep_text(texts, count, METADATA_XMP_KEY, &text));
    }
out:
    text_free(&text);
    job_values_free(&values);
    return status;
}

enum clat_status output_encode(
    const struct output *output, const struct output_image *image, struct text *file)
{
    enum clat_status status = CLAT_OK;
    struct png_text texts[3] = {{0}};
    size_t count = 0;
    TRY(make_texts(output, image, texts, &count));
    TRY(png_encode(image->rgb, image->height, image->width, texts, count, file));
out:
    for (size_t i = 0; i < 3; i++) {
        free(texts[i].keyword);
        free(texts[i].text);
    }
    return status;
}
