/* expand.c - prompts and axes into units, units into runs. SPDX-License-Identifier: MIT */
#include "job/expand.h"
#include "base/memory.h"
#include "job/prompt_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN_LIMIT                                                                                  \
    256 /* units in one run: batch_size is below its own limit, and latents are kept */

/* A run before its units are put into its values. */
struct bundle {
    struct job_values values; /* of its first unit */
    struct text signature;    /* all of them but prompt, class and seed; "" if it takes no more */
    char *name;
    struct unit {
        size_t number;
        char *prompt, *class, *seed; /* NULL: not given */
    } * units;
    size_t count, capacity;
    bool whole;
};

struct expansion {
    struct job_plan *plan;
    struct job_part *part;
    const char *name;    /* of the job, or NULL */
    const char *file;    /* of prompts */
    const char *prompts; /* where they come from, for messages */
    struct bundle *bundles;
    size_t count, capacity;
    struct job_values *lines; /* of the file of prompts */
    int *line_numbers;
    size_t line_count, line_capacity, number_capacity;
};

static struct job_value *value_of(struct job_values *values, const char *name)
{
    return &values->value[job_key_find(name)];
}

static const char *first_of(const struct job_values *values, const char *name)
{
    const struct job_value *value = &values->value[job_key_find(name)];
    return value->count ? value->items[0] : NULL;
}

static void clear(struct job_values *values, const char *name)
{
    job_value_clear(value_of(values, name));
}

bool job_expands(const struct job_values *values)
{
    return first_of(values, "sweep") || first_of(values, "prompt_file");
}

/* ---- units ---------------------------------------------------------------------------------- */

/* An image may share a run if it is one alone, and neither the noise nor the start of the others
 * matters to it. */
static bool can_share(const struct job_values *values)
{
    const char *generator = first_of(values, "generator"), *seed = first_of(values, "seed");
    if (first_of(values, "latents") || (generator && strcmp(generator, "batch") == 0) || !seed ||
        first_of(values, "batch_size") || first_of(values, "trace"))
        return false;
    for (size_t i = 0; i < job_key_count; i++)
        if ((job_keys[i].kind == KEY_TEXTS || job_keys[i].kind == KEY_SEEDS) &&
            values->value[i].count > 1)
            return false;
    return true;
}

/* Units of one run may differ in these, and must agree on whether they are given. */
static const char *const free_keys[] = {"prompt", "class", "seed"};

static bool is_free(size_t key)
{
    for (size_t i = 0; i < sizeof free_keys / sizeof *free_keys; i++)
        if (strcmp(job_keys[key].name, free_keys[i]) == 0)
            return true;
    return false;
}

static enum clat_status sign(const struct job_values *values, struct text *out)
{
    enum clat_status status = CLAT_OK;
    for (size_t key = 0; key < job_key_count; key++) {
        const struct job_value *value = &values->value[key];
        if (!value->where)
            continue;
        TRY(text_print(out, "%s", job_keys[key].name));
        for (size_t i = 0; i < value->count && !is_free(key); i++)
            TRY(text_print(out, "\x1f%s", value->items[i]));
        TRY(text_add(out, "\n", 1));
    }
    for (size_t i = 0; i < values->scheduler_options.count; i++)
        TRY(text_print(out, "%s=%s\n", values->scheduler_options.items[i].key,
            values->scheduler_options.items[i].value));
out:
    return status;
}

static enum clat_status copy_text(const char *text, char **out)
{
    *out = NULL;
    return text ? memory_string(text, out) : CLAT_OK;
}

static enum clat_status add_to_bundle(
    struct bundle *bundle, const struct job_values *values, size_t number)
{
    enum clat_status status;
    TRY(memory_grow(&bundle->units, &bundle->capacity, bundle->count, sizeof *bundle->units));
    struct unit *unit = &bundle->units[bundle->count++];
    *unit = (struct unit){.number = number};
    TRY(copy_text(first_of(values, "prompt"), &unit->prompt));
    TRY(copy_text(first_of(values, "class"), &unit->class));
    TRY(copy_text(first_of(values, "seed"), &unit->seed));
out:
    return status;
}

static struct bundle *find_bundle(struct expansion *expansion, const struct text *signature)
{
    for (size_t i = expansion->count; i-- > 0;) {
        struct bundle *bundle = &expansion->bundles[i];
        if (bundle->count < RUN_LIMIT && bundle->signature.size == signature->size &&
            memcmp(bundle->signature.data, signature->data, signature->size) == 0)
            return bundle;
    }
    return NULL;
}

