/* conv_quad.h - the inputs of a 3x3 convolution as a matrix product, and its ending, four channels at a
 * time. SPDX-License-Identifier: MIT
 *
 * For kernels in work-groups. */

/* What is convolved: silu?(fold?(x ++ x2)). */
struct source {
    global const float *x, *x2, *fold; /* fold: [n][scale, shift][channels] or NULL */
    int x_stride, x2_stride, c1, channels, silu_wanted, image;
};
#define SOURCE_ARGUMENTS                                                                           \
    TENSOR_IN(x), int x_stride, int c1, TENSOR_IN(x2), int x2_stride, TENSOR_IN(fold),             \
        int channels, int silu_wanted, int image, int pixels
#define SOURCE                                                                                     \
    {                                                                                              \
        TENSOR_AT(x), TENSOR_AT(x2), TENSOR_GIVEN(fold) ? TENSOR_AT(fold) : 0, x_stride,           \
            x2_stride, c1, channels, silu_wanted, image                                            \
    }

/* Channel c of pixel p; zero beyond the last channel. */
static inline float source_value(const struct source *s, int p, int c)
{
    float v = 0.0f;
    if (c >= s->channels)
        return v;
    if (c < s->c1)
        v = s->x[(size_t)p * s->x_stride + c];
    else
        v = s->x2[(size_t)p * s->x2_stride + c - s->c1];
    if (s->fold) {
        global const float *scale = s->fold + (size_t)(p / s->image) * 2 * s->channels + c;
        v = fma(v, scale[0], scale[s->channels]);
    }
    return s->silu_wanted ? silu(v) : v;
}

/* The input, and how pixels of the result lie on it. */
struct map {
    int h, w, up;
    int rows, width, pixels, stride, pad; /* of the result */
};

/* The pixel of x under `tap` of pixel p of the result; -1 outside the image. */
static inline int tap_pixel(const struct map *m, int p, int tap)
{
    int row = p / m->width, n = row / m->rows;
    int y = (row - n * m->rows) * m->stride - m->pad + tap / 3;
    int x = (p - row * m->width) * m->stride - m->pad + tap % 3;
    bool inside = p < m->pixels && y >= 0 && x >= 0 && y < m->h << m->up && x < m->w << m->up;
    return inside ? (n * m->h + (y >> m->up)) * m->w + (x >> m->up) : -1;
}

#define ENDING_ARGUMENTS                                                                           \
    global const float *restrict bias, TENSOR_IN(time), int time_stride, TENSOR_IN(residual),      \
        int residual_stride, TENSOR_OUT(y), int y_stride, int image, int pixels, int out

/* What is added to the sums, and where they go; `image` is the pixels of one. */
struct ending {
    global const float *bias, *time, *residual;
    global float *y;
    int time_stride, residual_stride, y_stride, image, pixels, out;
};
#define ENDING                                                                                     \
    {                                                                                              \
        bias, TENSOR_GIVEN(time) ? TENSOR_AT(time) : 0,                                            \
            TENSOR_GIVEN(residual) ? TENSOR_AT(residual) : 0, TENSOR_AT(y), time_stride,           \
            residual_stride, y_stride, image, pixels, out                                          \
    }

static inline void end_quad(const struct ending *e, int p, int o, float4 v)
{
    int count = e->out - o;
    if (p >= e->pixels || count <= 0)
        return;
    v += vload4(0, e->bias + o); /* padded to sixteen */
    if (e->time)
        v += load_quad(e->time + (size_t)(p / e->image) * e->time_stride + o, count);
    if (e->residual)
        v += load_quad(e->residual + (size_t)p * e->residual_stride + o, count);
    store_quad(v, e->y + (size_t)p * e->y_stride + o, count);
}
