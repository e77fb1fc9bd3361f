/* names.h - what other programs call the tensors. SPDX-License-Identifier: MIT
 *
 * The networks here ask for diffusers' current names only. Each other dialect is a table of
 * patterns, theirs beside ours, read in both directions: names_table.c. */
#ifndef CLATENT_CHECKPOINT_NAMES_H
#define CLATENT_CHECKPOINT_NAMES_H

#include <stdbool.h>
#include <stddef.h>

enum dialect {
    DIALECT_DIFFUSERS,           /* names of before 2023 are brought up to date, others stay */
    DIALECT_PADDLE,              /* the same, LDMBert's older names, transposed linear layers */
    DIALECT_COMPVIS_UNET,        /* openaimodel.UNetModel */
    DIALECT_COMPVIS_FIRST_STAGE, /* AutoencoderKL, VQModel */
    DIALECT_COMPVIS_CONDITION,   /* BERTEmbedder, ClassEmbedder, SpatialRescaler */
};

/* What the numbers in names are counted with. */
struct name_facts {
    enum dialect dialect;
    int layers;        /* UNet: resnets per level going down */
    int levels;        /* autoencoder */
    bool transformers; /* UNet: its attention is cross-attention */
};

enum { NAME_SIZE = 1200 }; /* bytes of a name made here, with its NUL */

/* A tensor may be several of ours: q, k and v in one. */
struct name_match {
    char name[NAME_SIZE];
    int part, parts; /* which third of the rows: 0 of 1, or 0 to 2 of 3 */
};

/* Their name to ours: the match number `which` (from 0) into *match; false if there are no more. */
bool names_to_ours(
    const struct name_facts *facts, const char *theirs, int which, struct name_match *match);
/* Our name to theirs; several are possible, for the place of an upsampler depends on what stands
 * before it. */
bool names_to_theirs(
    const struct name_facts *facts, const char *ours, int which, struct name_match *match);

/* "model.diffusion_model.out.0.bias" to "model_ema.diffusion_modelout0bias": what LitEma calls its
 * copy. False if the name does not begin with "model." or is too long. */
bool names_to_ema(const char *theirs, char ema[NAME_SIZE]);

/* Paddle: the tensor of this name (ours) is a linear layer's matrix, stored as [in][out]. */
bool names_is_transposed(const char *ours, int rank);

#endif
