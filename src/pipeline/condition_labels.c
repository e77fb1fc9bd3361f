/* condition_labels.c - semantic synthesis: a map of labels, shrunk to the latent grid.
 * SPDX-License-Identifier: MIT
 *
 * The map is one channel per label, 1 where a pixel has it; each stage halves it by the mean of 2x2
 * pixels, so that a latent pixel holds every label's share of its cell; then a 1x1 convolution
 * without bias maps labels to channels. Shares are multiples of 4^-stages, exact in float, so all
 * of it is one sum per latent pixel. Source: CompVis' SpatialRescaler. */
#include "base/memory.h"
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
    TRY(pictures_read("label_map", &run->job->label_maps, PNG_LABELS, 0, maps));
    TRY(check_labels(maps, run->model->rescaler.in_channels));
    run->height = maps->height;
    run->width = maps->width;
out:
    return status;
}

/* One latent pixel: weights [out][in], the labels of its cell of side x side pixels. */
static void mix(const struct spatial_rescaler_config *config, const float *weights,
    const float *cell, size_t pitch, size_t plane, float *out)
{
    int side = 1 << config->stages;
    for (int c = 0; c < config->out_channels; c++) {
        double sum = 0;
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++)
                sum += (double)
                    weights[c * config->in_channels + (int)cell[(size_t)y * pitch + (size_t)x]];
        out[(size_t)c * plane] = (float)(sum / (side * side));
    }
}

static void rescale(const struct run *run, const float *weights)
{
    const struct pictures *maps = &run->inputs.label_maps;
    size_t side = (size_t)1 << run->model->rescaler.stages, pitch = (size_t)maps->width;
    size_t plane = (size_t)run->h * (size_t)run->w;
    for (int item = 0; item < run->items; item++)
        for (size_t i = 0; i < plane; i++) {
            size_t y = i / (size_t)run->w * side, x = i % (size_t)run->w * side;
            mix(&run->model->rescaler, weights,
                maps->values + (size_t)item * (size_t)maps->height * pitch + y * pitch + x, pitch,
                plane, run->beside + (size_t)item * (size_t)run->extra * plane + i);
        }
}

enum clat_status labels_condition(struct run *run)
{
    enum clat_status status;
    const struct spatial_rescaler_config *config = &run->model->rescaler;
    size_t shape[] = {(size_t)config->out_channels, (size_t)config->in_channels, 1, 1};
    struct weights *weights = NULL;
    const float *values;
    TRY(model_weights(run->model, COMPONENT_CONDITION, &weights));
    TRY(weights_float(weights, "channel_mapper.weight", 4, shape, &values));
    rescale(run, values);
    TRY(check_finite(run->beside,
        (size_t)run->items * (size_t)run->extra * (size_t)run->h * (size_t)run->w,
        "the rescaler of the label map"));
out:
    weights_close(weights);
    return status;
}
