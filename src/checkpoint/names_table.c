/* names_table.c - the tensor names of other programs beside ours. SPDX-License-Identifier: MIT
 *
 * Source: the authors' modules (openaimodel.py, model.py, x_transformer.py), diffusers' models of
 * then and now, Paddle's copies of them. How a row is read: names_table.h. */
#include "checkpoint/names_table.h"

static const struct name_row unet_rows[] = {
    {"time_embed.0", "time_embedding.linear_1", NAME_SAME, 0},
    {"time_embed.2", "time_embedding.linear_2", NAME_SAME, 0},
    {"label_emb", "class_embedding", NAME_SAME, 0},
    {"input_blocks.0.0", "conv_in", NAME_SAME, 0},
    {"input_blocks.{down}.0", "down_blocks.{b}.resnets.{l}", NAME_RESNET, 0},
    {"input_blocks.{down}.1", "down_blocks.{b}.attentions.{l}", NAME_ATTENTION, 0},
    {"input_blocks.{pool}.0.op", "down_blocks.{b}.downsamplers.0.conv", NAME_SAME, 0},
    {"input_blocks.{pool}.0", "down_blocks.{b}.downsamplers.0", NAME_RESNET, 0},
    {"middle_block.0", "mid_block.resnets.0", NAME_RESNET, 0},
    {"middle_block.1", "mid_block.attentions.0", NAME_ATTENTION, 0},
    {"middle_block.2", "mid_block.resnets.1", NAME_RESNET, 0},
    {"output_blocks.{up}.0", "up_blocks.{b}.resnets.{l}", NAME_RESNET, 0},
    {"output_blocks.{up}.1", "up_blocks.{b}.attentions.{l}", NAME_ATTENTION, 0},
    {"output_blocks.{last}.1.conv", "up_blocks.{b}.upsamplers.0.conv", NAME_SAME, 0},
    {"output_blocks.{last}.2.conv", "up_blocks.{b}.upsamplers.0.conv", NAME_SAME, 0},
    {"output_blocks.{last}.1", "up_blocks.{b}.upsamplers.0", NAME_RESNET, 0},
    {"output_blocks.{last}.2", "up_blocks.{b}.upsamplers.0", NAME_RESNET, 0},
    {"out.0", "conv_norm_out", NAME_SAME, 0},
    {"out.2", "conv_out", NAME_SAME, 0},
    {NULL, NULL, NAME_SAME, 0},
};

static const struct name_row first_stage_rows[] = {
    {"encoder.conv_in", "encoder.conv_in", NAME_SAME, 0},
    {"encoder.down.{b}.block.{l}", "encoder.down_blocks.{b}.resnets.{l}", NAME_AE_RESNET, 0},
    {"encoder.down.{b}.attn.{l}", "encoder.down_blocks.{b}.attentions.{l}", NAME_AE_ATTENTION, 0},
    {"encoder.down.{b}.downsample.conv", "encoder.down_blocks.{b}.downsamplers.0.conv", NAME_SAME,
        0},
    {"encoder.mid.block_1", "encoder.mid_block.resnets.0", NAME_AE_RESNET, 0},
    {"encoder.mid.attn_1", "encoder.mid_block.attentions.0", NAME_AE_ATTENTION, 0},
    {"encoder.mid.block_2", "encoder.mid_block.resnets.1", NAME_AE_RESNET, 0},
    {"encoder.norm_out", "encoder.conv_norm_out", NAME_SAME, 0},
    {"encoder.conv_out", "encoder.conv_out", NAME_SAME, 0},
    {"quant_conv", "quant_conv", NAME_SAME, 0},
    {"quantize.embedding", "quantize.embedding", NAME_SAME, 0},
    {"post_quant_conv", "post_quant_conv", NAME_SAME, 0},
    {"decoder.conv_in", "decoder.conv_in", NAME_SAME, 0},
    {"decoder.mid.block_1", "decoder.mid_block.resnets.0", NAME_AE_RESNET, 0},
    {"decoder.mid.attn_1", "decoder.mid_block.attentions.0", NAME_AE_ATTENTION, 0},
    {"decoder.mid.block_2", "decoder.mid_block.resnets.1", NAME_AE_RESNET, 0},
    {"decoder.up.{rise}.block.{l}", "decoder.up_blocks.{b}.resnets.{l}", NAME_AE_RESNET, 0},
    {"decoder.up.{rise}.attn.{l}", "decoder.up_blocks.{b}.attentions.{l}", NAME_AE_ATTENTION, 0},
    {"decoder.up.{rise}.upsample.conv", "decoder.up_blocks.{b}.upsamplers.0.conv", NAME_SAME, 0},
    {"decoder.norm_out", "decoder.conv_norm_out", NAME_SAME, 0},
    {"decoder.conv_out", "decoder.conv_out", NAME_SAME, 0},
    {NULL, NULL, NAME_SAME, 0},
};

