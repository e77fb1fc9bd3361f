/* op.h - every operation on the device: formula, shapes, ownership. SPDX-License-Identifier: MIT
 *
 * One file per operation: src/ops/NAME.c calls cl/NAME*.cl and is tested by tests/op_NAME.c.
 * Tensors are NHWC views (device/tensor.h), float32; a "row" is one pixel or token. Outputs are
 * made by the caller; an output must not overlap an input, also not `residual` (tiles at the edge
 * are computed twice). Temporaries come from the back of the pool and are given back before the op
 * returns (the queue is in order, so they may be reused at once). Weights are packed once, for the
 * device and the kernel variant chosen by the op; `float *` weights are host memory and are not
 * kept. While device_stores_half(), the weights of linear layers and convolutions are rounded to
 * half and take half the bytes; biases, norms, codebooks and all arithmetic stay float. */
#ifndef CLATENT_OPS_OP_H
#define CLATENT_OPS_OP_H

#include "device/tensor.h"

enum activation {
    ACTIVATION_NONE,
    ACTIVATION_SILU,       /* x * sigmoid(x) */
    ACTIVATION_GELU,       /* 0.5 x (1 + erf(x / sqrt 2)) */
    ACTIVATION_QUICK_GELU, /* x * sigmoid(1.702 x) */
    ACTIVATION_GEGLU       /* value * GELU(gate): the product's first half of rows is the value */
};

/* ---- gemm.c: linear layers and 1x1 convolutions -------------------------------------------------
 * y[r][o] = act(sum_i x[r][i] W[o][i] + b[o]) + residual[r][o]
 * With GEGLU W has 2*out rows, and y[r][o] = v*GELU(g) of rows o and out + o. */

/* How products are computed: `auto` picks per device and shape; half weights always by `own`. */
enum gemm_engine { GEMM_AUTO, GEMM_OWN, GEMM_CLBLAST };
void gemm_set_engine(struct device *device, enum gemm_engine engine);

struct linear {
    int in, out;
    enum activation activation;
    struct buffer weight; /* packed as `variant` wants it */
    struct buffer
        bias;    /* always present, zero if the layer has none; packed as the weight's rows */
    int variant; /* which packing, gemm.c */
    bool half;   /* the weights are */
    bool bf16;   /* factors are, on a matrix unit of 16 bits */
};
/* weight [out][in] ([2*out][in] for GEGLU), bias [out] ([2*out]) or NULL. */
enum clat_status linear_load(struct device *device, const float *weight, const float *bias, int out,
    int in, enum activation activation, struct linear *linear);
void linear_free(struct device *device, struct linear *linear);

/* x2, if not NULL, gives the columns after those of x (the skip of an up block): x->c + x2->c = in.
 * residual may be NULL. Rows: pixels of x. */
enum clat_status op_linear(struct pool *pool, const struct linear *linear, const struct tensor *x,
    const struct tensor *x2, const struct tensor *residual, const struct tensor *y);

/* ---- conv.c: 3x3 convolutions
 * -------------------------------------------------------------------- y = conv(pre(x ++ x2)) +
 * bias + time[n] + residual, pre(x) = silu(x*scale + shift) per n and c. */
struct conv {
    int in, out;
    int stride;     /* 1: pad 1 all round. 2: see pad_before */
    int pad_before; /* stride 2: 1 = pad 1 all round (UNet), 0 = pad right and bottom only (encoder)
                     */
    struct buffer weight, bias;
    int variant;
    bool half; /* the weights are */
    bool bf16; /* factors are, on a matrix unit of 16 bits */
};
/* weight [out][in][3][3], bias [out] or NULL. `pixels`: output pixels per image that the layer will
 * see (from the model's default size), a hint for choosing the variant; 0 if unknown. */
enum clat_status conv_load(struct device *device, const float *weight, const float *bias, int out,
    int in, int stride, int pad_before, int pixels, struct conv *conv);
void conv_free(struct device *device, struct conv *conv);

struct conv_call {
    const struct tensor *x, *x2;   /* x2: channels after those of x, or NULL */
    const struct tensor *fold;     /* [n][1][2][in]: scale, shift of group_norm_fold; NULL: none */
    bool silu;                     /* after the fold */
    bool upsample;                 /* x is read as nearest x2: y is 2h x 2w (stride 1 only) */
    const struct tensor *time;     /* [n][1][1][out] (any stride), added per image; or NULL */
    const struct tensor *residual; /* shape of y, or NULL */
    const struct tensor *y;
};
enum clat_status op_conv(struct pool *pool, const struct conv *conv, const struct conv_call *call);

