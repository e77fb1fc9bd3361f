/* launch.c - launches in parts: every group once, none for too long, the same bits.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "device/launch.h"
#include "device/pace.h"
#include "ops/op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- boxes of a grid ------------------------------------------------------------------------ */

static void check_boxes(size_t gx, size_t gy, size_t gz, size_t most)
{
    const size_t groups[3] = {gx, gy, gz};
    size_t total = gx * gy * gz, done = 0, count, parts = 0;
    struct part part;
    for (; done < total; done += count, parts++) {
        count = part_take(groups, done, most, &part);
        CHECK(count >= 1 && count <= (most ? most : 1) && done + count <= total,
            "%zux%zux%zu by %zu: %zu at %zu", gx, gy, gz, most, count, done);
        size_t first = (part.first[2] * gy + part.first[1]) * gx + part.first[0];
        size_t last =
            ((part.first[2] + part.count[2] - 1) * gy + part.first[1] + part.count[1] - 1) * gx +
            part.first[0] + part.count[0] - 1;
        CHECK(first == done && last == done + count - 1, "the box has other groups");
        if (count == 0)
            return;
    }
    CHECK(parts <= total && (most < total || parts == 1), "%zu parts", parts);
}

static void check_all_boxes(void)
{
    for (size_t most = 0; most < 40; most++) {
        check_boxes(1, 1, 1, most);
        check_boxes(5, 1, 1, most);
        check_boxes(1, 7, 1, most);
        check_boxes(1, 1, 9, most);
        check_boxes(5, 7, 1, most);
        check_boxes(3, 4, 3, most);
        check_boxes(1, 3, 5, most);
    }
    check_boxes(3, 4, 5, SIZE_MAX);
}

/* ---- the pace on a device whose groups take so many seconds, and each enqueue `cost` ------------
 */

static void check_pace(double seconds, double cost, size_t total)
{
    struct pace pace = {.groups = 16};
    int parts = 0;
    for (int round = 0; round < 20; round++)
        for (size_t done = 0; done < total && pace.groups < total && parts < 2000; parts++) {
            size_t groups = pace.groups < total - done ? pace.groups : total - done;
            double took = (double)groups * seconds + cost;
            CHECK(groups <= 16 || took < 0.2, "%zu groups of %g s at once", groups, seconds);
            pace_learn(&pace, groups, took);
            CHECK(pace.groups >= 1, "nothing goes on");
            done += groups;
        }
    bool fits = (double)total * seconds + cost < 0.5 * PACE_SECONDS;
    CHECK(!fits || pace.groups >= total, "%zu groups of %g s, %zu at once", total, seconds,
        pace.groups);
    CHECK(!fits || parts < 20, "%d parts", parts);
    bool large = (double)total * seconds > 2 * PACE_SECONDS && seconds < PACE_SECONDS / 4;
    CHECK(!large || (double)pace.groups * seconds > 0.2 * PACE_SECONDS, "parts of %g s",
        (double)pace.groups * seconds);
}

static void check_paces(void)
{
    static const double seconds[] = {0, 1e-9, 1e-7, 1e-5, 1e-3, 1e-2, 0.05, 0.3, 2};
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++)
        for (size_t total = 1; total < 1000000; total *= 9) {
            check_pace(seconds[i], 0, total);
            check_pace(seconds[i], 5e-5, total);
            check_pace(seconds[i], 5e-3, total);
        }
}

/* ---- the same bits -------------------------------------------------------------------------- */

static struct device *device;
static struct pool pool;
static struct linear narrow, wide;
static struct conv conv;
static struct norm norm, rows_norm;
static struct codebook codebook;
static struct tensor x, fold, codes;

static void random_tensor(struct tensor *tensor, int n, int h, int w, int c, uint64_t seed)
{
    CHECK_OK(pool_take(&pool, POOL_FRONT, n, h, w, c, tensor));
    float *values = malloc(tensor_elements(tensor) * sizeof *values);
    check_random(values, tensor_elements(tensor), seed);
    CHECK_OK(tensor_write(device, tensor, values));
    free(values);
}

static void load(void)
{
    enum { IN = 100, OUT = 72 };
    float *weight = malloc(sizeof *weight * 9 * 2 * OUT * IN);
    check_random(weight, (size_t)9 * 2 * OUT * IN, 1);
    CHECK_OK(linear_load(device, weight, weight, OUT, IN, ACTIVATION_GELU, &narrow));
    CHECK_OK(linear_load(device, weight, weight, OUT, IN, ACTIVATION_GEGLU, &wide));
    CHECK_OK(conv_load(device, weight, weight, OUT, IN, 1, 1, 0, &conv));
    CHECK_OK(norm_load(device, weight, weight, IN, 5, 1e-5f, &norm));
    CHECK_OK(norm_load(device, weight, weight, IN, 0, 1e-5f, &rows_norm));
    CHECK_OK(codebook_load(device, weight, 40, 4, &codebook));
    free(weight);
    random_tensor(&x, 2, 9, 13, IN, 2);
    random_tensor(&fold, 2, 1, 2, IN, 3);
    random_tensor(&codes, 2, 9, 13, 4, 4);
}

