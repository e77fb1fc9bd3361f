/* tune_case.c - one shape of a tuned op, with its input and what must come out.
 * SPDX-License-Identifier: MIT */
#include "selftest/tune_case.h"
#include "base/memory.h"
#include "ops/conv.h"
#include "ops/gemm.h"
#include "selftest/reference.h"
#include "selftest/reference_conv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LARGE ((size_t)16 << 20) /* numbers of x or y from which a call has one image */
#define PLACES 4                 /* of a result that are computed in plain C */

static bool is_attention(enum tuned kind)
{
    return kind == TUNED_ATTENTION || kind == TUNED_ATTENTION_CPU;
}

static bool is_conv(enum tuned kind)
{
    return kind == TUNED_CONV || kind == TUNED_CONV_TILED || kind == TUNED_CONV_MATRIX;
}

double case_work(enum tuned kind, const int sides[TUNING_SIDES])
{
    double work = (double)sides[0] * sides[1] * sides[2];
    return is_conv(kind) ? 9 * work : is_attention(kind) ? 16 * work : work;
}

/* ---- the shape ------------------------------------------------------------------------------ */

/* The pixels of an image as the rectangle that is nearest to a square. */
static void set_pixels(struct tune_case *c, int pixels)
{
    for (c->h = (int)sqrt((double)pixels); c->h > 1 && pixels % c->h != 0;)
        c->h--;
    if (c->h < 1)
        c->h = 1;
    c->w = pixels / c->h;
}

static void set_shape(struct tune_case *c)
{
    const int *s = c->sides;
    c->stride = 1;
    c->h = 1;
    if (is_attention(c->kind)) {
        c->w = s[0];
        c->keys = s[1];
        c->heads = s[2] <= 192 ? 8 : 1;
        c->in = c->out = c->heads * s[2];
    } else if (is_conv(c->kind)) {
        set_pixels(c, s[0]);
        c->in = s[1];
        c->out = s[2];
        c->stride = c->kind == TUNED_CONV && s[3] == 2 ? 2 : 1;
    } else {
        c->w = c->kind == TUNED_LINEAR ? s[2] : s[0];
        c->in = c->kind == TUNED_LINEAR ? s[0] : s[1];
        c->out = c->kind == TUNED_LINEAR ? s[1] : s[2];
    }
}

static size_t input_pixels(const struct tune_case *c)
{
    return (size_t)c->images * c->h * c->stride * c->w * c->stride;
}

static size_t weight_count(const struct tune_case *c)
{
    return is_attention(c->kind) ? 0 : (size_t)c->in * c->out * (is_conv(c->kind) ? 9 : 1);
}

/* Numbers about uniform, of variance scale^2. */
static enum clat_status make_values(size_t count, float scale, uint64_t seed, float **values)
{
    enum clat_status status = memory_new(count, sizeof **values, values);
    for (size_t i = 0; status == CLAT_OK && i < count; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        (*values)[i] = ((float)(seed >> 40) / 8388608.0f - 1.0f) * 1.7320508f * scale;
    }
    return status;
}

void case_shape(struct tune_case *c, const struct tuning_question *question)
{
    *c = (struct tune_case){.kind = question->kind, .images = 2};
    memcpy(c->sides, question->sides, sizeof c->sides);
    set_shape(c);
    size_t widest = (size_t)(c->in > c->out ? c->in : c->out);
    if (input_pixels(c) * widest > LARGE)
        c->images = 1;
    c->size = (size_t)c->images * c->h * c->w * c->out;
}

enum clat_status case_make(struct tune_case *c, const struct tuning_question *question)
{
    enum clat_status status;
    case_shape(c, question);
    int terms = c->in * (is_conv(c->kind) ? 9 : 1);
    size_t tokens = (size_t)c->images * c->keys * c->in;
    TRY(make_values(input_pixels(c) * c->in, 1, 1, &c->x));
    TRY(make_values(tokens, 1, 2, &c->k));
    TRY(make_values(tokens, 1, 3, &c->v));
    TRY(make_values(weight_count(c), 1 / sqrtf((float)terms), 4, &c->weight));
out:
    return status;
}

