/* clatent-scheduler.h - the contract between clatent and a scheduler plugin. PUBLIC.
 * SPDX-License-Identifier: MIT
 *
 * A scheduler is a shared object NAME.so that exports one constant, `clat_scheduler`:
 *
 *     #include <clatent-scheduler.h>
 *     struct options { int num_train_timesteps; ... };
 *     static const struct clat_option options[] = { ..., {NULL} };
 *     static int plan(struct clat_run *run, struct clat_plan *plan) { ... }
 *     static int sample(struct clat_run *run) { ... }
 *     CLAT_EXPORT const struct clat_plugin clat_scheduler = {
 *         CLAT_SCHEDULER_HEADER, .name = "mine", .options = options,
 *         .options_size = sizeof(struct options), .plan = plan, .run = sample, ...};
 *
 * It needs the C library and this header, nothing to link against. It owns its whole loop: `run`
 * starts from noise in run->sample and leaves latents there, asking the host for the network
 * (evaluate), for fresh noise (noise), for memory (scratch), and reporting each step (step_done).
 * Everything is float32 on the host. Whoever wants the reference's last bit compiles with
 * -ffp-contract=off.
 *
 * A plugin MUST NOT print, exit, start threads, change the locale, the working directory or the
 * floating-point environment, or keep state outside of the memory it is given; what it is given as
 * const it MUST NOT change. It MUST be deterministic: the same options give the same plan; the same
 * sample, options and noise the same result, for each image as if it were alone. Calls come from
 * one thread per run; several runs may be under way. clatent-plugin-check tries all of this out.
 *
 * Functions return 0, or a code other than 0 that the plugin MUST return at once, unchanged
 * (cancelled, device lost, no memory). A plugin that fails for a reason of its own calls
 * run->fail() and returns what it returns. */
#ifndef CLATENT_SCHEDULER_H
#define CLATENT_SCHEDULER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CLAT_SCHEDULER_MAGIC 0x74616C63u /* "clat" */
#define CLAT_SCHEDULER_ABI 1u            /* raised when an old plugin could not work any more */
/* Within one ABI structs only grow at their ends: `size` tells how much of one is there. */
#define CLAT_SCHEDULER_HEADER                                                                      \
    .magic = CLAT_SCHEDULER_MAGIC, .abi = CLAT_SCHEDULER_ABI, .size = sizeof(struct clat_plugin)

/* True if *object (tools or run) has this member: a host may be older than this header. Needed for
 * members marked "since" only. */
#define CLAT_HAS(object, member)                                                                   \
    ((size_t)((const char *)(&(object)->member + 1) - (const char *)(object)) <= (object)->size)

#if defined(__GNUC__)
#define CLAT_EXPORT __attribute__((visibility("default")))
#else
#define CLAT_EXPORT
#endif

/* ---- options ------------------------------------------------------------------------------------
 * The plugin has a struct of plain fields; each row of its table describes one. The host fills a
 * zeroed struct of options_size bytes from the defaults, the model's scheduler_config.json and the
 * user's YAML, in that order, and checks types and ranges; the plugin reads it. Names, meanings and
 * defaults SHOULD be those of diffusers where diffusers has the scheduler. */
enum clat_option_type {
    CLAT_BOOL = 1, /* int field, 0 or 1 */
    CLAT_INT,      /* int field; INT_MIN for null, allowed where the default is null */
    CLAT_REAL,     /* double field; NaN for null, allowed where the default is null */
    CLAT_CHOICE,   /* int field: index into `choices`; -1 for null, if the default is null */
    CLAT_REALS     /* struct clat_reals field: a list, empty when null */
};
struct clat_reals {
    const double *values; /* owned by the host, valid as long as the options */
    size_t count;
};
struct clat_option {
    const char *name; /* as YAML says it; NULL ends the table */
    enum clat_option_type type;
    size_t offset;              /* of the field: offsetof(struct options, field) */
    const char *initial;        /* the default as YAML text: "0.0001", "true", "leading", "null" */
    double lowest, highest;     /* range of numbers, both ends allowed; equal: no range */
    const char *const *choices; /* NULL-terminated, for CLAT_CHOICE: see CLAT_CHOICES */
    const char *help;           /* one line */
};
#define CLAT_CHOICES(...)                                                                          \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

/* ---- shared arithmetic --------------------------------------------------------------------------
 * What many schedulers have in common stands once, in the host: structs that a plugin puts into its
 * options, rows for their fields, and tools that read them. All arithmetic is in the order and
 * precision of diffusers, so that results are equal to the last bit. Values of choices are in the
 * order of the lists here. */
