/* timestep.h - sinusoidal embedding of the timestep. SPDX-License-Identifier: MIT
 *
 * values[i] = sin or cos of timestep * f[i], f[i] = exp(-ln(10000) i / (half - shift)), half =
 * dim/2. Source: Ho et al. 2020, Vaswani et al. 2017. */
#ifndef CLATENT_NETWORKS_TIMESTEP_H
#define CLATENT_NETWORKS_TIMESTEP_H

#include <stdbool.h>

/* cosine_first: [cos | sin], else [sin | cos]; an odd dim ends with a zero. Arithmetic in float. */
void timestep_embed(double timestep, int dim, bool cosine_first, float shift, float *values);

#endif
