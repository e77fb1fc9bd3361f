/* output.h - the names of output files, from a pattern. SPDX-License-Identifier: MIT
 *
 * {index} {seed} {steps} as numbers ({index:05} with leading zeros), {model} and {prompt} as text
 * ({prompt:40}: at most 40 characters), {date} as strftime has it ({date:%Y%m%d}); {{ and }} are
 * braces. What is put in never makes a new folder. */
#ifndef CLATENT_JOB_OUTPUT_H
#define CLATENT_JOB_OUTPUT_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum output_kind { OUTPUT_NONE, OUTPUT_PNG, OUTPUT_NPY, OUTPUT_SAFETENSORS, OUTPUT_STREAM };
/* By the ending; OUTPUT_STREAM for "-", OUTPUT_NONE for NULL. */
enum output_kind output_kind(const char *pattern);

struct output_fields {
    size_t index;
    uint64_t seed;
    int steps;
    const char *prompt, *model;
    time_t time;
};

/* True if the pattern gives each image a name of its own ({index}, {seed} or {prompt}). */
bool output_is_per_image(const char *pattern);
bool output_has_index(const char *pattern);

/* The name of one image, freed by the caller. CLAT_ERROR_USAGE for an unknown field. */
enum clat_status output_path(const char *pattern, const struct output_fields *fields, char **path);

/* One more than the largest {index} of the files that are there under names like this; 0 if none.
 */
enum clat_status output_next_index(
    const char *pattern, const struct output_fields *fields, size_t *index);

/* CLAT_ERROR_OUTPUT if the folder of this path is missing or cannot be written into. */
enum clat_status output_check_folder(const char *path);

#endif
