/* decoder_bands.c - decoding a large picture in bands of rows. SPDX-License-Identifier: MIT
 *
 * One hidden tensor x is kept, in one region of memory, and replaced by the next one in place. A
 * stage is a resnet, with the upsampling before it if there is one, and goes over the bands up to
 * three times:
 *
 *     x -> [u = conv(nearest(x)), statistics of u] -> [.., hidden = conv1(norm1(u)), statistics of
 *     hidden] -> [.., y = conv2(norm2(hidden)) + shortcut(u)]
 *
 * Each time a band is computed from the rows of x, with as many more rows at its edges as the
 * convolutions in between reach. The last time y replaces x: what the next band needs of the rows
 * that are overwritten is kept aside. Where y is larger than x, x stands at one end of the region
 * and y grows from the other end towards it; y is never further than the rows that were read, for
 * it grows at least as fast as x is used up. So x and y stand at the ends in turn, and bands go
 * down and up in turn. */
#include "networks/decoder_bands.h"

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

/* ---- rows of an image ----------------------------------------------------------------------- */

/* Rows [first, last) of an image. */
struct rows {
    int first, last;
};

static struct rows rows_widen(struct rows rows, int by, int height)
{
    return (struct rows){larger(rows.first - by, 0), smaller(rows.last + by, height)};
}

/* Rows of the image before nearest-upsampling that a convolution behind it reads. */
static struct rows rows_before(struct rows rows, int height)
{
    return (struct rows){larger(rows.first - 1, 0) / 2, smaller(rows.last / 2 + 1, height)};
}

/* A tensor that holds the rows from `first` on of an image. */
struct strip {
    struct tensor tensor;
    int first;
};

static struct tensor strip_rows(const struct strip *strip, struct rows rows)
{
    struct tensor part = strip->tensor;
    part.offset += (size_t)(rows.first - strip->first) * (size_t)part.w * (size_t)part.stride;
    part.h = rows.last - rows.first;
    return part;
}

static enum clat_status strip_new(
    const struct forward *run, struct rows rows, int w, int c, struct strip *strip)
{
    strip->first = rows.first;
    return pool_take(run->pool, POOL_BACK, 1, rows.last - rows.first, w, c, &strip->tensor);
}

static enum clat_status copy_rows(
    const struct forward *run, const struct strip *from, struct rows rows, const struct strip *to)
{
    struct tensor x = strip_rows(from, rows), y = strip_rows(to, rows);
    if (rows.first >= rows.last)
        return CLAT_OK;
    return op_activate(run->pool, &x, ACTIVATION_NONE, &y);
}

/* ---- a stage -------------------------------------------------------------------------------- */

struct stage {
    const struct conv *upsampler; /* or NULL */
    const struct resnet *resnet;
    int height, width;          /* of y */
    int band, bands;            /* rows of one, how many */
    struct tensor fold1, fold2; /* of the resnet's norms, when they are known */
};

static struct rows band_rows(const struct stage *stage, int band)
{
    return (struct rows){band * stage->band, smaller((band + 1) * stage->band, stage->height)};
}

/* The rows of x that the resnet's input rows depend on. */
static struct rows source_rows(const struct stage *stage, struct rows rows)
{
    return stage->upsampler ? rows_before(rows, stage->height / 2) : rows;
}

/* Rows of the resnet's input, from x or those rows of it that are needed. */
static enum clat_status make_input(const struct forward *run, const struct stage *stage,
    const struct strip *x, struct rows rows, struct strip *input)
{
    enum clat_status status = CLAT_OK;
    if (!stage->upsampler) {
        *input = (struct strip){strip_rows(x, rows), rows.first};
        return CLAT_OK;
    }
    struct rows before = source_rows(stage, rows);
    struct rows made = {2 * before.first, 2 * before.last};
    struct tensor from = strip_rows(x, before);
    struct strip upsampled;
    TRY(strip_new(run, made, stage->width, stage->upsampler->out, &upsampled));
    TRY(op_conv(run->pool, stage->upsampler,
        &(struct conv_call){.x = &from, .upsample = true, .y = &upsampled.tensor}));
    *input = (struct strip){strip_rows(&upsampled, rows), rows.first};
out:
    return status;
}

