/* ldmbert.c - the text encoder of LDM text-to-image. SPDX-License-Identifier: MIT */
#include "networks/ldmbert.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

#define NORM_EPS 1e-5f

static enum clat_status layer_load(struct loader *loader, const char *name,
    const struct ldmbert_config *config, struct ldmbert_layer *layer)
{
    enum clat_status status;
    int d = config->d_model, inner = config->heads * config->head_dim, ffn = config->ffn_dim;
    struct part qkv[] = {{path_in(name, "self_attn.q_proj"), inner},
        {path_in(name, "self_attn.k_proj"), inner}, {path_in(name, "self_attn.v_proj"), inner}};
    TRY(loader_norm(loader, path_in(name, "self_attn_layer_norm").text, d, 0, NORM_EPS,
        &layer->self_attn_layer_norm));
    TRY(loader_joined(loader, qkv, 3, d, false, &layer->qkv));
    TRY(loader_linear(loader, path_in(name, "self_attn.out_proj").text, d, inner, true,
        ACTIVATION_NONE, &layer->out_proj));
    TRY(loader_norm(
        loader, path_in(name, "final_layer_norm").text, d, 0, NORM_EPS, &layer->final_layer_norm));
    TRY(loader_linear(
        loader, path_in(name, "fc1").text, ffn, d, true, ACTIVATION_GELU, &layer->fc1));
    TRY(loader_linear(
        loader, path_in(name, "fc2").text, d, ffn, true, ACTIVATION_NONE, &layer->fc2));
out:
    return status;
}

/* The tables stay in the file (ldmbert_embed reads the rows it needs); here they are only checked.
 */
static enum clat_status tables_check(struct loader *loader, const struct ldmbert_config *config)
{
    enum clat_status status;
    const float *values;
    size_t d = (size_t)config->d_model;
    size_t tokens[] = {(size_t)config->vocab_size, d};
    size_t positions[] = {(size_t)config->max_position_embeddings, d};
    TRY(loader_tensor(loader, "model.embed_tokens.weight", 2, tokens, &values));
    TRY(loader_tensor(loader, "model.embed_positions.weight", 2, positions, &values));
out:
    weights_done(loader->weights);
    return status;
}

enum clat_status ldmbert_load(
    struct loader *loader, const struct ldmbert_config *config, struct ldmbert *bert)
{
    enum clat_status status;
    *bert = (struct ldmbert){.config = *config};
    TRY(memory_new((size_t)config->layers, sizeof *bert->layers, &bert->layers));
    TRY(tables_check(loader, config));
    for (int i = 0; i < config->layers; i++)
        TRY(layer_load(loader, path_in("model", "layers.%d", i).text, config, &bert->layers[i]));
    TRY(loader_norm(loader, "model.layer_norm", config->d_model, 0, NORM_EPS, &bert->layer_norm));
out:
    return status;
}

void ldmbert_free(struct device *device, struct ldmbert *bert)
{
    for (int i = 0; bert->layers && i < bert->config.layers; i++) {
        struct ldmbert_layer *layer = &bert->layers[i];
        norm_free(device, &layer->self_attn_layer_norm);
        norm_free(device, &layer->final_layer_norm);
        linear_free(device, &layer->qkv);
        linear_free(device, &layer->out_proj);
        linear_free(device, &layer->fc1);
        linear_free(device, &layer->fc2);
    }
    norm_free(device, &bert->layer_norm);
    free(bert->layers);
    bert->layers = NULL;
}

static void add_rows(const float *token, const float *position, int width, float *sum)
{
    for (int i = 0; i < width; i++)
        sum[i] = token[i] + position[i];
}

enum clat_status ldmbert_embed(struct weights *weights, const struct ldmbert_config *config,
    const int32_t *ids, int prompts, int tokens, float *values)
{
    enum clat_status status;
    int d = config->d_model;
    const float *token_table, *position_table;
    size_t token_shape[] = {(size_t)config->vocab_size, (size_t)d};
    size_t position_shape[] = {(size_t)config->max_position_embeddings, (size_t)d};
    TRY(weights_float(weights, "model.embed_tokens.weight", 2, token_shape, &token_table));
    TRY(weights_float(weights, "model.embed_positions.weight", 2, position_shape, &position_table));
    for (int i = 0; i < prompts * tokens; i++) {
        if (ids[i] < 0 || ids[i] >= config->vocab_size)
            FAIL(CLAT_ERROR_INPUT,
                "the tokenizer gives token %d, but the text encoder's table has %d rows",
                (int)ids[i], config->vocab_size);
        add_rows(token_table + (size_t)ids[i] * (size_t)d,
            position_table + (size_t)(i % tokens) * (size_t)d, d, values + (size_t)i * (size_t)d);
    }
out:
    weights_done(weights);
    return status;
}

