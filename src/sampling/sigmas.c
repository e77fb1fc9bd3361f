/* sigmas.c - the table of a model's sigmas, curves over it, timesteps of sigmas.
 * SPDX-License-Identifier: MIT
 *
 * What is float32 and what is double, and in which order, is part of the result: diffusers' classes
 * agree on it, and so do we (spacing in double, table and its logarithms in float32). */
#include "sampling/sigmas.h"
#include "sampling/noise_schedule.h"
#include "sampling/rounding.h"

#include <math.h>

/* ---- the table --------------------------------------------------------------------------------
 */

/* A zero-SNR schedule ends at alpha 0, an infinite sigma: the smallest half-precision number
 * instead. */
#define SMALLEST_ALPHA 0x1p-24f

void sigmas_table(const struct clat_schedule *schedule, float *table)
{
    const struct clat_tools *tools = &noise_schedule_tools;
    int train = tools->train_timesteps(schedule);
    tools->alphas_cumprod(schedule, table);
    if (schedule->rescale_betas_zero_snr)
        table[train - 1] = SMALLEST_ALPHA;
    for (int i = 0; i < train; i++)
        table[i] = sqrtf((1 - table[i]) / table[i]);
}

bool sigmas_are_usable(const float *table, int train)
{
    for (int i = 0; i < train; i++)
        if (!(table[i] >= (i ? table[i - 1] : 0) && table[i] > 0 && isfinite(table[i])))
            return false;
    return true;
}

double sigmas_at(const float *table, int train, double timestep)
{
    if (!(timestep > 0))
        return (double)table[0];
    if (timestep >= train - 1)
        return (double)table[train - 1];
    int below = (int)timestep;
    double slope = (double)table[below + 1] - (double)table[below];
    return slope * (timestep - below) + (double)table[below];
}

/* The last entry whose logarithm is at most `log_sigma`, but not the very last one; 0 if none is.
 */
static int entry_below(const float *table, int train, double log_sigma)
{
    int low = 0, high = train - 1;
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if ((double)log_float(table[middle]) <= log_sigma)
            low = middle;
        else
            high = middle;
    }
    return low;
}

double sigmas_timestep(const float *table, int train, double sigma)
{
    if (train < 2)
        return 0;
    double wanted = log(fmax(sigma, 1e-10));
    int j = entry_below(table, train, wanted);
    float below = log_float(table[j]), above = log_float(table[j + 1]);
    double weight = ((double)below - wanted) / (double)(below - above);
    weight = weight > 0 ? fmin(weight, 1) : 0;
    return (1 - weight) * j + weight * (j + 1);
}

/* Entry j and the share of entry j + 1, in float32. */
static float share_above(const float *table, int train, float sigma, int *j)
{
    *j = 0;
    if (train < 2)
        return 0;
    float wanted = log_float(fmaxf(sigma, 1e-10f));
    *j = entry_below(table, train, (double)wanted);
    float below = log_float(table[*j]), above = log_float(table[*j + 1]);
    float weight = (below - wanted) / (below - above);
    return weight > 0 ? fminf(weight, 1) : 0;
}

float sigmas_timestep_float(const float *table, int train, float sigma)
{
    int j;
    float weight = share_above(table, train, sigma, &j);
    return (1 - weight) * (float)j + weight * (float)(j + 1);
}

double sigmas_timestep_mixed(const float *table, int train, float sigma)
{
    int j;
    float weight = share_above(table, train, sigma, &j);
    return (double)(1 - weight) * j + (double)weight * (j + 1);
}

/* ---- curves -----------------------------------------------------------------------------------
 */

void sigmas_karras(double low, double high, double rho, int count, double *sigmas)
{
    double first = pow(high, 1 / rho), last = pow(low, 1 / rho);
    for (int i = 0; i < count; i++)
        sigmas[i] = pow(first + linspace_double(0, 1, count, i) * (last - first), rho);
}

void sigmas_exponential(double low, double high, int count, double *sigmas)
{
    double first = log(high), last = log(low);
    for (int i = 0; i < count; i++)
        sigmas[i] = exp(linspace_double(first, last, count, i));
}

void sigmas_lu(float low, float high, int count, double *sigmas)
{
    double first = (double)log_float(high), last = (double)log_float(low);
    for (int i = 0; i < count; i++)
        sigmas[i] = exp(first + linspace_double(0, 1, count, i) * (last - first));
}

#define BETA_SHAPE 0.6 /* both parameters of the distribution */