enum clat_beta_schedule {
    CLAT_LINEAR,
    CLAT_SCALED_LINEAR,
    CLAT_SQUAREDCOS_CAP_V2,
    CLAT_EXP,     /* exp(-12 t) (Heun) */
    CLAT_LAPLACE, /* DDPM */
    CLAT_SIGMOID  /* DDPM */
};
enum clat_spacing { CLAT_LEADING, CLAT_TRAILING, CLAT_LINSPACE };
enum clat_prediction { CLAT_EPSILON, CLAT_SAMPLE, CLAT_V_PREDICTION };
enum clat_final_sigma { CLAT_FINAL_ZERO, CLAT_FINAL_SIGMA_MIN };

/* The noise schedule a model was trained with. */
struct clat_schedule {
    int num_train_timesteps; /* T; where trained_betas has values, their number counts */
    double beta_start, beta_end;
    int beta_schedule;               /* enum clat_beta_schedule */
    struct clat_reals trained_betas; /* if not empty: these, instead of the three above */
    int rescale_betas_zero_snr;      /* Lin et al. 2023, algorithm 1 */
};

/* Which noise levels a run visits (the words of diffusers). A scheduler offers rows for the fields
 * it knows; the others stay 0, which means off, and NaN where so said. */
struct clat_levels {
    struct clat_schedule schedule;
    int timestep_spacing, steps_offset;
    int use_karras_sigmas, use_exponential_sigmas, use_beta_sigmas, use_lu_lambdas, use_flow_sigmas;
    double sigma_min, sigma_max;         /* of the curves; 0 or NaN: those of the schedule */
    double flow_shift;                   /* 0 means 1 */
    int final_sigmas_type;               /* enum clat_final_sigma */
    double lambda_min_clipped;           /* 0: not at all */
    int log_linear;                      /* interpolation_type of Euler */
    int double_timesteps;                /* not rounded to float32 (DPM2, DPM-Solver SDE) */
    struct clat_reals timesteps, sigmas; /* the user's own, instead of all that */
};

/* How x0 is bounded. */
struct clat_bounds {
    int clip_sample, thresholding;
    double clip_sample_range, dynamic_thresholding_ratio, sample_max_value;
};

/* Rows of option tables: `options` is the tag of the plugin's struct, `field` the member of the
 * types above: CLAT_PREDICTION_ROW(options, prediction_type) for struct options. A comma goes
 * between them. */
#define CLAT_SCHEDULE_ROWS(options, field, start, end, curve)                                      \
    {"num_train_timesteps", CLAT_INT, offsetof(struct options, field.num_train_timesteps), "1000", \
        1, 100000, NULL, "timesteps the model was trained with"},                                  \
        {"beta_start", CLAT_REAL, offsetof(struct options, field.beta_start), start, 0, 1, NULL,   \
            "first beta"},                                                                         \
        {"beta_end", CLAT_REAL, offsetof(struct options, field.beta_end), end, 0, 1, NULL,         \
            "last beta"},                                                                          \
        {"beta_schedule", CLAT_CHOICE, offsetof(struct options, field.beta_schedule), curve, 0, 0, \
            CLAT_CHOICES(                                                                          \
                "linear", "scaled_linear", "squaredcos_cap_v2", "exp", "laplace", "sigmoid"),      \
            "curve of the betas"},                                                                 \
    {                                                                                              \
        "trained_betas", CLAT_REALS, offsetof(struct options, field.trained_betas), "null", 0, 1,  \
            NULL, "all betas, instead of a curve"                                                  \
    }
#define CLAT_ZERO_SNR_ROW(options, field)                                                          \
    {                                                                                              \
        "rescale_betas_zero_snr", CLAT_BOOL,                                                       \
            offsetof(struct options, field.rescale_betas_zero_snr), "false", 0, 0, NULL,           \
            "betas rescaled so that the last level is pure noise"                                  \
    }
#define CLAT_SPACING_ROWS(options, spacing, offset, standard)                                      \
    {"timestep_spacing", CLAT_CHOICE, offsetof(struct options, spacing), standard, 0, 0,           \
        CLAT_CHOICES("leading", "trailing", "linspace"), "how timesteps are spread"},              \
    {                                                                                              \
        "steps_offset", CLAT_INT, offsetof(struct options, offset), "0", 0, 100000, NULL,          \
            "added to the timesteps of leading spacing"                                            \
    }
