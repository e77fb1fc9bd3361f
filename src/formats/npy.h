/* npy.h - NumPy's array file, float32 out, float16/32/64 in. SPDX-License-Identifier: MIT */
#ifndef CLATENT_FORMATS_NPY_H
#define CLATENT_FORMATS_NPY_H

#include "base/status.h"
#include <stddef.h>

/* Reads a whole array as float32 in C order; *values freed with free(), shape [rank]. At most 8
 * axes. */
enum clat_status npy_read(const char *path, float **values, int *rank, size_t shape[8]);
/* Writes float32, version 1.0, C order, whole or not at all. */
enum clat_status npy_write(const char *path, const float *values, int rank, const size_t *shape);

#endif
