/* weights.c - the tensors of one component. SPDX-License-Identifier: MIT
 *
 * Each file is mapped and read by its format's reader into a list sorted by name; an index of
 * shards only adds a table of which tensor is taken from which list. What weights_float() hands out
 * is the map itself where the bytes already are a float array, else memory that lives until
 * weights_done(), which also gives the touched pages back to the system. */
#include "checkpoint/weights.h"
#include "base/memory.h"
#include "base/text.h"
#include "checkpoint/component.h"
#include "checkpoint/part.h"
#include "formats/zip.h"

#include <stdlib.h>
#include <string.h>

#define EXPANDED ((size_t)16 << 20) /* elements that any view may have */

struct weights {
    struct part *parts;
    size_t part_count;
    struct weight **sorted; /* all tensors, by name */
    size_t *part_of;        /* [count], index into parts */
    size_t count;
    struct weight_view view; /* of a part of a checkpoint; else zero */
    void **loans;            /* converted tensors now handed out */
    size_t loan_count, loan_capacity;
};

/* ---- opening -------------------------------------------------------------------------------- */

static enum clat_status make_tables(struct weights *weights, size_t count)
{
    enum clat_status status;
    TRY(memory_new(count, sizeof *weights->sorted, &weights->sorted));
    TRY(memory_new(count, sizeof *weights->part_of, &weights->part_of));
    weights->count = count;
out:
    return status;
}

enum clat_status weights_open_view(
    const char *path, const struct weight_view *view, struct weights **weights)
{
    struct weights *made = NULL;
    enum clat_status status;
    TRY(memory_new(1, sizeof *made, &made));
    TRY(memory_new(1, sizeof *made->parts, &made->parts));
    made->part_count = 1;
    if (view)
        made->view = *view;
    TRY(part_open(path, view, &made->parts[0]));
    TRY(make_tables(made, made->parts[0].list.count));
    for (size_t i = 0; i < made->count; i++)
        made->sorted[i] = &made->parts[0].list.items[i];
    *weights = made;
    made = NULL;
out:
    weights_close(made);
    return status;
}

enum clat_status weights_open_file(const char *path, struct weights **weights)
{
    return weights_open_view(path, NULL, weights);
}

static int by_entry_name(const void *a, const void *b)
{
    return strcmp(
        ((const struct component_entry *)a)->name, ((const struct component_entry *)b)->name);
}

/* The index has the file's names. */
static enum clat_status update_names(struct component_index *index)
{
    static const struct name_facts facts = {.dialect = DIALECT_DIFFUSERS};
    for (size_t i = 0; i < index->entry_count; i++) {
        struct name_match match;
        char *name = NULL;
        if (!names_to_ours(&facts, index->entries[i].name, 0, &match))
            continue;
        enum clat_status status = memory_string(match.name, &name);
        if (status != CLAT_OK)
            return status;
        free(index->entries[i].name);
        index->entries[i].name = name;
    }
    qsort(index->entries, index->entry_count, sizeof *index->entries, by_entry_name);
    return CLAT_OK;
}

/* Takes from each shard what the index says; what a shard holds besides is not offered. */
static enum clat_status merge_shards(
    const char *path, struct component_index *index, struct weights *weights)
{
    enum clat_status status;
    TRY(make_tables(weights, index->entry_count));
    TRY(update_names(index));
    for (size_t i = 0; i < index->entry_count; i++) {
        const struct component_entry *entry = &index->entries[i];
        weights->part_of[i] = entry->shard;
        weights->sorted[i] = part_find(&weights->parts[entry->shard], entry->name);
        if (!weights->sorted[i])
            FAIL(CLAT_ERROR_INPUT, "'%s': tensor '%s' should be in '%s', but is not there", path,
                entry->name, index->shards[entry->shard]);
        if (i && strcmp(entry[-1].name, entry->name) == 0)
            FAIL(CLAT_ERROR_INPUT, "'%s': tensor '%s' is there twice", path, entry->name);
    }
out:
    return status;
}

static enum clat_status open_shards(const char *path, struct weights **weights)
{
    struct component_index index = {0};
    struct weights *made = NULL;
    enum clat_status status;
    TRY(memory_new(1, sizeof *made, &made));
    TRY(component_read_index(path, &index));
    TRY(memory_new(index.shard_count, sizeof *made->parts, &made->parts));
    made->part_count = index.shard_count;
    for (size_t i = 0; i < index.shard_count; i++)
        TRY(part_open(index.shards[i], NULL, &made->parts[i]));
    TRY(merge_shards(path, &index, made));
    *weights = made;
    made = NULL;
out:
    component_free_index(&index);
    weights_close(made);
    return status;
}

