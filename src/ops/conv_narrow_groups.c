/* conv_narrow_groups.c - 3x3 convolution to at most 16 channels, stride 1, for GPUs:
 * cl/conv_narrow_groups.cl. SPDX-License-Identifier: MIT */
#include "ops/conv.h"

#define SIDE 16      /* a group makes so many pixels each way */
#define QUAD 4       /* of so many outputs */
#define STEP 8       /* input channels at a time */
#define PART_LEAST 4 /* steps of a part, and most parts */
#define PART_MOST 16

static int depth_of(const struct conv *conv)
{
    return conv_round_up(conv->in, STEP);
}

static size_t count_weights(const struct conv *conv)
{
    return (size_t)9 * depth_of(conv) * conv_round_up(conv->out, QUAD);
}

/* [out][in][9] to [blocks][9][k][QUAD] */
static void pack(const struct conv *conv, const float *weight, const struct packed *packed)
{
    conv_pack_panels(conv, QUAD, depth_of(conv), false, weight, packed);
}

/* Parts of the channels, each one's sums apart: tiles of a small map are few. They order the sums,
 * so one image counts, as if it were guided. */
static int parts_of(const struct device *device, const struct tensor *y)
{
    int tiles = 2 * blocks_of(y->w, SIDE) * blocks_of(y->h, SIDE) * blocks_of(y->c, QUAD);
    int parts = blocks_of(4 * device_facts(device)->compute_units, tiles);
    return parts < 1 ? 1 : parts;
}

struct cut {
    int parts, steps;
};

static struct cut cut_of(
    const struct device *device, const struct conv *conv, const struct tensor *y)
{
    int steps = depth_of(conv) / STEP, parts = parts_of(device, y);
    int most = steps / PART_LEAST < PART_MOST ? steps / PART_LEAST : PART_MOST;
    struct cut cut = {.steps = blocks_of(steps, most < 1 ? 1 : parts < most ? parts : most)};
    cut.parts = blocks_of(steps, cut.steps);
    return cut;
}

static enum clat_status multiply(struct device *device, const struct conv *conv,
    const struct conv_call *call, struct cut cut, const struct tensor *partial)
{
    const struct tensor *x = call->x, *y = call->y;
    int blocks = blocks_of(conv->out, QUAD);
    struct grid grid =
        grid3((size_t)blocks_of(y->w, SIDE) * SIDE, (size_t)blocks_of(y->h, SIDE) * SIDE / 2,
            (size_t)y->n * blocks * cut.parts, SIDE, SIDE / 2, 1);
    struct kernel *kernel;
    enum clat_status status;
    TRY(kernel_find(device, "conv_narrow_groups", "narrow", HALF_OPTION(conv->half), &kernel));
    TRY(launch(device, kernel, grid, ARG_TENSOR(x), ARG_INT(x->stride), ARG_INT(x->c),
        ARG_TENSOR(call->x2), ARG_INT(tensor_stride(call->x2)), ARG_TENSOR(call->fold),
        ARG_INT(conv->in), ARG_INT(call->silu), ARG_INT(x->h), ARG_INT(x->w),
        ARG_INT(call->upsample), ARG_BUFFER(&conv->weight), ARG_INT(depth_of(conv)), ARG_INT(y->h),
        ARG_INT(y->w), ARG_INT(blocks), ARG_INT(cut.parts), ARG_INT(cut.steps), ARG_TENSOR(partial),
        CONV_ARGS_END(conv, call)));
out:
    return status;
}

static enum clat_status run(
    struct pool *pool, const struct conv *conv, const struct conv_call *call)
{
    enum clat_status status;
    struct cut cut = cut_of(pool->device, conv, call->y);
    struct pool_mark mark = pool_mark(pool);
    struct tensor partial, *sums = NULL;
    if (cut.parts > 1) {
        TRY(pool_take(pool, POOL_BACK, cut.parts, 1, (int)tensor_pixels(call->y),
            conv_round_up(conv->out, QUAD), &partial));
        sums = &partial;
    }
    TRY(multiply(pool->device, conv, call, cut, sums));
    if (sums)
        TRY(conv_tiled_end(pool->device, conv, call, sums));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}

const struct conv_engine conv_narrow_groups = {
    "narrow in groups", 1, 16, CONV_NEEDS_NOTHING, count_weights, pack, run};
