/* pool.c - the two-ended stack of activations. SPDX-License-Identifier: MIT */
#include "device/tensor.h"
#include "base/memory.h"

#include <string.h>

#define POOL_ALIGNMENT ((size_t)256)

enum clat_status pool_open(struct device *device, size_t size, struct pool *pool)
{
    enum clat_status status;
    *pool = (struct pool){.device = device};
    if (device_is_dry(device))
        return CLAT_OK;
    if (size / sizeof(float) > UINT32_MAX) /* kernels get offsets as uint */
        return status_set(CLAT_ERROR_MEMORY,
            "activations of %zu bytes are needed, at most %zu can be addressed", size,
            (size_t)UINT32_MAX * sizeof(float));
    TRY(buffer_new(device, size, &pool->buffer));
    TRY(buffer_touch(device, &pool->buffer));
out:
    return status;
}

void pool_close(struct pool *pool)
{
    if (pool->device)
        buffer_free(pool->device, &pool->buffer);
    memset(pool, 0, sizeof *pool);
}

/* Bytes of n*h*w*c floats, rounded up; false if that does not fit or is not positive. */
static bool tensor_bytes(int n, int h, int w, int c, size_t *bytes)
{
    if (n <= 0 || h <= 0 || w <= 0 || c <= 0)
        return false;
    if (!size_mul((size_t)n, (size_t)h, bytes) || !size_mul(*bytes, (size_t)w, bytes) ||
        !size_mul(*bytes, (size_t)c, bytes) || !size_mul(*bytes, sizeof(float), bytes) ||
        !size_add(*bytes, POOL_ALIGNMENT - 1, bytes))
        return false;
    *bytes -= *bytes % POOL_ALIGNMENT;
    return true;
}

static enum clat_status too_small(const struct pool *pool, size_t bytes)
{
    return status_set(CLAT_ERROR_INTERNAL,
        "the activation pool was measured too small: %zu more bytes are needed, %zu of %zu are in "
        "use",
        bytes, pool->front + pool->back, pool->buffer.size);
}

/* The front grows up from 0, the back down from the last aligned address. */
static enum clat_status take(struct pool *pool, enum pool_end end, size_t bytes, size_t *start)
{
    size_t size = pool->buffer.size - pool->buffer.size % POOL_ALIGNMENT;
    bool dry = device_is_dry(pool->device);
    if (!dry && bytes > size - pool->front - pool->back)
        return too_small(pool, bytes);
    if (end == POOL_FRONT) {
        *start = pool->front;
        pool->front += bytes;
    } else {
        pool->back += bytes;
        *start = dry ? 0 : size - pool->back;
    }
    if (pool->front + pool->back > pool->peak)
        pool->peak = pool->front + pool->back;
    return CLAT_OK;
}

enum clat_status pool_take(
    struct pool *pool, enum pool_end end, int n, int h, int w, int c, struct tensor *tensor)
{
    size_t bytes, start = 0;
    if (!tensor_bytes(n, h, w, c, &bytes))
        return status_set(
            CLAT_ERROR_INTERNAL, "a tensor of %d x %d x %d x %d cannot be made", n, h, w, c);
    enum clat_status status = take(pool, end, bytes, &start);
    if (status != CLAT_OK)
        return status;
    *tensor = (struct tensor){.memory = pool->buffer.memory,
        .offset = start / sizeof(float),
        .n = n,
        .h = h,
        .w = w,
        .c = c,
        .stride = c};
    return CLAT_OK;
}

struct pool_mark pool_mark(const struct pool *pool)
{
    return (struct pool_mark){pool->front, pool->back};
}

void pool_release(struct pool *pool, enum pool_end end, struct pool_mark mark)
{
    if (end == POOL_FRONT)
        pool->front = mark.front;
    else
        pool->back = mark.back;
}