#define EVEN "transformer.attn_layers.layers.{even}"
#define ODD "transformer.attn_layers.layers.{odd}"
static const struct name_row condition_rows[] = {
    {"transformer.token_emb", "model.embed_tokens", NAME_SAME, 0},
    {"transformer.pos_emb.emb", "model.embed_positions", NAME_SAME, 0},
    {EVEN ".0", "model.layers.{b}.self_attn_layer_norm", NAME_SAME, 0},
    {EVEN ".1.to_q", "model.layers.{b}.self_attn.q_proj", NAME_SAME, 0},
    {EVEN ".1.to_k", "model.layers.{b}.self_attn.k_proj", NAME_SAME, 0},
    {EVEN ".1.to_v", "model.layers.{b}.self_attn.v_proj", NAME_SAME, 0},
    {EVEN ".1.to_out", "model.layers.{b}.self_attn.out_proj", NAME_SAME, 0},
    {ODD ".0", "model.layers.{b}.final_layer_norm", NAME_SAME, 0},
    {ODD ".1.net.0.0", "model.layers.{b}.fc1", NAME_SAME, 0},
    {ODD ".1.net.2", "model.layers.{b}.fc2", NAME_SAME, 0},
    {"transformer.norm", "model.layer_norm", NAME_SAME, 0},
    {"transformer.to_logits", "to_logits", NAME_SAME, 0},
    {"embedding", "embedding", NAME_SAME, 0},           /* ClassEmbedder */
    {"channel_mapper", "channel_mapper", NAME_SAME, 0}, /* SpatialRescaler */
    {NULL, NULL, NAME_SAME, 0},
};

/* Attention of autoencoders and UNet2DModel before 2023. */
static const struct name_row diffusers_rows[] = {
    {"down_blocks.{b}.attentions.{l}", "down_blocks.{b}.attentions.{l}", NAME_OLD_ATTENTION, 0},
    {"up_blocks.{b}.attentions.{l}", "up_blocks.{b}.attentions.{l}", NAME_OLD_ATTENTION, 0},
    {"mid_block.attentions.0", "mid_block.attentions.0", NAME_OLD_ATTENTION, 0},
    {"encoder.down_blocks.{b}.attentions.{l}", "encoder.down_blocks.{b}.attentions.{l}",
        NAME_OLD_ATTENTION, 0},
    {"encoder.mid_block.attentions.0", "encoder.mid_block.attentions.0", NAME_OLD_ATTENTION, 0},
    {"decoder.mid_block.attentions.0", "decoder.mid_block.attentions.0", NAME_OLD_ATTENTION, 0},
    {"decoder.up_blocks.{b}.attentions.{l}", "decoder.up_blocks.{b}.attentions.{l}",
        NAME_OLD_ATTENTION, 0},
    {NULL, NULL, NAME_SAME, 0},
};

/* LDMBert of Paddle's first copies; its other names are diffusers'. */
static const struct name_row paddle_rows[] = {
    {"embeddings.word_embeddings", "model.embed_tokens", NAME_SAME, 0},
    {"embeddings.position_embeddings", "model.embed_positions", NAME_SAME, 0},
    {"encoder.layers.{b}.norm1", "model.layers.{b}.self_attn_layer_norm", NAME_SAME, 0},
    {"encoder.layers.{b}.self_attn", "model.layers.{b}.self_attn", NAME_SAME, 0},
    {"encoder.layers.{b}.norm2", "model.layers.{b}.final_layer_norm", NAME_SAME, 0},
    {"encoder.layers.{b}.linear1", "model.layers.{b}.fc1", NAME_SAME, 0},
    {"encoder.layers.{b}.linear2", "model.layers.{b}.fc2", NAME_SAME, 0},
    {"final_layer_norm", "model.layer_norm", NAME_SAME, 0},
    {NULL, NULL, NAME_SAME, 0},
};

