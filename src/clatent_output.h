/* clatent_output.h - finished images into files. SPDX-License-Identifier: MIT */
#ifndef CLATENT_OUTPUT_H
#define CLATENT_OUTPUT_H

#include "clatent_internal.h"
#include "clatent_page.h"
#include "job/manifest.h"
#include "job/output.h"
#include "pipeline/pipeline.h"

struct output_image {
    int index;
    uint64_t seed;
    const char *item; /* what it was made from: prompt, class, file, ... */
    int height, width;
    const float *rgb; /* [height][width][3], 0..1 */
    int channels, h, w;
    const float *latents; /* [channels][h][w] */
};

/* What is known of an image before it is made, if the job can go on later. */
struct kept {
    const char *path;
    char settings[DIGEST_TEXT];
    bool done;     /* nothing is to be made */
    bool replaces; /* the file that is there is an older one of ours */
};

struct output {
    struct clat_context *context;
    const struct job_values *values; /* settled: what an image records */
    const struct job *job;
    const char *key;    /* of the job, for an item; NULL: images are made from nothing */
    const char *device; /* its name, for the record */
    char *model;        /* its name */
    enum output_kind kind;
    bool collects; /* one .npy or .safetensors for all images */
    size_t images, first_index;
    const size_t *indices;   /* [images] added to first_index for {index}; NULL: 0, 1, ... */
    const size_t *numbers;   /* [images] as the caller counts them; NULL: likewise */
    const struct kept *kept; /* [images] with their manifest; or NULL */
    struct manifest *manifest;
    struct page *page;          /* the contact sheet that shows them; or NULL */
    const size_t *page_numbers; /* [images] on it; NULL: likewise */
    time_t time;
    float *collected; /* [images][elements] */
    size_t elements;  /* of one image */
    size_t shape[4];
    char *path;          /* where they go */
    bool preview_failed; /* it was told */
};

/* Checks that the pattern fits the job. */
enum clat_status output_open(struct output *output, struct clat_context *context,
    const struct job_values *values, const struct job *job, const struct pipeline_outline *outline,
    const char *model);
/* Checks that the folder can be written into, and finds the first free {index}. `item` is what the
 * first image is made from. */
enum clat_status output_start(struct output *output, const char *item);
/* The name of one image as it would be chosen now, freed by the caller; NULL if it has none of its
 * own. */
enum clat_status output_name(
    const struct output *output, const struct output_image *image, char **path);
/* The digest of all that a picture depends on: the settings of its record, but for device and
 * kernels, and the files that it is made from. */
enum clat_status output_settings(
    const struct output *output, const struct output_image *image, char digest[DIGEST_TEXT]);
/* The .png file of an image, with its record as the job wants it. */
enum clat_status output_encode(
    const struct output *output, const struct output_image *image, struct text *file);
/* Writes or keeps one image, then tells the caller of the library. */
enum clat_status output_add(struct output *output, const struct output_image *image);
/* A pattern's name for an image, with this {index}; freed by the caller. */
enum clat_status output_expand(const struct output *output, const char *pattern,
    const struct output_image *image, size_t index, char **path);
/* A preview of [h][w][3] colours into the job's preview_output, if it has one, in the size of the
 * image; then to the caller. `nth` of the images that are sampled together. */
void output_preview(struct output *output, const struct output_image *image, int nth, int step,
    int steps, int h, int w, const float *rgb);
/* Writes what was kept. */
enum clat_status output_finish(struct output *output);
void output_close(struct output *output);

/* Latents alone, into a .npy or .safetensors file. */
enum clat_status output_latents(const char *path, const size_t shape[4], const float *values);

#endif
