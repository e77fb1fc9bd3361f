/* selftest.c - every kernel variant of a device against plain C. SPDX-License-Identifier: MIT */
#include "selftest/selftest.h"
#include "selftest/trial.h"

#define POOL_SIZE ((size_t)160 << 20) /* of the largest case: its tensors and an op's scratch */

/* All that ops choose by the shape of kernels, in one of them. */
static enum clat_status run_shape(struct trial *trial, bool cpu)
{
    enum clat_status status;
    trial_shape(trial, cpu);
    TRY(selftest_linear(trial));
    TRY(selftest_attention(trial));
    TRY(selftest_norm(trial));
    TRY(selftest_simple(trial));
out:
    return status;
}

enum clat_status selftest_all(
    struct device *device, void (*tell)(void *user, const struct selftest_check *check), void *user)
{
    enum clat_status status;
    bool cpu = device_facts(device)->is_cpu, half = device_stores_half(device);
    struct trial trial = {.device = device, .has_cpu_shape = cpu, .tell = tell, .user = user};
    TRY(pool_open(device, POOL_SIZE, &trial.pool));
    TRY(run_shape(&trial, false));
    if (cpu)
        TRY(run_shape(&trial, true));
    TRY(selftest_conv(&trial));
out:
    device_force_shape(device, cpu);
    device_store_half(device, half);
    pool_close(&trial.pool);
    return status;
}
