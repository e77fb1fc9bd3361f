/* job.c - checked values into the struct that the pipeline works from. SPDX-License-Identifier: MIT
 */
#include "job/job.h"
#include "base/memory.h"
#include "base/text.h"
#include "job/values.h"

#include <stdlib.h>
#include <string.h>

static const struct job_value *value_of(const struct job_values *values, const char *name)
{
    return &values->value[job_key_find(name)];
}

static bool is_given(const struct job_values *values, const char *name)
{
    return value_of(values, name)->where != NULL;
}

/* diffusers' defaults, and the program's */
static enum clat_status set_defaults(struct job *job)
{
    enum clat_status status = CLAT_OK;
    *job = (struct job){.guidance_scale = 1,
        .batch_size = 1,
        .strength = 1,
        .metadata = true,
        .ai_mark = true,
        .device_timeout = -1};
    TRY(memory_string("auto", &job->gemm));
    TRY(memory_string("auto", &job->kernels));
    TRY(memory_string("highest", &job->float32_matmul_precision));
    TRY(memory_string("auto", &job->progress));
out:
    return status;
}

static enum clat_status build_texts(const struct job_value *value, struct texts *texts)
{
    enum clat_status status = CLAT_OK;
    TRY(memory_new(value->count, sizeof *texts->items, &texts->items));
    for (; texts->count < value->count; texts->count++)
        TRY(memory_string(value->items[texts->count], &texts->items[texts->count]));
out:
    return status;
}

static void free_texts(struct texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->items[i]);
    free(texts->items);
}

/* -1 leaves the list empty: a random seed is drawn later. */
static enum clat_status build_seeds(const struct job_value *value, struct job *job)
{
    enum clat_status status = CLAT_OK;
    TRY(memory_new(value->count, sizeof *job->seeds, &job->seeds));
    for (size_t i = 0; i < value->count; i++) {
        bool random;
        TRY(job_read_seed(value->items[i], value->where, &job->seeds[i], &random));
        if (random && value->count > 1)
            FAIL(CLAT_ERROR_USAGE, "%s: seed -1 (random) cannot stand in a list", value->where);
        job->seed_count = random ? 0 : value->count;
    }
out:
    return status;
}

static enum clat_status build_text(const struct job_value *value, char **field)
{
    free(*field);
    *field = NULL;
    return memory_string(value->items[0], field);
}

/* One key that was given, into its field. */
static enum clat_status build_field(
    const struct job_key *key, const struct job_value *value, struct job *job)
{
    void *field = (char *)job + key->field;
    switch (key->kind) {
    case KEY_INT:
        return job_read_int(key, value->items[0], value->where, field);
    case KEY_REAL:
        return job_read_real(key, value->items[0], value->where, field);
    case KEY_FLAG:
        return job_read_flag(key, value->items[0], value->where, field);
    case KEY_TEXTS:
    case KEY_SWEEP:
        return build_texts(value, field);
    case KEY_SEEDS:
        return build_seeds(value, job);
    case KEY_SCHEDULER:
        return value->count ? build_text(value, &job->scheduler) : CLAT_OK;
    default:
        return build_text(value, field);
    }
}

/* The options as given, and `eta`, which diffusers passes beside them. */
static enum clat_status build_scheduler_options(const struct job_values *values, struct job *job)
{
    enum clat_status status = CLAT_OK;
    const struct settings *from = &values->scheduler_options;
    for (size_t i = 0; i < from->count; i++)
        TRY(settings_set(&job->scheduler_options, from->items[i].key, from->items[i].value,
            from->items[i].where));
    const struct job_value *eta = value_of(values, "eta");
    const struct setting *option = settings_find(from, "eta");
    double given, own;
    if (eta->where && option &&
        !(text_to_double(eta->items[0], &given) && text_to_double(option->value, &own) &&
            given == own))
        FAIL(CLAT_ERROR_USAGE, "%s: eta is %s, but the scheduler's option eta is %s (%s)",
            eta->where, eta->items[0], option->value, option->where);
    if (eta->where && !option)
        TRY(settings_set(&job->scheduler_options, "eta", eta->items[0], eta->where));
out:
    return status;
}