/* The distribution function of Beta(a, a) for x up to 1/2: a power series. */
static double beta_below(double x)
{
    const double a = BETA_SHAPE, complete = tgamma(a) * tgamma(a) / tgamma(2 * a);
    double term = 1, sum = 1 / a;
    for (int k = 1; k < 200 && term > 1e-18; k++) {
        term *= (k - a) / k * x;
        sum += term / (a + k);
    }
    return pow(x, a) * sum / complete;
}

/* The quantile, by bisection; the distribution is symmetric about 1/2. */
static double beta_quantile(double p)
{
    double low = 0, high = 0.5;
    if (p <= 0 || p >= 1)
        return p <= 0 ? 0 : 1;
    if (p > 0.5)
        return 1 - beta_quantile(1 - p);
    for (int i = 0; i < 80; i++) {
        double middle = (low + high) / 2;
        if (beta_below(middle) < p)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

void sigmas_beta(double low, double high, int count, double *sigmas)
{
    for (int i = 0; i < count; i++)
        sigmas[i] = low + beta_quantile(1 - linspace_double(0, 1, count, i)) * (high - low);
}

void sigmas_flow(double shift, int train, int count, double *sigmas)
{
    for (int i = 0; i < count; i++) {
        double sigma = 1 - linspace_double(1, 1.0 / train, count + 1, count - i);
        sigmas[i] = shift * sigma / (1 + (shift - 1) * sigma);
    }
}

/* ---- what the options ask for -----------------------------------------------------------------
 */

bool sigmas_curve(
    const struct clat_levels *levels, double low, double high, int count, double *sigmas)
{
    if (levels->sigma_min > 0)
        low = levels->sigma_min;
    if (levels->sigma_max > 0)
        high = levels->sigma_max;
    if (levels->use_karras_sigmas)
        sigmas_karras(low, high, 7, count, sigmas);
    else if (levels->use_exponential_sigmas)
        sigmas_exponential(low, high, count, sigmas);
    else if (levels->use_beta_sigmas)
        sigmas_beta(low, high, count, sigmas);
    else if (levels->use_lu_lambdas)
        sigmas_lu((float)low, (float)high, count, sigmas);
    else
        return false;
    return true;
}

float sigmas_final(const struct clat_levels *levels, const float *table)
{
    return levels->final_sigmas_type == CLAT_FINAL_SIGMA_MIN ? table[0] : 0;
}

static bool falls(const struct clat_reals *list)
{
    for (size_t i = 1; i < list->count; i++)
        if (!(list->values[i] < list->values[i - 1]))
            return false;
    return true;
}

const char *sigmas_curve_conflict(const struct clat_levels *levels)
{
    int curves = levels->use_karras_sigmas + levels->use_exponential_sigmas +
                 levels->use_beta_sigmas + levels->use_lu_lambdas + levels->use_flow_sigmas;
    if (curves > 1)
        return "only one of use_karras_sigmas, use_exponential_sigmas, use_beta_sigmas, "
               "use_lu_lambdas and use_flow_sigmas may be true";
    if (curves && (levels->timesteps.count || levels->sigmas.count))
        return "a list of timesteps or sigmas leaves no room for use_karras_sigmas and the like";
    if (levels->sigma_min > 0 && levels->sigma_max > 0 && levels->sigma_min >= levels->sigma_max)
        return "sigma_min must be below sigma_max";
    return NULL;
}

const char *sigmas_conflict(const struct clat_levels *levels, int train)
{
    const struct clat_reals *t = &levels->timesteps, *s = &levels->sigmas;
    const char *conflict = sigmas_curve_conflict(levels);
    if (conflict)
        return conflict;
    if (t->count && s->count)
        return "only one of timesteps and sigmas may be given";
    if (t->count && (!falls(t) || t->values[0] > train - 1 || t->values[t->count - 1] < 0))
        return "timesteps must fall, and lie between 0 and num_train_timesteps - 1";
    if (s->count && (s->count < 2 || !falls(s) || s->values[s->count - 1] < 0))
        return "sigmas must be two or more, fall, and end at 0 or above";
    return NULL;
}

int sigmas_follow(struct clat_run *run, const struct clat_levels *levels, double low, double high,
    int count, double *sigmas)
{
    const char *conflict = sigmas_curve_conflict(levels);
    if (conflict)
        return run->fail(run, conflict);
    sigmas_curve(levels, low, high, count, sigmas);
    return 0;
}
