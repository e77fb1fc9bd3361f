/* config_text.h - the json files of a model, from its structs. SPDX-License-Identifier: MIT
 *
 * What config_read_* would read back, in the words of diffusers' classes. A structure that a class
 * has no words for is CLAT_ERROR_INPUT. */
#ifndef CLATENT_PIPELINE_CONFIG_TEXT_H
#define CLATENT_PIPELINE_CONFIG_TEXT_H

#include "base/text.h"
#include "pipeline/model.h"

/* The class a component is written as: "UNet2DModel", ...; NULL: the model has no such component.
 */
const char *config_text_class(const struct model *model, enum component component);
/* The folder: "unet", "vqvae" or "vae", "bert" or "cond_stage"; "" for an autoencoder alone. */
const char *config_text_folder(const struct model *model, enum component component);

enum clat_status config_text_component(
    const struct model *model, enum component component, struct text *text);
enum clat_status config_text_scheduler(const struct model *model, struct text *text);
/* model_index.json; `tokenizer`: there is one. */
enum clat_status config_text_index(const struct model *model, bool tokenizer, struct text *text);

#endif
