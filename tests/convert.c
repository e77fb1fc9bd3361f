/* convert.c - models written as folders of diffusers and opened again: the same structure and the
 * same numbers; half precision; what is refused leaves nothing behind. What diffusers itself makes
 * of such folders: tests/tools/check_convert.py. SPDX-License-Identifier: MIT */
#include "check.h"
#include "forge.h"
#include "selftest/reference.h"
#include "base/file.h"
#include "formats/safetensors.h"
#include "pipeline/convert.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct convert_events nobody;

/* A name in the scratch folder that nothing has. */
static const char *fresh(const char *name)
{
    char command[4096];
    const char *path = check_scratch(name);
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    if (system(command) != 0)
        check_skip("cannot clear %s", path);
    return path;
}

static size_t count_of(const struct weight *weight)
{
    size_t count = 1;
    for (int axis = 0; axis < weight->rank; axis++)
        count *= weight->shape[axis];
    return count;
}

static void compare_component(
    const struct model *from, const struct model *to, enum component component, bool half)
{
    struct weights *source, *made;
    if (!CHECK_OK(model_weights(from, component, &source)) ||
        !CHECK_OK(model_weights(to, component, &made)))
        return;
    CHECK(weights_count(made) == weights_count(source), "%zu of %zu tensors", weights_count(made),
        weights_count(source));
    for (size_t i = 0; i < weights_count(made); i++) {
        const struct weight *weight = weights_at(made, i);
        const float *got, *want;
        if (!CHECK_OK(weights_float(made, weight->name, weight->rank, weight->shape, &got)) ||
            !CHECK_OK(weights_float(source, weight->name, weight->rank, weight->shape, &want)))
            continue;
        size_t wrong = 0;
        for (size_t k = 0; k < count_of(weight); k++)
            wrong += got[k] != (half ? reference_half(want[k]) : want[k]);
        CHECK(wrong == 0, "%s: %zu numbers differ", weight->name, wrong);
        CHECK(weight->dtype == (half ? DTYPE_F16 : DTYPE_F32), "%s", dtype_name(weight->dtype));
        weights_done(made);
        weights_done(source);
    }
    weights_close(source);
    weights_close(made);
}

static void compare_scheduler(const struct settings *from, const struct settings *to)
{
    CHECK(from->count == to->count, "%zu and %zu settings", from->count, to->count);
    for (size_t i = 0; i < from->count; i++) {
        const struct setting *made = settings_find(to, from->items[i].key);
        CHECK(made && strcmp(made->value, from->items[i].value) == 0, "%s: %s became %s",
            from->items[i].key, from->items[i].value, made ? made->value : "nothing");
    }
}

static void compare_autoencoders(
    const struct autoencoder_config *a, const struct autoencoder_config *b)
{
    CHECK(a->kind == b->kind && a->in_channels == b->in_channels &&
              a->out_channels == b->out_channels && a->latent_channels == b->latent_channels &&
              a->z_channels == b->z_channels && a->num_vq_embeddings == b->num_vq_embeddings &&
              a->levels == b->levels && a->middle_attention == b->middle_attention &&
              a->layers_per_block == b->layers_per_block &&
              a->norm_num_groups == b->norm_num_groups && a->sample_size == b->sample_size &&
              a->scaling_factor == b->scaling_factor,
        "the autoencoder's structure");
    for (int i = 0; i < a->levels; i++)
        CHECK(a->block_out_channels[i] == b->block_out_channels[i] &&
                  a->down_attention[i] == b->down_attention[i] &&
                  a->up_attention[i] == b->up_attention[i],
            "level %d of the autoencoder", i);
}

/* CompVis names heads of levels without attention, and dims that no class has a word for. */
static void compare_structure(const struct model *from, const struct model *to)
{
    const struct unet_config *a = &from->unet, *b = &to->unet;
    CHECK(from->task == to->task, "task %s", task_name(to->task));
    compare_autoencoders(&from->autoencoder, &to->autoencoder);
    CHECK(to->autoencoder.scaling_given, "the latents' scale is written");
    CHECK(from->class_embedder.classes == to->class_embedder.classes &&
              from->class_embedder.width == to->class_embedder.width,
        "the class embedder");
    CHECK(memcmp(&from->text_encoder, &to->text_encoder, sizeof from->text_encoder) == 0 ||
              from->source == SOURCE_COMPVIS,
        "the text encoder");
    CHECK(a->levels == b->levels && a->layers_per_block == b->layers_per_block &&
              a->in_channels == b->in_channels && a->out_channels == b->out_channels &&
              a->sample_size == b->sample_size && a->middle_attention == b->middle_attention &&
              a->cross_attention_dim == b->cross_attention_dim &&
              a->time_scale_shift == b->time_scale_shift &&
              a->resnet_samplers == b->resnet_samplers && a->norm_num_groups == b->norm_num_groups,
        "the UNet's structure");
    for (int i = 0; i < a->levels; i++)
        CHECK(a->block_out_channels[i] == b->block_out_channels[i] &&
                  a->down_attention[i] == b->down_attention[i] &&
                  a->up_attention[i] == b->up_attention[i] &&
                  (!a->down_attention[i] || a->attention_heads[i] == b->attention_heads[i]) &&
                  a->transformer_layers[i] == (a->cross_attention_dim ? b->transformer_layers[i]
                                                                      : a->transformer_layers[i]),
            "level %d of the UNet", i);
}

