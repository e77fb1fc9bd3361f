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

#define CONFIG_LEVELS 8       /* most resolution levels of a UNet or autoencoder */
#define CONFIG_CHANNELS 65536 /* widest layer */

/* What stands behind each resnet of a level. */
enum unet_attention {
    UNET_NO_ATTENTION,
    UNET_ATTENTION,  /* group norm and self-attention (AttnDownBlock2D, CompVis AttentionBlock) */
    UNET_TRANSFORMER /* with cross-attention (CrossAttnDownBlock2D, SpatialTransformer) */
};

/* UNet2DConditionModel, UNet2DModel and CompVis' openaimodel.UNetModel. Levels count from the
 * highest resolution, but up_attention[0] is the lowest, as in up_block_types. */
struct unet_config {
    int sample_size; /* latent pixels; 0 if the file does not say */
    int in_channels, out_channels;
    int levels;
    int block_out_channels[CONFIG_LEVELS];
    enum unet_attention down_attention[CONFIG_LEVELS], up_attention[CONFIG_LEVELS];
    enum unet_attention middle_attention;  /* always there in published models */
    int attention_heads[CONFIG_LEVELS];    /* a COUNT, which divides the level's channels */
    int transformer_layers[CONFIG_LEVELS]; /* blocks in each transformer of the level */
    int layers_per_block;
    int cross_attention_dim; /* 0 if there is no transformer */
    int num_class_embeds;    /* rows of class_embedding.weight, added to the time; 0: none */
    bool time_scale_shift;   /* the time scales and shifts norm2, instead of being added before */
    bool resnet_samplers;    /* up and down by a resnet that resamples (resblock_updown) */
    int downsample_padding;  /* 1: all round; 0: right and bottom only */
    int norm_num_groups;
    float norm_eps;
    bool flip_sin_to_cos;
    float freq_shift;
    bool center_input_sample;
    bool use_linear_projection;
};

enum autoencoder_kind { AUTOENCODER_KL, AUTOENCODER_VQ };

/* AutoencoderKL, VQModel, and CompVis' of the same names. What the UNet denoises is
 * scaling_factor * latents, for both kinds. */
struct autoencoder_config {
    enum autoencoder_kind kind;
    int in_channels, out_channels;
    int latent_channels; /* of the latents and of a codebook row (embed_dim, vq_embed_dim) */
    int z_channels;      /* between a half and its 1x1 convolution; equal in all published models */
    int num_vq_embeddings; /* rows of quantize.embedding.weight; 0 for KL */
    int levels;
    int block_out_channels[CONFIG_LEVELS];
    bool down_attention[CONFIG_LEVELS]; /* of the encoder: behind each resnet of that level */
    bool up_attention[CONFIG_LEVELS];   /* of the decoder, [0] is the lowest resolution */
    bool middle_attention;
    int layers_per_block;
    int norm_num_groups;
    int sample_size;
    float scaling_factor; /* VQ: 1 unless the file says otherwise */
    bool scaling_given;   /* the file says it */
};

/* The embedders of CompVis, for which diffusers has no class. Their tensors are asked for under
 * CompVis' names, without "cond_stage_model." before them. */
struct class_embedder_config { /* embedding.weight [classes][width] */
    int classes, width;
};
struct spatial_rescaler_config { /* `stages` times half the size, bilinear; then, unless
                                    out_channels is 0, channel_mapper.weight [out][in][1][1] */
    int stages, in_channels, out_channels;
    bool bias; /* channel_mapper.bias */
};

/* LDMBertModel; BERTEmbedder too, with its tensors under LDMBertModel's names (model.layers.N...).
 */
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
    char autoencoder_folder[24];  /* "vqvae" or "vae" */
    char text_encoder_folder[24]; /* "bert", "text_encoder" or "cond_stage" */
    char task[32]; /* of a folder that clatent converted, where no pipeline's class says it */
    bool paddle;   /* written by ppdiffusers */
};

enum clat_status config_read_model_index(const char *model, struct model_index *index);
/* UNet2DConditionModel or UNet2DModel, and AutoencoderKL or VQModel, as "_class_name" says. */
enum clat_status config_read_unet(const char *path, struct unet_config *config);
enum clat_status config_read_autoencoder(const char *path, struct autoencoder_config *config);
/* The embedders' files are clatent's own: keys as in the struct. */
enum clat_status config_read_class_embedder(const char *path, struct class_embedder_config *config);
enum clat_status config_read_rescaler(const char *path, struct spatial_rescaler_config *config);
enum clat_status config_read_ldmbert(const char *path, struct ldmbert_config *config);
enum clat_status config_read_tokenizer(const char *folder, struct tokenizer_config *config);
/* scheduler_config.json as settings; of the keys that start with "_" only _class_name and
 * _use_default_values. Python's bare Infinity is "inf". */
enum clat_status config_read_scheduler(const char *path, struct settings *settings);

#endif
