/* weight_convert.c - stored numbers as float32. SPDX-License-Identifier: MIT
 *
 * Rows along the last axis are converted one after the other; an odometer over the other axes walks
 * strided (transposed, channels-last) tensors in row-major order. */

#include "formats/weight.h"

#include <string.h>

bool dtype_is_float(enum dtype dtype)
{
    return dtype == DTYPE_F32 || dtype == DTYPE_F16 || dtype == DTYPE_BF16 || dtype == DTYPE_F64;
}

static uint64_t load(const unsigned char *bytes, size_t size)
{
    uint64_t bits = 0;
    for (size_t i = size; i-- > 0;)
        bits = bits << 8 | bytes[i];
    return bits;
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE binary16: 1 sign, 5 exponent (bias 15), 10 fraction. A subnormal is fraction * 2^-24. */
static float float_of_half(uint32_t half)
{
    uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 31)
        return float_of_bits(sign | 0x7F800000u | fraction << 13);
    if (exponent == 0) {
        float value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

static float float_of_double_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return (float)value;
}

/* `step`: bytes from one element to the next. */
static void convert_row(
    enum dtype dtype, const unsigned char *from, size_t step, size_t count, float *to)
{
    switch (dtype) {
    case DTYPE_F16:
        for (size_t i = 0; i < count; i++, from += step)
            to[i] = float_of_half((uint32_t)load(from, 2));
        break;
    case DTYPE_BF16:
        for (size_t i = 0; i < count; i++, from += step)
            to[i] = float_of_bits((uint32_t)load(from, 2) << 16);
        break;
    case DTYPE_F64:
        for (size_t i = 0; i < count; i++, from += step)
            to[i] = float_of_double_bits(load(from, 8));
        break;
    default: /* F32 */
        for (size_t i = 0; i < count; i++, from += step)
            to[i] = float_of_bits((uint32_t)load(from, 4));
    }
}

/* The next index of the axes before the last; false after the last one. */
static bool advance(const struct weight *weight, size_t index[WEIGHT_RANK])
{
    for (int axis = weight->rank - 2; axis >= 0; axis--) {
        if (++index[axis] < weight->shape[axis])
            return true;
        index[axis] = 0;
    }
    return false;
}

static size_t place(const struct weight *weight, const size_t index[WEIGHT_RANK])
{
    size_t at = 0;
    for (int axis = 0; axis < weight->rank - 1; axis++)
        at += index[axis] * weight->stride[axis];
    return at;
}

void weight_to_float(const struct weight *weight, float *values)
{
    size_t size = dtype_size(weight->dtype), index[WEIGHT_RANK] = {0};
    size_t last = weight->rank ? weight->shape[weight->rank - 1] : 1;
    size_t step = weight->rank ? weight->stride[weight->rank - 1] * size : size;
    for (int axis = 0; axis < weight->rank; axis++)
        if (weight->shape[axis] == 0)
            return;
    do {
        convert_row(weight->dtype, weight->data + place(weight, index) * size, step, last, values);
        values += last;
    } while (advance(weight, index));
}

bool weight_is_float_array(const struct weight *weight)
{
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return first == 1 && weight->dtype == DTYPE_F32 && weight_is_row_major(weight) &&
           (uintptr_t)weight->data % _Alignof(float) == 0;
}
