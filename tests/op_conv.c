/* op_conv.c - every variant of the 3x3 convolution against plain C in double.
 * SPDX-License-Identifier: MIT
 *
 * A row of the table is one layer and call; each variant that can do its stride runs it, with float
 * weights and with half ones, where the reference computes with the rounded weights. Tensors
 * are views into wider and longer ones: inputs surrounded by not-a-number, outputs by a sentinel
 * that must survive. On large maps only some pixels are compared, the corners always. */
#include "check.h"
#include "selftest/reference.h"
#include "selftest/reference_conv.h"
#include "device/group_unit.h"
#include "device/launch.h"
#include "ops/conv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NONE = 0,
    FOLD = 1,
    SILU = 2,
    UP = 4,
    TIME = 8,
    RESIDUAL = 16,
    NO_BIAS = 32,
    AFTER = 64,
    UNITS = 128 /* on every unit of sub-groups, else on the first only; large ones with bf16, too */
};

/* The first so many layers are small enough for a simulator (tests/tools/oclgrind.sh). */
#define TINY 9

#define GROUPS                                                                                     \
    (1 << CONV_PLAIN | 1 << CONV_TILED | 1 << CONV_WINOGRAD_GROUPS | 1 << CONV_NARROW_GROUPS |     \
        1 << CONV_MATRIX) /* for GPUs, too */

/* AFTER: stride 2 pads right and bottom only. */
static const struct layer {
    int c1, c2, out, n, h, w, stride, flags;
    int variants; /* bits of those to run; 0: all */
} layers[] = {
    /* tiny */
    {1, 0, 1, 1, 1, 1, 1, NONE,
        ~(1 << CONV_UNIT)}, /* one product: its error has no others' to go with */
    {5, 0, 17, 2, 1, 1, 1, FOLD | SILU, 0},
    {3, 0, 5, 1, 2, 2, 1, UP, 0},
    {5, 12, 20, 2, 3, 4, 1, FOLD | SILU | RESIDUAL, 0},
    {16, 0, 33, 1, 5, 3, 1, FOLD | TIME | NO_BIAS, 0},
    {4, 0, 70, 1, 2, 9, 1, TIME | RESIDUAL, 0},
    {5, 0, 17, 2, 3, 4, 2, NONE, 0},
    {7, 0, 9, 1, 3, 2, 2, AFTER | RESIDUAL, 0},
    {3, 2, 40, 1, 1, 5, 2, FOLD | SILU | TIME, 0},
    /* awkward */
    {16, 0, 16, 2, 5, 7, 1, FOLD | SILU | TIME | RESIDUAL, 0},
    {17, 0, 33, 2, 7, 5, 1, FOLD | TIME | NO_BIAS, 0},
    {5, 12, 20, 3, 9, 4, 1, FOLD | SILU | RESIDUAL | UNITS, 0},
    {48, 0, 48, 2, 4, 4, 1, SILU | UP, 0},
    {23, 9, 70, 2, 13, 11, 1, FOLD | SILU | TIME | RESIDUAL, 0},
    {16, 32, 64, 1, 33, 17, 1, FOLD | SILU | UNITS, 0},
    {64, 0, 48, 2, 1, 40, 1, TIME, 0},
    {8, 0, 80, 2, 40, 1, 1, RESIDUAL, 0},
    /* stride 2 */
    {5, 0, 17, 2, 5, 7, 2, NONE, 0},
    {16, 0, 32, 2, 8, 8, 2, AFTER, 0},
    {3, 2, 40, 2, 1, 9, 2, FOLD | SILU | TIME | UNITS, 0},
    {32, 0, 48, 2, 16, 16, 2, NO_BIAS, 0},
    /* first and last layers */
    {4, 0, 320, 2, 32, 32, 1, NONE, ~(1 << CONV_PLAIN)},
    {320, 0, 4, 2, 32, 32, 1, FOLD | SILU, ~(1 << CONV_PLAIN)},
    {64, 0, 3, 1, 64, 64, 1, FOLD | SILU, ~(1 << CONV_PLAIN)},
    {4, 0, 64, 1, 32, 32, 1, NONE, ~(1 << CONV_PLAIN)},
    /* as the networks have them, the portable kernels left out for time */
    {320, 0, 320, 2, 32, 32, 1, FOLD | SILU | TIME, ~3},
    {320, 320, 320, 1, 16, 16, 1, FOLD | SILU | RESIDUAL, ~3},
    {640, 0, 640, 2, 8, 8, 1, UP, ~3},
    {2560, 0, 64, 1, 8, 8, 1, NONE, ~3},
    {128, 0, 8, 2, 24, 21, 2, FOLD | SILU | TIME | RESIDUAL, ~3},
    {1280, 0, 320, 2, 4, 4, 1, FOLD | SILU | RESIDUAL, ~3},
    {320, 0, 320, 2, 32, 32, 2, NONE, ~3},
    /* more than one band of rows */
    {128, 0, 128, 2, 120, 200, 1, FOLD | SILU | TIME | RESIDUAL,
        1 << CONV_WINOGRAD | 1 << CONV_WINOGRAD_GROUPS},
    {320, 0, 48, 2, 72, 140, 1, UP, 1 << CONV_WINOGRAD_FUSED},
    {512, 0, 3, 1, 128, 256, 1, FOLD | SILU, 1 << CONV_DIRECT | 1 << CONV_NARROW},
};

