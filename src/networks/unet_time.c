/* unet_time.c - what the timestep gives to every resnet. SPDX-License-Identifier: MIT
 *
 * columns(t) = time_proj silu(linear_2 silu(linear_1 wave(t)) [+ class]), wave as in timestep.h.
 * Its weights are read once for all planned timesteps instead of once for each evaluation. An
 * evaluation then looks its row up, which all images read: a tensor of n images that are 0 elements
 * apart. */
#include "networks/unet.h"
#include "networks/timestep.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* The sinusoids of timesteps[0], [step], [2*step], ... */
static enum clat_status write_wave(const struct forward *run, const struct unet_config *config,
    const double *timesteps, int step, const struct tensor *wave)
{
    enum clat_status status;
    float *values = NULL;
    size_t dim = (size_t)wave->c;
    TRY(memory_new((size_t)wave->n * dim, sizeof *values, &values));
    for (int i = 0; i < wave->n; i++)
        timestep_embed(timesteps[i * step], wave->c, config->flip_sin_to_cos, config->freq_shift,
            values + (size_t)i * dim);
    TRY(tensor_write(run->pool->device, wave, values));
    TRY(forward_tap(run, wave, "time_proj"));
out:
    free(values);
    return status;
}

/* silu(time_embedding + class_embedding) */
static enum clat_status embed(const struct forward *run, const struct unet *unet,
    const struct tensor *hidden, const struct tensor *embedding)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    struct tensor time, sum;
    if (!unet->config.num_class_embeds) {
        TRY(op_linear(run->pool, &unet->time2, hidden, NULL, NULL, embedding));
    } else {
        TRY(forward_temporary(run, hidden, embedding->c, &time));
        TRY(forward_temporary(run, hidden, embedding->c, &sum));
        TRY(op_linear(run->pool, &unet->time2, hidden, NULL, NULL, &time));
        TRY(op_add(run->pool, &time, &unet->classes, &sum));
        TRY(op_activate(run->pool, &sum, ACTIVATION_SILU, embedding));
    }
    TRY(forward_tap(run, embedding, "silu(time_embedding)"));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

/* columns [n][1][1][all resnets' columns]; timesteps as in write_wave. */
static enum clat_status compute(const struct forward *run, const struct unet *unet,
    const double *timesteps, int step, const struct tensor *columns)
{
    enum clat_status status;
    struct pool_mark mark = pool_mark(run->pool);
    int n = columns->n, width = unet_time_width(&unet->config);
    struct tensor wave, hidden, embedding;
    TRY(pool_take(run->pool, POOL_BACK, n, 1, 1, unet->config.block_out_channels[0], &wave));
    TRY(pool_take(run->pool, POOL_BACK, n, 1, 1, width, &hidden));
    TRY(pool_take(run->pool, POOL_BACK, n, 1, 1, width, &embedding));
    TRY(write_wave(run, &unet->config, timesteps, step, &wave));
    TRY(op_linear(run->pool, &unet->time1, &wave, NULL, NULL, &hidden));
    TRY(embed(run, unet, &hidden, &embedding));
    TRY(op_linear(run->pool, &unet->time_proj, &embedding, NULL, NULL, columns));
out:
    pool_release(run->pool, POOL_BACK, mark);
    return status;
}

/* With classes the columns differ from image to image: nothing is computed ahead. */
static int rows_ahead(const struct unet *unet, int count)
{
    if (unet->config.num_class_embeds)
        return 0;
    return count < UNET_TIMESTEPS ? count : UNET_TIMESTEPS;
}

enum clat_status unet_set_timesteps(
    const struct forward *run, struct unet *unet, const double *timesteps, int count)
{
    enum clat_status status = CLAT_OK;
    struct unet_times *times = &unet->times;
    int rows = rows_ahead(unet, count);
    unet_forget_timesteps(unet);
    if (rows == 0)
        return CLAT_OK;
    TRY(memory_new((size_t)rows, sizeof *times->timesteps, &times->timesteps));
    if (timesteps)
        memcpy(times->timesteps, timesteps, (size_t)rows * sizeof *timesteps);
    TRY(pool_take(run->pool, POOL_FRONT, rows, 1, 1, unet->time_proj.out, &times->columns));
    TRY(compute(run, unet, times->timesteps, 1, &times->columns));
    times->count = rows;
out:
    return status;
}

void unet_forget_timesteps(struct unet *unet)
{
    free(unet->times.timesteps);
    unet->times = (struct unet_times){0};
}

/* The row of a planned timestep, once for each of n images. */
static bool look_up(const struct unet_times *times, int n, double timestep, struct tensor *columns)
{
    for (int i = 0; i < times->count; i++)
        if (times->timesteps[i] == timestep) {
            *columns = tensor_batch(&times->columns, i, 1);
            columns->n = n;
            columns->stride = 0;
            return true;
        }
    return false;
}

enum clat_status unet_time(const struct forward *run, const struct unet *unet, int n,
    double timestep, struct tensor *columns)
{
    enum clat_status status = CLAT_OK;
    if (look_up(&unet->times, n, timestep, columns))
        return CLAT_OK;
    TRY(pool_take(run->pool, POOL_BACK, n, 1, 1, unet->time_proj.out, columns));
    TRY(compute(run, unet, &timestep, 0, columns));
out:
    return status;
}