static void there_and_back(const char *source, bool half)
{
    struct model *from = NULL, *to = NULL;
    const char *folder = fresh("convert/made");
    if (CHECK_OK(model_open(source, NULL, &from)) &&
        CHECK_OK(model_convert(from, folder, half ? DTYPE_F16 : DTYPE_F32, &nobody)) &&
        CHECK_OK(model_open(folder, NULL, &to))) {
        compare_structure(from, to);
        compare_scheduler(&from->scheduler, &to->scheduler);
        CHECK(to->source == SOURCE_DIFFUSERS, "%s", model_source_name(to->source));
        for (int i = 0; i < COMPONENTS; i++)
            if (model_has(from, (enum component)i))
                compare_component(from, to, (enum component)i, half);
    }
    model_close(from);
    model_close(to);
}

/* ---- an autoencoder alone ------------------------------------------------------------------- */

static const char first_stage_yaml[] =
    "model:\n  target: ldm.models.autoencoder.VQModel\n  params:\n    embed_dim: 3\n"
    "    n_embed: 256\n    monitor: val/rec_loss\n    ddconfig: {double_z: false, z_channels: 3, "
    "resolution: 64, in_channels: 3,\n      out_ch: 3, ch: 32, ch_mult: [1, 1, 1], "
    "num_res_blocks: 1, attn_resolutions: [], dropout: 0.0, attn_type: none}\n"
    "    lossconfig:\n      target: taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator\n";

/* The first stage of a whole checkpoint as a checkpoint of its own. */
static void put_first_stage(const struct model *whole, const char *path)
{
    struct safetensors_writer *writer;
    struct weights *weights;
    const float one = 1;
    if (!CHECK_OK(model_weights(whole, COMPONENT_AUTOENCODER, &weights)) ||
        !CHECK_OK(safetensors_create(path, &writer)))
        return;
    for (size_t i = 0; i < weights_count(weights); i++) {
        const struct weight *weight = weights_at(weights, i);
        const float *values;
        if (CHECK_OK(weights_float(weights, weight->name, weight->rank, weight->shape, &values)))
            CHECK_OK(safetensors_add_float(writer, weight->stored + strlen("first_stage_model."),
                weight->rank, weight->shape, values));
        weights_done(weights);
    }
    CHECK_OK(safetensors_add_float(writer, "loss.logvar", 0, NULL, &one));
    CHECK_OK(safetensors_commit(writer));
    weights_close(weights);
}

static void first_stage(void)
{
    struct model *whole, *alone = NULL, *made = NULL;
    struct leftover left[LEFTOVERS];
    struct bytes yaml = {0};
    char folder[4096];
    if (!CHECK_OK(model_open(check_data("compvis/inpainting_big"), NULL, &whole)))
        return;
    snprintf(folder, sizeof folder, "%s", check_scratch("convert/first"));
    put_first_stage(whole, check_scratch("convert/first/vq-f4.safetensors"));
    forge_add(&yaml, first_stage_yaml, sizeof first_stage_yaml - 1);
    forge_save(&yaml, check_scratch("convert/first/vq-f4.yaml"));
    forge_free(&yaml);
    const char *to = fresh("convert/flat");
    if (CHECK_OK(model_open(folder, NULL, &alone))) {
        CHECK(alone->task == TASK_AUTOENCODER && alone->autoencoder.scaling_factor == 1 &&
                  !model_has(alone, COMPONENT_UNET) && model_default_size(alone) == 64,
            "an autoencoder");
        CHECK_OK(model_leftovers(alone, left));
        compare_component(whole, alone, COMPONENT_AUTOENCODER, false);
        CHECK_OK(model_convert(alone, to, DTYPE_F32, &nobody));
        if (CHECK_OK(model_open(to, NULL, &made))) {
            CHECK(made->task == TASK_AUTOENCODER, "%s", task_name(made->task));
            compare_component(whole, made, COMPONENT_AUTOENCODER, false);
        }
    }
    model_close(whole);
    model_close(alone);
    model_close(made);
}

