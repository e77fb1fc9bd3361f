/* job.c - keys from files and command lines: what wins, what is refused, and with which words.
 * SPDX-License-Identifier: MIT */
#include "base/text.h"
#include "check.h"
#include "clatent.h"
#include "job/hub.h"
#include "job/job.h"
#include "job/values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static enum clat_status set(struct job_values *values, const char *key, const char *text)
{
    char where[64];
    snprintf(where, sizeof where, "--%s", key);
    return job_values_set(values, key, text, where, false);
}

/* A job of one YAML text. */
static enum clat_status build(const char *yaml, struct job *job)
{
    struct job_values values = {0};
    enum clat_status status = job_values_parse(&values, "job.yaml", yaml, strlen(yaml));
    if (status == CLAT_OK)
        status = job_build(&values, job);
    job_values_free(&values);
    return status;
}

static void test_table(void)
{
    CHECK(job_key_count <= JOB_KEYS, "%zu keys", job_key_count);
    for (size_t i = 0; i < job_key_count; i++)
        CHECK(
            job_keys[i].kind == KEY_LATER || job_keys[i].help, "%s has no help", job_keys[i].name);
    CHECK(job_key_find("num-inference-steps") == job_key_find("steps"), "alias and hyphen");
}

static void test_defaults(void)
{
    struct job job = {0};
    CHECK_OK(build("prompt: a", &job));
    CHECK(job.prompts.count == 1 && job.num_inference_steps == 0 && job.guidance_scale == 1 &&
              !job.guidance_scale_given && job.batch_size == 1 && job.seed_count == 0 &&
              !job.output && !job.model && job.metadata && job.ai_mark &&
              strcmp(job.gemm, "auto") == 0 && strcmp(job.kernels, "auto") == 0 &&
              job.strength == 1 && !job.rng && !job.compat && !job_has_one_generator(&job),
        "defaults");
    job_free(&job);
}

static void test_everything(void)
{
    struct job job = {0};
    CHECK_OK(
        build("model: hf:a/b\nprompt: [one, two]\nheight: 64\nwidth: 128\nsteps: 20\n"
              "guidance_scale: 7.5\neta: 0.25\nseed: [18446744073709551615, 0, 3, 4]\n"
              "batch_size: 2\nscheduler:\n  name: ddim\n  clip_sample: no\n  list: [1, 2]\n"
              "latents: l.npy\nstrength: 0.7\nrng: numpy\ngenerator: image\ncompat: diffusers\n"
              "output: x-{index}.png\noverwrite: true\nmetadata: False\ngemm: "
              "own\nkernels: generic\nfloat32_matmul_precision: high\n",
            &job));
    CHECK(strcmp(job.model, "hf:a/b") == 0, "model %s", job.model);
    CHECK(job.prompts.count == 2 && strcmp(job.prompts.items[1], "two") == 0, "prompts");
    CHECK(job.height == 64 && job.width == 128 && job.num_inference_steps == 20, "sizes");
    CHECK(job.guidance_scale == 7.5f && job.guidance_scale_given && job.eta == 0.25f, "reals");
    CHECK(job.seed_count == 4 && job.seeds[0] == UINT64_MAX && job.seeds[3] == 4, "seeds");
    CHECK(strcmp(job.scheduler, "ddim") == 0 && job.scheduler_options.count == 3, "scheduler");
    CHECK(
        strcmp(settings_find(&job.scheduler_options, "clip_sample")->value, "no") == 0, "YAML 1.2");
    CHECK(strcmp(settings_find(&job.scheduler_options, "list")->value, "[1, 2]") == 0, "list");
    CHECK(strcmp(settings_find(&job.scheduler_options, "eta")->value, "0.25") == 0, "eta");
    CHECK(
        strcmp(settings_find(&job.scheduler_options, "list")->where, "job.yaml:13") == 0, "where");
    CHECK((int)(job.strength * 10) == 7, "strength is a double: %.17g", job.strength);
    CHECK(strcmp(job.rng, "numpy") == 0 && strcmp(job.compat, "diffusers") == 0, "noise");
    CHECK(job.overwrite && !job.metadata && strcmp(job.gemm, "own") == 0 &&
              strcmp(job.kernels, "generic") == 0 &&
              strcmp(job.float32_matmul_precision, "high") == 0,
        "flags");
    job_free(&job);
}

