/* names.c - tensor names of other programs: examples of every row, both ways, and what no row
 * tells. SPDX-License-Identifier: MIT */
#include "check.h"
#include "checkpoint/names.h"

#include <stdio.h>
#include <string.h>

static const struct name_facts diffusers = {.dialect = DIALECT_DIFFUSERS},
                               paddle = {.dialect = DIALECT_PADDLE},
                               plain = {.dialect = DIALECT_COMPVIS_UNET, .layers = 2},
                               shallow = {.dialect = DIALECT_COMPVIS_UNET, .layers = 1},
                               crossed = {.dialect = DIALECT_COMPVIS_UNET,
                                   .layers = 2,
                                   .transformers = true},
                               stage = {.dialect = DIALECT_COMPVIS_FIRST_STAGE, .levels = 4},
                               condition = {.dialect = DIALECT_COMPVIS_CONDITION};

static const struct {
    const struct name_facts *facts;
    const char *theirs, *ours;
} pairs[] = {
    {&plain, "time_embed.0.weight", "time_embedding.linear_1.weight"},
    {&plain, "time_embed.2.bias", "time_embedding.linear_2.bias"},
    {&plain, "label_emb.weight", "class_embedding.weight"},
    {&plain, "input_blocks.0.0.weight", "conv_in.weight"},
    {&plain, "input_blocks.1.0.in_layers.0.weight", "down_blocks.0.resnets.0.norm1.weight"},
    {&plain, "input_blocks.2.0.in_layers.2.bias", "down_blocks.0.resnets.1.conv1.bias"},
    {&plain, "input_blocks.4.0.emb_layers.1.weight",
        "down_blocks.1.resnets.0.time_emb_proj.weight"},
    {&plain, "input_blocks.5.0.out_layers.0.bias", "down_blocks.1.resnets.1.norm2.bias"},
    {&plain, "input_blocks.10.0.out_layers.3.weight", "down_blocks.3.resnets.0.conv2.weight"},
    {&plain, "input_blocks.7.0.skip_connection.weight",
        "down_blocks.2.resnets.0.conv_shortcut.weight"},
    {&plain, "input_blocks.4.1.norm.weight", "down_blocks.1.attentions.0.group_norm.weight"},
    {&plain, "input_blocks.4.1.proj_out.weight", "down_blocks.1.attentions.0.to_out.0.weight"},
    {&plain, "input_blocks.3.0.op.weight", "down_blocks.0.downsamplers.0.conv.weight"},
    {&plain, "input_blocks.6.0.in_layers.2.weight", "down_blocks.1.downsamplers.0.conv1.weight"},
    {&shallow, "input_blocks.2.0.op.bias", "down_blocks.0.downsamplers.0.conv.bias"},
    {&shallow, "input_blocks.3.0.in_layers.0.bias", "down_blocks.1.resnets.0.norm1.bias"},
    {&plain, "middle_block.0.in_layers.0.weight", "mid_block.resnets.0.norm1.weight"},
    {&plain, "middle_block.1.norm.bias", "mid_block.attentions.0.group_norm.bias"},
    {&plain, "middle_block.2.out_layers.3.bias", "mid_block.resnets.1.conv2.bias"},
    {&plain, "output_blocks.0.0.in_layers.0.weight", "up_blocks.0.resnets.0.norm1.weight"},
    {&plain, "output_blocks.11.0.skip_connection.bias", "up_blocks.3.resnets.2.conv_shortcut.bias"},
    {&plain, "output_blocks.2.1.norm.weight", "up_blocks.0.attentions.2.group_norm.weight"},
    {&plain, "output_blocks.2.1.conv.weight", "up_blocks.0.upsamplers.0.conv.weight"},
    {&plain, "output_blocks.5.2.conv.weight", "up_blocks.1.upsamplers.0.conv.weight"},
    {&plain, "output_blocks.2.1.in_layers.2.weight", "up_blocks.0.upsamplers.0.conv1.weight"},
    {&plain, "output_blocks.5.2.emb_layers.1.bias", "up_blocks.1.upsamplers.0.time_emb_proj.bias"},
    {&shallow, "output_blocks.1.2.conv.bias", "up_blocks.0.upsamplers.0.conv.bias"},
    {&plain, "out.0.weight", "conv_norm_out.weight"},
    {&plain, "out.2.bias", "conv_out.bias"},
    {&crossed, "input_blocks.1.1.norm.weight", "down_blocks.0.attentions.0.norm.weight"},
    {&crossed, "input_blocks.8.1.proj_in.weight", "down_blocks.2.attentions.1.proj_in.weight"},
    {&crossed, "middle_block.1.transformer_blocks.0.attn1.to_q.weight",
        "mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight"},
    {&crossed, "output_blocks.8.1.transformer_blocks.2.ff.net.0.proj.bias",
        "up_blocks.2.attentions.2.transformer_blocks.2.ff.net.0.proj.bias"},
    {&crossed, "output_blocks.3.1.proj_out.bias", "up_blocks.1.attentions.0.proj_out.bias"},
    {&stage, "encoder.conv_in.weight", "encoder.conv_in.weight"},
    {&stage, "encoder.down.0.block.1.conv2.bias", "encoder.down_blocks.0.resnets.1.conv2.bias"},
    {&stage, "encoder.down.3.attn.0.q.weight", "encoder.down_blocks.3.attentions.0.to_q.weight"},
    {&stage, "encoder.down.1.downsample.conv.weight",
        "encoder.down_blocks.1.downsamplers.0.conv.weight"},
    {&stage, "encoder.mid.block_1.norm1.weight", "encoder.mid_block.resnets.0.norm1.weight"},
    {&stage, "encoder.mid.attn_1.k.bias", "encoder.mid_block.attentions.0.to_k.bias"},
    {&stage, "decoder.mid.block_2.norm2.bias", "decoder.mid_block.resnets.1.norm2.bias"},
    {&stage, "decoder.mid.attn_1.proj_out.weight",
        "decoder.mid_block.attentions.0.to_out.0.weight"},
    {&stage, "decoder.up.3.block.0.nin_shortcut.weight",
        "decoder.up_blocks.0.resnets.0.conv_shortcut.weight"},
    {&stage, "decoder.up.0.block.2.conv1.weight", "decoder.up_blocks.3.resnets.2.conv1.weight"},
    {&stage, "decoder.up.1.upsample.conv.bias", "decoder.up_blocks.2.upsamplers.0.conv.bias"},
    {&stage, "decoder.up.3.attn.2.norm.weight",
        "decoder.up_blocks.0.attentions.2.group_norm.weight"},
    {&stage, "encoder.norm_out.bias", "encoder.conv_norm_out.bias"},
    {&stage, "decoder.conv_out.weight", "decoder.conv_out.weight"},
    {&stage, "quant_conv.weight", "quant_conv.weight"},
    {&stage, "post_quant_conv.bias", "post_quant_conv.bias"},
    {&stage, "quantize.embedding.weight", "quantize.embedding.weight"},
    {&condition, "transformer.token_emb.weight", "model.embed_tokens.weight"},
    {&condition, "transformer.pos_emb.emb.weight", "model.embed_positions.weight"},
    {&condition, "transformer.attn_layers.layers.62.0.weight",
        "model.layers.31.self_attn_layer_norm.weight"},
    {&condition, "transformer.attn_layers.layers.0.1.to_q.weight",
        "model.layers.0.self_attn.q_proj.weight"},
    {&condition, "transformer.attn_layers.layers.2.1.to_k.weight",
        "model.layers.1.self_attn.k_proj.weight"},
    {&condition, "transformer.attn_layers.layers.4.1.to_v.weight",
        "model.layers.2.self_attn.v_proj.weight"},
    {&condition, "transformer.attn_layers.layers.6.1.to_out.bias",
        "model.layers.3.self_attn.out_proj.bias"},
    {&condition, "transformer.attn_layers.layers.1.0.bias", "model.layers.0.final_layer_norm.bias"},
    {&condition, "transformer.attn_layers.layers.3.1.net.0.0.weight", "model.layers.1.fc1.weight"},
    {&condition, "transformer.attn_layers.layers.5.1.net.2.bias", "model.layers.2.fc2.bias"},
    {&condition, "transformer.norm.weight", "model.layer_norm.weight"},
    {&condition, "transformer.to_logits.bias", "to_logits.bias"},
    {&condition, "embedding.weight", "embedding.weight"},
    {&condition, "channel_mapper.weight", "channel_mapper.weight"},
    {&diffusers, "mid_block.attentions.0.query.weight", "mid_block.attentions.0.to_q.weight"},
    {&diffusers, "up_blocks.2.attentions.1.key.bias", "up_blocks.2.attentions.1.to_k.bias"},
    {&diffusers, "encoder.mid_block.attentions.0.value.weight",
        "encoder.mid_block.attentions.0.to_v.weight"},
    {&diffusers, "decoder.up_blocks.0.attentions.2.proj_attn.weight",
        "decoder.up_blocks.0.attentions.2.to_out.0.weight"},
    {&diffusers, "conv_in.weight", "conv_in.weight"},
    {&paddle, "down_blocks.3.attentions.0.proj_attn.bias",
        "down_blocks.3.attentions.0.to_out.0.bias"},
    {&paddle, "embeddings.word_embeddings.weight", "model.embed_tokens.weight"},
    {&paddle, "embeddings.position_embeddings.weight", "model.embed_positions.weight"},
    {&paddle, "encoder.layers.3.norm1.weight", "model.layers.3.self_attn_layer_norm.weight"},
    {&paddle, "encoder.layers.3.norm2.weight", "model.layers.3.final_layer_norm.weight"},
    {&paddle, "encoder.layers.0.linear1.weight", "model.layers.0.fc1.weight"},
    {&paddle, "encoder.layers.0.linear2.bias", "model.layers.0.fc2.bias"},
    {&paddle, "encoder.layers.11.self_attn.q_proj.weight",
        "model.layers.11.self_attn.q_proj.weight"},
    {&paddle, "final_layer_norm.weight", "model.layer_norm.weight"},
    {&paddle, "model.layers.0.final_layer_norm.weight", "model.layers.0.final_layer_norm.weight"},
    {&paddle, "model.layer_norm.bias", "model.layer_norm.bias"},
};

