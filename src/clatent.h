/* clatent.h - latent diffusion on any OpenCL device. SPDX-License-Identifier: MIT
 *
 * A whole program that draws one picture and says where it went; built with
 * cc x.c $(pkg-config --cflags --libs libclatent):
 *
 *     #include <clatent.h>
 *     #include <stdio.h>
 *
 *     static enum clat_status finished(void *user, const struct clat_image *image)
 *     {
 *         (void)user;
 *         printf("%s, seed %llu\n", image->path, (unsigned long long)image->seed);
 *         return CLAT_OK;
 *     }
 *
 *     int main(void)
 *     {
 *         struct clat_options options = {sizeof options};
 *         struct clat_context *context = NULL;
 *         struct clat_job *job = NULL;
 *         options.image = finished;
 *         enum clat_status status = clat_open(&options, &context);
 *         if (status == CLAT_OK)
 *             status = clat_job_new(context, &job);
 *         if (status == CLAT_OK)
 *             status = clat_job_set(job, "prompt", "a red circle", "main.c");
 *         if (status == CLAT_OK)
 *             status = clat_job_set(job, "output", "circle-{seed}.png", "main.c");
 *         if (status == CLAT_OK)
 *             status = clat_generate(context, job);
 *         if (status != CLAT_OK)
 *             fprintf(stderr, "%s\n", clat_error());
 *         clat_job_free(job);
 *         clat_close(context);
 *         return status;
 *     }
 *
 * Rules that hold for every function here:
 *  - It returns an enum clat_status; on a failure clat_error() has one sentence about it, and what
 * was to be made is NULL. CLAT_ERROR_MEMORY and CLAT_ERROR_INTERNAL are possible everywhere and are
 *    not listed again.
 *  - Texts are UTF-8 and end in NUL. What a function takes stays the caller's and is not kept.
 *  - What clat_devices() and its sisters hand out is read-only, may grow at the end of its structs
 * in later versions, and is given back with clat_free(). Never make or copy such a struct yourself.
 *  - A context, and the jobs made with it, belong to one thread at a time. Contexts do not disturb
 * each other. The library never prints, exits, changes the locale or the folder, or handles
 * signals. */
#ifndef CLATENT_H
#define CLATENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CLAT_API __attribute__((visibility("default")))
#else
#define CLAT_API
#endif

/* What went wrong. The number is also the exit code of the program. */
enum clat_status {
    CLAT_OK = 0,
    CLAT_ERROR_INTERNAL = 1,  /* a defect of clatent: please report */
    CLAT_ERROR_USAGE = 2,     /* usage or configuration */
    CLAT_ERROR_INPUT = 3,     /* bad input: model, prompt, image */
    CLAT_ERROR_NO_DEVICE = 4, /* no usable device, or a plugin is missing */
    CLAT_ERROR_MEMORY = 5,    /* host or device memory */
    CLAT_ERROR_DEVICE = 6,    /* driver or device failed */
    CLAT_ERROR_OUTPUT = 7,    /* could not write */
    CLAT_ERROR_CHECK = 8,     /* a result check failed (not a number, self-test) */
    CLAT_CANCELLED = 9        /* stopped on request */
};

/* "0.1.0" */
CLAT_API const char *clat_version(void);

/* The sentence of this thread's last failure, "" if there was none; good until the next one.
 * Control characters from files are shown as '?'. */
CLAT_API const char *clat_error(void);

/* ---- context -------------------------------------------------------------------------------- */

/* How far a job is. `phase` is what is being done, in words; while the phase is "sampling", step of
 * steps is done for the images [first_image, first_image + count) of `images`; in the other phases
 * done of total says how much of it (total 0: not known); while it is "building kernels", done is
 * the number of the one in work. */
struct clat_progress {
    const char *phase; /* "loading text encoder", "sampling", "building kernels", ... */
    int done, total;
    int step, steps;
    int first_image, count, images; /* over all jobs, in the order of the work */
    double fraction;                /* of the sampling of all jobs, by steps and pixels: 0 to 1 */
};

