/* embedder.c - conditions that are not text. SPDX-License-Identifier: MIT */
#include "networks/embedder.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- a class -------------------------------------------------------------------------------- */

enum clat_status class_embedder_check(
    struct loader *loader, const struct class_embedder_config *config)
{
    const float *values;
    enum clat_status status = loader_tensor(loader, "embedding.weight", 2,
        (size_t[]){(size_t)config->classes, (size_t)config->width}, &values);
    weights_done(loader->weights);
    return status;
}

enum clat_status class_rows(struct weights *weights, const char *name, int count, int width,
    const int32_t *classes, int n, float *values)
{
    enum clat_status status;
    const float *table;
    size_t size = (size_t)width;
    TRY(weights_float(weights, name, 2, (size_t[]){(size_t)count, size}, &table));
    for (int i = 0; i < n; i++) {
        if (classes[i] < 0 || classes[i] >= count)
            FAIL(CLAT_ERROR_INPUT, "there is no class %d: the model has the classes 0 to %d",
                (int)classes[i], count - 1);
        memcpy(values + (size_t)i * size, table + (size_t)classes[i] * size, size * sizeof *values);
    }
out:
    weights_done(weights);
    return status;
}

enum clat_status class_embed(struct weights *weights, const struct class_embedder_config *config,
    const int32_t *classes, int n, float *values)
{
    return class_rows(
        weights, "embedding.weight", config->classes, config->width, classes, n, values);
}

/* ---- a map of labels ------------------------------------------------------------------------ */

enum clat_status spatial_rescaler_check(
    struct loader *loader, const struct spatial_rescaler_config *config)
{
    enum clat_status status = CLAT_OK;
    const float *values;
    size_t shape[] = {(size_t)config->out_channels, (size_t)config->in_channels};
    if (!config->out_channels)
        return CLAT_OK;
    TRY(loader_tensor(loader, "channel_mapper.weight", 2, shape, &values));
    if (config->bias)
        TRY(loader_tensor(loader, "channel_mapper.bias", 1, shape, &values));
out:
    weights_done(loader->weights);
    return status;
}

int spatial_rescaler_channels(const struct spatial_rescaler_config *config)
{
    return config->out_channels ? config->out_channels : config->in_channels;
}

/* Halving one-hot channels `stages` times by means of 2x2 pixels leaves, in every cell, the share
 * of its pixels that have each label; the mapping is a matrix on those. */
struct rescaler {
    const struct spatial_rescaler_config *config;
    const float *weight, *bias; /* [out][in], [out]; NULL: none */
    const int32_t *labels;
    float *shares; /* [in_channels], of the cell that is computed */
    int h, w;      /* of the labels */
};

static enum clat_status count_shares(const struct rescaler *rescaler, int top, int left)
{
    int side = 1 << rescaler->config->stages;
    float share = 1.0f / (float)(side * side);
    memset(rescaler->shares, 0, (size_t)rescaler->config->in_channels * sizeof(float));
    for (int y = top; y < top + side; y++)
        for (int x = left; x < left + side; x++) {
            int32_t label = rescaler->labels[(size_t)y * (size_t)rescaler->w + (size_t)x];
            if (label < 0 || label >= rescaler->config->in_channels)
                return status_set(CLAT_ERROR_INPUT,
                    "the label map has label %d at (%d, %d): labels are 0 to %d", (int)label, x, y,
                    rescaler->config->in_channels - 1);
            rescaler->shares[label] += share;
        }
    return CLAT_OK;
}

static float map_shares(const struct rescaler *rescaler, int out)
{
    int count = rescaler->config->in_channels;
    const float *row = rescaler->weight + (size_t)out * (size_t)count;
    float sum = 0;
    for (int i = 0; i < count; i++)
        sum += row[i] * rescaler->shares[i];
    return rescaler->bias ? sum + rescaler->bias[out] : sum;
}

static enum clat_status rescale(const struct rescaler *rescaler, float *values)
{
    enum clat_status status = CLAT_OK;
    int stages = rescaler->config->stages, h = rescaler->h >> stages, w = rescaler->w >> stages;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            TRY(count_shares(rescaler, y << stages, x << stages));
            for (int c = 0; c < spatial_rescaler_channels(rescaler->config); c++)
                values[((size_t)c * (size_t)h + (size_t)y) * (size_t)w + (size_t)x] =
                    rescaler->weight ? map_shares(rescaler, c) : rescaler->shares[c];
        }