#define CLAT_TIMESTEPS_ROW(options, field)                                                         \
    {                                                                                              \
        "timesteps", CLAT_REALS, offsetof(struct options, field), "null", 0, 99999, NULL,          \
            "the timesteps to visit, falling, instead of a spacing"                                \
    }
#define CLAT_PREDICTION_ROW(options, field)                                                        \
    {                                                                                              \
        "prediction_type", CLAT_CHOICE, offsetof(struct options, field), "epsilon", 0, 0,          \
            CLAT_CHOICES("epsilon", "sample", "v_prediction"), "what the network predicts"         \
    }
#define CLAT_CURVE_ROWS(options, field)                                                            \
    {"use_karras_sigmas", CLAT_BOOL, offsetof(struct options, field.use_karras_sigmas), "false",   \
        0, 0, NULL, "sigmas of Karras et al. 2022, equation 5, rho 7"},                            \
        {"use_exponential_sigmas", CLAT_BOOL,                                                      \
            offsetof(struct options, field.use_exponential_sigmas), "false", 0, 0, NULL,           \
            "sigmas evenly spread in their logarithm"},                                            \
    {                                                                                              \
        "use_beta_sigmas", CLAT_BOOL, offsetof(struct options, field.use_beta_sigmas), "false", 0, \
            0, NULL, "sigmas spread as quantiles of Beta(0.6, 0.6)"                                \
    }
#define CLAT_CLIP_ROWS(options, field, standard)                                                   \
    {"clip_sample", CLAT_BOOL, offsetof(struct options, field.clip_sample), standard, 0, 0, NULL,  \
        "clamp the predicted x0 (wrong for latents)"},                                             \
    {                                                                                              \
        "clip_sample_range", CLAT_REAL, offsetof(struct options, field.clip_sample_range), "1", 0, \
            1e6, NULL, "bound of clip_sample"                                                      \
    }
#define CLAT_THRESHOLD_ROWS(options, field)                                                        \
    {"thresholding", CLAT_BOOL, offsetof(struct options, field.thresholding), "false", 0, 0, NULL, \
        "dynamic thresholding of x0 (wrong for latents)"},                                         \
        {"dynamic_thresholding_ratio", CLAT_REAL,                                                  \
            offsetof(struct options, field.dynamic_thresholding_ratio), "0.995", 0, 1, NULL,       \
            "quantile of thresholding"},                                                           \
    {                                                                                              \
        "sample_max_value", CLAT_REAL, offsetof(struct options, field.sample_max_value), "1", 1,   \
            1e6, NULL, "upper bound of thresholding"                                               \
    }

struct clat_run;
struct clat_plan;

struct clat_tools {
    size_t size; /* of this struct: a later host may have more members */

    /* T of a schedule: num_train_timesteps, or the number of trained_betas. */
    int (*train_timesteps)(const struct clat_schedule *schedule);

    /* alphas_cumprod[T]: products of 1 - beta. Betas are float32, products are accumulated in
     * double and rounded to float32 one by one, as torch does. */
    void (*alphas_cumprod)(const struct clat_schedule *schedule, float *alphas_cumprod);

    /* Integer timesteps, largest first, into timesteps[steps]: enum clat_spacing; `offset` is added
     * to leading ones. */
    void (*timesteps)(
        int spacing, int num_train_timesteps, int steps, int offset, double *timesteps);

    /* plan->signal and plan->noise of a variance-preserving run: sqrt(a) and sqrt(1 - a) of
     * plan->timesteps (integers) and `alphas_cumprod`. */
    void (*level_of_alphas)(struct clat_plan *plan, const float *alphas_cumprod);

    /* sigmas[T]: sqrt((1 - a) / a) of alphas_cumprod, in float32; where a zero-SNR rescale made the
     * last a 0, it is 2^-24. */
    void (*sigma_table)(const struct clat_schedule *schedule, float *sigmas);

    /* The whole plan of a scheduler with one level a step: plan->count, timesteps, sigmas (with the
     * final one), and signal and noise of CLAT_SIGMA (1, sigma) or CLAT_VARIANCE_PRESERVING
     * (1/sqrt(s^2+1), s/sqrt(s^2+1)). Two families of diffusers' classes differ in how they space:
     * - plan_sigmas: Euler, LMS, Heun, DPM2: `steps` points over the table, timesteps fractional;
     *   sets init_noise_sigma too (the largest sigma, or sqrt(s^2+1) with leading spacing)
     * - plan_multistep: DPM-Solver, UniPC, DEIS: steps + 1 points, the last one dropped, integer.
     * Returns 0, or what run->fail() returned: return it. */
    int (*plan_sigmas)(
        struct clat_run *run, const struct clat_levels *levels, struct clat_plan *plan);
    int (*plan_multistep)(
        struct clat_run *run, const struct clat_levels *levels, struct clat_plan *plan);

