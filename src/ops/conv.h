/* conv.h - the variants of the 3x3 convolution, one table. SPDX-License-Identifier: MIT
 *
 * conv.c chooses a variant for every layer at load and calls it through its row; conv_plain.c,
 * conv_direct.c and conv_winograd.c hold the rows. Every variant is right on every map that its
 * stride allows; they differ in speed and scratch; packed weights take the bytes of the plain ones,
 * or half of them.
 */
#ifndef CLATENT_OPS_CONV_H
#define CLATENT_OPS_CONV_H

#include "device/launch.h"
#include "ops/op.h"
#include "ops/packed.h"

enum conv_variant {
    CONV_PLAIN,           /* the formula; any device */
    CONV_TILED,           /* implicit matrix product in local memory; any device */
    CONV_DIRECT,          /* nine shifted products; CPU */
    CONV_NARROW,          /* lanes are input channels: at most 16 output channels; CPU */
    CONV_WINOGRAD,        /* F(4x4) in whole, for large maps; CPU, stride 1 */
    CONV_WINOGRAD_FUSED,  /* F(4x4) job by job, for small maps; CPU, stride 1 */
    CONV_WINOGRAD_GROUPS, /* F(4x4), a product for each point; GPU, stride 1 */
    CONV_NARROW_GROUPS, /* four output channels of a square of pixels: at most 16; GPU, stride 1 */
    CONV_MATRIX,        /* CONV_TILED on the matrix unit of sub-groups; GPU that has one */
    CONV_UNIT,          /* nine shifted products on a matrix unit; CPU that has one, stride 1 */
    CONV_VARIANTS
};

enum conv_need {
    CONV_NEEDS_NOTHING,
    CONV_NEEDS_TILES,     /* matrix unit of a CPU, and weights that are not half */
    CONV_NEEDS_GROUP_UNIT /* of a GPU's sub-groups; weights become numbers of 16 bits */
};

struct conv_engine {
    const char *name;
    int strides; /* largest stride */
    int outputs; /* most output channels; 0: any */
    enum conv_need need;
    /* Numbers in the packed weights of [out][in][3][3], and the packing itself. */
    size_t (*count)(const struct conv *conv);
    void (*pack)(const struct conv *conv, const float *weight, const struct packed *packed);
    /* The call was checked by op_conv. */
    enum clat_status (*run)(
        struct pool *pool, const struct conv *conv, const struct conv_call *call);
};
extern const struct conv_engine conv_plain, conv_tiled, conv_direct, conv_narrow, conv_winograd,
    conv_winograd_fused, conv_winograd_groups, conv_narrow_groups, conv_matrix, conv_unit;
const struct conv_engine *conv_engine(enum conv_variant variant);
/* Whether the variant can do such a layer, loaded now. */
bool conv_can(const struct device *device, enum conv_variant variant, int out, int stride);

/* The variant that conv_load takes, and conv_load with another one (tests, benches). */
enum conv_variant conv_choose(const struct device *device, int out, int in, int stride, int pixels);
enum clat_status conv_load_as(struct device *device, enum conv_variant variant, const float *weight,
    const float *bias, int out, int in, int stride, int pad_before, struct conv *conv);

/* `value` rounded up to a multiple of `step`. */
int conv_round_up(int value, int step);

/* Weights as [panels][9][k][panel]; or with taps_inside as [panels][k][9][panel], where the last
 * panel is only as wide as its channels, rounded up to 16. Zero where an output or input channel
 * does not exist. */
void conv_pack_panels(const struct conv *conv, int panel, int k, bool taps_inside,
    const float *weight, const struct packed *packed);

/* Weights for products in work-groups (conv_tiled.c): panels of GEMM_PANEL, [panels][9][k][panel].
 */
size_t conv_tiled_count(const struct conv *conv);
void conv_tiled_pack(const struct conv *conv, const float *weight, const struct packed *packed);

/* SOURCE_ARGUMENTS and ENDING_ARGUMENTS of cl/conv_quad.h */
#define CONV_ARGS_SOURCE(conv, call)                                                               \
    ARG_TENSOR((call)->x), ARG_INT((call)->x->stride), ARG_INT((call)->x->c),                      \
        ARG_TENSOR((call)->x2), ARG_INT(tensor_stride((call)->x2)), ARG_TENSOR((call)->fold),      \
        ARG_INT((conv)->in), ARG_INT((call)->silu), ARG_INT((call)->x->h *(call)->x->w),           \
        ARG_INT((int)tensor_pixels((call)->x))
#define CONV_ARGS_END(conv, call)                                                                  \
    ARG_BUFFER(&(conv)->bias), ARG_TENSOR((call)->time), ARG_INT(tensor_stride((call)->time)),     \
        ARG_TENSOR((call)->residual), ARG_INT(tensor_stride((call)->residual)),                    \
        ARG_TENSOR((call)->y), ARG_INT((call)->y->stride), ARG_INT((call)->y->h *(call)->y->w),    \
        ARG_INT((int)tensor_pixels((call)->y)), ARG_INT((call)->y->c)
/* y of the sums [parts][1][pixels][columns] of parts of the steps. */
enum clat_status conv_tiled_end(struct device *device, const struct conv *conv,
    const struct conv_call *call, const struct tensor *partial);

/* Whether counting says that the transforms of CONV_WINOGRAD_GROUPS take less time than they save,
 * for images of so many pixels. */
bool conv_winograd_groups_pays(int out, int in, int pixels);

/* ---- conv_gather.c: the input of the CPU-shaped variants, in bands -------------------------- */

/* Scratch is bounded by working on a part of the output at a time: some whole images, or some rows
 * of one. */
struct conv_band {
    int image, images;
    int row, rows;
    int limit_images, limit_rows; /* of one band */
};
/* The first band of y; row_floats: scratch per row of output, step: rows come in multiples of it.
 */
struct conv_band conv_band_first(const struct tensor *y, size_t row_floats, int step);
/* Goes to the next band; false if there is none. */
bool conv_band_next(struct conv_band *band, const struct tensor *y);

/* What ends the computation of a band (cl/conv_store.h): the bias and the band's part of time,
 * residual and y; a tensor that is left out has no memory. */
struct conv_ending {
    const struct buffer *bias;
    struct tensor time, residual, y;
};
struct conv_ending conv_band_ending(
    const struct conv_band *band, const struct conv *conv, const struct conv_call *call);

/* Its arguments of a kernel, ENDING_ARGUMENTS there. */
#define ARGS_ENDING(ending)                                                                        \
    ARG_BUFFER((ending).bias), ARG_TENSOR(&(ending).time), ARG_INT((ending).time.stride),          \
        ARG_TENSOR(&(ending).residual), ARG_INT((ending).residual.stride),                         \
        ARG_TENSOR(&(ending).y), ARG_INT((ending).y.stride), ARG_INT((ending).y.h),                \
        ARG_INT((ending).y.w), ARG_INT((ending).y.c)

/* Fills p, a dense tensor [images][rows][width][k], with the padded input that output rows from
 * band->row on need: norm, SiLU, upsampling and joining done, zero elsewhere. */
enum clat_status conv_gather(struct device *device, const struct conv *conv,
    const struct conv_call *call, const struct conv_band *band, const struct tensor *p);

#endif
