/* record.c - names of output files, and what an image says about itself, there and back.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "clatent.h"
#include "formats/escape.h"
#include "formats/json.h"
#include "job/metadata.h"
#include "job/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- names
 * ------------------------------------------------------------------------------------------------
 */

static const struct output_fields fields = {.index = 7,
    .seed = 18446744073709551615u,
    .steps = 20,
    .prompt = "../a \xE2\x80\xAE"
              "b/c",
    .model = "demo",
    .time = 86400};

static void check_path(const char *pattern, const char *want)
{
    char *path = NULL;
    CHECK_OK(output_path(pattern, &fields, &path));
    CHECK(path && strcmp(path, want) == 0, "%s gives %s, not %s", pattern, path, want);
    free(path);
}

static void test_names(void)
{
    setenv("TZ", "UTC", 1);
    check_path("d/clatent-{index:05}-{seed}.png", "d/clatent-00007-18446744073709551615.png");
    check_path("{model}-{steps}-{date:%Y%m%d}.npy", "demo-20-19700102.npy");
    check_path("{prompt}.png", "_._a _b_c.png");
    check_path("{prompt:4}.png", "_._a.png");
    check_path("{{x}}-{index}.png", "{x}-7.png");
    check_path("{date:%Y/%m}.png", "1970_01.png");
    static const char *const wrong[] = {"{indx}.png", "{index", "a}b", "{index:x}.png",
        "{index:-1}", "{seed:99999}", "{prompt:%n}", "{}", "{averyveryverylongname}", "{date:}x{"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *path = NULL;
        CHECK_FAILS(output_path(wrong[i], &fields, &path), CLAT_ERROR_USAGE, "known fields are");
        free(path);
    }
}

static void touch(const char *name)
{
    FILE *file = fopen(check_scratch(name), "w");
    CHECK(file && fclose(file) == 0, "cannot make %s", name);
}

static void test_next_index(void)
{
    char pattern[4200];
    size_t index = 99;
    touch("names/x-00003-12.png");
    touch("names/x-00011.png");
    touch("names/y-00099.png");
    snprintf(pattern, sizeof pattern, "%s/x-{index:05}-{seed}.png", check_scratch("names"));
    CHECK_OK(output_next_index(pattern, &fields, &index));
    CHECK(index == 12, "%zu", index);
    snprintf(pattern, sizeof pattern, "%s/z-{index:05}.png", check_scratch("names"));
    CHECK_OK(output_next_index(pattern, &fields, &index));
    CHECK(index == 0, "%zu", index);
    CHECK_FAILS(output_check_folder("/nonexistent/x.png"), CLAT_ERROR_OUTPUT, "there is no folder");
}

/* A name of 300 characters of three bytes is cut between two of them. */
static void test_long_name(void)
{
    struct text long_prompt = {0}, name = {0};
    for (int i = 0; i < 300; i++)
        text_add(&long_prompt, "\xE2\x82\xAC", 3);
    CHECK_OK(escape_file_name(&name, long_prompt.data, 300));
    CHECK(name.size == 198 && text_is_utf8(name.data, name.size), "%zu bytes", name.size);
    text_free(&long_prompt);
    text_free(&name);
}

/* ---- escapes -------------------------------------------------------------------------------- */

static void test_escapes(void)
{
    const char *hostile = "a\"\\\n\x1B[2J\x7F\xFF\xE2\x80\xAE\xC2\x9B\xE2\x82\xAC";
    struct text text = {0};
    CHECK_OK(escape_json(&text, hostile));
    CHECK(strcmp(text.data, "\"a\\\"\\\\\\n\\u001b[2J\\u007f\\ufffd\\u202e\\u009b\xE2\x82\xAC\"") ==
              0,
        "%s", text.data);
    text_free(&text);
    CHECK_OK(escape_terminal(&text, hostile, false));
    CHECK(strcmp(text.data, "a\"\\\\u{a}\\u{1b}[2J\\u{7f}\\xff\\u{202e}\\u{9b}\xE2\x82\xAC") == 0,
        "%s", text.data);
    text_free(&text);
    const char *quoted = clat_json_string("x");
    CHECK(quoted && strcmp(quoted, "\"x\"") == 0, "clat_json_string");
    clat_free(quoted);
}

/* ---- metadata ------------------------------------------------------------------------------- */

static void set(struct job_values *values, const char *key, const char *text)
{
    CHECK_OK(job_values_set(values, key, text, "test", true));
}