static void test_refused(void)
{
    static const struct {
        const char *yaml;
        int code;
        const char *words;
    } cases[] = {
        {"prompt: a\nheight: 250", 2,
            "job.yaml:2: height must be a multiple of 4 from 4 to 8192, found '250'"},
        {"prompt: a\nheight: 0", 2, "height must be"},
        {"prompt: a\nsteps: 0", 2,
            "num_inference_steps must be a whole number from 1 to 1000, found '0'"},
        {"prompt: a\nnum_inference_steps: 1000000", 2, "from 1 to 1000, found '1000000'"},
        {"prompt: a\nsteps: 1e2", 2, "found '1e2'"},
        {"prompt: a\nsteps: '20'", 2, "must be a plain value, found the quoted text '20'"},
        {"prompt: a\nsteps: [20]", 2, "must be a single value, found a list"},
        {"prompt: a\nsteps: {}", 2, "must be a single value, found a mapping"},
        {"prompt: {}", 2, "job.yaml:1: prompt must be a single value, found a mapping"},
        {"prompt: []", 2, "the list of prompt is empty"},
        {"prompt: a\nguidance_scale: nan", 2, "guidance_scale must be a number from 0 to 100"},
        {"prompt: a\nguidance_scale: .inf", 2, "guidance_scale must be a number"},
        {"prompt: a\neta: 1.5", 2, "eta must be a number from 0 to 1, found '1.5'"},
        {"prompt: a\noverwrite: yes", 2, "overwrite must be true or false, found 'yes'"},
        {"prompt: a\nprecision: f8", 2, "precision must be one of auto, f32, f16, found 'f8'"},
        {"prompt: a\ngemm: fast", 2, "gemm must be one of auto, own, clblast"},
        {"prompt: a\nkernels: fast", 2, "kernels must be one of auto, generic"},
        {"prompt: a\nfloat32_matmul_precision: low", 2,
            "float32_matmul_precision must be one of highest, high"},
        {"prompt: a\nrng: mersenne", 2,
            "rng must be one of torch, numpy, philox, found 'mersenne'"},
        {"prompt: a\ngenerator: each", 2, "generator must be one of image, batch, found 'each'"},
        {"prompt: a\ncompat: compvis", 2, "compat must be one of none, diffusers, found 'compvis'"},
        {"prompt: a\nstrength: 1.5", 2, "strength must be a number from 0 to 1, found '1.5'"},
        {"prompt: a\nlatents: a.npy\nstrength: 0", 2,
            "job.yaml:3: strength must be more than 0, found 0: nothing would be done"},
        {"prompt: a\nstrength: 0.5", 2,
            "job.yaml:2: a strength below 1 starts from an image, but neither image nor latents "
            "were"},
        {"prompt: [a, b]\nseed: [1, 2]\ngenerator: batch", 2,
            "job.yaml:2: 2 seeds for the one generator of 'generator: batch'; give one"},
        {"prompt: a\nhieght: 64", 2, "job.yaml:2: unknown key 'hieght', did you mean 'height'?"},
        {"prompt: a\nxyzzy: 64", 2, "job.yaml:2: unknown key 'xyzzy'"},
        {"prompt: a\nnegative_prompt: b", 2, "job.yaml:2: negative_prompt is not supported yet"},
        {"prompt: a\nprompt: b", 2, "job.yaml:2: key 'prompt' was given before"},
        {"prompt: a\nseed: -2", 2, "seed must be a whole number from 0 to 18446744073709551615"},
        {"prompt: a\nseed: 18446744073709551616", 2, "seed must be"},
        {"prompt: [a, b]\nseed: [1, -1]", 2, "cannot stand in a list"},
        {"prompt: a\noutput: x.jpg", 2, "output must end in .png, .npy or .safetensors"},
        {"prompt: a\nlatents: x.bin", 2, "latents must end in"},
        {"prompt: a\ntrace: x.npy", 2, "trace must end in .safetensors"},
        {"prompt: a\neta: 0.5\nscheduler: {name: ddim, eta: 0.4}", 2,
            "the scheduler's option eta is 0.4"},
        {"prompt: a\nscheduler: [ddim]", 2, "scheduler must be a name or a mapping, found a list"},
        {"prompt: a\nscheduler: {name: ddim, x: {}}", 2, "x must be a single value or a list"},
        {"- a", 2, "expected 'key: value' lines, found a list"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct job job = {0};
        CHECK_FAILS(build(cases[i].yaml, &job), cases[i].code, cases[i].words);
        job_free(&job);
    }
}

/* The command line over the file, prompts that join, schedulers in one word. */
static void test_command_line(void)
{
    struct job_values values = {0};
    struct job job = {0};
    struct text text = {0};
    const char *yaml = "prompt: [a, b]\nsteps: 20\nscheduler: {name: pndm, skip: 1}\n";
    CHECK_OK(job_values_parse(&values, "job.yaml", yaml, strlen(yaml)));
    CHECK_OK(set(&values, "prompt", "[c"));
    CHECK_OK(job_values_set(&values, "prompt", "d", "--prompt", true));
    CHECK_OK(set(&values, "num-inference-steps", "7"));
    CHECK_OK(set(&values, "seed", "[1, 2]"));
    CHECK_OK(set(&values, "scheduler", "skip=2"));
    CHECK_OK(job_values_text(&values, job_key_find("scheduler"), &text));
    CHECK(strcmp(text.data, "pndm,skip=2") == 0, "%s", text.data);
    CHECK_OK(set(&values, "scheduler", "ddim,eta=0.3,list=[1,2]"));
    CHECK_OK(job_build(&values, &job));
    CHECK(job.prompts.count == 2 && strcmp(job.prompts.items[0], "[c") == 0, "%s",
        job.prompts.items[0]);
    CHECK(job.num_inference_steps == 7 && job.seed_count == 2 && job.seeds[1] == 2, "options win");
    CHECK(strcmp(job.scheduler, "ddim") == 0 && job.scheduler_options.count == 2,
        "a name starts anew");
    CHECK(strcmp(settings_find(&job.scheduler_options, "list")->value, "[1,2]") == 0, "brackets");
    job_free(&job);
    text_free(&text);
    CHECK_FAILS(set(&values, "stpes", "7"), CLAT_ERROR_USAGE,
        "--stpes: unknown key 'stpes', did you mean 'steps'?");
    CHECK_FAILS(
        set(&values, "scheduler", "ddim,eta"), CLAT_ERROR_USAGE, "expected option=value, found");
    CHECK_FAILS(
        set(&values, "scheduler", "ddim,"), CLAT_ERROR_USAGE, "expected option=value, found ''");
    CHECK_FAILS(
        set(&values, "scheduler", "=1"), CLAT_ERROR_USAGE, "expected option=value, found '=1'");
    CHECK_FAILS(
        set(&values, "scheduler", "ddim,=1"), CLAT_ERROR_USAGE, "expected option=value, found");
    CHECK_FAILS(
        set(&values, "seed", "[1, x]"), CLAT_ERROR_USAGE, "--seed: seed must be a whole number");
    CHECK_FAILS(set(&values, "seed", "[1"), CLAT_ERROR_USAGE, "not valid YAML");
    CHECK_FAILS(
        set(&values, "prompt", "caf\xE9"), CLAT_ERROR_INPUT, "--prompt: the prompt is not UTF-8");
    CHECK_FAILS(set(&values, "negative_prompt", "x"), CLAT_ERROR_USAGE, "not supported yet");
    CHECK_FAILS(set(&values, "image", ""), CLAT_ERROR_USAGE, "image is empty");
    CHECK_FAILS(set(&values, "layout", "[1]"), CLAT_ERROR_USAGE, "--layout: layout: box 1");
    CHECK_FAILS(set(&values, "device", ""), CLAT_ERROR_USAGE, "device is empty");
    job_values_free(&values);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0, "cannot write %s", path);
}