/* Measured at most 2.3e-6 direct and portable, 4.7e-6 Winograd, 5.1e-6 matrix unit, both with 2560
 * channels. */
static double tolerance(enum conv_variant variant, const struct reference_conv *conv)
{
    /* Float and double, rounded to 16 bits, differ where they lie on two sides of a middle;
     * measured at most 8.7e-6. */
    if (conv->rounded && (conv->fold || conv->silu))
        return 2e-5;
    return variant == CONV_WINOGRAD || variant == CONV_WINOGRAD_FUSED ||
                   variant == CONV_WINOGRAD_GROUPS || variant == CONV_UNIT
               ? 8e-6
               : 4e-6;
}

#define SENTINEL 12345.0f
#define MARGIN 3 /* channels on either side of a view, and one image before and behind */

/* Host values of a case; freed by case_free. */
struct values {
    float *x, *x2, *fold, *weight, *rounded, *bias, *time, *residual;
};

static float *random_values(size_t count, float scale, float shift, int seed)
{
    float *values = malloc((count ? count : 1) * sizeof *values);
    check_random(values, count, seed);
    for (size_t i = 0; i < count; i++)
        values[i] = values[i] * scale + shift;
    return values;
}

static float *round_values(const float *values, size_t count, float (*round)(float))
{
    float *rounded = malloc(count * sizeof *rounded);
    for (size_t i = 0; i < count; i++)
        rounded[i] = round(values[i]);
    return rounded;
}

static struct reference_conv make_case(const struct layer *layer, struct values *values)
{
    int in = layer->c1 + layer->c2, flags = layer->flags, up = flags & UP ? 2 : 1;
    int pad = layer->stride == 2 && (flags & AFTER) ? 0 : 1;
    int height = layer->stride == 1 ? layer->h * up : (layer->h + pad - 2) / 2 + 1;
    int width = layer->stride == 1 ? layer->w * up : (layer->w + pad - 2) / 2 + 1;
    size_t pixels = (size_t)layer->n * layer->h * layer->w;
    *values = (struct values){
        .x = random_values(pixels * layer->c1, 1, 0, 1),
        .x2 = random_values(pixels * layer->c2, 1, 0, 2),
        .fold = random_values((size_t)layer->n * 2 * in, 0.5f, 1, 3),
        .weight = random_values((size_t)layer->out * in * 9, 1 / sqrtf(9.0f * in), 0, 4),
        .bias = random_values(layer->out, 0.5f, 0, 5),
        .time = random_values((size_t)layer->n * layer->out, 0.5f, 0, 6),
        .residual = random_values((size_t)layer->n * height * width * layer->out, 1, 0, 7),
    };
    values->rounded = round_values(values->weight, (size_t)layer->out * in * 9, reference_half);
    return (struct reference_conv){.n = layer->n,
        .h = layer->h,
        .w = layer->w,
        .c1 = layer->c1,
        .c2 = layer->c2,
        .out = layer->out,
        .stride = layer->stride,
        .pad = pad,
        .upsample = flags & UP,
        .silu = flags & SILU,
        .x = values->x,
        .x2 = values->x2,
        .fold = flags & FOLD ? values->fold : NULL,
        .weight = values->weight,
        .bias = flags & NO_BIAS ? NULL : values->bias,
        .time = flags & TIME ? values->time : NULL,
        .residual = flags & RESIDUAL ? values->residual : NULL,
        .height = height,
        .width = width};
}