static enum clat_status new_bundle(
    struct expansion *expansion, const struct job_values *values, struct bundle **bundle)
{
    enum clat_status status;
    TRY(memory_grow(
        &expansion->bundles, &expansion->capacity, expansion->count, sizeof *expansion->bundles));
    *bundle = &expansion->bundles[expansion->count++];
    **bundle = (struct bundle){.name = NULL};
    TRY(job_values_copy(values, &(*bundle)->values));
out:
    return status;
}

/* `name` is what this unit adds to the job's name, or NULL. */
static enum clat_status add_unit(
    struct expansion *expansion, const struct job_values *values, const char *name)
{
    enum clat_status status;
    struct text signature = {0}, full = {0};
    struct bundle *bundle = NULL;
    bool shares = can_share(values);
    TRY(sign(values, &signature));
    if (shares)
        bundle = find_bundle(expansion, &signature);
    if (!bundle) {
        TRY(new_bundle(expansion, values, &bundle));
        bundle->whole = !shares;
        const char *job = expansion->name;
        if (job || name) {
            TRY(text_print(
                &full, "%s%s%s", job ? job : "", job && name ? ", " : "", name ? name : ""));
            bundle->name = full.data;
            full = (struct text){0};
        }
        if (shares) {
            bundle->signature = signature;
            signature = (struct text){0};
        }
    }
    TRY(add_to_bundle(bundle, values, expansion->part->units++));
out:
    text_free(&signature);
    text_free(&full);
    return status;
}

/* ---- sweeps --------------------------------------------------------------------------------- */

static struct sweep_axis *find_axis(struct job_part *part, int key)
{
    for (size_t i = 0; i < part->axis_count; i++)
        if (part->axes[i].key == key)
            return &part->axes[i];
    return NULL;
}

static enum clat_status new_axis(
    struct job_part *part, int key, const char *where, struct sweep_axis **axis)
{
    if (part->axis_count == SWEEP_AXES)
        return status_set(CLAT_ERROR_USAGE, "%s: a sweep of more than %d axes", where, SWEEP_AXES);
    *axis = &part->axes[part->axis_count++];
    **axis = (struct sweep_axis){.key = key};
    return CLAT_OK;
}

static enum clat_status read_axes(struct job_part *part, const struct job_value *sweep)
{
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; i < sweep->count; i++) {
        struct sweep_axis *axis = NULL;
        TRY(new_axis(part, -1, sweep->where, &axis));
        TRY(sweep_axis_read(sweep->items[i], sweep->where, axis));
        if (find_axis(part, axis->key) != axis)
            FAIL(CLAT_ERROR_USAGE, "%s: sweep: two axes for %s", sweep->where,
                job_keys[axis->key].name);
    }
out:
    return status;
}

/* A list beside the sweep is an axis too, so that every cell is one image. */
static enum clat_status add_list_axes(struct job_part *part, struct job_values *values)
{
    static const char *const lists[] = {"prompt", "class", "image", "label_map", "seed"};
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct job_value *value = value_of(values, lists[i]);
        struct sweep_axis *axis = NULL;
        if (value->count < 2 || find_axis(part, job_key_find(lists[i])))
            continue;
        TRY(new_axis(part, job_key_find(lists[i]), value->where, &axis));
        for (size_t j = 0; j < value->count; j++)
            TRY(sweep_axis_add(axis, value->items[j], value->where));
    }
out:
    return status;
}

/* So is batch_size, as seeds that count up. */
static enum clat_status add_batch_axis(struct job_part *part, struct job_values *values)
{
    enum clat_status status = CLAT_OK;
    struct job_value *batch = value_of(values, "batch_size");
    int key = job_key_find("seed");
    struct sweep_axis *axis = NULL;
    long long size = 1;
    uint64_t seed = 0;
    char item[32];
    if (!batch->where || !text_to_int(batch->items[0], 1, INT32_MAX, &size) || size == 1)
        goto out;
    if (find_axis(part, key))
        FAIL(CLAT_ERROR_USAGE, "%s: the sweep has seeds of its own; leave batch_size out",
            batch->where);
    TRY(new_axis(part, key, batch->where, &axis));
    text_to_uint64(first_of(values, "seed"), &seed);
    for (long long i = 0; i < size; i++) {
        snprintf(item, sizeof item, "%" PRIu64, seed + (uint64_t)i);
        TRY(sweep_axis_add(axis, item, batch->where));
    }
out:
    job_value_clear(batch);
    return status;
}

