/* condition_labels.c - semantic synthesis: a map of labels, shrunk to the latent grid.
 * SPDX-License-Identifier: MIT
 */
#include "base/memory.h"
#include "networks/embedder.h"
#include "pipeline/condition.h"

#include <stdlib.h>

static enum clat_status check_labels(const struct pictures *maps, int labels)
{
    size_t pixels = (size_t)maps->height * (size_t)maps->width;
    for (size_t i = 0; i < (size_t)maps->count * pixels; i++)
        if (maps->values[i] >= (float)labels)
            return status_set(CLAT_ERROR_INPUT,
                "label_map: expected labels from 0 to %d, found %d at x = %zu, y = %zu of map %zu",
                labels - 1, (int)maps->values[i], i % pixels % (size_t)maps->width,
                i % pixels / (size_t)maps->width, i / pixels + 1);
    return CLAT_OK;
}

enum clat_status labels_settle(struct run *run)
{
    enum clat_status status;
    struct pictures *maps = &run->inputs.label_maps;
    TRY(pictures_read("label_map", &run->job->label_maps,
        &(struct picture_rules){PNG_LABELS, PICTURE_NUMBER, 0}, maps));
    TRY(check_labels(maps, run->model->rescaler.in_channels));
    run->height = maps->height;
    run->width = maps->width;
out:
    return status;
}

enum clat_status labels_condition(struct run *run)
{
    enum clat_status status;
    const struct pictures *maps = &run->inputs.label_maps;
    size_t pixels = (size_t)maps->height * (size_t)maps->width;
    size_t size = (size_t)run->extra * (size_t)run->h * (size_t)run->w;
    struct weights *weights = NULL;
    int32_t *labels = NULL;
    TRY(memory_new(pixels, sizeof *labels, &labels));
    TRY(model_weights(run->model, COMPONENT_CONDITION, &weights));
    for (int item = 0; item < run->items; item++) {
        for (size_t i = 0; i < pixels; i++)
            labels[i] = (int32_t)maps->values[(size_t)item * pixels + i];
        TRY(label_map_embed(weights, &run->model->rescaler, labels, maps->height, maps->width,
            run->beside + (size_t)item * size));
    }
    TRY(check_finite(run->beside, (size_t)run->items * size, "the rescaler of the label map"));
out:
    weights_close(weights);
    free(labels);
    return status;
}
