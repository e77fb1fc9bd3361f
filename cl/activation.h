/* activation.h - activation functions for values of type F (float, float4 or float16), integers I, names
 * through NAME(). Included by common.h once per type. SPDX-License-Identifier: MIT
 *
 * Own polynomials, since a driver's exp and erf differ in speed and in bits. Errors are below 2e-7
 * relative against double (tests/op_elementwise.c); infinities and NaN go through. */

#define AS_(type, x) as_##type(x)
#define AS(type, x) AS_(type, x)

/* exp(x) for x in -87..87: x = n ln 2 + r, |r| <= ln(2)/2, exp(r) = 1 + r + r^2 P(r), minimax to 3e-9.
 * Adding 1.5 * 2^23 rounds to the nearest integer and leaves n in the low bits. */
static inline F NAME(exp_bounded)(F x)
{
    F shifted = fma(x, (F)1.44269504f, (F)12582912.0f);
    F n = shifted - (F)12582912.0f;
    F r = fma(n, (F)1.904654323e-9f, fma(n, (F)-0.6931471825f, x));
    F p = fma(r, (F)1.3814613e-3f, (F)8.36871e-3f);
    p = fma(p, r, (F)4.166839e-2f);
    p = fma(p, r, (F)1.6666521e-1f);
    p = fma(p, r, (F)4.9999994e-1f);
    p = fma(r * r, p, r) + (F)1.0f;
    return AS(F, AS(I, p) + (AS(I, shifted) << 23));
}

static inline F NAME(sigmoid)(F x)
{
    return (F)1.0f / ((F)1.0f + NAME(exp_bounded)(-clamp(x, (F)-87.0f, (F)87.0f)));
}

static inline F NAME(silu)(F x)
{
    return x * NAME(sigmoid)(x);
}

static inline F NAME(quick_gelu)(F x)
{
    return x * NAME(sigmoid)((F)1.702f * x);
}

/* x times the normal distribution function, 0.5 (1 + erf(x / sqrt 2)). The upper tail at a = |x| is
 * exp(-a^2/2) Q(a), Q a polynomial in t = 1/(1 + a/4) to 1.3e-8 over 0..13.5; what rounding takes
 * from a^2 is put back, or the tail would lose relative accuracy. */
static inline F NAME(gelu)(F x)
{
    F a = min(fabs(x), (F)12.5f);
    F t = (F)1.0f / fma(a, (F)0.25f, (F)1.0f);
    F q = fma(t, (F)0.034477349f, (F)-0.1990432f);
    q = fma(q, t, (F)0.401711017f);
    q = fma(q, t, (F)-0.342392236f);
    q = fma(q, t, (F)0.311903775f);
    q = fma(q, t, (F)-0.0243742652f);
    q = fma(q, t, (F)0.122955568f);
    q = fma(q, t, (F)0.0945197642f);
    q = fma(q, t, (F)0.100265741f);
    q = fma(q, t, (F)-2.353238597e-5f);
    F square = a * a, lost = fma(a, a, -square);
    F tail = q * NAME(exp_bounded)((F)-0.5f * square) * fma(lost, (F)-0.5f, (F)1.0f);
    return x * select(tail, (F)1.0f - tail, x > (F)0.0f);
}

static inline F NAME(activate)(int activation, F x)
{
    if (activation == ACTIVATION_SILU)
        return NAME(silu)(x);
    if (activation == ACTIVATION_GELU)
        return NAME(gelu)(x);
    if (activation == ACTIVATION_QUICK_GELU)
        return NAME(quick_gelu)(x);
    return x;
}

#undef AS
#undef AS_
