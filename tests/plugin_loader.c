/* plugin_loader.c - files and plugins that must be refused, each with its reason; the template that
 * must not be. SPDX-License-Identifier: MIT
 *
 * Broken descriptors are made by copying the good plugin and changing bytes of it: magic, interface
 * number and size stand one after the other at the head of the descriptor. */
#include "plugins/loader.h"
#include "plugins/trust.h"
#include "check.h"
#include "sampling/sampler.h"

#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *build_path(const char *name)
{
    static char path[4096];
    char resolved[4096];
    const char *build = getenv("top_builddir");
    if (!realpath(build ? build : ".", resolved))
        exit(99);
    snprintf(path, sizeof path, "%.3000s/%s", resolved, name);
    return path;
}

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *bytes = malloc(1 << 20);
    *size = file && bytes ? fread(bytes, 1, 1 << 20, file) : 0;
    if (file)
        fclose(file);
    return bytes;
}

static void write_file(const char *path, const char *bytes, size_t size, mode_t mode)
{
    unlink(path);
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(bytes, 1, size, file) == size, "%s", path);
    if (file)
        fclose(file);
    chmod(path, mode);
}

/* Offset of the descriptor in the file of a plugin. */
static size_t descriptor_at(const char *bytes, size_t size)
{
    const uint32_t head[2] = {CLAT_SCHEDULER_MAGIC, CLAT_SCHEDULER_ABI};
    const size_t length = sizeof(struct clat_plugin);
    for (size_t i = 0; i + 16 < size; i++)
        if (memcmp(bytes + i, head, sizeof head) == 0 &&
            memcmp(bytes + i + offsetof(struct clat_plugin, size), &length, sizeof length) == 0)
            return i;
    return 0;
}

static void expect_refusal(const char *path, const char *words)
{
    const struct clat_plugin *plugin;
    CHECK_FAILS(plugin_open(path, &plugin), CLAT_ERROR_NO_DEVICE, words);
    CHECK(!plugin, "%s was opened", path);
    CHECK(strstr(status_text(), path), "the sentence does not name %s", path);
}

/* A copy of the good plugin with one byte of its descriptor changed. */
static void expect_changed_refusal(
    const char *good, size_t size, size_t offset, const char *name, const char *words)
{
    char path[4200];
    char *bytes = malloc(size);
    snprintf(path, sizeof path, "%s", build_path(name));
    memcpy(bytes, good, size);
    bytes[descriptor_at(good, size) + offset] ^= 0x40;
    write_file(path, bytes, size, 0644);
    expect_refusal(path, words);
    free(bytes);
}

static void broken_files_are_refused(void)
{
    size_t size;
    char *good = read_file(build_path("schedulers/.libs/ddim.so"), &size);
    char path[4200], link[4200];
    CHECK(size > 4096 && descriptor_at(good, size), "no descriptor in a file of %zu bytes", size);
    check_scratch("plugins/x");
    expect_changed_refusal(
        good, size, offsetof(struct clat_plugin, magic), "tests/tmp/plugins/a.so", "magic is");
    expect_changed_refusal(good, size, offsetof(struct clat_plugin, abi), "tests/tmp/plugins/b.so",
        "made for plugin interface 65, this program has 1");
    expect_changed_refusal(good, size, offsetof(struct clat_plugin, size), "tests/tmp/plugins/c.so",
        "its descriptor has");

    snprintf(path, sizeof path, "%s", build_path("tests/tmp/plugins/renamed.so"));
    write_file(path, good, size, 0644);
    expect_refusal(path, "must be that of the file, found 'ddim'");
    chmod(path, 0646);
    expect_refusal(path, "anyone can write this file");
    write_file(path, good, 1000, 0644);
    expect_refusal(path, "not a whole shared object");
    write_file(path, "not a plugin\n", 13, 0644);
    expect_refusal(path, "not a whole shared object");
    write_file(path, good, 0, 0644);
    expect_refusal(path, "not a whole shared object");

    snprintf(link, sizeof link, "%s", build_path("tests/tmp/plugins/ddim.so"));
    unlink(link);
    CHECK(symlink(build_path("schedulers/.libs/ddim.so"), link) == 0, "%s", link);
    expect_refusal(link, "a link, which is not followed");
    expect_refusal("/nonexistent/ddim.so", "No such file");
    expect_refusal("/", "not a regular file");
    free(good);

    const struct clat_plugin *plugin;
    CHECK_FAILS(plugin_open("ddim.so", &plugin), CLAT_ERROR_NO_DEVICE, "must be absolute");
    CHECK_FAILS(plugins_add_directory("schedulers"), CLAT_ERROR_USAGE, "must be an absolute path");
}

