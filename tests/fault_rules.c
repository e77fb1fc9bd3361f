/* fault_rules.c - which call of OpenCL fails, and how. SPDX-License-Identifier: MIT
 *
 * Rules count calls; a context that is lost fails every call on it, and waiting for one that hangs
 * never ends. The words they are written in: fault_layer.c. */
#include "fault_layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME(call) #call,
const char *const call_names[CALL_COUNT] = {CALLS(NAME)};
#undef NAME

atomic_int counts[CALL_COUNT], total, fired;

#define RULES 8
static struct rule {
    int call; /* CALL_COUNT: any */
    int code, first;
    int last; /* the same, or INT_MAX */
} rules[RULES];
static int rule_count;

static struct loss {
    int launch, code;
} losses[RULES];
static int loss_count;

/* ---- contexts that are lost, or hang --------------------------------------------------------- */

static _Atomic(cl_context) lost_contexts[RULES];

static _Atomic(cl_context) *find_lost(cl_context context)
{
    for (int i = 0; i < RULES; i++)
        if (context && lost_contexts[i] == context)
            return &lost_contexts[i];
    return NULL;
}

static void lose(cl_context context)
{
    for (int i = 0; i < RULES; i++)
        if (!lost_contexts[i]) {
            lost_contexts[i] = context;
            return;
        }
}

void revive(cl_context context)
{
    _Atomic(cl_context) *reused = find_lost(context);
    if (reused)
        *reused = NULL;
}

static int hung_launch;                  /* 0: none */
static _Atomic(cl_context) hung_context; /* its */

bool is_hung(cl_context context)
{
    return context && context == hung_context;
}

void wait_for_ever(cl_context context)
{
    while (is_hung(context))
        pause();
}

cl_context context_of_queue(cl_command_queue queue)
{
    cl_context context = NULL;
    driver->clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof context, &context, NULL);
    return context;
}

cl_context context_of_program(cl_program program)
{
    cl_context context = NULL;
    driver->clGetProgramInfo(program, CL_PROGRAM_CONTEXT, sizeof context, &context, NULL);
    return context;
}

int number_of(cl_device_id id)
{
    static _Atomic(cl_device_id) seen[RULES];
    for (int i = 0; i < RULES; i++) {
        cl_device_id none = NULL;
        if (seen[i] == id || atomic_compare_exchange_strong(&seen[i], &none, id) || seen[i] == id)
            return i;
    }
    return RULES;
}

/* False for calls of other devices than CLFAULT_DEVICE; one without a context is of all. */
static bool is_meant(cl_context context)
{
    const char *number = getenv("CLFAULT_DEVICE");
    cl_device_id id = NULL;
    if (!number || !context)
        return true;
    driver->clGetContextInfo(context, CL_CONTEXT_DEVICES, sizeof id, &id, NULL);
    return number_of(id) == atoi(number);
}

/* ---- a call --------------------------------------------------------------------------------- */

cl_int fault(enum call call, cl_context context)
{
    if (!is_meant(context))
        return CL_SUCCESS;
    int count = ++counts[call], any = ++total;
    if (find_lost(context))
        return CL_INVALID_COMMAND_QUEUE;
    for (int i = 0; i < rule_count; i++) {
        int n = rules[i].call == CALL_COUNT ? any : count;
        bool same = rules[i].call == CALL_COUNT || rules[i].call == (int)call;
        if (same && n >= rules[i].first && n <= rules[i].last) {
            fired++;
            return rules[i].code;
        }
    }
    for (int i = 0; call == CALL_clEnqueueNDRangeKernel && i < loss_count; i++)
        if (losses[i].launch == count) {
            fired++;
            lose(context);
            return losses[i].code;
        }
    if (call == CALL_clEnqueueNDRangeKernel && count == hung_launch) {
        fired++;
        hung_context = context;
    }
    return CL_SUCCESS;
}

/* ---- reading -------------------------------------------------------------------------------- */

int find_call(const char *name)
{
    int call = 0;
    while (call < CALL_COUNT && strcmp(call_names[call], name) != 0)
        call++;
    if (call == CALL_COUNT && strcmp(name, "any") != 0) {
        fprintf(stderr, "fault_layer: no function '%s'\n", name);
        exit(99);
    }
    return call;
}

/* The words of an environment variable, one by one. */
static void each_word(const char *variable, void (*take)(const char *word))
{
    const char *value = getenv(variable);
    char *copy = value ? strdup(value) : NULL, *rest = copy, *word;
    while (rest && (word = strsep(&rest, " ")))
        if (*word)
            take(word);
    free(copy);
}

static void add_rule(const char *word)
{
    char name[64] = "", plus = 0;
    struct rule rule;
    if (sscanf(word, "%63[^:]:%d:%d%c", name, &rule.code, &rule.first, &plus) < 3 ||
        rule_count == RULES)
        exit(99);
    rule.call = find_call(name);
    rule.last = plus == '+' ? 1 << 30 : rule.first;
    rules[rule_count++] = rule;
}

static void add_loss(const char *word)
{
    struct loss loss;
    if (sscanf(word, "%d:%d", &loss.launch, &loss.code) != 2 || loss_count == RULES)
        exit(99);
    losses[loss_count++] = loss;
}

void rules_read(void)
{
    rule_count = loss_count = 0;
    hung_launch = getenv("CLFAULT_HANG") ? atoi(getenv("CLFAULT_HANG")) : 0;
    hung_context = NULL;
    each_word("CLFAULT", add_rule);
    each_word("CLFAULT_LOST", add_loss);
}
