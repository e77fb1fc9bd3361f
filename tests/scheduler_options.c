/* scheduler_options.c - names and options: what they mean, and what is refused.
 * SPDX-License-Identifier: MIT
 *
 * First with the twins of twin_plugin.c, then for every scheduler of the build tree, whichever
 * these are: each of its names must mean it and nothing else, and what the name stands for must be
 * accepted. */
#include "check.h"
#include "golden.h"
#include "plugins/names.h"
#include "sampling/sampler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the twins ------------------------------------------------------------------------------ */

static enum clat_status find(const char *name)
{
    const struct clat_plugin *plugin;
    return plugins_find(name, &plugin);
}

static void check_means(const char *name, const char *scheduler)
{
    const struct clat_plugin *plugin = NULL;
    CHECK_OK(plugins_find(name, &plugin));
    CHECK(plugin && strcmp(plugin->name, scheduler) == 0, "'%s' means %s, not %s", name,
        plugin ? plugin->name : "nothing", scheduler);
}

static void names(void)
{
    check_means("twin_one", "twin_one");
    check_means("Twin One", "twin_one");
    check_means("TWIN-TWO", "twin_two");
    check_means("k_twin_one", "twin_one");
    check_means("twin_onepp2q", "twin_one");
    check_means("K Twin_Two++ 2Q Karras", "twin_two");
    check_means("twin one beta", "twin_one");
    check_means("ddimscheduler", "ddim");
    CHECK_FAILS(find("twin"), CLAT_ERROR_USAGE, "'twin' means scheduler 'twin_one' or 'twin_two'");
    CHECK_FAILS(find("Twin Karras"), CLAT_ERROR_USAGE, "say which");
    CHECK_FAILS(find("twin_one trailing"), CLAT_ERROR_USAGE,
        "'twin_one trailing': scheduler 'twin_one' has no such schedule (no option "
        "timestep_spacing)");
    CHECK_FAILS(find("twin ane"), CLAT_ERROR_NO_DEVICE, "(did you mean 'twin_one'?)");
    CHECK_FAILS(find("twin_two++ 2.W"), CLAT_ERROR_NO_DEVICE, "(did you mean 'twin_two++ 2.Q'?)");
    CHECK_FAILS(
        find("Twinn_two++ 2.Q Karras"), CLAT_ERROR_NO_DEVICE, "(did you mean 'twin_two++ 2.Q'?)");
    CHECK_FAILS(find("warp"), CLAT_ERROR_NO_DEVICE, "unknown scheduler 'warp'; known: ");
    static const char *const wrong[] = {"karras", "k_", "_", "", " ", "k", "../ddim", "ddim.so"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK_FAILS(find(wrong[i]), CLAT_ERROR_NO_DEVICE, "unknown scheduler");
    char long_name[5000];
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    CHECK_FAILS(find(long_name), CLAT_ERROR_NO_DEVICE, "unknown scheduler 'xxxx");
}

/* The value that `option` ends up with, "refused" if it does not come to that. */
static const char *effective(
    const char *name, const struct settings *model, const struct settings *user, const char *option)
{
    static char value[64];
    struct scheduler *scheduler = NULL;
    struct settings all = {0};
    strcpy(value, "refused");
    if (CHECK_OK(scheduler_open(name, model, user, &scheduler)) &&
        CHECK_OK(scheduler_effective(scheduler, &all)))
        snprintf(value, sizeof value, "%s", settings_find(&all, option)->value);
    scheduler_close(scheduler);
    settings_free(&all);
    return value;
}

static void check_effective(const char *name, const struct settings *model,
    const struct settings *user, const char *option, const char *want)
{
    const char *value = effective(name, model, user, option);
    CHECK(strcmp(value, want) == 0, "%s of '%s' is %s, not %s", option, name, value, want);
}

/* Plugin, model, name, user: the later one wins. */
static void levels(void)
{
    struct settings model = {0}, user = {0};
    check_effective("twin_one", NULL, NULL, "level", "3");
    CHECK_OK(settings_read(&model, "level=5,use_karras_sigmas=true", "config.json"));
    check_effective("twin_one", &model, NULL, "level", "5");
    check_effective("twin_one++ 2q", &model, NULL, "level", "2");
    check_effective("twin_one++ 2q", &model, NULL, "numbers", "[1, 2]");
    check_effective("twin_one", &model, NULL, "use_beta_sigmas", "true");
    check_effective("twin_one karras", &model, NULL, "use_beta_sigmas", "false");
    check_effective("twin_one++2q Karras", &model, NULL, "use_karras_sigmas", "true");
    check_effective("twin_one++2q Beta", &model, NULL, "use_karras_sigmas", "false");
    check_effective("twin_one beta", &model, NULL, "level", "7");
    CHECK_OK(settings_read(&user, "level=9,use_karras_sigmas=False", "job.yaml:7"));
    check_effective("twin_one++2q Karras", &model, &user, "level", "9");
    check_effective("twin_one++2q Karras", &model, &user, "use_karras_sigmas", "false");
    settings_free(&model);
    settings_free(&user);
    struct scheduler *scheduler;
    CHECK_FAILS(scheduler_open("twin_one broken", NULL, NULL, &scheduler), CLAT_ERROR_NO_DEVICE,
        "twin_one broken: level is '77', expected a whole number from 1 to 9");
}

/* What a scheduler_config.json of another class may say. */
static void model_values(void)
{
    struct settings model = {0};
    struct scheduler *scheduler;
    CHECK_OK(settings_set(&model, "_class_name", "twin_two", "config.json"));
    CHECK_OK(settings_set(&model, "of_another_class", "7", "config.json"));
    CHECK_OK(settings_set(&model, "kind", "posh", "config.json"));
    CHECK_OK(settings_set(&model, "bound", "-Infinity", "config.json"));
    CHECK_OK(settings_set(&model, "use_beta_sigmas", "null", "config.json"));
    check_effective(NULL, &model, NULL, "kind", "fancy");
    check_effective(NULL, &model, NULL, "bound", "-Infinity");
    check_effective(NULL, &model, NULL, "use_beta_sigmas", "false");
    CHECK_OK(settings_set(&model, "kind", "null", "config.json"));
    check_effective("twin_one", &model, NULL, "kind", "plain");
    CHECK_OK(settings_set(&model, "_use_default_values", "[\"kinder\", \"level\"]", "config.json"));
    CHECK_OK(settings_set(&model, "kind", "fancy", "config.json"));
    CHECK_OK(settings_set(&model, "level", "8", "config.json"));
    check_effective("twin_one", &model, NULL, "kind", "fancy");
    check_effective("twin_one", &model, NULL, "level", "3");
    CHECK_OK(settings_set(&model, "kind", "grand", "config.json"));
    CHECK_FAILS(scheduler_open("twin_one", &model, NULL, &scheduler), CLAT_ERROR_INPUT,
        "config.json: kind is 'grand', expected one of plain, fancy");
    struct settings user = {0};
    CHECK_OK(settings_set(&user, "kind", "fancy", "job.yaml:7"));
    check_effective("twin_one", &model, &user, "kind", "fancy");
    settings_free(&user);
    CHECK_OK(settings_set(&model, "_class_name", "WarpScheduler", "config.json"));
    CHECK_FAILS(scheduler_open(NULL, &model, NULL, &scheduler), CLAT_ERROR_NO_DEVICE,
        "config.json: _class_name: unknown scheduler 'WarpScheduler'");
    settings_free(&model);
    CHECK_FAILS(scheduler_open(NULL, &model, NULL, &scheduler), CLAT_ERROR_INPUT, "no scheduler");
}

static enum clat_status try_user(const char *key, const char *value)
{
    struct settings user = {0};
    struct scheduler *scheduler = NULL;
    CHECK_OK(settings_set(&user, key, value, "job.yaml:7"));
    enum clat_status status = scheduler_open("twin_one", NULL, &user, &scheduler);
    scheduler_close(scheduler);
    settings_free(&user);
    return status;
}

static void user_values(void)
{
    static const char *const good[][2] = {{"level", "1"}, {"level", "+9"}, {"ratio", "null"},
        {"ratio", "1e-3"}, {"ratio", ".5"}, {"bound", "-.inf"}, {"bound", "-1e300"},
        {"numbers", "null"}, {"numbers", "[]"}, {"numbers", "[ 1 ,-5,\t2.5 ]"}, {"eta", "0.0"},
        {"kind", "fancy"}, {"use_beta_sigmas", "TRUE"}};
    static const char *const bad[][3] = {
        {"level", "0", "job.yaml:7: level is '0', expected a whole number from 1 to 9"},
        {"level", "10", "from 1 to 9"},
        {"level", "4.0", "expected a whole number"},
        {"level", "", "level is '', expected"},
        {"level", "null", "level is 'null'"},
        {"level", "99999999999999999999", "expected a whole number from 1 to 9"},
        {"level", "0x3", "expected a whole number"},
        {"level", "[3]", "expected a whole number"},
        {"ratio", "nan", "expected a number from 0 to 1, or null"},
        {"ratio", ".nan", "ratio is '.nan'"},
        {"ratio", "inf", "expected a number from 0 to 1"},
        {"ratio", "-1e-300", "expected a number"},
        {"ratio", "1e999", "expected a number"},
        {"ratio", "1,5", "expected a number"},
        {"bound", "inf", "expected a number from -inf to 0"},
        {"bound", "1", "expected a number from -inf to 0"},
        {"bound", "-1e999", "expected a number"},
        {"bound", "NaN", "expected a number"},
        {"kind", "Fancy", "kind is 'Fancy', expected one of plain, fancy"},
        {"kind", "posh", "expected one of plain, fancy"},
        {"kind", "null", "expected one of plain, fancy"},
        {"use_beta_sigmas", "yes", "expected true or false"},
        {"use_beta_sigmas", "1", "expected true or false"},
        {"numbers", "1", "numbers is '1', expected a list of numbers"},
        {"numbers", "[1", "expected a list of numbers"},
        {"numbers", "[1,]", "expected a list of numbers"},
        {"numbers", "[1] 2", "expected a list of numbers"},
        {"numbers", "[1, [2]]", "expected a list of numbers"},
        {"numbers", "[null]", "expected a list of numbers"},
        {"numbers", "[nan]", "expected a list of numbers"},
        {"numbers", "[6]", "at most 100000, each from -5 to 5, or null"},
        {"numbers", "[1e999]", "expected a list of numbers"},
        {"levle", "3", "scheduler 'twin_one' has no option 'levle' (did you mean 'level'?)"},
        {"eta", "0.5", "has no option 'eta'"},
        {"_class_name", "x", "has no option '_class_name'"},
        {"something_else_entirely", "3", "(clatent schedulers twin_one lists them)"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK_OK(try_user(good[i][0], good[i][1]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_FAILS(try_user(bad[i][0], bad[i][1]), CLAT_ERROR_USAGE, bad[i][2]);
}

/* Lists at the limit and beyond; a long value is shown by its beginning, cut between characters. */
static void long_values(void)
{
    static char list[400000], word[5000];
    list[0] = '[';
    for (size_t i = 0; i < 100000; i++)
        memcpy(list + 1 + 2 * i, "1,", 2);
    memcpy(list + 200000, "]", 2);
    CHECK_OK(try_user("numbers", list));
    memcpy(list + 200000, ",1]", 4);
    CHECK_FAILS(try_user("numbers", list), CLAT_ERROR_USAGE, "'[1,1,");
    CHECK(strlen(status_text()) < 300, "%zu bytes", strlen(status_text()));
    memset(list + 1, '9', 100000);
    memcpy(list + 100001, "]", 2);
    CHECK_FAILS(try_user("numbers", list), CLAT_ERROR_USAGE, "...', expected a list");
    for (size_t i = 0; i + 3 < sizeof word; i += 3)
        memcpy(word + i, "\xE2\x82\xAC", 4);
    CHECK_FAILS(try_user("kind", word), CLAT_ERROR_USAGE, "\xE2\x82\xAC...', expected one of");
    CHECK_FAILS(try_user(word, "1"), CLAT_ERROR_USAGE, "has no option");
}

/* ---- names from elsewhere -----------------------------------------------------------------------
 */

/* What people type who come from diffusers, AUTOMATIC1111's web UI, ComfyUI, k-diffusion or
 * stable-diffusion.cpp, the scheduler it is here, and an option that must follow from it. */
static void names_from_elsewhere(void)
{
    static const struct {
        const char *name, *scheduler, *option, *value;
    } rows[] = {
        {"DDIM", "ddim", "timestep_spacing", "leading"},
        {"ddim_trailing", "ddim", "timestep_spacing", "trailing"},
        {"DDPM", "ddpm", NULL, NULL},
        {"PNDM", "pndm", "skip_prk_steps", "false"},
        {"PLMS", "pndm", "skip_prk_steps", "true"},
        {"LMS", "lms", NULL, NULL},
        {"LMS Karras", "lms", "use_karras_sigmas", "true"},
        {"k_lms_ka", "lms", "use_karras_sigmas", "true"},
        {"LMSDiscrete", "lms", NULL, NULL},
        {"Euler", "euler", "use_karras_sigmas", "false"},
        {"euler karras", "euler", "use_karras_sigmas", "true"},
        {"Euler SGM Uniform", "euler", "timestep_spacing", "trailing"},
        {"euler simple", "euler", "timestep_spacing", "trailing"},
        {"Euler Beta", "euler", "use_beta_sigmas", "true"},
        {"Euler Exponential", "euler", "use_exponential_sigmas", "true"},
        {"EulerDiscreteScheduler", "euler", NULL, NULL},
        {"Euler a", "euler_ancestral", NULL, NULL},
        {"euler_a", "euler_ancestral", NULL, NULL},
        {"k_euler_a", "euler_ancestral", NULL, NULL},
        {"k_euler_ancestral", "euler_ancestral", NULL, NULL},
        {"euler_ancestral", "euler_ancestral", NULL, NULL},
        {"Heun", "heun", NULL, NULL},
        {"DPM2", "dpm2", NULL, NULL},
        {"dpm_2", "dpm2", NULL, NULL},
        {"k_dpm_2", "dpm2", NULL, NULL},
        {"KDPM2Discrete", "dpm2", NULL, NULL},
        {"DPM2 Karras", "dpm2", "use_karras_sigmas", "true"},
        {"DPM2 a", "dpm2_ancestral", NULL, NULL},
        {"DPM2 a Karras", "dpm2_ancestral", "use_karras_sigmas", "true"},
        {"dpm_2_ancestral", "dpm2_ancestral", NULL, NULL},
        {"k_dpm_2_a_ka", "dpm2_ancestral", "use_karras_sigmas", "true"},
        {"DPM++ 2M", "dpmsolver_multistep", "algorithm_type", "dpmsolver++"},
        {"DPM++ 2M Karras", "dpmsolver_multistep", "use_karras_sigmas", "true"},
        {"dpmpp_2m", "dpmsolver_multistep", "solver_order", "2"},
        {"dpm++2m", "dpmsolver_multistep", "solver_order", "2"},
        {"k_dpmpp_2m_ka", "dpmsolver_multistep", "use_karras_sigmas", "true"},
        {"DPM++ 2M Automatic", "dpmsolver_multistep", "use_karras_sigmas", "false"},
        {"DPM++ 2M Lu", "dpmsolver_multistep", "use_lu_lambdas", "true"},
        {"DPM++ 2M SDE", "dpmsolver_multistep", "algorithm_type", "sde-dpmsolver++"},
        {"DPM++ 2M SDE Karras", "dpmsolver_multistep", "algorithm_type", "sde-dpmsolver++"},
        {"dpmpp_2m_sde_gpu", "dpmsolver_multistep", "algorithm_type", "sde-dpmsolver++"},
        {"DPM++ 2M SDE Heun", "dpmsolver_multistep", "solver_type", "heun"},
        {"DPM++ 3M SDE", "dpmsolver_multistep", "solver_order", "3"},
        {"DPM++ 3M SDE Exponential", "dpmsolver_multistep", "use_exponential_sigmas", "true"},
        {"dpmpp_3m_sde_gpu", "dpmsolver_multistep", "algorithm_type", "sde-dpmsolver++"},
        {"DPM++ SDE", "dpmsolver_sde", NULL, NULL},
        {"DPM++ SDE Karras", "dpmsolver_sde", "use_karras_sigmas", "true"},
        {"dpmpp_sde_gpu", "dpmsolver_sde", NULL, NULL},
        {"DPMSolverSinglestep", "dpmsolver_singlestep", NULL, NULL},
        {"UniPC", "unipc", "solver_type", "bh2"},
        {"uni_pc", "unipc", NULL, NULL},
        {"uni_pc_bh2", "unipc", "solver_type", "bh2"},
        {"UniPCMultistepScheduler", "unipc", NULL, NULL},
        {"DEIS", "deis", NULL, NULL},
        {"DEISMultistep", "deis", NULL, NULL},
        {"LCM", "lcm", NULL, NULL},
        {"TCD", "tcd", NULL, NULL},
        {"ipndm", "ipndm", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_means(rows[i].name, rows[i].scheduler);
        if (rows[i].option)
            check_effective(rows[i].name, NULL, NULL, rows[i].option, rows[i].value);
    }
    /* whatever the model was made for */
    struct settings model = {0};
    CHECK_OK(settings_read(&model,
        "algorithm_type=sde-dpmsolver++,solver_order=3,solver_type=heun,use_exponential_sigmas="
        "true",
        "config.json"));
    check_effective("DPM++ 2M", &model, NULL, "algorithm_type", "dpmsolver++");
    check_effective("DPM++ 2M", &model, NULL, "solver_order", "2");
    check_effective("DPM++ 2M", &model, NULL, "use_exponential_sigmas", "true");
    check_effective("DPM++ 2M Karras", &model, NULL, "use_exponential_sigmas", "false");
    check_effective("DPM++ 2M SDE", &model, NULL, "solver_type", "midpoint");
    settings_free(&model);
}

/* ---- every scheduler of the build tree ------------------------------------------------------ */

/* A name in another spelling: capitals, and blanks for '_' and '-'. */
static const char *respelled(const char *name)
{
    static char other[256];
    snprintf(other, sizeof other, "%s", name);
    for (char *c = other; *c; c++)
        *c = *c == '_' || *c == '-' ? ' ' : *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
    return other;
}

/* The name means this scheduler, and opens it with options that it accepts. */
static void check_name(const struct clat_plugin *plugin, const char *name)
{
    struct scheduler *scheduler = NULL;
    const struct plan_request request = {.steps = 12, .strength = 1};
    struct plan_outline outline = {0};
    check_means(name, plugin->name);
    check_means(respelled(name), plugin->name);
    if (CHECK_OK(scheduler_open(name, NULL, NULL, &scheduler)))
        CHECK(scheduler_plan(scheduler, &request, &outline) == CLAT_OK && outline.evaluations > 0,
            "'%s' plans no 12 steps: %s", name, status_text());
    scheduler_close(scheduler);
}

static bool has_option(const struct clat_plugin *plugin, const char *name)
{
    for (const struct clat_option *option = plugin->options; option->name; option++)
        if (strcmp(option->name, name) == 0)
            return true;
    return false;
}

/* With a schedule behind it: planned if the scheduler has it, else refused with a reason. */
static void check_schedules(const struct clat_plugin *plugin, const char *name)
{
    static const char *const words[][2] = {{"Karras", "use_karras_sigmas"},
        {"Exponential", "use_exponential_sigmas"}, {"Beta", "use_beta_sigmas"},
        {"SGM Uniform", "timestep_spacing"}, {"Simple", "timestep_spacing"},
        {"Trailing", "timestep_spacing"}, {"lu", "use_lu_lambdas"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char full[256];
        snprintf(full, sizeof full, "%s %s", name, words[i][0]);
        if (has_option(plugin, words[i][1]))
            check_name(plugin, full);
        else
            CHECK_FAILS(find(full), CLAT_ERROR_USAGE, "has no such schedule");
    }
}

static void every_name(const struct clat_plugin *plugin)
{
    check_name(plugin, plugin->name);
    check_schedules(plugin, plugin->name);
    if (plugin->class_name) {
        char stem[128];
        snprintf(stem, sizeof stem, "%s", plugin->class_name);
        char *end = strstr(stem, "Scheduler");
        if (end)
            *end = '\0';
        check_name(plugin, stem);
        check_name(plugin, plugin->class_name);
    }
    for (const struct clat_alias *alias = plugin->aliases; alias && alias->name; alias++)
        check_name(plugin, alias->name);
}

static void every_scheduler(void)
{
    const struct plugin *plugins;
    size_t count, seen = 0;
    CHECK_OK(plugins_list(&plugins, &count));
    for (size_t i = 0; i < count; i++) {
        if (!strstr(plugins[i].path, "/schedulers/"))
            continue;
        if (CHECK(plugins[i].scheduler, "%s: %s", plugins[i].path, plugins[i].reason))
            every_name(plugins[i].scheduler);
        seen++;
    }
    CHECK(seen > 0, "no scheduler in the build tree");
}

int main(void)
{
    char folder[4096], resolved[4096];
    const char *build = getenv("top_builddir");
    if (!realpath(build ? build : ".", resolved))
        return 99;
    snprintf(folder, sizeof folder, "%.3000s/tests/.libs", resolved);
    CHECK_OK(plugins_add_directory(folder));
    golden_schedulers();
    names();
    levels();
    model_values();
    user_values();
    long_values();
    names_from_elsewhere();
    every_scheduler();
    return check_result();
}
