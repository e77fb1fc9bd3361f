/* gemm_clblast.c - linear layers by CLBlast's SGEMM. SPDX-License-Identifier: MIT
 *
 * Weights stay [out][in]; y = x wT goes straight to y (with GEGLU to a temporary of twice its
 * width), x2 is a second product added to the first, and one kernel does bias, activation and
 * residual. CLBlast 1.5 stores into its program cache without a lock (mended in 1.6.1), so one lock
 * of ours is held around each call. Its batched routines ignore strides in places: not used.
 *
 * Which of its kernels runs, and so the order of sums, depends on the size of a product: a call
 * takes the rows of one image, so that how many share a batch changes none. And since CLBlast
 * cannot be told to cut a launch (device/pace.h), it takes at most CALL_FLOP of them. */
#include "config.h"
#include "ops/gemm.h"
#include "device/launch.h"
#include "device/opencl.h"

void gemm_set_engine(struct device *device, enum gemm_engine engine)
{
    device->gemm_engine = engine;
}

enum gemm_engine gemm_engine_of(const struct device *device)
{
    return device->gemm_engine;
}

#if HAVE_CLBLAST
#include <clblast_c.h>
#include <pthread.h>

static pthread_mutex_t clblast_lock = PTHREAD_MUTEX_INITIALIZER;

bool gemm_clblast_is_there(void)
{
    return true;
}

enum clat_status gemm_clblast_check(void)
{
    return CLAT_OK;
}

#define CALL_FLOP 4e9 /* a tenth of a second where 40 GFLOP/s are done */

static void forget_programs(struct device *device)
{
    (void)device;
    pthread_mutex_lock(&clblast_lock);
    CLBlastClearCache();
    pthread_mutex_unlock(&clblast_lock);
}

/* Rows [first, first + rows) of z [..][n] = x wT + beta z, for the columns of w [n][in] from
 * `column` on. */
static enum clat_status multiply_rows(struct device *device, const struct linear *linear, int n,
    const struct tensor *x, int column, float beta, const struct tensor *z, size_t first,
    size_t rows)
{
    size_t in = (size_t)linear->in, x_stride = (size_t)x->stride, z_stride = (size_t)z->stride;
    device_on_close(device, forget_programs);
    pthread_mutex_lock(&clblast_lock);
    CLBlastStatusCode code = CLBlastSgemm(CLBlastLayoutRowMajor, CLBlastTransposeNo,
        CLBlastTransposeYes, rows, (size_t)n, (size_t)x->c, 1.0f, x->memory,
        x->offset + first * x_stride, x_stride, linear->weight.memory, (size_t)column, in, beta,
        z->memory, z->offset + first * z_stride, z_stride, &device->queue, NULL);
    pthread_mutex_unlock(&clblast_lock);
    if (code == CLBlastSuccess)
        return CLAT_OK;
    return opencl_fault(device, (cl_int)code, "CLBlastSgemm of %zu x %d x %d", rows, n, x->c);
}

/* All rows, those of one image after the other. */
static enum clat_status multiply(struct device *device, const struct linear *linear, int n,
    const struct tensor *x, int column, float beta, const struct tensor *z)
{
    enum clat_status status = CLAT_OK;
    size_t image = tensor_pixels(x) / (size_t)x->n, most = image;
    double row_flop = 2.0 * n * x->c;
    if (device->facts.launch_groups && row_flop * (double)image > CALL_FLOP)
        most = row_flop < CALL_FLOP ? (size_t)(CALL_FLOP / row_flop) : 1;
    for (size_t first = 0, rows; !device->dry && first < tensor_pixels(x); first += rows) {
        size_t left = image - first % image;
        rows = left < most ? left : most;
        TRY(multiply_rows(device, linear, n, x, column, beta, z, first, rows));
    }
out:
    return status;
}

static enum clat_status finish(struct device *device, const struct linear *linear,
    const struct tensor *z, const struct tensor *residual, const struct tensor *y)
{
    bool pairs = linear->activation == ACTIVATION_GEGLU;
    struct kernel *kernel;
    enum clat_status status;
    TRY(kernel_find(device, "gemm", "epilogue", "", &kernel));
    TRY(launch(device, kernel, grid2((size_t)y->c, tensor_pixels(y), 64, 4), ARG_TENSOR(z),
        ARG_INT(z->stride), ARG_BUFFER(&linear->bias), ARG_TENSOR(residual),
        ARG_INT(residual ? residual->stride : 0), ARG_TENSOR(y), ARG_INT(y->stride),
        ARG_INT((int)tensor_pixels(y)), ARG_INT(y->c), ARG_INT(linear->activation),
        ARG_INT(pairs)));
out:
    return status;
}

enum clat_status gemm_clblast_run(struct pool *pool, const struct linear *linear,
    const struct tensor *x, const struct tensor *x2, const struct tensor *residual,
    const struct tensor *y)
{
    bool pairs = linear->activation == ACTIVATION_GEGLU;
    int n = linear->out * (pairs ? 2 : 1);
    struct tensor z = *y;
    struct pool_mark mark = pool_mark(pool);
    enum clat_status status;
    if (pairs)
        TRY(pool_take(pool, POOL_BACK, y->n, y->h, y->w, n, &z));
    TRY(multiply(pool->device, linear, n, x, 0, 0, &z));
    if (x2)
        TRY(multiply(pool->device, linear, n, x2, x->c, 1, &z));
    TRY(finish(pool->device, linear, &z, residual, y));
out:
    pool_release(pool, POOL_BACK, mark);
    return status;
}

#else

bool gemm_clblast_is_there(void)
{
    return false;
}

enum clat_status gemm_clblast_check(void)
{
    return status_set(CLAT_ERROR_USAGE, "gemm: clblast is not in this build of clatent "
                                        "(configured --without-clblast); use auto or own");
}

enum clat_status gemm_clblast_run(struct pool *pool, const struct linear *linear,
    const struct tensor *x, const struct tensor *x2, const struct tensor *residual,
    const struct tensor *y)
{
    (void)pool, (void)linear, (void)x, (void)x2, (void)residual, (void)y;
    return gemm_clblast_check();
}

#endif
