/* leftover.c - what else a checkpoint holds. SPDX-License-Identifier: MIT
 *
 * A training run leaves more in its file than making pictures needs: a second set of the UNet's
 * weights, losses, the schedule as tables. Every tensor that no component takes is counted under
 * the reason why. */
#include "base/memory.h"
#include "pipeline/model.h"

#include <stdlib.h>
#include <string.h>

/* The first row whose prefix a name has; the last has any. */
static const struct {
    const char *prefix, *what, *why;
} reasons[] = {
    {"model_ema.diffusion_model", "averaged UNet", "the yaml wants the others (use_ema)"},
    {"model_ema.", "averaging", "only for training"},
    {"model.diffusion_model.", "UNet", "its averaged copy is used (use_ema)"},
    {"first_stage_model.loss.", "loss", "only for training"},
    {"loss.", "loss", "only for training"},
    {"cond_stage_model.", "condition stage", "nothing asks for it"},
    {"first_stage_model.", "first stage", "nothing asks for it"},
    {"alphas_", "noise schedule", "the yaml gives it"},
    {"betas", "noise schedule", "the yaml gives it"},
    {"log_one_minus_", "noise schedule", "the yaml gives it"},
    {"posterior_", "noise schedule", "the yaml gives it"},
    {"sqrt_", "noise schedule", "the yaml gives it"},
    {"", "others", "unknown"},
};
enum { REASONS = sizeof reasons / sizeof *reasons };

/* Rows of one meaning are counted in the first of them. */
static size_t reason_of(const char *name)
{
    size_t row = 0, first = 0;
    while (strncmp(name, reasons[row].prefix, strlen(reasons[row].prefix)) != 0)
        row++;
    while (strcmp(reasons[first].what, reasons[row].what) != 0)
        first++;
    return first;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The file's names of all tensors that components take, sorted. */
struct taken {
    const char **names;
    size_t count;
};

static enum clat_status list_taken(
    const struct model *model, struct weights *components[COMPONENTS], struct taken *taken)
{
    enum clat_status status = CLAT_OK;
    size_t count = 1;
    for (int i = 0; i < COMPONENTS; i++)
        if (model_has(model, (enum component)i)) {
            TRY(model_weights(model, (enum component)i, &components[i]));
            count += weights_count(components[i]);
        }
    TRY(memory_new(count, sizeof *taken->names, &taken->names));
    for (int i = 0; i < COMPONENTS; i++)
        for (size_t k = 0; components[i] && k < weights_count(components[i]); k++) {
            const struct weight *weight = weights_at(components[i], k);
            taken->names[taken->count++] = weight->stored ? weight->stored : weight->name;
        }
    if (model->scale_measured)
        taken->names[taken->count++] = "scale_factor";
    qsort(taken->names, taken->count, sizeof *taken->names, by_name);
out:
    return status;
}

/* The first stage is the condition stage of inpainting, too. */
static bool is_alias(const struct model *model, const char *name)
{
    return model->task == TASK_INPAINTING && strncmp(name, "cond_stage_model.", 17) == 0;
}

enum clat_status model_leftovers(const struct model *model, struct leftover leftovers[LEFTOVERS])
{
    _Static_assert((int)REASONS <= (int)LEFTOVERS, "room for every reason");
    struct weights *all = NULL, *components[COMPONENTS] = {NULL};
    struct taken taken = {NULL, 0};
    enum clat_status status = CLAT_OK;
    memset(leftovers, 0, LEFTOVERS * sizeof *leftovers);
    if (!model->checkpoint)
        return CLAT_OK;
    TRY(weights_open_file(model->checkpoint, &all));
    TRY(list_taken(model, components, &taken));
    for (size_t i = 0; i < weights_count(all); i++) {
        const struct weight *weight = weights_at(all, i);
        const char *name = weight->stored ? weight->stored : weight->name;
        if (bsearch(&name, taken.names, taken.count, sizeof *taken.names, by_name))
            continue;
        size_t row = reason_of(name);
        leftovers[row].what = reasons[row].what;
        leftovers[row].why =
            is_alias(model, name) ? "the first stage under a second name" : reasons[row].why;
        leftovers[row].tensors++;
        leftovers[row].bytes += weight->bytes;
    }
out:
    for (int i = 0; i < COMPONENTS; i++)
        weights_close(components[i]);
    weights_close(all);
    free(taken.names);
    return status;
}