/* b = a + out_proj(attention); q is scaled before the product, which is the same. */
static enum clat_status attend(const struct forward *run, const struct ldmbert_config *config,
    const struct ldmbert_layer *layer, const struct tensor *a, const struct tensor *b)
{
    enum clat_status status;
    struct pool *pool = run->pool;
    struct pool_mark mark = pool_mark(pool);
    int inner = config->heads * config->head_dim;
    struct tensor normed, qkv, mixed;
    TRY(pool_take(pool, POOL_BACK, a->n, 1, a->w, a->c, &normed));
    TRY(pool_take(pool, POOL_BACK, a->n, 1, a->w, 3 * inner, &qkv));
    TRY(pool_take(pool, POOL_BACK, a->n, 1, a->w, inner, &mixed));
    TRY(op_layer_norm(pool, &layer->self_attn_layer_norm, a, &normed));
    TRY(op_linear(pool, &layer->qkv, &normed, NULL, NULL, &qkv));
    struct tensor q = tensor_channels(&qkv, 0, inner), k = tensor_channels(&qkv, inner, inner);
    struct tensor v = tensor_channels(&qkv, 2 * inner, inner);
    TRY(op_attention(
        pool, &q, &k, &v, config->heads, 1 / sqrtf((float)config->head_dim), false, &mixed));
    TRY(op_linear(pool, &layer->out_proj, &mixed, NULL, a, b));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}

/* b = a + fc2(GELU(fc1(norm(a)))) */
static enum clat_status feed_forward(const struct forward *run, const struct ldmbert_layer *layer,
    const struct tensor *a, const struct tensor *b)
{
    enum clat_status status;
    struct pool *pool = run->pool;
    struct pool_mark mark = pool_mark(pool);
    struct tensor normed, wide;
    TRY(pool_take(pool, POOL_BACK, a->n, 1, a->w, a->c, &normed));
    TRY(pool_take(pool, POOL_BACK, a->n, 1, a->w, layer->fc1.out, &wide));
    TRY(op_layer_norm(pool, &layer->final_layer_norm, a, &normed));
    TRY(op_linear(pool, &layer->fc1, &normed, NULL, NULL, &wide));
    TRY(op_linear(pool, &layer->fc2, &wide, NULL, a, b));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}

enum clat_status ldmbert_forward(const struct forward *run, const struct ldmbert *bert,
    const struct tensor *x, const struct tensor *y)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor a, b;
    const struct tensor *hidden = x;
    TRY(pool_take(run->pool, POOL_BACK, x->n, 1, x->w, x->c, &a));
    TRY(pool_take(run->pool, POOL_BACK, x->n, 1, x->w, x->c, &b));
    TRY(forward_tap(run, x, "model.embeddings"));
    for (int i = 0; i < bert->config.layers; i++) {
        TRY(attend(run, &bert->config, &bert->layers[i], hidden, &b));
        TRY(feed_forward(run, &bert->layers[i], &b, &a));
        TRY(forward_tap(run, &a, "model.layers.%d", i));
        hidden = &a;
    }
    TRY(op_layer_norm(run->pool, &bert->layer_norm, hidden, y));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

enum clat_status ldmbert_measure(
    const struct ldmbert *bert, struct device *dry, int prompts, int tokens, size_t *bytes)
{
    enum clat_status status;
    struct pool pool = {0};
    struct tensor x, y;
    TRY(pool_open(dry, 0, &pool));
    TRY(pool_take(&pool, POOL_FRONT, prompts, 1, tokens, bert->config.d_model, &x));
    TRY(pool_take(&pool, POOL_FRONT, prompts, 1, tokens, bert->config.d_model, &y));
    TRY(ldmbert_forward(&(struct forward){.pool = &pool}, bert, &x, &y));
    *bytes = pool.peak;
out:
    pool_close(&pool);
    return status;
}