static void case_free(struct values *values)
{
    free(values->x);
    free(values->x2);
    free(values->fold);
    free(values->weight);
    free(values->rounded);
    free(values->bias);
    free(values->time);
    free(values->residual);
}

/* A view of n x h x w x c inside a tensor that has MARGIN more channels on either side and an image
 * more before and behind, all of them `around`. Values may be NULL: `around` there as well. */
static struct tensor view(struct pool *pool, int n, int h, int w, int c, const float *values,
    float around, struct tensor *whole)
{
    CHECK_OK(pool_take(pool, POOL_FRONT, n + 2, h, w, c + 2 * MARGIN, whole));
    size_t count = tensor_elements(whole), image = count / (n + 2);
    float *fill = malloc(count * sizeof *fill);
    for (size_t i = 0; i < count; i++) {
        size_t pixel = (i - image) / whole->c, channel = i % whole->c - MARGIN;
        bool inside = i >= image && i < count - image && channel < (size_t)c;
        fill[i] = inside && values ? values[pixel * c + channel] : around;
    }
    CHECK_OK(tensor_write(pool->device, whole, fill));
    free(fill);
    struct tensor batch = tensor_batch(whole, 1, n);
    return tensor_channels(&batch, MARGIN, c);
}

/* Everything outside the view still holds the sentinel. */
static void check_margins(struct device *device, const struct tensor *whole, const char *label)
{
    size_t count = tensor_elements(whole), per_image = count / whole->n, changed = 0;
    float *values = malloc(count * sizeof *values);
    CHECK_OK(tensor_read(device, whole, values));
    for (size_t i = 0; i < count; i++) {
        int c = i % whole->c;
        bool outside =
            i < per_image || i >= count - per_image || c < MARGIN || c >= whole->c - MARGIN;
        changed += outside && values[i] != SENTINEL;
    }
    CHECK(changed == 0, "%s: %zu values outside the output were written", label, changed);
    free(values);
}

/* All pixels of small maps; of large ones the corners and about 60 others. */
static bool sampled(const struct reference_conv *conv, size_t pixel)
{
    size_t map = (size_t)conv->height * conv->width, pixels = conv->n * map;
    size_t work = pixels * conv->out * 9 * (conv->c1 + conv->c2);
    size_t at = pixel % map, column = at % conv->width;
    bool corner = (at < (size_t)conv->width || at >= map - conv->width) &&
                  (column == 0 || column + 1 == (size_t)conv->width);
    return work < 4000000 || corner || pixel % (pixels / 60 + 1) == 0;
}

static void compare(
    const struct reference_conv *conv, const float *got, double limit, const char *label)
{
    size_t pixels = (size_t)conv->n * conv->height * conv->width, kept = 0;
    float *want = malloc(pixels * conv->out * sizeof *want),
          *have = malloc(pixels * conv->out * sizeof *have);
    double *values = malloc(conv->out * sizeof *values);
    for (size_t pixel = 0; pixel < pixels; pixel++) {
        if (!sampled(conv, pixel))
            continue;
        int n = pixel / conv->width / conv->height, y = pixel / conv->width % conv->height;
        reference_conv_pixel(conv, n, y, pixel % conv->width, values);
        for (int o = 0; o < conv->out; o++, kept++) {
            want[kept] = (float)values[o];
            have[kept] = got[pixel * conv->out + o];
        }
    }
    check_near(label, have, want, kept, limit);
    if (getenv("CONV_ERRORS"))
        printf("%-60s %.2e\n", label, check_distance(have, want, kept));
    free(want);
    free(have);
    free(values);
}

/* Scratch that an op takes now holds not-a-number: whatever it does not write itself would show. */
static void poison_scratch(struct pool *pool)
{
    struct pool_mark mark = pool_mark(pool);
    struct tensor scratch;
    CHECK_OK(pool_take(pool, POOL_BACK, 1, 1, 1024, 1024, &scratch));
    float *values = malloc(tensor_elements(&scratch) * sizeof *values);
    for (size_t i = 0; i < tensor_elements(&scratch); i++)
        values[i] = NAN;
    CHECK_OK(tensor_write(pool->device, &scratch, values));
    free(values);
    pool_release(pool, POOL_BACK, mark);
}

