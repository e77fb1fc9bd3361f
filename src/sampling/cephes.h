/* cephes.h - logarithm, sine and cosine in float, the same bits on every machine.
 * SPDX-License-Identifier: MIT
 *
 * The polynomials of the Cephes library (Moshier 1992) in single precision, fused as torch's vector
 * kernels are. */
#ifndef CLATENT_SAMPLING_CEPHES_H
#define CLATENT_SAMPLING_CEPHES_H

/* Natural logarithm of x > 0. */
float cephes_log(float x);
/* Sine and cosine of x >= 0. */
void cephes_sincos(float x, float *sine, float *cosine);

#endif