/* conv1 of rows of the input; those at an edge that is not the image's are not right. */
static enum clat_status make_hidden(const struct forward *run, const struct stage *stage,
    const struct strip *input, struct strip *hidden)
{
    enum clat_status status;
    struct rows rows = {input->first, input->first + input->tensor.h};
    TRY(strip_new(run, rows, stage->width, stage->resnet->shape.out, hidden));
    TRY(op_conv(run->pool, &stage->resnet->conv1,
        &(struct conv_call){
            .x = &input->tensor, .fold = &stage->fold1, .silu = true, .y = &hidden->tensor}));
out:
    return status;
}

/* conv2 of rows of the hidden tensor, and the input added; edges as above. */
static enum clat_status make_output(const struct forward *run, const struct stage *stage,
    const struct strip *input, const struct strip *hidden, struct rows rows, struct strip *output)
{
    enum clat_status status;
    const struct resnet *resnet = stage->resnet;
    struct tensor from = strip_rows(hidden, rows), skip = strip_rows(input, rows), shortcut;
    TRY(strip_new(run, rows, stage->width, resnet->shape.out, output));
    if (resnet->has_shortcut) {
        TRY(forward_temporary(run, &skip, resnet->shape.out, &shortcut));
        TRY(op_linear(run->pool, &resnet->shortcut, &skip, NULL, NULL, &shortcut));
        skip = shortcut;
    }
    TRY(op_conv(run->pool, &resnet->conv2,
        &(struct conv_call){.x = &from,
            .fold = &stage->fold2,
            .silu = true,
            .residual = &skip,
            .y = &output->tensor}));
out:
    return status;
}

/* ---- statistics ----------------------------------------------------------------------------- */

/* The moments of a band of the resnet's input (before norm1) or hidden tensor (before norm2). */
static enum clat_status band_moments(const struct forward *run, const struct stage *stage,
    const struct strip *x, bool hidden, struct rows rows, const struct tensor *moments)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct strip strip, input;
    const struct norm *norm = hidden ? &stage->resnet->norm2 : &stage->resnet->norm1;
    TRY(make_input(run, stage, x, hidden ? rows_widen(rows, 1, stage->height) : rows, &input));
    strip = input;
    if (hidden)
        TRY(make_hidden(run, stage, &input, &strip));
    struct tensor core = strip_rows(&strip, rows);
    TRY(op_group_norm_moments(run->pool, norm, &core, moments));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

static enum clat_status stage_statistics(const struct forward *run, const struct stage *stage,
    const struct strip *x, bool hidden, const struct tensor *fold)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    const struct norm *norm = hidden ? &stage->resnet->norm2 : &stage->resnet->norm1;
    struct tensor moments;
    TRY(pool_take(run->pool, POOL_BACK, 1, stage->bands, 2, norm->groups, &moments));
    for (int band = 0; band < stage->bands; band++) {
        struct tensor one = moments;
        one.h = 1;
        one.offset += (size_t)band * 2 * (size_t)norm->groups;
        TRY(band_moments(run, stage, x, hidden, band_rows(stage, band), &one));
    }
    TRY(op_group_norm_merge(
        run->pool, norm, &moments, stage->band * stage->width, stage->height * stage->width, fold));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

/* ---- y replaces x --------------------------------------------------------------------------- */

/* x while it is overwritten: rows beyond `edge` (below it going up, above it going down) are gone,
 * but for those in `kept`. */
struct source {
    const struct strip *x;
    bool up;
    int edge;
    struct strip kept;
};

