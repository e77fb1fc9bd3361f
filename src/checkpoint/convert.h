/* convert.h - stored numbers as float32. SPDX-License-Identifier: MIT */
#ifndef CLATENT_CHECKPOINT_CONVERT_H
#define CLATENT_CHECKPOINT_CONVERT_H

#include "formats/weight.h"

/* True for F32, F16, BF16 and F64, little-endian in the file. */
bool convert_is_float(enum dtype dtype);

/* values[] = the tensor in row-major order. Exact for F32, F16 and BF16; F64 is rounded to nearest.
 */
void convert_to_float(const struct weight *weight, float *values);

/* True if the file's own bytes can serve as the float array. */
bool convert_is_needless(const struct weight *weight);

#endif
