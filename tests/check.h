/* check.h - what every test program needs. SPDX-License-Identifier: MIT
 *
 * A test is a program: exit 0 passed, 1 failed, 77 skipped with its reason on stderr. CHECK counts
 * a failure and goes on, so that one run shows all of them. */
#ifndef CLATENT_TESTS_CHECK_H
#define CLATENT_TESTS_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHECK(condition, ...) check_that((condition), __FILE__, __LINE__, #condition, __VA_ARGS__)
/* The call must return CLAT_OK; the stored sentence is shown if it does not. */
#define CHECK_OK(call) check_ok((call), __FILE__, __LINE__, #call)
/* The call must fail with `code`, and its sentence must contain `words`. */
#define CHECK_FAILS(call, code, words)                                                             \
    check_fails((call), (code), (words), __FILE__, __LINE__, #call)

bool check_that(bool passed, const char *file, int line, const char *expression, const char *format,
    ...) __attribute__((format(printf, 5, 6)));
bool check_ok(int status, const char *file, int line, const char *expression);
bool check_fails(
    int status, int code, const char *words, const char *file, int line, const char *expression);

/* Relative L2 distance |got - want| / |want|, computed in double; infinity if anything is not
 * finite. */
double check_distance(const float *got, const float *want, size_t count);
/* Checks the distance against `limit`; on failure prints label, distance, worst index, got and
 * want. */
bool check_near(const char *label, const float *got, const float *want, size_t count, double limit);

/* Fixed pseudo-random values, about normal, standard deviation 1; the same everywhere. */
void check_random(float *values, size_t count, uint64_t seed);

/* NAME in the source tree, and in the build tree, which may be elsewhere. A static buffer per call
 * (8 in turn). */
const char *check_source(const char *name);
const char *check_build(const char *name);
/* tests/data/NAME in the source tree. Same buffers. */
const char *check_data(const char *name);
/* A scratch file name in the build tree, tests/tmp/NAME (directories made). Same buffers. */
const char *check_scratch(const char *name);

/* End of main: `return check_result();`. Prints the count of checks on success. */
int check_result(void);
/* Leaves with 77 and the reason. */
void check_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