static void run_variant(struct pool *pool, const struct reference_conv *conv,
    enum conv_variant variant, const float *weight)
{
    struct device *device = pool->device;
    char label[160];
    const struct group_unit *unit = &device_facts(device)->unit;
    bool emulated =
        (variant == CONV_UNIT && device_facts(device)->matrix_unit == MATRIX_UNIT_EMULATED) ||
        (variant == CONV_MATRIX && unit->emulated);
    snprintf(label, sizeof label, "%s%s%s%s%s: %d+%d -> %d, %dx%dx%d, stride %d pad %d%s%s%s%s%s",
        conv_engine(variant)->name, emulated ? ", emulated " : "",
        variant == CONV_MATRIX ? unit_shape(unit->kind)->name : "",
        variant == CONV_MATRIX && unit->bf16 ? " bf16" : "",
        device_stores_half(device) ? ", half" : "", conv->c1, conv->c2, conv->out, conv->n, conv->h,
        conv->w, conv->stride, conv->pad, conv->upsample ? " up" : "", conv->fold ? " fold" : "",
        conv->silu ? " silu" : "", conv->time ? " time" : "", conv->residual ? " residual" : "");
    struct pool_mark mark = pool_mark(pool);
    struct tensor whole, x, x2 = {0}, fold, time, residual, y, y_whole;
    x = view(pool, conv->n, conv->h, conv->w, conv->c1, conv->x, NAN, &whole);
    if (conv->c2)
        x2 = view(pool, conv->n, conv->h, conv->w, conv->c2, conv->x2, NAN, &whole);
    if (conv->fold) {
        CHECK_OK(pool_take(pool, POOL_FRONT, conv->n, 1, 2, conv->c1 + conv->c2, &fold));
        CHECK_OK(tensor_write(device, &fold, conv->fold));
    }
    if (conv->time)
        time = view(pool, conv->n, 1, 1, conv->out, conv->time, NAN, &whole);
    if (conv->residual)
        residual =
            view(pool, conv->n, conv->height, conv->width, conv->out, conv->residual, NAN, &whole);
    y = view(pool, conv->n, conv->height, conv->width, conv->out, NULL, SENTINEL, &y_whole);

    struct conv layer;
    struct conv_call call = {.x = &x,
        .x2 = conv->c2 ? &x2 : NULL,
        .fold = conv->fold ? &fold : NULL,
        .silu = conv->silu,
        .upsample = conv->upsample,
        .time = conv->time ? &time : NULL,
        .residual = conv->residual ? &residual : NULL,
        .y = &y};
    float *got = malloc(tensor_elements(&y) * sizeof *got);
    size_t back = pool->back;
    poison_scratch(pool);
    CHECK_OK(conv_load_as(device, variant, weight, conv->bias, conv->out, conv->c1 + conv->c2,
        conv->stride, conv->pad, &layer));
    if (CHECK_OK(op_conv(pool, &layer, &call)) && CHECK_OK(tensor_read(device, &y, got)))
        compare(conv, got, tolerance(variant, conv), label);
    check_margins(device, &y_whole, label);
    CHECK(pool->back == back, "%s: %zu bytes of scratch not given back", label, pool->back - back);
    conv_free(device, &layer);
    pool_release(pool, POOL_FRONT, mark);
    free(got);
}

/* With the weights as they are, and rounded when they are stored. */
static void run_both(struct pool *pool, struct reference_conv conv, enum conv_variant variant,
    const struct values *values)
{
    run_variant(pool, &conv, variant, values->weight);
    if (variant == CONV_UNIT)
        return;
    device_store_half(pool->device, true);
    conv.weight = values->rounded;
    run_variant(pool, &conv, variant, values->weight);
    device_store_half(pool->device, false);
}

