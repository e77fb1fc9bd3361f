/* model_source.h - opening a model, by who wrote it. SPDX-License-Identifier: MIT
 *
 * Each fills task, source, index, configurations and scheduler of a model with only its folder and
 * variant set; what they filled is freed by model_close() also after a failure. */
#ifndef CLATENT_PIPELINE_MODEL_SOURCE_H
#define CLATENT_PIPELINE_MODEL_SOURCE_H

#include "pipeline/model.h"

/* model_index.json and a folder for each component; Paddle's too. */
enum clat_status model_open_diffusers(struct model *model);
/* config.json of one autoencoder, its weights beside it. */
enum clat_status model_open_autoencoder(struct model *model);
enum clat_status model_weights_diffusers(
    const struct model *model, enum component component, struct weights **weights);

/* A checkpoint with its yaml. */
enum clat_status model_open_compvis(const char *path, struct model *model);
enum clat_status model_weights_compvis(
    const struct model *model, enum component component, struct weights **weights);

#endif
