/* rounding.c - ranges and logarithms with the last bit of numpy and torch.
 * SPDX-License-Identifier: MIT */
#include "sampling/rounding.h"

#include <math.h>

/* From the nearer end, one fused step. */
float linspace_float(float start, float end, int count, int i)
{
    if (count == 1)
        return start;
    float step = (end - start) / (float)(count - 1);
    if (i < count / 2)
        return fmaf(step, (float)i, start);
    return fmaf(-step, (float)(count - 1 - i), end);
}

double linspace_double(double start, double end, int count, int i)
{
    if (count == 1)
        return start;
    return i == count - 1 ? end : i * ((end - start) / (count - 1)) + start;
}

/* x = m 2^e with m in (sqrt(1/2), sqrt(2)]; log(m) as a quotient of polynomials in m - 1, every
 * step fused: what numpy does wherever the machine has wide registers. */
float log_float(float x)
{
    static const float p[] = {0, 1, 2.112677543073053063722f, 1.480000633576506585156f,
        3.808837741388407920751e-1f, 2.589979117907922693523e-2f};
    static const float q[] = {1, 2.612677543073109236779f, 2.453006071784736363091f,
        9.864942958519418960339e-1f, 1.546476374983906719538e-1f, 5.875095403124574342950e-3f};
    int e;
    float m = 2 * frexpf(x, &e);
    e--;
    if (m > 1.41421356237309504880f) {
        m *= 0.5f;
        e++;
    }
    m -= 1;
    float above = p[5], below = q[5];
    for (int i = 4; i >= 0; i--) {
        above = fmaf(above, m, p[i]);
        below = fmaf(below, m, q[i]);
    }
    return fmaf((float)e, 0.693147180559945309417f, above / below);
}
