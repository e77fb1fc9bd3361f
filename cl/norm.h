/* norm.h - group norm as statistics, fold and apply; layer norm: what both shapes of kernel do.
 * SPDX-License-Identifier: MIT
 *
 *     group norm:  y = (x - mean) / sqrt(variance + eps) * gamma + beta, mean and biased variance over the
 *                  pixels and the channels of a group; as y = x*scale + shift with
 *                  scale = gamma / sqrt(variance + eps), shift = beta - mean*scale
 *     layer norm:  the same over the channels of a row
 *
 * There is no double, and x may have a mean of a hundred deviations. So all sums are of differences
 * from a pivot (the value of the image's first pixel in that channel, the row's first value), which are
 * exact where it matters; a sum of squares is taken about the mean of a few values, in a second pass over
 * them while they are near; means and squares are merged as Chan, Golub and LeVeque (1983) do it.
 *
 *     stats:  x -> partial [image][block][2][channels]: mean less pivot, sum of squared deviations,
 *             of `block` pixels. Once per source tensor, channels first_channel .. + c of `channels`.
 *     fold:   partial -> fold [image][2][channels]: scale, shift. A group may lie in x and x2.
 *     moments: partial -> [group]: mean, sum of squared deviations, of a part of an image's rows.
 *     merge:  moments of all parts [part][2][groups] -> fold of the image.
 *     modulate: fold -> fold [image][2][channels]: scale*(1 + s), shift*(1 + s) + t of modulation
 *             [image][2*channels]: s, then t.
 *     apply:  y = act(x*scale + shift), once per source tensor.
 *
 * Options: ACTIVATION, of apply. */
#ifndef ACTIVATION
#define ACTIVATION ACTIVATION_NONE
#endif

/* The pivot of a channel: the first pixel of x, then of x2. */
static inline float pivot_of(__global const float *x, int c1, __global const float *x2, int channel)
{
    return channel < c1 ? x[channel] : x2[channel - c1];
}

/* shift = beta - (pivot + d)*scale with one rounding of the large term. */
static inline float shift_of(float beta, float pivot, float d, float scale)
{
    float large = pivot * scale;
    float lost = fma(pivot, scale, -large);
    return (beta - lost - d * scale) - large;
}
