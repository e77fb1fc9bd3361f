/* gemm.c - linear layers: weights packed at load, products with their epilogue in one kernel.
 * SPDX-License-Identifier: MIT
 *
 * How weights are packed follows the engine that the device has for the layer: gemm_cpu.c and
 * gemm_groups.c read the same panels; gemm_tile.c, gemm_matrix.c and gemm_clblast.c have their own
 * order. */
#include "ops/gemm.h"
#include "base/memory.h"
#include "base/shares.h"
#include "ops/packed.h"
#include "device/fallback.h"
#include "device/launch.h"
#include "device/meter.h"

#include <limits.h>
#include <string.h>

enum { WEIGHT_PACKED, WEIGHT_TILES, WEIGHT_MATRIX, WEIGHT_ROWS }; /* linear.variant */

int gemm_columns(int out, bool pairs)
{
    long long blocks = ((long long)out + 15) / 16 * (pairs ? 2 : 1);
    long long columns = (blocks * 16 + GEMM_PANEL - 1) / GEMM_PANEL * GEMM_PANEL;
    return columns <= INT_MAX ? (int)columns : 0;
}

int gemm_source_row(int column, int out, bool pairs)
{
    int block = column / 16, lane = column % 16;
    int row = (pairs ? block / 2 : block) * 16 + lane;
    if (row >= out)
        return -1;
    return pairs && block % 2 ? out + row : row;
}

/* ---- packing -------------------------------------------------------------------------------- */

struct packing {
    const float *weight, *bias;
    int out, in, columns;
    bool pairs, half, bf16;
    struct packed packed; /* the buffer that is being filled with the weights */
};

_Static_assert(GEMM_PANEL == PACKED_LANES, "a panel is as wide as a tile");

static void pack_panel(const struct packing *p, size_t panel)
{
    struct packed_lanes lanes = {.count = GEMM_PANEL, .length = (size_t)p->in};
    struct packed_tile tile;
    for (int lane = 0; lane < GEMM_PANEL; lane++) {
        int row = gemm_source_row((int)panel * GEMM_PANEL + lane, p->out, p->pairs);
        lanes.rows[lane] = row < 0 ? NULL : p->weight + (size_t)row * p->in;
    }
    for (size_t first = 0; first < lanes.length; first += PACKED_DEPTH) {
        size_t left = lanes.length - first, depth = left < PACKED_DEPTH ? left : PACKED_DEPTH;
        packed_transpose(&lanes, first, &tile);
        packed_write(&p->packed, (panel * lanes.length + first) * GEMM_PANEL, tile.values[0],
            (int)depth * GEMM_PANEL);
    }
}

static void pack_panels(void *user, size_t first, size_t last)
{
    for (size_t panel = first; panel < last; panel++)
        pack_panel(user, panel);
}

static void pack_weight(void *user, void *mapped)
{
    struct packing *p = user;
    p->packed = (struct packed){mapped, p->half};
    shares_run((size_t)p->columns / GEMM_PANEL, pack_panels, p);
}

static void pack_tile_panels(void *user, size_t first, size_t last)
{
    const struct packing *p = user;
    gemm_tile_pack(p->weight, p->out, p->in, p->pairs, (int)first * GEMM_PANEL,
        (int)last * GEMM_PANEL, p->packed.memory);
}

static void pack_tiles(void *user, void *mapped)
{
    struct packing *p = user;
    p->packed.memory = mapped;
    shares_run((size_t)p->columns / GEMM_PANEL, pack_tile_panels, p);
}

static void pack_matrix_panels(void *user, size_t first, size_t last)
{
    const struct packing *p = user;
    gemm_matrix_pack(p->weight, p->out, p->in, p->pairs, p->bf16, (int)first * GEMM_PANEL,
        (int)last * GEMM_PANEL, p->packed.memory);
}

static void pack_matrix(void *user, void *mapped)
{
    struct packing *p = user;
    p->packed.memory = mapped;
    shares_run((size_t)p->columns / GEMM_PANEL, pack_matrix_panels, p);
}

static void pack_bias(void *user, void *mapped)
{
    const struct packing *p = user;
    float *packed = mapped;
    for (int column = 0; column < p->columns; column++) {
        int row = gemm_source_row(column, p->out, p->pairs);
        packed[column] = row < 0 || !p->bias ? 0 : p->bias[row];
    }
}

static void copy_weight(void *user, void *mapped)
{
    const struct packing *p = user;
    memcpy(mapped, p->weight, (size_t)p->columns * p->in * sizeof(float));
}