/* A tensor where what is not written shows. */
static void empty_tensor(struct tensor *tensor, int n, int h, int w, int c)
{
    CHECK_OK(pool_take(&pool, POOL_FRONT, n, h, w, c, tensor));
    float *values = malloc(tensor_elements(tensor) * sizeof *values);
    memset(values, 0xFF, tensor_elements(tensor) * sizeof *values);
    CHECK_OK(tensor_write(device, tensor, values));
    free(values);
}

/* All ops of GPU shape, one after the other, into `y`. */
static void run_ops(struct tensor y[10])
{
    struct tensor q = tensor_channels(&x, 0, 48), v = tensor_channels(&x, 50, 48);
    struct conv_call call = {.x = &x, .fold = &fold, .silu = true, .upsample = true, .y = &y[2]};
    int n = x.n, h = x.h, w = x.w;
    const int sizes[10][4] = {{n, h, w, 72}, {n, h, w, 72}, {n, 2 * h, 2 * w, 72}, {n, h, w, 48},
        {n, 1, 2, 100}, {n, h, w, 100}, {n, h, w, 100}, {n, 5, 31, 100}, {n, h / 2, w / 2, 100},
        {n, h, w, 4}};
    for (int i = 0; i < 10; i++)
        empty_tensor(&y[i], sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3]);
    CHECK_OK(op_linear(&pool, &narrow, &x, NULL, NULL, &y[0]));
    CHECK_OK(op_linear(&pool, &wide, &x, NULL, NULL, &y[1]));
    CHECK_OK(op_conv(&pool, &conv, &call));
    CHECK_OK(op_attention(&pool, &q, &v, &v, 3, 0.2f, false, &y[3]));
    CHECK_OK(op_group_norm_fold(&pool, &norm, &x, NULL, &y[4]));
    CHECK_OK(op_group_norm_apply(&pool, &x, NULL, &y[4], ACTIVATION_SILU, &y[5]));
    CHECK_OK(op_layer_norm(&pool, &rows_norm, &x, &y[6]));
    CHECK_OK(op_resize_nearest(&pool, &x, &y[7]));
    CHECK_OK(op_mean_2x2(&pool, &x, &fold, true, &y[8]));
    CHECK_OK(op_quantize(&pool, &codebook, &codes, &y[9], NULL));
}

/* Everything that run_ops computes with at most so many groups in an enqueue; freed by the caller.
 */
static float *results(size_t launch_groups, size_t *count)
{
    struct pool_mark mark = pool_mark(&pool);
    struct tensor y[10];
    float *all = NULL;
    *count = 0;
    device_force_launch(device, launch_groups);
    run_ops(y);
    for (int i = 0; i < 10; i++) {
        all = realloc(all, (*count + tensor_elements(&y[i])) * sizeof *all);
        CHECK_OK(tensor_read(device, &y[i], all + *count));
        *count += tensor_elements(&y[i]);
    }
    pool_release(&pool, POOL_FRONT, mark);
    return all;
}

static void check_bits(void)
{
    static const size_t limits[] = {1, 2, 5, 64, PACE_MEASURED, PACE_MEASURED};
    size_t count, again;
    float *whole = results(0, &count);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        float *cut = results(limits[i], &again);
        CHECK(again == count && memcmp(cut, whole, count * sizeof *cut) == 0,
            "%zu groups at once change the results", limits[i]);
        free(cut);
    }
    CHECK(check_distance(whole, whole, count) == 0, "a result was not written");
    free(whole);
}

/* ---- cancelling between parts --------------------------------------------------------------- */

static bool third_question(void *user)
{
    return ++*(int *)user == 3;
}

static void check_cancel(void)
{
    struct pool_mark mark = pool_mark(&pool);
    struct tensor y;
    int asked = 0;
    CHECK_OK(pool_take(&pool, POOL_FRONT, x.n, 40, 40, x.c, &y));
    device_force_launch(device, 1);
    device_on_cancel(device, third_question, &asked);
    CHECK_FAILS(op_resize_nearest(&pool, &x, &y), CLAT_CANCELLED, "stopped on request");
    CHECK(asked == 3, "%d questions", asked);
    device_on_cancel(device, NULL, NULL);
    CHECK_OK(op_resize_nearest(&pool, &x, &y));
    CHECK_OK(device_finish(device));
    pool_release(&pool, POOL_FRONT, mark);
}

int main(void)
{
    check_all_boxes();
    check_paces();
    if (device_open(NULL, &device) != CLAT_OK)
        check_skip("%s", status_text());
    device_force_shape(device, false);
    CHECK_OK(pool_open(device, (size_t)16 << 20, &pool));
    load();
    check_bits();
    check_cancel();
    linear_free(device, &narrow);
    linear_free(device, &wide);
    conv_free(device, &conv);
    norm_free(device, &norm);
    norm_free(device, &rows_norm);
    codebook_free(device, &codebook);
    pool_close(&pool);
    device_close(device);
    return check_result();
}
