/* outlaw.c - a plugin that breaks one rule of the contract, the one its file name says:
 * plugin_check.sh copies it to out_overrun.so, out_deaf.so, ... and expects clatent-plugin-check to
 * find each. out_none.so breaks none. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE                       /* dladdr */
#define clat_scheduler constant_scheduler /* the header's declaration, out of the way */
#include <clatent-scheduler.h>
#undef clat_scheduler
#include <dlfcn.h>
#include <fenv.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    struct clat_schedule schedule;
    int prediction_type, knob, word;
};

static const char *words[] = {"one", "two", NULL};
static struct clat_option options[] = {
    CLAT_SCHEDULE_ROWS(options, schedule, "0.00085", "0.012", "scaled_linear"),
    CLAT_PREDICTION_ROW(options, prediction_type),
    {"knob", CLAT_INT, offsetof(struct options, knob), "0", 0, 1000, NULL, "an index"},
    {"word", CLAT_CHOICE, offsetof(struct options, word), "one", 0, 0, words, "a word"}, {NULL}};
enum { KNOB = 6, WORD = 7 };

static char fault[64];
/* what no plugin may have: state outside of its runs */
static int memory;
static float shared;

static int is(const char *name)
{
    return strcmp(fault, name) == 0;
}

/* ---- plan ----------------------------------------------------------------------------------- */

static void spoil_plan(struct clat_plan *plan)
{
    if (is("count"))
        plan->count = plan->capacity + 1;
    if (is("evaluations"))
        plan->evaluations = 0;
    if (is("nan_timestep"))
        plan->timesteps[plan->count - 1] = (double)NAN;
    if (is("far_timestep"))
        plan->timesteps[0] = 1e9;
    if (is("nan_level"))
        plan->signal[0] = NAN;
    if (is("no_sigma"))
        plan->init_noise_sigma = 0;
    if (is("first"))
        plan->first = plan->count;
    if (is("capacity"))
        plan->timesteps[plan->capacity] = 1;
    if (is("before"))
        ((volatile float *)plan->sigmas)[-1] = 1;
    if (is("arrays"))
        plan->timesteps = NULL;
    if (is("replan"))
        plan->timesteps[0] -= memory++ % 2;
}

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    const struct options *o = run->options;
    int train = run->tools->train_timesteps(&o->schedule);
    float *alphas = run->scratch(run, (size_t)train);
    if (is("plan_unsaid"))
        return -1;
    if (is("plan_network"))
        return run->evaluate(run, alphas, 1, 0, alphas);
    if (is("mute"))
        return run->fail(run, "");
    if (!alphas && !is("null"))
        return run->fail(run, "no memory");
    if (plan->steps > train)
        return run->fail(run, "num_inference_steps is larger than num_train_timesteps");
    run->tools->timesteps(CLAT_TRAILING, train, plan->steps, 0, plan->timesteps);
    plan->count = plan->evaluations = plan->steps;
    run->tools->alphas_cumprod(&o->schedule, alphas);
    run->tools->level_of_alphas(plan, alphas);
    spoil_plan(plan);
    return 0;
}

/* ---- run ------------------------------------------------------------------------------------ */