/* ---- half precision ------------------------------------------------------------------------- */

static void halves(void)
{
    const float values[] = {0, -0.0f, 1, -2.5f, 65504, 65519.996f, 0x1p-14f, 0x1p-24f, 0x1p-25f,
        0x1.8p-25f, 0x1.ffcp-15f, 1.00048828125f, 1.00146484375f, 3.14159274f, -1e-7f, INFINITY};
    const size_t count = sizeof values / sizeof *values;
    const struct safetensors_tensor tensor = {"x", 1, {count}};
    const float large = 65520;
    const struct safetensors_tensor one = {"y", 1, {1}};
    struct safetensors_stream *stream;
    struct weights *weights;
    const float *got;
    const char *path = check_scratch("convert/half.safetensors");
    if (CHECK_OK(safetensors_stream_open(path, &tensor, 1, DTYPE_F16, &stream)) &&
        CHECK_OK(safetensors_stream_add(stream, values)) &&
        CHECK_OK(safetensors_stream_commit(stream)) &&
        CHECK_OK(weights_open_file(path, &weights))) {
        if (CHECK_OK(weights_float(weights, "x", 1, &count, &got)))
            for (size_t i = 0; i < count; i++) {
                float want = isinf(values[i]) ? values[i] : reference_half(values[i]);
                CHECK(memcmp(&got[i], &want, sizeof want) == 0, "%a became %a, expected %a",
                    (double)values[i], (double)got[i], (double)want);
            }
        weights_close(weights);
    }
    if (CHECK_OK(safetensors_stream_open(path, &one, 1, DTYPE_F16, &stream))) {
        CHECK_FAILS(safetensors_stream_add(stream, &large), CLAT_ERROR_INPUT,
            "tensor 'y' holds 65520, which f16 cannot");
        safetensors_stream_abort(stream);
    }
    if (CHECK_OK(safetensors_stream_open(path, &one, 1, DTYPE_F32, &stream)))
        CHECK_FAILS(safetensors_stream_commit(stream), CLAT_ERROR_INTERNAL, "0 of 1 tensors");
}

/* ---- refusals ------------------------------------------------------------------------------- */

/* Entries of a folder. */
static int count_entries(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count - 2;
}

static bool stop(void *user)
{
    return ++*(int *)user > 100;
}

static void refusals(void)
{
    struct model *model;
    int asked = 0;
    char parent[4096], folder[4096];
    const struct convert_events stopped = {.user = &asked, .cancelled = stop};
    snprintf(parent, sizeof parent, "%s", fresh("convert/empty"));
    snprintf(folder, sizeof folder, "%s", check_scratch("convert/empty/model"));
    if (!CHECK_OK(model_open(check_data("compvis/cin256"), NULL, &model)))
        return;
    CHECK_FAILS(model_convert(model, parent, DTYPE_F32, &nobody), CLAT_ERROR_OUTPUT,
        "is there already and is not overwritten");
    CHECK_FAILS(model_convert(model, "/nonexistent/model", DTYPE_F32, &nobody), CLAT_ERROR_OUTPUT,
        "cannot make the folder '/nonexistent/model'");
    CHECK_FAILS(model_convert(model, folder, DTYPE_F32, &stopped), CLAT_CANCELLED, "stopped");
    CHECK(asked > 100 && count_entries(parent) == 0, "%d entries are left", count_entries(parent));
    model->unet.layers_per_block = 2;
    CHECK_FAILS(
        model_convert(model, folder, DTYPE_F32, &nobody), CLAT_ERROR_INPUT, "has no tensor");
    CHECK(count_entries(parent) == 0, "%d entries are left", count_entries(parent));
    model->unet.time_scale_shift = true;
    CHECK_FAILS(model_convert(model, folder, DTYPE_F32, &nobody), CLAT_ERROR_INPUT,
        "diffusers has no UNet with cross-attention and a time that scales and shifts");
    model_close(model);
}

int main(void)
{
    there_and_back(check_data("compvis/cin256"), false);
    there_and_back(check_data("compvis/inpainting_big"), true);
    there_and_back(check_data("ldm-text2im-tiny"), false);
    there_and_back(check_data("ldm-text2im-tiny"), true);
    first_stage();
    halves();
    refusals();
    return check_result();
}
