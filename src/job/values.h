/* values.h - the keys of a job as they were given: texts, and where each came from.
 * SPDX-License-Identifier: MIT
 *
 * Sources are laid over each other here: a model's recommendations under the user's configuration
 * under a YAML file under the command line. Each value is checked when it arrives, so that a wrong
 * one is reported with its place also where a later source replaces it. */
#ifndef CLATENT_JOB_VALUES_H
#define CLATENT_JOB_VALUES_H

#include "base/option.h"
#include "base/text.h"
#include "formats/yaml.h"
#include "job/key.h"

#define JOB_KEYS 56 /* at least job_key_count */

struct job_value {
    char **items; /* [count] texts; a scheduler's single item is its name */
    size_t count, capacity;
    char *where; /* "job.yaml:7", "--steps"; NULL: the key was not given */
};

/* Zero-initialise; freed with job_values_free(). */
struct job_values {
    struct job_value value[JOB_KEYS]; /* by index in job_keys */
    struct settings scheduler_options;
};
void job_values_free(struct job_values *values);
enum clat_status job_values_copy(const struct job_values *from, struct job_values *to);

/* One value from a command line, by name or alias. seed and class take "[1,2]",
 * scheduler takes "NAME,option=value,...", or options only; a flag takes true or false. Replaces
 * what was there; but with `append` a text joins those given before, where several may be. */
enum clat_status job_values_set(
    struct job_values *values, const char *key, const char *text, const char *where, bool append);

/* Every key of a YAML file, or of the JSON text in an image's metadata (`name` then is the image).
 */
enum clat_status job_values_read(struct job_values *values, const char *path);
enum clat_status job_values_parse(
    struct job_values *values, const char *name, const char *text, size_t size);
/* Relative paths start at `folder`; NULL: they stay as they are. */
enum clat_status job_values_tree(
    struct job_values *values, const char *name, const char *folder, const struct yaml_node *root);

/* The recommendations of a model: fills only keys that are not set; a file that is not there is no
 * fault. Keys that a model has no say in are refused. */
enum clat_status job_values_recommend(struct job_values *values, const char *path);

/* Every key of a configuration file: only those that the table says. */
enum clat_status job_values_configure(struct job_values *values, const char *path);

/* A value as text, as --KEY would take it, appended to `out`; nothing if the key was not given. */
enum clat_status job_values_text(const struct job_values *values, int key, struct text *out);

/* Makes a relative path of a file start at the file's folder (NULL: none): *path is the joined one,
 * freed by the caller, or NULL if the text stays as it is, as "hf:..." and "-" do. */
enum clat_status job_path_join(int key, const char *folder, const char *text, char **path);
/* The folder of a path, freed by the caller; NULL if that is the current one. */
enum clat_status job_path_folder(const char *path, char **folder);

/* Low-level, used by yaml.c of this room: replaces, appends, checks one text. */
void job_value_clear(struct job_value *value);
enum clat_status job_value_add(
    struct job_values *values, int key, const char *text, const char *where);
enum clat_status job_value_check(int key, const char *text, const char *where);

/* Strict readings of one text, with the place in the message. */
enum clat_status job_read_int(
    const struct job_key *key, const char *text, const char *where, int *out);
enum clat_status job_read_real(
    const struct job_key *key, const char *text, const char *where, double *out);
enum clat_status job_read_flag(
    const struct job_key *key, const char *text, const char *where, bool *out);
/* -1 gives *random = true. */
enum clat_status job_read_seed(const char *text, const char *where, uint64_t *out, bool *random);

#endif
