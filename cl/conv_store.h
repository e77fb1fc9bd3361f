/* conv_store.h - sixteen channels, or what is left of them, from and to memory; the end of a
 * convolution. SPDX-License-Identifier: MIT */

/* The first `count` values at p, the rest zero; 16 or more are all of them. */
static inline float16 load_part(__global const float *p, int count)
{
    if (count >= 16)
        return vload16(0, p);
    float lanes[16];
    for (int i = 0; i < 16; i++)
        lanes[i] = i < count ? p[i] : 0.0f;
    return vload16(0, lanes);
}

static inline void store_part(float16 v, __global float *p, int count)
{
    if (count >= 16) {
        store16(v, p);
        return;
    }
    float lanes[16];
    vstore16(v, 0, lanes);
    for (int i = 0; i < count; i++)
        p[i] = lanes[i];
}

/* What is added to the sums of a convolution, and where they go; time and residual may be NULL. */
struct ending {
    __global const float *bias; /* [out], padded to 16 */
    __global const float *time; /* [images][out] at time_stride */
    int time_stride;
    __global const float *residual; /* as y */
    int residual_stride;
    __global float *y; /* [images][rows][width][out] at y_stride */
    int y_stride, rows, width, out;
};

#define ENDING_ARGUMENTS                                                                           \
    __global const float *restrict bias, TENSOR_IN(time), int time_stride, TENSOR_IN(residual),    \
        int residual_stride, TENSOR_OUT(y), int y_stride, int rows, int width, int out
#define ENDING                                                                                     \
    {                                                                                              \
        bias, TENSOR_GIVEN(time) ? TENSOR_AT(time) : 0, time_stride,                               \
            TENSOR_GIVEN(residual) ? TENSOR_AT(residual) : 0, residual_stride, TENSOR_AT(y),       \
            y_stride, rows, width, out                                                             \
    }

/* y = v + bias + time[n] + residual for channels [o, o + 16) of pixel (row, x) of image n, as far
 * as pixel and channels exist. */
static inline void store_output(
    const struct ending *ending, float16 v, int n, int row, int x, int o)
{
    int count = ending->out - o;
    size_t pixel = ((size_t)n * ending->rows + row) * ending->width + x;
    if (row >= ending->rows || x >= ending->width)
        return;
    v += vload16(0, ending->bias + o);
    if (ending->time)
        v += load_part(ending->time + (size_t)n * ending->time_stride + o, count);
    if (ending->residual)
        v += load_part(ending->residual + pixel * ending->residual_stride + o, count);
    store_part(v, ending->y + pixel * ending->y_stride + o, count);
}
