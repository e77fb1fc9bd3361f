/* compvis.h - the yaml beside a CompVis checkpoint as structs, checked. SPDX-License-Identifier:
 * MIT
 *
 * The file names a Python class (`target`) for every part and gives its arguments (`params`). Only
 * the classes of the paper's models are known; any other is CLAT_ERROR_INPUT with file and line. */
#ifndef CLATENT_CHECKPOINT_COMPVIS_H
#define CLATENT_CHECKPOINT_COMPVIS_H

#include "checkpoint/config.h"
#include "checkpoint/section.h"

/* Where the condition goes: what LatentDiffusion makes of conditioning_key and concat_mode. */
enum compvis_wrapper { WRAPPER_NONE, WRAPPER_CONCAT, WRAPPER_CROSSATTN };

/* cond_stage_config */
enum compvis_condition {
    COMPVIS_NONE,        /* __is_unconditional__ */
    COMPVIS_BERT,        /* BERTEmbedder with its tokenizer */
    COMPVIS_BERT_TOKENS, /* the same without: tokens come from outside */
    COMPVIS_CLASS,       /* ClassEmbedder */
    COMPVIS_RESCALER,    /* SpatialRescaler */
    COMPVIS_IDENTITY,    /* torch.nn.Identity: embeddings or an image from outside */
    COMPVIS_FIRST_STAGE  /* __is_first_stage__ */
};

struct compvis_config {
    bool autoencoder_only; /* the yaml of a first stage: nothing but `autoencoder` is filled */
    struct unet_config unet;
    struct autoencoder_config autoencoder; /* with LatentDiffusion's scale_factor */
    enum compvis_condition condition;
    enum compvis_wrapper wrapper;
    struct ldmbert_config bert; /* vocab_size: of the class, which its tensor may correct */
    struct class_embedder_config class_embedder;
    struct spatial_rescaler_config rescaler;
    double linear_start, linear_end; /* betas, on the curve that diffusers calls scaled_linear */
    int timesteps;
    bool use_ema;      /* sample with model_ema.* */
    bool scale_by_std; /* the scale factor is a tensor of the checkpoint */
};
enum clat_status compvis_read(const char *path, struct compvis_config *config);
/* The same from memory; messages call it `name`. */
enum clat_status compvis_parse(
    const char *name, const char *text, size_t size, struct compvis_config *config);

/* Its parts: params of UNetModel, of a first stage, of a condition stage. */
enum clat_status compvis_read_unet(const struct section *params, struct unet_config *config);
enum clat_status compvis_read_first_stage(
    const struct section *stage, struct autoencoder_config *config);
enum clat_status compvis_read_condition(
    const struct section *params, struct compvis_config *config);

/* What BERTEmbedder leaves at the defaults of its transformer. */
enum { COMPVIS_BERT_HEADS = 8, COMPVIS_BERT_HEAD_DIM = 64 };

#endif
