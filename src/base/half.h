/* half.h - numbers of 16 bits (binary16 of IEEE 754) from and to float. SPDX-License-Identifier:
 * MIT
 *
 * One sign, 5 exponent and 10 fraction bits: 11 significant ones from 2^-14 to 65504, multiples of
 * 2^-24 below. */
#ifndef CLATENT_BASE_HALF_H
#define CLATENT_BASE_HALF_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Whether the value stays what it is but for rounding: from 65520 on it would become infinite. */
static inline bool half_holds(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits &= 0x7FFFFFFF;
    return bits - 0x477FF000 >= 0x7F800000 - 0x477FF000; /* below 65520 it wraps */
}

/* The nearest half, ties to even: adding 2^(e+13) cuts a float at the last bit that stays; below
 * 2^-14, where 0.5 + x is cut at 2^-24, the float unit does it. All cases are computed and
 * masks take one: without a branch, loops over it become vectors. */
static inline uint16_t half_of(float value)
{
    int32_t bits, small;
    memcpy(&bits, &value, sizeof bits);
    int32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
    float sum;
    memcpy(&sum, &magnitude, sizeof sum);
    sum += 0.5f;
    memcpy(&small, &sum, sizeof small);
    small -= 0x3F000000;
    uint32_t odd = (uint32_t)magnitude >> 13 & 1;
    int32_t usual = (int32_t)(((uint32_t)magnitude + 0xFFF + odd) >> 13) - (112 << 10);
    int32_t large = 0x7C00 | (-(magnitude > 0x7F800000) & 0x200);
    int32_t is_small = -(magnitude < 0x38800000), is_large = -(magnitude >= 0x477FF000);
    usual = (usual & ~is_small) | (small & is_small);
    return (uint16_t)(sign | (usual & ~is_large) | (large & is_large));
}

/* Exact. */
static inline float half_value(uint16_t half)
{
    uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    uint32_t bits = sign | (exponent + (exponent == 31 ? 224 : 112)) << 23 | fraction << 13;
    float value;
    if (exponent == 0) {
        value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
