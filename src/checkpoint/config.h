/* config.h - the json files of a model as structs, checked. SPDX-License-Identifier: MIT
 *
 * Absent keys take the class defaults of diffusers and transformers. Every number is checked
 * against the limits below before anything uses it, so that later code may trust it; a wrong type,
 * an unknown block type or a value out of range is CLAT_ERROR_INPUT and names file and key.
 * Defaults are written in config.c, one table per class. */
#ifndef CLATENT_CHECKPOINT_CONFIG_H
#define CLATENT_CHECKPOINT_CONFIG_H

#include "base/option.h"
#include "base/status.h"
#include <stdbool.h>

#define CONFIG_LEVELS 8 /* most resolution levels of a UNet or autoencoder */

/* UNet2DConditionModel; `attention_heads` is its attention_head_dim, which means a COUNT of heads.
 */
struct unet_config {
    int sample_size; /* latent pixels; 0 if the file does not say */
    int in_channels, out_channels;
    int levels;
    int block_out_channels[CONFIG_LEVELS];
    bool down_attention[CONFIG_LEVELS]; /* CrossAttnDownBlock2D at that level */
    bool up_attention[CONFIG_LEVELS];   /* CrossAttnUpBlock2D, [0] is the lowest resolution */
    int attention_heads[CONFIG_LEVELS];
    int layers_per_block;
    int cross_attention_dim;
    int norm_num_groups;
    float norm_eps;
    bool flip_sin_to_cos;
    float freq_shift;
    bool center_input_sample;
    bool use_linear_projection;
};

struct autoencoder_config { /* AutoencoderKL */
    int in_channels, out_channels, latent_channels;
    int levels;
    int block_out_channels[CONFIG_LEVELS];
    int layers_per_block;
    int norm_num_groups;
    int sample_size;
    float scaling_factor;
};

struct ldmbert_config {
    int vocab_size, max_position_embeddings;
    int layers, heads, head_dim, d_model, ffn_dim;
    int pad_token_id;
};

struct tokenizer_config { /* BertTokenizer */
    bool do_lower_case;
    bool tokenize_chinese_chars;
    int strip_accents; /* 1, 0, or -1 = as do_lower_case */
};

/* model_index.json: the class of the pipeline and of each component, "" if absent. */
struct model_index {
    char pipeline[64];
    char unet[64], autoencoder[64], text_encoder[64], tokenizer[64], scheduler[64];
    char autoencoder_folder[16],
        text_encoder_folder[16]; /* "vqvae" or "vae"; "bert" or "text_encoder" */
};

enum clat_status config_read_model_index(const char *model, struct model_index *index);
enum clat_status config_read_unet(const char *path, struct unet_config *config);
enum clat_status config_read_autoencoder(const char *path, struct autoencoder_config *config);
enum clat_status config_read_ldmbert(const char *path, struct ldmbert_config *config);
enum clat_status config_read_tokenizer(const char *folder, struct tokenizer_config *config);
/* scheduler_config.json as settings (keys that start with "_" but _class_name left out). */
enum clat_status config_read_scheduler(const char *path, struct settings *settings);

#endif
