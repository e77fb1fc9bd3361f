/* brownian.c - paths of Brownian motion by halving. SPDX-License-Identifier: MIT */
#include "sampling/brownian.h"
#include "sampling/cephes.h"
#include "sampling/philox.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define LEVELS 23 /* bits of a float32's mantissa */
#define LOWEST -20
#define STREAM 0x776f7242u /* "Brow" */

/* ---- normals -------------------------------------------------------------------------------- */

/* c[0] + c[1] x + c[2] x^2 + ... */
static float horner(float x, const float *c, int count)
{
    float y = c[count - 1];
    for (int i = count - 2; i >= 0; i--)
        y = y * x + c[i];
    return y;
}

/* The normal whose distribution function is `p` below 1/2: AS 241, PPND7. */
static float inverse_normal(float p)
{
    static const float a[] = {3.3871327179f, 50.434271938f, 159.29113202f, 59.109374720f},
                       b[] = {1, 17.895169469f, 78.757757664f, 67.187563600f},
                       c[] = {1.4234372777f, 2.7568153900f, 1.3067284816f, 0.17023821103f},
                       d[] = {1, 0.73700164250f, 0.12021132975f},
                       e[] = {6.6579051150f, 3.0812263860f, 0.42868294337f, 0.017337203997f},
                       f[] = {1, 0.24197894225f, 0.012258202635f};
    float q = 0.5f - p;
    if (q <= 0.425f) {
        float r = 0.180625f - q * q;
        return -q * horner(r, a, 4) / horner(r, b, 4);
    }
    float r = sqrtf(-cephes_log(p));
    if (r <= 5)
        return -horner(r - 1.6f, c, 4) / horner(r - 1.6f, d, 3);
    return -horner(r - 5, e, 4) / horner(r - 5, f, 3);
}

/* One bit of the word is the sign, the others the distance from the middle. */
static float normal_of(uint32_t word)
{
    float z = inverse_normal(((float)(word >> 1) + 0.5f) * 0x1p-32f);
    return word & 1 ? -z : z;
}

/* The normals of one node of the tree. */
struct node {
    uint32_t octave, level, index;
};
static void node_normals(const struct brownian *path, struct node node, float *normals)
{
    uint32_t words[4];
    uint64_t block = UINT64_MAX;
    for (size_t i = 0; i < path->count; i++) {
        uint64_t value = path->first + i;
        if (value / 4 != block) {
            block = value / 4;
            philox(path->seed,
                (uint32_t[]){(uint32_t)block, node.index, node.octave << 8 | node.level, STREAM},
                words);
        }
        normals[i] = normal_of(words[value % 4]);
    }
}

/* ---- the tree ------------------------------------------------------------------------------- */

/* The node nearest to sigma: itself, below 2^-20 rounded down to a multiple of 2^-43. */
static float node_at(double sigma)
{
    float rounded = (float)sigma, unit = ldexpf(1, LOWEST - LEVELS);
    return rounded < ldexpf(1, LOWEST) ? floorf(rounded / unit) * unit : rounded;
}

/* Where a sigma lies: octave [low, low + width), and the steps of width 2^-23 from its start. */
struct place {
    uint32_t octave, steps;
    float width;
};
static struct place place_of(float sigma)
{
    int exponent;
    float mantissa = frexpf(sigma, &exponent); /* 0.5 .. 1 */
    if (sigma < ldexpf(1, LOWEST))
        return (struct place){
            .steps = (uint32_t)ldexpf(sigma, LEVELS - LOWEST), .width = ldexpf(1, LOWEST)};
    return (struct place){.octave = (uint32_t)(exponent - LOWEST),
        .steps = (uint32_t)((mantissa - 0.5f) * 0x1p24f),
        .width = ldexpf(1, exponent - 1)};
}

/* values += scale * (the increment over a whole octave of that width). */
static void add_octave(const struct brownian *path, uint32_t octave, float width, float scale,
    float *values, float *normals)
{
    float deviation = scale * sqrtf(width);
    node_normals(path, (struct node){octave, 0, 0}, normals);
    for (size_t i = 0; i < path->count; i++)
        values[i] += deviation * normals[i];
}

/* values = the path from the start of the octave to the place. low and high hold the path at the
 * ends of the interval that the place is in. */
static void walk(
    const struct brownian *path, struct place place, float *values, float *low, float *high)
{
    size_t size = path->count * sizeof *values;
    memset(low, 0, size);
    memset(high, 0, size);
    add_octave(path, place.octave, place.width, 1, high, values);
    memset(values, 0, size);
    uint32_t left = place.steps;
    for (uint32_t level = 1, half = 1u << (LEVELS - 1); left; level++, half >>= 1) {
        float deviation = sqrtf(place.width * ldexpf(1, -1 - (int)level));
        uint32_t index = (place.steps / half) >> 1;
        node_normals(path, (struct node){place.octave, level, index}, values);
        for (size_t i = 0; i < path->count; i++)
            values[i] = (low[i] + high[i]) * 0.5f + deviation * values[i];
        bool right = left >= half;
        memcpy(right ? low : high, values, size);
        left -= right ? half : 0;
    }
}

void brownian_increment(
    const struct brownian *path, double a, double b, float *values, float *scratch)
{
    float from = node_at(fmin(a, b)), to = node_at(fmax(a, b));
    struct place start = place_of(from), end = place_of(to);
    float *before = scratch, *low = scratch + path->count, *high = low + path->count;
    walk(path, start, before, low, high);
    walk(path, end, values, low, high);
    for (uint32_t octave = start.octave; octave < end.octave; octave++) {
        float width = ldexpf(1, LOWEST + (octave ? (int)octave - 1 : 0));
        add_octave(path, octave, width, 1, values, low);
    }
    double sign = a < b ? 1 : -1;
    float scale = (float)(sign / sqrt((double)to - (double)from));
    for (size_t i = 0; i < path->count; i++)
        values[i] = (values[i] - before[i]) * scale;
}
