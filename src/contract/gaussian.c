/* gaussian.c - a network that is never wrong. SPDX-License-Identifier: MIT */
#include "contract/gaussian.h"
#include "sampling/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MANY_IMAGES 2
#define MANY 4096           /* elements of each whose moments are taken: 1.1 % of error */
#define ELEMENTS 64         /* of the one image whose convergence is measured */
#define FLOOR 4e-6          /* errors below are rounding: latents of size 15 in float32 */
#define NEAREST_FACTOR 1.75 /* a level is near GAUSSIAN_SIGMA if the ratio is not larger */

/* What the network predicts: x0, epsilon, v of a variance-preserving model; the velocity of a
 * rectified flow; the F of EDM (Karras et al. 2022, equation 7). */
enum kind { EPSILON, SAMPLE, V_PREDICTION, FLOW, EDM };

/* A run under way. */
struct course {
    enum kind kind;
    double sigma_data; /* EDM */
    bool distilled;
    float *alphas; /* cumulative alphas of the model, [train]; NULL if not known */
    int train;
    int first, last;     /* at the end of these steps and between the distance is measured */
    const float *places; /* [count] at the start */
    double distance;     /* out: the smallest of them */
};

/* Spreads differ so that errors do not vanish for all elements at once. */
static double mean_of(size_t k)
{
    return 0.1 * sin(1.7 * (double)k + 0.3);
}

static double spread_of(size_t k)
{
    return 0.4 + 0.2 * sin(0.9 * (double)k);
}

void gaussian_places(float *places, size_t count)
{
    for (size_t k = 0; k < count; k++)
        places[k] = (float)(1.5 * sin(2.3 * (double)k + 1));
}

/* q */
static double deviation(size_t k, double a, double b)
{
    return sqrt(a * a * spread_of(k) * spread_of(k) + b * b);
}

/* ---- levels --------------------------------------------------------------------------------- */

static int schedule_curve(const struct probe *probe)
{
    static const char *const curves[] = {
        "linear", "scaled_linear", "squaredcos_cap_v2", "exp", "laplace", "sigmoid"};
    const char *word = probe_choice(probe, "beta_schedule");
    for (int i = 0; word && i < 6; i++)
        if (strcmp(word, curves[i]) == 0)
            return i;
    return -1;
}

/* The cumulative alphas that the plugin's options describe. */
static void find_schedule(const struct probe *probe, struct course *course)
{
    struct clat_schedule schedule = {.num_train_timesteps = probe_train_timesteps(probe),
        .beta_start = probe_number(probe, "beta_start", 0),
        .beta_end = probe_number(probe, "beta_end", 0),
        .beta_schedule = schedule_curve(probe),
        .rescale_betas_zero_snr = probe_number(probe, "rescale_betas_zero_snr", 0) > 0};
    if (schedule.num_train_timesteps < 1 || schedule.beta_schedule < 0)
        return;
    course->train = schedule.num_train_timesteps;
    course->alphas = calloc((size_t)course->train, sizeof *course->alphas);
    if (course->alphas)
        probe->run.tools->alphas_cumprod(&schedule, course->alphas);
}

static double table_sigma(const struct course *course, int t)
{
    double alpha = (double)course->alphas[t];
    return sqrt((1 - alpha) / alpha);
}

/* Between the model's timesteps: log sigma is linear in t. */
static double sigma_between(const struct course *course, double t)
{
    int low = t < 0 ? 0 : t >= course->train - 1 ? course->train - 1 : (int)t;
    int high = low + 1 < course->train ? low + 1 : low;
    double part = t - low;
    return exp((1 - part) * log(table_sigma(course, low)) + part * log(table_sigma(course, high)));
}

/* The level of a call: that of the step under way or the next one if the timestep is theirs (a plan
 * may round timesteps, and has the exact levels), else the model's own. */
