/* clatent_convert.c - any model as a folder of diffusers. SPDX-License-Identifier: MIT */
#include "base/memory.h"
#include "clatent_internal.h"
#include "pipeline/convert.h"

#include <stdlib.h>
#include <string.h>

static void tell(void *user, const char *component, int done, int total)
{
    char phase[64];
    snprintf(phase, sizeof phase, "writing %s", component);
    context_tell(user, &(struct clat_progress){.phase = phase, .done = done, .total = total});
}

static enum clat_status read_type(const char *type, enum dtype *dtype)
{
    *dtype = type && strcmp(type, "f16") == 0 ? DTYPE_F16 : DTYPE_F32;
    if (type && strcmp(type, "f16") != 0 && strcmp(type, "f32") != 0)
        return status_set(CLAT_ERROR_USAGE, "type: expected f32 or f16, found '%s'", type);
    return CLAT_OK;
}

enum clat_status clat_convert(
    struct clat_context *context, const char *name, const char *folder, const char *type)
{
    const struct convert_events events = {
        .user = context, .progress = tell, .cancelled = context_is_cancelled};
    enum clat_status status;
    enum dtype dtype;
    struct model *model = NULL;
    char *path = NULL;
    TRY(read_type(type, &dtype));
    TRY(context_find_model(context, &context->preferences.values, name, &path));
    TRY(model_open(path, NULL, &model));
    if (model->task == TASK_TEXT_TO_IMAGE && !model->tokenizer_folder)
        context_log(context, "there is no vocabulary beside the checkpoint: the folder will need "
                             "tokenizer/vocab.txt, that of bert-base-uncased");
    TRY(model_convert(model, folder, dtype, &events));
out:
    model_close(model);
    free(path);
    return status;
}