void case_free(struct tune_case *c)
{
    free(c->x);
    free(c->k);
    free(c->v);
    free(c->weight);
}

/* ---- candidates ----------------------------------------------------------------------------- */

struct candidates {
    struct tune_values *list;
    int count;
};

static void add(struct candidates *all, int a, int b, int c)
{
    if (all->count < TUNE_CANDIDATES)
        all->list[all->count++] = (struct tune_values){{a, b, c}};
}

/* Rows 1, 4, 8 are words 1, 2, 3. */
static void add_groups(struct candidates *all, const struct tune_case *c)
{
    int steps = (is_conv(c->kind) ? 9 : 1) * (c->in / GEMM_GROUP_STEP);
    for (int parts = 1; parts <= 8; parts *= 2)
        for (int rows = 3; rows >= 1 && (parts == 1 || parts <= steps / 4); rows--)
            if (rows > 1 || c->h * c->w <= 64)
                add(all, rows, parts, 0);
}

static void add_cpu_products(struct candidates *all, const struct tune_case *c)
{
    add(all, 1, 0, 0);
    add(all, 2, 0, 0);
    if (c->out <= 128)
        add(all, 3, 0, 0);
    for (int block = 4; block <= 16; block *= 2)
        add(all, 0, block, 0);
    for (int depth = 640; depth <= 2560 && depth < c->in; depth *= 2)
        add(all, 0, 0, depth);
}

