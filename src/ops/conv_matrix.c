/* conv_matrix.c - 3x3 convolution on the matrix unit of sub-groups: cl/conv_matrix.cl.
 * SPDX-License-Identifier: MIT
 *
 * What is convolved is written once as words of two 16-bit values, after norm and SiLU, and read by
 * nine taps. Rounding, tiles and parts are those of gemm_matrix.c. */
#include "ops/conv.h"
#include "ops/gemm.h"
#include "base/shares.h"

#include <string.h>

#define STEP GEMM_MATRIX_STEP

static int steps_of(const struct conv *conv)
{
    return blocks_of(conv->in, STEP);
}

static size_t count_weights(const struct conv *conv)
{
    return (size_t)9 * steps_of(conv) * STEP * conv_round_up(conv->out, GEMM_PANEL);
}

struct packing {
    const struct conv *conv;
    const float *weight;
    uint16_t *packed;
};

/* Output o, tap t. */
static void pack_tap(const struct packing *p, int o, int tap, uint16_t *to)
{
    const struct conv *conv = p->conv;
    for (int c = 0; c < steps_of(conv) * STEP; c += STEP, to += GEMM_PANEL * STEP)
        gemm_matrix_pack_column(
            p->weight + ((size_t)o * conv->in + c) * 9 + tap, conv->in - c, 9, conv->bf16, to);
}

/* Outputs that do not exist are zero. */
static void pack_panels(void *user, size_t first, size_t last)
{
    const struct packing *p = user;
    size_t tap_numbers = (size_t)steps_of(p->conv) * GEMM_PANEL * STEP;
    size_t outputs = (size_t)p->conv->out;
    if (last * GEMM_PANEL > outputs)
        memset(p->packed + (last - 1) * 9 * tap_numbers, 0, 9 * tap_numbers * sizeof *p->packed);
    for (size_t o = first * GEMM_PANEL; o < last * GEMM_PANEL && o < outputs; o++)
        for (size_t tap = 0; tap < 9; tap++)
            pack_tap(p, (int)o, (int)tap,
                p->packed + (o / GEMM_PANEL * 9 + tap) * tap_numbers + o % GEMM_PANEL * STEP);
}

static void pack(const struct conv *conv, const float *weight, const struct packed *packed)
{
    struct packing packing = {conv, weight, packed->memory};
    shares_run((size_t)blocks_of(conv->out, GEMM_PANEL), pack_panels, &packing);
}

/* What is convolved: [pixels of x][words of all steps]. */
static enum clat_status make_words(struct pool *pool, const struct conv *conv,
    const struct conv_call *call, const char *options, struct tensor *words)
{
    const struct tensor *x = call->x;
    struct kernel *kernel;
    enum clat_status status;
    TRY(pool_take(pool, POOL_BACK, x->n, x->h, x->w, steps_of(conv) * STEP / 2, words));
    TRY(kernel_find(pool->device, "conv_matrix", "words", options, &kernel));
    TRY(launch(pool->device, kernel, grid2((size_t)words->c, tensor_pixels(x), 64, 4),
        CONV_ARGS_SOURCE(conv, call), ARG_TENSOR(words), ARG_INT(words->c)));
out:
    return status;
}

/* The product of a layer's call. */
static struct group_product product_of(const struct conv *conv, const struct conv_call *call)
{
    return (struct group_product){TUNED_CONV_MATRIX, call->y->n, call->y->h * call->y->w, conv->in,
        conv_round_up(conv->out, GEMM_PANEL), 9 * steps_of(conv)};
}

static enum clat_status multiply(struct device *device, const struct conv *conv,
    const struct conv_call *call, const char *options, const struct tensor *x,
    const struct tensor *partial, int steps)
{
    int pixels = (int)tensor_pixels(call->y), columns = conv_round_up(conv->out, GEMM_PANEL);
    const struct group_product product = product_of(conv, call);
    struct matrix_tile tile = gemm_matrix_tile(device, &product);
    struct kernel *kernel;
    enum clat_status status;
    TRY(kernel_find(device, "conv_matrix", "matrix", options, &kernel));
    TRY(launch(device, kernel, gemm_matrix_grid(tile, pixels, columns, partial ? partial->n : 1),
        ARG_TENSOR(x), ARG_INT(x->h), ARG_INT(x->w), ARG_INT(x->c / 4), ARG_INT(call->upsample),
        ARG_BUFFER(&conv->weight), ARG_INT(call->y->h), ARG_INT(call->y->w), ARG_INT(conv->stride),
        ARG_INT(conv->pad_before), CONV_ARGS_END(conv, call), ARG_TENSOR(partial),
        ARG_INT(columns / GEMM_PANEL), ARG_INT(steps)));
out:
    return status;
}

static enum clat_status run(
    struct pool *pool, const struct conv *conv, const struct conv_call *call)
{
    struct tensor words, partial, *sums = NULL;
    int pixels = (int)tensor_pixels(call->y), columns = conv_round_up(conv->out, GEMM_PANEL);
    const struct group_product product = product_of(conv, call);
    struct group_cut cut = gemm_matrix_cut(pool->device, &product);
    struct pool_mark mark = pool_mark(pool);
    enum clat_status status;
    char options[GEMM_MATRIX_OPTIONS]; /* of both kernels, so that they are one program */
    gemm_matrix_options(
        pool->device, conv->bf16, gemm_matrix_tile(pool->device, &product), options);
    TRY(make_words(pool, conv, call, options, &words));
    if (cut.parts > 1) {
        TRY(pool_take(pool, POOL_BACK, cut.parts, 1, pixels, columns, &partial));
        sums = &partial;
    }
    TRY(multiply(pool->device, conv, call, options, &words, sums, cut.steps));
    if (sums)
        TRY(conv_tiled_end(pool->device, conv, call, sums));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}

const struct conv_engine conv_matrix = {
    "matrix unit of sub-groups", 2, 0, CONV_NEEDS_GROUP_UNIT, count_weights, pack, run};
