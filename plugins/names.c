/* names.c - which scheduler a name means. SPDX-License-Identifier: MIT */
#include "plugins/names.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* Words of other programs at the end of a name, and the option that each stands for; a word that
 * ends in another one comes first. "gpu" says where noise was made, "automatic" leaves the choice
 * to the model: both change nothing here. */
static const struct schedule {
    const char *word, *option, *value;
} schedules[] = {
    {"karras", "use_karras_sigmas", "true"},
    {"ka", "use_karras_sigmas", "true"},
    {"exponential", "use_exponential_sigmas", "true"},
    {"beta", "use_beta_sigmas", "true"},
    {"lu", "use_lu_lambdas", "true"},
    {"sgmuniform", "timestep_spacing", "trailing"},
    {"simple", "timestep_spacing", "trailing"},
    {"trailing", "timestep_spacing", "trailing"},
    {"leading", "timestep_spacing", "leading"},
    {"linspace", "timestep_spacing", "linspace"},
    {"uniform", "timestep_spacing", "linspace"},
    {"normal", "timestep_spacing", "linspace"},
    {"gpu", NULL, NULL},
    {"automatic", NULL, NULL},
};
static const size_t schedule_count = sizeof schedules / sizeof *schedules;

/* A schedule replaces these where the scheduler has them. */
static const char *const curves[] = {
    "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas"};

/* ---- folding -------------------------------------------------------------------------------- */

bool name_fold(const char *name, char folded[NAME_SIZE])
{
    size_t size = 0;
    for (; *name; name++) {
        char c = *name == '+' ? 'p' : *name >= 'A' && *name <= 'Z' ? *name - 'A' + 'a' : *name;
        if (strchr(" \t-_.", c))
            continue;
        if (size == NAME_SIZE - 1)
            return false;
        folded[size++] = c;
    }
    folded[size] = '\0';
    return size > 0;
}

/* Behind "k_", which k-diffusion's names have in other programs. */
static const char *without_k(const char *name)
{
    bool has_k = (name[0] == 'k' || name[0] == 'K') && name[1] && strchr("_- ", name[1]);
    return has_k ? name + 2 : name;
}

static bool is_folded(const char *name, const char *folded)
{
    char own[NAME_SIZE];
    return name && name_fold(name, own) && strcmp(own, folded) == 0;
}

/* ---- one name, exactly -------------------------------------------------------------------------
 * Its own name counts more than a class, and that more than an alias. */

struct meaning {
    const struct clat_plugin *scheduler;
    const struct clat_alias *alias;   /* or NULL */
    const struct schedule *schedule;  /* or NULL */
    const struct clat_plugin *second; /* another one of that name, of the same rank */
};

static bool is_class(const struct clat_plugin *scheduler, const char *folded)
{
    char class_name[NAME_SIZE];
    if (!scheduler->class_name || !name_fold(scheduler->class_name, class_name))
        return false;
    size_t size = strlen(folded);
    return strncmp(class_name, folded, size) == 0 &&
           (class_name[size] == '\0' || strcmp(class_name + size, "scheduler") == 0);
}

static const struct clat_alias *find_alias(const struct clat_plugin *scheduler, const char *folded)
{
    const struct clat_alias *alias = scheduler->aliases;
    for (; alias && alias->name; alias++)
        if (is_folded(alias->name, folded))
            return alias;
    return NULL;
}

enum rank { OWN_NAME, CLASS_NAME, ALIAS, RANKS };

static bool is_called(const struct clat_plugin *scheduler, enum rank rank, const char *folded,
    const struct clat_alias **alias)
{
    *alias = rank == ALIAS ? find_alias(scheduler, folded) : NULL;
    return rank == OWN_NAME     ? is_folded(scheduler->name, folded)
           : rank == CLASS_NAME ? is_class(scheduler, folded)
                                : *alias != NULL;
}

