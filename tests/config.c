/* config.c - reading the json files of a model: defaults, published values, refusals.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "base/file.h"
#include "checkpoint/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *put(const char *text)
{
    const char *path = check_scratch("config/config.json");
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        check_skip("cannot write %s", path);
    return path;
}

/* As published with CompVis/ldm-text2im-large-256. */
static void published(void)
{
    struct unet_config unet;
    struct autoencoder_config vae;
    struct ldmbert_config bert;
    CHECK_OK(config_read_unet(
        put("{\"_class_name\": \"UNet2DConditionModel\", \"act_fn\": \"silu\", "
            "\"attention_head_dim\": 8,"
            "\"block_out_channels\": [320, 640, 1280, 1280], \"center_input_sample\": false,"
            "\"down_block_types\": [\"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\","
            "\"CrossAttnDownBlock2D\", \"DownBlock2D\"], \"downsample_padding\": 1,"
            "\"flip_sin_to_cos\": true, \"freq_shift\": 0, \"in_channels\": 4, "
            "\"layers_per_block\": 2,"
            "\"mid_block_scale_factor\": 1, \"norm_eps\": 1e-05, \"norm_num_groups\": 32,"
            "\"out_channels\": 4, \"sample_size\": 32, \"up_block_types\": [\"UpBlock2D\","
            "\"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\"]}"),
        &unet));
    CHECK(unet.cross_attention_dim == 1280, "the class default, %d", unet.cross_attention_dim);
    CHECK(unet.levels == 4 && unet.block_out_channels[3] == 1280, "%d levels", unet.levels);
    CHECK(unet.down_attention[2] && !unet.down_attention[3], "down blocks");
    CHECK(!unet.up_attention[0] && unet.up_attention[1], "up blocks");
    CHECK(unet.attention_heads[3] == 8 && unet.sample_size == 32, "heads are counts");
    CHECK_OK(config_read_autoencoder(
        put("{\"_class_name\": \"AutoencoderKL\", \"block_out_channels\": [128, 256, 512, 512],"
            "\"down_block_types\": [\"DownEncoderBlock2D\", \"DownEncoderBlock2D\","
            "\"DownEncoderBlock2D\", \"DownEncoderBlock2D\"], \"layers_per_block\": 2,"
            "\"sample_size\": 256, \"up_block_types\": [\"UpDecoderBlock2D\", \"UpDecoderBlock2D\","
            "\"UpDecoderBlock2D\", \"UpDecoderBlock2D\"]}"),
        &vae));
    CHECK(vae.scaling_factor == 0.18215f && vae.norm_num_groups == 32, "class defaults");
    CHECK_OK(config_read_ldmbert(put("{\"model_type\": \"ldmbert\"}"), &bert));
    CHECK(bert.layers == 32 && bert.heads == 8 && bert.head_dim == 64 && bert.d_model == 1280 &&
              bert.ffn_dim == 5120 && bert.vocab_size == 30522 &&
              bert.max_position_embeddings == 77,
        "class defaults");
}

static void variations(void)
{
    struct unet_config unet;
    CHECK_OK(config_read_unet(put("{\"attention_head_dim\": [5, 10, 20, 20]}"), &unet));
    CHECK(unet.attention_heads[0] == 5 && unet.attention_heads[3] == 20, "a list of heads");
    CHECK_OK(
        config_read_unet(put("{\"num_attention_heads\": null, \"sample_size\": null}"), &unet));
    CHECK(unet.attention_heads[0] == 8 && unet.sample_size == 0, "null is absent");
    CHECK_OK(config_read_unet(put("{\"transformer_layers_per_block\": [1, 2, 3, 4]}"), &unet));
    CHECK(unet.transformer_layers[0] == 1 && unet.transformer_layers[3] == 4, "a list of depths");
}

#define PLAIN "{\"_class_name\": \"UNet2DModel\", "

