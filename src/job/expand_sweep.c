/* expand_sweep.c - a sweep into units. SPDX-License-Identifier: MIT
 *
 * Its axes, and the lists and seeds beside it, span a grid; each cell is an image. The last axis
 * counts fastest. */
#include "job/expand_unit.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

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
        if (!unit_is_free((size_t)axis->key))
            TRY(text_print(&name, "%s%s=%s", name.size ? ", " : "", key, item));
    }
    TRY(unit_add(expansion, &cell, name.data));
out:
    text_free(&name);
    job_values_free(&cell);
    return status;
}

enum clat_status expand_sweep(struct expansion *expansion, struct job_values *values)
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
