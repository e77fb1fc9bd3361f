/* self_attention.c - group norm and attention among an image's own pixels.
 * SPDX-License-Identifier: MIT */
#include "networks/self_attention.h"

#include <math.h>

enum clat_status self_attention_load(struct loader *loader, struct path path, int channels,
    int heads, int groups, float eps, struct self_attention *attention)
{
    enum clat_status status;
    const char *name = path.text;
    struct part qkv[] = {{path_in(name, "to_q"), channels}, {path_in(name, "to_k"), channels},
        {path_in(name, "to_v"), channels}};
    *attention = (struct self_attention){.path = path, .channels = channels, .heads = heads};
    TRY(loader_norm(
        loader, path_in(name, "group_norm").text, channels, groups, eps, &attention->group_norm));
    TRY(loader_joined(loader, qkv, 3, channels, true, &attention->qkv));
    TRY(loader_linear(loader, path_in(name, "to_out.0").text, channels, channels, true,
        ACTIVATION_NONE, &attention->out));
out:
    return status;
}

void self_attention_free(struct device *device, struct self_attention *attention)
{
    norm_free(device, &attention->group_norm);
    linear_free(device, &attention->qkv);
    linear_free(device, &attention->out);
}

enum clat_status self_attention_forward(const struct forward *run,
    const struct self_attention *attention, const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor normed, qkv, mixed, fold;
    int c = attention->channels, heads = attention->heads;
    TRY(forward_temporary(run, x, c, &normed));
    TRY(forward_temporary(run, x, 3 * c, &qkv));
    TRY(forward_fold(run, &attention->group_norm, x, NULL, &fold));
    TRY(op_group_norm_apply(run->pool, x, NULL, &fold, ACTIVATION_NONE, &normed));
    TRY(op_linear(run->pool, &attention->qkv, &normed, NULL, NULL, &qkv));
    struct tensor q = tensor_channels(&qkv, 0, c), k = tensor_channels(&qkv, c, c);
    struct tensor v = tensor_channels(&qkv, 2 * c, c);
    mixed = normed;
    TRY(op_attention(run->pool, &q, &k, &v, heads, 1 / sqrtf((float)(c / heads)), false, &mixed));
    TRY(op_linear(run->pool, &attention->out, &mixed, NULL, x, y));
    TRY(forward_tap(run, y, "%s", attention->path.text));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}
