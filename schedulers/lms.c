/* lms.c - linear multistep along the noise level. SPDX-License-Identifier: MIT
 *
 * Adams-Bashforth with uneven steps, as in k-diffusion: the slopes d = (x - x0) / sigma of the last
 * up to four levels are joined by Lagrange's polynomial, which is integrated over the step:
 *
 *     x' = x + sum_j c_j d_j
 *     c_j = integral from s_0 to s' of prod_{l != j} (u - s_l) / (s_j - s_l) du
 *
 * where s_0 is this level, s_1 the one before. Arithmetic, options and defaults are those of
 * diffusers' LMSDiscreteScheduler: the integrand is float32, the quadrature is the double one of
 * QUADPACK's qk21. */
#include <clatent-scheduler.h>
#include <math.h>

#define ORDER 4

struct options {
    struct clat_levels levels;
    int prediction_type, order;
};

static const struct clat_option options[] = {
    CLAT_SCHEDULE_ROWS(options, levels.schedule, "0.0001", "0.02", "linear"),
    CLAT_SPACING_ROWS(options, levels.timestep_spacing, levels.steps_offset, "linspace"),
    CLAT_PREDICTION_ROW(options, prediction_type), CLAT_CURVE_ROWS(options, levels),
    {"order", CLAT_INT, offsetof(struct options, order), "4", 1, ORDER, NULL,
        "how many slopes are joined"},
    {NULL}};

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    return run->tools->plan_sigmas(run, &o->levels, plan);
}

/* ---- the coefficients ----------------------------------------------------------------------- */

/* Lagrange's basis polynomial j over the levels s[0], s[-1], ..., s[1 - order], at u. */
static double basis(const float *s, int order, int j, double u)
{
    float product = 1;
    for (int l = 0; l < order; l++)
        if (l != j)
            product *= ((float)u - s[-l]) / (s[-j] - s[-l]);
    return (double)product;
}

/* Gauss-Kronrod quadrature with 21 points (Piessens et al. 1983, QUADPACK): nodes and weights of
 * one half, the last is the centre. */
#define POINTS 10
static const double nodes[POINTS] = {0.995657163025808080735527280689003,
    0.973906528517171720077964012084452, 0.930157491355708226001207180059508,
    0.865063366688984510732096688423493, 0.780817726586416897063717578345042,
    0.679409568299024406234327365114874, 0.562757134668604683339000099272694,
    0.433395394129247190799265943165784, 0.294392862701460198131126603103866,
    0.148874338981631210884826001129720};
static const double weights[POINTS + 1] = {0.011694638867371874278064396062192,
    0.032558162307964727478818972459390, 0.054755896574351996031381300244580,
    0.075039674810919952767043140916190, 0.093125454583697605535065465083366,
    0.109387158802297641899210590325805, 0.123491976262065851077958109585166,
    0.134709217311473325928054001771707, 0.142775938577060080797094273138717,
    0.147739104901338491374841515972068, 0.149445554002916905664936468389821};

/* The integral of basis polynomial j from s[0] to s[1]; terms are added in QUADPACK's order. */
static float coefficient(const float *s, int order, int j)
{
    double centre = 0.5 * ((double)s[0] + (double)s[1]), half = 0.5 * ((double)s[1] - (double)s[0]);
    double sum = weights[POINTS] * basis(s, order, j, centre);
    for (int odd = 1; odd >= 0; odd--)
        for (int k = odd; k < POINTS; k += 2) {
            double away = half * nodes[k];
            sum += weights[k] *
                   (basis(s, order, j, centre - away) + basis(s, order, j, centre + away));
        }
    return (float)(sum * half);
}

/* ---- the loop ------------------------------------------------------------------------------- */

/* x += sum of coefficients times slopes, newest first; slopes[j] is the one j steps ago. */
static void step(const struct clat_run *run, int i, int order, int known, float *const *slopes)
{
    float c[ORDER], *x = run->sample;
    for (int j = 0; j < order; j++)
        c[j] = coefficient(run->plan->sigmas + i, order, j);
    for (size_t k = 0; k < run->images * run->elements; k++) {
        float sum = 0;
        for (int j = 0; j < order && j < known; j++)
            sum += c[j] * slopes[j][k];
        x[k] += sum;
    }
}

/* Slopes become one step older; the room of the oldest is for the next. */
static void age(float **slopes)
{
    float *oldest = slopes[ORDER - 1];
    for (int j = ORDER - 1; j > 0; j--)
        slopes[j] = slopes[j - 1];
    slopes[0] = oldest;
}

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    const struct clat_plan *plan = run->plan;
    size_t n = run->images * run->elements;
    float *x = run->sample, *slopes[ORDER];
    for (int j = 0; j < ORDER; j++)
        if (!(slopes[j] = run->scratch(run, n)))
            return run->fail(run, "no memory");

    for (int i = plan->first; i < plan->count; i++) {
        float sigma = plan->sigmas[i];
        int known = i - plan->first + 1, code;
        /* diffusers counts levels from the top, also those that a run from the middle never saw */
        int levels = run->compat ? i + 1 : known, order = levels < o->order ? levels : o->order;
        age(slopes);
        float *d = slopes[0];
        if ((code = run->evaluate(run, x, sqrtf(sigma * sigma + 1), plan->timesteps[i], d)))
            return code;
        run->tools->predict_sigma(o->prediction_type, sigma, n, x, d, d);
        for (size_t k = 0; k < n; k++)
            d[k] = (x[k] - d[k]) / sigma;
        step(run, i, order, known, slopes);
        if ((code = run->step_done(run, i, x)))
            return code;
    }
    return 0;
}

CLAT_EXPORT const struct clat_plugin clat_scheduler = {
    CLAT_SCHEDULER_HEADER,
    .name = "lms",
    .class_name = "LMSDiscreteScheduler",
    .title = "linear multistep: up to fourth order, one evaluation a step",
    .source = "Adams-Bashforth with uneven steps, as in k-diffusion (Crowson 2022)",
    .version = "1",
    .space = CLAT_SIGMA,
    .order = 4,
    .options_size = sizeof(struct options),
    .options = options,
    .plan = plan,
    .run = sample,
};