static void *do_nothing(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static int recurse(volatile int *depth)
{
    volatile int next[1024] = {*depth + 1};
    return *depth < 1 << 30 ? recurse(next) + next[0] : 0;
}

static void misbehave(void)
{
    pthread_t thread;
    if (is("print"))
        puts("hello");
    if (is("exit"))
        exit(0);
    if (is("abort"))
        abort();
    if (is("hang"))
        for (;;)
            pause();
    if (is("recursion"))
        recurse((volatile int[]){0});
    if (is("thread"))
        pthread_create(&thread, NULL, do_nothing, NULL);
    if (is("rounding"))
        fesetround(FE_DOWNWARD);
    if (is("locale"))
        setlocale(LC_ALL, "C.UTF-8");
    if (is("folder") && chdir("/") != 0)
        abort();
}

static void reach_out(struct clat_run *run, float *scratch)
{
    size_t n = run->images * run->elements;
    volatile float *sample = run->sample;
    if (is("overrun"))
        sample[n] = 1;
    if (is("overread"))
        sample[0] += 0 * sample[n];
    if (is("underrun"))
        sample[-1] = 1;
    if (is("scratch"))
        ((volatile float *)scratch)[n] = 1;
    if (is("options"))
        ((volatile struct options *)(uintptr_t)run->options)->knob = 1;
    if (is("plan"))
        ((volatile struct clat_plan *)(uintptr_t)run->plan)->count = 1;
}

/* What the host is asked for in one step; 0 or what it said. */
static int ask(struct clat_run *run, int i, float *output)
{
    float *sample = run->sample;
    double t = run->plan->timesteps[i];
    shared = sample[0];
    int code = run->evaluate(run, sample, is("divisor") ? 0 : 1, is("nan_asked") ? (double)NAN : t,
        is("inplace") ? sample : output);
    if (is("shared"))
        sample[0] = shared;
    if (is("late") && code)
        run->evaluate(run, sample, 1, t, output);
    while (is("chatter") && code)
        run->evaluate(run, sample, 1, t, output);
    if (is("twice") && !code)
        code = run->evaluate(run, sample, 1, t, output);
    return is("deaf") ? 0 : is("own_code") && code ? -1 : code;
}

static int sample(struct clat_run *run)
{
    const struct options *o = run->options;
    size_t n = run->images * run->elements;
    float *alphas = run->scratch(run, (size_t)run->tools->train_timesteps(&o->schedule));
    float *output = run->scratch(run, n), *x0 = run->scratch(run, n), *e = run->scratch(run, n);
    int first = is("middle") ? 0 : run->plan->first, code;
    if (!alphas || !output || !x0 || !e)
        return is("null") ? 0 : run->fail(run, "no memory");
    run->tools->alphas_cumprod(&o->schedule, alphas);
    misbehave();
    reach_out(run, x0);
    if (is("sweep"))
        alphas[o->knob] += 0;
    if (is("pair")) /* only with both options set */
        alphas[o->word ? 999 + o->knob : 0] += 0;
    if (is("unsaid"))
        return 1;
    if (is("early"))
        return 0;
    for (int i = first; i < run->plan->count; i++) {
        int t = (int)run->plan->timesteps[i];
        float next = i + 1 < run->plan->count ? alphas[(int)run->plan->timesteps[i + 1]] : 1;
        if ((code = ask(run, i, output)))
            return code;
        run->tools->predict(o->prediction_type, alphas[t], n, run->sample, output, x0, e);
        for (size_t k = 0; k < n; k++)
            run->sample[k] = sqrtf(next) * x0[k] + sqrtf(1 - next) * e[k];
        if (is("state"))
            run->sample[0] += (float)memory++;
        if (is("batch"))
            run->sample[n - 1] += (float)run->images;
        if (is("wrong"))
            run->sample[i % (int)n] = 9;
        if (is("nan"))
            run->sample[n - 1] = NAN;
        if ((is("spread") || is("noise")) && (code = run->noise(run, e)))
            return code;
        for (size_t k = 0; is("spread") && k < n; k++)
            run->sample[k] += 0.3f * sqrtf(1 - next) * e[k];
        code =
            run->step_done(run, is("order_of_steps") ? run->plan->count - 1 - i : i, run->sample);
        if (code && !is("deaf"))
            return code;
    }
    return 0;
}

/* ---- the descriptor ------------------------------------------------------------------------- */

extern CLAT_EXPORT struct clat_plugin clat_scheduler;
struct clat_plugin clat_scheduler = {CLAT_SCHEDULER_HEADER, .title = "breaks a rule",
    .source = "tests/outlaw.c", .version = "1", .order = 1, .options_size = sizeof(struct options),
    .options = options, .plan = plan, .run = sample};

static void spoil_descriptor(void)
{
    if (is("order"))
        clat_scheduler.order = 2;
    if (is("no_order"))
        clat_scheduler.order = 0;
    if (is("spread") || is("still"))
        clat_scheduler.stochastic = 1;
    if (is("range"))
        options[KNOB].lowest = 2, options[KNOB].highest = 1;
    if (is("words"))
        words[1] = "one";
    if (is("initial"))
        options[KNOB].initial = "many";
    if (is("load_crash"))
        raise(SIGSEGV);
    if (is("load_exit"))
        _exit(0);
    if (is("load_hang"))
        for (;;)
            pause();
}

__attribute__((constructor)) static void read_own_name(void)
{
    static char name[64];
    Dl_info info;
    if (!dladdr((const void *)&clat_scheduler, &info) || !info.dli_fname)
        return;
    strncpy(name, strrchr(info.dli_fname, '/') + 1, sizeof name - 1);
    name[strcspn(name, ".")] = '\0';
    clat_scheduler.name = name;
    snprintf(fault, sizeof fault, "%s", strncmp(name, "out_", 4) == 0 ? name + 4 : "none");
    spoil_descriptor();
}
