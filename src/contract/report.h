/* report.h - what a child process finds out about a plugin, told to its parent through a pipe.
 * SPDX-License-Identifier: MIT
 *
 * One line per message, so that nothing is lost when the child dies: "verdict TAB check TAB text".
 * Before each thing that a plugin is made to do the child says so; what it said last is where it
 * died. */
#ifndef CLATENT_CONTRACT_REPORT_H
#define CLATENT_CONTRACT_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#define REPORT_LINE 1024
#define REPORT_LIMIT 64 /* findings about one plugin */

enum verdict {
    VERDICT_PASSED = 'P',
    VERDICT_FAILED = 'F',
    VERDICT_REFUSED = 'R', /* the product would not load it */
    VERDICT_DOING = 'D'    /* not a finding: what is tried now */
};
struct finding {
    enum verdict verdict;
    char check[32], text[REPORT_LINE];
};
struct findings {
    struct finding items[REPORT_LIMIT];
    size_t count;
    char doing[REPORT_LINE]; /* what was tried last */
    char check[32];          /* of which check */
    bool finished;           /* the child came to its end */
};

/* ---- the child's side ----------------------------------------------------------------------- */
void report_open(int descriptor);
/* What follows is about this check. */
void report_check(const char *name);
void report_doing(const char *format, ...) __attribute__((format(printf, 1, 2)));
void report(enum verdict verdict, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A failed finding; safe in signal handlers. */
void report_trap(const char *sentence);
void report_finished(void);

/* ---- the parent's side ---------------------------------------------------------------------- */
/* Takes in one line, without its newline. */
void findings_read(struct findings *findings, const char *line);
void findings_add(struct findings *findings, enum verdict verdict, const char *check,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Adds what was being tried to the last one. */
void findings_explain(struct findings *findings);
/* Is there one with this verdict? */
bool findings_have(const struct findings *findings, enum verdict verdict);

#endif