/* The matrix unit in plain OpenCL C, whatever the device has. */
static void run_emulated(struct pool *pool, struct reference_conv conv, const struct values *values)
{
    device_force_matrix_unit(pool->device, MATRIX_UNIT_EMULATED);
    if (conv_can(pool->device, CONV_UNIT, conv.out, conv.stride))
        run_variant(pool, &conv, CONV_UNIT, values->weight);
    device_allow_matrix_unit(pool->device, true);
}

#define UNIT_WORK 3e7 /* multiply-adds that are emulated in passable time */

/* On one unit of sub-groups: the reference rounds both factors as the unit takes them. */
static void run_unit(struct pool *pool, struct reference_conv conv, struct group_unit unit)
{
    size_t count = (size_t)conv.out * (conv.c1 + conv.c2) * 9;
    const float *weight = conv.weight;
    float *rounded = round_values(weight, count, unit.bf16 ? reference_bf16 : reference_half);
    device_force_unit(pool->device, unit);
    conv.rounded = unit.bf16 ? reference_bf16 : reference_half;
    conv.weight = rounded;
    run_variant(pool, &conv, CONV_MATRIX, weight);
    free(rounded);
}

/* Units of sub-groups, emulated. */
static void run_units(
    struct pool *pool, const struct layer *layer, const struct reference_conv *conv)
{
    double work = 9.0 * conv->n * conv->height * conv->width * conv->out * (conv->c1 + conv->c2);
    bool cpu = device_facts(pool->device)->is_cpu;
    device_force_shape(pool->device, false);
    for (int kind = UNIT_NONE + 1; kind < UNIT_KINDS && work <= UNIT_WORK; kind++)
        for (int bf16 = 0; bf16 <= unit_shape((enum unit_kind)kind)->has_bf16; bf16++)
            if (bf16 ? layer->flags & UNITS && conv->h > 3
                     : layer->flags & UNITS || kind == UNIT_NONE + 1)
                run_unit(pool, *conv, (struct group_unit){(enum unit_kind)kind, bf16, true});
    device_force_shape(pool->device, cpu);
    device_allow_matrix_unit(pool->device, true);
}

/* Variants that are for CPUs need not run on a device that says so. */
static bool is_wanted(const struct device *device, const struct layer *layer, int variant)
{
    if (device_facts(device)->groups_only && !(GROUPS & 1 << variant))
        return false;
    return !layer->variants || layer->variants & 1 << variant;
}

static void test_layers(struct device *device)
{
    struct pool pool;
    bool tiny = getenv("CLATENT_TEST_TINY");
    size_t count = tiny ? TINY : sizeof layers / sizeof layers[0];
    if (!CHECK_OK(pool_open(device, (size_t)(tiny ? 8 : 512) << 20, &pool)))
        return;
    device_allow_matrix_unit(device, true);
    for (size_t i = 0; i < count; i++) {
        struct values values;
        struct reference_conv conv = make_case(&layers[i], &values);
        for (int variant = 0; variant < CONV_VARIANTS; variant++)
            if (is_wanted(device, &layers[i], variant) &&
                conv_can(device, variant, conv.out, conv.stride))
                run_both(&pool, conv, variant, &values);
        if (is_wanted(device, &layers[i], CONV_UNIT))
            run_emulated(&pool, conv, &values);
        if (is_wanted(device, &layers[i], CONV_MATRIX))
            run_units(&pool, &layers[i], &conv);
        case_free(&values);
    }
    pool_close(&pool);
}

/* The stride-1 layers of the text-to-image UNet and its decoder: {in, out, side, how many}. */
static const int model[][4] = {{4, 320, 32, 1}, {320, 320, 32, 7}, {320, 640, 16, 1},
    {640, 640, 16, 6}, {640, 1280, 8, 1}, {1280, 1280, 8, 6}, {1280, 1280, 4, 11},
    {2560, 1280, 4, 3}, {1280, 1280, 8, 1}, {2560, 1280, 8, 2}, {1920, 1280, 8, 1},
    {1280, 1280, 16, 1}, {1920, 640, 16, 1}, {1280, 640, 16, 1}, {960, 640, 16, 1},
    {640, 640, 32, 1}, {960, 320, 32, 1}, {640, 320, 32, 2}, {320, 4, 32, 1}, {4, 512, 32, 1},
    {512, 512, 32, 10}, {512, 512, 64, 7}, {512, 512, 128, 1}, {512, 256, 128, 1},
    {256, 256, 128, 5}, {256, 256, 256, 1}, {256, 128, 256, 1}, {128, 128, 256, 5},
    {128, 3, 256, 1}};

