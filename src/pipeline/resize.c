/* resize.c - a picture at another size. SPDX-License-Identifier: MIT */
#include "pipeline/resize.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LOBES 3
#define BITS 22 /* of a weight behind the point */

/* Output i is the sum of weights[i][k] times input first[i] + k, for k below count[i]. */
struct filter {
    int *first, *count; /* [outputs] */
    int32_t *weights;   /* [outputs][stride] */
    int stride;
};

static double lanczos(double x)
{
    if (fabs(x) >= LOBES)
        return 0;
    double t = M_PI * x;
    return x == 0 ? 1 : sin(t) / t * (sin(t / LOBES) / (t / LOBES));
}

/* The weights of output i, summing to 1. */
static void fill_row(struct filter *filter, int i, int inputs, double scale, double *weights)
{
    double stretch = scale > 1 ? scale : 1, reach = LOBES * stretch;
    double center = (i + 0.5) * scale, sum = 0;
    int first = (int)(center - reach + 0.5), end = (int)(center + reach + 0.5);
    first = first > 0 ? first : 0;
    end = end < inputs ? end : inputs;
    filter->first[i] = first;
    filter->count[i] = end - first;
    for (int k = 0; k < end - first; k++) {
        weights[k] = lanczos((k + first - center + 0.5) / stretch);
        sum += weights[k];
    }
    for (int k = 0; k < end - first; k++) {
        double fixed = weights[k] / sum * (1 << BITS);
        filter->weights[(size_t)i * (size_t)filter->stride + (size_t)k] =
            (int32_t)(fixed + (fixed < 0 ? -0.5 : 0.5));
    }
}

static void filter_free(struct filter *filter)
{
    free(filter->first);
    free(filter->count);
    free(filter->weights);
}

static enum clat_status filter_make(int inputs, int outputs, struct filter *filter)
{
    enum clat_status status;
    double scale = (double)inputs / outputs, *weights = NULL;
    filter->stride = 2 * (int)ceil(LOBES * (scale > 1 ? scale : 1)) + 1;
    TRY(memory_new((size_t)outputs, sizeof(int), &filter->first));
    TRY(memory_new((size_t)outputs, sizeof(int), &filter->count));
    TRY(memory_new(
        (size_t)outputs * (size_t)filter->stride, sizeof *filter->weights, &filter->weights));
    TRY(memory_new((size_t)filter->stride, sizeof *weights, &weights));
    for (int i = 0; i < outputs; i++)
        fill_row(filter, i, inputs, scale, weights);
out:
    free(weights);
    return status;
}

static unsigned char round_8(int64_t sum)
{
    int64_t value = sum >> BITS;
    return (unsigned char)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* A picture in the making. */
struct stage {
    unsigned char *values; /* [height][width][channels] */
    int height, width, channels;
};

/* Lines of values that lie `step` apart become lines of `outputs`. There are `lines` groups of
 * `step` lines, `from_pitch` and `to_pitch` apart. */
static void apply(const struct filter *filter, const unsigned char *from, size_t from_pitch,
    unsigned char *to, size_t to_pitch, size_t lines, size_t step, int outputs)
{
    for (size_t line = 0; line < lines; line++)
        for (int i = 0; i < outputs; i++)
            for (size_t s = 0; s < step; s++) {
                const int32_t *weights = filter->weights + (size_t)i * (size_t)filter->stride;
                const unsigned char *at =
                    from + line * from_pitch + (size_t)filter->first[i] * step + s;
                int64_t sum = 1 << (BITS - 1);
                for (int k = 0; k < filter->count[i]; k++)
                    sum += (int64_t)weights[k] * at[(size_t)k * step];
                to[line * to_pitch + (size_t)i * step + s] = round_8(sum);
            }
}

static enum clat_status resize_rows(struct stage *stage, int width)
{
    enum clat_status status = CLAT_OK;
    struct filter filter = {0};
    unsigned char *to = NULL;
    size_t channels = (size_t)stage->channels, pitch = (size_t)width * channels;
    if (width == stage->width)
        return CLAT_OK;
    TRY(filter_make(stage->width, width, &filter));
    TRY(memory_new((size_t)stage->height, pitch, &to));
    apply(&filter, stage->values, (size_t)stage->width * channels, to, pitch, (size_t)stage->height,
        channels, width);
    free(stage->values);
    stage->values = to;
    stage->width = width;
out:
    filter_free(&filter);
    return status;
}

static enum clat_status resize_columns(struct stage *stage, int height)
{
    enum clat_status status = CLAT_OK;
    struct filter filter = {0};
    unsigned char *to = NULL;
    size_t row = (size_t)stage->width * (size_t)stage->channels;
    if (height == stage->height)
        return CLAT_OK;
    TRY(filter_make(stage->height, height, &filter));
    TRY(memory_new((size_t)height, row, &to));
    apply(&filter, stage->values, 0, to, 0, 1, row, height);
    free(stage->values);
    stage->values = to;
    stage->height = height;
out:
    filter_free(&filter);
    return status;
}

enum clat_status resize_lanczos(const unsigned char *from, int height, int width, int channels,
    int new_height, int new_width, unsigned char **to)
{
    enum clat_status status;
    struct stage stage = {.height = height, .width = width, .channels = channels};
    bool columns_first = height > new_height && height - new_height > 2 * (width - new_width);
    size_t row = (size_t)width * (size_t)channels;
    TRY(memory_new((size_t)height, row, &stage.values));
    memcpy(stage.values, from, (size_t)height * row);
    if (columns_first)
        TRY(resize_columns(&stage, new_height));
    TRY(resize_rows(&stage, new_width));
    TRY(resize_columns(&stage, new_height));
    *to = stage.values;
    return CLAT_OK;
out:
    free(stage.values);
    *to = NULL;
    return status;
}
