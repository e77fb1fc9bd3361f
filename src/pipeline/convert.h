/* convert.h - any model as a folder of diffusers. SPDX-License-Identifier: MIT */
#ifndef CLATENT_PIPELINE_CONVERT_H
#define CLATENT_PIPELINE_CONVERT_H

#include "pipeline/model.h"

struct convert_events {
    void *user;
    void (*progress)(void *user, const char *component, int done, int total); /* tensors */
    bool (*cancelled)(void *user);
};

/* Writes `folder`, which must not be there yet: configurations as json, weights as safetensors of
 * DTYPE_F32 or DTYPE_F16. It appears when it is complete. A model that lacks a tensor is
 * CLAT_ERROR_INPUT, as is a structure that diffusers has no words for. */
enum clat_status model_convert(const struct model *model, const char *folder, enum dtype dtype,
    const struct convert_events *events);

#endif
