/* sigmas.h - noise levels as sigma = noise / signal: the table of a model, curves over it, and the
 * way back to timesteps. SPDX-License-Identifier: MIT
 *
 * Curves fill sigmas[count], largest first, in double as numpy has them; rounding them to float32
 * is the last thing that happens. plan_sigmas() and plan_multistep() of struct clat_tools put them
 * together. */
#ifndef CLATENT_SAMPLING_SIGMAS_H
#define CLATENT_SAMPLING_SIGMAS_H

#include "clatent-scheduler.h"

#include <stdbool.h>

/* As clat_tools.sigma_table: [T], rising. */
void sigmas_table(const struct clat_schedule *schedule, float *table);
/* Are they all above 0, finite, and none below the one before? Some betas make others. */
bool sigmas_are_usable(const float *table, int train);
/* Between the entries of a table of `train` sigmas, linear in sigma, held at both ends. */
double sigmas_at(const float *table, int train, double timestep);
/* As clat_tools.timestep_of_sigma: the arithmetic is double. */
double sigmas_timestep(const float *table, int train, double sigma);
/* The same in float32 throughout. */
float sigmas_timestep_float(const float *table, int train, float sigma);
/* The place between two entries float32, the rest double: timesteps of a user's own sigmas. */
double sigmas_timestep_mixed(const float *table, int train, float sigma);

/* Karras et al. 2022, equation 5: even in sigma^(1/rho). */
void sigmas_karras(double low, double high, double rho, int count, double *sigmas);
/* Even in log(sigma). */
void sigmas_exponential(double low, double high, int count, double *sigmas);
/* Lu et al. 2022 (DPM-Solver++): even in log(sigma), the logarithms rounded to float32. */
void sigmas_lu(float low, float high, int count, double *sigmas);
/* Quantiles of Beta(0.6, 0.6), as in Lee et al. 2024, arXiv 2407.12173. */
void sigmas_beta(double low, double high, int count, double *sigmas);
/* Flow matching, shifted towards noise: sigma in 0..1 (signal is 1 - sigma), timestep sigma T. */
void sigmas_flow(double shift, int train, int count, double *sigmas);

/* The curve that `levels` ask for, between its own sigma_min and sigma_max or else low and high.
 * False: none of karras, exponential, beta, lu. (Flow is not between two sigmas of a table.) */
bool sigmas_curve(
    const struct clat_levels *levels, double low, double high, int count, double *sigmas);
/* The level after the last step: 0, or the lowest of the table. */
float sigmas_final(const struct clat_levels *levels, const float *table);
/* What is wrong with the options, in one sentence; NULL: nothing. Two curves; a curve beside a
 * list, two lists, and lists that do not fall or leave their range, for `train` timesteps. */
const char *sigmas_curve_conflict(const struct clat_levels *levels);
const char *sigmas_conflict(const struct clat_levels *levels, int train);

/* As in struct clat_tools: plan_sigmas, plan_multistep and sigma_curve. */
int sigmas_plan(struct clat_run *run, const struct clat_levels *levels, struct clat_plan *plan);
int sigmas_plan_multistep(
    struct clat_run *run, const struct clat_levels *levels, struct clat_plan *plan);
int sigmas_follow(struct clat_run *run, const struct clat_levels *levels, double low, double high,
    int count, double *sigmas);

#endif