static void copy_bias(void *user, void *mapped)
{
    const struct packing *p = user;
    if (p->bias)
        memcpy(mapped, p->bias, (size_t)p->columns * sizeof(float));
    else
        memset(mapped, 0, (size_t)p->columns * sizeof(float));
}

/* A buffer of `count` rows of `size` numbers. */
static enum clat_status make_buffer(struct device *device, int count, int size, bool half,
    void (*fill)(void *user, void *mapped), struct packing *packing, struct buffer *buffer)
{
    enum clat_status status;
    size_t bytes;
    if (!size_mul((size_t)count, (size_t)size, &bytes) ||
        !size_mul(bytes, packed_size(half), &bytes))
        return status_set(
            CLAT_ERROR_MEMORY, "a layer of %d x %d weights is too large", count, size);
    TRY(buffer_new(device, bytes, buffer));
    TRY(buffer_fill(device, buffer, fill, packing));
out:
    return status;
}

/* What a tuning table says; 0: nothing. */
static int tuned_engine(const struct device *device, int columns, int in)
{
    return tuning_find(device, TUNED_LINEAR, TUNING_SHAPE(in, columns))[LINEAR_ENGINE];
}

/* A table may pick CLBlast where nobody has said that it must not. */
static bool takes_clblast(const struct device *device, int tuned)
{
    enum gemm_engine engine = gemm_engine_of(device);
    if (device_stores_half(device) || engine == GEMM_OWN)
        return false;
    return engine == GEMM_CLBLAST || (tuned == ENGINE_CLBLAST && gemm_clblast_is_there());
}

/* What linear_load() packs for, and with what. */
static int choose_variant(const struct device *device, int out, int in, bool pairs)
{
    int tuned = tuned_engine(device, out * (pairs ? 2 : 1), in);
    if (takes_clblast(device, tuned))
        return WEIGHT_ROWS;
    if (tuned == ENGINE_PACKED)
        return WEIGHT_PACKED;
    if (gemm_matrix_suits(device, out, in))
        return WEIGHT_MATRIX;
    return gemm_tile_suits(device, out, in) ? WEIGHT_TILES : WEIGHT_PACKED;
}

static enum clat_status make_buffers(
    struct device *device, struct packing *p, struct linear *linear)
{
    enum clat_status status;
    if (linear->variant == WEIGHT_ROWS) {
        TRY(make_buffer(device, p->columns, p->in, false, copy_weight, p, &linear->weight));
        TRY(make_buffer(device, p->columns, 1, false, copy_bias, p, &linear->bias));
        goto out;
    }
    if (linear->variant == WEIGHT_TILES)
        TRY(make_buffer(
            device, p->columns, gemm_tile_depth(p->in), false, pack_tiles, p, &linear->weight));
    else if (linear->variant == WEIGHT_MATRIX)
        TRY(make_buffer(device, p->columns, blocks_of(p->in, GEMM_MATRIX_STEP) * GEMM_MATRIX_STEP,
            true, pack_matrix, p, &linear->weight));
    else
        TRY(make_buffer(device, p->columns, p->in, p->half, pack_weight, p, &linear->weight));
    TRY(make_buffer(device, p->columns, 1, false, pack_bias, p, &linear->bias));
out:
    return status;
}

enum clat_status linear_load(struct device *device, const float *weight, const float *bias, int out,
    int in, enum activation activation, struct linear *linear)
{
    bool pairs = activation == ACTIVATION_GEGLU, half = device_stores_half(device);
    struct packing packing = {
        .weight = weight, .bias = bias, .out = out, .in = in, .pairs = pairs, .half = half};
    enum clat_status status = CLAT_OK;
    *linear = (struct linear){.in = in,
        .out = out,
        .activation = activation,
        .half = half,
        .bf16 = device_facts(device)->unit.bf16,
        .variant = choose_variant(device, out, in, pairs)};
    packing.bf16 = linear->bf16;
    if (linear->variant == WEIGHT_ROWS)
        TRY(gemm_clblast_check());
    if (out < 1 || in < 1 || out > INT_MAX / 4 || (!weight && !device_is_dry(device)))
        FAIL(CLAT_ERROR_INTERNAL, "linear layer of %d x %d%s", out, in,
            weight ? "" : ", no weights");
    packing.columns =
        linear->variant == WEIGHT_ROWS ? out * (pairs ? 2 : 1) : gemm_columns(out, pairs);
    TRY(make_buffers(device, &packing, linear));
out:
    if (status != CLAT_OK)
        linear_free(device, linear);
    return status;
}

