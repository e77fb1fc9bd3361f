/* decoder_bands.c - decoding a large picture in bands of rows. SPDX-License-Identifier: MIT
 *
 * One hidden tensor is kept, in one region of memory at the pool's front, and replaced by the next
 * one in place (band_stage.h); attention keeps keys and values besides. */
#include "networks/decoder_bands.h"
#include "networks/band_stage.h"

#include <math.h>

#define BAND_ROWS 8       /* at least; a multiple of it */
#define BAND_TOKENS 16384 /* of attention, about */

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

/* ---- the region ----------------------------------------------------------------------------- */

struct region {
    struct pool_mark before; /* the pool before it was taken from its front */
    struct strip x;          /* the hidden tensor, at its beginning */
    size_t elements;         /* that it holds */
    size_t band_bytes;
};

/* The next hidden tensor stands where the last one does; the region grows if it must. */
static enum clat_status region_place(
    const struct forward *run, struct region *region, int h, int w, int c)
{
    enum clat_status status = CLAT_OK;
    size_t elements = (size_t)h * (size_t)w * (size_t)c;
    if (elements > region->elements) {
        pool_release(run->pool, POOL_FRONT, region->before);
        TRY(pool_take(run->pool, POOL_FRONT, 1, h, w, c, &region->x.tensor));
        region->elements = elements;
    }
    region->x = (struct strip){tensor_reshape(&region->x.tensor, 1, h, w, c), 0};
out:
    return status;
}

/* Bands whose widest tensor is of about so many bytes. */
static void choose_bands(struct band_stage *stage, int channels, size_t bytes)
{
    size_t row = (size_t)stage->width * (size_t)channels * sizeof(float);
    int rows = (int)(bytes / row) / BAND_ROWS * BAND_ROWS;
    stage->band = larger(BAND_ROWS, smaller(rows, stage->height));
    stage->bands = (stage->height + stage->band - 1) / stage->band;
}

static enum clat_status run_stage(const struct forward *run, const struct conv *upsampler,
    const struct resnet *resnet, struct region *region)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct strip x = region->x;
    int scale = upsampler ? 2 : 1, in = resnet->shape.in, out = resnet->shape.out;
    struct band_stage stage = {.upsampler = upsampler,
        .resnet = resnet,
        .height = x.tensor.h * scale,
        .width = x.tensor.w * scale};
    bool up = (size_t)out * (size_t)(scale * scale) > (size_t)x.tensor.c;
    choose_bands(&stage, larger(in, out), region->band_bytes);
    TRY(band_stage_statistics(run, &stage, &x));
    TRY(region_place(run, region, stage.height, stage.width, out));
    TRY(band_stage_replace(run, &stage, &x, up, &region->x));
    TRY(forward_tap(run, &region->x.tensor, "%s", resnet->path.text));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

/* ---- attention ------------------------------------------------------------------------------ */

/* q, k and v of some rows of x. */
static enum clat_status project(const struct forward *run, const struct self_attention *attention,
    const struct tensor *x, const struct tensor *fold, const struct tensor *qkv)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor normed;
    TRY(forward_temporary(run, x, x->c, &normed));
    TRY(op_group_norm_apply(run->pool, x, NULL, fold, ACTIVATION_NONE, &normed));
    TRY(op_linear(run->pool, &attention->qkv, &normed, NULL, NULL, qkv));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

static enum clat_status keep_keys(const struct forward *run, const struct self_attention *attention,
    const struct strip *x, const struct tensor *fold, struct rows rows, const struct strip *kv)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor from = strip_rows(x, rows), to = strip_rows(kv, rows), qkv, keys;
    TRY(forward_temporary(run, &from, 3 * from.c, &qkv));
    TRY(project(run, attention, &from, fold, &qkv));
    keys = tensor_channels(&qkv, from.c, 2 * from.c);
    TRY(op_activate(run->pool, &keys, ACTIVATION_NONE, &to));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

/* Rows of x, replaced. */
static enum clat_status attend_rows(const struct forward *run,
    const struct self_attention *attention, const struct strip *x, const struct tensor *fold,
    struct rows rows, const struct tensor *kv)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor part = strip_rows(x, rows), qkv, mixed, y;
    int c = part.c, heads = attention->heads;
    TRY(forward_temporary(run, &part, 3 * c, &qkv));
    TRY(forward_temporary(run, &part, c, &mixed));
    TRY(forward_temporary(run, &part, c, &y));
    TRY(project(run, attention, &part, fold, &qkv));
    struct tensor q = tensor_channels(&qkv, 0, c);
    struct tensor k = tensor_channels(kv, 0, c), v = tensor_channels(kv, c, c);
    TRY(op_attention(run->pool, &q, &k, &v, heads, 1 / sqrtf((float)(c / heads)), false, &mixed));
    TRY(op_linear(run->pool, &attention->out, &mixed, NULL, &part, &y));
    TRY(op_activate(run->pool, &y, ACTIVATION_NONE, &part));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

