/* completion.h - what a shell can complete, and the scripts that tell it. SPDX-License-Identifier:
 * MIT
 *
 * The words come from the tables that --help prints: the verbs with their usage, and the keys of
 * jobs. The scripts stand in data/completions and are installed; tests/completion.sh holds them
 * against these functions. */
#ifndef CLATENT_PROGRAM_COMPLETION_H
#define CLATENT_PROGRAM_COMPLETION_H

#include "program/program.h"

/* What follows an option. */
enum value {
    VALUE_NONE,      /* true or false */
    VALUE_WORDS,     /* one of `words` */
    VALUE_FILE,      /* a file or folder */
    VALUE_SCHEDULER, /* a name that `clatent schedulers` lists */
    VALUE_OTHER      /* numbers, texts */
};

struct option {
    char name[48], alias[48]; /* "--num-inference-steps", "--steps" or "" */
    char letter;              /* or 0 */
    enum value value;
    char argument[48]; /* as --help has it: "N", "f32|f16" */
    char words[96];    /* "f32 f16" */
    char help[160];    /* up to the first ';'; "" of a verb's own flags */
    bool repeats;
};

struct options {
    size_t count;
    struct option all[96];
};

/* The keys of jobs; flags that are on by default also as --no-NAME. */
enum clat_status completion_keys(struct options *options);
/* The flags that stand in a verb's usage, [--json | --as-args], [--type f32 | f16], without those
 * that are keys of a job that it takes. */
void completion_flags(const struct verb *verb, const struct options *keys, struct options *options);
bool completion_knows(const struct options *options, const char *name);
bool completion_takes_keys(const struct verb *verb);

/* The scripts. `keys` are completion_keys(). */
void completion_bash(const struct options *keys);
void completion_zsh(const struct options *keys);
void completion_fish(const struct options *keys);

#endif
