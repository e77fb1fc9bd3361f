/* attention_matrix.c - attention on the matrix unit of sub-groups: cl/attention_matrix.cl.
 * SPDX-License-Identifier: MIT
 *
 * Factors are rounded to 16 bits, weights of the softmax too: relative L2 1e-3 of half, some 6e-3
 * of bf16, where float kernels stay below 2e-6. Sums, maxima and exponents are float. */
#include "ops/attention.h"
#include "device/fallback.h"
#include "device/group_unit.h"
#include "device/launch.h"

#include <stdio.h>

#define KEYS 32       /* of a block */
#define NARROWEST 16  /* columns of a head that are worth their padding */
#define WIDEST 160    /* columns of a head whose tiles fit into 32 KiB of local memory */
#define MANY_LANES 32 /* of a sub-group; of narrower ones a work-group has twice as many */
#define OPTIONS_SIZE 192

/* What a unit's registers hold. */
static const struct hold {
    enum unit_kind kind;
    int whole;  /* a head up to this width is one span */
    int span;   /* wider ones are spans of so many columns */
    int widest; /* head, whose tokens are in registers */
} holds[] = {
    {UNIT_MMA, WIDEST, WIDEST, WIDEST},
    {UNIT_MMA_8, WIDEST, WIDEST, WIDEST},
    {UNIT_DPAS_8, 64, 40, WIDEST},
    {UNIT_DPAS_16, 64, 40, WIDEST},
    {UNIT_WMMA_11, WIDEST, WIDEST, WIDEST},
    {UNIT_WMMA_12, WIDEST, WIDEST, WIDEST},
    {UNIT_MFMA, WIDEST, WIDEST, WIDEST},
    {UNIT_DOT2, 80, 80, 80},
};

/* NULL if there is no unit. */
static const struct hold *find_hold(enum unit_kind kind)
{
    for (size_t i = 0; i < sizeof holds / sizeof *holds; i++)
        if (holds[i].kind == kind)
            return &holds[i];
    return NULL;
}

bool attention_matrix_suits(const struct device *device, int width, bool causal)
{
    const struct device_facts *facts = device_facts(device);
    const struct hold *hold = find_hold(facts->unit.kind);
    return !facts->is_cpu && hold && !fallback_is_taken(facts, "attention_matrix") && !causal &&
           width >= NARROWEST && width <= hold->widest;
}

/* Tokens of a sub-group: rows of the unit's sums where they are more, as in cl/unit_hand.h. */
static int queries_of(const struct unit_shape *shape)
{
    return shape->rows > shape->columns ? shape->rows : shape->columns;
}

enum clat_status attention_matrix(struct device *device, const struct attention *a)
{
    struct group_unit unit = device_facts(device)->unit;
    const struct unit_shape *shape = unit_shape(unit.kind);
    const struct hold *hold = find_hold(unit.kind);
    int subs = shape->lanes >= MANY_LANES ? 4 : 8;
    int span = a->width <= hold->whole ? a->width : hold->span;
    size_t items = (size_t)subs * (size_t)shape->lanes;
    struct grid grid = grid3((size_t)blocks_of(a->tokens, subs * queries_of(shape)) * items,
        (size_t)a->images * (size_t)a->heads, (size_t)blocks_of(a->width, span), items, 1, 1);
    struct kernel *kernel;
    enum clat_status status;
    char unit_words[UNIT_OPTIONS], options[OPTIONS_SIZE];
    unit_options(&unit, unit_words);
    snprintf(options, sizeof options, "%s -DWIDTH=%d -DSPAN=%d -DKEYS=%d -DSUBS=%d%s", unit_words,
        a->width, span, KEYS, subs, unit_room(&unit));
    TRY(kernel_find(device, "attention_matrix", "attention_matrix", options, &kernel));
    TRY(launch(device, kernel, grid, ARG_TENSOR(a->q), ARG_INT(a->q->stride), ARG_TENSOR(a->k),
        ARG_INT(a->k->stride), ARG_TENSOR(a->v), ARG_INT(a->v->stride), ARG_TENSOR(a->y),
        ARG_INT(a->y->stride), ARG_INT(a->tokens), ARG_INT(a->keys), ARG_INT(a->heads),
        ARG_FLOAT(a->scale)));
out:
    return status;
}