/* What the choice of variants adds to the model's own bytes, and the scratch of any call, are
 * bounded. */
static void test_memory(const struct device_facts *facts, bool half)
{
    struct device *device;
    struct pool pool;
    CHECK_OK(device_open_dry(facts, &device));
    device_store_half(device, half);
    CHECK_OK(pool_open(device, 0, &pool));
    double raw = 0, work = 0;
    for (size_t i = 0; i < sizeof model / sizeof model[0]; i++)
        for (int times = 0; times < model[i][3]; times++) {
            int in = model[i][0], out = model[i][1], side = model[i][2];
            struct conv conv;
            struct tensor x, y;
            struct pool_mark mark = pool_mark(&pool);
            raw += (half ? 18.0 : 36.0) * in * out + 4.0 * out;
            work += 18.0 * in * out * side * side * 2;
            CHECK_OK(conv_load(device, NULL, NULL, out, in, 1, 1, side * side, &conv));
            CHECK_OK(pool_take(&pool, POOL_FRONT, 2, side, side, in, &x));
            CHECK_OK(pool_take(&pool, POOL_FRONT, 2, side, side, out, &y));
            pool.peak = 0;
            CHECK_OK(op_conv(&pool, &conv, &(struct conv_call){.x = &x, .y = &y}));
            CHECK(pool.peak <= pool.front + ((size_t)128 << 20),
                "%d to %d at %d: %zu bytes of scratch", in, out, side, pool.peak - pool.front);
            pool_release(&pool, POOL_FRONT, mark);
        }
    double added = device_memory_used(device) - raw;
    CHECK(added <= 0.01 * raw, "%.0f bytes more than the plain weights", added);
    CHECK(device_work(device) == work, "counted %.17g of %.17g", device_work(device), work);
    pool_close(&pool);
    device_close(device);
}

/* Shapes that do not belong together are refused, and nothing is written. */
static void test_refusals(struct device *device)
{
    struct pool pool;
    struct conv conv;
    struct tensor x, y, small;
    float weight[9 * 2 * 3] = {0};
    CHECK_OK(pool_open(device, 1 << 20, &pool));
    CHECK_OK(conv_load(device, weight, NULL, 3, 2, 1, 1, 0, &conv));
    CHECK_OK(pool_take(&pool, POOL_FRONT, 1, 4, 4, 2, &x));
    CHECK_OK(pool_take(&pool, POOL_FRONT, 1, 4, 4, 3, &y));
    CHECK_OK(pool_take(&pool, POOL_FRONT, 1, 4, 3, 3, &small));
    CHECK_FAILS(op_conv(&pool, &conv, &(struct conv_call){.x = &x, .y = &small}),
        CLAT_ERROR_INTERNAL, "output 1x4x3x3");
    CHECK_FAILS(op_conv(&pool, &conv, &(struct conv_call){.x = &y, .y = &y}), CLAT_ERROR_INTERNAL,
        "input is 1x4x4x3");
    CHECK_FAILS(op_conv(&pool, &conv, &(struct conv_call){.x = &x, .y = &y, .residual = &small}),
        CLAT_ERROR_INTERNAL, "of another shape");
    conv_free(device, &conv);
    CHECK_FAILS(conv_load_as(device, CONV_WINOGRAD, weight, NULL, 3, 2, 2, 1, &conv),
        CLAT_ERROR_INTERNAL, "no stride 2");
    CHECK_FAILS(conv_load_as(device, CONV_NARROW, weight, NULL, 17, 2, 1, 1, &conv),
        CLAT_ERROR_INTERNAL, "to 17 channels");
    pool_close(&pool);
}

int main(void)
{
    struct device *device;
    const struct device_facts gpu = {
        .compute_units = 16, .global_memory = (size_t)4 << 30, .largest_buffer = (size_t)1 << 30};
    for (int half = 0; half <= 1; half++) {
        test_memory(NULL, half);
        test_memory(&gpu, half);
    }
    if (device_open(NULL, &device) != CLAT_OK)
        check_skip("no OpenCL device");
    test_layers(device);
    test_refusals(device);
    device_close(device);
    return check_result();
}