/* As published with CompVis/ldm-super-resolution-4x-openimages and CompVis/ldm-celebahq-256. */
static void without_text(void)
{
    struct unet_config unet;
    struct autoencoder_config vae;
    CHECK_OK(config_read_unet(
        put(PLAIN "\"attention_head_dim\": 32, \"block_out_channels\": [160, 320, 320, 640],"
                  "\"down_block_types\": [\"DownBlock2D\", \"DownBlock2D\", \"DownBlock2D\","
                  "\"AttnDownBlock2D\"], \"up_block_types\": [\"AttnUpBlock2D\", \"UpBlock2D\","
                  "\"UpBlock2D\", \"UpBlock2D\"], \"in_channels\": 6, \"sample_size\": 64}"),
        &unet));
    CHECK(unet.in_channels == 6 && unet.out_channels == 3 && unet.cross_attention_dim == 0, "sr");
    CHECK(
        unet.attention_heads[3] == 20, "640 channels in heads of 32: %d", unet.attention_heads[3]);
    CHECK(unet.down_attention[3] == UNET_ATTENTION && unet.up_attention[0] == UNET_ATTENTION &&
              unet.middle_attention == UNET_ATTENTION && !unet.down_attention[0],
        "attention at the lowest level");
    CHECK_OK(config_read_unet(put(PLAIN "\"attention_head_dim\": 32}"), &unet));
    CHECK(unet.attention_heads[1] == 14 && unet.attention_heads[3] == 28 &&
              unet.down_attention[1] == UNET_ATTENTION && !unet.up_attention[3],
        "the class defaults are celebahq's");
    CHECK_OK(config_read_unet(
        put(PLAIN "\"attention_head_dim\": null, \"downsample_type\": \"resnet\","
                  "\"upsample_type\": \"resnet\", \"down_block_types\": ["
                  "\"ResnetDownsampleBlock2D\", \"AttnDownBlock2D\", \"AttnDownBlock2D\","
                  "\"DownBlock2D\"], \"up_block_types\": [\"AttnUpBlock2D\", \"AttnUpBlock2D\","
                  "\"ResnetUpsampleBlock2D\", \"UpBlock2D\"], \"num_class_embeds\": 10}"),
        &unet));
    CHECK(unet.resnet_samplers && unet.attention_heads[1] == 1 && unet.num_class_embeds == 10,
        "resnets that resample, one head");
    CHECK_OK(config_read_autoencoder(
        put("{\"_class_name\": \"VQModel\", \"block_out_channels\": [128, 256, 512],"
            "\"down_block_types\": [\"DownEncoderBlock2D\", \"DownEncoderBlock2D\","
            "\"AttnDownEncoderBlock2D\"], \"latent_channels\": 4, \"num_vq_embeddings\": 8192,"
            "\"up_block_types\": [\"AttnUpDecoderBlock2D\", \"UpDecoderBlock2D\","
            "\"UpDecoderBlock2D\"], \"vq_embed_dim\": 3}"),
        &vae));
    CHECK(vae.kind == AUTOENCODER_VQ && vae.num_vq_embeddings == 8192 && vae.scaling_factor == 1 &&
              vae.z_channels == 4 && vae.latent_channels == 3,
        "a codebook, no scaling");
    CHECK(vae.down_attention[2] && vae.up_attention[0] && !vae.up_attention[2], "attention levels");
}

