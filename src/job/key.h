/* key.h - the table of all keys of a job. SPDX-License-Identifier: MIT
 *
 * One row per key serves the YAML file, the command line, `--help`, the metadata of an image and
 * the defaults that a model recommends. */
#ifndef CLATENT_JOB_KEY_H
#define CLATENT_JOB_KEY_H

#include "base/status.h"
#include "job/job.h"
#include <stdbool.h>
#include <stddef.h>

enum key_kind {
    KEY_TEXT,      /* char * */
    KEY_CHOICE,    /* char *, one of `choices` */
    KEY_INT,       /* int in lowest..highest, a multiple of `multiple` */
    KEY_REAL,      /* float in lowest..highest */
    KEY_FLAG,      /* bool */
    KEY_TEXTS,     /* struct texts: one text or a list */
    KEY_LAYOUT,    /* char *: boxes as JSON, or the path of a YAML file */
    KEY_SEEDS,     /* one number or a list: job.seeds */
    KEY_SCHEDULER, /* a name, or a mapping of `name` and options: job.scheduler, .scheduler_options
                    */
    KEY_SWEEP,     /* struct texts: "KEY=VALUE,VALUE" for each axis, see job/sweep.h */
    KEY_LATER      /* known, not supported yet */
};

struct job_key {
    const char *name;  /* num_inference_steps */
    const char *alias; /* steps, or NULL */
    char letter;       /* of the short option, or 0 */
    enum key_kind kind;
    bool is_path;         /* relative to the folder of the YAML file that names it */
    bool listed;          /* on a command line "[1,2]" is a list */
    bool recommended;     /* a model's clatent.yaml may give it */
    bool recorded;        /* part of an image's metadata */
    bool configured;      /* a configuration file or variable may give it */
    const char *standard; /* of those: what holds without any, in words */
    bool whole;           /* of all jobs of a file together: not in its list */
    int lowest, highest;  /* KEY_INT, KEY_REAL: both allowed */
    int multiple;         /* KEY_INT: 0 and 1 mean any */
    const char *const *choices;
    const char *argument; /* what stands for the value in --help; NULL for a flag */
    const char *help;
    size_t field; /* offset in struct job */
};

extern const struct job_key job_keys[];
extern const size_t job_key_count;

/* The index of the key called `name`, by name or alias, '-' and '_' alike; -1 if there is none. */
int job_key_find(const char *name);

/* "unknown key 'hieght', did you mean 'height'?" as CLAT_ERROR_USAGE, at `where`. */
enum clat_status job_key_unknown(const char *name, const char *where);

#endif
