/* band_stage.c - a resnet over a large image, in bands of rows. SPDX-License-Identifier: MIT */
#include "networks/band_stage.h"

struct rows band_rows(const struct band_stage *stage, int band)
{
    int last = (band + 1) * stage->band;
    return (struct rows){band * stage->band, last < stage->height ? last : stage->height};
}

/* The rows of x that the resnet's input rows depend on. */
static struct rows source_rows(const struct band_stage *stage, struct rows rows)
{
    return stage->upsampler ? rows_before(rows, stage->height / 2) : rows;
}

/* Rows of the resnet's input, from x or those rows of it that are needed. */
static enum clat_status make_input(const struct forward *run, const struct band_stage *stage,
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
static enum clat_status make_hidden(const struct forward *run, const struct band_stage *stage,
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
static enum clat_status make_output(const struct forward *run, const struct band_stage *stage,
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
static enum clat_status band_moments(const struct forward *run, const struct band_stage *stage,
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

static enum clat_status statistics(const struct forward *run, const struct band_stage *stage,
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

enum clat_status band_stage_statistics(
    const struct forward *run, struct band_stage *stage, const struct strip *x)
{
    enum clat_status status;
    const struct resnet *resnet = stage->resnet;
    TRY(pool_take(run->pool, POOL_BACK, 1, 1, 2, resnet->shape.in, &stage->fold1));
    TRY(pool_take(run->pool, POOL_BACK, 1, 1, 2, resnet->shape.out, &stage->fold2));
    if (stage->upsampler)
        TRY(statistics(run, stage, x, false, &stage->fold1));
    else
        TRY(op_group_norm_fold(run->pool, &resnet->norm1, &x->tensor, NULL, &stage->fold1));
    TRY(statistics(run, stage, x, true, &stage->fold2));
out:
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

static int clamp(int row, struct rows rows)
{
    return row < rows.first ? rows.first : row > rows.last ? rows.last : row;
}

/* The rows that are computed from, out of what is left of x and what was kept. */
static enum clat_status gather(const struct forward *run, const struct source *source,
    struct rows rows, struct strip *gathered)
{
    enum clat_status status;
    const struct tensor *x = &source->x->tensor;
    int edge = clamp(source->edge, rows);
    struct rows above = {rows.first, edge}, below = {edge, rows.last};
    TRY(strip_new(run, rows, x->w, x->c, gathered));
    TRY(strip_copy(run, source->up ? source->x : &source->kept, above, gathered));
    TRY(strip_copy(run, source->up ? &source->kept : source->x, below, gathered));
out:
    return status;
}

/* Keeps what the next band needs of the rows up to (or from) the new edge. */
static enum clat_status keep(const struct forward *run, const struct band_stage *stage,
    const struct strip *gathered, struct rows next, struct source *source)
{
    struct rows needed = source_rows(stage, rows_widen(next, 2, stage->height));
    source->edge = source->up ? next.last : next.first;
    if (stage->upsampler)
        source->edge /= 2;
    struct rows rows = {
        source->up ? source->edge : needed.first, source->up ? needed.last : source->edge};
    source->kept.first = rows.first;
    return strip_copy(run, gathered, rows, &source->kept);
}

/* Computes a band of y; then keeps rows for the band `next`, if any, and writes. */
static enum clat_status replace_band(const struct forward *run, const struct band_stage *stage,
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
    TRY(strip_copy(run, &output, rows, y));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

enum clat_status band_stage_replace(const struct forward *run, const struct band_stage *stage,
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
