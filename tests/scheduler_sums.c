/* scheduler_sums.c - one run of every scheduler with more values, and its sum by two programs.
 * SPDX-License-Identifier: MIT
 *
 * section_g.json has runs over 1x4x8x8 values from seed 0, recorded with torch 2.15; beside each
 * stands the sum of its result as torch 1.13 gave it on another machine ("section_g_sum"). The runs
 * are replayed as in the other tests; the sums, whose tables of betas were rounded differently, are
 * met within 2e-5. */
#include "check.h"
#include "checkpoint/weights.h"
#include "formats/json.h"
#include "golden.h"
#include "trajectory.h"

#include <math.h>
#include <stdio.h>

static const struct expected table[] = {
    {.file = "section_g"},
    {.file = "section_g",
        .label = "ddim_v_zerosnr_trailing",
        .limit = 3e-7,
        .reason = "square roots of the rescaled schedule are an ulp off in the recording"},
    {.file = "section_g",
        .label = "edm_euler",
        .limit = 3e-7,
        .reason = "diffusers multiplies the network's input by the reciprocal of our divisor"},
    {.file = "section_g",
        .label = "edm_dpmpp",
        .limit = 3e-7,
        .reason = "diffusers multiplies the network's input by the reciprocal of our divisor"},
    {.file = "section_g",
        .label = "unipc_3",
        .limit = 3e-7,
        .reason = "the library behind torch solves three equations in an order of its own"},
    {.file = "section_g", .label = "ipndm", .compat = true},
};

static void check_sum(struct weights *recorded, const char *label, const struct json_t *facts)
{
    char name[128];
    double want = 0, sum = 0;
    snprintf(name, sizeof name, "%s/x", label);
    const float *x = golden_floats(recorded, name);
    CHECK(json_as_number(json_member(facts, "section_g_sum"), &want), "%s has no sum", label);
    for (size_t i = 0; i < golden_count(golden_find(recorded, name)); i++)
        sum += (double)x[i];
    CHECK(fabs(sum / want - 1) < 2e-5, "%s: the sum is %.9g, expected %.9g", label, sum, want);
}

static void check_sums(void)
{
    struct json *cases = NULL;
    void *place = NULL;
    const char *label;
    const struct json_t *facts;
    struct weights *recorded = golden_open(check_data("goldens/schedulers/section_g.safetensors"));
    if (CHECK_OK(json_open(check_data("goldens/schedulers/section_g.json"), 1 << 20, &cases)))
        while (json_next(json_member(json_root(cases), "cases"), &place, &label, &facts))
            check_sum(recorded, label, facts);
    json_close(cases);
    weights_close(recorded);
}

int main(void)
{
    trajectories_replay(table, sizeof table / sizeof *table);
    check_sums();
    return check_result();
}