static bool find_exactly(
    const struct plugin *plugins, size_t count, const char *folded, struct meaning *meaning)
{
    const struct clat_alias *alias;
    for (int rank = 0; rank < RANKS && !meaning->scheduler; rank++)
        for (size_t i = 0; i < count; i++) {
            const struct clat_plugin *scheduler = plugins[i].scheduler;
            if (!scheduler || !is_called(scheduler, (enum rank)rank, folded, &alias))
                continue;
            if (meaning->scheduler) {
                meaning->second = scheduler;
                return true;
            }
            meaning->scheduler = scheduler;
            meaning->alias = alias;
        }
    return meaning->scheduler != NULL;
}

/* ---- with a schedule behind it -------------------------------------------------------------- */

/* The schedule that the name ends in; it is cut off. */
static const struct schedule *cut_schedule(char folded[NAME_SIZE])
{
    size_t size = strlen(folded);
    for (size_t i = 0; i < schedule_count; i++) {
        size_t tail = strlen(schedules[i].word);
        if (size > tail && strcmp(folded + size - tail, schedules[i].word) == 0) {
            folded[size - tail] = '\0';
            return &schedules[i];
        }
    }
    return NULL;
}

static bool find_meaning(
    const struct plugin *plugins, size_t count, const char *name, struct meaning *meaning)
{
    char folded[NAME_SIZE];
    *meaning = (struct meaning){0};
    if (!name_fold(name, folded))
        return false;
    if (find_exactly(plugins, count, folded, meaning))
        return true;
    const struct schedule *schedule = cut_schedule(folded);
    if (!schedule || !find_exactly(plugins, count, folded, meaning))
        return false;
    meaning->schedule = schedule;
    return true;
}

/* ---- the options that a name stands for ----------------------------------------------------- */

static bool has_option(const struct clat_plugin *scheduler, const char *name)
{
    const struct clat_option *option = scheduler->options;
    while (option->name && strcmp(option->name, name) != 0)
        option++;
    return option->name != NULL;
}

static enum clat_status add_schedule(
    const struct meaning *meaning, const char *name, struct settings *presets)
{
    enum clat_status status = CLAT_OK;
    const struct schedule *schedule = meaning->schedule;
    const struct clat_plugin *scheduler = meaning->scheduler;
    if (!schedule->option)
        return CLAT_OK;
    if (!has_option(scheduler, schedule->option))
        FAIL(CLAT_ERROR_USAGE, "'%s': scheduler '%s' has no such schedule (no option %s)", name,
            scheduler->name, schedule->option);
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++)
        if (has_option(scheduler, curves[i]))
            TRY(settings_set(presets, curves[i], "false", name));
    TRY(settings_set(presets, schedule->option, schedule->value, name));
out:
    return status;
}

static enum clat_status add_presets(
    const struct meaning *meaning, const char *name, struct settings *presets)
{
    enum clat_status status = CLAT_OK;
    if (meaning->alias && meaning->alias->options)
        TRY(settings_read(presets, meaning->alias->options, name));
    if (meaning->schedule)
        TRY(add_schedule(meaning, name, presets));
out:
    return status;
}

/* ---- nobody of that name -------------------------------------------------------------------- */

/* All names as written, and the same folded; freed by the caller, folded ones each too. */
struct all_names {
    const char **written;
    char **folded; /* NULL-terminated */
    size_t count, written_capacity, folded_capacity;
};

static enum clat_status enter(struct all_names *all, const char *name)
{
    enum clat_status status = CLAT_OK;
    char folded[NAME_SIZE];
    if (!name || !name_fold(name, folded))
        return CLAT_OK;
    TRY(memory_grow(&all->written, &all->written_capacity, all->count, sizeof *all->written));
    TRY(memory_grow(&all->folded, &all->folded_capacity, all->count + 1, sizeof *all->folded));
    TRY(memory_string(folded, &all->folded[all->count]));
    all->written[all->count++] = name;
    all->folded[all->count] = NULL;
out:
    return status;
}