/* One finished image. Everything in it is the library's and good until the callback returns. */
struct clat_image {
    int index; /* counted from 0: prompts in order, batch_size images each */
    uint64_t seed;
    const char *prompt; /* or the class, file, ... that it was made from; "" if nothing */
    const char *path;   /* the file it was written to; NULL if none (yet: files of many images) */
    int height, width;  /* in pixels */
    const float *rgb;   /* [height][width][3], 0..1 */
    const unsigned char *file; /* output "-": the PNG file, `file_size` bytes; else NULL */
    size_t file_size;
};

/* An image while it is sampled: as small as its latents, in colours that are roughly right. It is
 * the clean image that the network sees in the noise, so that it is blurred at first. `rgb` is the
 * library's and good until the callback returns. */
struct clat_preview {
    int index;         /* of the image, counted from 0 */
    int nth;           /* of those that are sampled together */
    int step, steps;   /* `step` of `steps` are done */
    int height, width; /* of the preview, in pixels */
    const float *rgb;  /* [height][width][3], 0..1 */
    const char *path;  /* the file it was written to; NULL: none */
};

/* Set struct_size to sizeof(struct clat_options) and the rest to zero; a member that is NULL is not
 * used. All callbacks get `user` and come from the thread that called. */
struct clat_options {
    size_t struct_size;
    void *user;
    void (*log)(void *user, const char *message); /* a sentence worth telling; no newline */
    void (*progress)(void *user, const struct clat_progress *progress); /* often; return soon */
    int (*cancelled)(void *user); /* asked often; non-zero stops the job */
    /* Anything but CLAT_OK ends the job with that status. */
    enum clat_status (*image)(void *user, const struct clat_image *image);
    const char *data_folder; /* instead of the installed one: models/demo lies there */
    /* Absolute; searched for scheduler plugins before the installed one. Files that others can
     * write are refused, and the folder if everybody can write it. Plugins are found once per
     * process: CLAT_ERROR_USAGE if that has happened. */
    const char *scheduler_folder;
    /* Called where a job has `preview`. */
    void (*preview)(void *user, const struct clat_preview *preview);
};

struct clat_context;

/* *context is freed with clat_close(). CLAT_ERROR_USAGE if struct_size is none that was ever valid.
 */
CLAT_API enum clat_status clat_open(
    const struct clat_options *options, struct clat_context **context);
CLAT_API void clat_close(struct clat_context *context); /* NULL is allowed */

/* Gives back a result of this library; NULL is allowed. */
CLAT_API void clat_free(const void *result);

/* Removes all half-written files of this process, and nothing else; async-signal-safe. For a
 * program that must end now. */
CLAT_API void clat_abandon_files(void);

/* ---- configuration -------------------------------------------------------------------------- */

/* Reads what the machine and the user want of every job: the configuration files of the system and
 * of the user, then variables CLATENT_KEY of the environment, each over those before. Jobs made
 * with the context from now on begin with these values, and models are looked for in `model_path`;
 * a context that does not call this has nothing of it. CLAT_ERROR_USAGE with file:line or the
 * variable for anything wrong. */
CLAT_API enum clat_status clat_configure(struct clat_context *context);

struct clat_config_key {
    const char *key, *value; /* value: NULL if nothing gives it */
    const char *origin;   /* "/home/me/.config/clatent/config.yaml:3", "CLATENT_DEVICE", or NULL */
    const char *standard; /* what holds then, in words: "auto", "the model's" */
    const char *variable; /* of the environment: "CLATENT_DEVICE" */
};
struct clat_config_file {
    const char *path;
    int found;
};
struct clat_config {
    size_t key_count, file_count;
    const struct clat_config_key *keys; /* [key_count] that can be configured */
    /* [file_count] that were looked for; each comes over those before; the last is the user's. */
    const struct clat_config_file *files;
};
/* What the last clat_configure() of this context found; after a failure, only the files. */
CLAT_API enum clat_status clat_config(
    struct clat_context *context, const struct clat_config **config);

