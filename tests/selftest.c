/* selftest.c - the self-test finds a kernel that is wrong, and one that does not build.
 * SPDX-License-Identifier: MIT
 *
 * cl/elementwise.cl is changed and put in the place of the program that ops would build. The
 * self-test of a right device is run by tests/cli_device.sh. */
#include "check.h"
#include "device/program.h"
#include "selftest/reference.h"
#include "selftest/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What was told. */
struct count {
    int checks, failed, faults, wrong_ops; /* wrong_ops: failed, and not `op` */
    const char *op;
    double least; /* error of those that failed */
};

static void count_check(void *user, const struct selftest_check *check)
{
    struct count *count = user;
    count->checks++;
    CHECK(check->limit >= 0 && check->shape[0] && check->variant[0], "%s", check->op);
    if (check->passed) {
        CHECK(!check->fault && check->error <= check->limit, "%s %s", check->op, check->shape);
        return;
    }
    count->failed++;
    count->faults += check->fault != NULL;
    count->wrong_ops += strcmp(check->op, count->op) != 0;
    count->least = check->error < count->least ? check->error : count->least;
}

/* The text with its first `from` replaced; freed by the caller. */
static char *replace(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    char *made = malloc(strlen(text) + strlen(to) + 1);
    if (!CHECK(at != NULL, "no '%s' in the kernel", from))
        at = text;
    memcpy(made, text, (size_t)(at - text));
    strcpy(made + (at - text), to);
    strcat(made, at + strlen(from));
    return made;
}

/* Puts a program into the device's list, as if it were cl/elementwise.cl without options. */
static void plant(struct device *device, const char *text)
{
    struct program *program = calloc(1, sizeof *program);
    program->file = strdup("elementwise");
    program->options = strdup("");
    CHECK_OK(program_build(device, "elementwise", "", text, &program->handle));
    program->next = device->programs;
    device->programs = program;
}

/* The elementwise checks of a device whose add_rows is `sum`. */
static struct count run(const char *sum)
{
    struct count count = {.op = "sum", .least = INFINITY};
    struct trial trial = {.tell = count_check, .user = &count};
    struct text source = {0};
    CHECK_OK(device_open(NULL, &trial.device));
    CHECK_OK(source_expand("elementwise", &source));
    char *text = replace(source.data,
        "TENSOR_AT(a)[(size_t)row * a_stride + column] +\n            TENSOR_AT(b)", sum);
    plant(trial.device, text);
    CHECK_OK(pool_open(trial.device, 16 << 20, &trial.pool));
    trial_shape(&trial, false);
    CHECK_OK(selftest_simple(&trial));
    CHECK(trial.pool.front == 0 && trial.pool.back == 0, "memory is kept");
    pool_close(&trial.pool);
    device_close(trial.device);
    text_free(&source);
    free(text);
    return count;
}

/* A kernel that takes more memory than the device may give is a fault of that check alone. */
static void test_fault(void)
{
    struct count count = {.op = "linear", .least = INFINITY};
    struct trial trial = {.tell = count_check, .user = &count, .form = "none"};
    struct tensor y = {.n = 1, .h = 1, .w = 1, .c = 1, .stride = 1};
    struct verdict verdict = {"linear", "none", 1e-6, &y, NULL, 0};
    void *root;
    CHECK_OK(arena_new(1, &trial.arena, &root));
    enum clat_status outcome = status_set(CLAT_ERROR_DEVICE, "does not build");
    CHECK_OK(trial_judge(&trial, outcome, &verdict, "%d", 1));
    CHECK(
        count.failed == 1 && count.faults == 1, "%d failed, %d faults", count.failed, count.faults);
    CHECK(trial_judge(&trial, CLAT_CANCELLED, &verdict, "%d", 1) == CLAT_CANCELLED, "cancelled");
    CHECK(trial_judge(&trial, CLAT_ERROR_MEMORY, &verdict, "%d", 1) == CLAT_ERROR_MEMORY, "memory");
    CHECK(count.checks == 1, "%d checks", count.checks);
    arena_free(root);
}

int main(void)
{
    static const char right[] = "TENSOR_AT(a)[(size_t)row * a_stride + column] + TENSOR_AT(b)";
    static const char wrong[] =
        "TENSOR_AT(a)[(size_t)row * a_stride + column] + 1.00001f * TENSOR_AT(b)";
    static const char empty[] = "row < 0 ? 0.0f : NAN * TENSOR_AT(b)";
    struct device *device;
    struct count count;
    test_fault();
    if (device_open(NULL, &device) != CLAT_OK)
        check_skip("%s", status_text());
    device_close(device);
    count = run(right);
    CHECK(count.checks > 20 && count.failed == 0, "%d of %d failed", count.failed, count.checks);
    count = run(wrong); /* in the fifth digit */
    CHECK(count.failed == 3 && count.wrong_ops == 0, "%d of %d failed", count.failed, count.checks);
    CHECK(count.least > 1e-6 && count.least < 1e-5, "error %g", count.least);
    count = run(empty);
    CHECK(count.failed == 3 && isinf(count.least), "%d failed, %g", count.failed, count.least);
    return check_result();
}