/* ---- norm.c --------------------------------------------------------------------------------- */
struct norm {
    int channels, groups; /* groups = 0: layer norm */
    float eps;
    struct buffer gamma, beta; /* [channels] */
};
enum clat_status norm_load(struct device *device, const float *gamma, const float *beta,
    int channels, int groups, float eps, struct norm *norm);
void norm_free(struct device *device, struct norm *norm);

/* Group norm as scale and shift: fold [n][1][2][channels] with y = x*scale + shift. Statistics over
 * h*w and the channels of a group, biased variance; x2 as in op_linear (a group may span both). */
enum clat_status op_group_norm_fold(struct pool *pool, const struct norm *norm,
    const struct tensor *x, const struct tensor *x2, const struct tensor *fold);
/* The same for an image that is computed in parts of its rows: the moments [1][1][2][groups] of one
 * part x, and the fold of all, from moments [1][parts][2][groups] of parts that have part_pixels
 * pixels each, the last one what is left of `pixels`. */
enum clat_status op_group_norm_moments(struct pool *pool, const struct norm *norm,
    const struct tensor *x, const struct tensor *moments);
enum clat_status op_group_norm_merge(struct pool *pool, const struct norm *norm,
    const struct tensor *moments, int part_pixels, int pixels, const struct tensor *fold);
/* y = act(x*scale + shift); act is NONE or SILU. */
enum clat_status op_group_norm_apply(struct pool *pool, const struct tensor *x,
    const struct tensor *x2, const struct tensor *fold, enum activation activation,
    const struct tensor *y);
/* The fold of (norm(x))*(1 + scale) + shift: y = fold[0]*(1 + scale), fold[1]*(1 + scale) + shift.
 * modulation [n][1][1][2*channels] (any stride): scale, then shift, per image and channel. */
enum clat_status op_group_norm_modulate(struct pool *pool, const struct tensor *fold,
    const struct tensor *modulation, const struct tensor *y);
/* Over the channels of every row. */
enum clat_status op_layer_norm(
    struct pool *pool, const struct norm *norm, const struct tensor *x, const struct tensor *y);

/* ---- attention.c
 * ---------------------------------------------------------------------------------- Per image and
 * head j of width d = c/heads: y = softmax(scale q kT) v over the h*w tokens of k and v; head j is
 * channels [j*d, (j+1)*d). causal: token i sees keys <= i. Any d, any count of tokens; no full
 * matrix of scores. q and y share tokens, k and v theirs; strides may differ. */
enum clat_status op_attention(struct pool *pool, const struct tensor *q, const struct tensor *k,
    const struct tensor *v, int heads, float scale, bool causal, const struct tensor *y);

/* ---- elementwise.c -------------------------------------------------------------------------- */
/* y = act(x); NONE copies (also between strides). */
enum clat_status op_activate(
    struct pool *pool, const struct tensor *x, enum activation activation, const struct tensor *y);
/* y = a + b */
enum clat_status op_add(
    struct pool *pool, const struct tensor *a, const struct tensor *b, const struct tensor *y);
/* y = x*scale + shift with the same two numbers everywhere. */
enum clat_status op_affine(
    struct pool *pool, const struct tensor *x, float scale, float shift, const struct tensor *y);

/* ---- resample.c ----------------------------------------------------------------------------- */
/* Nearest neighbour to any size: source index = floor(destination * in / out). */
enum clat_status op_resize_nearest(
    struct pool *pool, const struct tensor *x, const struct tensor *y);
/* The mean of 2x2 pixels of pre(x), pre as in conv_call: y is h/2 x w/2, rounded down. fold may be
 * NULL. */
enum clat_status op_mean_2x2(struct pool *pool, const struct tensor *x, const struct tensor *fold,
    bool silu, const struct tensor *y);

/* ---- quantize.c ----------------------------------------------------------------------------- */
/* The rows that a VQ autoencoder's latents are rounded to. */
struct codebook {
    int codes, width;
    struct buffer values; /* [codes][width] */
};
enum clat_status codebook_load(
    struct device *device, const float *values, int codes, int width, struct codebook *codebook);
void codebook_free(struct device *device, struct codebook *codebook);

/* y = x + (e - x), e the code nearest to the pixel x (Euclid; of equals the first). The number of
 * the code goes, as float, into indices [n][h][w][1], unless that is NULL. A value that is not a
 * number takes code 0. */
enum clat_status op_quantize(struct pool *pool, const struct codebook *codebook,
    const struct tensor *x, const struct tensor *y, const struct tensor *indices);

#endif
