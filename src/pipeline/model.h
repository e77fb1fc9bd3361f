/* model.h - an opened model: what it is, what it makes, what lies in it, what it needs.
 * SPDX-License-Identifier: MIT
 *
 * A model is a diffusers folder (model_index.json names the pipeline's class and its components,
 * each in a folder of its own with a config.json and its weights), the same with Paddle's files,
 * one autoencoder's folder, or a CompVis checkpoint with its yaml. Opening reads the small files
 * only; weights are mapped when a component is loaded or looked into. */
#ifndef CLATENT_PIPELINE_MODEL_H
#define CLATENT_PIPELINE_MODEL_H

#include "checkpoint/config.h"
#include "checkpoint/weights.h"
#include "device/call.h"
#include "device/device.h"

/* What a model makes, found from its own files, and so what stands beside the noisy latents. */
enum task {
    TASK_TEXT_TO_IMAGE,      /* text_encoder with its tokenizer, by cross-attention */
    TASK_SUPER_RESOLUTION,   /* the small image itself, behind the latents' channels */
    TASK_UNCONDITIONAL,      /* nothing */
    TASK_CLASS_CONDITIONAL,  /* class_embedder, a row as one token of cross-attention */
    TASK_INPAINTING,         /* latents of the masked image and the mask, behind the latents */
    TASK_SEMANTIC_SYNTHESIS, /* rescaler, over a one-hot label map, behind the latents */
    TASK_LAYOUT_TO_IMAGE,    /* text_encoder over the tokens of boxes, by cross-attention */
    TASK_RETRIEVAL,          /* embeddings from outside, by cross-attention */
    TASK_AUTOENCODER,        /* no UNet: encode and decode only */
    TASKS
};
const char *task_name(enum task task); /* "text_to_image" */

/* Who wrote the files, and so what tensors are called and how they lie. */
enum model_source { SOURCE_DIFFUSERS, SOURCE_PADDLE, SOURCE_COMPVIS };
const char *model_source_name(enum model_source source); /* "diffusers" */

enum component { COMPONENT_CONDITION, COMPONENT_UNET, COMPONENT_AUTOENCODER, COMPONENTS };

struct model {
    char *folder;  /* or file, as given */
    char *variant; /* NULL, "fp16", ... */
    enum task task;
    enum model_source source;
    struct model_index index;                    /* classes and folders of the components */
    struct ldmbert_config text_encoder;          /* text to image, layout to image */
    struct class_embedder_config class_embedder; /* class-conditional */
    struct spatial_rescaler_config rescaler;     /* semantic synthesis */
    struct unet_config unet;
    struct autoencoder_config autoencoder;
    struct tokenizer_config tokenizer;
    char *tokenizer_folder;    /* holds vocab.txt; NULL: none was found */
    struct settings scheduler; /* scheduler_config.json, or what the yaml says in its words */
    int latent_scale;          /* pixels per latent pixel: 8 */
    char *checkpoint, *yaml;   /* of CompVis, else NULL */
    bool use_ema;              /* of CompVis: the UNet's averaged weights, if they are there */
    bool scale_measured;       /* of CompVis: the latents' scale is a tensor of the checkpoint */
};

/* A model of a kind that is not supported is CLAT_ERROR_INPUT and the sentence says what is. */
enum clat_status model_open(const char *folder, const char *variant, struct model **model);
void model_close(struct model *model); /* NULL is allowed */

/* The condition has weights for text, layout, class and label map; an autoencoder has no UNet. */
bool model_has(const struct model *model, enum component component);

/* The default image, in pixels. */
int model_default_size(const struct model *model);

/* "bert", "unet", "vqvae": the folder; and the class, "LDMBertModel". */
const char *model_component_folder(const struct model *model, enum component component);
const char *model_component_class(const struct model *model, enum component component);

/* Opens the weights of a component. */
enum clat_status model_weights(
    const struct model *model, enum component component, struct weights **weights);

/* Runs the load function of a component, which marks the tensors that it reads. For a loader on a
 * dry device. */
struct loader;
enum clat_status model_load_dry(
    const struct model *model, enum component component, struct loader *loader);

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

/* Tensors of a checkpoint that no component takes, by reason; rows without tensors are empty. A
 * folder has none: its components list what they do not use. */
enum { LEFTOVERS = 16 };
struct leftover {
    const char *what, *why; /* "loss", "only for training" */
    size_t tensors, bytes;
};
enum clat_status model_leftovers(const struct model *model, struct leftover leftovers[LEFTOVERS]);

/* Bytes on the device, by component. */
struct model_memory {
    size_t text_weights, text_activations;
    size_t unet_weights, unet_activations; /* at the given size, images and guidance */
    size_t decoder_weights, decoder_activations;
    size_t encoder_weights, encoder_activations; /* 0 where no picture goes in */
    size_t sampling, decoding;                   /* the most at one time in these stages */
    size_t peak;                                 /* and in a whole job */
    size_t unet_tensors, decoder_tensors, text_tensors, encoder_tensors; /* that are loaded */
};
struct memory_request {
    int height, width;
    int images;     /* per UNet call */
    int timesteps;  /* that are planned */
    bool guided;    /* two UNet rows per image */
    bool several;   /* more images follow: UNet and decoder stay side by side */
    bool half;      /* weights are kept as half, but for those of the autoencoder */
    unsigned exact; /* bits of components that have float weights and use no matrix unit */
    bool bands;     /* the decoder works in bands of rows, whatever the size */
    bool streams;   /* the UNet's levels take turns on the device */
    bool encodes;   /* pictures are encoded first */
    bool alone;     /* one half of the autoencoder is all: the encoder if `encodes` */
    struct kernel_use **uses; /* becomes a list of the kernels for all this, freed with free();
                                 NULL: not asked for */
    size_t *use_count;
    struct device
        *prepares; /* its kernels for all this are built meanwhile: device/prepare.h; NULL: none */
};
/* Predicts by loading and running everything on a dry device with these facts (NULL: a generic
 * CPU). */
enum clat_status model_memory(const struct model *model, const struct device_facts *facts,
    const struct memory_request *request, struct model_memory *memory);

#endif