static double sigma_asked(const struct probe *probe, const struct course *course, double t)
{
    const struct clat_plan *plan = probe->plan;
    int now = plan->first + probe->steps;
    for (int i = now; i < plan->count && i < now + 2; i++)
        if (plan->timesteps[i] == t)
            return probe_sigma(probe, i);
    return course->alphas ? sigma_between(course, t) : probe_sigma(probe, now);
}

/* ---- the network ---------------------------------------------------------------------------- */

static enum kind find_kind(const struct probe *probe)
{
    const char *word = probe_choice(probe, "prediction_type");
    int middle = probe->plan->count / 2;
    double a = (double)probe->plan->signal[middle], b = (double)probe->plan->noise[middle];
    if (probe_number(probe, "sigma_data", 0) > 0)
        return EDM;
    if (fabs(a + b - 1) < 1e-5 && fabs(a * a + b * b - 1) > 1e-3)
        return FLOW;
    return !word                               ? EPSILON
           : strcmp(word, "sample") == 0       ? SAMPLE
           : strcmp(word, "v_prediction") == 0 ? V_PREDICTION
                                               : EPSILON;
}

/* Signal and noise of what the network sees, for their ratio sigma. */
static void level_seen(const struct course *course, double sigma, double *a, double *b)
{
    if (course->kind == FLOW) {
        *b = isinf(sigma) ? 1 : sigma / (1 + sigma);
        *a = 1 - *b;
    } else {
        *a = course->kind == EDM ? 1 : 1 / sqrt(sigma * sigma + 1);
        *b = *a * sigma;
    }
}

/* What the network says of element k, which it sees as u at the ratio sigma. */
static double answer(const struct course *course, size_t k, double u, double sigma)
{
    double a, b, d = course->sigma_data, scale = sqrt(sigma * sigma + d * d);
    level_seen(course, sigma, &a, &b);
    double x = course->kind == EDM ? u * scale : u;
    double s = spread_of(k), q = deviation(k, a, b), place = (x - a * mean_of(k)) / q;
    double x0 = mean_of(k) + (course->distilled ? s : a * s * s / q) * place;
    double epsilon = (x - a * x0) / b;
    switch (course->kind) {
    case SAMPLE:
        return x0;
    case V_PREDICTION:
        return a * epsilon - b * x0;
    case FLOW:
        return epsilon - x0;
    case EDM:
        return (x0 - d * d / (scale * scale) * x) * scale / (sigma * d);
    case EPSILON:
        break;
    }
    return epsilon;
}

static void evaluate(void *user, struct probe *probe, const float *sample, float divisor,
    double timestep, float *output)
{
    const struct course *course = user;
    double sigma = sigma_asked(probe, course, timestep);
    for (size_t i = 0; i < probe->run.images * probe->run.elements; i++)
        output[i] = (float)answer(
            course, i % probe->run.elements, (double)sample[i] / (double)divisor, sigma);
}

/* ---- places --------------------------------------------------------------------------------- */

/* Signal and noise at the start of step i; at the end of the last one. */
static void level(const struct probe *probe, int i, double *a, double *b)
{
    bool inside = i < probe->plan->count;
    *a = inside ? (double)probe->plan->signal[i] : 1;
    *b = inside ? (double)probe->plan->noise[i] : probe_sigma(probe, i);
}

static double place_at(const struct probe *probe, int i, size_t k, float value)
{
    double a, b;
    level(probe, i, &a, &b);
    return ((double)value - a * mean_of(k)) / deviation(k, a, b);
}

static void step_done(void *user, struct probe *probe, int step, const float *sample)
{
    struct course *course = user;
    size_t count = probe->run.images * probe->run.elements;
    double sum = 0;
    if (step < course->first || step > course->last)
        return;
    for (size_t i = 0; i < count; i++) {
        double place = place_at(probe, step + 1, i % probe->run.elements, sample[i]);
        sum += (place - (double)course->places[i]) * (place - (double)course->places[i]);
    }
    course->distance = fmin(course->distance, sqrt(sum / (double)count));
}

