/* brownian.c - paths of Brownian motion by halving. SPDX-License-Identifier: MIT */
#include "sampling/brownian.h"
#include "sampling/cephes.h"
#include "sampling/philox.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define LEVELS 16
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

double brownian_node(double sigma)
{
    int exponent = LOWEST; /* of the octave's width */
    if (sigma >= ldexp(1, LOWEST)) {
        frexp(sigma, &exponent);
        exponent--;
    }
    return ldexp(rint(ldexp(sigma, LEVELS - exponent)), exponent - LEVELS);
}

/* Where a node lies: octave [low, low + width), and in steps of width 2^-16 from its start. */
struct place {
    uint32_t octave, steps;
    float width;
};
static struct place place_of(double node)
{
    int exponent;
    double mantissa = frexp(node, &exponent); /* 0.5 .. 1 */
    if (node < ldexp(1, LOWEST))
        return (struct place){
            .steps = (uint32_t)ldexp(node, LEVELS - LOWEST), .width = ldexpf(1, LOWEST)};
    return (struct place){.octave = (uint32_t)(exponent - LOWEST),
        .steps = (uint32_t)ldexp(mantissa - 0.5, LEVELS + 1),
        .width = ldexpf(1, exponent - 1)};
}

/* values += the increment over a whole octave of that width. */
static void add_octave(
    const struct brownian *path, uint32_t octave, float width, float *values, float *normals)
{
    float deviation = sqrtf(width);
    node_normals(path, (struct node){octave, 0, 0}, normals);
    for (size_t i = 0; i < path->count; i++)
        values[i] += deviation * normals[i];
}

/* low and high hold the path at the ends of the interval that the place is in. */
void brownian_walk(const struct brownian *path, double sigma, float *values, float *scratch)
{
    struct place place = place_of(brownian_node(sigma));
    float *low = scratch, *high = scratch + path->count;
    size_t size = path->count * sizeof *values;
    memset(scratch, 0, 2 * size);
    add_octave(path, place.octave, place.width, high, values);
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

void brownian_increment(const struct brownian *path, double a, double b, const float *at_a,
    const float *at_b, float *values, float *scratch)
{
    bool rises = a < b;
    double from = brownian_node(rises ? a : b), to = brownian_node(rises ? b : a);
    const float *start = rises ? at_a : at_b, *end = rises ? at_b : at_a;
    uint32_t last = place_of(to).octave;
    memcpy(values, end, path->count * sizeof *values);
    for (uint32_t octave = place_of(from).octave; octave < last; octave++) {
        float width = ldexpf(1, LOWEST + (octave ? (int)octave - 1 : 0));
        add_octave(path, octave, width, values, scratch);
    }
    float scale = (float)((rises ? 1 : -1) / sqrt(to - from));
    for (size_t i = 0; i < path->count; i++)
        values[i] = (values[i] - start[i]) * scale;
}
