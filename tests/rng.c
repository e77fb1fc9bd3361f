/* rng.c - normal noise against streams recorded from torch and numpy, bit for bit, and Philox.
 * SPDX-License-Identifier: MIT */
#include "sampling/rng.h"
#include "check.h"
#include "checkpoint/weights.h"
#include "sampling/philox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t elements(const struct weight *weight)
{
    size_t count = 1;
    for (int axis = 0; axis < weight->rank; axis++)
        count *= weight->shape[axis];
    return count;
}

/* Draws as many values and compares the bits. */
static void compare(struct rng *rng, const struct weight *weight)
{
    size_t count = elements(weight);
    float *values = malloc(count * sizeof *values);
    rng_normal(rng, values, count);
    CHECK(memcmp(values, weight->data, count * sizeof *values) == 0, "%s differs", weight->name);
    free(values);
}

/* "torch/seedS/randnN": one call on a fresh generator. */
static int single_calls(const struct weights *recorded)
{
    int found = 0;
    for (size_t i = 0; i < weights_count(recorded); i++) {
        const struct weight *weight = weights_at(recorded, i);
        unsigned long long seed;
        if (strstr(weight->name, "/sequence/") ||
            sscanf(weight->name, "torch/seed%llu/", &seed) != 1)
            continue;
        struct rng rng;
        rng_seed(&rng, RNG_TORCH, seed);
        compare(&rng, weight);
        found++;
    }
    return found;
}

/* "torch/seedS/sequence/I_nN": calls one after the other on one generator; the short ones leave a
 * normal behind that the next short one takes. */
static void sequence(const struct weights *recorded, unsigned long long seed)
{
    struct rng rng;
    rng_seed(&rng, RNG_TORCH, seed);
    const int lengths[] = {3, 40, 2, 5, 16, 7, 1, 20};
    for (int i = 0; i < 8; i++) {
        char name[64];
        snprintf(name, sizeof name, "torch/seed%llu/sequence/%d_n%d", seed, i, lengths[i]);
        const struct weight *weight = weights_find(recorded, name);
        if (CHECK(weight, "%s is missing", name))
            compare(&rng, weight);
    }
}

/* "numpy/seedS/standard_normalN", in double: ours are the same, rounded. A stream may be drawn in
 * parts. */
static int numpy_streams(const struct weights *recorded)
{
    int found = 0;
    for (size_t i = 0; i < weights_count(recorded); i++) {
        const struct weight *weight = weights_at(recorded, i);
        const double *want = (const double *)(const void *)weight->data;
        unsigned long long seed;
        if (sscanf(weight->name, "numpy/seed%llu/", &seed) != 1)
            continue;
        size_t count = elements(weight), same = 0;
        float *values = malloc(count * sizeof *values);
        struct rng rng;
        rng_seed(&rng, RNG_NUMPY, seed);
        rng_normal(&rng, values, 3);
        rng_normal(&rng, values + 3, count - 3);
        while (same < count && values[same] == (float)want[same])
            same++;
        CHECK(same == count, "%s: value %zu differs", weight->name, same);
        free(values);
        found++;
    }
    return found;
}

/* The published vector of an all-ones counter and key (Random123), and the first words of seed 0.
 */
static void philox_words(void)
{
    static const uint32_t ones[] = {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
                          want[] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}, zeros[4] = {0},
                          first[] = {0x6627e8d5, 0xe169c58d};
    uint32_t words[4];
    philox(UINT64_MAX, ones, words);
    CHECK(memcmp(words, want, sizeof words) == 0, "%08x %08x %08x %08x", words[0], words[1],
        words[2], words[3]);
    philox(0, zeros, words);
    CHECK(memcmp(words, first, sizeof first) == 0, "%08x %08x", words[0], words[1]);
}

/* What torch gives on a GPU for seed 0. */
static void philox_normals(void)
{
    static const float want[] = {-0.924662f, -0.425344f, -2.643846f, 0.145184f, -0.120866f,
        -0.579726f, -0.622851f, -0.328387f, -1.074542f, -0.363144f, -1.671051f, 2.265505f};
    struct rng rng;
    float values[12];
    rng_seed(&rng, RNG_PHILOX, 0);
    rng_normal(&rng, values, 12);
    check_near("philox", values, want, 12, 1e-6);
    float again[12];
    rng_normal(&rng, again, 12);
    CHECK(memcmp(values, again, sizeof values) != 0, "the second call repeats the first");
    rng_seed(&rng, RNG_PHILOX, UINT64_C(1) << 32);
    rng_normal(&rng, again, 12);
    CHECK(memcmp(values, again, sizeof values) != 0, "the high half of the seed counts");
}

int main(void)
{
    struct weights *recorded = NULL;
    if (CHECK_OK(weights_open_file(check_data("goldens/rng/rng.safetensors"), &recorded))) {
        CHECK(single_calls(recorded) > 60, "too few recorded streams");
        sequence(recorded, 0);
        sequence(recorded, 42);
        sequence(recorded, 4294967301u); /* more than 32 bits: the low ones count */
        CHECK(numpy_streams(recorded) > 10, "too few recorded streams of numpy");
    }
    philox_words();
    philox_normals();
    weights_close(recorded);
    return check_result();
}
