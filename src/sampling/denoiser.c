/* denoiser.c - the guided prediction that samplers ask for. SPDX-License-Identifier: MIT */
#include "sampling/denoiser.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool guidance_is_on(float scale)
{
    return scale != 1.0f;
}

enum clat_status check_finite(const float *values, size_t count, const char *what, ...)
{
    size_t i = 0;
    while (i < count && isfinite(values[i]))
        i++;
    if (i == count)
        return CLAT_OK;
    char place[200];
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(place, sizeof place, what, arguments);
    va_end(arguments);
    return status_set(CLAT_ERROR_CHECK,
        "%s gave a value that is not a finite number (value %zu of %zu)", place, i, count);
}

/* The context goes to the device for as long as its keys and values are computed. */
static enum clat_status set_prompt(
    struct denoiser *denoiser, struct unet *unet, const float *values, int tokens)
{
    enum clat_status status;
    struct pool *pool = denoiser->run.pool;
    struct pool_mark mark = pool_mark(pool);
    struct tensor context;
    TRY(pool_take(
        pool, POOL_BACK, denoiser->rows, 1, tokens, unet->config.cross_attention_dim, &context));
    TRY(tensor_write(pool->device, &context, values));
    TRY(unet_set_prompt(&denoiser->run, unet, &context));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}

enum clat_status denoiser_open(struct denoiser *denoiser, struct pool *pool, struct unet *unet,
    int images, int h, int w, float guidance, const float *context, int tokens)
{
    enum clat_status status;
    int in = unet->config.in_channels, out = unet->config.out_channels;
    int rows = images * (guidance_is_on(guidance) ? 2 : 1);
    size_t pixels = (size_t)h * (size_t)w;
    *denoiser = (struct denoiser){.run.pool = pool,
        .unet = unet,
        .images = images,
        .rows = rows,
        .elements = (size_t)out * pixels,
        .beside_elements = (size_t)(in - out) * pixels,
        .guidance = guidance};
    TRY(memory_new((size_t)rows * (size_t)in * pixels, sizeof(float), &denoiser->input));
    TRY(memory_new((size_t)rows * denoiser->elements, sizeof(float), &denoiser->predicted));
    TRY(pool_take(pool, POOL_FRONT, rows, h, w, in, &denoiser->sample));
    TRY(pool_take(pool, POOL_FRONT, rows, h, w, out, &denoiser->output));
    if (context)
        TRY(set_prompt(denoiser, unet, context, tokens));
out:
    return status;
}

void denoiser_close(struct denoiser *denoiser)
{
    free(denoiser->input);
    free(denoiser->predicted);
    denoiser->input = denoiser->predicted = NULL;
}

static void guide(
    const float *unconditional, const float *conditional, float scale, size_t count, float *output)
{
    for (size_t i = 0; i < count; i++)
        output[i] = unconditional[i] + scale * (conditional[i] - unconditional[i]);
}

static void divide(const float *values, size_t count, float divisor, float *quotients)
{
    for (size_t i = 0; i < count; i++)
        quotients[i] = values[i] / divisor;
}

void denoiser_fill(struct denoiser *denoiser, const float *sample, float divisor)
{
    size_t elements = denoiser->elements, beside = denoiser->beside_elements;
    for (int row = 0; row < denoiser->rows; row++) {
        size_t image = (size_t)(row % denoiser->images);
        float *input = denoiser->input + (size_t)row * (elements + beside);
        divide(sample + image * elements, elements, denoiser->unscaled ? 1 : divisor, input);
        if (beside)
            divide(denoiser->beside + image * beside, beside, denoiser->scaled_beside ? divisor : 1,
                input + elements);
    }
}

enum clat_status denoiser_evaluate(
    void *user, const float *sample, float divisor, double timestep, float *output)
{
    enum clat_status status;
    struct denoiser *denoiser = user;
    struct device *device = denoiser->run.pool->device;
    size_t count = (size_t)denoiser->images * denoiser->elements;
    bool guided = denoiser->rows > denoiser->images;

    if (denoiser->beside_elements && !denoiser->beside)
        FAIL(CLAT_ERROR_INTERNAL, "the UNet takes channels beside the sample, but there are none");
    denoiser_fill(denoiser, sample, divisor);
    TRY(tensor_write_nchw(device, &denoiser->sample, denoiser->input));
    TRY(unet_forward(
        &denoiser->run, denoiser->unet, &denoiser->sample, timestep, &denoiser->output));
    TRY(tensor_read_nchw(device, &denoiser->output, denoiser->predicted));
    TRY(check_finite(denoiser->predicted, guided ? 2 * count : count,
        "the UNet, evaluation %d at timestep %g,", denoiser->evaluations, timestep));
    if (guided)
        guide(denoiser->predicted, denoiser->predicted + count, denoiser->guidance, count, output);
    else
        memcpy(output, denoiser->predicted, count * sizeof *output);
    if (denoiser->evaluated)
        TRY(denoiser->evaluated(denoiser->user, denoiser->evaluations, output));
    denoiser->evaluations++;
out:
    return status;
}
