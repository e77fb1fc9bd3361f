/* rng.c - normal noise against streams recorded from torch, bit for bit.
 * SPDX-License-Identifier: MIT */
#include "sampling/rng.h"
#include "check.h"
#include "checkpoint/weights.h"

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
        rng_seed(&rng, seed);
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
    rng_seed(&rng, seed);
    const int lengths[] = {3, 40, 2, 5, 16, 7, 1, 20};
    for (int i = 0; i < 8; i++) {
        char name[64];
        snprintf(name, sizeof name, "torch/seed%llu/sequence/%d_n%d", seed, i, lengths[i]);
        const struct weight *weight = weights_find(recorded, name);
        if (CHECK(weight, "%s is missing", name))
            compare(&rng, weight);
    }
}

int main(void)
{
    struct weights *recorded = NULL;
    if (CHECK_OK(weights_open_file(check_data("goldens/rng/torch.safetensors"), &recorded))) {
        CHECK(single_calls(recorded) > 60, "too few recorded streams");
        sequence(recorded, 0);
        sequence(recorded, 42);
        sequence(recorded, 4294967301u); /* more than 32 bits: the low ones count */
    }
    weights_close(recorded);
    return check_result();
}
