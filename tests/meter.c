/* meter.c - what a meter says of known calls, and the peak of a device. SPDX-License-Identifier:
 * MIT */
#include "check.h"
#include "device/meter.h"
#include "device/peak.h"
#include "ops/op.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 40, IN = 24, OUT = 48 };

static struct device *device;
static struct pool pool;
static struct tensor x, y, sum;
static struct linear linear;

static void open_all(void)
{
    static float weight[OUT * IN], values[ROWS * IN];
    check_random(weight, OUT * IN, 1);
    check_random(values, ROWS * IN, 2);
    CHECK_OK(pool_open(device, 1 << 20, &pool));
    CHECK_OK(linear_load(device, weight, NULL, OUT, IN, ACTIVATION_NONE, &linear));
    CHECK_OK(pool_take(&pool, POOL_FRONT, 1, 1, ROWS, IN, &x));
    CHECK_OK(pool_take(&pool, POOL_FRONT, 1, 1, ROWS, OUT, &y));
    CHECK_OK(pool_take(&pool, POOL_FRONT, 1, 1, ROWS, OUT, &sum));
    CHECK_OK(tensor_write(device, &x, values));
}

static void run_ops(int times)
{
    for (int i = 0; i < times; i++) {
        CHECK_OK(op_linear(&pool, &linear, &x, NULL, NULL, &y));
        CHECK_OK(op_add(&pool, &y, &y, &sum));
    }
}

static const struct meter_row *find(const struct meter_row *rows, size_t count, const char *op)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].op, op) == 0)
            return &rows[i];
    return NULL;
}

static void check_row(const struct meter_row *row, const char *shape, const char *kernel, int calls,
    double flop, double bytes)
{
    if (!CHECK(row != NULL, "no row of %s", shape))
        return;
    CHECK(strcmp(row->shape, shape) == 0, "shape '%s', expected '%s'", row->shape, shape);
    CHECK(strncmp(row->kernel, kernel, strlen(kernel)) == 0, "kernel '%s'", row->kernel);
    CHECK(row->calls == calls, "%d calls of %s", row->calls, row->op);
    CHECK(row->flop == flop, "%g operations of %s, expected %g", row->flop, row->op, flop);
    CHECK(row->bytes == bytes, "%g bytes of %s, expected %g", row->bytes, row->op, bytes);
    CHECK(row->seconds > 0 && row->seconds < 60, "%g seconds of %s", row->seconds, row->op);
}

static void test_rows(void)
{
    struct meter_row *rows;
    size_t count;
    run_ops(1); /* kernels are built, and nobody counts */
    CHECK(!meter_runs(device), "no meter yet");
    CHECK_OK(meter_start(device));
    CHECK(meter_runs(device), "a meter runs");
    run_ops(20); /* more than are in flight at a time */
    CHECK_OK(meter_stop(device, &rows, &count));
    CHECK(count == 2, "%zu rows", count);
    check_row(find(rows, count, "linear"), "40 x 24 -> 48", "gemm", 20, 20 * 2.0 * ROWS * IN * OUT,
        20 * (4.0 * (ROWS * IN + ROWS * OUT) + (double)linear.weight.size));
    check_row(find(rows, count, "sum"), "40 x 48", "elementwise.add_rows", 20, 0,
        20 * 4.0 * 3 * ROWS * OUT);
    CHECK(count < 2 || rows[0].seconds >= rows[1].seconds, "most seconds first");
    free(rows);
}

/* The device works as before, and a stop without a start does nothing. */
static void test_stopped(void)
{
    struct meter_row *rows;
    size_t count;
    float got[ROWS * OUT], twice[ROWS * OUT];
    CHECK(!meter_runs(device), "stopped");
    run_ops(1);
    CHECK_OK(tensor_read(device, &y, got));
    CHECK_OK(tensor_read(device, &sum, twice));
    for (int i = 0; i < ROWS * OUT; i++)
        got[i] *= 2;
    check_near("after a meter", twice, got, ROWS * OUT, 0);
    CHECK_OK(meter_stop(device, &rows, &count));
    CHECK(!rows && count == 0, "%zu rows of nothing", count);
    CHECK_OK(meter_start(device));
    CHECK_OK(meter_stop(device, &rows, &count));
    CHECK(count == 0, "%zu rows of no op", count);
    free(rows);
}

static void test_peak(void)
{
    double peak = 0;
    size_t before = device_memory_used(device);
    CHECK_OK(peak_measure(device, &peak));
    CHECK(peak > 1e8 && peak < 1e16, "%g operations per second", peak);
    CHECK(device_memory_used(device) == before, "gives its memory back");
}

int main(void)
{
    if (device_open(NULL, &device) != CLAT_OK)
        check_skip("%s", status_text());
    open_all();
    test_rows();
    test_stopped();
    test_peak();
    linear_free(device, &linear);
    pool_close(&pool);
    device_close(device);
    return check_result();
}