enum clat_status weights_open_component(
    const char *folder, const char *stem, const char *variant, struct weights **weights)
{
    char *path = NULL;
    bool index = false;
    enum clat_status status;
    TRY(component_find(folder, stem, variant, &path, &index));
    TRY(index ? open_shards(path, weights) : weights_open_file(path, weights));
out:
    free(path);
    return status;
}

void weights_close(struct weights *weights)
{
    if (!weights)
        return;
    for (size_t i = 0; i < weights->loan_count; i++)
        free(weights->loans[i]);
    for (size_t i = 0; weights->parts && i < weights->part_count; i++)
        part_close(&weights->parts[i]);
    free(weights->loans);
    free(weights->parts);
    free(weights->sorted);
    free(weights->part_of);
    free(weights);
}

/* ---- facts ---------------------------------------------------------------------------------- */

size_t weights_count(const struct weights *weights)
{
    return weights->count;
}

const struct weight *weights_at(const struct weights *weights, size_t index)
{
    return weights->sorted[index];
}

const char *weights_format(const struct weights *weights)
{
    return weights->parts[0].list.format;
}

const char *weights_path(const struct weights *weights)
{
    return weights->parts[0].map.path;
}

/* A tensor that several names share, or views that overlap, are counted under each name. */
size_t weights_bytes(const struct weights *weights)
{
    size_t total = 0;
    for (size_t i = 0; i < weights->count; i++)
        total += weights->sorted[i]->bytes;
    return total;
}

/* ---- finding -------------------------------------------------------------------------------- */

static size_t find_place(const struct weights *weights, const char *name)
{
    size_t low = 0, high = weights->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, weights->sorted[middle]->name);
        if (order == 0)
            return middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return SIZE_MAX;
}

const struct weight *weights_find(const struct weights *weights, const char *name)
{
    size_t place = find_place(weights, name);
    return place == SIZE_MAX ? NULL : weights->sorted[place];
}

/* Of the names there, the nearest; the search is quadratic in the names' lengths. */
static const char *nearest_name(const struct weights *weights, const char *name)
{
    const char **names = NULL, *nearest = NULL;
    if (weights->count > 20000 || memory_new(weights->count + 1, sizeof *names, &names) != CLAT_OK)
        return NULL;
    for (size_t i = 0; i < weights->count; i++)
        names[i] = weights->sorted[i]->name;
    nearest = text_nearest(name, names);
    free(names);
    return nearest;
}

/* Says what a checkpoint should call it, or what is there instead. */
static enum clat_status missing(const struct weights *weights, const char *name)
{
    struct name_match match;
    const struct weight_view *view = &weights->view;
    if (view->facts.dialect != DIALECT_DIFFUSERS && names_to_theirs(&view->facts, name, 0, &match))
        return status_set(CLAT_ERROR_INPUT, "'%s' has no tensor '%s', which is stored as '%s%s'",
            weights_path(weights), name, view->prefix ? view->prefix : "", match.name);
    const char *nearest = nearest_name(weights, name);
    return status_set(CLAT_ERROR_INPUT, "'%s' has no tensor '%s'%s%s%s", weights_path(weights),
        name, nearest ? "; the nearest name there is '" : "", nearest ? nearest : "",
        nearest ? "'" : "");
}

/* ---- handing out ---------------------------------------------------------------------------- */

/* The same shape, or one of the two goes on with 1s. */
static bool shapes_agree(const struct weight *weight, int rank, const size_t *shape)
{
    int longer = weight->rank > rank ? weight->rank : rank;
    for (int axis = 0; axis < longer; axis++) {
        size_t have = axis < weight->rank ? weight->shape[axis] : 1;
        size_t want = axis < rank ? shape[axis] : 1;
        if (have != want)
            return false;
    }
    return true;
}

/* "'down_blocks.0...conv1.weight'", and what the file calls it. */
static const char *name_text(const struct weight *weight, char text[2 * NAME_SIZE + 32])
{
    int size = snprintf(text, 2 * NAME_SIZE + 32, "'%s'", weight->name);
    if (weight->stored)
        snprintf(
            text + size, (size_t)(2 * NAME_SIZE + 32 - size), " (stored as '%s')", weight->stored);
    return text;
}

