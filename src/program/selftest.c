/* selftest.c - the kernels of a device against plain C. SPDX-License-Identifier: MIT */
#include "program/json.h"
#include "program/program.h"
#include "program/signals.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

enum form { TABLE, JSON, REPORT };

struct request {
    const char *device;
    enum form form;
};

/* --device DEVICE, -d DEVICE, --json, --report. */
static enum clat_status read_request(int count, char **arguments, struct request *request)
{
    for (int i = 0; i < count; i++) {
        const char *word = arguments[i];
        bool names_device = strcmp(word, "--device") == 0 || strcmp(word, "-d") == 0;
        if (strcmp(word, "--json") == 0)
            request->form = JSON;
        else if (strcmp(word, "--report") == 0)
            request->form = REPORT;
        else if (strncmp(word, "--device=", 9) == 0)
            request->device = word + 9;
        else if (names_device && i + 1 < count)
            request->device = arguments[++i];
        else if (names_device)
            return complain(CLAT_ERROR_USAGE, "%s needs a value: %s DEVICE", word, word);
        else {
            const char *text = shown(word);
            complain(CLAT_OK, "selftest takes --device DEVICE, --json or --report, not '%s'", text);
            clat_free(text);
            return CLAT_ERROR_USAGE;
        }
    }
    return CLAT_OK;
}

/* ---- the forms of the result ---------------------------------------------------------------- */

static void print_head(void)
{
    printf("%-20s %-28s %9s %8s  %-6s  %s\n", "op", "variant", "error", "limit", "", "shape");
}

static void print_check(void *user, const struct clat_check *check)
{
    (void)user;
    printf("%-20s %-28s", check->op, check->variant);
    if (check->fault)
        printf(" %9s", "-");
    else
        printf(" %9.1e", check->error);
    printf(" %8.1e  %-6s  %s\n", check->limit, check->passed ? "ok" : "FAILED", check->shape);
    if (check->fault) {
        printf("    ");
        print_shown(check->fault);
        printf("\n");
    }
    fflush(stdout); /* the next one may take a while */
}

static void print_sum(const struct clat_selftest *result)
{
    if (result->failed)
        printf("%zu of %zu checks FAILED\n", result->failed, result->count);
    else
        printf("all %zu checks are right\n", result->count);
}

static void print_device_json(struct json *json, const struct clat_device *device)
{
    json_begin(json, "device", '{');
    json_string(json, "name", device->name);
    json_string(json, "vendor", device->vendor);
    json_string(json, "platform", device->platform);
    json_string(json, "driver", device->driver);
    json_string(json, "version", device->version);
    json_bool(json, "cpu", device->is_cpu);
    json_uint(json, "compute_units", (uint64_t)device->compute_units);
    json_uint(json, "global_memory", device->global_memory);
    json_end(json);
}

static void print_json(const struct clat_selftest *result)
{
    struct json json = {.stream = stdout};
    json_begin(&json, NULL, '{');
    json_string(&json, "schema", "clatent/selftest/1");
    json_string(&json, "clatent", clat_version());
    print_device_json(&json, result->device);
    json_begin(&json, "checks", '[');
    for (size_t i = 0; i < result->count; i++) {
        const struct clat_check *check = &result->checks[i];
        json_begin(&json, NULL, '{');
        json_string(&json, "op", check->op);
        json_string(&json, "variant", check->variant);
        json_string(&json, "shape", check->shape);
        json_real(&json, "error", check->error);
        json_real(&json, "limit", check->limit);
        json_bool(&json, "passed", check->passed);
        json_string(&json, "fault", check->fault);
        json_end(&json);
    }
    json_end(&json);
    json_uint(&json, "count", result->count);
    json_uint(&json, "failed", result->failed);
    json_end(&json);
}

static void print_fact(const char *name, const char *value)
{
    printf("%-16s ", name);
    print_shown(value);
    printf("\n");
}

/* Names nothing of the user's: no host, folder, file or environment. */
static void print_report(const struct clat_selftest *result)
{
    const struct clat_device *device = result->device;
    struct utsname system;
    printf("clatent self-test report\n");
    print_fact("clatent", clat_version());
    if (uname(&system) == 0)
        printf("%-16s %s %s %s\n", "system", system.sysname, system.release, system.machine);
    print_fact("device", device->name);
    print_fact("vendor", device->vendor);
    print_fact("platform", device->platform);
    print_fact("version", device->version);
    print_fact("driver", device->driver);
    printf("%-16s %s, %d compute units\n", "kind", device->is_cpu ? "CPU" : "GPU or accelerator",
        device->compute_units);
    printf("%-16s %.1f GiB, largest buffer %.1f GiB, local %.0f KiB\n\n", "memory",
        (double)device->global_memory / (1 << 30), (double)device->largest_buffer / (1 << 30),
        (double)device->local_memory / 1024);
    print_head();
    for (size_t i = 0; i < result->count; i++)
        print_check(NULL, &result->checks[i]);
    print_sum(result);
}

enum clat_status selftest_run(int count, char **arguments)
{
    struct clat_options options = {.cancelled = signals_stop};
    struct clat_context *context = NULL;
    const struct clat_selftest *result = NULL;
    struct request request = {.form = TABLE};
    enum clat_status status = read_request(count, arguments, &request);
    if (status == CLAT_OK)
        status = context_open(&options, &context);
    if (status == CLAT_OK && request.form == TABLE)
        print_head();
    if (status == CLAT_OK)
        status = report(clat_selftest(
            context, request.device, request.form == TABLE ? print_check : NULL, &result));
    if (status == CLAT_OK && request.form == JSON)
        print_json(result);
    else if (status == CLAT_OK && request.form == REPORT)
        print_report(result);
    else if (status == CLAT_OK)
        print_sum(result);
    if (status == CLAT_OK && result->failed)
        status = complain(CLAT_ERROR_CHECK, "this device computes wrong results, see `FAILED`");
    clat_free(result);
    clat_close(context);
    return status;
}
