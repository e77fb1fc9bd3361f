/* loader.c - layers from a checkpoint. SPDX-License-Identifier: MIT */
#include "networks/loader.h"
#include "base/half.h"
#include "base/memory.h"
#include "base/shares.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void loader_close(struct loader *loader)
{
    free(loader->staging);
    loader->staging = NULL;
    loader->capacity = 0;
}

struct path path_in(const char *parent, const char *format, ...)
{
    struct path path = {{0}};
    int size = snprintf(path.text, sizeof path.text, "%s%s", parent, *parent ? "." : "");
    va_list arguments;
    va_start(arguments, format);
    if (size >= 0 && (size_t)size < sizeof path.text)
        vsnprintf(path.text + size, sizeof path.text - (size_t)size, format, arguments);
    va_end(arguments);
    return path;
}

enum clat_status loader_tensor(
    struct loader *loader, const char *name, int rank, const size_t *shape, const float **values)
{
    *values = NULL;
    enum clat_status status;
    if (device_is_dry(loader->device))
        status = weights_expect(loader->weights, name, rank, shape);
    else
        status = weights_float(loader->weights, name, rank, shape, values);
    if (status == CLAT_ERROR_INPUT && loader->fault)
        return loader->fault(loader->user, status_text());
    if (status == CLAT_OK && loader->loaded)
        loader->loaded(loader->user);
    return status;
}

/* ---- what half weights cannot hold ---------------------------------------------------------- */

enum { SCAN_UNIT = 16384 };

struct scan {
    const float *values;
    size_t count;
    atomic_bool large; /* a value is */
};

/* Without a branch, so that compilers make vectors of it. */
static bool sixteen_hold(const float *values)
{
    int large = 0;
    for (int i = 0; i < 16; i++)
        large |= !half_holds(values[i]);
    return !large;
}

static void scan_units(void *user, size_t first, size_t last)
{
    struct scan *scan = user;
    size_t i = first * SCAN_UNIT, end = last * SCAN_UNIT;
    bool hold = true;
    if (end > scan->count)
        end = scan->count;
    for (; end - i >= 16 && hold; i += 16)
        hold = sixteen_hold(scan->values + i);
    for (; i < end && hold; i++)
        hold = half_holds(scan->values[i]);
    if (!hold)
        atomic_store(&scan->large, true);
}

/* Half weights end at 65504. What the file itself has as infinite or not a number stays that. */
static enum clat_status check_half(const struct loader *loader, const char *name, int rank,
    const size_t *shape, const float *values)
{
    struct scan scan = {.values = values, .count = 1};
    if (!values || !device_stores_half(loader->device))
        return CLAT_OK;
    for (int axis = 0; axis < rank; axis++)
        scan.count *= shape[axis]; /* checked by the reader */
    shares_run((scan.count + SCAN_UNIT - 1) / SCAN_UNIT, scan_units, &scan);
    for (size_t i = 0; scan.large && i < scan.count; i++)
        if (!half_holds(values[i]))
            return status_set(CLAT_ERROR_CHECK,
                "tensor '%s' holds %g, which precision f16 cannot: choose precision f32", name,
                (double)values[i]);
    return CLAT_OK;
}

/* ---- layers --------------------------------------------------------------------------------- */

static enum clat_status weight_and_bias(struct loader *loader, const char *name, int rank,
    const size_t *shape, bool bias, const float **weight, const float **offset)
{
    enum clat_status status;
    *offset = NULL;
    TRY(loader_tensor(loader, path_in(name, "weight").text, rank, shape, weight));
    if (rank > 1)
        TRY(check_half(loader, path_in(name, "weight").text, rank, shape, *weight));
    if (bias)
        TRY(loader_tensor(loader, path_in(name, "bias").text, 1, shape, offset));
out:
    return status;
}

enum clat_status loader_linear(struct loader *loader, const char *name, int out, int in, bool bias,
    enum activation activation, struct linear *linear)
{
    enum clat_status status;
    const float *weight, *offset;
    size_t rows = (size_t)out * (activation == ACTIVATION_GEGLU ? 2 : 1);
    TRY(weight_and_bias(loader, name, 2, (size_t[]){rows, (size_t)in}, bias, &weight, &offset));
    TRY(linear_load(loader->device, weight, offset, out, in, activation, linear));
out:
    weights_done(loader->weights);
    return status;
}

static enum clat_status staging_reserve(struct loader *loader, size_t count)
{
    if (device_is_dry(loader->device) || count <= loader->capacity)
        return CLAT_OK;
    loader_close(loader);
    enum clat_status status = memory_new(count, sizeof(float), &loader->staging);
    loader->capacity = status == CLAT_OK ? count : 0;
    return status;
}

static void stage(float *place, const float *values, size_t count)
{
    if (values)
        memcpy(place, values, count * sizeof *place);
}

/* The parts' matrices one below the other, then their biases, in the staging memory. */
enum clat_status loader_joined(struct loader *loader, const struct part *parts, int count, int in,
    bool bias, struct linear *linear)
{
    enum clat_status status;
    int out = 0;
    for (int i = 0; i < count; i++)
        out += parts[i].out;
    TRY(staging_reserve(loader, (size_t)out * ((size_t)in + 1)));
    float *weight = loader->staging, *offset = weight ? weight + (size_t)out * (size_t)in : NULL;
    for (int i = 0, row = 0; i < count; row += parts[i++].out) {
        const float *part_weight, *part_bias;
        size_t rows = (size_t)parts[i].out;
        TRY(weight_and_bias(loader, parts[i].path.text, 2, (size_t[]){rows, (size_t)in}, bias,
            &part_weight, &part_bias));
        stage(weight + (size_t)row * (size_t)in, part_weight, rows * (size_t)in);
        stage(offset + row, part_bias, rows);
        weights_done(loader->weights);
    }
    TRY(linear_load(
        loader->device, weight, bias ? offset : NULL, out, in, ACTIVATION_NONE, linear));
out:
    weights_done(loader->weights);
    return status;
}

enum clat_status loader_conv(struct loader *loader, const char *name, int out, int in, int stride,
    int pad_before, int pixels, struct conv *conv)
{
    enum clat_status status;
    const float *weight, *bias;
    TRY(weight_and_bias(
        loader, name, 4, (size_t[]){(size_t)out, (size_t)in, 3, 3}, true, &weight, &bias));
    TRY(conv_load(loader->device, weight, bias, out, in, stride, pad_before, pixels, conv));
out:
    weights_done(loader->weights);
    return status;
}

enum clat_status loader_norm(
    struct loader *loader, const char *name, int channels, int groups, float eps, struct norm *norm)
{
    enum clat_status status;
    const float *gamma, *beta;
    TRY(weight_and_bias(loader, name, 1, (size_t[]){(size_t)channels}, true, &gamma, &beta));
    TRY(norm_load(loader->device, gamma, beta, channels, groups, eps, norm));
out:
    weights_done(loader->weights);
    return status;
}
