/* model.h - an opened model folder: what it is, what lies in it, what it needs.
 * SPDX-License-Identifier: MIT
 *
 * A diffusers folder: model_index.json names the pipeline's class and its components, each in a
 * folder of its own with a config.json and its weights. Opening reads the small json files only;
 * weights are mapped when a component is loaded or looked into. */
#ifndef CLATENT_PIPELINE_MODEL_H
#define CLATENT_PIPELINE_MODEL_H

#include "checkpoint/config.h"
#include "checkpoint/weights.h"
#include "device/device.h"

enum component { COMPONENT_TEXT_ENCODER, COMPONENT_UNET, COMPONENT_AUTOENCODER, COMPONENTS };

struct model {
    char *folder;
    char *variant; /* NULL, "fp16", ... */
    struct model_index index;
    struct ldmbert_config text_encoder;
    struct unet_config unet;
    struct autoencoder_config autoencoder;
    struct tokenizer_config tokenizer;
    struct settings scheduler; /* scheduler_config.json */
    int latent_scale;          /* pixels per latent pixel: 8 */
};

/* A folder of a kind that is not supported is CLAT_ERROR_INPUT and the sentence says what is. */
enum clat_status model_open(const char *folder, const char *variant, struct model **model);
void model_close(struct model *model); /* NULL is allowed */

/* The default image, in pixels. */
int model_default_size(const struct model *model);

/* "bert", "unet", "vqvae": the folder; and the class, "LDMBertModel". */
const char *model_component_folder(const struct model *model, enum component component);
const char *model_component_class(const struct model *model, enum component component);

/* Opens the weights of a component. */
enum clat_status model_weights(
    const struct model *model, enum component component, struct weights **weights);

/* One component, looked into: its load function is run on a dry device. */
struct component_info {
    const char *folder, *class_name;
    char *format, *path;               /* "safetensors", and the (first) file */
    char *dtypes;                      /* "F32" or "F16, F32": what its tensors are stored as */
    size_t tensors, parameters, bytes; /* as stored */
    size_t used;                       /* tensors that a network asks for, of `tensors` */
    size_t missing;                    /* tensors that a network asks for and the file lacks */
    char **unused;                     /* names; count = tensors - used */
    char **faults;                     /* one sentence per missing or misshapen tensor */
    size_t fault_count;
};
/* A file that cannot be read at all is an error; missing tensors are not, they are reported. */
enum clat_status model_inspect(
    const struct model *model, enum component component, struct component_info *info);
void component_info_free(struct component_info *info);

/* Bytes on the device, by component. */
struct model_memory {
    size_t text_weights, text_activations;
    size_t unet_weights, unet_activations; /* at the given size, images and guidance */
    size_t decoder_weights, decoder_activations;
    size_t peak;          /* the most at one time in a whole job */
    size_t peak_sampling; /* the same without the text encoder's stage */
    size_t unet_tensors, decoder_tensors, text_tensors; /* how many are loaded */
};
/* Predicts by loading and running everything on a dry device with these facts (NULL: a generic
 * CPU). `images` per UNet call; guided: two UNet rows per image. */
enum clat_status model_memory(const struct model *model, const struct device_facts *facts,
    int height, int width, int images, bool guided, struct model_memory *memory);

#endif
