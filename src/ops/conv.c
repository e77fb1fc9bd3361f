/* conv.c - 3x3 convolutions: choice of the variant, loading, checking. SPDX-License-Identifier: MIT
 *
 * Winograd's transformed weights would be four times the plain ones, and the largest thing that an
 * op could add to a model's own size; so no variant keeps them. Measured figures: docs/speed.md. */
#include "ops/conv.h"
#include "ops/gemm.h"
#include "base/shares.h"
#include "device/fallback.h"
#include "device/meter.h"
#include "device/tuning.h"

static const struct conv_engine *const engines[CONV_VARIANTS] = {
    [CONV_PLAIN] = &conv_plain,
    [CONV_TILED] = &conv_tiled,
    [CONV_DIRECT] = &conv_direct,
    [CONV_NARROW] = &conv_narrow,
    [CONV_WINOGRAD] = &conv_winograd,
    [CONV_WINOGRAD_FUSED] = &conv_winograd_fused,
    [CONV_WINOGRAD_GROUPS] = &conv_winograd_groups,
    [CONV_NARROW_GROUPS] = &conv_narrow_groups,
    [CONV_MATRIX] = &conv_matrix,
    [CONV_UNIT] = &conv_unit,
};

/* Of their kernels, in cl/. All variants of a CPU begin with conv_gather. */
static const char *const files[CONV_VARIANTS] = {
    [CONV_PLAIN] = "conv",
    [CONV_TILED] = "conv_tiled",
    [CONV_DIRECT] = "conv_direct",
    [CONV_NARROW] = "conv_narrow",
    [CONV_WINOGRAD] = "conv_winograd",
    [CONV_WINOGRAD_FUSED] = "conv_winograd",
    [CONV_WINOGRAD_GROUPS] = "conv_winograd_groups",
    [CONV_NARROW_GROUPS] = "conv_narrow_groups",
    [CONV_MATRIX] = "conv_matrix",
    [CONV_UNIT] = "conv_unit",
};

const struct conv_engine *conv_engine(enum conv_variant variant)
{
    return engines[variant];
}

bool conv_can(const struct device *device, enum conv_variant variant, int out, int stride)
{
    const struct conv_engine *engine = engines[variant];
    if (engine->need == CONV_NEEDS_TILES &&
        (device_facts(device)->matrix_unit == MATRIX_UNIT_NONE || device_stores_half(device)))
        return false;
    if (engine->need == CONV_NEEDS_GROUP_UNIT && !gemm_matrix_can(device))
        return false;
    return stride <= engine->strides && (!engine->outputs || out <= engine->outputs);
}

/* The first row that a layer fits decides. */
static const struct {
    bool cpu;
    int in, out; /* least channels */
    int pixels;  /* least, of output, per image */
    int weights; /* most in*out, in units of 1024; 0: any */
    enum conv_variant variant;
    bool (*pays)(int out, int in, int pixels); /* NULL: always */
} choices[] = {
    /* The last layers: their outputs would fill a quarter of a vector. */
    {true, 32, 0, 0, 0, CONV_NARROW, NULL},
    /* From 64x64 on, transforming all weights takes less than a fifth of a call; the limit keeps
     * them, in scratch, below 64 MB. */
    {true, 32, 32, 4096, 448, CONV_WINOGRAD, NULL},
    /* 1.15 to 1.4 times the fused form from 16x16 on; below, its sums in vain outweigh that. */
    {true, 32, 32, 256, 0, CONV_UNIT, NULL},
    /* Below, their way through memory costs more than transforming what a job needs in its cache.
     */
    {true, 32, 32, 64, 0, CONV_WINOGRAD_FUSED, NULL},
    /* Below 8x8 the time goes into reading the weights. Also few channels (transforms cost what
     * they save), stride 2 and maps of unknown size. */
    {true, 0, 0, 0, 0, CONV_DIRECT, NULL},
    /* A panel of 64 would be computed for them. */
    {false, 32, 0, 0, 0, CONV_NARROW_GROUPS, NULL},
    /* A unit is worth more than what Winograd's form saves. */
    {false, 16, 16, 0, 0, CONV_MATRIX, NULL},
    {false, 32, 32, 64, 0, CONV_WINOGRAD_GROUPS, conv_winograd_groups_pays},
    {false, 0, 0, 0, 0, CONV_TILED, NULL},
};

static bool builds(const struct device_facts *facts, enum conv_variant variant)
{
    return !fallback_is_taken(facts, files[variant]) &&
           !(facts->is_cpu && fallback_is_taken(facts, "conv_gather"));
}

/* Whether a row of choices allows the variant for such a layer, whatever its size. */
static bool row_allows(const struct device *device, size_t row, int out, int stride, size_t weights)
{
    return choices[row].cpu == device_facts(device)->is_cpu &&
           conv_can(device, choices[row].variant, out, stride) &&
           builds(device_facts(device), choices[row].variant) &&
           (!choices[row].weights || weights <= (size_t)choices[row].weights * 1024);
}

