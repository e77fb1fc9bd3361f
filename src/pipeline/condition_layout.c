/* condition_layout.c - boxes as 92 tokens. SPDX-License-Identifier: MIT
 *
 * Each of 30 places holds three tokens: the class (number + classes * flags), the upper left corner
 * and the lower right one; a place without a box holds the last token three times. Two more say how
 * the image was cropped: its own corners, since it was not. A corner is one of s * s places of a
 * grid, s = floor(sqrt(vocabulary)): round(y (s - 1)) s + round(x (s - 1)), halves to even. Source:
 * taming-transformers' ObjectsBoundingBoxConditionalBuilder, arXiv 2012.09841. */
#include "pipeline/condition.h"

#include <math.h>
#include <string.h>

/* The boxes' class numbers, and how many classes there are. */
struct classes {
    struct class_labels labels;
    int vocabulary, sections;
};

static int corner(int sections, double x, double y)
{
    return (int)rint(fmin(y, 1) * (sections - 1)) * sections +
           (int)rint(fmin(x, 1) * (sections - 1));
}

static enum clat_status class_token(
    const struct classes *classes, const struct layout_box *box, size_t index, int32_t *token)
{
    char where[32];
    int number = 0, count = (int)classes->labels.count;
    snprintf(where, sizeof where, "layout: box %zu", index + 1);
    enum clat_status status = class_labels_find(
        &classes->labels, where, box->class, count ? count : classes->vocabulary, &number);
    if (status != CLAT_OK)
        return status;
    if (box->flags && !count)
        return status_set(CLAT_ERROR_USAGE,
            "%s: flags need class_labels, since their tokens follow those of all classes", where);
    long long sum = number + (long long)count * box->flags;
    if (sum >= classes->vocabulary)
        return status_set(CLAT_ERROR_USAGE,
            "%s: class %d with its flags is token %lld, but the model has only %d", where, number,
            sum, classes->vocabulary);
    *token = (int32_t)sum;
    return CLAT_OK;
}

static enum clat_status fill(
    const struct classes *classes, const struct layout *layout, int32_t ids[LAYOUT_TOKENS])
{
    enum clat_status status = CLAT_OK;
    int s = classes->sections;
    for (size_t i = 0; i < LAYOUT_TOKENS; i++)
        ids[i] = classes->vocabulary - 1;
    for (size_t i = 0; i < layout->count; i++) {
        const struct layout_box *box = &layout->boxes[i];
        TRY(class_token(classes, box, i, &ids[3 * i]));
        ids[3 * i + 1] = corner(s, box->x, box->y);
        ids[3 * i + 2] = corner(s, box->x + box->w, box->y + box->h);
    }
    ids[LAYOUT_TOKENS - 2] = corner(s, 0, 0);
    ids[LAYOUT_TOKENS - 1] = corner(s, 1, 1);
out:
    return status;
}

/* The tokens are made here, so that a wrong class is found before any work. */
enum clat_status layout_settle(struct run *run)
{
    enum clat_status status;
    int vocabulary = run->model->text_encoder.vocab_size;
    struct classes classes = {.vocabulary = vocabulary, .sections = (int)sqrt(vocabulary)};
    TRY(layout_read(run->job->layout, "layout", &run->inputs.layout));
    if (run->job->class_labels)
        TRY(class_labels_read(run->job->class_labels, &classes.labels));
    TRY(fill(&classes, &run->inputs.layout, run->inputs.layout_tokens));
out:
    class_labels_free(&classes.labels);
    return status;
}

enum clat_status layout_condition(struct run *run)
{
    memcpy(run->ids, run->inputs.layout_tokens, sizeof run->inputs.layout_tokens);
    return condition_encode_ids(run);
}
