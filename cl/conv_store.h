/* conv_store.h - sixteen channels, or what is left of them, from and to memory; the end of a convolution.
 * SPDX-License-Identifier: MIT */

/* The first `count` values at p, the rest zero; 16 or more are all of them. */
static inline float16 load_part(global const float *restrict p, int count)
{
    if (count >= 16)
        return vload16(0, p);
    float lanes[16];
    for (int i = 0; i < 16; i++)
        lanes[i] = i < count ? p[i] : 0.0f;
    return vload16(0, lanes);
}

static inline void store_part(float16 v, global float *restrict p, int count)
{
    if (count >= 16) {
        vstore16(v, 0, p);
        return;
    }
    float lanes[16];
    vstore16(v, 0, lanes);
    for (int i = 0; i < count; i++)
        p[i] = lanes[i];
}

/* y = v + bias + time[n] + residual; time and residual may be NULL. Pointers stand at the first of `count`
 * channels, of which the first 16 are taken; bias is padded to 16. */
static inline void store_output(float16 v, global const float *restrict bias, global const float *restrict time,
    global const float *restrict residual, int count, global float *restrict y)
{
    v += vload16(0, bias);
    if (time)
        v += load_part(time, count);
    if (residual)
        v += load_part(residual, count);
    store_part(v, y, count);
}