/* Inside of a block; "" stands for anything else, unchanged. */
static const struct name_row resnet_rows[] = {
    {"in_layers.0", "norm1", NAME_SAME, 0},
    {"in_layers.2", "conv1", NAME_SAME, 0},
    {"emb_layers.1", "time_emb_proj", NAME_SAME, 0},
    {"out_layers.0", "norm2", NAME_SAME, 0},
    {"out_layers.3", "conv2", NAME_SAME, 0},
    {"skip_connection", "conv_shortcut", NAME_SAME, 0},
    {NULL, NULL, NAME_SAME, 0},
};
static const struct name_row transformer_rows[] = {
    {"norm", "norm", NAME_SAME, 0},
    {"proj_in", "proj_in", NAME_SAME, 0},
    {"transformer_blocks", "transformer_blocks", NAME_SAME, 0},
    {"proj_out", "proj_out", NAME_SAME, 0},
    {NULL, NULL, NAME_SAME, 0},
};
static const struct name_row attention_rows[] = {
    {"norm", "group_norm", NAME_SAME, 0},
    {"qkv", "to_q", NAME_SAME, 1},
    {"qkv", "to_k", NAME_SAME, 2},
    {"qkv", "to_v", NAME_SAME, 3},
    {"proj_out", "to_out.0", NAME_SAME, 0},
    {NULL, NULL, NAME_SAME, 0},
};
static const struct name_row ae_resnet_rows[] = {
    {"norm1", "norm1", NAME_SAME, 0},
    {"conv1", "conv1", NAME_SAME, 0},
    {"norm2", "norm2", NAME_SAME, 0},
    {"conv2", "conv2", NAME_SAME, 0},
    {"nin_shortcut", "conv_shortcut", NAME_SAME, 0},
    {NULL, NULL, NAME_SAME, 0},
};
static const struct name_row ae_attention_rows[] = {
    {"norm", "group_norm", NAME_SAME, 0},
    {"q", "to_q", NAME_SAME, 0},
    {"k", "to_k", NAME_SAME, 0},
    {"v", "to_v", NAME_SAME, 0},
    {"proj_out", "to_out.0", NAME_SAME, 0},
    {NULL, NULL, NAME_SAME, 0},
};
static const struct name_row old_attention_rows[] = {
    {"query", "to_q", NAME_SAME, 0},
    {"key", "to_k", NAME_SAME, 0},
    {"value", "to_v", NAME_SAME, 0},
    {"proj_attn", "to_out.0", NAME_SAME, 0},
    {NULL, NULL, NAME_SAME, 0},
};

const struct name_row *name_inside(const struct name_facts *facts, enum name_inside inside)
{
    switch (inside) {
    case NAME_RESNET:
        return resnet_rows;
    case NAME_ATTENTION:
        return facts->transformers ? transformer_rows : attention_rows;
    case NAME_AE_RESNET:
        return ae_resnet_rows;
    case NAME_AE_ATTENTION:
        return ae_attention_rows;
    case NAME_OLD_ATTENTION:
        return old_attention_rows;
    default:
        return NULL;
    }
}

const struct name_row *name_table(const struct name_facts *facts, int which)
{
    static const struct name_row *const tables[][2] = {
        [DIALECT_DIFFUSERS] = {diffusers_rows},
        [DIALECT_PADDLE] = {paddle_rows, diffusers_rows},
        [DIALECT_COMPVIS_UNET] = {unet_rows},
        [DIALECT_COMPVIS_FIRST_STAGE] = {first_stage_rows},
        [DIALECT_COMPVIS_CONDITION] = {condition_rows},
    };
    return which < 2 ? tables[facts->dialect][which] : NULL;
}
