/* trial.h - what the checks of all ops need: values, tensors, a verdict. SPDX-License-Identifier:
 * MIT */
#ifndef CLATENT_SELFTEST_TRIAL_H
#define CLATENT_SELFTEST_TRIAL_H

#include "base/arena.h"
#include "device/call.h"
#include "device/tensor.h"
#include "ops/op.h"
#include "selftest/selftest.h"

struct trial {
    struct device *device;
    bool has_cpu_shape; /* the device is a CPU: kernels of that shape are run too */
    struct pool pool;
    struct arena *arena; /* host memory of the case that is being run */
    const char *form;    /* "portable" or "cpu": the shape that ops choose now */
    uint64_t seed;       /* of the next values */
    double work;         /* multiply-adds that a reference may take at most; 0: as many as usual */
    void (*tell)(void *user, const struct selftest_check *check);
    void *user;
};

/* Runs one case: what it takes from arena and pool is given back. A failure that is not of one
 * check only ends the self-test. */
enum clat_status trial_case(struct trial *trial,
    enum clat_status (*run)(struct trial *trial, const void *row), const void *row);
/* Each of `count` rows of `size` bytes. */
enum clat_status trial_rows(struct trial *trial,
    enum clat_status (*run)(struct trial *trial, const void *row), const void *rows, size_t count,
    size_t size);

/* What a reference that usually takes at most so much work may take. */
double trial_work(const struct trial *trial, double usual);

/* Makes the ops choose kernels of one shape. */
void trial_shape(struct trial *trial, bool cpu);

/* `count` values, about normal: mean `shift`, standard deviation `scale`. */
enum clat_status trial_values(
    struct trial *trial, size_t count, float scale, float shift, float **values);
/* A tensor at the front of the pool: with values, or, an output, with room for the expected ones.
 */
enum clat_status trial_input(struct trial *trial, int n, int h, int w, int c, float scale,
    float shift, struct tensor *tensor, float **values);
enum clat_status trial_output(
    struct trial *trial, int n, int h, int w, int c, struct tensor *tensor, float **want);

/* An output to compare; before the op runs it is filled with not-a-number. */
struct verdict {
    const char *op, *variant;
    double limit;
    const struct tensor *y;
    const float *want; /* dense, as y */
    int step;          /* only every so many pixels are compared; 0: all */
};
enum clat_status trial_prepare(struct trial *trial, const struct tensor *y);
/* Tells the check. `outcome` is what the op returned: a fault is told, and the trial goes on,
 * except for want of memory and cancelling. */
enum clat_status trial_judge(struct trial *trial, enum clat_status outcome,
    const struct verdict *verdict, const char *shape, ...) __attribute__((format(printf, 4, 5)));

/* ---- the checks of each room of ops --------------------------------------------------------- */
enum clat_status selftest_linear(struct trial *trial); /* in the shape chosen */
enum clat_status selftest_conv(struct trial *trial);   /* in all shapes */
enum clat_status selftest_attention(struct trial *trial);
enum clat_status selftest_norm(struct trial *trial);
enum clat_status selftest_simple(struct trial *trial); /* elementwise, resample, quantize */

/* ---- the check of one call that an op noted: struct op_call ---------------------------------- */
enum clat_status selftest_linear_call(struct trial *trial, const void *call);
enum clat_status selftest_conv_call(struct trial *trial, const void *call);
enum clat_status selftest_attention_call(struct trial *trial, const void *call);
enum clat_status selftest_group_norm_call(struct trial *trial, const void *call);
enum clat_status selftest_apply_call(struct trial *trial, const void *call);
enum clat_status selftest_layer_norm_call(struct trial *trial, const void *call);

#endif