/* Tiles 32, 64, 128 are words 1, 2, 3; parts 0: by rule. */
static void add_matrix(struct candidates *all)
{
    static const struct tune_values list[] = {{{1, 1, 0}}, {{2, 1, 0}}, {{3, 1, 0}}, {{3, 2, 0}},
        {{2, 1, 1}}, {{3, 1, 1}}, {{2, 1, 2}}, {{3, 1, 2}}, {{2, 1, 4}}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        add(all, list[i].value[0], list[i].value[1], list[i].value[2]);
}

/* Engines that load the layer in another way than its own choice. */
static void add_engines(
    struct candidates *all, const struct tune_case *c, const struct device *device)
{
    if (gemm_matrix_suits(device, c->out, c->in) || gemm_tile_suits(device, c->out, c->in))
        add(all, ENGINE_PACKED, 0, 0);
    if (gemm_clblast_is_there() && !device_stores_half(device) && !device_facts(device)->on_host &&
        gemm_engine_of(device) == GEMM_AUTO)
        add(all, ENGINE_CLBLAST, 0, 0);
}

/* Variants that the layer may have; its own choice is the first candidate. */
static void add_variants(struct candidates *all, const struct tune_case *c, struct device *device)
{
    struct tuning *tuning = device_facts(device)->tuning;
    int pixels = c->h * c->w;
    struct tune_values values = {{0}};
    tuning_force(tuning, TUNED_CONV, values.value);
    enum conv_variant own = conv_choose(device, c->out, c->in, c->stride, pixels);
    for (int i = 1; tuning_word(TUNED_CONV, CONV_VARIANT, i)[0]; i++) {
        values.value[CONV_VARIANT] = i;
        if (conv_choose(device, c->out, c->in, c->stride, pixels) != own)
            add(all, i, 0, 0);
    }
    tuning_force(tuning, TUNED_CONV, NULL);
}

int case_candidates(
    const struct tune_case *c, struct device *device, struct tune_values list[TUNE_CANDIDATES])
{
    struct candidates all = {list, 0};
    add(&all, 0, 0, 0);
    switch (c->kind) {
    case TUNED_LINEAR:
        add_engines(&all, c, device);
        break;
    case TUNED_CONV:
        add_variants(&all, c, device);
        break;
    case TUNED_GEMM:
    case TUNED_CONV_TILED:
        add_groups(&all, c);
        break;
    case TUNED_GEMM_CPU:
        add_cpu_products(&all, c);
        break;
    case TUNED_GEMM_MATRIX:
    case TUNED_CONV_MATRIX:
        add_matrix(&all);
        break;
    case TUNED_ATTENTION:
        add(&all, 1, 0, 0);
        add(&all, 2, 0, 0);
        break;
    case TUNED_ATTENTION_CPU:
        add(&all, 1, 0, 0);
        add(&all, 2, 0, 0);
        for (int block = 64; block <= 512; block *= 2)
            add(&all, 0, block, 0);
        break;
    case TUNED_KINDS:
        break;
    }
    return all.count;
}

const int *case_chooser(enum tuned kind)
{
    static const int packed[TUNING_PARAMETERS] = {[LINEAR_ENGINE] = ENGINE_PACKED};
    static const int unit[TUNING_PARAMETERS] = {[LINEAR_ENGINE] = ENGINE_UNIT};
    static _Thread_local int variant[TUNING_PARAMETERS];
    const char *name = kind == TUNED_CONV_MATRIX ? "matrix_unit_of_sub-groups" : "tiled";
    if (kind == TUNED_GEMM || kind == TUNED_GEMM_CPU)
        return packed;
    if (kind == TUNED_GEMM_MATRIX)
        return unit;
    if (kind != TUNED_CONV_TILED && kind != TUNED_CONV_MATRIX)
        return NULL;
    for (variant[0] = 1; strcmp(tuning_word(TUNED_CONV, CONV_VARIANT, variant[0]), name) != 0;)
        variant[0]++;
    return variant;
}

/* ---- on a device ---------------------------------------------------------------------------- */

static enum clat_status put(struct tune_stage *stage, int n, int h, int w, int channels,
    const float *values, struct tensor *tensor)
{
    enum clat_status status;
    TRY(pool_take(&stage->pool, POOL_FRONT, n, h, w, channels, tensor));
    if (values)
        TRY(tensor_write(stage->device, tensor, values));
out:
    return status;
}

enum clat_status stage_open(
    struct tune_stage *stage, const struct tune_case *c, struct device *device, size_t pool)
{
    enum clat_status status;
    bool dry = device_is_dry(device);
    *stage = (struct tune_stage){.device = device};
    TRY(pool_open(device, pool, &stage->pool));
    TRY(put(
        stage, c->images, c->h * c->stride, c->w * c->stride, c->in, dry ? NULL : c->x, &stage->x));
    TRY(put(stage, c->images, c->h, c->w, c->out, NULL, &stage->y));
    if (is_attention(c->kind)) {
        TRY(put(stage, c->images, 1, c->keys, c->in, dry ? NULL : c->k, &stage->k));
        TRY(put(stage, c->images, 1, c->keys, c->in, dry ? NULL : c->v, &stage->v));
    }
out:
    return status;
}

enum clat_status stage_load(struct tune_stage *stage, const struct tune_case *c)
{
    const float *weight = device_is_dry(stage->device) ? NULL : c->weight;
    if (is_attention(c->kind))
        return CLAT_OK;
    if (is_conv(c->kind))
        return conv_load(
            stage->device, weight, NULL, c->out, c->in, c->stride, 1, c->h * c->w, &stage->conv);
    return linear_load(stage->device, weight, NULL, c->out, c->in, ACTIVATION_NONE, &stage->linear);
}

enum clat_status stage_run(struct tune_stage *stage, const struct tune_case *c)
{
    struct conv_call call = {.x = &stage->x, .y = &stage->y};
    float scale = 1 / sqrtf((float)c->in / (float)(c->heads ? c->heads : 1));
    if (is_attention(c->kind))
        return op_attention(
            &stage->pool, &stage->x, &stage->k, &stage->v, c->heads, scale, false, &stage->y);
    if (is_conv(c->kind))
        return op_conv(&stage->pool, &stage->conv, &call);
    return op_linear(&stage->pool, &stage->linear, &stage->x, NULL, NULL, &stage->y);
}

void stage_unload(struct tune_stage *stage)
{
    linear_free(stage->device, &stage->linear);
    conv_free(stage->device, &stage->conv);
    stage->linear = (struct linear){0};
    stage->conv = (struct conv){0};
}

void stage_close(struct tune_stage *stage)
{
    if (!stage->device)
        return;
    stage_unload(stage);
    pool_close(&stage->pool);
}

/* ---- against plain C ------------------------------------------------------------------------ */

/* Adds the distance of `count` numbers, and their size, both squared. */
static void add_distance(const float *y, const double *want, int count, double sums[2])
{
    for (int i = 0; i < count; i++) {
        double d = (double)y[i] - want[i];
        sums[0] += d * d;
        sums[1] += want[i] * want[i];
    }
}

static enum clat_status check_conv(
    const struct tune_case *c, const float *weight, const float *y, double sums[2])
{
    enum clat_status status;
    double *want = NULL;
    const struct reference_conv conv = {.n = c->images,
        .h = c->h * c->stride,
        .w = c->w * c->stride,
        .c1 = c->in,
        .out = c->out,
        .stride = c->stride,
        .pad = 1,
        .x = c->x,
        .weight = weight,
        .height = c->h,
        .width = c->w};
    TRY(memory_new((size_t)c->out, sizeof *want, &want));
    for (int i = 0; i < PLACES; i++) {
        int n = i % c->images, row = (c->h - 1) * i / (PLACES - 1);
        int column = (c->w - 1) * (PLACES - 1 - i) / (PLACES - 1);
        TRY(reference_conv_pixel(&conv, n, row, column, want));
        add_distance(y + (((size_t)n * c->h + row) * c->w + column) * c->out, want, c->out, sums);
    }
out:
    free(want);
    return status;
}

/* Row `row` of all rows of y. */
static enum clat_status reference_row(
    const struct tune_case *c, const float *weight, size_t row, float *want)
{
    size_t image = row / (size_t)c->w;
    const float *x = c->x + row * c->in;
    if (!is_attention(c->kind)) {
        reference_linear(x, 1, c->in, weight, NULL, c->out, ACTIVATION_NONE, NULL, want);
        return CLAT_OK;
    }
    size_t start = image * (size_t)c->keys * c->in;
    int width = c->in / c->heads;
    return reference_attention(x, c->k + start, c->v + start, 1, 1, c->keys, c->heads, width,
        (double)(1 / sqrtf((float)width)), false, want);
}

static enum clat_status check_rows(
    const struct tune_case *c, const float *weight, const float *y, double sums[2])
{
    enum clat_status status;
    size_t rows = (size_t)c->images * c->w;
    float *want = NULL;
    TRY(memory_new((size_t)c->out, sizeof *want, &want));
    for (size_t i = 0; i < PLACES; i++) {
        size_t row = (rows - 1) * i / (PLACES - 1);
        TRY(reference_row(c, weight, row, want));
        for (int o = 0; o < c->out; o++)
            add_distance(&y[row * c->out + o], &(double){want[o]}, 1, sums);
    }
out:
    free(want);
    return status;
}

enum clat_status case_check(const struct tune_case *c, bool half, const float *y, double *error)
{
    enum clat_status status;
    double sums[2] = {0, 0};
    float *rounded = NULL;
    TRY(memory_new(weight_count(c), sizeof *rounded, &rounded));
    for (size_t i = 0; i < weight_count(c); i++)
        rounded[i] = half ? reference_half(c->weight[i]) : c->weight[i];
    TRY(is_conv(c->kind) ? check_conv(c, rounded, y, sums) : check_rows(c, rounded, y, sums));
    *error = sums[1] > 0 ? sqrt(sums[0] / sums[1]) : INFINITY;
    if (!isfinite(*error))
        *error = INFINITY;
out:
    free(rounded);
    return status;
}