/* The rows that are computed from, out of what is left of x and what was kept. */
static enum clat_status gather(const struct forward *run, const struct source *source,
    struct rows rows, struct strip *gathered)
{
    enum clat_status status;
    const struct tensor *x = &source->x->tensor;
    int edge = larger(rows.first, smaller(rows.last, source->edge));
    struct rows above = {rows.first, edge}, below = {edge, rows.last};
    TRY(strip_new(run, rows, x->w, x->c, gathered));
    TRY(copy_rows(run, source->up ? source->x : &source->kept, above, gathered));
    TRY(copy_rows(run, source->up ? &source->kept : source->x, below, gathered));
out:
    return status;
}

/* Keeps what the next band needs of the rows up to (or from) the new edge. */
static enum clat_status keep(const struct forward *run, const struct stage *stage,
    const struct strip *gathered, struct rows next, struct source *source)
{
    struct rows needed = source_rows(stage, rows_widen(next, 2, stage->height));
    source->edge = source->up ? next.last : next.first;
    if (stage->upsampler)
        source->edge /= 2;
    struct rows rows = {
        source->up ? source->edge : needed.first, source->up ? needed.last : source->edge};
    source->kept.first = rows.first;
    return copy_rows(run, gathered, rows, &source->kept);
}

/* Computes a band of y; then keeps rows for the band `next`, if any, and writes. */
static enum clat_status replace_band(const struct forward *run, const struct stage *stage,
    struct source *source, struct rows rows, const struct rows *next, const struct strip *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct rows wide = rows_widen(rows, 2, stage->height);
    struct strip gathered, input, hidden, output;
    TRY(gather(run, source, source_rows(stage, wide), &gathered));
    TRY(make_input(run, stage, &gathered, wide, &input));
    TRY(make_hidden(run, stage, &input, &hidden));
    TRY(make_output(run, stage, &input, &hidden, rows_widen(rows, 1, stage->height), &output));
    if (next)
        TRY(keep(run, stage, &gathered, *next, source));
    TRY(copy_rows(run, &output, rows, y));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

static enum clat_status replace(const struct forward *run, const struct stage *stage,
    const struct strip *x, bool up, const struct strip *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct source source = {.x = x, .up = up, .edge = up ? x->tensor.h : 0};
    struct rows most = {0, 2}; /* rows that a band can need of the one before it */
    TRY(strip_new(run, most, x->tensor.w, x->tensor.c, &source.kept));
    for (int i = 0; i < stage->bands; i++) {
        int band = up ? stage->bands - 1 - i : i;
        struct rows next = band_rows(stage, up ? band - 1 : band + 1);
        TRY(replace_band(
            run, stage, &source, band_rows(stage, band), i < stage->bands - 1 ? &next : NULL, y));
    }
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
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
static void choose_bands(struct stage *stage, int channels, size_t bytes)
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
    struct stage stage = {.upsampler = upsampler,
        .resnet = resnet,
        .height = x.tensor.h * scale,
        .width = x.tensor.w * scale};
    bool up = (size_t)out * (size_t)(scale * scale) > (size_t)x.tensor.c;
    choose_bands(&stage, larger(in, out), region->band_bytes);
    TRY(pool_take(run->pool, POOL_BACK, 1, 1, 2, in, &stage.fold1));
    TRY(pool_take(run->pool, POOL_BACK, 1, 1, 2, out, &stage.fold2));
    if (upsampler)
        TRY(stage_statistics(run, &stage, &x, false, &stage.fold1));
    else
        TRY(op_group_norm_fold(run->pool, &resnet->norm1, &x.tensor, NULL, &stage.fold1));
    TRY(stage_statistics(run, &stage, &x, true, &stage.fold2));
    TRY(region_place(run, region, stage.height, stage.width, out));
    TRY(replace(run, &stage, &x, up, &region->x));
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
    TRY(copy_rows(run, &made, rows, image));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

static enum clat_status finish(const struct forward *run, const struct autoencoder *decoder,
    const struct strip *x, const struct tensor *image)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct stage stage = {.height = x->tensor.h, .width = x->tensor.w};
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
