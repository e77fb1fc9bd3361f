/* plot_schedulers.c - error against number of evaluations, for every scheduler, as SVG on standard
 * output: the figure of docs/schedulers.md. SPDX-License-Identifier: MIT
 *
 *     make tests/tools/plot_schedulers
 *     tests/tools/plot_schedulers "$PWD/schedulers/.libs" >docs/schedulers.svg
 *
 * The network is exact for normal data (contract/gaussian.h), the noise schedule that of latent
 * diffusion. Left: how far a run ends from the exact solution. Right, for schedulers with noise:
 * how wrong the standard deviation of the results is; 1 % is what so few samples can tell. */
#include "contract/gaussian.h"
#include "plugins/loader.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POINTS 11
#define CURVES 32
#define WIDTH 400 /* of a panel, in pixels */
#define HEIGHT 360
#define MARGIN 56
#define LABELS 165 /* to the right of a panel */

struct curve {
    const char *name;
    double calls[POINTS], errors[POINTS];
    int count;
    double label; /* height of the label */
    int number;   /* of the plugin, which gives the colour */
};
struct panel {
    const char *title, *unit;
    double left, top;            /* edges, in pixels */
    bool stochastic;             /* which plugins are shown */
    bool karras;                 /* those only that have use_karras_sigmas, with it */
    double sigma;                /* where a run is looked at; 0: at its end */
    double low, high, most;      /* error, evaluations at the edges */
    struct curve curves[CURVES]; /* [count] */
    int count;
};

/* ---- measuring ------------------------------------------------------------------------------ */

/* The schedule of latent diffusion, no clipping: where the plugin has such options. */
static void use_latent_diffusion(const struct clat_plugin *plugin, struct settings *settings)
{
    static const char *const values[][2] = {{"beta_schedule", "scaled_linear"},
        {"beta_start", "0.00085"}, {"beta_end", "0.012"}, {"clip_sample", "false"}};
    for (const struct clat_option *option = plugin->options; option->name; option++)
        for (size_t i = 0; i < sizeof values / sizeof *values; i++)
            if (strcmp(option->name, values[i][0]) == 0)
                settings_set(settings, values[i][0], values[i][1], "");
}

static double error_of(struct probe *probe, double sigma, int steps)
{
    if (!probe->plugin->stochastic)
        return gaussian_error(probe, steps, sigma);
    if (!probe_plan(probe, steps, 1))
        return (double)NAN;
    double error = fabs(gaussian_moments(probe, false).spread - 1);
    double distilled = fabs(gaussian_moments(probe, true).spread - 1);
    return distilled < error ? distilled : error;
}

static bool has_option(const struct clat_plugin *plugin, const char *name)
{
    const struct clat_option *option = plugin->options;
    while (option->name && strcmp(option->name, name) != 0)
        option++;
    return option->name != NULL;
}

static void measure(
    const struct clat_plugin *plugin, const struct panel *panel, struct curve *curve)
{
    static const int steps[POINTS] = {5, 7, 10, 14, 20, 28, 40, 57, 80, 113, 160};
    struct settings settings = {0};
    struct probe probe;
    curve->name = plugin->name;
    use_latent_diffusion(plugin, &settings);
    if (panel->karras)
        settings_set(&settings, "use_karras_sigmas", "true", "");
    if (probe_open(&probe, plugin, &settings) == CLAT_OK) {
        for (int i = 0; i < POINTS; i++) {
            double error = error_of(&probe, panel->sigma, steps[i]);
            if (!isfinite(error))
                continue;
            curve->calls[curve->count] = probe.plan->evaluations;
            curve->errors[curve->count++] = error;
        }
        probe_close(&probe);
    }
    settings_free(&settings);
}

/* ---- drawing -------------------------------------------------------------------------------- */

