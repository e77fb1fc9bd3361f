/* clatent_info.c - what an image file says about itself. SPDX-License-Identifier: MIT */
#include "base/arena.h"
#include "base/file.h"
#include "clatent_internal.h"
#include "formats/png.h"
#include "job/foreign.h"
#include "job/metadata.h"
#include "plugins/names.h"

#include <stdlib.h>
#include <string.h>

#define FILE_LIMIT                                                                                 \
    ((size_t)1 << 30) /* bytes; larger than any image that passes the pixel limit                  \
                       */

struct maker {
    struct arena *arena;
    struct clat_image_info *info;
    const struct job_values *values;
};

static enum clat_status add_texts(struct maker *maker, const struct png_facts *facts)
{
    enum clat_status status = CLAT_OK;
    struct clat_setting *texts;
    TRY(arena_take(maker->arena, facts->count, sizeof *texts, &texts));
    maker->info->texts = texts;
    for (size_t i = 0; i < facts->count; i++) {
        TRY(arena_string(maker->arena, facts->texts[i].keyword, &texts[i].key));
        TRY(arena_string(maker->arena, facts->texts[i].text, &texts[i].value));
        maker->info->text_count++;
    }
out:
    return status;
}

/* Each key that was recorded, as text. */
static enum clat_status add_job(struct maker *maker)
{
    enum clat_status status = CLAT_OK;
    struct clat_setting *job;
    struct text text = {0};
    TRY(arena_take(maker->arena, job_key_count, sizeof *job, &job));
    maker->info->job = job;
    for (size_t i = 0; i < job_key_count; i++) {
        if (!maker->values->value[i].where)
            continue;
        struct clat_setting *setting = &job[maker->info->job_count++];
        setting->key = job_keys[i].name;
        text_free(&text);
        TRY(text_add(&text, "", 0));
        TRY(job_values_text(maker->values, (int)i, &text));
        TRY(arena_string(maker->arena, text.data, &setting->value));
    }
out:
    text_free(&text);
    return status;
}

/* --num-inference-steps */
static enum clat_status add_option(struct maker *maker, const char *name, const char **arguments)
{
    struct text option = {0};
    enum clat_status status = text_print(&option, "--%s", name);
    for (char *c = option.data; c && *c; c++)
        if (*c == '_')
            *c = '-';
    if (status == CLAT_OK)
        status = arena_string(maker->arena, option.data, &arguments[maker->info->argument_count++]);
    text_free(&option);
    return status;
}

/* Of texts each is an option of its own; everything else is one text. */
static enum clat_status add_arguments(struct maker *maker)
{
    enum clat_status status = CLAT_OK;
    struct clat_image_info *info = maker->info;
    const char **arguments;
    size_t count = 1 + 2 * info->job_count;
    for (size_t i = 0; i < job_key_count; i++)
        count += 2 * maker->values->value[i].count;
    TRY(arena_take(maker->arena, count, sizeof *arguments, &arguments));
    info->arguments = arguments;
    arguments[info->argument_count++] = "generate";
    for (size_t i = 0; i < info->job_count; i++) {
        int key = job_key_find(info->job[i].key);
        const struct job_value *value_of_key = &maker->values->value[key];
        bool several = job_keys[key].kind == KEY_TEXTS;
        for (size_t j = 0; j < (several ? value_of_key->count : 1); j++) {
            const char *value = several ? value_of_key->items[j] : info->job[i].value;
            TRY(add_option(maker, info->job[i].key, arguments));
            TRY(arena_string(maker->arena, value, &arguments[info->argument_count++]));
        }
    }
out:
    return status;
}

static enum clat_status add_record(struct maker *maker, const char *path, const char *json)
{
    enum clat_status status = CLAT_OK;
    struct job_values values = {0};
    char *version = NULL;
    maker->values = &values;
    TRY(metadata_parse(path, json, &values, &version));
    TRY(arena_string(maker->arena, version, &maker->info->version));
    TRY(arena_string(maker->arena, "clatent", &maker->info->program));
    TRY(add_job(maker));
    TRY(add_arguments(maker));
out:
    free(version);
    job_values_free(&values);
    return status;
}

/* ---- of other programs ---------------------------------------------------------------------- */

/* A name that one of our schedulers answers to is taken as it is. */
static enum clat_status take_scheduler(struct foreign *foreign, const char *name)
{
    const struct clat_plugin *scheduler;
    struct settings presets = {0};
    enum clat_status status = names_find(name, &scheduler, &presets);
    settings_free(&presets);
    return status == CLAT_OK ? foreign_set(foreign, "scheduler", name) : status;
}

/* "DPM++ 2M" with "Karras"; without the schedule if we have none of that name for it. */
static enum clat_status find_scheduler(struct foreign *foreign)
{
    enum clat_status status;
    struct text both = {0};
    if (!foreign->sampler)
        return CLAT_OK;
    TRY(text_print(&both, "%s%s%s", foreign->sampler, foreign->schedule ? " " : "",
        foreign->schedule ? foreign->schedule : ""));
    if (take_scheduler(foreign, both.data) == CLAT_OK)
        goto out;
    if (take_scheduler(foreign, foreign->sampler) == CLAT_OK)
        TRY(foreign_lose(foreign, "schedule: %.100s", foreign->schedule));
    else
        TRY(foreign_lose(foreign, "scheduler: %.200s", both.data));
    status_clear();
out:
    text_free(&both);
    return status;
}

static enum clat_status add_losses(struct maker *maker, const struct foreign *foreign)
{
    enum clat_status status;
    const char **losses;
    TRY(arena_take(maker->arena, foreign->loss_count, sizeof *losses, &losses));
    maker->info->losses = losses;
    for (size_t i = 0; i < foreign->loss_count; i++)
        TRY(arena_string(maker->arena, foreign->losses[i], &losses[maker->info->loss_count++]));
out:
    return status;
}

static enum clat_status add_foreign(struct maker *maker, const struct png_facts *facts)
{
    enum clat_status status;
    struct foreign foreign = {.program = NULL};
    maker->values = &foreign.values;
    TRY(foreign_read(facts, &foreign));
    TRY(find_scheduler(&foreign));
    TRY(add_losses(maker, &foreign));
    if (!foreign.program)
        goto out;
    TRY(arena_string(maker->arena, foreign.program, &maker->info->program));
    TRY(add_job(maker));
    TRY(add_arguments(maker));
out:
    foreign_free(&foreign);
    return status;
}

enum clat_status clat_image_info(
    struct clat_context *context, const char *path, const struct clat_image_info **result)
{
    enum clat_status status = CLAT_OK;
    struct file_map map = {0};
    struct png_facts facts = {0};
    struct maker maker = {0};
    (void)context;
    *result = NULL;
    TRY(file_map_open(path, &map));
    if (map.size > FILE_LIMIT)
        FAIL(
            CLAT_ERROR_INPUT, "%s: %zu bytes; at most %zu are allowed", path, map.size, FILE_LIMIT);
    TRY(png_read_facts(path, map.data, map.size, &facts));
    TRY(arena_new(sizeof *maker.info, &maker.arena, &maker.info));
    maker.info->height = facts.height;
    maker.info->width = facts.width;
    TRY(add_texts(&maker, &facts));
    const char *json = png_find_text(&facts, METADATA_KEY);
    TRY(json ? add_record(&maker, path, json) : add_foreign(&maker, &facts));
    *result = maker.info;
    maker.info = NULL;
out:
    arena_free(maker.info);
    png_facts_free(&facts);
    file_map_close(&map);
    return status;
}
