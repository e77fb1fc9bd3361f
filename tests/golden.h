/* golden.h - reference values of the tiny models, and networks compared with them block by block.
 * SPDX-License-Identifier: MIT
 *
 * tests/data/goldens/NAME.safetensors holds inputs and outputs that the reference programs gave on
 * tests/data/NAME: whole networks, and "act/..." the output of every block of one forward pass. */
#ifndef CLATENT_TESTS_GOLDEN_H
#define CLATENT_TESTS_GOLDEN_H

#include "networks/block.h"
#include "pipeline/model.h"

#define GOLDEN_LIMIT 3e-5 /* relative L2 distance of one forward pass */

/* The tensors of a golden file by name. */
struct weights *golden_open(const char *path);
/* A tensor's shape and values (float32 or int32, as stored); the test ends if it is not there. */
const struct weight *golden_find(struct weights *goldens, const char *name);
const float *golden_floats(struct weights *goldens, const char *name);
size_t golden_count(const struct weight *weight);

/* The default device; leaves with 77 if there is none. */
struct device *golden_device(void);

/* Makes the schedulers of the build tree known. */
void golden_schedulers(void);

/* Onlooker of a forward pass: each output that has a golden "PREFIXname" is compared with it. */
struct golden_tap {
    struct device *device;
    struct weights *goldens;
    const char *prefix; /* "act/unet." */
    int compared;
};
enum clat_status golden_compare(void *tap, const char *name, const struct tensor *tensor);

/* The weights of a component of tests/data/MODEL, ready for a load function. */
struct golden_model {
    struct model *model;
    struct loader loader;
};
void golden_model_open(struct golden_model *opened, const char *folder, const char *variant,
    enum component component, struct device *device);
void golden_model_close(struct golden_model *opened);

/* The tiny model with only these weight files in it ("safetensors" or "bin"), in the build tree. */
const char *golden_layout(const char *ending);

#endif