/* ---- jobs ----------------------------------------------------------------------------------- */

struct clat_job;

CLAT_API enum clat_status clat_job_new(struct clat_context *context, struct clat_job **job);
CLAT_API void clat_job_free(struct clat_job *job); /* NULL is allowed */

/* Reads a YAML file of keys; they replace those set before. Relative paths in it start at its
 * folder. It may have several jobs, in a list under `jobs`; what is set afterwards is set in each.
 * CLAT_ERROR_USAGE with file:line for anything wrong in it, CLAT_ERROR_INPUT if it cannot
 * be read. */
CLAT_API enum clat_status clat_job_read(struct clat_job *job, const char *path);

/* Sets one key (clat_keys() lists them) from text: "20", "true", "[1, 2]" for a list of seeds,
 * "ddim,eta=0.3" for scheduler. `where` stands before messages ("--steps"). CLAT_ERROR_USAGE for an
 * unknown key (with the nearest known one) or a bad value; CLAT_ERROR_INPUT for a prompt that is
 * not UTF-8. */
CLAT_API enum clat_status clat_job_set(
    struct clat_job *job, const char *key, const char *value, const char *where);
/* The same, but the value of a key that repeats (prompt, class, image, ...) joins those that are
 * there. */
CLAT_API enum clat_status clat_job_add(
    struct clat_job *job, const char *key, const char *value, const char *where);

/* The same, but only where the key is not given yet: the first of several sources that wins. */
CLAT_API enum clat_status clat_job_default(
    struct clat_job *job, const char *key, const char *value, const char *where);

/* The text of a key as it was given, NULL if it was not; the job's, good until it changes. */
CLAT_API const char *clat_job_get(struct clat_job *job, const char *key);

/* One key of a job. */
struct clat_key {
    const char *name;     /* "num_inference_steps" */
    const char *alias;    /* "steps", or NULL */
    char letter;          /* of the short option, or 0 */
    const char *argument; /* what its value is called, "PIXELS"; NULL for true or false */
    const char *help;     /* one sentence */
    int repeats;          /* several may be given: clat_job_add() */
};
struct clat_keys {
    size_t count;
    const struct clat_key *keys; /* [count] */
};
CLAT_API enum clat_status clat_keys(const struct clat_keys **keys);

/* Makes all images of a job, one after the other, and writes them as its `output` says (nothing is
 * written if it has none). Fails with CLAT_ERROR_USAGE, _INPUT (model, latents), _NO_DEVICE (also
 * an unknown scheduler), _DEVICE, _OUTPUT, _CHECK (not a number in an image) or CLAT_CANCELLED;
 * finished files stay, half-written ones never do. */
CLAT_API enum clat_status clat_generate(struct clat_context *context, struct clat_job *job);

/* ---- the autoencoder alone ------------------------------------------------------------------ */

/* Latents are what the UNet denoises: what the first stage gives, times its scaling factor. The
 * failures are those of clat_generate(). */

/* The pictures of a job's `image` as latents [N][c][h][w] into its `output`, .npy or .safetensors:
 * the mean of a KL autoencoder, not rounded to the codebook of a VQ one. */
CLAT_API enum clat_status clat_encode(struct clat_context *context, struct clat_job *job);

/* The pictures of a job's `latents`, written as its `output` says. */
CLAT_API enum clat_status clat_decode(struct clat_context *context, struct clat_job *job);

struct clat_reconstruction {
    size_t count;
    const double *psnr; /* [count], peak signal to noise ratio in dB; infinity if nothing changed */
};
/* The pictures of a job's `image` through encoder and decoder; written if it has an `output`. */
CLAT_API enum clat_status clat_reconstruct(
    struct clat_context *context, struct clat_job *job, const struct clat_reconstruction **result);

/* ---- looking around ------------------------------------------------------------------------- */