static enum clat_status enter_all(struct all_names *all, const struct plugin *plugins, size_t count)
{
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; i < count; i++) {
        if (!plugins[i].scheduler)
            continue;
        TRY(enter(all, plugins[i].scheduler->name));
        TRY(enter(all, plugins[i].scheduler->class_name));
        const struct clat_alias *alias = plugins[i].scheduler->aliases;
        for (; alias && alias->name; alias++)
            TRY(enter(all, alias->name));
    }
out:
    return status;
}

/* What was probably meant, with or without the schedule at its end. */
static const char *find_nearest(const struct all_names *all, const char *name)
{
    char folded[NAME_SIZE];
    if (!all->count || !name_fold(name, folded))
        return NULL;
    const char *nearest = text_nearest(folded, (const char *const *)all->folded);
    if (!nearest && cut_schedule(folded))
        nearest = text_nearest(folded, (const char *const *)all->folded);
    for (size_t i = 0; i < all->count; i++)
        if (all->folded[i] == nearest)
            return all->written[i];
    return NULL;
}

/* "unknown scheduler 'dimm' (did you mean 'ddim'?); known: ddim, euler" */
static enum clat_status unknown(const char *name, const struct plugin *plugins, size_t count)
{
    struct text known = {0};
    struct all_names all = {0};
    enum clat_status status;
    TRY(enter_all(&all, plugins, count));
    for (size_t i = 0; i < count; i++)
        if (plugins[i].scheduler)
            TRY(text_print(&known, "%s%s", known.size ? ", " : "", plugins[i].scheduler->name));
    const char *nearest = find_nearest(&all, name);
    status = status_set(CLAT_ERROR_NO_DEVICE, "unknown scheduler '%.60s'%s%s%s; known: %s", name,
        nearest ? " (did you mean '" : "", nearest ? nearest : "", nearest ? "'?)" : "",
        known.size ? known.data : "none, no plugin was found");
out:
    for (size_t i = 0; i < all.count; i++)
        free(all.folded[i]);
    free(all.folded);
    free(all.written);
    text_free(&known);
    return status;
}

/* Is this refused path the file of that name, or a directory that might hold it? */
static bool may_hold(const char *path, const char *name)
{
    char stem[NAME_SIZE], folded[NAME_SIZE];
    const char *file = strrchr(path, '/') + 1, *end = strstr(file, ".so");
    if (!end || end[3] || (size_t)(end - file) >= sizeof stem)
        return true;
    memcpy(stem, file, (size_t)(end - file));
    stem[end - file] = '\0';
    return name_fold(name, folded) && is_folded(stem, folded);
}

enum clat_status names_find(
    const char *name, const struct clat_plugin **scheduler, struct settings *presets)
{
    const struct plugin *plugins;
    size_t count;
    struct meaning meaning;
    enum clat_status status;
    *scheduler = NULL;
    TRY(plugins_list(&plugins, &count));
    if (!find_meaning(plugins, count, name, &meaning) &&
        !find_meaning(plugins, count, without_k(name), &meaning)) {
        for (size_t i = 0; i < count; i++)
            if (!plugins[i].scheduler && may_hold(plugins[i].path, name))
                return status_set(CLAT_ERROR_NO_DEVICE, "%s", plugins[i].reason);
        return unknown(name, plugins, count);
    }
    if (meaning.second)
        FAIL(CLAT_ERROR_USAGE, "'%s' means scheduler '%s' or '%s': say which", name,
            meaning.scheduler->name, meaning.second->name);
    TRY(add_presets(&meaning, name, presets));
    *scheduler = meaning.scheduler;
out:
    return status;
}

enum clat_status plugins_find(const char *name, const struct clat_plugin **scheduler)
{
    struct settings presets = {0};
    enum clat_status status = names_find(name, scheduler, &presets);
    settings_free(&presets);
    return status;
}
