/* weight_convert.c - stored numbers as float32. SPDX-License-Identifier: MIT
 *
 * Rows along the last axis are converted one after the other; an odometer over the other axes walks
 * strided (transposed, channels-last, grouped) tensors in row-major order. */

#include "formats/weight.h"
#include "base/half.h"

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
            to[i] = half_value((uint16_t)load(from, 2));
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

/* A tensor's axes; those of groups are two. */
struct walk {
    int rank;
    size_t shape[WEIGHT_RANK + 1], stride[WEIGHT_RANK + 1], index[WEIGHT_RANK + 1];
};

static void begin_walk(const struct weight *weight, struct walk *walk)
{
    int first = weight->group ? 1 : 0;
    *walk = (struct walk){.rank = weight->rank + first};
    memcpy(walk->shape + first, weight->shape, sizeof weight->shape);
    memcpy(walk->stride + first, weight->stride, sizeof weight->stride);
    if (weight->group) {
        walk->shape[0] = weight->shape[0] / weight->group;
        walk->stride[0] = weight->group_stride;
        walk->shape[1] = weight->group;
    }
}

/* The next index of the axes before the last; false after the last one. */
static bool advance(struct walk *walk)
{
    for (int axis = walk->rank - 2; axis >= 0; axis--) {
        if (++walk->index[axis] < walk->shape[axis])
            return true;
        walk->index[axis] = 0;
    }
    return false;
}

static size_t place(const struct walk *walk)
{
    size_t at = 0;
    for (int axis = 0; axis < walk->rank - 1; axis++)
        at += walk->index[axis] * walk->stride[axis];
    return at;
}

void weight_to_float(const struct weight *weight, float *values)
{
    struct walk walk;
    begin_walk(weight, &walk);
    size_t size = dtype_size(weight->dtype);
    size_t last = walk.rank ? walk.shape[walk.rank - 1] : 1;
    size_t step = walk.rank ? walk.stride[walk.rank - 1] * size : size;
    for (int axis = 0; axis < walk.rank; axis++)
        if (walk.shape[axis] == 0)
            return;
    do {
        convert_row(weight->dtype, weight->data + place(&walk) * size, step, last, values);
        values += last;
    } while (advance(&walk));
}

bool weight_is_float_array(const struct weight *weight)
{
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return first == 1 && weight->dtype == DTYPE_F32 && !weight->piece_count &&
           weight_is_row_major(weight) && (uintptr_t)weight->data % _Alignof(float) == 0;
}

/* Characters of two bytes are C2 80 to C3 BF. */
static bool decode_text(const struct weight_piece *piece, unsigned char *bytes)
{
    const unsigned char *at = piece->data, *end = at + piece->size;
    for (size_t i = 0; i < piece->bytes; i++) {
        if (at < end && *at < 0x80) {
            bytes[i] = *at++;
            continue;
        }
        if (end - at < 2 || (at[0] != 0xC2 && at[0] != 0xC3) || (at[1] & 0xC0) != 0x80)
            return false;
        bytes[i] = (unsigned char)((at[0] & 3) << 6 | (at[1] & 0x3F));
        at += 2;
    }
    return at == end;
}

bool weight_join(const struct weight *weight, unsigned char *bytes)
{
    for (size_t i = 0; i < weight->piece_count; bytes += weight->pieces[i++].bytes) {
        const struct weight_piece *piece = &weight->pieces[i];
        if (!piece->text)
            memcpy(bytes, piece->data, piece->bytes);
        else if (!decode_text(piece, bytes))
            return false;
    }
    return true;
}