struct clat_device_fact {
    const char *text; /* "24.0 GiB of memory" */
    int points;
};
struct clat_device {
    int index; /* what `device` accepts */
    int usable;
    const char *name, *vendor, *platform, *driver, *version;
    const char *reason; /* why it is not usable, or when it is used */
    int is_cpu;
    int compute_units;
    uint64_t global_memory, largest_buffer, local_memory; /* in bytes */
    const char
        *pci;   /* "0000:03:00.0", "" where the driver does not tell; `device` accepts pci:... */
    int chosen; /* not 0: the one that a job takes if it names none, the highest score */
    int score;  /* sum of the points, 0 if not usable */
    size_t fact_count;
    const struct clat_device_fact *facts; /* [fact_count] what the score is made of */
};
struct clat_devices {
    size_t count;
    const struct clat_device *devices; /* [count] */
};
/* All OpenCL devices; none at all is no failure. */
CLAT_API enum clat_status clat_devices(
    struct clat_context *context, const struct clat_devices **devices);

struct clat_scheduler_option {
    const char *name, *type, *standard, *range,
        *help; /* `standard`: the default; range may be "" */
    /* The range again, for programs. */
    double lowest, highest; /* of numbers, both ends allowed, also infinite; equal: any */
    size_t choice_count;
    const char *const *choices; /* [choice_count] */
};
struct clat_scheduler_alias {
    const char *name, *options; /* "DPM++ 2M SDE", "algorithm_type=sde-dpmsolver++" or "" */
};
struct clat_scheduler {
    const char *name;                     /* "ddim"; NULL if the file was refused */
    const char *class_name;               /* diffusers' name, "DDIMScheduler", or NULL */
    const char *title, *source, *version; /* one line; paper and equation */
    const char *path;
    const char *reason; /* why the file was refused; else NULL */
    size_t option_count;
    const struct clat_scheduler_option *options; /* [option_count] */
    size_t alias_count;
    const struct clat_scheduler_alias *aliases; /* [alias_count] further names */
    int order;                                  /* of convergence, with default options */
    int stochastic;                             /* draws noise in each step, with these */
    double evaluations;  /* of the network in each further step, with these; 0: not known */
    const char *space;   /* "variance preserving" or "sigma" */
    const char *network; /* what it drives: "diffusion", "EDM" or "rectified flow" */
};
struct clat_schedulers {
    size_t count;
    const struct clat_scheduler *schedulers; /* [count] */
    const char *presets; /* what the name that was asked for stands for: "use_karras_sigmas=true" */
};
/* All scheduler plugins that are found; with a name only that one, CLAT_ERROR_NO_DEVICE if there is
 * none, CLAT_ERROR_USAGE if it has no such schedule ("DDIM Karras"). Any name will do, "DPM++ 2M
 * Karras" or "DPMSolverMultistepScheduler". */
CLAT_API enum clat_status clat_schedulers(
    struct clat_context *context, const char *name, const struct clat_schedulers **schedulers);

