/* weights.h - the tensors of one component: found by name, checked by shape, handed out as float.
 * SPDX-License-Identifier: MIT
 *
 * A component is a folder of a diffusers model (unet/, vqvae/, bert/) with its weights as
 * safetensors (one file, or shards with an index), as a torch .bin (the zip archive or the
 * container before it), or as Paddle's .pdparams; a variant such as "fp16" stands before the
 * ending. Or it is a part of a CompVis checkpoint. Whoever wrote the file, tensors are asked for by
 * diffusers' names of today and have its shapes. Files are mapped; nothing is copied until a tensor
 * is asked for, and its pages are given back afterwards (weights_done). struct weight and the names
 * of the types are in formats/weight.h. */
#ifndef CLATENT_CHECKPOINT_WEIGHTS_H
#define CLATENT_CHECKPOINT_WEIGHTS_H

#include "base/status.h"
#include "checkpoint/config.h"
#include "checkpoint/names.h"
#include "formats/weight.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weights;

/* Opens a component folder. stem: "diffusion_pytorch_model" or "model" (its torch twin,
 * "pytorch_model", and Paddle's, "model_state", are implied). variant: NULL, "fp16", ... Search
 * order: sharded index, .safetensors, .bin, .pdparams. With variant NULL and only a variant
 * present, the variant is taken. */
enum clat_status weights_open_component(
    const char *folder, const char *stem, const char *variant, struct weights **weights);
/* Opens one file, its format recognised by its bytes. */
enum clat_status weights_open_file(const char *path, struct weights **weights);

/* Which tensors of a file make a component, and what they are called in it. */
struct weight_view {
    struct name_facts facts;
    const char *prefix; /* before their names: "model.diffusion_model."; NULL: none */
    bool ema;           /* take the averaged copy of each tensor, if the file has copies */
    const struct unet_config *unet; /* of DIALECT_COMPVIS_UNET: the heads */
    const char *config;             /* the file that says what is expected, for messages, or NULL */
};
/* What the view points to must live as long as the weights. */
enum clat_status weights_open_view(
    const char *path, const struct weight_view *view, struct weights **weights);
void weights_close(struct weights *weights); /* NULL is allowed */

size_t weights_count(const struct weights *weights);
const struct weight *weights_at(const struct weights *weights, size_t index);
const char *weights_format(const struct weights *weights); /* "safetensors", "torch zip", ... */
const char *weights_path(const struct weights *weights);   /* of its (first) file */
size_t weights_bytes(const struct weights *weights);       /* of all tensors, as stored */

/* NULL if there is no tensor of that name. */
const struct weight *weights_find(const struct weights *weights, const char *name);

/* The tensor as float32, row-major, marked used. The shape must match, trailing 1s aside (a linear
 * layer stored as 1x1 convolution is [out][in][1][1]); else CLAT_ERROR_INPUT with tensor, expected
 * and found. The result is the mapped file itself or memory of `weights`, valid until
 * weights_done(). */
enum clat_status weights_float(
    struct weights *weights, const char *name, int rank, const size_t *shape, const float **values);
/* The same checks, and marked used, but nothing is read: for a network that is only being measured.
 */
enum clat_status weights_expect(
    struct weights *weights, const char *name, int rank, const size_t *shape);
/* Releases what weights_float() handed out since the last call, and the file's pages. */
void weights_done(struct weights *weights);

#endif