static bool run_course(struct probe *probe, struct course *course, size_t images, size_t elements,
    const uint64_t *seeds, float *sample)
{
    struct probe_network network = {course, evaluate, step_done};
    double a, b;
    level(probe, probe->plan->first, &a, &b);
    for (size_t i = 0; i < images * elements; i++)
        sample[i] = (float)(a * mean_of(i % elements) +
                            deviation(i % elements, a, b) * (double)course->places[i]);
    find_schedule(probe, course);
    course->kind = find_kind(probe);
    course->sigma_data = probe_number(probe, "sigma_data", 0);
    bool done = probe_run(probe, &network, images, elements, seeds, sample);
    free(course->alphas);
    return done;
}

bool gaussian_run(struct probe *probe, bool distilled, size_t images, size_t elements,
    const uint64_t *seeds, float *places)
{
    struct course course = {.distilled = distilled, .first = -1, .last = -1, .places = places};
    float *sample = calloc(images * elements, sizeof *sample);
    if (!sample)
        return false;
    bool done = run_course(probe, &course, images, elements, seeds, sample);
    for (size_t i = 0; done && i < images * elements; i++)
        places[i] = (float)place_at(probe, probe->plan->count, i % elements, sample[i]);
    free(sample);
    return done;
}

/* ---- spread --------------------------------------------------------------------------------- */

struct moments gaussian_moments(struct probe *probe, bool distilled)
{
    struct moments moments = {(double)NAN, (double)NAN};
    size_t count = (size_t)MANY_IMAGES * MANY;
    float *places = malloc(count * sizeof *places);
    struct rng rng;
    rng_seed(&rng, RNG_TORCH, 3);
    if (places)
        rng_normal(&rng, places, count);
    if (places && gaussian_run(probe, distilled, MANY_IMAGES, MANY, (uint64_t[]){1, 2}, places)) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < count; i++) {
            sum += (double)places[i];
            squares += (double)places[i] * (double)places[i];
        }
        moments.mean = sum / (double)count;
        moments.spread = sqrt(squares / (double)count - moments.mean * moments.mean);
    }
    free(places);
    return moments;
}

/* ---- convergence ---------------------------------------------------------------------------- */

/* The step at whose end the level is nearest to sigma, or -1. */
static int step_near(const struct probe *probe, double sigma)
{
    int best = -1;
    double nearest = log(NEAREST_FACTOR);
    for (int i = probe->plan->first + 1; i < probe->plan->count; i++) {
        double distance = fabs(log(probe_sigma(probe, i) / sigma));
        if (distance < nearest) {
            nearest = distance;
            best = i - 1;
        }
    }
    return best;
}

/* Solvers that go in blocks have coarse steps between fine ones: the better of two in a row. */
double gaussian_error(struct probe *probe, int steps, double sigma)
{
    float places[ELEMENTS], sample[ELEMENTS];
    struct course course = {.places = places, .distance = (double)NAN};
    gaussian_places(places, ELEMENTS);
    if (!probe_plan(probe, steps, 1))
        return (double)NAN;
    int nearest = sigma > 0 ? step_near(probe, sigma) : probe->plan->count - 1;
    if (nearest < 0)
        return (double)NAN;
    course.first = nearest;
    course.last = nearest + 1;
    if (!run_course(probe, &course, 1, ELEMENTS, (uint64_t[]){1}, sample))
        return (double)NAN;
    return course.distance;
}

double gaussian_order(struct probe *probe)
{
    double errors[4];
    int count = 0;
    while (count < 4) {
        double error = gaussian_error(probe, 20 << count, GAUSSIAN_SIGMA);
        if (!(error > FLOOR))
            break;
        errors[count++] = error;
    }
    int first = count > 3 ? count - 3 : 0;
    return count > 1 ? log2(errors[first] / errors[count - 1]) / (count - 1 - first) : (double)NAN;
}
