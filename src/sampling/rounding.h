/* rounding.h - ranges and logarithms with the last bit of numpy and torch.
 * SPDX-License-Identifier: MIT
 *
 * The numbers that schedulers start from come out of a few library functions; to give the same
 * trajectory, these round as theirs do. */
#ifndef CLATENT_SAMPLING_ROUNDING_H
#define CLATENT_SAMPLING_ROUNDING_H

/* Entry i of torch.linspace(start, end, count) in float32. */
float linspace_float(float start, float end, int count, int i);
/* Entry i of numpy.linspace(start, end, count), in double. */
double linspace_double(double start, double end, int count, int i);
/* numpy.log of a normal float32 > 0: up to 2 ulp from the true value. */
float log_float(float x);

#endif
