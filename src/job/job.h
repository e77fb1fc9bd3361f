/* job.h - one checked description of what to make. SPDX-License-Identifier: MIT
 *
 * A job comes from a YAML file, from long options, or both (the option wins); every key of the file
 * is also a long option (num_inference_steps and --num-inference-steps). Keys and meanings are
 * diffusers'. Values are checked here once: whoever holds a struct job may trust
 * it. */
#ifndef CLATENT_JOB_JOB_H
#define CLATENT_JOB_JOB_H

#include "base/option.h"
#include "base/status.h"
#include <stdbool.h>
#include <stdint.h>

/* One text or a list, as given. */
struct texts {
    char **items;
    size_t count;
};

struct job {
    char *model;             /* folder or file; NULL: the demo model */
    struct texts model_path; /* folders where a bare name is looked for */
    /* What to make: which of them a model takes is its task's affair (pipeline/task.h). */
    struct texts prompts;    /* UTF-8, may be "" */
    char *prompt_file;       /* further prompts; expand.h makes jobs without it, */
    struct texts sweep;      /* and without these axes */
    struct texts classes;    /* numbers, or names out of class_labels */
    struct texts images;     /* .png or .npy */
    struct texts masks;      /* .png, white is the hole; one, or one for each image */
    struct texts label_maps; /* .png */
    char *layout;            /* boxes as JSON, or a YAML file; see job/layout.h; or NULL */
    char *class_labels;      /* a text file with a name in each line, or NULL */
    int height, width;       /* in pixels, multiples of 8; 0: the model's default */
    int num_inference_steps; /* 1..1000; 0: the default of the model's task */
    double guidance_scale; /* default: 1 as in diffusers' pipeline, or what the model recommends */
    bool guidance_scale_given;
    double eta; /* 0..1, DDIM; when given, scheduler_options has it too, as `eta` */
    bool eta_given;
    uint64_t
        *seeds; /* `seed`: one or a list. One: image i of all has seed + i. List: one per image */
    size_t seed_count; /* 0: one is to be drawn, and to be told */
    int batch_size;    /* images per prompt, class, ...; default 1 */
    char *latents;     /* .npy or .safetensors to start from, or NULL */
    double strength;   /* share of the steps that is done, 0 < strength <= 1; below 1 `latents` are
                          a clean image */
    char *rng;         /* "torch", "numpy" or "philox"; NULL: torch */
    char *generator;   /* "image" or "batch": who draws; NULL: each image */
    char *compat;      /* "none" or "diffusers"; NULL: none */
    char *scheduler;   /* name, NULL: the model's own */
    struct settings scheduler_options;
    char *
        output; /* pattern with {index}, {seed}, ...; .png, .npy or .safetensors; "-"; NULL: none */
    char *sheet;        /* .png: all images on one contact sheet, or NULL */
    int device_timeout; /* seconds until a device that does not answer is given up; 0: never; -1: by
                           its kind */
    struct texts devices;           /* selectors (device_choose), none: automatic */
    char *precision;                /* "f32" or "f16"; "auto" or NULL: as the device has it */
    char *gemm;                     /* "auto", "own" or "clblast" */
    char *kernels;                  /* "auto", or "generic": none that has a fallback */
    char *float32_matmul_precision; /* "highest", or "high": pairs of bf16 will do */
    char *variant;                  /* "fp16": which weight files; NULL: the plain ones */
    int preview;                    /* every so many steps; 0: never */
    char *preview_output;           /* pattern, .png; NULL: no file */
    char *trace;                    /* .safetensors that receives every stage, or NULL */
    bool overwrite;
    bool resume;            /* skip what the manifest has */
    bool metadata, ai_mark; /* what an image file tells about itself; both default to true */
    bool quiet, json;       /* for the program */
    char *progress;         /* "auto", "plain", "json" or "none": for the program */
};

struct job_values;

/* Fills *job from the values (values.h), or fails with the place of the first value that is wrong.
 * Freed with job_free() also after a failure. */
enum clat_status job_build(const struct job_values *values, struct job *job);
void job_free(struct job *job);

/* No device is named, or "auto". */
bool job_leaves_device_open(const struct job *job);

/* `precision` is not given, or "auto". */
bool job_leaves_precision_open(const struct job *job);

/* Made over a picture that was there: a photo, for all that is known. */
bool job_is_composite(const struct job *job);

/* generator: batch */
bool job_has_one_generator(const struct job *job);

#endif
