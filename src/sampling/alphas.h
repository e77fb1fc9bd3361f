/* alphas.h - plans of variance-preserving schedulers. SPDX-License-Identifier: MIT
 *
 * Three of the functions behind struct clat_tools (plugins/clatent-scheduler.h), where they are
 * described. */
#ifndef CLATENT_SAMPLING_ALPHAS_H
#define CLATENT_SAMPLING_ALPHAS_H

#include "clatent-scheduler.h"

void level_of_alphas(struct clat_plan *plan, const float *alphas);
int plan_alphas(
    struct clat_run *run, const struct clat_levels *levels, int prediction, struct clat_plan *plan);
int plan_distilled(struct clat_run *run, const struct clat_levels *levels, int prediction,
    int original, struct clat_plan *plan);

#endif