/* "winograd fused" is winograd_fused in a table. */
static bool has_name(enum conv_variant variant, const char *word)
{
    const char *name = engines[variant]->name;
    for (; *name && (*name == *word || (*name == ' ' && *word == '_')); word++)
        name++;
    return !*name && !*word;
}

/* What a tuning table says, if that may be; else CONV_VARIANTS. */
static enum conv_variant choose_tuned(
    const struct device *device, int out, int in, int stride, int pixels)
{
    const int *tuned = tuning_find(device, TUNED_CONV, TUNING_SHAPE(pixels, in, out, stride));
    const char *word = tuning_word(TUNED_CONV, CONV_VARIANT, tuned[CONV_VARIANT]);
    for (size_t i = 0; word[0] && i < sizeof choices / sizeof choices[0]; i++)
        if (has_name(choices[i].variant, word) &&
            row_allows(device, i, out, stride, (size_t)in * out))
            return choices[i].variant;
    return CONV_VARIANTS;
}

enum conv_variant conv_choose(const struct device *device, int out, int in, int stride, int pixels)
{
    enum conv_variant tuned = choose_tuned(device, out, in, stride, pixels);
    if (tuned != CONV_VARIANTS)
        return tuned;
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++)
        if (row_allows(device, i, out, stride, (size_t)in * out) && in >= choices[i].in &&
            out >= choices[i].out && pixels >= choices[i].pixels &&
            (!choices[i].pays || choices[i].pays(out, in, pixels)))
            return choices[i].variant;
    return CONV_PLAIN;
}

int conv_round_up(int value, int step)
{
    return (value + step - 1) / step * step;
}

/* Panels are packed in strips of PACKED_LANES output channels or fewer. */
struct strips {
    const struct conv *conv;
    int panel, k;
    bool taps_inside;
    const float *weight;
    const struct packed *packed;
};

static size_t strips_of_panel(const struct strips *s)
{
    return ((size_t)s->panel + PACKED_LANES - 1) / PACKED_LANES;
}

/* With taps_inside the last panel is only as wide as its channels. */
static int panel_width(const struct strips *s, size_t panel)
{
    int left = conv_round_up(s->conv->out - (int)panel * s->panel, 16);
    return s->taps_inside && left < s->panel ? left : s->panel;
}

/* Row i of a panel holds the weights for input channel i / 9 and tap i % 9; its place there. */
static size_t row_place(const struct strips *s, size_t i, int width)
{
    return (s->taps_inside ? i : i % 9 * (size_t)s->k + i / 9) * (size_t)width;
}

static void pack_strip(const struct strips *s, size_t strip)
{
    size_t panel = strip / strips_of_panel(s), rows = (size_t)9 * s->k;
    int lane = (int)(strip % strips_of_panel(s)) * PACKED_LANES;
    int first_output = (int)panel * s->panel + lane, width = panel_width(s, panel);
    struct packed_lanes lanes = {.count = width - lane < PACKED_LANES ? width - lane : PACKED_LANES,
        .length = (size_t)9 * s->conv->in};
    size_t start = panel * rows * (size_t)s->panel + (size_t)lane;
    struct packed_tile tile;
    for (int i = 0; i < lanes.count && first_output + i < s->conv->out; i++)
        lanes.rows[i] = s->weight + (size_t)(first_output + i) * lanes.length;
    for (size_t first = 0; first < rows; first += PACKED_DEPTH) {
        packed_transpose(&lanes, first, &tile);
        for (size_t i = first; i < first + PACKED_DEPTH && i < rows; i++)
            packed_write(
                s->packed, start + row_place(s, i, width), tile.values[i - first], lanes.count);
    }
}

static void pack_strips(void *user, size_t first, size_t last)
{
    for (size_t strip = first; strip < last; strip++)
        pack_strip(user, strip);
}

void conv_pack_panels(const struct conv *conv, int panel, int k, bool taps_inside,
    const float *weight, const struct packed *packed)
{
    struct strips strips = {conv, panel, k, taps_inside, weight, packed};
    size_t panels = ((size_t)conv->out + panel - 1) / panel;
    shares_run(panels * strips_of_panel(&strips), pack_strips, &strips);
}

/* What buffer_fill hands to the two functions below. */
struct filling {
    const struct conv *conv;
    const float *values; /* weights or bias; NULL: none */
    size_t count;        /* numbers in the buffer */
};

static void fill_weight(void *user, void *mapped)
{
    const struct filling *filling = user;
    const struct packed packed = {mapped, filling->conv->half};
    engines[filling->conv->variant]->pack(filling->conv, filling->values, &packed);
}

static void fill_bias(void *user, void *mapped)
{
    const struct filling *filling = user;
    float *bias = mapped;
    for (size_t i = 0; i < filling->count; i++)
        bias[i] = filling->values && i < (size_t)filling->conv->out ? filling->values[i] : 0.0f;
}

