/* ldmbert.h - the text encoder of LDM text-to-image. SPDX-License-Identifier: MIT
 *
 * A pre-norm transformer over all token positions, padding included: no mask of any kind. Inner
 * width heads x head_dim differs from the model width. Source: arXiv 2112.10752, appendix E.2.1. */
#ifndef CLATENT_NETWORKS_LDMBERT_H
#define CLATENT_NETWORKS_LDMBERT_H

#include "checkpoint/config.h"
#include "networks/block.h"

struct ldmbert_layer {
    struct norm self_attn_layer_norm, final_layer_norm; /* before attention, before the MLP */
    struct linear qkv, out_proj;
    struct linear fc1, fc2;
};
struct ldmbert {
    struct ldmbert_config config;
    struct ldmbert_layer *layers; /* [config.layers] */
    struct norm layer_norm;
};
enum clat_status ldmbert_load(
    struct loader *loader, const struct ldmbert_config *config, struct ldmbert *bert);
void ldmbert_free(struct device *device, struct ldmbert *bert);

/* Token plus position embedding, on the host, straight from the mapped tables: values
 * [prompts][tokens][d_model]. An id outside the table is CLAT_ERROR_INPUT. */
enum clat_status ldmbert_embed(struct weights *weights, const struct ldmbert_config *config,
    const int32_t *ids, int prompts, int tokens, float *values);

/* x, y: [prompts][1][tokens][d_model] */
enum clat_status ldmbert_forward(const struct forward *run, const struct ldmbert *bert,
    const struct tensor *x, const struct tensor *y);

/* Bytes of pool for input, output and one forward pass; `dry` is a dry device. */
enum clat_status ldmbert_measure(
    const struct ldmbert *bert, struct device *dry, int prompts, int tokens, size_t *bytes);

#endif