void linear_free(struct device *device, struct linear *linear)
{
    buffer_free(device, &linear->weight);
    buffer_free(device, &linear->bias);
    *linear = (struct linear){0};
}

/* ---- products ------------------------------------------------------------------------------- */

void gemm_arguments(const struct product *p, struct argument arguments[GEMM_ARGUMENTS])
{
    const struct argument all[GEMM_ARGUMENTS] = {ARG_TENSOR(p->x), ARG_INT(p->x->stride),
        ARG_INT(p->x->c), ARG_TENSOR(p->x2), ARG_INT(tensor_stride(p->x2)),
        ARG_INT(p->x2 ? p->x2->c : 0), ARG_TENSOR(p->weight), ARG_BUFFER(p->bias),
        ARG_TENSOR(p->residual), ARG_INT(tensor_stride(p->residual)), ARG_TENSOR(p->y),
        ARG_INT(p->y->stride), ARG_INT((int)tensor_pixels(p->y)), ARG_INT(p->out),
        ARG_INT(p->activation), ARG_INT(p->activation == ACTIVATION_GEGLU)};
    memcpy(arguments, all, sizeof all);
}

enum clat_status gemm_run(struct pool *pool, const struct product *product)
{
    const struct device_facts *facts = device_facts(pool->device);
    if (facts->is_cpu && !fallback_is_taken(facts, "gemm_cpu"))
        return gemm_cpu_run(pool->device, product);
    return gemm_groups_run(pool, product);
}

/* ---- the op --------------------------------------------------------------------------------- */

static enum clat_status check_shapes(const struct linear *linear, const struct tensor *x,
    const struct tensor *x2, const struct tensor *residual, const struct tensor *y)
{
    size_t rows = tensor_pixels(y);
    int in = x->c + (x2 ? x2->c : 0);
    if (in != linear->in || y->c != linear->out || (residual && residual->c != linear->out))
        return status_set(CLAT_ERROR_INTERNAL,
            "op_linear: a layer of %d to %d columns got %d to %d", linear->in, linear->out, in,
            y->c);
    if (tensor_pixels(x) != rows || (x2 && tensor_pixels(x2) != rows) || rows > INT_MAX / 4 ||
        (residual && tensor_pixels(residual) != rows))
        return status_set(
            CLAT_ERROR_INTERNAL, "op_linear: %zu rows of x for %zu of y", tensor_pixels(x), rows);
    return CLAT_OK;
}

enum clat_status op_linear(struct pool *pool, const struct linear *linear, const struct tensor *x,
    const struct tensor *x2, const struct tensor *residual, const struct tensor *y)
{
    enum clat_status status;
    TRY(check_shapes(linear, x, x2, residual, y));
    METER(pool->device,
        meter_bytes(x) + meter_bytes(x2) + meter_bytes(residual) + meter_bytes(y) +
            (double)linear->weight.size,
        "linear", "%zu x %d -> %d%s", tensor_pixels(y), linear->in, linear->out,
        linear->activation == ACTIVATION_GEGLU ? " GEGLU" : "");
    double columns = linear->out * (linear->activation == ACTIVATION_GEGLU ? 2.0 : 1.0);
    double work = 2.0 * (double)tensor_pixels(y) * columns * linear->in;
    device_count_work(pool->device, work);
    tuning_note(pool->device, TUNED_LINEAR,
        TUNING_SHAPE(linear->in, (int)columns, (int)tensor_pixels(y) / y->n));
    if (linear->variant == WEIGHT_ROWS)
        return gemm_clblast_run(pool, linear, x, x2, residual, y);
    CALL(pool->device, "linear", linear->half, work, y->n, (int)tensor_pixels(y), linear->in,
        x2 ? x2->c : 0, linear->out, (int)linear->activation, residual != NULL);
    struct tensor weight = {.memory = linear->weight.memory};
    struct product product = {.x = x,
        .x2 = x2,
        .weight = &weight,
        .half = linear->half,
        .bf16 = linear->bf16,
        .bias = &linear->bias,
        .residual = residual,
        .y = y,
        .out = linear->out,
        .activation = linear->activation};
    TRY(linear->variant == WEIGHT_TILES    ? gemm_tile_run(pool, &product)
        : linear->variant == WEIGHT_MATRIX ? gemm_matrix_run(pool, &product)
                                           : gemm_run(pool, &product));
out:
    return status;
}