static enum clat_status count_cells(const struct job_part *part, const char *where, size_t *cells)
{
    *cells = 1;
    for (size_t i = 0; i < part->axis_count; i++)
        if (!size_mul(*cells, part->axes[i].count, cells) || *cells > SWEEP_LIMIT)
            return status_set(CLAT_ERROR_USAGE,
                "%s: the sweep has more than %d images; leave out values or an axis", where,
                SWEEP_LIMIT);
    return CLAT_OK;
}

/* The values of cell `number` over the job's; the name has the axes that make a run of its own. */
static enum clat_status add_cell(
    struct expansion *expansion, const struct job_values *values, size_t number, const char *where)
{
    enum clat_status status;
    const struct job_part *part = expansion->part;
    struct job_values cell = {.scheduler_options = {0}};
    struct text name = {0};
    size_t rest = number, index[SWEEP_AXES];
    for (size_t i = part->axis_count; i-- > 0; rest /= part->axes[i].count)
        index[i] = rest % part->axes[i].count;
    TRY(job_values_copy(values, &cell));
    for (size_t i = 0; i < part->axis_count; i++) {
        const struct sweep_axis *axis = &part->axes[i];
        const char *item = axis->items[index[i]], *key = job_keys[axis->key].name;
        TRY(job_values_set(&cell, key, item, where, false));
        if (!is_free((size_t)axis->key))
            TRY(text_print(&name, "%s%s=%s", name.size ? ", " : "", key, item));
    }
    TRY(add_unit(expansion, &cell, name.data));
out:
    text_free(&name);
    job_values_free(&cell);
    return status;
}

static enum clat_status expand_sweep(struct expansion *expansion, struct job_values *values)
{
    enum clat_status status;
    char *where = NULL;
    size_t cells;
    struct job_value *sweep = value_of(values, "sweep");
    TRY(memory_string(sweep->where, &where));
    TRY(read_axes(expansion->part, sweep));
    job_value_clear(sweep);
    TRY(add_list_axes(expansion->part, values));
    TRY(add_batch_axis(expansion->part, values));
    TRY(count_cells(expansion->part, where, &cells));
    for (size_t i = 0; i < cells; i++)
        TRY(add_cell(expansion, values, i, where));
out:
    free(where);
    return status;
}

