/* net_ldmbert.c - the text encoder against the reference. SPDX-License-Identifier: MIT */
#include "networks/ldmbert.h"
#include "check.h"
#include "golden.h"

#include <stdlib.h>
#include <string.h>

#define TOKENS 77

static struct device *device;
static struct weights *goldens;

/* Ids to embeddings; the first `count` prompts of bert/out: prompts 2, 0, 4, 9 of the token list.
 */
static void encode(struct golden_model *opened, const struct ldmbert *bert, int count,
    float *values, struct golden_tap *tap)
{
    static const int picked[] = {2, 0, 4, 9};
    const unsigned char *ids = golden_find(goldens, "tok/ids")->data;
    int32_t rows[4 * TOKENS];
    int d = bert->config.d_model;
    struct device *dry;
    struct pool pool;
    struct tensor x, y;
    size_t bytes;
    for (int i = 0; i < count; i++)
        memcpy(rows + i * TOKENS, ids + (size_t)picked[i] * TOKENS * 4, TOKENS * 4);
    CHECK_OK(ldmbert_embed(opened->loader.weights, &bert->config, rows, count, TOKENS, values));
    CHECK_OK(device_open_dry(device_facts(device), &dry));
    CHECK_OK(ldmbert_measure(bert, dry, count, TOKENS, &bytes));
    CHECK_OK(pool_open(device, bytes, &pool));
    CHECK_OK(pool_take(&pool, POOL_FRONT, count, 1, TOKENS, d, &x));
    CHECK_OK(pool_take(&pool, POOL_FRONT, count, 1, TOKENS, d, &y));
    CHECK_OK(tensor_write(device, &x, values));
    struct forward run = {.pool = &pool, .tap = tap ? golden_compare : NULL, .user = tap};
    CHECK_OK(ldmbert_forward(&run, bert, &x, &y));
    CHECK_OK(tensor_read(device, &y, values));
    CHECK(pool.peak <= bytes, "measured %zu bytes, %zu were taken", bytes, pool.peak);
    pool_close(&pool);
    device_close(dry);
}

static void check_layout(const char *folder, const char *variant, double limit)
{
    struct golden_model opened;
    struct ldmbert bert;
    struct golden_tap tap = {device, goldens, "act/bert.", 0};
    golden_model_open(&opened, folder, variant, COMPONENT_CONDITION, device);
    if (CHECK_OK(ldmbert_load(&opened.loader, &opened.model->text_encoder, &bert))) {
        size_t row = (size_t)TOKENS * (size_t)bert.config.d_model;
        float *values = malloc(4 * row * sizeof *values);
        encode(&opened, &bert, 4, values, NULL);
        check_near(folder, values, golden_floats(goldens, "bert/out"), 4 * row, limit);
        if (!variant) {
            encode(&opened, &bert, 1, values, &tap);
            check_near("one prompt", values, golden_floats(goldens, "bert/out"), row, limit);
            CHECK(tap.compared == bert.config.layers, "%d layers were compared", tap.compared);
        }
        free(values);
    }
    ldmbert_free(device, &bert);
    golden_model_close(&opened);
}

/* What the tokenizer cannot give is refused before the table is read. */
static void check_bad_id(void)
{
    struct golden_model opened;
    float values[TOKENS * 40];
    int32_t ids[TOKENS] = {0};
    golden_model_open(&opened, check_data("ldm-text2im-tiny"), NULL, COMPONENT_CONDITION, device);
    ids[3] = opened.model->text_encoder.vocab_size;
    CHECK_FAILS(
        ldmbert_embed(opened.loader.weights, &opened.model->text_encoder, ids, 1, TOKENS, values),
        CLAT_ERROR_INPUT, "token 320, but the text encoder's table has 320 rows");
    golden_model_close(&opened);
}

int main(void)
{
    device = golden_device();
    goldens = golden_open(check_data("goldens/ldm-text2im-tiny.safetensors"));
    check_layout(golden_layout("safetensors"), NULL, GOLDEN_LIMIT);
    check_layout(golden_layout("bin"), NULL, GOLDEN_LIMIT);
    /* half-precision files differ by their rounding of the weights */
    check_layout(check_data("ldm-text2im-tiny"), "fp16", 2e-3);
    check_bad_id();
    device_force_shape(device, false); /* the portable kernels, which GPUs run */
    check_layout(golden_layout("safetensors"), NULL, GOLDEN_LIMIT);
    weights_close(goldens);
    device_close(device);
    return check_result();
}
