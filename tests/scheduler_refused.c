/* scheduler_refused.c - what schedulers refuse, each with one sentence. SPDX-License-Identifier:
 * MIT
 *
 * rejected.json lists the combinations of options that diffusers' classes refuse, or answer with
 * numbers that are none. The table below adds those that need no recording. */
#include "check.h"
#include "formats/json.h"
#include "golden.h"
#include "sampling/sampler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum clat_status try_plan(
    const char *name, const struct settings *user, int steps, double strength, bool compat)
{
    struct scheduler *scheduler = NULL;
    struct plan_outline outline;
    struct plan_request request = {steps, strength, compat};
    enum clat_status status = scheduler_open(name, NULL, user, &scheduler);
    if (status == CLAT_OK)
        status = scheduler_plan(scheduler, &request, &outline);
    scheduler_close(scheduler);
    return status;
}

/* ---- what diffusers refuses ----------------------------------------------------------------- */

static void add_all(struct settings *settings, const struct json_t *object)
{
    void *place = NULL;
    const char *key;
    const struct json_t *value;
    while (json_next(object, &place, &key, &value)) {
        char *text = NULL;
        CHECK_OK(json_text(value, &text));
        CHECK_OK(settings_set(settings, key, text, "recorded"));
        free(text);
    }
}

/* One sentence about the option that is wrong. */
static void check_refused(const char *label, const struct json_t *facts)
{
    struct settings user = {0};
    long long steps = 0;
    const char *wrong = strstr(label, "solver_type") ? "solver_type" : "prediction_type";
    json_as_integer(json_member(facts, "n"), &steps);
    add_all(&user, json_member(facts, "config"));
    enum clat_status status =
        try_plan(json_as_string(json_member(facts, "cls")), &user, (int)steps, 1, false);
    CHECK(
        status == CLAT_ERROR_USAGE && strstr(status_text(), wrong) && !strchr(status_text(), '\n'),
        "%s: status %d: %s", label, (int)status, status_text());
    settings_free(&user);
}

static void refused_by_diffusers(void)
{
    struct json *cases = NULL;
    void *place = NULL;
    const char *label;
    const struct json_t *facts;
    if (CHECK_OK(json_open(check_data("goldens/schedulers/rejected.json"), 1 << 20, &cases)))
        while (json_next(json_member(json_root(cases), "cases"), &place, &label, &facts))
            check_refused(label, facts);
    json_close(cases);
}

/* ---- ours ----------------------------------------------------------------------------------- */

struct refused {
    const char *name, *key, *value; /* a scheduler, and one option beside its defaults */
    int steps;
    double strength;
    bool compat;
    const char *words; /* in the sentence */
};

static const struct refused table[] = {
    {"ddpm", "variance_type", "learned", 10, 1, false, "networks that predict the variance"},
    {"ddpm", "variance_type", "learned_range", 10, 1, false, "networks that predict the variance"},
    {"ddpm", "variance_type", "small", 10, 1, false, "one of fixed_small, fixed_small_log"},
    {"ddpm", "timesteps", "[900, 901]", 2, 1, false, "must fall"},
    {"ddpm", "timesteps", "[900, 900]", 2, 1, false, "must fall"},
    {"ddpm", "timesteps", "[900.5, 3]", 2, 1, false, "whole numbers"},
    {"ddpm", "timesteps", "[1000, 3]", 2, 1, false, "below those that the model was trained with"},
    {"ddpm", "timesteps", "[3, -1]", 2, 1, false, "number"},
    {"ddpm", "steps_offset", "1", 1000, 1, false, "steps_offset"},
    {"ddpm", "steps_offset", "0", 1001, 1, false, "larger than num_train_timesteps"},
    {"ddpm", "steps_offset", "0", 10, 0.05, false, "strength"},
    {"ddpm", "rescale_betas_zero_snr", "true", 1000, 1, false, "needs v_prediction"},
    {"pndm", "prediction_type", "sample", 10, 1, false, "one of epsilon, v_prediction"},
    {"pndm", "skip_prk_steps", "false", 10, 0.5, true, "leave compat off"},
    {"pndm", "steps_offset", "1", 1000, 1, false, "steps_offset"},
    {"lcm", "original_inference_steps", "50", 51, 1, false, "larger than original_inference_steps"},
    {"lcm", "original_inference_steps", "50", 10, 0.19, false, "times strength"},
    {"lcm", "original_inference_steps", "1001", 4, 1, false, "larger than num_train_timesteps"},
    {"lcm", "timesteps", "[400, 700]", 2, 1, false, "must fall"},
    {"tcd", "original_inference_steps", "50", 51, 1, false, "larger than original_inference_steps"},
    {"tcd", "eta", "1.5", 4, 1, false, "a number from 0 to 1"},
    {"tcd", "timesteps", "[400, 700]", 2, 1, false, "must fall"},
    {"ipndm", "trained_betas", "[0.5]", 4, 1, true, "one more than the steps"},
};

static void refused_by_us(void)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct refused *row = &table[i];
        struct settings user = {0};
        CHECK_OK(settings_set(&user, row->key, row->value, "job.yaml:3"));
        CHECK_FAILS(try_plan(row->name, &user, row->steps, row->strength, row->compat),
            CLAT_ERROR_USAGE, row->words);
        CHECK(!strchr(status_text(), '\n'), "more than one line: %s", status_text());
        settings_free(&user);
    }
}

int main(void)
{
    golden_schedulers();
    refused_by_diffusers();
    refused_by_us();
    return check_result();
}