/* ---- files of prompts ----------------------------------------------------------------------- */

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
    TRY(sign(&job, &before));
    for (size_t i = 0; i < expansion->line_count && *plain; i++) {
        const struct job_values *line = &expansion->lines[i];
        const char *seed = first_of(line, "seed"), *given = first_of(values, "seed");
        after.size = 0;
        TRY(sign(line, &after));
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
    clear(&image, "batch_size");
    TRY(set_seed(&image, seed, name));
    TRY(add_unit(expansion, &image, name));
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
        return add_unit(expansion, line, name);
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

/* *done if the lines have become units; else they stand in the values. */
static enum clat_status read_prompts(
    struct expansion *expansion, struct job_values *values, bool *done)
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

/* ---- runs ----------------------------------------------------------------------------------- */

/* Lists of prompts, classes and seeds, where there is more than one unit; the same prompt for all
 * stays one, with a batch. */
static bool all_same(const struct bundle *bundle)
{
    for (size_t i = 1; i < bundle->count; i++) {
        const struct unit *a = &bundle->units[i], *b = &bundle->units[0];
        if ((a->prompt && strcmp(a->prompt, b->prompt) != 0) ||
            (a->class && strcmp(a->class, b->class) != 0))
            return false;
    }
    return true;
}

static enum clat_status fill_lists(const struct bundle *bundle, struct job_values *values)
{
    enum clat_status status = CLAT_OK;
    static const char where[] = "units of a job";
    char count[32];
    bool same = all_same(bundle);
    if (bundle->count == 1)
        return CLAT_OK;
    clear(values, "seed");
    snprintf(count, sizeof count, "%zu", bundle->count);
    if (same)
        TRY(job_values_set(values, "batch_size", count, where, false));
    else
        clear(values, "prompt"), clear(values, "class");
    for (size_t i = 0; i < bundle->count; i++) {
        const struct unit *unit = &bundle->units[i];
        TRY(job_value_add(values, job_key_find("seed"), unit->seed, where));
        if (!same && unit->prompt)
            TRY(job_value_add(values, job_key_find("prompt"), unit->prompt, where));
        if (!same && unit->class)
            TRY(job_value_add(values, job_key_find("class"), unit->class, where));
    }
out:
    return status;
}

static enum clat_status add_run(struct expansion *expansion, struct bundle *bundle)
{
    enum clat_status status;
    struct job_plan *plan = expansion->plan;
    TRY(memory_grow(&plan->runs, &plan->run_capacity, plan->run_count, sizeof *plan->runs));
    struct job_run *run = &plan->runs[plan->run_count++];
    *run = (struct job_run){.values = bundle->values,
        .name = bundle->name,
        .job = plan->part_count - 1,
        .whole = bundle->whole};
    bundle->values = (struct job_values){.scheduler_options = {0}};
    bundle->name = NULL;
    TRY(memory_new(bundle->count, sizeof *run->units, &run->units));
    for (; run->count < bundle->count; run->count++)
        run->units[run->count] = bundle->units[run->count].number;
    TRY(fill_lists(bundle, &run->values));
out:
    return status;
}

/* Equal where networks are loaded for both alike. */
static bool same_networks(const struct job_values *a, const struct job_values *b)
{
    static const char *const keys[] = {"model", "variant", "device", "precision", "gemm",
        "float32_matmul_precision", "height", "width"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *x = first_of(a, keys[i]), *y = first_of(b, keys[i]);
        if (!x != !y || (x && strcmp(x, y) != 0))
            return false;
    }
    return true;
}

/* Bundles in their order, but each with those that come later and have the same networks. */
static enum clat_status add_runs(struct expansion *expansion)
{
    enum clat_status status = CLAT_OK;
    bool *taken = NULL;
    TRY(memory_new(expansion->count, sizeof *taken, &taken));
    for (size_t i = 0; i < expansion->count; i++) {
        size_t first = expansion->plan->run_count;
        for (size_t j = i; j < expansion->count && !taken[i]; j++) {
            const struct job_values *values = j == i ? NULL : &expansion->plan->runs[first].values;
            if (taken[j] || (values && !same_networks(values, &expansion->bundles[j].values)))
                continue;
            TRY(add_run(expansion, &expansion->bundles[j]));
            taken[j] = j != i;
        }
    }
out:
    free(taken);
    return status;
}

static void free_bundle(struct bundle *bundle)
{
    for (size_t i = 0; i < bundle->count; i++) {
        free(bundle->units[i].prompt);
        free(bundle->units[i].class);
        free(bundle->units[i].seed);
    }
    free(bundle->units);
    free(bundle->name);
    text_free(&bundle->signature);
    job_values_free(&bundle->values);
}

enum clat_status job_expand(struct job_plan *plan, const struct job_values *given, const char *name)
{
    enum clat_status status;
    struct job_values values = {.scheduler_options = {0}};
    struct expansion expansion = {.plan = plan, .name = name};
    bool done = false;
    TRY(memory_grow(&plan->parts, &plan->part_capacity, plan->part_count, sizeof *plan->parts));
    expansion.part = &plan->parts[plan->part_count++];
    *expansion.part = (struct job_part){.units = 0};
    TRY(job_values_copy(given, &values));
    if (first_of(&values, "prompt_file"))
        TRY(read_prompts(&expansion, &values, &done));
    if (!done && first_of(&values, "sweep"))
        TRY(expand_sweep(&expansion, &values));
    else if (!done) {
        TRY(add_unit(&expansion, &values, NULL));
        expansion.bundles[0].whole = true;
    }
    TRY(add_runs(&expansion));
out:
    for (size_t i = 0; i < expansion.count; i++)
        free_bundle(&expansion.bundles[i]);
    for (size_t i = 0; i < expansion.line_count; i++)
        job_values_free(&expansion.lines[i]);
    free(expansion.bundles);
    free(expansion.lines);
    free(expansion.line_numbers);
    job_values_free(&values);
    return status;
}

void job_plan_free(struct job_plan *plan)
{
    for (size_t i = 0; i < plan->run_count; i++) {
        job_values_free(&plan->runs[i].values);
        free(plan->runs[i].name);
        free(plan->runs[i].units);
    }
    for (size_t i = 0; i < plan->part_count; i++)
        for (size_t j = 0; j < plan->parts[i].axis_count; j++)
            sweep_axis_free(&plan->parts[i].axes[j]);
    free(plan->runs);
    free(plan->parts);
    *plan = (struct job_plan){.runs = NULL};
}
