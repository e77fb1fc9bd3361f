/* program.h - what the files of the program share. SPDX-License-Identifier: MIT
 *
 * One file per verb; main.c finds the verb and turns its status into the exit code. Data goes to
 * standard output, words go to standard error. */
#ifndef CLATENT_PROGRAM_H
#define CLATENT_PROGRAM_H

#include "clatent.h"
#include <stdbool.h>

/* A verb gets the arguments behind its name. */
struct verb {
    const char *name, *usage, *summary;
    enum clat_status (*run)(int count, char **arguments);
    const char *more; /* printed by its --help; keys of a job follow if takes_keys */
    bool takes_keys;
};
extern const struct verb verbs[]; /* ends with a NULL name */

enum clat_status generate_run(int count, char **arguments);
enum clat_status inspect_run(int count, char **arguments);
enum clat_status convert_run(int count, char **arguments);
enum clat_status encode_run(int count, char **arguments);
enum clat_status decode_run(int count, char **arguments);
enum clat_status reconstruct_run(int count, char **arguments);
enum clat_status devices_run(int count, char **arguments);
enum clat_status schedulers_run(int count, char **arguments);
enum clat_status info_run(int count, char **arguments);
enum clat_status config_run(int count, char **arguments);
enum clat_status bench_run(int count, char **arguments);
enum clat_status selftest_run(int count, char **arguments);
enum clat_status tune_run(int count, char **arguments);
enum clat_status completion_run(int count, char **arguments);
enum clat_status help_run(int count, char **arguments);

/* "clatent: ..." on standard error; returns `status`. */
enum clat_status complain(enum clat_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Complains with the library's own sentence, unless all is well or the user stopped it. */
enum clat_status report(enum clat_status status);

/* A text from a file, fit for a terminal: printed with %s, then given to clat_free(). Never NULL.
 */
const char *shown(const char *text);
/* Prints a text so. */
void print_shown(const char *text);

/* help.c: `clatent VERB --help`, and the list of verbs. Both go to standard output. */
void help_print_verb(const struct verb *verb);
void help_print_all(void);

/* place.c: fills the folders of the build tree into the options where the program runs from there.
 */
void place_find(struct clat_options *options);

/* A context with folders, words on standard error (unless quiet) and no callbacks else. */
enum clat_status context_open(struct clat_options *options, struct clat_context **context);
/* The same with the user's configuration, unless --no-config stands before the verb. */
enum clat_status context_open_configured(
    struct clat_options *options, struct clat_context **context);
enum clat_status context_configure(struct clat_context *context);

#endif
