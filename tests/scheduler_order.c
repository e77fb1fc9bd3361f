/* scheduler_order.c - does every scheduler converge, and how fast? SPDX-License-Identifier: MIT
 *
 * The network is exact for normal data (contract/gaussian.h), so that the distance from the exact
 * solution of the probability-flow ODE is known. Deterministic schedulers must converge with the
 * order of their papers; those with noise must give samples with the mean and spread of the data.
 * Every plugin of the build tree must stand in a table here. */
#include "check.h"
#include "contract/gaussian.h"
#include "plugins/loader.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Multistep methods are held to their start: a first step of order 1 leaves an error of order 2, so
 * that dpmsolver_multistep and ipndm show 2 for their higher orders too. LMS starts where the curve
 * is nearly straight and shows more. A corrector (unipc) gains one order. */
static const struct {
    const char *name, *options;
    double low, high; /* order measured from 40 to 160 steps */
    double end;       /* most that 80 steps end from the exact solution, in standard deviations */
} solvers[] = {
    {"ddim", "clip_sample=false", 0.85, 1.15, 0.06},
    {"deis", "", 1.85, 2.25, 0.015},
    {"deis", "solver_order=1", 0.85, 1.15, 0.06},
    {"dpm2", "", 1.9, 2.3, 0.012},
    {"dpm2", "use_karras_sigmas=true", 1.9, 2.3, 0.006},
    {"dpmsolver_2s_ancestral", "eta=0", 1.9, 2.3, 0.025},
    {"dpmsolver_multistep", "", 1.9, 2.2, 0.011},
    {"dpmsolver_multistep", "solver_order=1", 0.85, 1.15, 0.07},
    {"dpmsolver_multistep", "solver_order=3", 1.85, 2.4, 0.02},
    {"dpmsolver_multistep", "solver_type=heun", 1.9, 2.3, 0.009},
    {"dpmsolver_multistep", "use_karras_sigmas=true", 1.9, 2.3, 0.004},
    {"dpmsolver_multistep", "algorithm_type=dpmsolver final_sigmas_type=sigma_min", 1.75, 2.1,
        0.025},
    {"dpmsolver_singlestep", "", 1.7, 2.1, 0.04},
    {"dpmsolver_singlestep", "solver_order=1", 0.85, 1.15, 0.07},
    {"dpmsolver_singlestep", "solver_order=3", 2.6, 3.6, 0.03},
    {"edm_dpmsolver_multistep", "", 1.9, 2.3, 0.004},
    {"edm_euler", "", 0.9, 1.2, 0.05},
    {"euler", "", 0.85, 1.1, 0.06},
    {"euler", "use_karras_sigmas=true", 0.85, 1.1, 0.05},
    {"flow_match_euler", "", 0.9, 1.15, 0.03},
    {"heun", "", 1.9, 2.3, 0.002},
    {"heun", "use_karras_sigmas=true", 1.9, 2.3, 0.006},
    {"ipndm", "", 1.5, 2.1, 0.003},
    {"lms", "", 3.1, 4.1, 0.001},
    {"lms", "use_karras_sigmas=true", 3.1, 4.1, 0.001},
    {"pndm", "", 1.5, 2.1, 0.0005},
    {"pndm", "skip_prk_steps=true", 1.5, 2.1, 0.0005},
    {"sa_solver", "tau=0", 1.85, 2.15, 0.006},
    {"sa_solver", "tau=0 algorithm_type=noise_prediction", 1.65, 2, 0.015},
    {"unipc", "", 2.7, 3.2, 0.013},
    {"unipc", "solver_order=1", 1.7, 2.1, 0.04},
    {"unipc", "solver_order=3", 3.1, 4.1, 0.015},
    {"unipc", "use_karras_sigmas=true", 2.8, 3.3, 0.001},
    {"unipc", "solver_type=bh1 final_sigmas_type=sigma_min", 2.4, 3.2, 0.005},
    {"unipc", "predict_x0=false final_sigmas_type=sigma_min", 2.5, 3.2, 0.013},
};

