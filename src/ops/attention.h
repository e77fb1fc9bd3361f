/* attention.h - one attention, as its files pass it on. SPDX-License-Identifier: MIT */
#ifndef CLATENT_OPS_ATTENTION_H
#define CLATENT_OPS_ATTENTION_H

#include "ops/op.h"

struct attention {
    const struct tensor *q, *k, *v, *y;
    int images, tokens, keys, heads;
    int width; /* of a head */
    float scale;
    bool causal;
};

/* Three products for each head over bands of tokens: for wide heads. Not causal. */
enum clat_status attention_wide(struct pool *pool, const struct attention *attention);

/* On a matrix unit of sub-groups, with factors of 16 bits, where that suits. */
bool attention_matrix_suits(const struct device *device, int width, bool causal);
enum clat_status attention_matrix(struct device *device, const struct attention *attention);

#endif
