/* keep.h - what stays on a device between jobs. SPDX-License-Identifier: MIT
 *
 * Jobs that follow each other with the same model, device, precision, kernels and size take over
 * UNet and decoder, and the embeddings of prompts that were encoded before their turn. A job that
 * had to give up something for want of memory leaves nothing behind. */
#ifndef CLATENT_PIPELINE_KEEP_H
#define CLATENT_PIPELINE_KEEP_H

#include "pipeline/run.h"

/* At the beginning of a run, with its sizes settled: takes the networks, or gives them back if they
 * are others. */
enum clat_status keep_take(struct run *run);
/* At its end, if it has a store and `keeps`. */
void keep_put(struct run *run);

/* The embedding of a text, [tokens][context_width] of the run; NULL if it is not there. */
const float *keep_find(const struct run *run, const char *text);
enum clat_status keep_add(struct run *run, const char *text, const float *values);
/* The next text that a later job of the same model will want, as far as there is room for it; NULL
 * at the end. */
const char *keep_next_expected(struct run *run);

#endif
