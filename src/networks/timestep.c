/* timestep.c - sinusoidal embedding of the timestep. SPDX-License-Identifier: MIT */
#include "networks/timestep.h"

#include <math.h>

/* Every step is rounded to float, as the reference does: the phase of a late timestep is hundreds
 * of radians, where a frequency that differs in its last bit can be seen. */
void timestep_embed(double timestep, int dim, bool cosine_first, float shift, float *values)
{
    int half = dim / 2;
    float *cosines = cosine_first ? values : values + half;
    float *sines = cosine_first ? values + half : values;
    float log_period = (float)-log(10000.0);
    for (int i = 0; i < half; i++) {
        float exponent = log_period * (float)i / ((float)half - shift);
        float phase = (float)timestep * expf(exponent);
        cosines[i] = cosf(phase);
        sines[i] = sinf(phase);
    }
    if (dim % 2)
        values[dim - 1] = 0;
}