static void refusals(void)
{
    struct unet_config unet;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "not JSON"},
        {"[1]", "one JSON object"},
        {"{\"in_channels\": 4, \"in_channels\": 4}", "duplicate"},
        {"{\"in_channels\": \"4\"}", "'in_channels': expected an integer, found a string"},
        {"{\"in_channels\": 4.0}", "an integer"},
        {"{\"in_channels\": -1}", "expected 1 to 1024, found -1"},
        {"{\"in_channels\": 99999999999999999999}", "not JSON"},
        {"{\"act_fn\": \"gelu\"}", "'act_fn': expected silu, found gelu"},
        {"{\"_class_name\": \"UNet3DConditionModel\"}", "UNet3DConditionModel"},
        {"{\"class_embed_type\": \"timestep\"}", "class_embed_type"},
        {"{\"down_block_types\": [\"DownBlock2D\"]}", "expected 4 entries"},
        {"{\"down_block_types\": [\"DownBlock2D\", \"DownBlock2D\", \"DownBlock2D\", \"Down\"]}",
            "expected DownBlock2D or CrossAttnDownBlock2D, found Down"},
        {"{\"block_out_channels\": [32, 32]}", "'down_block_types': expected a list"},
        {"{\"block_out_channels\": [1,2,3,4,5,6,7,8,9]}", "1 to 8"},
        {"{\"block_out_channels\": [330, 640, 1280, 1280]}", "norm_num_groups"},
        {"{\"block_out_channels\": [320, 640, 1280, 99999999]}", "65536"},
        {"{\"norm_num_groups\": 0}", "norm_num_groups"},
        {"{\"num_attention_heads\": 4}", "num_attention_heads"},
        {"{\"norm_num_groups\": null}", "null is not supported"},
        {"{\"mid_block_type\": null}", "null is not supported"},
        {"{\"attention_head_dim\": 7}", "attention heads"},
        {"{\"attention_head_dim\": [8, 8]}", "expected 4 entries"},
        {"{\"attention_head_dim\": 0}", "attention_head_dim"},
        {"{\"norm_eps\": 0}", "norm_eps"},
        {"{\"transformer_layers_per_block\": 0}", "transformer_layers_per_block"},
        {"{\"transformer_layers_per_block\": [1, 2]}", "expected 4 entries"},
        {"{\"resnet_time_scale_shift\": \"ada\"}", "expected default or scale_shift, found ada"},
        {PLAIN "\"downsample_type\": \"fir\"}", "expected conv or resnet, found fir"},
        {PLAIN "\"downsample_type\": \"resnet\"}", "cannot be mixed"},
        {PLAIN "\"attention_head_dim\": 100}", "heads of width 100"},
        {PLAIN "\"resnet_time_scale_shift\": \"scale_shift\"}", "attn_norm_num_groups"},
        {PLAIN "\"attn_norm_num_groups\": 8}", "attn_norm_num_groups"},
        {PLAIN "\"class_embed_type\": \"identity\"}", "class_embed_type"},
        {"{\"layers_per_block\": [2, 2, 2, 2]}", "layers_per_block"},
        {"{\"use_linear_projection\": 1}", "true or false"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = put(cases[i].text);
        CHECK_FAILS(config_read_unet(path, &unet), CLAT_ERROR_INPUT, cases[i].words);
        CHECK(strstr(status_text(), path), "the file is named: %s", status_text());
    }
    struct autoencoder_config vae;
    CHECK_FAILS(config_read_autoencoder(put("{\"_class_name\": \"AutoencoderTiny\"}"), &vae),
        CLAT_ERROR_INPUT, "expected AutoencoderKL or VQModel, found AutoencoderTiny");
    CHECK_FAILS(config_read_autoencoder(put("{\"scaling_factor\": \"1\"}"), &vae), CLAT_ERROR_INPUT,
        "scaling_factor");
    CHECK_FAILS(config_read_unet(check_scratch("config/none"), &unet), CLAT_ERROR_INPUT, "none");
}

/* 10^5 levels must be a sentence, not a stack overflow. */
static void deep(void)
{
    enum { LEVELS = 100000 };
    char *text = malloc(5 * LEVELS + 1);
    struct unet_config unet;
    if (!text)
        check_skip("no memory");
    for (int i = 0; i < LEVELS; i++)
        memcpy(text + 5 * i, "{\"a\":", 5);
    text[5 * LEVELS] = '\0';
    CHECK_FAILS(config_read_unet(put(text), &unet), CLAT_ERROR_INPUT, "levels deep");
    free(text);
}

