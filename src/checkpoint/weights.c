/* weights.c - the tensors of one component. SPDX-License-Identifier: MIT
 *
 * Each file is mapped and read by its format's reader into a list sorted by name; an index of
 * shards only adds a table of which tensor is taken from which list. What weights_float() hands out
 * is the map itself where the bytes already are a float array, else memory that lives until
 * weights_done(), which also gives the touched pages back to the system. */
#include "checkpoint/weights.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "checkpoint/component.h"
#include "formats/safetensors.h"
#include "formats/torch.h"
#include "formats/zip.h"

#include <stdlib.h>
#include <string.h>

#define EXPANDED ((size_t)16 << 20) /* elements that any view may have */

struct part { /* one file */
    struct file_map map;
    struct weight_list list;
    size_t touched_begin, touched_end; /* bytes of the map read since weights_done() */
};

struct weights {
    struct part *parts;
    size_t part_count;
    struct weight **sorted; /* all tensors, by name */
    size_t *part_of;        /* [count], index into parts */
    size_t count;
    void **loans; /* converted tensors now handed out */
    size_t loan_count, loan_capacity;
};

/* ---- opening -------------------------------------------------------------------------------- */

static bool begins(const struct file_map *map, size_t at, const char *bytes, size_t size)
{
    return map->size >= at + size && memcmp(map->data + at, bytes, size) == 0;
}

/* What a file is that we cannot read, NULL if its bytes say nothing. */
static const char *foreign_format(const struct file_map *map)
{
    if (map->size == 0)
        return "it is empty";
    if (begins(map, 8, "{", 1))
        return NULL; /* safetensors: the eight bytes before may be anything */
    if (begins(map, 0, "version https://git-lfs", 23))
        return "it is a git-lfs pointer, the file itself was not downloaded";
    if (begins(map, 0, "<!", 2) || begins(map, 0, "<html", 5) || begins(map, 0, "<?xml", 5))
        return "it is a web page or XML, not a model file";
    if (begins(map, 257, "ustar", 5))
        return "it is a tar archive (torch before 0.1.10), which is not supported";
    if (begins(map, 0, "GGUF", 4))
        return "it is a GGUF file, which is not supported";
    if (begins(map, 0, "\x80\x02}", 3) || begins(map, 0, "\x80\x03}", 3) ||
        begins(map, 0, "\x80\x04\x95", 3))
        return "it is a bare pickle, which is not supported";
    return NULL;
}

static enum clat_status read_part(const char *path, struct part *part)
{
    enum clat_status status;
    TRY(file_map_open(path, &part->map));
    const char *foreign = foreign_format(&part->map);
    if (foreign)
        FAIL(CLAT_ERROR_INPUT, "'%s' cannot be read: %s", path, foreign);
    if (torch_is_zip(&part->map))
        TRY(torch_read(&part->map, &part->list));
    else if (torch_is_legacy(&part->map))
        TRY(torch_read_legacy(&part->map, &part->list));
    else
        TRY(safetensors_read(&part->map, &part->list));
    part->touched_begin = part->map.size;
out:
    return status;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct weight *)a)->name, ((const struct weight *)b)->name);
}

static struct weight *find_in_list(const struct weight_list *list, const char *name)
{
    const struct weight wanted = {.name = (char *)(uintptr_t)name};
    return list->count ? bsearch(&wanted, list->items, list->count, sizeof wanted, by_name) : NULL;
}

static enum clat_status make_tables(struct weights *weights, size_t count)
{
    enum clat_status status;
    TRY(memory_new(count, sizeof *weights->sorted, &weights->sorted));
    TRY(memory_new(count, sizeof *weights->part_of, &weights->part_of));
    weights->count = count;
out:
    return status;
}

enum clat_status weights_open_file(const char *path, struct weights **weights)
{
    struct weights *made = NULL;
    enum clat_status status;
    TRY(memory_new(1, sizeof *made, &made));
    TRY(memory_new(1, sizeof *made->parts, &made->parts));
    made->part_count = 1;
    TRY(read_part(path, &made->parts[0]));
    TRY(make_tables(made, made->parts[0].list.count));
    for (size_t i = 0; i < made->count; i++)
        made->sorted[i] = &made->parts[0].list.items[i];
    *weights = made;
    made = NULL;
out:
    weights_close(made);
    return status;
}

static int by_entry_name(const void *a, const void *b)
{
    return strcmp(
        ((const struct component_entry *)a)->name, ((const struct component_entry *)b)->name);
}

