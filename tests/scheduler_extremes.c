/* scheduler_extremes.c - every scheduler with random values of its options, ends of ranges
 * included. SPDX-License-Identifier: MIT
 *
 * A run must come to its end or be refused with a sentence; what must not happen is a crash, a
 * write outside of its memory (this runs under sanitizers too), or a plan that the host finds
 * broken. The values are always the same. */
#include "check.h"
#include "golden.h"
#include "plugins/loader.h"
#include "sampling/sampler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 400 /* of each scheduler */
#define IMAGES 2
#define ELEMENTS 5

/* ---- random settings ------------------------------------------------------------------------- */

static uint64_t state = 1;

static unsigned below(unsigned count)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % count;
}

static double fraction(void)
{
    return below(1 << 20) / (double)(1 << 20);
}

/* A number in the range of the option: its ends, near them, or anywhere. */
static double number_in(const struct clat_option *option, bool whole)
{
    bool ranged = option->lowest < option->highest;
    double low = ranged && isfinite(option->lowest) ? option->lowest : -1e9;
    double high = ranged && isfinite(option->highest) ? option->highest : 1e9, value;
    switch (below(6)) {
    case 0:
        return low;
    case 1:
        return high;
    case 2: /* few large ones: tables of 100000 timesteps take their time */
        value = low + fraction() * (high - low) * 1e-4;
        break;
    default:
        value = low + fraction() * (high - low < 1000 ? high - low : 1000);
    }
    return whole ? floor(value) : value;
}

static void print_list(const struct clat_option *option, char *text, size_t size)
{
    unsigned count = below(8);
    size_t used = (size_t)snprintf(text, size, "[");
    double value = number_in(option, false);
    for (unsigned i = 0; i < count; i++, value = below(3) ? value * 0.8 : number_in(option, false))
        used += (size_t)snprintf(text + used, size - used, "%s%.9g", i ? ", " : "",
            below(2) ? floor(value) < option->lowest ? value : floor(value) : value);
    snprintf(text + used, size - used, "]");
}

static void print_value(const struct clat_option *option, char *text, size_t size)
{
    unsigned count = 0;
    switch (option->type) {
    case CLAT_BOOL:
        snprintf(text, size, "%s", below(2) ? "true" : "false");
        break;
    case CLAT_INT:
        snprintf(text, size, "%.0f", number_in(option, true));
        break;
    case CLAT_REAL:
        snprintf(text, size, "%.17g", number_in(option, false));
        break;
    case CLAT_CHOICE:
        while (option->choices[count])
            count++;
        snprintf(text, size, "%s", option->choices[below(count)]);
        break;
    case CLAT_REALS:
        print_list(option, text, size);
        break;
    }
}

/* A few options of the table, as a user might set them. */
static void choose_settings(const struct clat_plugin *plugin, struct settings *user)
{
    size_t count = 0;
    while (plugin->options[count].name)
        count++;
    for (unsigned left = 1 + below(5); left > 0; left--) {
        const struct clat_option *option = &plugin->options[below((unsigned)count)];
        char text[512];
        print_value(option, text, sizeof text);
        CHECK_OK(settings_set(user, option->name, text, "extremes"));
    }
}

/* ---- runs ------------------------------------------------------------------------------------ */

static enum clat_status network(
    void *user, const float *sample, float divisor, double timestep, float *output)
{
    (void)user;
    for (int i = 0; i < IMAGES * ELEMENTS; i++)
        output[i] = 0.2f * (sample[i] / divisor) + (float)(1e-4 * timestep);
    return CLAT_OK;
}

static enum clat_status noise(void *user, float *values)
{
    (void)user;
    check_random(values, IMAGES * ELEMENTS, 5);
    return CLAT_OK;
}

static enum clat_status brownian(void *user, double a, double b, float *values)
{
    (void)user, (void)a, (void)b;
    check_random(values, IMAGES * ELEMENTS, 6);
    return CLAT_OK;
}

static enum clat_status run(struct scheduler *scheduler, struct plan_request *asked)
{
    static const int steps[] = {1, 2, 3, 4, 5, 10, 37, 50, 100, 1000, 1001};
    static const double strengths[] = {1, 1, 1, 0.01, 0.5, 0.99};
    const struct sampler_host host = {.evaluate = network, .noise = noise, .brownian = brownian};
    struct plan_request request = {.steps = steps[below(sizeof steps / sizeof *steps)],
        .strength = strengths[below(sizeof strengths / sizeof *strengths)],
        .compat = below(4) == 0};
    struct plan_outline outline;
    *asked = request;
    float sample[IMAGES * ELEMENTS];
    check_random(sample, IMAGES * ELEMENTS, 4);
    enum clat_status status = scheduler_plan(scheduler, &request, &outline);
    if (status == CLAT_OK)
        status = scheduler_run(scheduler, &host, IMAGES, ELEMENTS, sample);
    return status;
}

static const char *told(const struct settings *user)
{
    static char text[4096];
    size_t used = 0;
    for (size_t i = 0; i < user->count && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s=%s", i ? "," : "",
            user->items[i].key, user->items[i].value);
    return text;
}

/* Refusals by the plugin are the user's fault; infinite values are found at the end; all else is a
 * defect. Returns whether there was a result. */
static bool try_once(const struct clat_plugin *plugin)
{
    struct settings user = {0};
    struct scheduler *scheduler = NULL;
    struct plan_request asked = {0};
    choose_settings(plugin, &user);
    enum clat_status status = scheduler_open(plugin->name, NULL, &user, &scheduler);
    if (status == CLAT_OK)
        status = run(scheduler, &asked);
    CHECK(status == CLAT_OK || status == CLAT_ERROR_USAGE || status == CLAT_ERROR_CHECK,
        "%s,%s, %d steps, strength %g, compat %d: %d: %s", plugin->name, told(&user), asked.steps,
        asked.strength, asked.compat, status, status_text());
    scheduler_close(scheduler);
    settings_free(&user);
    return status == CLAT_OK;
}

int main(void)
{
    const struct plugin *plugins;
    size_t count;
    golden_schedulers();
    CHECK_OK(plugins_list(&plugins, &count));
    for (size_t i = 0; i < count; i++) {
        int done = 0;
        if (!plugins[i].scheduler || !strstr(plugins[i].path, "/schedulers/"))
            continue;
        for (int round = 0; round < ROUNDS; round++)
            done += try_once(plugins[i].scheduler);
        CHECK(done > ROUNDS / 5, "%s: only %d of %d runs came to an end",
            plugins[i].scheduler->name, done, ROUNDS);
    }
    return check_result();
}