/* Paths of a file start at its folder; a model's recommendations fill gaps only. */
static void test_files(void)
{
    struct job_values values = {0};
    struct job job = {0};
    char path[4096], want[8192];
    snprintf(path, sizeof path, "%s", check_scratch("job/job.yaml"));
    write_text(check_scratch("job/m"), "");
    write_text(path, "prompt: a\nmodel: m\noutput: o.png\ntrace: /t.safetensors\nsteps: 9\n");
    CHECK_OK(job_values_read(&values, path));
    const char *model = check_scratch("job/clatent.yaml");
    write_text(model, "steps: 30\nguidance_scale: 3\n");
    CHECK_OK(job_values_recommend(&values, model));
    CHECK_OK(job_values_recommend(&values, "/nonexistent/clatent.yaml"));
    CHECK_OK(job_build(&values, &job));
    snprintf(want, sizeof want, "%.*s/m", (int)(strrchr(path, '/') - path), path);
    CHECK(strcmp(job.model, want) == 0, "%s", job.model);
    CHECK(strcmp(job.trace, "/t.safetensors") == 0, "%s", job.trace);
    CHECK(job.num_inference_steps == 9 && job.guidance_scale == 3, "recommendations are lowest");
    job_free(&job);
    job_values_free(&values);
    CHECK_OK(set(&values, "prompt", "a"));
    CHECK_OK(set(&values, "scheduler", "eta=0.5"));
    write_text(model, "scheduler: {name: ddim, eta: 0.1, clip_sample: false}\n");
    CHECK_OK(job_values_recommend(&values, model));
    CHECK_OK(job_build(&values, &job));
    CHECK(job.scheduler && strcmp(job.scheduler, "ddim") == 0 && job.scheduler_options.count == 2 &&
              strcmp(settings_find(&job.scheduler_options, "eta")->value, "0.5") == 0,
        "options without a name are laid over a recommended scheduler");
    job_free(&job);
    job_values_free(&values);
    CHECK_OK(set(&values, "prompt", "a"));
    CHECK_OK(set(&values, "scheduler", "euler"));
    write_text(model, "scheduler: ddim\neta: 0.5\n");
    CHECK_OK(job_values_recommend(&values, model));
    CHECK_OK(job_build(&values, &job));
    CHECK(strcmp(job.scheduler, "euler") == 0 && !settings_find(&job.scheduler_options, "eta"),
        "a recommended eta is not for the user's scheduler");
    job_free(&job);
    write_text(model, "output: evil.png\n");
    CHECK_FAILS(job_values_recommend(&values, model), CLAT_ERROR_INPUT,
        ":1: a model cannot recommend output");
    CHECK_FAILS(
        job_values_read(&values, "/nonexistent.yaml"), CLAT_ERROR_INPUT, "/nonexistent.yaml");
    job_values_free(&values);
}

