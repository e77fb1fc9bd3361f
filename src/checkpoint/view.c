/* view.c - tensors as a file has them, brought to our names. SPDX-License-Identifier: MIT
 *
 * Nothing is copied: a tensor gets another name, and where another program stores it in another
 * order, other strides. q, k and v in one matrix of CompVis' AttentionBlock have their rows
 * interleaved by heads of width d:
 *
 *     stored row 3 d h + d p + j   is   row d h + j of part p (0: q, 1: k, 2: v)
 *
 * Source: QKVAttentionLegacy in openaimodel.py. */
#include "base/memory.h"
#include "checkpoint/part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct viewing {
    const struct weight_view *view;
    const char *path;
    const struct weight_list *stored; /* sorted by the file's names */
    bool ema;                         /* and the file has copies */
    struct weight_list made;
};

static const struct weight *find_stored(const struct viewing *viewing, const char *name)
{
    for (size_t low = 0, high = viewing->stored->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, viewing->stored->items[middle].name);
        if (order == 0)
            return &viewing->stored->items[middle];
        *(order < 0 ? &high : &low) = middle + (order > 0);
    }
    return NULL;
}

static bool has_ema(const struct weight_list *stored)
{
    static const char prefix[] = "model_ema.diffusion_model";
    for (size_t i = 0; i < stored->count; i++)
        if (strncmp(stored->items[i].name, prefix, sizeof prefix - 1) == 0)
            return true;
    return false;
}

/* The averaged copy of a tensor in its place. */
static enum clat_status find_ema(const struct viewing *viewing, const struct weight **weight)
{
    char name[NAME_SIZE];
    const struct weight *raw = *weight;
    if (!viewing->ema || !names_to_ema(raw->name, name))
        return CLAT_OK;
    *weight = find_stored(viewing, name);
    if (!*weight)
        return status_set(CLAT_ERROR_INPUT, "'%s': tensor '%s' has no EMA copy '%s'", viewing->path,
            raw->name, name);
    if ((*weight)->rank != raw->rank ||
        memcmp((*weight)->shape, raw->shape, (size_t)raw->rank * sizeof *raw->shape) != 0)
        return status_set(CLAT_ERROR_INPUT, "'%s': tensor '%s' has another shape than '%s'",
            viewing->path, name, raw->name);
    return CLAT_OK;
}

/* The heads of the level that a tensor of ours belongs to. */
static int level_heads(const struct unet_config *unet, const char *name)
{
    int level = unet->levels - 1, up;
    if (sscanf(name, "up_blocks.%d.", &up) == 1)
        level -= up;
    else
        sscanf(name, "down_blocks.%d.", &level);
    return level >= 0 && level < unet->levels ? unet->attention_heads[level] : 1;
}

/* One of three parts of the rows, by heads. */
static enum clat_status take_part(
    const struct viewing *viewing, const struct name_match *match, struct weight *weight)
{
    size_t heads = (size_t)level_heads(viewing->view->unet, match->name);
    size_t rows = weight->rank ? weight->shape[0] : 0, width = rows / (3 * heads);
    if (weight->group || weight->piece_count || weight->bytes == 0 || rows % (3 * heads))
        return status_set(CLAT_ERROR_INPUT,
            "'%s': tensor '%s': expected q, k and v of %zu heads in its rows, found %zu rows",
            viewing->path, weight->name, heads, rows);
    size_t step = weight->stride[0];
    weight->shape[0] = rows / 3;
    weight->data += (size_t)match->part * width * step * dtype_size(weight->dtype);
    weight->bytes -= 2 * width * step * dtype_size(weight->dtype); /* of the last head's others */
    weight->group = width;
    weight->group_stride = 3 * width * step;
    return CLAT_OK;
}

static void transpose(struct weight *weight)
{
    size_t shape = weight->shape[0], stride = weight->stride[0];
    weight->shape[0] = weight->shape[1];
    weight->stride[0] = weight->stride[1];
    weight->shape[1] = shape;
    weight->stride[1] = stride;
}

static enum clat_status add(
    struct viewing *viewing, const struct weight *stored, const struct name_match *match)
{
    struct weight weight = *stored;
    enum clat_status status;
    if (match->parts > 1)
        TRY(take_part(viewing, match, &weight));
    if (viewing->view->facts.dialect == DIALECT_PADDLE &&
        names_is_transposed(match->name, weight.rank))
        transpose(&weight);
    TRY(weight_list_add(&viewing->made, viewing->path, match->name, strlen(match->name), &weight));
    if (strcmp(stored->name, match->name) != 0)
        TRY(memory_string(stored->name, &viewing->made.items[viewing->made.count - 1].stored));
out:
    return status;
}

static enum clat_status add_all(struct viewing *viewing)
{
    enum clat_status status = CLAT_OK;
    const char *prefix = viewing->view->prefix ? viewing->view->prefix : "";
    for (size_t i = 0; i < viewing->stored->count; i++) {
        const struct weight *weight = &viewing->stored->items[i];
        struct name_match match;
        if (strncmp(weight->name, prefix, strlen(prefix)) != 0)
            continue;
        const char *theirs = weight->name + strlen(prefix);
        if (names_to_ours(&viewing->view->facts, theirs, 0, &match))
            TRY(find_ema(viewing, &weight));
        for (int which = 0; names_to_ours(&viewing->view->facts, theirs, which, &match); which++)
            TRY(add(viewing, weight, &match));
    }
    TRY(weight_list_sort(&viewing->made, viewing->path));
out:
    return status;
}

enum clat_status view_apply(
    const struct weight_view *view, const char *path, struct weight_list *list)
{
    struct viewing viewing = {.view = view, .path = path, .stored = list};
    viewing.ema = view->ema && has_ema(list);
    enum clat_status status = add_all(&viewing);
    struct weight_list *made = &viewing.made;
    if (status == CLAT_OK) { /* what belongs to the file changes hands */
        struct weight_list stored = *list;
        *list = *made;
        list->checks = stored.checks;
        list->pieces = stored.pieces;
        list->format = stored.format;
        stored.checks = NULL;
        stored.pieces = NULL;
        *made = stored;
    }
    weight_list_free(made);
    return status;
}
