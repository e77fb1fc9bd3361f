/* tensor.h - a view of float32 values on the device, and the two-ended stack that they live on.
 * SPDX-License-Identifier: MIT
 *
 * Layout is NHWC: element (n, y, x, c) stands at offset + ((n*h + y)*w + x)*stride + c. Tokens are
 * pixels: a text of 77 tokens is n x 1 x 77 x width. `stride` is larger than c where the tensor is
 * a slice of wider rows (q, k and v in one product). Ops read and write through such views; none
 * keeps one.
 *
 * Activations live on one buffer per image job, the pool. Memory is taken from either end and given
 * back by going back to a mark: what outlives a block (skips) from the front, temporaries from the
 * back. Order of a function: the caller makes the output; the function marks, makes its
 * temporaries, releases to the mark at `out:`. On a dry device the pool has no limit and its peak
 * is the answer. */
#ifndef CLATENT_DEVICE_TENSOR_H
#define CLATENT_DEVICE_TENSOR_H

#include "device/device.h"

struct tensor {
    struct _cl_mem *memory; /* NULL on a dry device */
    size_t offset;          /* in elements, below 2^32 */
    int n, h, w, c;
    int stride; /* elements from one pixel to the next, c if dense */
};

/* n*h*w, and n*h*w*c. */
size_t tensor_pixels(const struct tensor *tensor);
size_t tensor_elements(const struct tensor *tensor);

/* 0 for NULL, as kernels get it beside no tensor. */
static inline int tensor_stride(const struct tensor *tensor)
{
    return tensor ? tensor->stride : 0;
}

/* The channels [first, first + count) of every pixel. */
struct tensor tensor_channels(const struct tensor *tensor, int first, int count);
/* The batch items [first, first + count). */
struct tensor tensor_batch(const struct tensor *tensor, int first, int count);
/* The same dense elements in another shape (the product must be equal). */
struct tensor tensor_reshape(const struct tensor *tensor, int n, int h, int w, int c);

/* Host copies of a dense or strided tensor; `values` is [n][h][w][c] dense. Reading waits for the
 * queue. */
enum clat_status tensor_write(
    struct device *device, const struct tensor *tensor, const float *values);
enum clat_status tensor_read(struct device *device, const struct tensor *tensor, float *values);
/* The same with `values` as [n][c][h][w], the order of files, latents and noise. */
enum clat_status tensor_write_nchw(
    struct device *device, const struct tensor *tensor, const float *values);
enum clat_status tensor_read_nchw(
    struct device *device, const struct tensor *tensor, float *values);

enum pool_end { POOL_FRONT, POOL_BACK };

struct pool {
    struct device *device;
    struct buffer buffer;
    size_t front, back; /* bytes in use at each end */
    size_t peak;        /* largest front + back so far */
};
struct pool_mark {
    size_t front, back;
};

/* A pool of `size` bytes; on a dry device size is ignored. */
enum clat_status pool_open(struct device *device, size_t size, struct pool *pool);
void pool_close(struct pool *pool);

/* A dense tensor from one end, aligned to 256 bytes, contents undefined. CLAT_ERROR_INTERNAL if the
 * pool, whose size was measured, is too small. */
enum clat_status pool_take(
    struct pool *pool, enum pool_end end, int n, int h, int w, int c, struct tensor *tensor);

struct pool_mark pool_mark(const struct pool *pool);
/* Gives back what was taken from that end (or both) since the mark. */
void pool_release(struct pool *pool, enum pool_end end, struct pool_mark mark);

#endif
