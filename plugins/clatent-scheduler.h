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
 * A plugin MUST NOT print, exit, change the locale or the floating-point environment, keep state
 * outside of the memory it is given, or start threads. It MUST be deterministic: the same sample,
 * options and noise give the same result. Calls come from one thread per run; several runs may be
 * under way.
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
    CLAT_CHOICE,   /* int field: index into `choices` */
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
    const char *const *choices; /* NULL-terminated, for CLAT_CHOICE */
    const char *help;           /* one line */
};

/* ---- shared arithmetic ---------------------------------------------------------------------- */
/* What many schedulers have in common stands once, in the host. Choices are in the order of the
 * *_CHOICES lists, which option tables SHOULD use. */
enum clat_beta_schedule { CLAT_LINEAR, CLAT_SCALED_LINEAR, CLAT_SQUAREDCOS_CAP_V2 };
#define CLAT_BETA_SCHEDULE_CHOICES                                                                 \
    {                                                                                              \
        "linear", "scaled_linear", "squaredcos_cap_v2", NULL                                       \
    }
enum clat_spacing { CLAT_LEADING, CLAT_TRAILING, CLAT_LINSPACE };
#define CLAT_SPACING_CHOICES                                                                       \
    {                                                                                              \
        "leading", "trailing", "linspace", NULL                                                    \
    }
enum clat_prediction { CLAT_EPSILON, CLAT_SAMPLE, CLAT_V_PREDICTION };
#define CLAT_PREDICTION_CHOICES                                                                    \
    {                                                                                              \
        "epsilon", "sample", "v_prediction", NULL                                                  \
    }

/* The noise schedule a model was trained with. */
struct clat_schedule {
    int num_train_timesteps; /* T */
    double beta_start, beta_end;
    int beta_schedule;               /* enum clat_beta_schedule */
    struct clat_reals trained_betas; /* if not empty: these, instead of the three above */
    int rescale_betas_zero_snr;      /* Lin et al. 2023, algorithm 1 */
};

struct clat_tools {
    size_t size; /* of this struct: a later host may have more members */

    /* alphas_cumprod[T]: products of 1 - beta. Betas are float32, products are accumulated in
     * double and rounded to float32 one by one, as torch does. */
    void (*alphas_cumprod)(const struct clat_schedule *schedule, float *alphas_cumprod);

    /* Integer timesteps, largest first, into timesteps[steps]: enum clat_spacing; `offset` is added
     * to leading ones. */
    void (*timesteps)(
        int spacing, int num_train_timesteps, int steps, int offset, double *timesteps);

    /* x0 and epsilon from what the network said at cumulative alpha `alpha` (variance preserving);
     * `prediction` tells what it predicts. x0 and epsilon may not overlap the inputs. */
    void (*predict)(int prediction, float alpha, size_t count, const float *sample,
        const float *output, float *x0, float *epsilon);

    /* Clamps to +-range. */
    void (*clip)(float range, size_t count, float *x0);

    /* Dynamic thresholding of one image (Saharia et al. 2022, 2.3): s = the `ratio` quantile of
     * |x0|, between 1 and `largest`; x0 = clamp(x0, -s, s) / s. `scratch` has `count` floats. */
    void (*threshold)(double ratio, double largest, size_t count, float *x0, float *scratch);
};

/* ---- one run -------------------------------------------------------------------------------- */
struct clat_plan {
    int capacity;           /* of the arrays; 4 * steps + 16 at least */
    int steps;              /* in: steps asked for */
    int count;              /* out: timesteps planned */
    int evaluations;        /* out: how often run() calls evaluate(), at most: more is refused */
    double *timesteps;      /* out [count], one a step; each MUST be finite and in 0..T-1 */
    float *sigmas;          /* out [count + 1] for schedulers in sigma space; else left alone */
    float init_noise_sigma; /* out: what start noise is multiplied by; 1 beforehand */
};

struct clat_run {
    size_t size; /* of this struct: a later host may have more members */
    const struct clat_tools *tools;
    const void *options;          /* the plugin's struct */
    const struct clat_plan *plan; /* what plan() gave; NULL during plan() */
    int first; /* first planned step to run: 0, or later when starting in the middle */
    size_t images, elements; /* sample has images * elements floats, image after image */
    float *sample;           /* in: start noise times init_noise_sigma; out: latents */
    void *host;              /* the host's own */

    /* During plan() only scratch() and fail() may be called. Once a call has failed, all others
     * return the same code. */

    /* The guided prediction of the network for all images at `timestep` (as trained; may be
     * fractional). `output` has the size of sample. */
    int (*evaluate)(struct clat_run *run, const float *sample, double timestep, float *output);
    /* Fresh N(0,1) values for all images; each image has its own stream, read in the order of the
     * calls. */
    int (*noise)(struct clat_run *run, float *values);
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
    CLAT_SIGMA                /* sample = x0 + sigma noise; the plugin scales the network's input */
};

struct clat_plugin {
    uint32_t magic, abi; /* CLAT_SCHEDULER_HEADER sets these three */
    size_t size;
    const char *name;       /* MUST be the file's stem: [a-z0-9_-], at most 32 */
    const char *class_name; /* diffusers' class ("DDIMScheduler"), or NULL */
    const char *title;      /* one line: what it is */
    const char *source;     /* paper and equation */
    const char *version;
    enum clat_space space;
    size_t options_size;
    const struct clat_option *options; /* ends with name NULL */
    /* Plans plan->steps steps. */
    int (*plan)(struct clat_run *run, struct clat_plan *plan);
    /* Runs the planned steps from run->first on. */
    int (*run)(struct clat_run *run);
};

/* What a plugin defines, once. */
extern CLAT_EXPORT const struct clat_plugin clat_scheduler;

#ifdef __cplusplus
}
#endif

#endif