static void fill(struct job_values *values)
{
    set(values, "model", "m/x");
    set(values, "prompt", "say \"hi\", \xE2\x82\xAC\nNegative prompt: no: yes");
    set(values, "height", "64");
    set(values, "width", "128");
    set(values, "steps", "20");
    set(values, "guidance_scale", "7.5");
    set(values, "seed", "9223372036854775807");
    set(values, "scheduler", "ddim,eta=0.3,set_alpha_to_one=false,trained_betas=null,x=[1, 2]");
    set(values, "latents", "clean.npy");
    set(values, "strength", "0.5");
    set(values, "rng", "philox");
    set(values, "generator", "batch");
    set(values, "compat", "diffusers");
    set(values, "output", "secret/{index}.png");
    set(values, "trace", "secret.safetensors");
}

static bool is_json(const char *text)
{
    struct json *document = NULL;
    struct json_rules rules = {.depth = 8};
    enum clat_status status = json_parse(text, strlen(text), "record", &rules, &document);
    CHECK_OK(status);
    json_close(document);
    return status == CLAT_OK;
}

static void test_round_trip(void)
{
    static struct job_values values, back;
    struct text json = {0}, again = {0};
    char *version = NULL;
    fill(&values);
    CHECK_OK(metadata_json(&values, "A \"device\"", &json));
    CHECK(is_json(json.data), "%s", json.data);
    CHECK(!strstr(json.data, "secret"), "paths of output stay private: %s", json.data);
    CHECK_OK(metadata_parse("x.png", json.data, &back, &version));
    CHECK(version && strcmp(version, clat_version()) == 0, "version");
    CHECK_OK(metadata_json(&back, "A \"device\"", &again));
    CHECK(again.data && strcmp(json.data, again.data) == 0, "%s\n%s", json.data, again.data);
    free(version);
    text_free(&json);
    text_free(&again);
    job_values_free(&back);

    CHECK_OK(metadata_parameters(&values, "a:b", &json));
    const char *line = strrchr(json.data, '\n') + 1;
    const char *want = "Steps: 20, Sampler: ddim, CFG scale: 7.5, Seed: 9223372036854775807, "
                       "Size: 128x64, Model: \"a:b\", Eta: 0.3, Denoising strength: 0.5, "
                       "RNG: NV, Version: clatent ";
    CHECK(strncmp(line, want, strlen(want)) == 0, "%s", line);
    text_free(&json);
    job_values_free(&values);
}

/* Scheduler and schedule in the words of other programs. */
static void test_samplers(void)
{
    static const char *const rows[][2] = {
        {"euler_ancestral,steps_offset=1", "Sampler: Euler a, CFG"},
        {"dpm2", "Sampler: dpm2, CFG"},
        {"pndm,skip_prk_steps=false", "Sampler: pndm, CFG"},
        {"pndm,skip_prk_steps=true", "Sampler: PLMS, CFG"},
        {"dpmsolver_multistep,algorithm_type=dpmsolver++,solver_order=2,use_karras_sigmas=true",
            "Sampler: DPM++ 2M, Schedule type: Karras, CFG"},
        {"dpmsolver_multistep,algorithm_type=sde-dpmsolver++,solver_order=3,solver_type=midpoint,"
         "use_exponential_sigmas=true",
            "Sampler: DPM++ 3M SDE, Schedule type: Exponential, CFG"},
        {"dpmsolver_multistep,algorithm_type=sde-dpmsolver++,solver_order=2,solver_type=heun,"
         "use_beta_sigmas=true",
            "Sampler: DPM++ 2M SDE Heun, Schedule type: Beta, CFG"},
        {"dpmsolver_multistep,algorithm_type=dpmsolver", "Sampler: dpmsolver_multistep, CFG"},
        {"dpmsolver_sde,use_karras_sigmas=false", "Sampler: DPM++ SDE, CFG"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static struct job_values values;
        struct text line = {0};
        fill(&values);
        set(&values, "scheduler", rows[i][0]);
        CHECK_OK(metadata_parameters(&values, "m", &line));
        CHECK(strstr(line.data, rows[i][1]), "%s gives %s", rows[i][0], line.data);
        text_free(&line);
        job_values_free(&values);
    }
}

static void test_refused(void)
{
    static const char *const texts[] = {"", "[]", "{}", "{\"version\": \"1\"}", "{\"job\": {}}",
        "{\"version\": \"1\", \"job\": {\"height\": 3}}",
        "{\"version\": \"1\", \"job\": {\"x\": 3}}", "{\"version\": [], \"job\": {}}",
        "{\"version\": \"1\", \"job\": []}", "{\"a"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        static struct job_values values;
        char *version = NULL;
        CHECK_FAILS(
            metadata_parse("x.png", texts[i], &values, &version), CLAT_ERROR_INPUT, "x.png");
        free(version);
        job_values_free(&values);
    }
}

int main(void)
{
    test_names();
    test_next_index();
    test_long_name();
    test_escapes();
    test_round_trip();
    test_samplers();
    test_refused();
    return check_result();
}
