/* host.c - the calls that a probe offers to a plugin, and what they watch.
 * SPDX-License-Identifier: MIT */
#include "contract/host.h"
#include "base/memory.h"
#include "contract/guard.h"
#include "sampling/noise.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* The first breach counts; from then on every call fails. */
static int breach_with(struct probe *probe, bool unfit, const char *format, va_list arguments)
{
    if (!probe->broken[0]) {
        vsnprintf(probe->broken, sizeof probe->broken, format, arguments);
        probe->unfit = unfit;
    }
    if (!probe->code)
        probe->code = BROKEN_CODE;
    return probe->code;
}

int host_breach(struct probe *probe, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int code = breach_with(probe, false, format, arguments);
    va_end(arguments);
    return code;
}

int host_unfit(struct probe *probe, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int code = breach_with(probe, true, format, arguments);
    va_end(arguments);
    return code;
}

bool host_is_timestep(const struct probe *probe, double t)
{
    int train = probe_train_timesteps(probe);
    return isfinite(t) && (!train || (t >= 0 && t <= train - 1));
}

/* ---- what the plugin calls ------------------------------------------------------------------ */

/* Every call but scratch() and fail() comes through here: 0 if it may go on. */
static int enter(struct probe *probe, const char *what)
{
    if (probe->code) {
        if (++probe->late > PATIENCE)
            longjmp(probe->way_out, 1);
        return probe->code;
    }
    if (!probe->network)
        return host_breach(probe, "plan() called %s()", what);
    if (probe->calls++ == probe->stop_at)
        probe->code = STOP_CODE;
    return probe->code;
}

static bool overlap(const struct probe *probe, const float *a, const float *b)
{
    size_t size = probe->run.images * probe->run.elements * sizeof(float);
    uintptr_t x = (uintptr_t)a, y = (uintptr_t)b;
    return x < y ? y - x < size : x - y < size;
}

static int call_evaluate(
    struct clat_run *run, const float *sample, float divisor, double timestep, float *output)
{
    struct probe *probe = run->host;
    int code = enter(probe, "evaluate");
    if (code)
        return code;
    if (!(divisor > 0) || !isfinite(divisor))
        return host_unfit(probe, "it called evaluate() with divisor %g", (double)divisor);
    if (!host_is_timestep(probe, timestep))
        return host_unfit(
            probe, "it called evaluate() at timestep %g, which the model has not", timestep);
    if (overlap(probe, sample, output))
        return host_breach(probe, "it called evaluate() with an output that overlaps the sample");
    if (probe->evaluations++ >= probe->plan->evaluations)
        return host_breach(probe, "it called evaluate() more often than the %d times of its plan",
            probe->plan->evaluations);
    probe->network->evaluate(probe->network->user, probe, sample, divisor, timestep, output);
    return 0;
}

static int call_noise(struct clat_run *run, float *values)
{
    struct probe *probe = run->host;
    int code = enter(probe, "noise");
    if (code)
        return code;
    noise_draw(probe->noise, values);
    probe->draws++;
    return 0;
}

static int call_brownian(struct clat_run *run, double a, double b, float *values)
{
    struct probe *probe = run->host;
    int code = enter(probe, "brownian");
    if (code)
        return code;
    if (!isfinite(a) || !isfinite(b) || a < 0 || b < 0 || a == b)
        return host_breach(probe, "it called brownian() for the interval from %g to %g", a, b);
    noise_brownian(probe->noise, a, b, values);
    probe->draws++;
    return 0;
}

static int call_step_done(struct clat_run *run, int step, const float *sample)
{
    struct probe *probe = run->host;
    int code = enter(probe, "step_done"), expected = probe->plan ? probe->plan->first : 0;
    if (code)
        return code;
    expected += probe->steps;
    if (step != expected || step >= probe->plan->count)
        return host_breach(probe, "it called step_done() for step %d, expected %d of %d", step,
            expected, probe->plan->count);
    probe->steps++;
    if (probe->network->step_done)
        probe->network->step_done(probe->network->user, probe, step, sample);
    return 0;
}

static float *call_scratch(struct clat_run *run, size_t count)
{
    struct probe *probe = run->host;
    struct scratch_list *made;
    size_t size;
    if (probe->scratches++ == probe->starve_at || !size_mul(count, sizeof(float), &size))
        return NULL;
    if (!(made = malloc(sizeof *made)))
        return NULL;
    made->data = guard_new("memory from scratch()", size);
    made->next = probe->scratch;
    probe->scratch = made;
    return made->data;
}

static int call_fail(struct clat_run *run, const char *sentence)
{
    struct probe *probe = run->host;
    if (probe->code)
        return probe->code;
    if (!sentence || !*sentence)
        return host_breach(probe, "it called fail() without a sentence");
    snprintf(probe->sentence, sizeof probe->sentence, "%s", sentence);
    probe->refused = true;
    return probe->code = FAIL_CODE;
}

void host_offer(struct probe *probe)
{
    probe->run.host = probe;
    probe->run.evaluate = call_evaluate;
    probe->run.noise = call_noise;
    probe->run.brownian = call_brownian;
    probe->run.scratch = call_scratch;
    probe->run.step_done = call_step_done;
    probe->run.fail = call_fail;
}