out:
    return status;
}

enum clat_status label_map_embed(struct weights *weights,
    const struct spatial_rescaler_config *config, const int32_t *labels, int h, int w,
    float *values)
{
    enum clat_status status;
    struct rescaler rescaler = {.config = config, .labels = labels, .h = h, .w = w};
    size_t shape[] = {(size_t)config->out_channels, (size_t)config->in_channels};
    int side = 1 << config->stages;
    if (h % side || w % side)
        return status_set(CLAT_ERROR_INPUT,
            "the label map is %d x %d pixels: its sides must be multiples of %d", w, h, side);
    TRY(memory_new((size_t)config->in_channels, sizeof *rescaler.shares, &rescaler.shares));
    if (config->out_channels)
        TRY(weights_float(weights, "channel_mapper.weight", 2, shape, &rescaler.weight));
    if (config->out_channels && config->bias)
        TRY(weights_float(weights, "channel_mapper.bias", 1, shape, &rescaler.bias));
    TRY(rescale(&rescaler, values));
out:
    weights_done(weights);
    free(rescaler.shares);
    return status;
}

/* ---- boxes ---------------------------------------------------------------------------------- */

int layout_capacity(int length)
{
    return (length - 2) / 3;
}

/* Corners are numbered row by row on a grid of side floor(sqrt(vocabulary)). */
static int32_t corner_token(int vocabulary, double x, double y)
{
    int side = (int)sqrt((double)vocabulary);
    double steps = side - 1;
    return (int32_t)(rint(y * steps) * side + rint(x * steps));
}

/* Sizes may end a rounding error beyond the picture. */
static bool box_is_inside(const struct layout_box *box)
{
    const double limit = 1 + 1e-5;
    return box->x >= 0 && box->y >= 0 && box->width >= 0 && box->height >= 0 &&
           box->x + box->width <= limit && box->y + box->height <= limit;
}

static enum clat_status check_box(const struct layout_box *box, int number, int categories)
{
    if (box->category < 0 || box->category >= categories)
        return status_set(CLAT_ERROR_INPUT,
            "box %d of the layout has category %d: categories are 0 to %d", number, box->category,
            categories - 1);
    if (!box_is_inside(box))
        return status_set(CLAT_ERROR_INPUT,
            "box %d of the layout (x %g, y %g, width %g, height %g) is not inside the picture, "
            "which is 0 to 1 wide and high",
            number, box->x, box->y, box->width, box->height);
    return CLAT_OK;
}

/* The category with its flags, below the token that stands for no object. */
static enum clat_status category_token(
    const struct layout_box *box, int number, int categories, int vocabulary, int32_t *token)
{
    int flags = box->group + 2 * box->occluded + 4 * box->depiction + 8 * box->inside;
    int64_t value = box->category + (int64_t)categories * flags;
    if (value >= vocabulary - 1)
        return status_set(CLAT_ERROR_INPUT,
            "box %d of the layout: category %d of %d with these flags is beyond the model's %d "
            "tokens",
            number, box->category, categories, vocabulary);
    *token = (int32_t)value;
    return CLAT_OK;
}

static enum clat_status box_tokens(
    const struct layout_box *box, int number, int categories, int vocabulary, int32_t tokens[3])
{
    enum clat_status status;
    TRY(check_box(box, number, categories));
    TRY(category_token(box, number, categories, vocabulary, &tokens[0]));
    tokens[1] = corner_token(vocabulary, box->x, box->y);
    tokens[2] =
        corner_token(vocabulary, fmin(box->x + box->width, 1), fmin(box->y + box->height, 1));
out:
    return status;
}

enum clat_status layout_tokens(const struct layout_box *boxes, int count, int categories,
    int vocabulary, int length, int32_t *tokens)
{
    enum clat_status status = CLAT_OK;
    int capacity = layout_capacity(length);
    if (count > capacity)
        return status_set(CLAT_ERROR_INPUT, "the layout has %d boxes: the model takes at most %d",
            count, capacity);
    for (int i = 0; i < length; i++)
        tokens[i] = vocabulary - 1; /* no object */
    for (int i = 0; i < count; i++)
        TRY(box_tokens(&boxes[i], i + 1, categories, vocabulary, tokens + 3 * i));
    tokens[3 * capacity] = corner_token(vocabulary, 0, 0);
    tokens[3 * capacity + 1] = corner_token(vocabulary, 1, 1);
out:
    return status;
}
