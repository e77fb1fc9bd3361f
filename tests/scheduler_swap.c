/* scheduler_swap.c - a model made for one scheduler, run with another: every pair, as diffusers'
 * from_config() does it. SPDX-License-Identifier: MIT
 *
 * tests/data/scheduler_swaps.json has configurations as diffusers saves them, with what each class
 * makes of them (tests/tools/make_scheduler_swaps.py). Whatever schedulers are in the build tree
 * are asked for the same. */
#include "check.h"
#include "checkpoint/config.h"
#include "formats/json.h"
#include "golden.h"
#include "plugins/loader.h"
#include "base/text.h"
#include "sampling/sampler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fields of diffusers' classes that no scheduler here has: shifts of flow models that depend on the
 * image's size; Python objects (UniPC's solver_p, SA-Solver's tau_func); the seed of a Brownian
 * path, which here follows the seed of each image. */
static bool is_not_offered(const char *key)
{
    static const char *const keys[] = {"use_dynamic_shifting", "time_shift_type", "shift_terminal",
        "solver_p", "tau_func", "noise_sampler_seed", NULL};
    size_t i = 0;
    while (keys[i] && strcmp(keys[i], key) != 0)
        i++;
    return keys[i] != NULL;
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Equal as texts, as numbers, or as lists of numbers. */
static bool same_value(const char *a, const char *b)
{
    double x, y;
    if (text_to_double(a, &x) && text_to_double(b, &y))
        return x == y;
    if (*a != '[' || *b != '[')
        return strcmp(a, b) == 0;
    for (;;) {
        char one[64] = "", other[64] = "";
        a += 1 + strspn(a + 1, " ");
        b += 1 + strspn(b + 1, " ");
        snprintf(one, sizeof one, "%.*s", (int)strcspn(a, ",]"), a);
        snprintf(other, sizeof other, "%.*s", (int)strcspn(b, ",]"), b);
        a += strlen(one);
        b += strlen(other);
        if (!same_value(one, other) || *a != *b)
            return false;
        if (*a != ',')
            return true;
    }
}

/* The value as a plugin says it that has words of its own for some of another class. */
static const char *in_own_words(
    const struct clat_plugin *plugin, const char *key, const char *value)
{
    const struct clat_foreign *foreign = plugin->foreign;
    for (; foreign && foreign->option; foreign++)
        if (strcmp(foreign->option, key) == 0 && same_value(foreign->theirs, value))
            return foreign->ours;
    return value;
}

static void check_field(const char *from, const struct clat_plugin *plugin,
    const struct settings *effective, const char *key, const struct json_t *value)
{
    char *text = NULL;
    CHECK_OK(json_text(value, &text));
    const struct setting *own = settings_find(effective, key);
    if (CHECK(own || is_not_offered(key), "scheduler '%s' lacks the field %s", plugin->name, key) &&
        own && text)
        CHECK(
            same_value(own->value, text) || same_value(own->value, in_own_words(plugin, key, text)),
            "%s to %s: %s is %s, with diffusers %s", from, plugin->name, key, own->value, text);
    free(text);
}

/* ---- one swap -------------------------------------------------------------------------------- */

/* All fields of the class: `changed` where it has them, else `defaults`. */
static void check_swap(const char *from, const struct clat_plugin *plugin,
    const struct settings *model, const struct json_t *defaults, const struct json_t *changed)
{
    struct scheduler *scheduler = NULL;
    struct settings effective = {0};
    void *place = NULL;
    const char *key;
    const struct json_t *value;
    CHECK_OK(scheduler_open(plugin->class_name, model, NULL, &scheduler));
    if (scheduler && CHECK_OK(scheduler_effective(scheduler, &effective)))
        while (json_next(defaults, &place, &key, &value)) {
            const struct json_t *other = json_member(changed, key);
            bool is_changed = json_kind(other) != KIND_ABSENT;
            check_field(from, plugin, &effective, key, is_changed ? other : value);
        }
    settings_free(&effective);
    scheduler_close(scheduler);
}

/* What diffusers refuses, we do not: the solvers have words for each other's algorithms. */
static void check_accepted(
    const char *from, const struct clat_plugin *plugin, const struct settings *model)
{
    struct scheduler *scheduler = NULL;
    CHECK(scheduler_open(plugin->class_name, model, NULL, &scheduler) == CLAT_OK, "%s to %s: %s",
        from, plugin->name, status_text());
    scheduler_close(scheduler);
}

static const char *write_config(const char *text)
{
    const char *path = check_scratch("scheduler_swap/scheduler_config.json");
    FILE *file = fopen(path, "w");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0, "cannot write %s", path);
    return path;
}

/* One configuration to every scheduler here that has a class of diffusers. */
static int check_swaps(const struct json_t *swap, const struct json_t *all_defaults)
{
    const struct plugin *plugins;
    size_t count;
    int compared = 0;
    struct settings model = {0};
    const char *from = json_as_string(json_member(swap, "from"));
    CHECK_OK(
        config_read_scheduler(write_config(json_as_string(json_member(swap, "config"))), &model));
    CHECK_OK(plugins_list(&plugins, &count));
    for (size_t i = 0; i < count; i++) {
        const struct clat_plugin *plugin = plugins[i].scheduler;
        const char *class_name = plugin && plugin->class_name ? plugin->class_name : "";
        const struct json_t *changed = json_member(json_member(swap, "to"), class_name);
        if (json_kind(changed) == KIND_NULL && plugin->network == CLAT_DIFFUSION_NETWORK)
            check_accepted(from, plugin, &model);
        if (json_kind(changed) != KIND_OBJECT)
            continue;
        check_swap(from, plugin, &model, json_member(all_defaults, class_name), changed);
        compared++;
    }
    settings_free(&model);
    return compared;
}

int main(void)
{
    struct json *document = NULL;
    int compared = 0;
    golden_schedulers();
    if (!CHECK_OK(json_open(check_data("scheduler_swaps.json"), 1 << 20, &document)))
        return check_result();
    const struct json_t *root = json_root(document), *swaps = json_member(root, "swaps");
    for (size_t i = 0; i < json_count(swaps); i++)
        compared += check_swaps(json_item(swaps, i), json_member(root, "defaults"));
    CHECK(compared >= (int)json_count(swaps), "only %d swaps were compared", compared);
    json_close(document);
    return check_result();
}