static enum clat_status check_weight(const struct weights *weights, const struct part *part,
    const struct weight *weight, int rank, const size_t *shape)
{
    char expected[WEIGHT_SHAPE_TEXT], found[WEIGHT_SHAPE_TEXT], name[2 * NAME_SIZE + 32];
    if (!shapes_agree(weight, rank, shape))
        return status_set(CLAT_ERROR_INPUT, "tensor %s in '%s': expected %s%s%s%s, found %s",
            name_text(weight, name), part->map.path, weight_shape_text(rank, shape, expected),
            weights->view.config ? " by '" : "", weights->view.config ? weights->view.config : "",
            weights->view.config ? "'" : "", weight_shape_text(weight->rank, weight->shape, found));
    if (!dtype_is_float(weight->dtype))
        return status_set(CLAT_ERROR_INPUT,
            "tensor %s in '%s': expected F32, F16, BF16 or F64 numbers, found %s",
            name_text(weight, name), part->map.path, dtype_name(weight->dtype));
    return CLAT_OK;
}

static enum clat_status verify(struct part *part, const struct weight *weight)
{
    struct weight_check *check = weight->check;
    if (!check || check->done)
        return CLAT_OK;
    part_touch(part, check->data, check->size);
    uint32_t found = zip_checksum(check->data, check->size);
    if (found != check->crc)
        return status_set(CLAT_ERROR_INPUT,
            "'%s' is damaged: the data of tensor '%s' have CRC-32 %08x, expected %08x",
            part->map.path, weight->name, found, check->crc);
    check->done = true;
    return CLAT_OK;
}

/* A view with strides of zero may name far more elements than the file has bytes. */
static enum clat_status count_elements(
    const struct part *part, const struct weight *weight, size_t *elements)
{
    *elements = 1;
    for (int axis = 0; axis < weight->rank; axis++)
        *elements *= weight->shape[axis]; /* checked by the reader */
    if (*elements > EXPANDED && *elements / 8 > part->map.size)
        return status_set(CLAT_ERROR_INPUT,
            "tensor '%s' in '%s': %zu elements are expanded from a file of %zu bytes", weight->name,
            part->map.path, *elements, part->map.size);
    return CLAT_OK;
}

/* The pieces of a tensor as one array of its numbers, freed by the caller. */
static enum clat_status join(const struct part *part, struct weight *weight, unsigned char **bytes)
{
    enum clat_status status;
    TRY(memory_new(weight->bytes, 1, bytes));
    if (!weight_join(weight, *bytes))
        FAIL(CLAT_ERROR_INPUT,
            "tensor '%s' in '%s': its bytes are kept as text, which holds other characters",
            weight->name, part->map.path);
    weight->data = *bytes;
    weight->piece_count = 0;
out:
    return status;
}

static enum clat_status convert(struct weights *weights, const struct part *part,
    const struct weight *weight, const float **values)
{
    size_t elements = 0;
    float *made = NULL;
    unsigned char *bytes = NULL;
    struct weight whole = *weight;
    enum clat_status status;
    TRY(count_elements(part, weight, &elements));
    if (weight->piece_count)
        TRY(join(part, &whole, &bytes));
    TRY(memory_grow(
        &weights->loans, &weights->loan_capacity, weights->loan_count, sizeof *weights->loans));
    TRY(memory_new(elements, sizeof *made, &made));
    weight_to_float(&whole, made);
    weights->loans[weights->loan_count++] = made;
    *values = made;
out:
    free(bytes);
    return status;
}

static void touch(struct part *part, const struct weight *weight)
{
    if (!weight->piece_count)
        part_touch(part, weight->data, weight->bytes);
    for (size_t i = 0; i < weight->piece_count; i++)
        part_touch(part, weight->pieces[i].data, weight->pieces[i].size);
}

enum clat_status weights_expect(
    struct weights *weights, const char *name, int rank, const size_t *shape)
{
    size_t place = find_place(weights, name);
    if (place == SIZE_MAX)
        return missing(weights, name);
    weights->sorted[place]->used = true;
    return check_weight(
        weights, &weights->parts[weights->part_of[place]], weights->sorted[place], rank, shape);
}

enum clat_status weights_float(
    struct weights *weights, const char *name, int rank, const size_t *shape, const float **values)
{
    size_t place = find_place(weights, name);
    if (place == SIZE_MAX)
        return missing(weights, name);
    struct weight *weight = weights->sorted[place];
    struct part *part = &weights->parts[weights->part_of[place]];
    enum clat_status status;
    TRY(check_weight(weights, part, weight, rank, shape));
    TRY(verify(part, weight));
    touch(part, weight);
    weight->used = true;
    if (weight_is_float_array(weight))
        *values = (const float *)(const void *)weight->data;
    else
        TRY(convert(weights, part, weight, values));
out:
    return status;
}

void weights_done(struct weights *weights)
{
    for (size_t i = 0; i < weights->loan_count; i++)
        free(weights->loans[i]);
    weights->loan_count = 0;
    for (size_t i = 0; i < weights->part_count; i++)
        part_forget(&weights->parts[i]);
}
