/* jobs.c - lists of jobs, files of prompts, sweeps: what they come to, and what is refused.
 * SPDX-License-Identifier: MIT */
#include "base/text.h"
#include "check.h"
#include "job/expand.h"
#include "job/list.h"
#include "job/prompt_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char folder[] = "tests/tmp/jobs";

static void write_file(const char *name, const char *text, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(text, 1, size, file) == size && fclose(file) == 0, "%s", path);
}

/* A list of jobs of one YAML text. */
static enum clat_status read_list(struct job_list *list, const char *yaml)
{
    write_file("jobs.yaml", yaml, strlen(yaml));
    return job_list_read(list, "tests/tmp/jobs/jobs.yaml");
}

static const char *item(const struct job_values *values, const char *key, size_t index)
{
    const struct job_value *value = &values->value[job_key_find(key)];
    return index < value->count ? value->items[index] : "";
}

static size_t count(const struct job_values *values, const char *key)
{
    return values->value[job_key_find(key)].count;
}

#define SAME(a, b) CHECK(strcmp(a, b) == 0, "'%s', not '%s'", a, b)

/* ---- lists ---------------------------------------------------------------------------------- */

/* The top is for all, wherever it stands; a job's own keys win, options over both. */
static void a_list_of_jobs(void)
{
    struct job_list list = {.count = 0};
    CHECK_OK(read_list(&list,
        "seed: 3\njobs:\n  - prompt: a\n    scheduler: {name: ddim, eta: 0.3}\n"
        "  - {prompt: [b, c], seed: 9, output: 'o/{index}.png'}\nscheduler: euler\n"));
    CHECK(list.count == 2, "%zu jobs", list.count);
    const struct job_values *one = &list.entries[0].values, *two = &list.entries[1].values;
    SAME(item(one, "seed", 0), "3");
    SAME(item(one, "scheduler", 0), "ddim");
    CHECK(one->scheduler_options.count == 1 && two->scheduler_options.count == 0, "options");
    SAME(item(two, "scheduler", 0), "euler");
    SAME(item(two, "seed", 0), "9");
    SAME(item(two, "output", 0), "tests/tmp/jobs/o/{index}.png");
    SAME(list.entries[1].name, "job 2 (tests/tmp/jobs/jobs.yaml:5)");
    CHECK_OK(job_list_set(&list, "steps", "7", "--steps", false));
    CHECK_OK(job_list_set(&list, "seed", "1", "--seed", false));
    CHECK_OK(job_list_fill(&list, "output", "x.png", "default"));
    SAME(item(one, "num_inference_steps", 0), "7");
    SAME(item(two, "seed", 0), "1");
    SAME(item(one, "output", 0), "x.png");
    SAME(item(two, "output", 0), "tests/tmp/jobs/o/{index}.png");
    CHECK_OK(read_list(&list, "prompt: z\n"));
    CHECK(list.count == 0, "a file without a list has one job");
    job_list_free(&list);
}

