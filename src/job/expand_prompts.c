/* expand_prompts.c - a file of prompts into units. SPDX-License-Identifier: MIT
 *
 * Lines that say no more than their prompts are a list of prompts; where one has options of its own
 * each line gives units, and seeds count on from line to line. */
#include "job/expand_unit.h"
#include "base/memory.h"
#include "job/prompt_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum clat_status take_line(void *user, struct job_values *values, int line)
{
    enum clat_status status;
    struct expansion *expansion = user;
    TRY(memory_grow(&expansion->lines, &expansion->line_capacity, expansion->line_count,
        sizeof *expansion->lines));
    TRY(memory_grow(&expansion->line_numbers, &expansion->number_capacity, expansion->line_count,
        sizeof *expansion->line_numbers));
    expansion->line_numbers[expansion->line_count] = line;
    expansion->lines[expansion->line_count++] = *values;
    return CLAT_OK;
out:
    job_values_free(values);
    return status;
}

/* True if no line says more than its prompts. */
static enum clat_status lines_are_plain(
    const struct expansion *expansion, const struct job_values *values, bool *plain)
{
    enum clat_status status = CLAT_OK;
    struct text before = {0}, after = {0};
    struct job_values job = {.scheduler_options = {0}};
    *plain = true;
    TRY(job_values_copy(values, &job));
    TRY(job_value_add(&job, job_key_find("prompt"), "", "prompts"));
    TRY(unit_sign(&job, &before));
    for (size_t i = 0; i < expansion->line_count && *plain; i++) {
        const struct job_values *line = &expansion->lines[i];
        const char *seed = first_of(line, "seed"), *given = first_of(values, "seed");
        after.size = 0;
        TRY(unit_sign(line, &after));
        *plain = before.size == after.size && memcmp(before.data, after.data, after.size) == 0 &&
                 (seed == given || (seed && given && strcmp(seed, given) == 0));
    }
out:
    job_values_free(&job);
    text_free(&before);
    text_free(&after);
    return status;
}

/* As if they stood in a list. */
static enum clat_status list_lines(const struct expansion *expansion, struct job_values *values)
{
    enum clat_status status = CLAT_OK;
    int key = job_key_find("prompt");
    for (size_t i = 0; i < expansion->line_count; i++) {
        const struct job_value *value = &expansion->lines[i].value[key];
        for (size_t j = 0; j < value->count; j++)
            TRY(job_value_add(values, key, value->items[j], value->where));
    }
out:
    return status;
}

/* Images of a line, as far as texts can tell; `listed`: its prompts or classes. */
static size_t count_images(const struct job_values *line, size_t *listed)
{
    long long batch = 1;
    size_t most = 1;
    const char *size = first_of(line, "batch_size");
    for (size_t i = 0; i < job_key_count; i++)
        if (job_keys[i].kind == KEY_TEXTS && line->value[i].count > most)
            most = line->value[i].count;
    *listed = line->value[job_key_find("prompt")].count;
    if (*listed == 0)
        *listed = line->value[job_key_find("class")].count;
    if (size)
        text_to_int(size, 1, INT32_MAX, &batch);
    return most * (size_t)batch;
}

static enum clat_status set_seed(struct job_values *values, uint64_t seed, const char *where)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, seed);
    return job_values_set(values, "seed", text, where, false);
}

/* One image of a line: prompt or class `item` alone. */
static enum clat_status add_image(struct expansion *expansion, const struct job_values *line,
    size_t item, uint64_t seed, const char *name)
{
    enum clat_status status;
    static const char *const keys[] = {"prompt", "class"};
    struct job_values image = {.scheduler_options = {0}};
    TRY(job_values_copy(line, &image));
    for (size_t i = 0; i < 2; i++) {
        const struct job_value *value = &line->value[job_key_find(keys[i])];
        if (value->count)
            TRY(job_values_set(
                &image, keys[i], value->items[item % value->count], value->where, false));
    }
    value_clear(&image, "batch_size");
    TRY(set_seed(&image, seed, name));
    TRY(unit_add(expansion, &image, name));
out:
    job_values_free(&image);
    return status;
}

/* A line without a seed of its own goes on where the line before it stopped. */
static enum clat_status add_line(
    struct expansion *expansion, struct job_values *line, const char *name, size_t *before)
{
    enum clat_status status = CLAT_OK;
    struct job_value *seed = value_of(line, "seed");
    size_t listed, images = count_images(line, &listed);
    uint64_t first = 0;
    bool counts_on = strcmp(seed->where, expansion->prompts) == 0;
    bool alone = first_of(line, "latents") || first_of(line, "generator") || seed->count > 1;
    text_to_uint64(seed->items[0], &first);
    if (counts_on)
        first += *before;
    size_t batch = images / (listed ? listed : 1);
    *before += images;
    if (alone || (listed && images != listed * batch) || (!listed && images != batch)) {
        if (counts_on)
            TRY(set_seed(line, first, name));
        return unit_add(expansion, line, name);
    }
    for (size_t i = 0; i < images; i++)
        TRY(add_image(expansion, line, i / batch, first + i, name));
out:
    return status;
}

static enum clat_status add_lines(struct expansion *expansion)
{
    enum clat_status status = CLAT_OK;
    struct text name = {0};
    size_t before = 0;
    for (size_t i = 0; i < expansion->line_count; i++) {
        name.size = 0;
        TRY(text_print(&name, "%s:%d", expansion->file, expansion->line_numbers[i]));
        TRY(add_line(expansion, &expansion->lines[i], name.data, &before));
    }
out:
    text_free(&name);
    return status;
}

enum clat_status expand_prompts(struct expansion *expansion, struct job_values *values, bool *done)
{
    enum clat_status status;
    struct job_value *file = value_of(values, "prompt_file");
    char *path = NULL, *seed_where = NULL;
    bool plain;
    *done = false;
    TRY(memory_string(file->items[0], &path));
    if (value_of(values, "prompt")->where)
        FAIL(CLAT_ERROR_USAGE, "%s: prompt and prompt_file: give one of them", file->where);
    job_value_clear(file);
    struct job_value *seed = value_of(values, "seed");
    TRY(memory_string(seed->where ? seed->where : "", &seed_where));
    expansion->file = strcmp(path, "-") == 0 ? "standard input" : path;
    expansion->prompts = seed_where;
    TRY(prompt_file_read(path, values, take_line, expansion));
    TRY(lines_are_plain(expansion, values, &plain));
    if (plain) {
        TRY(list_lines(expansion, values));
        goto out;
    }
    if (value_of(values, "sweep")->where)
        FAIL(CLAT_ERROR_USAGE,
            "sweep: lines of '%s' have options of their own; a sweep takes plain prompts",
            expansion->file);
    if (seed->count > 1)
        FAIL(CLAT_ERROR_USAGE,
            "%s: a list of seeds, but lines of '%s' have options of their own: give one seed",
            seed->where, expansion->file);
    *done = true;
    TRY(add_lines(expansion));
out:
    free(path);
    free(seed_where);
    return status;
}