/* ---- descriptors that lie ------------------------------------------------------------------- */

static void copy_liar(const char *name)
{
    size_t size;
    char path[4200], file[64];
    char *bytes = read_file(build_path("tests/.libs/liar.so"), &size);
    snprintf(file, sizeof file, "tests/tmp/plugins/%s.so", name);
    snprintf(path, sizeof path, "%s", build_path(file));
    write_file(path, bytes, size, 0644);
    free(bytes);
}

static void lies_are_refused(void)
{
    static const struct {
        const char *name, *words;
    } rows[] = {
        {"lie_offset", "'second' lies outside of the options (offset 24"},
        {"lie_huge", "'second' lies outside of the options"},
        {"lie_crooked", "'second' is not aligned (offset 9)"},
        {"lie_same", "options 'first' and 'second' lie in the same place"},
        {"lie_twice", "'first' stands twice"},
        {"lie_type", "'second' has the unknown type 77"},
        {"lie_name", "option 2 must have a name of small letters"},
        {"lie_help", "'second' lacks default or help"},
        {"lie_initial", "'second' lacks default or help"},
        {"lie_choices", "'second' has no choices"},
        {"lie_nochoice", "'second' has no choices"},
        {"lie_choice", "'second': choice 2 is not a word"},
        {"lie_table", "no option table"},
        {"lie_space", "unknown space 9"},
        {"lie_run", "plan or run is missing"},
        {"lie_title", "title, source or version is missing"},
        {"lie_version", "title, source or version is missing"},
        {"lie_alias_blank", "alias 2 is not a name"},
        {"lie_alias_name", "alias 2 is not a name"},
        {"lie_alias_text", "alias 'other': its options are not one line of text"},
        {"lie_alias_form", "alias 'other': its options must be 'option=value,...'"},
        {"lie_alias_option", "alias 'other': there is no option 'fifth'"},
        {"lie_aliases", "more than 256 aliases"},
        {"lie_foreign_option", "foreign value 1 is not an option with two values"},
        {"lie_foreign_ours", "foreign value 1 is not an option with two values"},
        {"lie_foreign_theirs", "foreign value 1 is not an option with two values"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char file[64];
        copy_liar(rows[i].name);
        snprintf(file, sizeof file, "tests/tmp/plugins/%s.so", rows[i].name);
        expect_refusal(build_path(file), rows[i].words);
    }
    CHECK(fegetround() == FE_TONEAREST, "a plugin's constructor changed the rounding");
}

/* ---- directories that others can write ------------------------------------------------------ */

static void open_directories_are_refused(void)
{
    char directory[4200];
    check_scratch("open/inner/x");
    snprintf(directory, sizeof directory, "%s", build_path("tests/tmp/open/inner"));
    chmod(directory, 0777);
    CHECK_FAILS(trust_directory(directory), CLAT_ERROR_NO_DEVICE, "inner': anyone can write it");
    chmod(directory, 0755);
    chmod(build_path("tests/tmp/open"), 0777);
    CHECK_FAILS(trust_directory(directory), CLAT_ERROR_NO_DEVICE, "open': anyone can write it");
    chmod(build_path("tests/tmp/open"), 0755);
    CHECK_FAILS(trust_directory("/nonexistent"), CLAT_ERROR_NO_DEVICE, "cannot be reached");
    CHECK_FAILS(trust_directory(build_path("schedulers/.libs/ddim.so")), CLAT_ERROR_NO_DEVICE,
        "not a directory");
    struct stat top;
    if (stat("/", &top) == 0 && top.st_uid == 0 && !(top.st_mode & (S_IWOTH | S_IWGRP)))
        CHECK_OK(trust_directory("/"));
}

/* ---- plugins that are loaded, and then go wrong --------------------------------------------- */

static enum clat_status still_network(
    void *user, const float *sample, float divisor, double timestep, float *output)
{
    (void)user, (void)sample, (void)divisor, (void)timestep, (void)output;
    return CLAT_OK;
}

static enum clat_status cancelled_network(
    void *user, const float *sample, float divisor, double timestep, float *output)
{
    (void)user, (void)sample, (void)divisor, (void)timestep, (void)output;
    return status_set(CLAT_CANCELLED, "stopped");
}

static enum clat_status still_path(void *user, double a, double b, float *values)
{
    (void)user, (void)a, (void)b, (void)values;
    return CLAT_OK;
}

/* Two images of 20 values through the scheduler `name`; scratch memory is freed whatever happens.
 */
static enum clat_status run_scheduler(const char *name, const char *fault,
    enum clat_status (*network)(void *, const float *, float, double, float *))
{
    struct settings user = {0};
    struct scheduler *scheduler = NULL;
    struct sampler_host host = {.evaluate = network, .brownian = still_path};
    struct plan_request request = {.steps = 4, .strength = 1};
    struct plan_outline outline;
    float sample[40] = {0};
    if (fault)
        settings_set(&user, "fault", fault, "test");
    enum clat_status status = scheduler_open(name, NULL, &user, &scheduler);
    if (status == CLAT_OK)
        status = scheduler_plan(scheduler, &request, &outline);
    if (status == CLAT_OK)
        status = scheduler_run(scheduler, &host, 2, 20, sample);
    scheduler_close(scheduler);
    settings_free(&user);
    return status;
}

static void faults_are_caught(void)
{
    static const struct {
        const char *fault;
        enum clat_status status;
        const char *words;
    } rows[] = {
        {"no_steps", CLAT_ERROR_INTERNAL, "planned 0 timesteps"},
        {"too_many", CLAT_ERROR_INTERNAL, "planned 33 timesteps"},
        {"nan_timestep", CLAT_ERROR_INTERNAL, "planned timestep nan at step 1"},
        {"nan_sigma", CLAT_ERROR_INTERNAL, "initial sigma of nan"},
        {"plan_code", CLAT_ERROR_INTERNAL, "gave up without saying why (1234)"},
        {"run_code", CLAT_ERROR_INTERNAL, "gave up without saying why (-1)"},
        {"nan_asked", CLAT_ERROR_INTERNAL, "a timestep that is not a number"},
        {"nan_left", CLAT_ERROR_CHECK, "not a number (image 2)"},
        {"no_work", CLAT_ERROR_INTERNAL, "returned before its last step (0)"},
        {"endless", CLAT_ERROR_INTERNAL, "more often than it planned (1)"},
        {"wrong_step", CLAT_ERROR_INTERNAL, "a step out of order (1)"},
        {"early_network", CLAT_ERROR_INTERNAL, "asked for the network while planning"},
        {"early_noise", CLAT_ERROR_INTERNAL, "asked for noise while planning"},
        {"early_path", CLAT_ERROR_INTERNAL, "asked for noise while planning"},
        {"no_length", CLAT_ERROR_INTERNAL, "Brownian noise over an interval with no length at (1)"},
        {"below_zero", CLAT_ERROR_INTERNAL, "Brownian noise at a sigma of (-1)"},
        {"past_the_end", CLAT_ERROR_INTERNAL, "planned to start with step 3 of 1"},
        {"before_the_start", CLAT_ERROR_INTERNAL, "planned to start with step -1 of 1"},
        {"own_reason", CLAT_ERROR_USAGE, "scheduler 'odd': it is Sunday"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_FAILS(
            run_scheduler("odd", rows[i].fault, still_network), rows[i].status, rows[i].words);
    CHECK_OK(run_scheduler("odd", "none", still_network));
    CHECK_FAILS(run_scheduler("odd", "none", cancelled_network), CLAT_CANCELLED, "stopped");
    CHECK_OK(run_scheduler("odd", "deaf", still_network));
    CHECK_FAILS(run_scheduler("odd", "deaf", cancelled_network), CLAT_CANCELLED, "stopped");
    CHECK_OK(run_scheduler("template", NULL, still_network));
    CHECK_OK(run_scheduler("truth", NULL, still_network));
    CHECK_OK(run_scheduler("lie_alias_good", NULL, still_network));
    CHECK_OK(run_scheduler("good name", NULL, still_network));
    CHECK_OK(run_scheduler("lie_foreign_good", NULL, still_network));
    CHECK_FAILS(run_scheduler("lie_default", NULL, still_network), CLAT_ERROR_NO_DEVICE,
        "default of the plugin: second is 'three', expected one of one, two");
    CHECK_FAILS(run_scheduler("renamed", NULL, still_network), CLAT_ERROR_NO_DEVICE, "renamed.so");
}

/* ---- the template --------------------------------------------------------------------------- */

static enum clat_status toy_network(
    void *user, const float *sample, float divisor, double timestep, float *output)
{
    (void)user;
    for (int i = 0; i < 20; i++)
        output[i] = 0.2f * (sample[i] / divisor) + (float)(0.0004 * timestep - 0.1);
    return CLAT_OK;
}

static void run_toy(const char *name, const struct settings *model, float *sample)
{
    struct scheduler *scheduler = NULL;
    struct sampler_host host = {.evaluate = toy_network};
    struct plan_request request = {.steps = 10, .strength = 1};
    struct plan_outline outline;
    check_random(sample, 20, 3);
    if (CHECK_OK(scheduler_open(name, model, NULL, &scheduler)) &&
        CHECK_OK(scheduler_plan(scheduler, &request, &outline)))
        CHECK_OK(scheduler_run(scheduler, &host, 1, 20, sample));
    scheduler_close(scheduler);
}

/* With trailing timesteps and eta 0 it does what DDIM does, to the last bit. */
static void template_is_ddim(void)
{
    static const char *const options[][2] = {{"beta_schedule", "scaled_linear"},
        {"beta_start", "0.00085"}, {"beta_end", "0.012"}, {"clip_sample", "false"},
        {"timestep_spacing", "trailing"}};
    struct settings model = {0};
    float plain[20], ddim[20];
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        CHECK_OK(settings_set(&model, options[i][0], options[i][1], "test"));
    run_toy("template", &model, plain);
    run_toy("ddim", &model, ddim);
    CHECK(memcmp(plain, ddim, sizeof plain) == 0, "template %g, ddim %g", (double)plain[0],
        (double)ddim[0]);
    settings_free(&model);
}

int main(void)
{
    broken_files_are_refused();
    lies_are_refused();
    open_directories_are_refused();
    copy_liar("lie_default");
    copy_liar("lie_alias_good");
    copy_liar("lie_foreign_good");
    copy_liar("truth");
    CHECK_OK(plugins_add_directory(build_path("schedulers/.libs")));
    CHECK_OK(plugins_add_directory(build_path("tests/.libs")));
    CHECK_OK(plugins_add_directory(build_path("plugins/.libs")));
    CHECK_OK(plugins_add_directory(build_path("tests/tmp/plugins")));
    CHECK_OK(plugins_add_directory("/nonexistent"));
    faults_are_caught();
    template_is_ddim();
    CHECK_FAILS(plugins_add_directory("/tmp"), CLAT_ERROR_USAGE, "after plugins were used");
    return check_result();
}