/* Keys and values of all pixels are kept, queries come in bands, and the result replaces x. */
static enum clat_status run_attention(
    const struct forward *run, const struct self_attention *attention, const struct strip *x)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    int height = x->tensor.h, band = larger(1, BAND_TOKENS / x->tensor.w);
    struct rows all = {0, height};
    struct strip kv;
    struct tensor fold;
    TRY(forward_fold(run, &attention->group_norm, &x->tensor, NULL, &fold));
    TRY(strip_new(run, all, x->tensor.w, 2 * x->tensor.c, &kv));
    for (int row = 0; row < height; row += band)
        TRY(keep_keys(
            run, attention, x, &fold, (struct rows){row, smaller(row + band, height)}, &kv));
    for (int row = 0; row < height; row += band)
        TRY(attend_rows(
            run, attention, x, &fold, (struct rows){row, smaller(row + band, height)}, &kv.tensor));
    TRY(forward_tap(run, &x->tensor, "%s", attention->path.text));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

/* ---- the decoder ---------------------------------------------------------------------------- */

static enum clat_status run_middle(
    const struct forward *run, const struct autoencoder *decoder, struct region *region)
{
    enum clat_status status;
    TRY(run_stage(run, NULL, &decoder->middle1, region));
    if (decoder->config.middle_attention)
        TRY(run_attention(run, &decoder->attention, &region->x));
    TRY(run_stage(run, NULL, &decoder->middle2, region));
    TRY(forward_tap(run, &region->x.tensor, "decoder.mid_block"));
out:
    return status;
}

static enum clat_status run_levels(
    const struct forward *run, const struct autoencoder *decoder, struct region *region)
{
    enum clat_status status = CLAT_OK;
    for (int i = 0; i < decoder->config.levels; i++) {
        const struct autoencoder_level *level = &decoder->levels[i];
        const struct conv *upsampler = i ? &level[-1].sampler : NULL;
        for (int j = 0; j < level->layers; j++) {
            TRY(run_stage(run, j ? NULL : upsampler, &level->resnets[j], region));
            if (level->attentions)
                TRY(run_attention(run, &level->attentions[j], &region->x));
        }
    }
out:
    return status;
}

/* norm and conv_out of some rows of x. */
static enum clat_status finish_rows(const struct forward *run, const struct autoencoder *decoder,
    const struct strip *x, const struct tensor *fold, struct rows rows, const struct strip *image)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct rows wide = rows_widen(rows, 1, x->tensor.h);
    struct tensor from = strip_rows(x, wide);
    struct strip made;
    TRY(strip_new(run, wide, from.w, decoder->conv_out.out, &made));
    TRY(op_conv(run->pool, &decoder->conv_out,
        &(struct conv_call){.x = &from, .fold = fold, .silu = true, .y = &made.tensor}));
    TRY(strip_copy(run, &made, rows, image));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

static enum clat_status finish(const struct forward *run, const struct autoencoder *decoder,
    const struct strip *x, const struct tensor *image)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct band_stage stage = {.height = x->tensor.h, .width = x->tensor.w};
    struct strip whole = {*image, 0};
    struct tensor fold;
    choose_bands(&stage, x->tensor.c, decoder->bands.bytes);
    TRY(forward_fold(run, &decoder->norm_out, &x->tensor, NULL, &fold));
    for (int band = 0; band < stage.bands; band++)
        TRY(finish_rows(run, decoder, x, &fold, band_rows(&stage, band), &whole));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

enum clat_status decoder_bands_forward(const struct forward *run, const struct autoencoder *decoder,
    const struct tensor *z, const struct tensor *image)
{
    enum clat_status status;
    struct region region = {.before = pool_mark(run->pool), .band_bytes = decoder->bands.bytes};
    TRY(region_place(run, &region, z->h, z->w, decoder->conv_in.out));
    TRY(op_conv(run->pool, &decoder->conv_in, &(struct conv_call){.x = z, .y = &region.x.tensor}));
    TRY(forward_tap(run, &region.x.tensor, "decoder.conv_in"));
    TRY(run_middle(run, decoder, &region));
    TRY(run_levels(run, decoder, &region));
    TRY(finish(run, decoder, &region.x, image));
    TRY(forward_tap(run, image, "decoder.conv_out"));
out:
    pool_release(run->pool, POOL_FRONT, region.before);
    return status;
}