struct clat_component {
    const char *folder, *class_name, *format, *path, *dtypes; /* "unet", ..., "F16, F32" */
    uint64_t tensors, parameters, bytes;                      /* as stored */
    uint64_t used, missing; /* tensors that the network finds, and that it lacks */
    size_t unused_count, fault_count;
    const char *const *unused; /* [unused_count] names of tensors that nothing reads */
    const char *const *faults; /* [fault_count] sentences about missing or misshapen ones */
};
struct clat_setting {
    const char *key, *value;
};
/* Tensors of a checkpoint that are in no component: "loss", "only for training". */
struct clat_leftover {
    const char *what, *why;
    uint64_t tensors, bytes;
};
struct clat_model {
    const char *folder, *family; /* the pipeline's class, or the checkpoint's */
    const char *task;            /* what it makes: "text_to_image", "super_resolution", ... */
    const char *source;          /* whose names and files: "diffusers", "Paddle" or "CompVis" */
    float scaling_factor;        /* latents are multiplied by it before the UNet */
    int height, width;           /* default size, in pixels */
    size_t leftover_count;
    const struct clat_leftover *leftovers; /* [leftover_count] */
    size_t component_count, recommended_count, scheduler_count;
    const struct clat_component *components; /* [component_count] */
    const struct clat_setting *recommended;  /* [recommended_count], of the model's clatent.yaml */
    const struct clat_setting *scheduler;    /* [scheduler_count], of scheduler_config.json */
    uint64_t weight_bytes, activation_bytes, peak_bytes; /* on the device, one image, guided */
    uint64_t weight_bytes_f16, peak_bytes_f16;           /* the same with precision f16 */
    /* The scheduler that a job without `scheduler` runs with; the name is NULL if there is none
     * here, and the reason says why. */
    const char *scheduler_name, *scheduler_reason;
    size_t option_count, ignored_count;
    const struct clat_model_option *options; /* [option_count] all that it has */
    const char *const *ignored; /* [ignored_count] keys of scheduler_config.json that it has not */
};
struct clat_model_option {
    const char *key, *value;
    const char *from; /* the file that says so; NULL: default of the scheduler */
};
/* What lies in a model (NULL: the demo model), without a device. Missing tensors are no failure,
 * they are in the result; CLAT_ERROR_INPUT if it cannot be read. */
CLAT_API enum clat_status clat_inspect(
    struct clat_context *context, const char *model, const struct clat_model **result);

/* Writes any model (NULL: the demo model) as a folder of diffusers: json and safetensors, numbers
 * as `type` says, "f32" (NULL) or "f16". The folder must not be there yet, and appears when it is
 * complete. CLAT_ERROR_INPUT if the model lacks something or diffusers has no words for it. */
CLAT_API enum clat_status clat_convert(
    struct clat_context *context, const char *model, const char *folder, const char *type);

struct clat_image_info {
    int height, width;
    size_t text_count, job_count, argument_count;
    const struct clat_setting *texts; /* [text_count] of the file: keyword, text */
    const char *version;              /* of the clatent that made it; NULL: another program did */
    const struct clat_setting *job;   /* [job_count] its settings, as clat_job_set() takes them */
    const char *const *arguments; /* [argument_count] `generate`, `--prompt`, ...: makes it again */
    /* "clatent", "ComfyUI", ...; NULL: not known, and there is no job. Of another program, the job
     * and the arguments are the nearest that clatent has. */
    const char *program;
    size_t loss_count;
    const char *const *losses; /* [loss_count] sentences about what they do not say */
};
/* What a PNG file says about itself: its texts, and as a job those of clatent, AUTOMATIC1111's web
 * UI and its kin, ComfyUI and InvokeAI. CLAT_ERROR_INPUT if it is not a good PNG file. */
CLAT_API enum clat_status clat_image_info(
    struct clat_context *context, const char *path, const struct clat_image_info **info);

/* All calls of one op with one shape in one run. */
struct clat_bench_op {
    const char *op, *shape; /* "conv 3x3", "2x32x32, 320 -> 320" */
    const char *kernel;     /* that took most of its time: file in cl/, function, build options */
    int calls;
    double seconds; /* on the device, of all calls; 0 seconds are too few for its clock */
    double gflop;   /* 0 where an op only moves memory */
    double gbyte;   /* inputs, weights and outputs, each once per call */
};
struct clat_bench_stage {
    const char *name; /* "text_encoder", "unet" or "decode" */
    int batch;
    double seconds;                          /* of one run, the median */
    double gflop;                            /* of one run */
    double load_seconds;                     /* reading, converting and packing its weights */
    uint64_t weight_bytes, activation_bytes; /* on the device */
    size_t op_count;
    const struct clat_bench_op *ops; /* [op_count] of one run, most seconds first */
};
struct clat_bench {
    size_t stage_count;
    const struct clat_bench_stage *stages; /* [stage_count] */
    uint64_t peak_memory_bytes;            /* largest resident size of this process so far */
    const char *device;                    /* its name */
    double peak_gflop_per_s; /* float multiply-adds in registers, measured in this run */
};
/* Times each network of a job's model at its size and on its device, on random input; other keys do
 * not matter. */
