/* check.c - counting checks, comparing arrays, finding data. SPDX-License-Identifier: MIT */
#include "check.h"
#include "base/status.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int checks, failures;

bool check_that(
    bool passed, const char *file, int line, const char *expression, const char *format, ...)
{
    checks++;
    if (passed)
        return true;
    failures++;
    fprintf(stderr, "%s:%d: not true: %s: ", file, line, expression);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return false;
}

bool check_ok(int status, const char *file, int line, const char *expression)
{
    return check_that(
        status == CLAT_OK, file, line, expression, "status %d: %s", status, status_text());
}

bool check_fails(
    int status, int code, const char *words, const char *file, int line, const char *expression)
{
    bool right = status == code && strstr(status_text(), words);
    return check_that(right, file, line, expression,
        "expected status %d and '%s', found %d and '%s'", code, words, status,
        status == CLAT_OK ? "" : status_text());
}

double check_distance(const float *got, const float *want, size_t count)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)got[i] - want[i];
        difference += d * d;
        norm += (double)want[i] * want[i];
    }
    if (!isfinite(difference))
        return INFINITY;
    return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}

bool check_near(const char *label, const float *got, const float *want, size_t count, double limit)
{
    double distance = check_distance(got, want, count);
    size_t worst = 0;
    for (size_t i = 0; i < count; i++)
        if (!isfinite(got[i]) ||
            fabs((double)got[i] - want[i]) > fabs((double)got[worst] - want[worst]))
            worst = i;
    return check_that(distance <= limit, label, 0, "near",
        "distance %.3g, at most %.3g allowed; worst "
        "at %zu of %zu: got %.9g, want %.9g",
        distance, limit, worst, count, (double)got[worst], (double)want[worst]);
}

/* splitmix64; four uniforms are near enough to a normal here */
void check_random(float *values, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t z = (seed + i + 1) * 0x9E3779B97F4A7C15u;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        z ^= z >> 31;
        float sum = -2;
        for (int part = 0; part < 4; part++)
            sum += (float)((z >> (16 * part)) & 0xFFFF) / 65536.0f;
        values[i] = sum * 1.7320508f;
    }
}

static const char *path_in(const char *variable, const char *folder, const char *name)
{
    static char buffers[8][4096];
    static int turn;
    char *buffer = buffers[turn++ % 8];
    const char *top = getenv(variable);
    snprintf(buffer, sizeof buffers[0], "%s/%s%s", top ? top : ".", folder, name);
    return buffer;
}

const char *check_source(const char *name)
{
    return path_in("top_srcdir", "", name);
}

const char *check_build(const char *name)
{
    return path_in("top_builddir", "", name);
}

const char *check_data(const char *name)
{
    return path_in("top_srcdir", "tests/data/", name);
}

const char *check_scratch(const char *name)
{
    const char *path = path_in("top_builddir", "tests/tmp/", name);
    char folder[4096];
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
        mkdir(folder, 0777);
    }
    return path;
}

int check_result(void)
{
    fprintf(stderr, "%d checks, %d failed\n", checks, failures);
    return failures || !checks;
}

void check_skip(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("skipped: ", stderr);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(77);
}