static void check_pair(const struct name_facts *facts, const char *theirs, const char *ours)
{
    struct name_match match;
    bool found = false;
    CHECK(names_to_ours(facts, theirs, 0, &match) && strcmp(match.name, ours) == 0,
        "%s: expected %s, found %s", theirs, ours, match.name);
    CHECK(match.parts == 1 && !names_to_ours(facts, theirs, 1, &match), "%s is one tensor", theirs);
    for (int which = 0; names_to_theirs(facts, ours, which, &match); which++)
        found = found || strcmp(match.name, theirs) == 0;
    CHECK(found, "%s does not lead back to %s", ours, theirs);
}

/* q, k and v of one matrix. */
static void split(void)
{
    static const char *const ours[] = {"to_q", "to_k", "to_v"};
    const char *theirs = "output_blocks.4.1.qkv.bias";
    struct name_match match;
    char name[128];
    for (int part = 0; part < 3; part++) {
        snprintf(name, sizeof name, "up_blocks.1.attentions.1.%s.bias", ours[part]);
        CHECK(names_to_ours(&plain, theirs, part, &match) && strcmp(match.name, name) == 0 &&
                  match.part == part && match.parts == 3,
            "part %d: %s", part, match.name);
        CHECK(names_to_theirs(&plain, name, 0, &match) && strcmp(match.name, theirs) == 0 &&
                  match.part == part && match.parts == 3,
            "%s back: %s", name, match.name);
    }
    CHECK(!names_to_ours(&plain, theirs, 3, &match), "no fourth part");
}