static void test_hub(void)
{
    const char *commit = "0123456789abcdef0123456789abcdef01234567";
    char root[4096], path[8192], *folder = NULL;
    snprintf(root, sizeof root, "%s", check_scratch("hub"));
    snprintf(path, sizeof path, "hub/models--org--name/snapshots/%s/x", commit);
    write_text(check_scratch(path), "");
    write_text(check_scratch("hub/models--org--name/refs/main"),
        "0123456789abcdef0123456789abcdef01234567\n");
    write_text(check_scratch("hub/models--org--name/refs/bad"), "../../../etc\n");
    setenv("HF_HUB_CACHE", root, 1);
    snprintf(path, sizeof path, "%s/models--org--name/snapshots/%s", root, commit);
    CHECK_OK(hub_find("hf:org/name", &folder));
    CHECK(folder && strcmp(folder, path) == 0, "%s", folder);
    free(folder);
    CHECK_OK(hub_find("hf:org/name@0123456789abcdef0123456789abcdef01234567", &folder));
    free(folder);
    CHECK_FAILS(hub_find("hf:org/name@bad", &folder), CLAT_ERROR_INPUT, "expected a commit id");
    CHECK_FAILS(hub_find("hf:org/name@v2", &folder), CLAT_ERROR_INPUT, "not in the hub cache");
    CHECK_FAILS(hub_find("hf:org/other", &folder), CLAT_ERROR_INPUT, "not in the hub cache");
    CHECK_FAILS(hub_find("hf:org/name@v2", &folder), CLAT_ERROR_INPUT,
        "fetch it with: hf download org/name --revision v2");
    CHECK_FAILS(hub_find("hf:org/name:no/such.ckpt", &folder), CLAT_ERROR_INPUT,
        "fetch it with: hf download org/name no/such.ckpt");
    CHECK_OK(hub_find("hf:org/name:x", &folder));
    CHECK(text_ends_with(folder, "0123456789abcdef0123456789abcdef01234567/x"), "%s", folder);
    free(folder);
    CHECK_FAILS(hub_find("hf:org/name:../x", &folder), CLAT_ERROR_USAGE, "not of the form");
    CHECK_FAILS(hub_find("hf:org/name:", &folder), CLAT_ERROR_USAGE, "not of the form");
    CHECK_FAILS(hub_find("hf:org/name@", &folder), CLAT_ERROR_USAGE, "not of the form");
    CHECK_FAILS(hub_find("hf:name", &folder), CLAT_ERROR_USAGE, "not of the form");
    CHECK_FAILS(hub_find("hf:../etc", &folder), CLAT_ERROR_USAGE, "not of the form");
    CHECK_FAILS(hub_find("hf:org/name@../../x", &folder), CLAT_ERROR_USAGE, "not of the form");
    CHECK_FAILS(hub_find("hf:a/b/c", &folder), CLAT_ERROR_USAGE, "not of the form");
}

int main(void)
{
    test_table();
    test_defaults();
    test_everything();
    test_refused();
    test_command_line();
    test_files();
    test_hub();
    return check_result();
}
