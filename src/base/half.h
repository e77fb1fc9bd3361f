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
    return bits < 0x477FF000 || bits >= 0x7F800000;
}

/* The nearest half, ties to even: adding 2^(e+13) cuts a float at the last bit that stays. */
static inline uint16_t half_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
    if (magnitude >= 0x477FF000)
        return (uint16_t)(sign | (magnitude > 0x7F800000 ? 0x7E00 : 0x7C00));
    if (magnitude < 0x38800000) { /* below 2^-14: 0.5 + x is cut at 2^-24 */
        float sum;
        memcpy(&sum, &magnitude, sizeof sum);
        sum += 0.5f;
        memcpy(&bits, &sum, sizeof bits);
        return (uint16_t)(sign | (bits - 0x3F000000));
    }
    bits = magnitude + 0xFFF + (magnitude >> 13 & 1);
    return (uint16_t)(sign | ((bits >> 13) - (112 << 10)));
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
