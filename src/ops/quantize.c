/* quantize.c - latents rounded to the nearest row of a codebook. SPDX-License-Identifier: MIT
 *
 * The distance is summed as it is defined, over the differences: |x|^2 + |e|^2 - 2 x e would cost
 * about as much for so few channels, and lose the digits that decide between near codes. */
#include "ops/op.h"
#include "device/launch.h"
#include "device/meter.h"

#include <stdio.h>
#include <string.h>

#define WIDEST 256 /* a work-item keeps the pixel in private memory */

struct codes {
    const float *from;
    size_t size; /* in bytes */
};

static void copy_codes(void *user, void *mapped)
{
    const struct codes *codes = user;
    memcpy(mapped, codes->from, codes->size);
}

enum clat_status codebook_load(
    struct device *device, const float *values, int codes, int width, struct codebook *codebook)
{
    enum clat_status status;
    *codebook = (struct codebook){.codes = codes, .width = width};
    if (width > WIDEST)
        return status_set(CLAT_ERROR_INPUT,
            "a codebook of %d channels is not supported, at most %d", width, WIDEST);
    struct codes filling = {values, (size_t)codes * (size_t)width * sizeof *values};
    TRY(buffer_new(device, filling.size, &codebook->values));
    TRY(buffer_fill(device, &codebook->values, copy_codes, &filling));
out:
    if (status != CLAT_OK)
        codebook_free(device, codebook);
    return status;
}

void codebook_free(struct device *device, struct codebook *codebook)
{
    buffer_free(device, &codebook->values);
}

enum clat_status op_quantize(struct pool *pool, const struct codebook *codebook,
    const struct tensor *x, const struct tensor *y, const struct tensor *indices)
{
    enum clat_status status;
    struct device *device = pool->device;
    struct kernel *kernel;
    bool cpu = device_facts(device)->is_cpu;
    size_t pixels = tensor_pixels(x);
    char options[32];
    if (x->c != codebook->width || y->c != x->c || tensor_pixels(y) != pixels ||
        (indices && (tensor_pixels(indices) != pixels || indices->c != 1)))
        return status_set(CLAT_ERROR_INTERNAL,
            "op_quantize: %zu pixels of %d channels to %zu of %d, codes of %d", pixels, x->c,
            tensor_pixels(y), y->c, codebook->width);
    METER(device, meter_bytes(x) + meter_bytes(y) + (double)codebook->values.size, "quantize",
        "%zu x %d, %d codes", pixels, x->c, codebook->codes);
    snprintf(options, sizeof options, "-DWIDTH=%d", codebook->width);
    TRY(kernel_find(device, "quantize", cpu ? "quantize_cpu" : "quantize", options, &kernel));
    struct argument arguments[] = {ARG_TENSOR(x), ARG_INT(x->stride), ARG_BUFFER(&codebook->values),
        ARG_INT(codebook->codes), ARG_TENSOR(y), ARG_INT(y->stride), ARG_TENSOR(indices),
        ARG_INT(indices ? indices->stride : 0), ARG_INT((int)pixels),
        ARG_BUFFER(device_counter(device))};
    TRY(launch_array(
        device, kernel, cpu ? grid_jobs(device) : grid1(pixels, 64), arguments, cpu ? 10 : 9));
    device_count_work(device, 3.0 * (double)pixels * codebook->codes * codebook->width);
out:
    return status;
}