CLAT_API enum clat_status clat_bench(
    struct clat_context *context, struct clat_job *job, const struct clat_bench **bench);

struct clat_check {
    const char *op, *variant, *shape; /* "conv 3x3", "winograd", "2x32x32, 320+0 -> 320, ..." */
    double error, limit; /* relative L2 distance to plain C in double; infinity: not a number */
    int passed;
    const char *fault; /* why the kernel could not run; NULL: it ran */
};
struct clat_selftest {
    const struct clat_device *device; /* the one tested; index -1, score and facts are not known */
    size_t count, failed;
    const struct clat_check *checks; /* [count] */
};
/* Every kernel variant that a device (NULL: the one a job would take) can run, against plain C.
 * Each check is told as it comes, `told` may be NULL; `user` is that of the options. Checks that
 * fail are in the result and no failure of the call. CLAT_ERROR_NO_DEVICE. */
CLAT_API enum clat_status clat_selftest(struct clat_context *context, const char *device,
    void (*told)(void *user, const struct clat_check *check), const struct clat_selftest **result);

/* What was found for one shape that a kernel is asked for, as rows of a table have it. */
struct clat_tuned {
    const char *kernel, *shape;  /* "gemm", "1024 320 1280" */
    const char *parameters;      /* "rows=8 parts=2", or "own": the built-in choice is best */
    double seconds, own_seconds; /* of a call with these, and with the built-in choice */
    double error;                /* relative L2 distance between their results */
    int candidates, failed;      /* that were tried; of these wrong, or without a kernel */
    const char *fault;           /* why nothing was found; NULL: it was */
    size_t number, total;        /* shapes, counted from 1 */
};
struct clat_tuning {
    const char *device, *driver;
    const char *path;  /* of the table that has the rows now; NULL: none was written */
    const char *table; /* the rows as text, with a line that says what they are */
    size_t count;
    const struct clat_tuned *shapes; /* [count] */
};
struct clat_tuning_options {
    size_t struct_size; /* sizeof(struct clat_tuning_options) */
    double seconds;     /* after so many no shape is begun; 0: no limit */
    size_t shapes;      /* at most, those with most work; 0: all */
    int dry_run;        /* nothing is written */
};
/* Times parameters of kernels for the shapes of a job's model at its size and on its device, each
 * result checked, and writes the best into the user's table for that device, which jobs heed from
 * then on. Each shape is told as it comes, `told` may be NULL; `user` is that of the context's
 * options. A job that is stopped keeps what was found. CLAT_ERROR_OUTPUT, and CLAT_ERROR_INPUT for
 * a table that is there and wrong. */
CLAT_API enum clat_status clat_tune(struct clat_context *context, struct clat_job *job,
    const struct clat_tuning_options *options,
    void (*told)(void *user, const struct clat_tuned *tuned), const struct clat_tuning **tuning);
/* How many rows a table has. CLAT_ERROR_INPUT names the line that is wrong. */
CLAT_API enum clat_status clat_tuning_check(
    struct clat_context *context, const char *path, size_t *rows);

/* ---- words
 * -----------------------------------------------------------------------------------------------
 */

/* The entry of a NULL-terminated list that `word` was probably meant to be, or NULL. */
CLAT_API const char *clat_nearest(const char *word, const char *const *names);

/* A text as a JSON string with its quotes, control and invisible characters escaped; freed with
 * clat_free(). NULL if there is no memory. */
CLAT_API const char *clat_json_string(const char *text);

/* A text fit for a terminal: control characters, direction marks and bytes that are not UTF-8 as
 * \xNN or \u{...}; newlines stay if `lines` is not 0. Freed with clat_free(). */
CLAT_API const char *clat_printable(const char *text, int lines);

#ifdef __cplusplus
}
#endif

#endif
