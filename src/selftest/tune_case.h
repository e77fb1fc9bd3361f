/* tune_case.h - one shape of a tuned op, with its input and what must come out.
 * SPDX-License-Identifier: MIT */
#ifndef CLATENT_SELFTEST_TUNE_CASE_H
#define CLATENT_SELFTEST_TUNE_CASE_H

#include "device/tuning.h"
#include "ops/op.h"

/* Values of a candidate. */
struct tune_values {
    int value[TUNING_PARAMETERS];
};
enum { TUNE_CANDIDATES = 10 };

struct tune_case {
    enum tuned kind;
    int sides[TUNING_SIDES]; /* of a linear layer: in, columns, rows of an image */
    int images, h, w;        /* of y; tokens of an attention are 1 x w */
    int in, out, stride, heads, keys;
    float *x, *k, *v, *weight; /* host, dense; k and v of attentions */
    size_t size;               /* of y */
};

/* Multiply-adds of one call. */
double case_work(enum tuned kind, const int sides[TUNING_SIDES]);

/* The shape alone; and with random values. Freed with case_free(), also after a failure. */
void case_shape(struct tune_case *c, const struct tuning_question *question);
enum clat_status case_make(struct tune_case *c, const struct tuning_question *question);
void case_free(struct tune_case *c);

/* The candidates of a shape, the first one all 0. */
int case_candidates(
    const struct tune_case *c, struct device *device, struct tune_values list[TUNE_CANDIDATES]);

/* What TUNED_LINEAR or TUNED_CONV must say so that this kind of kernel computes; NULL: nothing. */
const int *case_chooser(enum tuned kind);

/* A case on a device: a real one, or a dry one, which tells what pool it needs. */
struct tune_stage {
    struct device *device;
    struct pool pool;
    struct linear linear;
    struct conv conv;
    struct tensor x, k, v, y;
};
enum clat_status stage_open(
    struct tune_stage *stage, const struct tune_case *c, struct device *device, size_t pool);
/* The layer packed as the table has it now; then calls. */
enum clat_status stage_load(struct tune_stage *stage, const struct tune_case *c);
enum clat_status stage_run(struct tune_stage *stage, const struct tune_case *c);
void stage_unload(struct tune_stage *stage);
void stage_close(struct tune_stage *stage);

/* The relative L2 distance of y to plain C at some places. */
enum clat_status case_check(const struct tune_case *c, bool half, const float *y, double *error);

#endif
