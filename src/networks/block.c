/* block.c - the forward pass, and how a block resamples and ends. SPDX-License-Identifier: MIT */
#include "networks/block.h"

#include <stdio.h>

enum clat_status forward_tap(
    const struct forward *run, const struct tensor *tensor, const char *name, ...)
{
    if (!run->tap)
        return CLAT_OK;
    char text[200];
    va_list arguments;
    va_start(arguments, name);
    vsnprintf(text, sizeof text, name, arguments);
    va_end(arguments);
    return run->tap(run->user, text, tensor);
}

enum clat_status forward_temporary(
    const struct forward *run, const struct tensor *x, int channels, struct tensor *tensor)
{
    return pool_take(run->pool, POOL_BACK, x->n, x->h, x->w, channels, tensor);
}

enum clat_status forward_fold(const struct forward *run, const struct norm *norm,
    const struct tensor *x, const struct tensor *x2, struct tensor *fold)
{
    enum clat_status status;
    TRY(pool_take(run->pool, POOL_BACK, x->n, 1, 2, norm->channels, fold));
    TRY(op_group_norm_fold(run->pool, norm, x, x2, fold));
out:
    return status;
}

enum clat_status downsample_forward(const struct forward *run, const struct conv *conv,
    const char *path, const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    TRY(op_conv(run->pool, conv, &(struct conv_call){.x = x, .y = y}));
    TRY(forward_tap(run, y, "%s", path));
out:
    return status;
}

enum clat_status upsample_forward(const struct forward *run, const struct conv *conv,
    const char *path, const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    if (y->h == 2 * x->h && y->w == 2 * x->w) {
        TRY(op_conv(run->pool, conv, &(struct conv_call){.x = x, .upsample = true, .y = y}));
    } else {
        struct tensor resized;
        TRY(pool_take(run->pool, POOL_BACK, x->n, y->h, y->w, x->c, &resized));
        TRY(op_resize_nearest(run->pool, x, &resized));
        TRY(op_conv(run->pool, conv, &(struct conv_call){.x = &resized, .y = y}));
    }
    TRY(forward_tap(run, y, "%s", path));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

enum clat_status head_forward(const struct forward *run, const struct norm *norm,
    const struct conv *conv, const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor fold;
    TRY(forward_fold(run, norm, x, NULL, &fold));
    TRY(op_conv(run->pool, conv, &(struct conv_call){.x = x, .fold = &fold, .silu = true, .y = y}));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}
