/* condition_class.c - a class as one token: its row of the embedding. SPDX-License-Identifier: MIT
 *
 * Guided sampling needs a row for "no class": the last one of a table with 1001. */
#include "base/memory.h"
#include "networks/embedder.h"
#include "pipeline/condition.h"

#include <string.h>

enum clat_status class_settle(struct run *run)
{
    enum clat_status status;
    struct class_labels labels = {0};
    const struct texts *classes = &run->job->classes;
    int rows = run->model->class_embedder.classes;
    if (run->job->class_labels)
        TRY(class_labels_read(run->job->class_labels, &labels));
    TRY(memory_new(classes->count, sizeof *run->inputs.classes, &run->inputs.classes));
    for (size_t i = 0; i < classes->count; i++)
        TRY(class_labels_find(&labels, "class", classes->items[i], rows, &run->inputs.classes[i]));
out:
    class_labels_free(&labels);
    return status;
}

enum clat_status class_condition(struct run *run)
{
    enum clat_status status;
    const struct class_embedder_config *config = &run->model->class_embedder;
    struct weights *weights = NULL;
    if (run->guided)
        run->ids[0] = config->classes - 1;
    memcpy(run->ids + (run->guided ? 1 : 0), run->inputs.classes,
        (size_t)run->items * sizeof *run->ids);
    TRY(model_weights(run->model, COMPONENT_CONDITION, &weights));
    TRY(class_embed(weights, config, run->ids, run->rows, run->context));
    TRY(check_finite(
        run->context, (size_t)run->rows * (size_t)config->width, "the class embedding"));
out:
    weights_close(weights);
    return status;
}