static enum clat_status check_endings(const struct job_values *values, const struct job *job)
{
    if (job->output && strcmp(job->output, "-") != 0 && !text_ends_with(job->output, ".png") &&
        !text_ends_with(job->output, ".npy") && !text_ends_with(job->output, ".safetensors"))
        return status_set(CLAT_ERROR_USAGE,
            "%s: output must end in .png, .npy or .safetensors (or be -), found '%s'",
            value_of(values, "output")->where, job->output);
    if (job->latents && !text_ends_with(job->latents, ".npy") &&
        !text_ends_with(job->latents, ".safetensors"))
        return status_set(CLAT_ERROR_USAGE,
            "%s: latents must end in .npy or .safetensors, found '%s'",
            value_of(values, "latents")->where, job->latents);
    if (job->sheet && !text_ends_with(job->sheet, ".png"))
        return status_set(CLAT_ERROR_USAGE, "%s: sheet must end in .png, found '%s'",
            value_of(values, "sheet")->where, job->sheet);
    if (job->preview_output && !text_ends_with(job->preview_output, ".png"))
        return status_set(CLAT_ERROR_USAGE, "%s: preview_output must end in .png, found '%s'",
            value_of(values, "preview_output")->where, job->preview_output);
    if (job->trace && !text_ends_with(job->trace, ".safetensors"))
        return status_set(CLAT_ERROR_USAGE, "%s: trace must end in .safetensors, found '%s'",
            value_of(values, "trace")->where, job->trace);
    return CLAT_OK;
}

bool job_leaves_device_open(const struct job *job)
{
    return job->devices.count == 0 ||
           (job->devices.count == 1 && strcmp(job->devices.items[0], "auto") == 0);
}

bool job_leaves_precision_open(const struct job *job)
{
    return !job->precision || strcmp(job->precision, "auto") == 0;
}

bool job_is_composite(const struct job *job)
{
    return job->images.count > 0 || job->strength < 1;
}

bool job_has_one_generator(const struct job *job)
{
    return job->generator && strcmp(job->generator, "batch") == 0;
}

static enum clat_status check_start(const struct job_values *values, const struct job *job)
{
    const char *where = value_of(values, "strength")->where;
    if (job->strength <= 0)
        return status_set(CLAT_ERROR_USAGE,
            "%s: strength must be more than 0, found 0: nothing would be done", where);
    if (job->strength < 1 && !job->latents && !job->images.count)
        return status_set(CLAT_ERROR_USAGE,
            "%s: a strength below 1 starts from an image, but neither image nor latents were given",
            where);
    return CLAT_OK;
}

/* One generator has one seed. */
static enum clat_status check_seeds(const struct job_values *values, const struct job *job)
{
    const char *where = value_of(values, "seed")->where;
    if (job->seed_count > 1 && job_has_one_generator(job))
        return status_set(CLAT_ERROR_USAGE,
            "%s: %zu seeds for the one generator of 'generator: batch'; give one", where,
            job->seed_count);
    return CLAT_OK;
}

/* What only shows when all keys are known. */
static enum clat_status check_together(const struct job_values *values, const struct job *job)
{
    enum clat_status status;
    TRY(check_start(values, job));
    TRY(check_seeds(values, job));
    TRY(check_endings(values, job));
out:
    return status;
}

enum clat_status job_build(const struct job_values *values, struct job *job)
{
    enum clat_status status = CLAT_OK;
    TRY(set_defaults(job));
    for (size_t i = 0; i < job_key_count; i++)
        if (values->value[i].where)
            TRY(build_field(&job_keys[i], &values->value[i], job));
    TRY(build_scheduler_options(values, job));
    job->guidance_scale_given = is_given(values, "guidance_scale");
    job->eta_given = is_given(values, "eta");
    TRY(check_together(values, job));
out:
    return status;
}

static void free_field(const struct job_key *key, void *field)
{
    if (key->kind == KEY_TEXTS || key->kind == KEY_SWEEP)
        free_texts(field);
    else if (key->kind == KEY_TEXT || key->kind == KEY_CHOICE || key->kind == KEY_LAYOUT)
        free(*(char **)field);
}

void job_free(struct job *job)
{
    free(job->seeds);
    settings_free(&job->scheduler_options);
    for (size_t i = 0; i < job_key_count; i++)
        free_field(&job_keys[i], (char *)job + job_keys[i].field);
    free(job->scheduler);
    *job = (struct job){0};
}