enum clat_status conv_load_as(struct device *device, enum conv_variant variant, const float *weight,
    const float *bias, int out, int in, int stride, int pad_before, struct conv *conv)
{
    enum clat_status status = CLAT_OK;
    *conv = (struct conv){.in = in,
        .out = out,
        .stride = stride,
        .pad_before = stride == 1 ? 1 : pad_before,
        .variant = variant,
        .half = device_stores_half(device) || engines[variant]->need == CONV_NEEDS_GROUP_UNIT,
        .bf16 = device_facts(device)->unit.bf16};
    struct filling weights = {conv, weight, engines[variant]->count(conv)};
    struct filling biases = {
        conv, bias, conv_round_up(out, 16)}; /* kernels read sixteen at a time */
    if (stride < 1 || !conv_can(device, variant, out, stride))
        FAIL(CLAT_ERROR_INTERNAL, "convolution variant %s: no stride %d to %d channels",
            engines[variant]->name, stride, out);
    TRY(buffer_new(device, weights.count * packed_size(conv->half), &conv->weight));
    TRY(buffer_new(device, biases.count * sizeof(float), &conv->bias));
    if (weight)
        TRY(buffer_fill(device, &conv->weight, fill_weight, &weights));
    TRY(buffer_fill(device, &conv->bias, fill_bias, &biases));
out:
    if (status != CLAT_OK)
        conv_free(device, conv);
    return status;
}

enum clat_status conv_load(struct device *device, const float *weight, const float *bias, int out,
    int in, int stride, int pad_before, int pixels, struct conv *conv)
{
    enum conv_variant variant = conv_choose(device, out, in, stride, pixels);
    return conv_load_as(device, variant, weight, bias, out, in, stride, pad_before, conv);
}

void conv_free(struct device *device, struct conv *conv)
{
    buffer_free(device, &conv->weight);
    buffer_free(device, &conv->bias);
}

/* Rows or columns of output for `size` of input. Padding: one on each side, or one behind. */
static int output_size(const struct conv *conv, const struct conv_call *call, int size)
{
    if (conv->stride == 1)
        return call->upsample ? 2 * size : size;
    return (size + conv->pad_before + 1 - 3) / 2 + 1;
}

static bool same_pixels(const struct tensor *a, const struct tensor *b)
{
    return a->n == b->n && a->h == b->h && a->w == b->w;
}

/* A network that calls with shapes that do not belong together is a defect of ours. */
static enum clat_status check_call(const struct conv *conv, const struct conv_call *call)
{
    const struct tensor *x = call->x, *x2 = call->x2, *y = call->y;
    int in = x->c + (x2 ? x2->c : 0);
    int h = output_size(conv, call, x->h), w = output_size(conv, call, x->w);
    if (in != conv->in || y->c != conv->out || y->n != x->n || y->h != h || y->w != w || h < 1 ||
        w < 1)
        return status_set(CLAT_ERROR_INTERNAL,
            "convolution %d to %d: input is %dx%dx%dx%d, output %dx%dx%dx%d", conv->in, conv->out,
            x->n, x->h, x->w, in, y->n, y->h, y->w, y->c);
    bool fits =
        (!x2 || same_pixels(x, x2)) && (!call->upsample || conv->stride == 1) &&
        (!call->residual || (same_pixels(y, call->residual) && call->residual->c == y->c)) &&
        (!call->fold || (call->fold->n == x->n && call->fold->w == 2 && call->fold->c == in)) &&
        (!call->time || (call->time->n == x->n && call->time->c == y->c));
    if (!fits)
        return status_set(CLAT_ERROR_INTERNAL,
            "convolution %d to %d: second input, fold, time or residual of another shape", conv->in,
            conv->out);
    return CLAT_OK;
}

enum clat_status op_conv(struct pool *pool, const struct conv *conv, const struct conv_call *call)
{
    enum clat_status status = CLAT_OK;
    struct pool_mark mark = pool_mark(pool);
    TRY(check_call(conv, call));
    METER(pool->device,
        meter_bytes(call->x) + meter_bytes(call->x2) + meter_bytes(call->residual) +
            meter_bytes(call->y) + (double)conv->weight.size,
        "conv 3x3", "%dx%dx%d, %d -> %d%s", call->y->n, call->y->h, call->y->w, conv->in, conv->out,
        conv->stride == 2 ? ", stride 2" : "");
    double work = 18.0 * conv->in * conv->out * (double)tensor_pixels(call->y);
    device_count_work(pool->device, work);
    CALL(pool->device, "conv 3x3", conv->half, work, call->x->n, call->x->h, call->x->w, call->x->c,
        call->x2 ? call->x2->c : 0, conv->out, conv->stride, conv->pad_before, call->fold != NULL,
        call->silu, call->upsample, call->time != NULL, call->residual != NULL, conv->variant);
    TRY(engines[conv->variant]->run(pool, conv, call));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}