static void whole_models(void)
{
    struct model_index index;
    struct unet_config unet;
    struct autoencoder_config vae;
    struct ldmbert_config bert;
    struct tokenizer_config tokenizer;
    const char *top = getenv("top_srcdir");
    char model[4096], path[4200];
    snprintf(model, sizeof model, "%s/data/models/demo", top ? top : ".");
    CHECK_OK(config_read_model_index(model, &index));
    CHECK(strcmp(index.pipeline, "LDMTextToImagePipeline") == 0, "%s", index.pipeline);
    CHECK(strcmp(index.autoencoder_folder, "vqvae") == 0, "%s", index.autoencoder_folder);
    CHECK(strcmp(index.text_encoder_folder, "bert") == 0, "%s", index.text_encoder_folder);
    CHECK(strcmp(index.autoencoder, "AutoencoderKL") == 0, "%s", index.autoencoder);
    snprintf(path, sizeof path, "%s/unet/config.json", model);
    CHECK_OK(config_read_unet(path, &unet));
    CHECK(unet.levels == 2 && unet.attention_heads[1] == 4 && unet.norm_num_groups == 16,
        "demo unet");
    snprintf(path, sizeof path, "%s/vqvae/config.json", model);
    CHECK_OK(config_read_autoencoder(path, &vae));
    CHECK(vae.scaling_factor == 0.64551f && vae.layers_per_block == 1, "demo autoencoder");
    snprintf(path, sizeof path, "%s/bert/config.json", model);
    CHECK_OK(config_read_ldmbert(path, &bert));
    snprintf(path, sizeof path, "%s/tokenizer", model);
    CHECK_OK(config_read_tokenizer(path, &tokenizer));
    CHECK_OK(config_read_tokenizer(check_scratch("config"), &tokenizer));
    CHECK(tokenizer.do_lower_case && tokenizer.strip_accents == -1, "absent file: defaults");
    CHECK_FAILS(config_read_model_index("/nonexistent", &index), CLAT_ERROR_INPUT, "/nonexistent");
}

static void check_setting(const struct settings *settings, const char *key, const char *value)
{
    const struct setting *found = settings_find(settings, key);
    CHECK(found && strcmp(found->value, value) == 0, "%s: expected %s, found %s", key, value,
        found ? found->value : "nothing");
}

static void scheduler(void)
{
    struct settings settings = {0};
    CHECK_OK(config_read_scheduler(
        put("{\"_class_name\": \"DDIMScheduler\", \"_diffusers_version\": \"0.0.4\","
            "\"beta_end\": 0.012, \"beta_start\": 0.00085, \"beta_schedule\": \"linear\","
            "\"clip_sample\": false, \"trained_betas\": null, \"list\": [0.1, 2, \"x\"],"
            "\"third\": 0.3333333333333333, \"tiny\": 1e-05, \"low\": -Infinity, \"high\":Infinity,"
            "\"_use_default_values\": [\"third\"], \"word\": \"-Infinity \\\" Infinity\"}"),
        &settings));
    check_setting(&settings, "_class_name", "DDIMScheduler");
    check_setting(&settings, "beta_end", "0.012");
    check_setting(&settings, "beta_start", "0.00085");
    check_setting(&settings, "beta_schedule", "linear");
    check_setting(&settings, "clip_sample", "false");
    check_setting(&settings, "trained_betas", "null");
    check_setting(&settings, "list", "[0.1, 2, \"x\"]");
    check_setting(&settings, "third", "0.3333333333333333");
    check_setting(&settings, "low", "-inf");
    check_setting(&settings, "high", "inf");
    check_setting(&settings, "word", "-Infinity \" Infinity");
    check_setting(&settings, "_use_default_values", "[\"third\"]");
    CHECK(!settings_find(&settings, "_diffusers_version"), "other private keys are left out");
    settings_free(&settings);
}

int main(void)
{
    published();
    variations();
    without_text();
    refusals();
    deep();
    whole_models();
    scheduler();
    return check_result();
}
