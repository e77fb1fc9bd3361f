/* expand_unit.c - units into bundles: what may be made in one run. SPDX-License-Identifier: MIT
 *
 * Values are told apart by a text of all of them but prompt, class and seed. */
#include "job/expand_unit.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* Units in one run: batch_size is below its own limit, and latents are kept. */
#define RUN_LIMIT 256

/* An image may share a run if it is one alone, and neither the noise nor the start of the others
 * matters to it. */
static bool can_share(const struct job_values *values)
{
    const char *generator = first_of(values, "generator"), *seed = first_of(values, "seed");
    if (first_of(values, "latents") || (generator && strcmp(generator, "batch") == 0) || !seed ||
        first_of(values, "batch_size") || first_of(values, "trace"))
        return false;
    for (size_t i = 0; i < job_key_count; i++)
        if ((job_keys[i].kind == KEY_TEXTS || job_keys[i].kind == KEY_SEEDS) &&
            values->value[i].count > 1)
            return false;
    return true;
}

/* Units of one run may differ in these, and must agree on whether they are given. */
static const char *const free_keys[] = {"prompt", "class", "seed"};

bool unit_is_free(size_t key)
{
    for (size_t i = 0; i < sizeof free_keys / sizeof *free_keys; i++)
        if (strcmp(job_keys[key].name, free_keys[i]) == 0)
            return true;
    return false;
}

enum clat_status unit_sign(const struct job_values *values, struct text *out)
{
    enum clat_status status = CLAT_OK;
    for (size_t key = 0; key < job_key_count; key++) {
        const struct job_value *value = &values->value[key];
        if (!value->where)
            continue;
        TRY(text_print(out, "%s", job_keys[key].name));
        for (size_t i = 0; i < value->count && !unit_is_free(key); i++)
            TRY(text_print(out, "\x1f%s", value->items[i]));
        TRY(text_add(out, "\n", 1));
    }
    for (size_t i = 0; i < values->scheduler_options.count; i++)
        TRY(text_print(out, "%s=%s\n", values->scheduler_options.items[i].key,
            values->scheduler_options.items[i].value));
out:
    return status;
}

static enum clat_status copy_text(const char *text, char **out)
{
    *out = NULL;
    return text ? memory_string(text, out) : CLAT_OK;
}

static enum clat_status add_to_bundle(
    struct bundle *bundle, const struct job_values *values, size_t number)
{
    enum clat_status status;
    TRY(memory_grow(&bundle->units, &bundle->capacity, bundle->count, sizeof *bundle->units));
    struct unit *unit = &bundle->units[bundle->count++];
    *unit = (struct unit){.number = number};
    TRY(copy_text(first_of(values, "prompt"), &unit->prompt));
    TRY(copy_text(first_of(values, "class"), &unit->class));
    TRY(copy_text(first_of(values, "seed"), &unit->seed));
out:
    return status;
}

static struct bundle *find_bundle(struct expansion *expansion, const struct text *signature)
{
    for (size_t i = expansion->count; i-- > 0;) {
        struct bundle *bundle = &expansion->bundles[i];
        if (bundle->count < RUN_LIMIT && bundle->signature.size == signature->size &&
            memcmp(bundle->signature.data, signature->data, signature->size) == 0)
            return bundle;
    }
    return NULL;
}

static enum clat_status new_bundle(
    struct expansion *expansion, const struct job_values *values, struct bundle **bundle)
{
    enum clat_status status;
    TRY(memory_grow(
        &expansion->bundles, &expansion->capacity, expansion->count, sizeof *expansion->bundles));
    *bundle = &expansion->bundles[expansion->count++];
    **bundle = (struct bundle){.name = NULL};
    TRY(job_values_copy(values, &(*bundle)->values));
out:
    return status;
}

enum clat_status unit_add(
    struct expansion *expansion, const struct job_values *values, const char *name)
{
    enum clat_status status;
    struct text signature = {0}, full = {0};
    struct bundle *bundle = NULL;
    bool shares = can_share(values);
    TRY(unit_sign(values, &signature));
    if (shares)
        bundle = find_bundle(expansion, &signature);
    if (!bundle) {
        TRY(new_bundle(expansion, values, &bundle));
        bundle->whole = !shares;
        const char *job = expansion->name;
        if (job || name) {
            TRY(text_print(
                &full, "%s%s%s", job ? job : "", job && name ? ", " : "", name ? name : ""));
            bundle->name = full.data;
            full = (struct text){0};
        }
        if (shares) {
            bundle->signature = signature;
            signature = (struct text){0};
        }
    }
    TRY(add_to_bundle(bundle, values, expansion->part->units++));
out:
    text_free(&signature);
    text_free(&full);
    return status;
}

void bundle_free(struct bundle *bundle)
{
    for (size_t i = 0; i < bundle->count; i++) {
        free(bundle->units[i].prompt);
        free(bundle->units[i].class);
        free(bundle->units[i].seed);
    }
    free(bundle->units);
    free(bundle->name);
    text_free(&bundle->signature);
    job_values_free(&bundle->values);
}