static const struct {
    const char *name, *options;
    int steps;
    bool distilled; /* with a network distilled for consistency, as LCM wants it */
    double limit;   /* of the mean, and of the standard deviation - 1 */
} samplers[] = {
    {"ddim", "clip_sample=false eta=1", 100, false, 0.1},
    {"ddpm", "clip_sample=false", 100, false, 0.1},
    {"dpm2_ancestral", "", 100, false, 0.07},
    {"dpmsolver_2s_ancestral", "", 100, false, 0.05},
    {"dpmsolver_multistep", "algorithm_type=sde-dpmsolver++", 100, false, 0.07},
    {"dpmsolver_sde", "", 100, false, 0.05},
    {"euler", "s_churn=10", 100, false, 0.1},
    {"euler_ancestral", "", 100, false, 0.1},
    {"lcm", "", 4, true, 0.05},
    {"lcm", "", 50, true, 0.05},
    {"sa_solver", "", 100, false, 0.05},
    {"sa_solver", "algorithm_type=noise_prediction tau=0.5", 100, false, 0.05},
    {"tcd", "", 50, false, 0.13},
};

/* "key=value key=value" */
static void read_options(const char *text, struct settings *settings)
{
    char copy[256], *at = copy;
    strncpy(copy, text, sizeof copy - 1);
    copy[sizeof copy - 1] = '\0';
    for (char *word; (word = strtok_r(at, " ", &at));) {
        char *value = strchr(word, '=');
        *value = '\0';
        CHECK_OK(settings_set(settings, word, value + 1, "test"));
    }
}

static bool open_probe(const char *name, const char *options, struct probe *probe)
{
    const struct clat_plugin *plugin;
    struct settings settings = {0};
    read_options(options, &settings);
    bool opened =
        CHECK_OK(plugins_find(name, &plugin)) && CHECK_OK(probe_open(probe, plugin, &settings));
    settings_free(&settings);
    return opened;
}

static void solvers_converge(void)
{
    for (size_t i = 0; i < sizeof solvers / sizeof *solvers; i++) {
        const char *name = solvers[i].name, *options = solvers[i].options;
        struct probe probe;
        if (!open_probe(name, options, &probe))
            continue;
        double order = gaussian_order(&probe), end = gaussian_error(&probe, 80, 0);
        CHECK(order >= solvers[i].low && order <= solvers[i].high,
            "%s %s: order %.3f, expected %g to %g (%s%s)", name, options, order, solvers[i].low,
            solvers[i].high, probe.broken, probe.sentence);
        CHECK(end <= solvers[i].end, "%s %s: %.3g off after 80 steps, expected at most %g", name,
            options, end, solvers[i].end);
        probe_close(&probe);
    }
}

static void noise_has_the_right_spread(void)
{
    for (size_t i = 0; i < sizeof samplers / sizeof *samplers; i++) {
        const char *name = samplers[i].name, *options = samplers[i].options;
        struct probe probe;
        if (!open_probe(name, options, &probe))
            continue;
        struct moments moments = {(double)NAN, (double)NAN};
        if (CHECK(probe_plan(&probe, samplers[i].steps, 1), "%s %s: %s%s", name, options,
                probe.broken, probe.sentence))
            moments = gaussian_moments(&probe, samplers[i].distilled);
        CHECK(fabs(moments.mean) <= samplers[i].limit &&
                  fabs(moments.spread - 1) <= samplers[i].limit,
            "%s %s, %d steps: mean %.3f, standard deviation %.3f, expected 0 and 1 within %g", name,
            options, samplers[i].steps, moments.mean, moments.spread, samplers[i].limit);
        probe_close(&probe);
    }
}

static bool stands_in_a_table(const struct clat_plugin *plugin)
{
    for (size_t i = 0; !plugin->stochastic && i < sizeof solvers / sizeof *solvers; i++)
        if (strcmp(solvers[i].name, plugin->name) == 0)
            return true;
    for (size_t i = 0; plugin->stochastic && i < sizeof samplers / sizeof *samplers; i++)
        if (strcmp(samplers[i].name, plugin->name) == 0)
            return true;
    return false;
}

static void all_are_measured(const char *folder)
{
    const struct plugin *plugins;
    size_t count;
    CHECK_OK(plugins_list(&plugins, &count));
    for (size_t i = 0; i < count; i++)
        if (strncmp(plugins[i].path, folder, strlen(folder)) == 0)
            CHECK(plugins[i].scheduler && stands_in_a_table(plugins[i].scheduler),
                "%s is not measured here", plugins[i].path);
}

int main(void)
{
    char folder[4096] = "", path[4096];
    const char *build = getenv("top_builddir");
    snprintf(path, sizeof path, "%s/schedulers/.libs", build ? build : ".");
    CHECK(realpath(path, folder), "%s", path);
    CHECK_OK(plugins_add_directory(folder));
    solvers_converge();
    noise_has_the_right_spread();
    all_are_measured(folder);
    return check_result();
}
