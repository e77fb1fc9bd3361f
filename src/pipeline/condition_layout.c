/* condition_layout.c - boxes as 92 tokens, which a text encoder reads. SPDX-License-Identifier: MIT
 */
#include "networks/embedder.h"
#include "pipeline/condition.h"

#include <stdio.h>
#include <string.h>

/* The class of box `index`, counted from 0. */
static enum clat_status find_category(const struct class_labels *labels, const struct box *box,
    size_t index, int categories, int *category)
{
    char where[40];
    snprintf(where, sizeof where, "layout: box %zu", index + 1);
    if (box->flags && !labels->count)
        return status_set(CLAT_ERROR_USAGE,
            "%s: flags need class_labels, since their tokens follow those of all classes", where);
    return class_labels_find(labels, where, box->class, categories, category);
}

static enum clat_status make_tokens(
    const struct class_labels *labels, const struct layout *layout, int vocabulary, int32_t *tokens)
{
    enum clat_status status = CLAT_OK;
    struct layout_box boxes[LAYOUT_BOXES];
    int categories = labels->count ? (int)labels->count : vocabulary - 1;
    for (size_t i = 0; i < layout->count; i++) {
        const struct box *from = &layout->boxes[i];
        boxes[i] = (struct layout_box){.x = from->x,
            .y = from->y,
            .width = from->w,
            .height = from->h,
            .group = from->flags & LAYOUT_GROUP_OF,
            .occluded = from->flags & LAYOUT_OCCLUDED,
            .depiction = from->flags & LAYOUT_DEPICTION,
            .inside = from->flags & LAYOUT_INSIDE};
        TRY(find_category(labels, from, i, categories, &boxes[i].category));
    }
    TRY(layout_tokens(boxes, (int)layout->count, categories, vocabulary, LAYOUT_TOKENS, tokens));
out:
    return status;
}

/* The tokens are made here, so that a wrong class is found before any work. */
enum clat_status layout_settle(struct run *run)
{
    enum clat_status status;
    struct class_labels labels = {0};
    TRY(layout_read(run->job->layout, "layout", &run->inputs.layout));
    if (run->job->class_labels)
        TRY(class_labels_read(run->job->class_labels, &labels));
    TRY(make_tokens(&labels, &run->inputs.layout, run->model->text_encoder.vocab_size,
        run->inputs.layout_tokens));
out:
    class_labels_free(&labels);
    return status;
}

enum clat_status layout_condition(struct run *run)
{
    memcpy(run->ids, run->inputs.layout_tokens, sizeof run->inputs.layout_tokens);
    return condition_encode_ids(run);
}