static double clamp(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

static double x_of(const struct panel *panel, double calls)
{
    return panel->left + WIDTH * log(calls / 5) / log(panel->most / 5);
}

static double y_of(const struct panel *panel, double error)
{
    double e = clamp(error, panel->low, panel->high);
    return panel->top + HEIGHT * log(panel->high / e) / log(panel->high / panel->low);
}

static void draw_grid(const struct panel *panel)
{
    printf("<g stroke=\"#ddd\">\n");
    for (double e = panel->high; e > panel->low * 0.99; e /= 10)
        printf("<path d=\"M%.0f %.1fh%d\"/>\n", panel->left, y_of(panel, e), WIDTH);
    for (int calls = 5; calls <= panel->most; calls *= 2)
        printf("<path d=\"M%.1f %.0fv%d\"/>\n", x_of(panel, calls), panel->top, HEIGHT);
    printf("</g>\n<g fill=\"#555\">\n");
    for (double e = panel->high; e > panel->low * 0.99; e /= 10)
        printf("<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", panel->left - 6,
            y_of(panel, e) + 4, e);
    for (int calls = 5; calls <= panel->most; calls *= 2)
        printf("<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%d</text>\n", x_of(panel, calls),
            panel->top + HEIGHT + 16, calls);
    printf("<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\">evaluations of the network</text>\n",
        panel->left + WIDTH / 2, panel->top + HEIGHT + 34);
    printf("<text x=\"%.0f\" y=\"%.0f\" font-size=\"14\" fill=\"#000\">%s</text>\n", panel->left,
        panel->top - 34, panel->title);
    printf(
        "<text x=\"%.0f\" y=\"%.0f\">%s</text>\n</g>\n", panel->left, panel->top - 16, panel->unit);
}

static int compare_ends(const void *a, const void *b)
{
    const struct curve *x = a, *y = b;
    double first = x->errors[x->count - 1], second = y->errors[y->count - 1];
    return (first < second) - (first > second);
}

/* Labels stand where the curves end, moved apart from the top down, then up from the bottom. */
static void place_labels(struct panel *panel)
{
    const double apart = 13, bottom = panel->top + HEIGHT + 4;
    qsort(panel->curves, (size_t)panel->count, sizeof *panel->curves, compare_ends);
    for (int i = 0; i < panel->count; i++) {
        struct curve *curve = &panel->curves[i];
        curve->label = y_of(panel, curve->errors[curve->count - 1]) + 4;
        if (i && curve->label < curve[-1].label + apart)
            curve->label = curve[-1].label + apart;
    }
    for (int i = panel->count - 1; i >= 0; i--) {
        double limit = bottom - apart * (panel->count - 1 - i);
        if (panel->curves[i].label > limit)
            panel->curves[i].label = limit;
    }
}

static void draw_curve(const struct panel *panel, const struct curve *curve)
{
    static const char *const dashes[] = {"none", "6 3", "2 2"};
    int hue = curve->number * 137 % 360; /* golden angle: neighbours differ */
    double end = curve->calls[curve->count - 1], error = curve->errors[curve->count - 1];
    printf("<path fill=\"none\" stroke-width=\"1.6\" stroke=\"hsl(%d,70%%,40%%)\" "
           "stroke-dasharray=\"%s\" d=\"",
        hue, dashes[curve->number % 3]);
    for (int i = 0; i < curve->count; i++)
        printf("%c%.1f %.1f", i ? 'L' : 'M', x_of(panel, curve->calls[i]),
            y_of(panel, curve->errors[i]));
    printf("\"/>\n<path stroke=\"#bbb\" stroke-width=\".6\" d=\"M%.1f %.1fL%.0f %.1f\"/>\n",
        x_of(panel, end), y_of(panel, error), panel->left + WIDTH + 10, curve->label - 4);
    printf("<text x=\"%.0f\" y=\"%.1f\" fill=\"hsl(%d,70%%,35%%)\">%s</text>\n",
        panel->left + WIDTH + 12, curve->label, hue, curve->name);
}

static void draw_panel(struct panel *panel)
{
    draw_grid(panel);
    place_labels(panel);
    for (int i = 0; i < panel->count; i++)
        draw_curve(panel, &panel->curves[i]);
}

static void fill_panel(struct panel *panel)
{
    const struct plugin *plugins;
    size_t found = 0;
    plugins_list(&plugins, &found);
    for (size_t i = 0; i < found && panel->count < CURVES; i++) {
        const struct clat_plugin *plugin = plugins[i].scheduler;
        struct curve *curve = &panel->curves[panel->count];
        if (!plugin || (plugin->stochastic != 0) != panel->stochastic ||
            (panel->karras && !has_option(plugin, "use_karras_sigmas")))
            continue;
        measure(plugin, panel, curve);
        curve->number = (int)i;
        panel->count += curve->count > 0;
    }
}

int main(int count, char **arguments)
{
    static struct panel panels[] = {
        {.title = "The solver itself",
            .unit = "distance from the exact solution where sigma is 0.5, in standard deviations",
            .low = 1e-5,
            .sigma = GAUSSIAN_SIGMA},
        {.title = "The end of the run",
            .unit = "distance from the exact solution, default spacing",
            .low = 1e-5},
        {.title = "With noise",
            .unit = "error of the standard deviation; 8192 samples tell it to 0.01",
            .low = 1e-3,
            .stochastic = true},
        {.title = "The end of the run, use_karras_sigmas",
            .unit = "distance from the exact solution",
            .low = 1e-5,
            .karras = true},
    };
    if (count != 2 || plugins_add_directory(arguments[1]) != CLAT_OK) {
        fprintf(stderr, "usage: plot_schedulers FOLDER (absolute) >FILE.svg\n");
        return 2;
    }
    int width = 2 * (MARGIN + WIDTH + LABELS), height = 2 * HEIGHT + 4 * MARGIN;
    printf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
           "font-family=\"sans-serif\" font-size=\"11\">\n"
           "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
        width, height, width, height);
    for (int i = 0; i < 4; i++) {
        panels[i].high = 1;
        panels[i].most = 320;
        panels[i].left = i % 2 ? 2 * MARGIN + WIDTH + LABELS : MARGIN;
        panels[i].top = i / 2 ? 3 * MARGIN + HEIGHT : MARGIN;
        fill_panel(&panels[i]);
        draw_panel(&panels[i]);
    }
    printf("</svg>\n");
    return 0;
}
