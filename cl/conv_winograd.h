/* conv_winograd.h - Winograd's F(4x4, 3x3): the transforms along one dimension. SPDX-License-Identifier: MIT
 *
 * After Lavin and Gray, arXiv 1509.09308, for a tile of 4x4 output pixels:
 *
 *   Y = AT [ (G g GT) . (BT d B) ] A,   d the 6x6 input pixels, g the kernel
 *
 * One product per point of the transformed tile, 36 instead of 144. Summed over channels, each
 * point is a matrix product [tiles x in] [in x out]. The points are 0, infinity, +-5/8 and
 * +-3/2, in this order: half the rounding error of the usual +-1, +-2 (relative L2 2.2e-6 against
 * 4.6e-6 for 640 channels), and every factor of AT and G exact in float. The divisors of G stand in
 * BT: weights are the most to transform, so that they get the cheapest transform.
 *
 * LANES, which the including file defines: float16, sixteen channels of a CPU's vector, or float,
 * where each work-item has a channel of its own. */
#define OUTPUT 4
#define T 6
#define POINTS 36
#define A1 0.625f
#define A2 (A1 * A1)
#define B1 1.5f
#define B2 (B1 * B1)
#define FMA(factor, x, y) fma((LANES)(factor), x, y)

/* o = BT d */
INLINE void transform_input(const LANES d[T], LANES o[T])
{
    const float scale_a = 1.0f / (2 * A2 * (A2 - B2)), scale_b = 1.0f / (2 * B2 * (B2 - A2));
    LANES even_a = scale_a * FMA(-B2, d[2], d[4]), odd_a = (A1 * scale_a) * FMA(-B2, d[1], d[3]);
    LANES even_b = scale_b * FMA(-A2, d[2], d[4]), odd_b = (B1 * scale_b) * FMA(-A2, d[1], d[3]);
    o[0] = FMA(1.0f / (A2 * B2), FMA(-(A2 + B2), d[2], d[4]), d[0]);
    o[1] = FMA(A2 * B2, d[1], FMA(-(A2 + B2), d[3], d[5]));
    o[2] = even_a + odd_a;
    o[3] = even_a - odd_a;
    o[4] = even_b + odd_b;
    o[5] = even_b - odd_b;
}

/* o = AT q */
INLINE void transform_output(const LANES q[T], LANES o[OUTPUT])
{
    LANES sum_a = q[2] + q[3], odd_a = A1 * (q[2] - q[3]);
    LANES sum_b = q[4] + q[5], odd_b = B1 * (q[4] - q[5]);
    o[0] = q[0] + sum_a + sum_b;
    o[1] = odd_a + odd_b;
    o[2] = FMA(A2, sum_a, B2 * sum_b);
    o[3] = FMA(A2, odd_a, FMA(B2, odd_b, q[1]));
}

/* The rows of G g for the points p and -p: (1, p, p*p). */
INLINE void weights_at(float p, const LANES g[3], LANES o[2])
{
    LANES even = FMA(p * p, g[2], g[0]);
    o[0] = FMA(p, g[1], even);
    o[1] = FMA(-p, g[1], even);
}

/* o = G g */
INLINE void transform_weights(const LANES g[3], LANES o[T])
{
    o[0] = g[0];
    o[1] = g[2];
    weights_at(A1, g, o + 2);
    weights_at(B1, g, o + 4);
}

/* Image, row and column of the first output of tile t. */
static inline int3 tile_place(int t, int down, int across)
{
    return (int3)(t / (down * across), t / across % down * OUTPUT, t % across * OUTPUT);
}