/* Takes from each shard what the index says; what a shard holds besides is not offered. */
static enum clat_status merge_shards(
    const char *path, struct component_index *index, struct weights *weights)
{
    enum clat_status status = make_tables(weights, index->entry_count);
    if (status != CLAT_OK)
        return status;
    qsort(index->entries, index->entry_count, sizeof *index->entries, by_entry_name);
    for (size_t i = 0; i < index->entry_count; i++) {
        const struct component_entry *entry = &index->entries[i];
        weights->part_of[i] = entry->shard;
        weights->sorted[i] = find_in_list(&weights->parts[entry->shard].list, entry->name);
        if (!weights->sorted[i])
            return status_set(CLAT_ERROR_INPUT,
                "'%s': tensor '%s' should be in '%s', but is not there", path, entry->name,
                index->shards[entry->shard]);
    }
    return CLAT_OK;
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
        TRY(read_part(index.shards[i], &made->parts[i]));
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
    for (size_t i = 0; weights->parts && i < weights->part_count; i++) {
        weight_list_free(&weights->parts[i].list);
        file_map_close(&weights->parts[i].map);
    }
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

/* Names of the attention of autoencoders and UNet2DModel before 2023. */
static const struct {
    const char *now, *before;
} older[] = {{".to_q.", ".query."}, {".to_k.", ".key."}, {".to_v.", ".value."},
    {".to_out.0.", ".proj_attn."}};

static size_t find_older(const struct weights *weights, const char *name)
{
    char old[WEIGHT_NAME + 16];
    if (!strstr(name, "attentions.") || strstr(name, "transformer_blocks"))
        return SIZE_MAX;
    for (size_t i = 0; i < sizeof older / sizeof *older; i++) {
        const char *at = strstr(name, older[i].now);
        if (!at || strlen(name) > WEIGHT_NAME)
            continue;
        snprintf(old, sizeof old, "%.*s%s%s", (int)(at - name), name, older[i].before,
            at + strlen(older[i].now));
        return find_place(weights, old);
    }
    return SIZE_MAX;
}

static size_t find(const struct weights *weights, const char *name)
{
    size_t place = find_place(weights, name);
    return place == SIZE_MAX ? find_older(weights, name) : place;
}

const struct weight *weights_find(const struct weights *weights, const char *name)
{
    size_t place = find(weights, name);
    return place == SIZE_MAX ? NULL : weights->sorted[place];
}

/* Names the nearest tensor that is there; the search is quadratic in the names' lengths. */
static enum clat_status missing(const struct weights *weights, const char *name)
{
    const char **names = NULL, *nearest = NULL;
    if (weights->count <= 20000 &&
        memory_new(weights->count + 1, sizeof *names, &names) == CLAT_OK) {
        for (size_t i = 0; i < weights->count; i++)
            names[i] = weights->sorted[i]->name;
        nearest = text_nearest(name, names);
    }
    status_set(CLAT_ERROR_INPUT, "'%s' has no tensor '%s'%s%s%s", weights_path(weights), name,
        nearest ? "; the nearest name there is '" : "", nearest ? nearest : "", nearest ? "'" : "");
    free(names);
    return CLAT_ERROR_INPUT;
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

static enum clat_status check_weight(
    const struct part *part, const struct weight *weight, int rank, const size_t *shape)
{
    char expected[WEIGHT_SHAPE_TEXT], found[WEIGHT_SHAPE_TEXT];
    if (!shapes_agree(weight, rank, shape))
        return status_set(CLAT_ERROR_INPUT, "tensor '%s' in '%s': expected %s, found %s",
            weight->name, part->map.path, weight_shape_text(rank, shape, expected),
            weight_shape_text(weight->rank, weight->shape, found));
    if (!dtype_is_float(weight->dtype))
        return status_set(CLAT_ERROR_INPUT,
            "tensor '%s' in '%s': expected F32, F16, BF16 or F64 numbers, found %s", weight->name,
            part->map.path, dtype_name(weight->dtype));
    return CLAT_OK;
}

static void touch(struct part *part, const unsigned char *data, size_t size)
{
    size_t begin = (size_t)(data - part->map.data);
    if (begin < part->touched_begin)
        part->touched_begin = begin;
    if (begin + size > part->touched_end)
        part->touched_end = begin + size;
}

static enum clat_status verify(struct part *part, const struct weight *weight)
{
    struct weight_check *check = weight->check;
    if (!check || check->done)
        return CLAT_OK;
    touch(part, check->data, check->size);
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

static enum clat_status convert(struct weights *weights, const struct part *part,
    const struct weight *weight, const float **values)
{
    size_t elements = 0;
    float *made = NULL;
    enum clat_status status;
    TRY(count_elements(part, weight, &elements));
    TRY(memory_grow(
        &weights->loans, &weights->loan_capacity, weights->loan_count, sizeof *weights->loans));
    TRY(memory_new(elements, sizeof *made, &made));
    weight_to_float(weight, made);
    weights->loans[weights->loan_count++] = made;
    *values = made;
out:
    return status;
}

enum clat_status weights_expect(
    struct weights *weights, const char *name, int rank, const size_t *shape)
{
    size_t place = find(weights, name);
    if (place == SIZE_MAX)
        return missing(weights, name);
    weights->sorted[place]->used = true;
    return check_weight(
        &weights->parts[weights->part_of[place]], weights->sorted[place], rank, shape);
}

enum clat_status weights_float(
    struct weights *weights, const char *name, int rank, const size_t *shape, const float **values)
{
    size_t place = find(weights, name);
    if (place == SIZE_MAX)
        return missing(weights, name);
    struct weight *weight = weights->sorted[place];
    struct part *part = &weights->parts[weights->part_of[place]];
    enum clat_status status;
    TRY(check_weight(part, weight, rank, shape));
    TRY(verify(part, weight));
    touch(part, weight->data, weight->bytes);
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
    for (size_t i = 0; i < weights->part_count; i++) {
        struct part *part = &weights->parts[i];
        if (part->touched_end > part->touched_begin)
            file_map_forget(
                &part->map, part->touched_begin, part->touched_end - part->touched_begin);
        part->touched_begin = part->map.size;
        part->touched_end = 0;
    }
}
