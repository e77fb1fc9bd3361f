/* expand_unit.h - jobs on their way into runs. SPDX-License-Identifier: MIT
 *
 * A sweep (expand_sweep.c) or a file of prompts (expand_prompts.c) gives units, one image each
 * where that can be; units that only differ in prompt, class and seed share a bundle
 * (expand_unit.c); each bundle becomes a run (expand.c). */
#ifndef CLATENT_JOB_EXPAND_UNIT_H
#define CLATENT_JOB_EXPAND_UNIT_H

#include "base/text.h"
#include "job/expand.h"

/* A run before its units are put into its values. */
struct bundle {
    struct job_values values; /* of its first unit */
    struct text signature;    /* all of them but prompt, class and seed; "" if it takes no more */
    char *name;
    struct unit {
        size_t number;
        char *prompt, *class, *seed; /* NULL: not given */
    } * units;
    size_t count, capacity;
    bool whole;
};

struct expansion {
    struct job_plan *plan;
    struct job_part *part;
    const char *name;    /* of the job, or NULL */
    const char *file;    /* of prompts */
    const char *prompts; /* where they come from, for messages */
    struct bundle *bundles;
    size_t count, capacity;
    struct job_values *lines; /* of the file of prompts */
    int *line_numbers;
    size_t line_count, line_capacity, number_capacity;
};

static inline struct job_value *value_of(struct job_values *values, const char *name)
{
    return &values->value[job_key_find(name)];
}

static inline const char *first_of(const struct job_values *values, const char *name)
{
    const struct job_value *value = &values->value[job_key_find(name)];
    return value->count ? value->items[0] : NULL;
}

static inline void value_clear(struct job_values *values, const char *name)
{
    job_value_clear(value_of(values, name));
}

/* The next unit of the job; `name` is what it adds to the job's name, or NULL. */
enum clat_status unit_add(
    struct expansion *expansion, const struct job_values *values, const char *name);

/* Units of one run may differ in the value of this key. */
bool unit_is_free(size_t key);

/* All that units of one run must agree on, appended to the text. */
enum clat_status unit_sign(const struct job_values *values, struct text *out);

void bundle_free(struct bundle *bundle);

/* A unit for each cell of the job's sweep. */
enum clat_status expand_sweep(struct expansion *expansion, struct job_values *values);

/* Reads the job's file of prompts. *done if the lines have become units; else they stand in the
 * values, as if they had been listed there. */
enum clat_status expand_prompts(struct expansion *expansion, struct job_values *values, bool *done);

#endif