    /* The curve that `levels` ask for (use_karras_sigmas and the like), from `high` down to `low`,
     * into sigmas[count]; without one they are left alone. Returns 0, or what run->fail() returned.
     */
    int (*sigma_curve)(struct clat_run *run, const struct clat_levels *levels, double low,
        double high, int count, double *sigmas);

    /* The timestep at which a model saw `sigma`, between the entries of a table of T sigmas, linear
     * in their logarithm; fractional. */
    double (*timestep_of_sigma)(const float *sigmas, int num_train_timesteps, double sigma);
    /* The same in float32 throughout. */
    float (*timestep_of_sigma_float)(const float *sigmas, int num_train_timesteps, float sigma);

    /* x0 and epsilon from what the network said at cumulative alpha `alpha` (variance preserving);
     * `prediction` tells what it predicts. x0 and epsilon may not overlap the inputs. */
    void (*predict)(int prediction, float alpha, size_t count, const float *sample,
        const float *output, float *x0, float *epsilon);

    /* x0 from what the network said at `sigma` (CLAT_SIGMA): sample - sigma output for epsilon. x0
     * may be `output`. */
    void (*predict_sigma)(int prediction, float sigma, size_t count, const float *sample,
        const float *output, float *x0);

    /* Thresholds or clips x0 [images][elements] of a run, as the bounds say; `scratch` has
     * `elements` floats. */
    void (*bound)(
        const struct clat_run *run, const struct clat_bounds *bounds, float *x0, float *scratch);

    /* Clamps to +-range. */
    void (*clip)(float range, size_t count, float *x0);

    /* Dynamic thresholding of one image (Saharia et al. 2022, 2.3): s = the `ratio` quantile of
     * |x0|, between 1 and `largest`; x0 = clamp(x0, -s, s) / s. `scratch` has `count` floats. */
    void (*threshold)(double ratio, double largest, size_t count, float *x0, float *scratch);

    /* The whole plan of a variance-preserving scheduler with one evaluation a step, at integer
     * timesteps: those of a spacing, or the user's own, which are checked. Sets plan->count,
     * evaluations, timesteps, signal and noise. Refuses to start with pure noise (zero SNR) where
     * the network predicts epsilon, which says nothing of x0 there. Returns 0, or what run->fail()
     * returned: return it. */
    int (*plan_alphas)(struct clat_run *run, const struct clat_levels *levels, int prediction,
        struct clat_plan *plan);
    /* The same for networks distilled to few steps: evenly from the `original` timesteps that the
     * distillation knew (LCM, TCD), or the user's own. With a strength below 1 all steps are taken,
     * from the lower part of those. */
    int (*plan_distilled)(struct clat_run *run, const struct clat_levels *levels, int prediction,
        int original, struct clat_plan *plan);

    /* log(x) of a normal float32 x > 0 with the last bit of numpy's, which is up to 2 ulp off: the
     * coefficients of DEIS hang on it. */
    float (*numpy_log)(float x);
};

/* ---- one run -------------------------------------------------------------------------------- */
/* A step is what a user counts: one or more evaluations that bring the sample from one noise level
 * to the next. At the start of step i a clean x0 would be signal[i] x0 + noise[i] epsilon: that is
 * what the host makes of an image when a run starts in the middle. */
struct clat_plan {
    int capacity;      /* of the arrays; 4 * (steps, or the longest list among the options) + 16 */
    int steps;         /* in: steps asked for */
    double strength;   /* in: share of the run that is asked for, above 0 up to 1 */
    int count;         /* out: steps planned; a user's own list of timesteps may change it */
    int first;         /* out: the step to start with. -1 beforehand, which leaves it to the host:
                          count - (int)(count * strength) */
    int evaluations;   /* out: how often a run of all steps calls evaluate(), at most: more is
                          refused */
    double *timesteps; /* out [count], of each step's first evaluation, as the model was trained
                          with them; MUST be finite, and 0..T-1 where the options have
                          beta_schedule */
    float *sigmas;     /* out [count + 1]: noise / signal of each step and at the end; may be left
                          alone in variance-preserving space */
    float *signal, *noise;  /* out [count], finite, 0 or more */
    float init_noise_sigma; /* out: what start noise is multiplied by; 1 beforehand */
};