static void bad_lists(void)
{
    static const struct {
        const char *yaml, *words;
    } cases[] = {
        {"jobs:\n- prompt: a\n- prompt: b\n  hieght: 64\n",
            "job 2: tests/tmp/jobs/jobs.yaml:4: unknown key 'hieght', did you mean 'height'?"},
        {"jobs:\n- prompt: a\n- steps: 0\n", "job 2: tests/tmp/jobs/jobs.yaml:3: num_inference"},
        {"jobs: 7\n", "jobs.yaml:1: jobs must be a list of 1 to 1000 jobs"},
        {"jobs: []\n", "found one of another length"},
        {"jobs: {prompt: a}\n", "found a mapping"},
        {"jobs: [a]\n", "job 1: tests/tmp/jobs/jobs.yaml:1: expected 'key: value' lines"},
        {"jobs:\n- quiet: true\n", "job 1: tests/tmp/jobs/jobs.yaml:2: quiet is for all jobs"},
        {"jobs:\n- jobs: []\n", "job 1: tests/tmp/jobs/jobs.yaml:2: unknown key 'jobs'"},
        {"jobs:\n- prompt: a\n---\nprompt: b\n", "jobs.yaml:3: a second document (---)"},
        {"jobs: []\njobs: []\n", "key 'jobs' was given before"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct job_list list = {.count = 0};
        CHECK_FAILS(read_list(&list, cases[i].yaml), CLAT_ERROR_USAGE, cases[i].words);
        job_list_free(&list);
    }
}

/* ---- axes ----------------------------------------------------------------------------------- */

static void axes(void)
{
    static const struct {
        const char *text, *values; /* joined by spaces */
    } cases[] = {
        {"scheduler=ddim,euler", "ddim euler"},
        {"scheduler=[ddim, \"ddim,eta=0.3\", 'DPM++ 2M']", "ddim ddim,eta=0.3 DPM++ 2M"},
        {"steps=10,20", "10 20"},
        {"steps=1-4", "1 2 3 4"},
        {"steps=10-30(+10)", "10 20 30"},
        {"steps=10 - 29 (+10)", "10 20"},
        {"steps=10-20[3],50", "10 15 20 50"},
        {"guidance_scale=1-9[5]", "1 3 5 7 9"},
        {"guidance_scale=0.5-2", "0.5 1.5"},
        {"guidance_scale=1-2(+0.25)", "1 1.25 1.5 1.75 2"},
        {"guidance_scale=1e-3,1e-1", "1e-3 1e-1"},
        {"seed=18446744073709551614-18446744073709551615",
            "18446744073709551614 18446744073709551615"},
        {"eta=[0, 0.5-1(+0.5)]", "0 0.5 1"},
        {"prompt=a circle, a star", "a circle  a star"},
        {"prompt=1-4", "1-4"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sweep_axis axis = {.count = 0};
        struct text all = {0};
        CHECK_OK(sweep_axis_read(cases[i].text, "--sweep", &axis));
        for (size_t j = 0; j < axis.count; j++)
            CHECK_OK(text_print(&all, "%s%s", j ? " " : "", axis.items[j]));
        SAME(all.data, cases[i].values);
        text_free(&all);
        sweep_axis_free(&axis);
    }
}

static void bad_axes(void)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "expected KEY=VALUE,VALUE,..., found ''"},
        {"steps", "expected KEY=VALUE"},
        {"=3", "expected KEY=VALUE"},
        {"stesp=3", "unknown key 'stesp', did you mean 'steps'?"},
        {"batch_size=1,2", "batch_size cannot be an axis"},
        {"output=a.png", "output cannot be an axis"},
        {"sweep=a", "sweep cannot be an axis"},
        {"steps=", "num_inference_steps must be a whole number"},
        {"steps=10,,20", "found ''"},
        {"steps=10,10", "num_inference_steps has '10' twice"},
        {"steps=0-3", "num_inference_steps must be a whole number from 1 to 1000, found '0'"},
        {"steps=9-3", "the range '9-3' must be of whole numbers, the smaller one first"},
        {"steps=1-3(+0.5)", "must be of whole numbers"},
        {"steps=1-3(0)", "found '1-3(0)'"},
        {"seed=0-18446744073709551615", "is too long"},
        {"guidance_scale=0-1(+0.0001)", "is too long"},
        {"guidance_scale=3-1", "must have the smaller number first"},
        {"steps=[1, [2]]", "must be texts or numbers"},
        {"steps=[]", "the list of num_inference_steps is empty"},
        {"steps=[1", "not valid YAML"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_FAILS(sweep_axis_check(cases[i].text, "--sweep"), CLAT_ERROR_USAGE, cases[i].words);
}

/* ---- what a job comes to -------------------------------------------------------------------- */

static enum clat_status expand(struct job_plan *plan, const char *yaml)
{
    struct job_list list = {.count = 0};
    enum clat_status status = read_list(&list, yaml);
    if (status == CLAT_OK)
        status = job_expand(plan, &list.top, NULL);
    job_list_free(&list);
    return status;
}

/* Prompts and seeds share a run, schedulers do not; numbers are those of the cells. */
static void a_sweep(void)
{
    struct job_plan plan = {.run_count = 0};
    CHECK_OK(expand(&plan, "prompt: [p, q]\nbatch_size: 2\nseed: 5\noutput: a.png\n"
                           "sweep:\n  scheduler: [ddim, 'euler']\n  steps: 3-4\n"));
    CHECK(plan.part_count == 1 && plan.parts[0].units == 16 && plan.parts[0].axis_count == 4,
        "%zu units", plan.parts[0].units);
    CHECK(plan.run_count == 4, "%zu runs", plan.run_count);
    const struct job_run *run = &plan.runs[1];
    SAME(run->name, "scheduler=ddim, num_inference_steps=4");
    CHECK(!run->whole && run->count == 4 && run->units[0] == 4 && run->units[3] == 7, "units");
    SAME(item(&run->values, "prompt", 1), "p");
    SAME(item(&run->values, "prompt", 2), "q");
    SAME(item(&run->values, "seed", 0), "5");
    SAME(item(&run->values, "seed", 3), "6");
    CHECK(count(&run->values, "seed") == 4 && count(&run->values, "prompt") == 4, "lists");
    CHECK(count(&run->values, "batch_size") == 0 && count(&run->values, "sweep") == 0, "gone");
    SAME(item(&run->values, "scheduler", 0), "ddim");
    job_plan_free(&plan);
}

/* Seeds alone: one prompt, a batch. */
static void a_sweep_of_seeds(void)
{
    struct job_plan plan = {.run_count = 0};
    CHECK_OK(expand(&plan, "prompt: p\nseed: 0\nsweep: {seed: 1-3}\n"));
    CHECK(plan.run_count == 1 && plan.runs[0].count == 3, "%zu runs", plan.run_count);
    SAME(item(&plan.runs[0].values, "batch_size", 0), "3");
    CHECK(count(&plan.runs[0].values, "prompt") == 1, "one prompt");
    SAME(item(&plan.runs[0].values, "seed", 2), "3");
    job_plan_free(&plan);
}

/* Where the noise of an image depends on the others, or a file starts them, each runs alone. */
static void what_shares_no_run(void)
{
    struct job_plan plan = {.run_count = 0};
    CHECK_OK(expand(&plan, "prompt: p\nseed: 0\ngenerator: batch\nsweep: {seed: 1-3}\n"));
    CHECK(plan.run_count == 3 && plan.runs[0].whole, "%zu runs", plan.run_count);
    job_plan_free(&plan);
    CHECK_OK(expand(&plan, "prompt: p\nseed: 0\nlatents: l.npy\nsweep: {prompt: [a, b]}\n"));
    CHECK(plan.run_count == 2, "%zu runs", plan.run_count);
    job_plan_free(&plan);
}

/* Models change least often, whatever the order of the axes. */
static void models_are_the_outer_loop(void)
{
    struct job_plan plan = {.run_count = 0};
    CHECK_OK(expand(
        &plan, "prompt: p\nseed: 0\nsweep:\n  steps: [2, 3]\n  model: [/m, /n]\n  eta: [0, 1]\n"));
    CHECK(plan.run_count == 8, "%zu runs", plan.run_count);
    static const size_t order[] = {0, 1, 4, 5, 2, 3, 6, 7};
    for (size_t i = 0; i < 8; i++) {
        SAME(item(&plan.runs[i].values, "model", 0), i < 4 ? "/m" : "/n");
        CHECK(plan.runs[i].units[0] == order[i], "run %zu has cell %zu", i, plan.runs[i].units[0]);
    }
    job_plan_free(&plan);
}

static void bad_sweeps(void)
{
    static const struct {
        const char *yaml, *words;
    } cases[] = {
        {"sweep: [a]\n", "jobs.yaml:1: sweep must be a mapping"},
        {"sweep: {}\n", "found an empty one"},
        {"sweep: {xyz: [1]}\n", "jobs.yaml:1: unknown key 'xyz'"},
        {"sweep:\n  steps: [1]\n  eta: [7]\n", "jobs.yaml:3: eta must be a number from 0 to 1"},
        {"sweep: {steps: {a: 1}}\n", "the values of num_inference_steps must be texts or numbers"},
        {"seed: 0\nsweep: {steps: 1-1000, guidance_scale: 0-99}\n",
            "the sweep has more than 4096 images"},
        {"seed: 0\nsweep: {steps: 1, num_inference_steps: 2}\n", "two axes for num_inference"},
        {"seed: 0\nbatch_size: 2\nsweep: {seed: 1-2}\n", "leave batch_size out"},
        {"seed: 0\nsweep: {steps: 1, eta: 0, guidance_scale: 1, seed: 1, prompt: a, rng: numpy, "
         "compat: none}\n",
            "a sweep of more than 6 axes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct job_plan plan = {.run_count = 0};
        CHECK_FAILS(expand(&plan, cases[i].yaml), CLAT_ERROR_USAGE, cases[i].words);
        job_plan_free(&plan);
    }
}

/* ---- files of prompts ----------------------------------------------------------------------- */

static enum clat_status expand_prompts(
    struct job_plan *plan, const char *yaml, const char *prompts, size_t size)
{
    write_file("prompts.txt", prompts, size);
    return expand(plan, yaml);
}

/* Without options they are a list, and the job stays one. */
static void plain_prompts(void)
{
    struct job_plan plan = {.run_count = 0};
    static const char text[] = "\xEF\xBB\xBF# hello\r\n  a \"red\" circle \r\n\n\tit's -- a star";
    CHECK_OK(expand_prompts(
        &plan, "prompt_file: prompts.txt\nseed: 4\nbatch_size: 2\n", text, strlen(text)));
    CHECK(plan.run_count == 1 && plan.runs[0].whole && !plan.runs[0].name, "one run");
    SAME(item(&plan.runs[0].values, "prompt", 0), "a \"red\" circle");
    SAME(item(&plan.runs[0].values, "prompt", 1), "it's -- a star");
    CHECK(count(&plan.runs[0].values, "prompt_file") == 0, "the file is read");
    job_plan_free(&plan);
}

/* With them each line has its own job; seeds count on over all images. */
static void prompts_with_options(void)
{
    struct job_plan plan = {.run_count = 0};
    static const char text[] = "one\n"
                               "two --steps 9 --batch-size=2\n"
                               "three --seed 70\n"
                               "--prompt 'four, \"4\"' --prompt \"fi've\" --overwrite\n"
                               "six --image a\\ b.png --strength 0.5\n"
                               "{\"prompt\": \"seven\", \"num_inference_steps\": 9}\n"
                               "eight\n";
    CHECK_OK(expand_prompts(
        &plan, "prompt_file: prompts.txt\nseed: 4\noverwrite: false\n", text, strlen(text)));
    CHECK(plan.parts[0].units == 9, "%zu units", plan.parts[0].units);
    CHECK(plan.run_count == 4, "%zu runs", plan.run_count);
    const struct job_run *run = plan.runs;
    SAME(run[0].name, "tests/tmp/jobs/prompts.txt:1");
    static const char *const prompts[] = {"one", "three", "eight"}, *const seeds[] = {
                                                                        "4", "70", "12"};
    CHECK(run[0].count == 3, "%zu in the first run", run[0].count);
    for (size_t i = 0; i < 3; i++) {
        SAME(item(&run[0].values, "prompt", i), prompts[i]);
        SAME(item(&run[0].values, "seed", i), seeds[i]);
    }
    CHECK(run[0].units[1] == 3 && run[0].units[2] == 8, "units of the first run");
    SAME(item(&run[1].values, "num_inference_steps", 0), "9");
    SAME(item(&run[1].values, "seed", 0), "5");
    SAME(item(&run[1].values, "seed", 1), "6");
    SAME(item(&run[1].values, "seed", 2), "11");
    SAME(item(&run[1].values, "prompt", 2), "seven");
    SAME(item(&run[2].values, "prompt", 0), "four, \"4\"");
    SAME(item(&run[2].values, "prompt", 1), "fi've");
    SAME(item(&run[2].values, "seed", 1), "9");
    SAME(item(&run[3].values, "image", 0), "tests/tmp/jobs/a b.png");
    SAME(item(&run[3].values, "seed", 0), "10");
    job_plan_free(&plan);
}

static void bad_prompts(void)
{
    static const struct {
        const char *text;
        size_t size; /* 0: up to the NUL */
        int code;
        const char *words;
    } cases[] = {
        {"", 0, 3, "prompts.txt: there is no prompt in it"},
        {"# only\n\n", 0, 3, "there is no prompt"},
        {"a\nb\0c\n", 6, 3, "prompts.txt:2: not UTF-8 text"},
        {"a\ncaf\xE9\n", 0, 3, "prompts.txt:2: not UTF-8 text"},
        {"a\nb --steps\n", 0, 2, "prompts.txt:2: --num_inference_steps needs a value"},
        {"b --steps x\n", 0, 2, "prompts.txt:1: num_inference_steps must be a whole number"},
        {"b --stesp 3\n", 0, 2, "prompts.txt:1: unknown key 'stesp', did you mean 'steps'?"},
        {"b --steps 3 more words\n", 0, 2, "prompts.txt:1: what is 'more'?"},
        {"b --steps '3\n", 0, 2, "prompts.txt:1: a quote (') is not closed"},
        {"b --prompt c\n", 0, 2, "prompts.txt:1: two prompts"},
        {"b --quiet\n", 0, 2, "prompts.txt:1: quiet cannot stand in a file of prompts"},
        {"b --prompt-file x\n", 0, 2, "prompt_file cannot stand in a file of prompts"},
        {"a\n\n{\"prompt\": \"x\", \"y\": 1}\n", 0, 2, "prompts.txt:3: unknown key 'y'"},
        {"a\n{\"prompt\": \"x\"\n", 0, 2, "prompts.txt:2: not valid YAML"},
        {"a\n{\"prompt\": \"x\", \"quiet\": true}\n", 0, 2, "prompts.txt:2: quiet cannot stand"},
        {"a\n{\"prompt\": \"x\", \"prompt\": \"y\"}\n", 0, 2, "prompts.txt:2: key 'prompt' was"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct job_plan plan = {.run_count = 0};
        size_t size = cases[i].size ? cases[i].size : strlen(cases[i].text);
        CHECK_FAILS(
            expand_prompts(&plan, "prompt_file: prompts.txt\nseed: 4\n", cases[i].text, size),
            cases[i].code, cases[i].words);
        job_plan_free(&plan);
    }
}

/* More than there may be: of bytes in a line, of lines. */
static void large_prompts(void)
{
    struct job_plan plan = {.run_count = 0};
    char *text = malloc(100000);
    memset(text, 'a', 100000);
    CHECK_FAILS(expand_prompts(&plan, "prompt_file: prompts.txt\nseed: 4\n", text, 100000),
        CLAT_ERROR_INPUT, "prompts.txt:1: a line of 100000 bytes; at most 65536 are allowed");
    for (size_t i = 1; i < 100000; i += 2)
        text[i] = '\n';
    CHECK_FAILS(expand_prompts(&plan, "prompt_file: prompts.txt\nseed: 4\n", text, 100000),
        CLAT_ERROR_INPUT, "prompts.txt:10001: more than 10000 prompts");
    free(text);
    job_plan_free(&plan);
}

static void prompts_that_do_not_go_together(void)
{
    static const struct {
        const char *yaml, *words;
    } cases[] = {
        {"prompt_file: prompts.txt\nprompt: a\nseed: 1\n", "jobs.yaml:1: prompt and prompt_file"},
        {"prompt_file: prompts.txt\nseed: 1\nsweep: {eta: [0, 1]}\n", "a sweep takes plain"},
        {"prompt_file: prompts.txt\nseed: [1, 2]\n", "give one seed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct job_plan plan = {.run_count = 0};
        CHECK_FAILS(expand_prompts(&plan, cases[i].yaml, "a\nb --steps 3\n", 14), CLAT_ERROR_USAGE,
            cases[i].words);
        job_plan_free(&plan);
    }
}

int main(void)
{
    mkdir("tests/tmp", 0777);
    mkdir(folder, 0777);
    a_list_of_jobs();
    bad_lists();
    axes();
    bad_axes();
    a_sweep();
    a_sweep_of_seeds();
    what_shares_no_run();
    models_are_the_outer_loop();
    bad_sweeps();
    plain_prompts();
    prompts_with_options();
    bad_prompts();
    large_prompts();
    prompts_that_do_not_go_together();
    return check_result();
}