/* Names that look like a row's and are not: no match, or left as they are. */
static void strangers(void)
{
    static const struct {
        const struct name_facts *facts;
        const char *name;
    } none[] = {{&plain, ""}, {&plain, "conv_in.weight"}, {&plain, "input_blocks.0.1.qkv.weight"},
        {&plain, "input_blocks.01.0.in_layers.0.weight"}, {&plain, "input_blocks..0.op.weight"},
        {&plain, "input_blocks.99999.0.op.weight"}, {&plain, "input_blocks.-1.0.in_layers.0.bias"},
        {&plain, "input_blocks.4.0.op.weight"}, {&plain, "input_blocks.4.1.q.weight"},
        {&plain, "input_blocks.4.0.in_layers.00.weight"}, {&plain, "out.22.weight"},
        {&plain, "output_blocks.1.2.conv.weight"}, {&crossed, "input_blocks.4.1.qkv.weight"},
        {&stage, "decoder.up.4.block.0.conv1.weight"}, {&stage, "loss.logvar"},
        {&stage, "encoder.down_blocks.0.resnets.0.norm1.weight"},
        {&stage, "encoder.mid.attn_1.query.weight"},
        {&condition, "transformer.attn_layers.layers.1.1.to_q.weight"},
        {&condition, "model.layers.0.fc1.weight"}};
    static const char *const same[] = {"mid_block.attentions.0.to_q.weight",
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight",
        "down_blocks.0.resnets.0.query.weight", "mid_block.attentions.1.query.weight", "x", ""};
    struct name_match match;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        CHECK(!names_to_ours(none[i].facts, none[i].name, 0, &match), "%s became %s", none[i].name,
            match.name);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        CHECK(names_to_ours(&diffusers, same[i], 0, &match) && strcmp(match.name, same[i]) == 0 &&
                  !names_to_ours(&diffusers, same[i], 1, &match),
            "%s", same[i]);
}

