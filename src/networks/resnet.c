/* resnet.c - the residual block. SPDX-License-Identifier: MIT
 *
 * Both norms are folded into the convolution behind them. Doubling commutes with what is done per
 * value, so the convolution's gather does it; halving does not, and is an op of its own. */
#include "networks/resnet.h"

enum clat_status resnet_load(struct loader *loader, struct path path,
    const struct resnet_shape *shape, struct resnet *resnet)
{
    enum clat_status status;
    const char *name = path.text;
    int in = shape->in, out = shape->out, groups = shape->groups, pixels = shape->pixels;
    *resnet = (struct resnet){.path = path, .shape = *shape, .time_first = -1};
    resnet->has_shortcut = in != out;
    TRY(loader_norm(loader, path_in(name, "norm1").text, in, groups, shape->eps, &resnet->norm1));
    TRY(loader_conv(loader, path_in(name, "conv1").text, out, in, 1, 1, pixels, &resnet->conv1));
    TRY(loader_norm(loader, path_in(name, "norm2").text, out, groups, shape->eps, &resnet->norm2));
    TRY(loader_conv(loader, path_in(name, "conv2").text, out, out, 1, 1, pixels, &resnet->conv2));
    if (resnet->has_shortcut)
        TRY(loader_linear(loader, path_in(name, "conv_shortcut").text, out, in, true,
            ACTIVATION_NONE, &resnet->shortcut));
out:
    return status;
}

void resnet_free(struct device *device, struct resnet *resnet)
{
    norm_free(device, &resnet->norm1);
    norm_free(device, &resnet->norm2);
    conv_free(device, &resnet->conv1);
    conv_free(device, &resnet->conv2);
    linear_free(device, &resnet->shortcut);
}

int resnet_time_columns(const struct resnet *resnet)
{
    return resnet->shape.scale_shift ? 2 * resnet->shape.out : resnet->shape.out;
}

/* hidden = conv1(R(silu(norm1(x ++ x2)))) + shift */
static enum clat_status first_half(const struct forward *run, const struct resnet *resnet,
    const struct tensor *x, const struct tensor *x2, const struct tensor *shift,
    const struct tensor *hidden)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor fold, halved;
    struct conv_call call = {.x = x, .x2 = x2, .time = shift, .y = hidden};
    TRY(forward_fold(run, &resnet->norm1, x, x2, &fold));
    if (resnet->shape.resample == RESNET_HALVE) {
        TRY(forward_temporary(run, hidden, x->c, &halved));
        TRY(op_mean_2x2(run->pool, x, &fold, true, &halved));
        call.x = &halved;
    } else {
        call.fold = &fold;
        call.silu = true;
        call.upsample = resnet->shape.resample == RESNET_DOUBLE;
    }
    TRY(op_conv(run->pool, &resnet->conv1, &call));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

/* What the block adds its work to: x itself where nothing changes its shape. */
static enum clat_status make_skip(const struct forward *run, const struct resnet *resnet,
    const struct tensor *x, const struct tensor *x2, const struct tensor *y, struct tensor *skip)
{
    enum clat_status status = CLAT_OK;
    struct tensor resampled;
    *skip = *x;
    if (resnet->shape.resample != RESNET_KEEP) {
        TRY(forward_temporary(run, y, x->c, &resampled));
        TRY(resnet->shape.resample == RESNET_HALVE
                ? op_mean_2x2(run->pool, x, NULL, false, &resampled)
                : op_resize_nearest(run->pool, x, &resampled));
        *skip = resampled;
    }
    if (resnet->has_shortcut) {
        struct tensor from = *skip;
        TRY(forward_temporary(run, y, resnet->shape.out, skip));
        TRY(op_linear(run->pool, &resnet->shortcut, &from, x2, NULL, skip));
    }
out:
    return status;
}

/* y = conv2(silu(norm2(hidden) modulated)) + skip; modulation may be NULL. */
static enum clat_status second_half(const struct forward *run, const struct resnet *resnet,
    const struct tensor *hidden, const struct tensor *modulation, const struct tensor *skip,
    const struct tensor *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor fold, plain;
    TRY(forward_fold(run, &resnet->norm2, hidden, NULL, &fold));
    if (modulation) {
        plain = fold;
        TRY(pool_take(run->pool, POOL_BACK, plain.n, 1, 2, plain.c, &fold));
        TRY(op_group_norm_modulate(run->pool, &plain, modulation, &fold));
    }
    TRY(op_conv(run->pool, &resnet->conv2,
        &(struct conv_call){.x = hidden, .fold = &fold, .silu = true, .residual = skip, .y = y}));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

enum clat_status resnet_forward(const struct forward *run, const struct resnet *resnet,
    const struct tensor *x, const struct tensor *x2, const struct tensor *time,
    const struct tensor *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    bool scale_shift = time && resnet->shape.scale_shift;
    struct tensor hidden, skip, columns;
    if (time)
        columns = tensor_channels(time, resnet->time_first, resnet_time_columns(resnet));
    TRY(forward_temporary(run, y, resnet->shape.out, &hidden));
    TRY(first_half(run, resnet, x, x2, time && !scale_shift ? &columns : NULL, &hidden));
    TRY(make_skip(run, resnet, x, x2, y, &skip));
    TRY(second_half(run, resnet, &hidden, scale_shift ? &columns : NULL, &skip, y));
    TRY(forward_tap(run, y, "%s", resnet->path.text));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}
