/* trial.c - what the checks of all ops need. SPDX-License-Identifier: MIT */
#include "selftest/trial.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum clat_status trial_case(struct trial *trial,
    enum clat_status (*run)(struct trial *trial, const void *row), const void *row)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(&trial->pool);
    void *root = NULL;
    TRY(arena_new(1, &trial->arena, &root));
    TRY(run(trial, row));
out:
    arena_free(root);
    trial->arena = NULL;
    pool_release(&trial->pool, POOL_FRONT, mark);
    pool_release(&trial->pool, POOL_BACK, mark);
    return status;
}

enum clat_status trial_rows(struct trial *trial,
    enum clat_status (*run)(struct trial *trial, const void *row), const void *rows, size_t count,
    size_t size)
{
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; i < count; i++) {
        trial->seed = i << 8; /* whatever ran before, a row gets the same numbers */
        TRY(trial_case(trial, run, (const char *)rows + i * size));
    }
out:
    return status;
}

double trial_work(const struct trial *trial, double usual)
{
    return trial->work > 0 ? trial->work : usual;
}

void trial_shape(struct trial *trial, bool cpu)
{
    trial->form = cpu ? "cpu" : "portable";
    device_force_shape(trial->device, cpu);
}

/* A hash of the index as four numbers of 16 bits: their sum is about normal, the same everywhere.
 */
enum clat_status trial_values(
    struct trial *trial, size_t count, float scale, float shift, float **values)
{
    enum clat_status status = arena_take(trial->arena, count, sizeof **values, values);
    uint64_t seed = ++trial->seed << 32;
    for (size_t i = 0; status == CLAT_OK && i < count; i++) {
        uint64_t z = (seed + i) * 0x9E3779B97F4A7C15u;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        z ^= z >> 31;
        float sum = -2; /* of the mean; the variance is 4/12 */
        for (int part = 0; part < 4; part++)
            sum += (float)((z >> (16 * part)) & 0xFFFF) / 65536.0f;
        (*values)[i] = sum * 1.7320508f * scale + shift;
    }
    return status;
}

enum clat_status trial_input(struct trial *trial, int n, int h, int w, int c, float scale,
    float shift, struct tensor *tensor, float **values)
{
    enum clat_status status;
    TRY(pool_take(&trial->pool, POOL_FRONT, n, h, w, c, tensor));
    TRY(trial_values(trial, tensor_elements(tensor), scale, shift, values));
    TRY(tensor_write(trial->device, tensor, *values));
out:
    return status;
}

enum clat_status trial_output(
    struct trial *trial, int n, int h, int w, int c, struct tensor *tensor, float **want)
{
    enum clat_status status;
    TRY(pool_take(&trial->pool, POOL_FRONT, n, h, w, c, tensor));
    TRY(arena_take(trial->arena, tensor_elements(tensor), sizeof **want, want));
out:
    return status;
}

enum clat_status trial_prepare(struct trial *trial, const struct tensor *y)
{
    enum clat_status status;
    float *values;
    TRY(arena_take(trial->arena, tensor_elements(y), sizeof *values, &values));
    for (size_t i = 0; i < tensor_elements(y); i++)
        values[i] = NAN;
    TRY(tensor_write(trial->device, y, values));
out:
    return status;
}

/* ---- the verdict ---------------------------------------------------------------------------- */

/* |got - want| / |want| over the pixels compared; infinity if a value is no number. */
static double distance(const struct verdict *verdict, const float *got)
{
    size_t step = verdict->step > 0 ? (size_t)verdict->step : 1, c = (size_t)verdict->y->c;
    double difference = 0, size = 0;
    for (size_t pixel = 0; pixel < tensor_pixels(verdict->y); pixel += step)
        for (size_t i = pixel * c; i < (pixel + 1) * c; i++) {
            double d = (double)got[i] - (double)verdict->want[i];
            if (!isfinite(d))
                return INFINITY;
            difference += d * d;
            size += (double)verdict->want[i] * (double)verdict->want[i];
        }
    return size > 0 ? sqrt(difference / size) : difference > 0 ? INFINITY : 0;
}

static bool ends_all(enum clat_status status)
{
    return status == CLAT_CANCELLED || status == CLAT_ERROR_MEMORY;
}

enum clat_status trial_judge(struct trial *trial, enum clat_status outcome,
    const struct verdict *verdict, const char *shape, ...)
{
    enum clat_status status = outcome;
    char text[128], fault[512];
    float *got;
    struct selftest_check check = {.op = verdict->op,
        .variant = verdict->variant,
        .shape = text,
        .limit = verdict->limit,
        .error = INFINITY};
    va_list arguments;
    va_start(arguments, shape);
    vsnprintf(text, sizeof text, shape, arguments);
    va_end(arguments);
    if (status == CLAT_OK)
        TRY(arena_take(trial->arena, tensor_elements(verdict->y), sizeof *got, &got));
    if (status == CLAT_OK)
        status = tensor_read(trial->device, verdict->y, got);
    if (ends_all(status))
        return status;
    if (status == CLAT_OK) {
        check.error = distance(verdict, got);
    } else {
        snprintf(fault, sizeof fault, "%s", status_text());
        check.fault = fault;
    }
    check.passed = status == CLAT_OK && check.error <= check.limit;
    status = CLAT_OK;
    trial->tell(trial->user, &check);
out:
    return status;
}
