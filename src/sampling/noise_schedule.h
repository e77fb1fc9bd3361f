/* noise_schedule.h - the arithmetic that schedulers share. SPDX-License-Identifier: MIT
 *
 * These are the functions behind struct clat_tools (plugins/clatent-scheduler.h), where each is
 * described. They follow diffusers and torch to the last bit: which sums are float and which double
 * is part of the result. */
#ifndef CLATENT_SAMPLING_NOISE_SCHEDULE_H
#define CLATENT_SAMPLING_NOISE_SCHEDULE_H

#include "clatent-scheduler.h"

extern const struct clat_tools noise_schedule_tools;

#endif