static void long_names(void)
{
    char name[2 * NAME_SIZE];
    struct name_match match;
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    CHECK(!names_to_ours(&diffusers, name, 0, &match), "a name of %zu bytes", strlen(name));
    memcpy(name, "out.0.", 6);
    CHECK(!names_to_ours(&plain, name, 0, &match), "and behind a row");
    memcpy(name, "model.", 6);
    CHECK(!names_to_ema(name, match.name), "and as an EMA copy");
}

static void ema(void)
{
    char name[NAME_SIZE];
    CHECK(names_to_ema("model.diffusion_model.input_blocks.0.0.weight", name) &&
              strcmp(name, "model_ema.diffusion_modelinput_blocks00weight") == 0,
        "%s", name);
    CHECK(!names_to_ema("first_stage_model.encoder.conv_in.weight", name), "no copy of that");
}

static void transposed(void)
{
    CHECK(names_is_transposed("mid_block.attentions.0.to_q.weight", 2), "a linear layer");
    CHECK(!names_is_transposed("mid_block.attentions.0.to_q.bias", 1), "a bias");
    CHECK(!names_is_transposed("conv_in.weight", 4), "a convolution");
    CHECK(!names_is_transposed("model.embed_tokens.weight", 2), "an embedding");
    CHECK(!names_is_transposed("quantize.embedding.weight", 2), "a codebook");
    CHECK(!names_is_transposed("class_embedding.weight", 2), "class rows");
}

int main(void)
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        check_pair(pairs[i].facts, pairs[i].theirs, pairs[i].ours);
    split();
    strangers();
    long_names();
    ema();
    transposed();
    return check_result();
}