struct clat_run {
    size_t size; /* of this struct: a later host may have more members */
    const struct clat_tools *tools;
    const void *options;          /* the plugin's struct */
    const struct clat_plan *plan; /* what plan() gave; NULL during plan() */
    int compat;                   /* 1: keep the known defects of diffusers' class, for comparing */
    size_t images, elements;      /* sample has images * elements floats, image after image */
    float *sample; /* in: start noise times init_noise_sigma, or an image with the noise
                      of step plan->first; out: latents */
    void *host;    /* the host's own */

    /* During plan() all but scratch() and fail() MUST NOT be called. Once a call has failed, all
     * others return the same code. */

    /* The guided prediction of the network for all images at `timestep` (as trained; may be
     * fractional). The network sees sample / divisor: 1 in variance-preserving space,
     * sqrt(sigma^2 + 1) in sigma space. `output` has the size of sample, and MUST NOT overlap it.
     */
    int (*evaluate)(
        struct clat_run *run, const float *sample, float divisor, double timestep, float *output);
    /* Fresh N(0,1) values for all images; each image has its own stream, read in the order of the
     * calls. */
    int (*noise)(struct clat_run *run, float *values);
    /* For solvers of stochastic differential equations: (W(b) - W(a)) / sqrt|b - a| of a Brownian
     * path W over sigma, one path per image, keyed by its seed: N(0,1) values; the same interval
     * gives the same ones, overlapping intervals give correlated ones. a and b MUST differ; of an
     * interval below the path's resolution, 2^-17 of sigma, the values are 0. */
    int (*brownian)(struct clat_run *run, double a, double b, float *values);
    /* Memory for `count` floats, zeroed, that lives until the call of plan() or run() returns; NULL
     * if there is none: then return run->fail(run, "no memory"). */
    float *(*scratch)(struct clat_run *run, size_t count);
    /* MUST be called after each planned step (0-based, in order, to the last) with the sample as it
     * is. */
    int (*step_done)(struct clat_run *run, int step, const float *sample);
    /* One sentence why the plugin cannot go on; returns the code to return. */
    int (*fail)(struct clat_run *run, const char *sentence);
};

/* Where a scheduler's samples live. */
enum clat_space {
    CLAT_VARIANCE_PRESERVING, /* sample = sqrt(alpha) x0 + sqrt(1 - alpha) noise */
    CLAT_SIGMA                /* sample = x0 + sigma noise; the network sees it scaled */
};

/* What kind of network a scheduler drives. A model is of the kind of the scheduler that it was
 * saved with; the host refuses one of another kind. */
enum clat_network {
    CLAT_DIFFUSION_NETWORK, /* trained on discrete timesteps: epsilon, x0 or v */
    CLAT_EDM_NETWORK,       /* preconditioned as in Karras et al. 2022, told ln(sigma) / 4 */
    CLAT_FLOW_NETWORK       /* the velocity of a rectified flow */
};

/* A further name, and the options it stands for ("use_karras_sigmas=true,solver_order=3") or NULL.
 * Names are compared without case, blanks, '-', '_' and '.', '+' read as 'p'. The host itself
 * understands names that end in "Karras", "Exponential", "Beta", "Trailing" and the like. */
struct clat_alias {
    const char *name;
    const char *options;
};

/* A value that configurations of other classes have for an option, and ours for it: a model made
 * for UniPC says solver_type bh2 where DPM-Solver says midpoint. Heard in scheduler_config.json
 * only. */
struct clat_foreign {
    const char *option, *theirs, *ours;
};

struct clat_plugin {
    uint32_t magic, abi; /* CLAT_SCHEDULER_HEADER sets these three */
    size_t size;
    const char *name;       /* MUST be the file's stem: [a-z0-9_-], at most 32 */
    const char *class_name; /* diffusers' class ("DDIMScheduler"), or NULL */
    const char *title;      /* one line: what it is */
    const char *source;     /* paper and equation */
    const char *version;
    const struct clat_alias *aliases;   /* ends with name NULL; or NULL */
    const struct clat_foreign *foreign; /* ends with option NULL; or NULL */
    enum clat_space space;
    enum clat_network network;
    int order;      /* of convergence at the default options */
    int stochastic; /* 1: draws noise at the default options */
    size_t options_size;
    const struct clat_option *options; /* ends with name NULL */
    /* Plans plan->steps steps. */
    int (*plan)(struct clat_run *run, struct clat_plan *plan);
    /* Runs the planned steps from plan->first on. */
    int (*run)(struct clat_run *run);
};

/* What a plugin defines, once. */
extern CLAT_EXPORT const struct clat_plugin clat_scheduler;

#ifdef __cplusplus
}
#endif

#endif
