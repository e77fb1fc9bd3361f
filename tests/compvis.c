/* compvis.c - CompVis checkpoints with their yaml: what the yaml says, every tensor against a
 * second translation of the same checkpoint (tests/tools/make_family.py), and what is refused.
 * SPDX-License-Identifier: MIT
 *
 * CLATENT_ZOO names a folder with ckpt-NAME/{model.ckpt,config.yaml} of all models and
 * CLATENT_FAMILY one with NAME.pt; without them the two that are kept are compared. */
#include "check.h"
#include "forge.h"
#include "base/file.h"
#include "pipeline/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct zoo {
    const char *name;
    bool kept;
    enum task task;
    double scale;
    int latent_scale, size;
} zoo[] = {
    {"txt2img-f8-large", false, TASK_TEXT_TO_IMAGE, 0.18215, 8, 128},
    {"text2img256", false, TASK_TEXT_TO_IMAGE, 1, 4, 64},
    {"cin256-v2", true, TASK_CLASS_CONDITIONAL, 1, 4, 64},
    {"cin256", true, TASK_CLASS_CONDITIONAL, 1, 8, 128},
    {"inpainting_big", true, TASK_INPAINTING, 1, 4, 64},
    {"semantic_synthesis256", true, TASK_SEMANTIC_SYNTHESIS, 1, 4, 64},
    {"layout2img-openimages256", false, TASK_LAYOUT_TO_IMAGE, 1, 4, 64},
    {"lsun_churches256", false, TASK_UNCONDITIONAL, 0.2347, 8, 128},
    {"celeba256", false, TASK_UNCONDITIONAL, 1, 2, 32},
    {"bsr_sr", false, TASK_SUPER_RESOLUTION, 1, 2, 32},
    {"rdm768x768", false, TASK_RETRIEVAL, 0.22765929, 16, 256},
};

/* ---- every tensor --------------------------------------------------------------------------- */

static size_t count_of(const struct weight *weight)
{
    size_t count = 1;
    for (int axis = 0; axis < weight->rank; axis++)
        count *= weight->shape[axis];
    return count;
}

/* All tensors of a component against those of the same names; returns how many. */
static size_t compare_component(
    const struct model *model, enum component component, struct weights *twin)
{
    struct weights *weights;
    size_t compared = 0;
    if (!CHECK_OK(model_weights(model, component, &weights)))
        return 0;
    for (size_t i = 0; i < weights_count(weights); i++) {
        const struct weight *weight = weights_at(weights, i);
        const float *got, *want;
        if (strncmp(weight->name, "to_logits.", 10) == 0)
            continue; /* the twin leaves out what no network reads */
        if (CHECK_OK(weights_float(weights, weight->name, weight->rank, weight->shape, &got)) &&
            CHECK_OK(weights_float(twin, weight->name, weight->rank, weight->shape, &want)))
            CHECK(memcmp(got, want, count_of(weight) * sizeof *got) == 0, "%s: %s (%s) differs",
                model->folder, weight->name, weight->stored ? weight->stored : "same name");
        compared++;
        weights_done(weights);
        weights_done(twin);
    }
    weights_close(weights);
    return compared;
}

/* The twin has reference values, too, which are no tensors of a network. */
static size_t count_tensors(const struct weights *twin)
{
    static const char *const values[] = {"unet/", "cond/", "ae/", "act/"};
    size_t count = 0;
    for (size_t i = 0; i < weights_count(twin); i++) {
        bool value = false;
        for (size_t k = 0; k < sizeof values / sizeof *values; k++)
            value = value || strncmp(weights_at(twin, i)->name, values[k], strlen(values[k])) == 0;
        count += !value;
    }
    return count;
}

static void compare_tensors(const struct model *model, const char *twin_path)
{
    struct weights *twin;
    size_t compared = 0;
    if (!CHECK_OK(weights_open_file(twin_path, &twin)))
        return;
    if (!weights_find(twin, "conv_in.weight"))
        return weights_close(twin); /* kept for its values only */
    for (int i = 0; i < COMPONENTS; i++)
        if (model_has(model, (enum component)i))
            compared += compare_component(model, (enum component)i, twin);
    CHECK(compared == count_tensors(twin), "%s: %zu of %zu tensors were compared", model->folder,
        compared, count_tensors(twin));
    weights_close(twin);
}

/* Every tensor of the checkpoint has one meaning: its name leads to ours, and ours back to it. */
static void names_lead_back(const struct model *model, enum component component)
{
    struct weights *weights;
    if (!CHECK_OK(model_weights(model, component, &weights)))
        return;
    struct name_facts facts = {.dialect = component == COMPONENT_UNET ? DIALECT_COMPVIS_UNET
                                          : component == COMPONENT_AUTOENCODER
                                              ? DIALECT_COMPVIS_FIRST_STAGE
                                              : DIALECT_COMPVIS_CONDITION,
        .layers = model->unet.layers_per_block,
        .levels = model->autoencoder.levels,
        .transformers = model->unet.middle_attention == UNET_TRANSFORMER};
    for (size_t i = 0; i < weights_count(weights); i++) {
        const struct weight *weight = weights_at(weights, i);
        char stored[NAME_SIZE], ema[NAME_SIZE];
        bool found = false;
        struct name_match match;
        for (int which = 0; names_to_theirs(&facts, weight->name, which, &match); which++) {
            snprintf(stored, sizeof stored, "%s.%.900s", model_component_folder(model, component),
                match.name);
            found = found || strcmp(stored, weight->stored) == 0 ||
                    (names_to_ema(stored, ema) && strcmp(ema, weight->stored) == 0);
        }
        CHECK(found, "%s does not lead back to %s", weight->name, weight->stored);
    }
    weights_close(weights);
}

static void check_used(const struct model *model, enum component component)
{
    struct component_info info;
    if (!CHECK_OK(model_inspect(model, component, &info)))
        return;
    size_t logits = 0;
    for (size_t i = 0; i < info.tensors - info.used; i++)
        logits += strncmp(info.unused[i], "to_logits.", 10) == 0;
    CHECK(info.missing == 0 && info.fault_count == 0 && info.tensors - info.used == logits,
        "%s: %s: %zu of %zu tensors used, %zu missing: %s", model->folder, info.folder, info.used,
        info.tensors, info.missing, info.fault_count ? info.faults[0] : "");
    component_info_free(&info);
}

static void check_model(const struct zoo *row, const char *folder, const char *twin)
{
    struct model *model;
    if (!CHECK_OK(model_open(folder, NULL, &model)))
        return;
    CHECK(model->task == row->task, "%s: %s", row->name, task_name(model->task));
    CHECK(model->source == SOURCE_COMPVIS, "%s", model_source_name(model->source));
    CHECK(model->autoencoder.scaling_factor == (float)row->scale, "%s: scale %g", row->name,
        (double)model->autoencoder.scaling_factor);
    CHECK(model->latent_scale == row->latent_scale && model_default_size(model) == row->size,
        "%s: x%d, %d pixels", row->name, model->latent_scale, model_default_size(model));
    for (int i = 0; i < COMPONENTS; i++)
        if (model_has(model, (enum component)i)) {
            check_used(model, (enum component)i);
            names_lead_back(model, (enum component)i);
        }
    if (access(twin, R_OK) == 0)
        compare_tensors(model, twin);
    model_close(model);
}

static void the_zoo(void)
{
    const char *folder = getenv("CLATENT_ZOO"), *family = getenv("CLATENT_FAMILY");
    for (size_t i = 0; i < sizeof zoo / sizeof *zoo; i++) {
        char path[512], twin[512];
        if (!folder && !zoo[i].kept)
            continue;
        snprintf(path, sizeof path, "compvis/%s", zoo[i].name);
        snprintf(twin, sizeof twin, "family/%s.pt", zoo[i].name);
        snprintf(twin, sizeof twin, "%s", check_data(twin));
        snprintf(path, sizeof path, "%s", check_data(path));
        if (folder)
            snprintf(path, sizeof path, "%s/ckpt-%s", folder, zoo[i].name);
        if (family)
            snprintf(twin, sizeof twin, "%s/%s.pt", family, zoo[i].name);
        check_model(&zoo[i], path, twin);
    }
}

/* Weight files of folders: older names of diffusers' own, and Paddle's. */
static void check_file(const char *path, enum dialect dialect, size_t renamed)
{
    const struct name_facts facts = {.dialect = dialect};
    struct weights *weights;
    size_t changed = 0;
    if (!CHECK_OK(weights_open_file(path, &weights)))
        return;
    for (size_t i = 0; i < weights_count(weights); i++) {
        const struct weight *weight = weights_at(weights, i);
        const char *stored = weight->stored ? weight->stored : weight->name;
        bool found = false;
        struct name_match match;
        for (int which = 0; names_to_theirs(&facts, weight->name, which, &match); which++)
            found = found || strcmp(match.name, stored) == 0;
        CHECK(found, "%s: %s does not lead back to %s", path, weight->name, stored);
        changed += weight->stored != NULL;
    }
    CHECK(changed == renamed, "%s: %zu tensors have other names, expected %zu", path, changed,
        renamed);
    weights_close(weights);
}

static void folders(void)
{
    static const struct {
        const char *file;
        enum dialect dialect;
        size_t renamed;
    } files[] = {
        {"ldm-text2im-tiny/unet/diffusion_pytorch_model.bin", DIALECT_DIFFUSERS, 0},
        {"ldm-text2im-tiny/vqvae/diffusion_pytorch_model.bin", DIALECT_DIFFUSERS, 16},
        {"ldm-sr-tiny/unet/diffusion_pytorch_model.bin", DIALECT_DIFFUSERS, 48},
        {"ldm-sr-tiny/vqvae/diffusion_pytorch_model.bin", DIALECT_DIFFUSERS, 16},
        {"ldm-uncond-tiny/unet/diffusion_pytorch_model.bin", DIALECT_DIFFUSERS, 128},
        {"ldm-text2im-tiny-pd4/unet/model_state.pdparams", DIALECT_PADDLE, 0},
        {"ldm-text2im-tiny-pd4/vqvae/model_state.pdparams", DIALECT_PADDLE, 16},
        {"ldm-text2im-tiny-pd4/bert/model_state.pdparams", DIALECT_PADDLE, 30},
        {"ldm-text2im-tiny-pd2/vqvae/model_state.pdparams", DIALECT_PADDLE, 16},
        {"ldm-text2im-tiny-pd2/bert/model_state.pdparams", DIALECT_PADDLE, 0},
    };
    const char *zoo_folder = getenv("CLATENT_ZOO");
    for (size_t i = 0; i < sizeof files / sizeof *files && (zoo_folder || i < 2); i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", zoo_folder ? zoo_folder : "", files[i].file);
        check_file(
            zoo_folder ? path : check_data(files[i].file), files[i].dialect, files[i].renamed);
    }
}

/* ---- what the yaml says --------------------------------------------------------------------- */

static void setting_is(const struct model *model, const char *key, const char *value)
{
    const struct setting *found = settings_find(&model->scheduler, key);
    CHECK(found && strcmp(found->value, value) == 0, "%s: %s", key, found ? found->value : "none");
}

static void configurations(void)
{
    struct model *model;
    if (CHECK_OK(model_open(check_data("compvis/cin256"), NULL, &model))) {
        const struct unet_config *unet = &model->unet;
        CHECK(unet->levels == 3 && unet->layers_per_block == 1 && unet->in_channels == 4, "unet");
        CHECK(
            unet->down_attention[0] == UNET_TRANSFORMER && unet->attention_heads[0] == 2, "heads");
        CHECK(unet->cross_attention_dim == 24 && unet->sample_size == 16, "context");
        CHECK(model->class_embedder.classes == 1000 && model->class_embedder.width == 24, "class");
        CHECK(model->autoencoder.num_vq_embeddings == 300 && model->autoencoder.down_attention[3] &&
                  model->autoencoder.up_attention[0] && !model->autoencoder.down_attention[2],
            "first stage");
        CHECK(model->use_ema, "EMA is the default");
        setting_is(model, "beta_start", "0.0015");
        setting_is(model, "beta_end", "0.0195");
        setting_is(model, "beta_schedule", "scaled_linear");
        setting_is(model, "steps_offset", "1");
        setting_is(model, "clip_sample", "false");
        model_close(model);
    }
    if (CHECK_OK(model_open(check_data("compvis/inpainting_big/model.ckpt"), NULL, &model))) {
        const struct unet_config *unet = &model->unet;
        CHECK(unet->resnet_samplers && !unet->time_scale_shift && unet->in_channels == 7, "unet");
        CHECK(unet->down_attention[0] == UNET_NO_ATTENTION &&
                  unet->down_attention[1] == UNET_ATTENTION && unet->up_attention[0] &&
                  unet->up_attention[1] && !unet->up_attention[2] && unet->attention_heads[1] == 8,
            "attention");
        CHECK(!model->autoencoder.middle_attention, "no attention in the first stage");
        model_close(model);
    }
}

static void leftovers(void)
{
    struct model *model;
    struct leftover found[LEFTOVERS];
    size_t tensors = 0;
    if (!CHECK_OK(model_open(check_data("compvis/inpainting_big"), NULL, &model)))
        return;
    if (CHECK_OK(model_leftovers(model, found)))
        for (int i = 0; i < LEFTOVERS; i++) {
            tensors += found[i].tensors;
            if (found[i].what && strcmp(found[i].what, "condition stage") == 0)
                CHECK(found[i].tensors == 129 && strstr(found[i].why, "second name"), "the alias");
            if (found[i].what && strcmp(found[i].what, "UNet") == 0)
                CHECK(found[i].tensors == 218, "%zu raw tensors", found[i].tensors);
        }
    CHECK(tensors == 129 + 218 + 2 + 2 + 12, "%zu tensors are left", tensors);
    model_close(model);
}

/* ---- what is refused ------------------------------------------------------------------------ */

/* A copy of a model's yaml with one text for another, beside a link to its checkpoint. */
static const char *edited(const char *name, const char *from, const char *to)
{
    char path[512], *text;
    size_t size;
    struct bytes bytes = {0};
    snprintf(path, sizeof path, "compvis/%s/config.yaml", name);
    if (!CHECK_OK(file_read_text(check_data(path), 1 << 20, &text, &size)))
        return "";
    const char *at = strstr(text, from);
    CHECK(at != NULL, "%s has no '%s'", path, from);
    forge_add(&bytes, text, at ? (size_t)(at - text) : size);
    forge_add(&bytes, to, strlen(to));
    if (at)
        forge_add(&bytes, at + strlen(from), strlen(at + strlen(from)));
    forge_save(&bytes, check_scratch("compvis/config.yaml"));
    forge_free(&bytes);
    free(text);
    const char *checkpoint = check_scratch("compvis/model.ckpt");
    snprintf(path, sizeof path, "compvis/%s/model.ckpt", name);
    unlink(checkpoint);
    if (symlink(check_data(path), checkpoint) != 0)
        check_skip("no symbolic links here");
    return check_scratch("compvis");
}

static void refusals(void)
{
    static const struct {
        const char *model, *from, *to, *words;
    } cases[] = {
        {"cin256", "ldm.models.diffusion.ddpm.LatentDiffusion", "os.system",
            "config.yaml:3: key 'target' of model: expected ldm.models.diffusion.ddpm"},
        {"cin256", "openaimodel.UNetModel", "openaimodel.EncoderUNetModel",
            "found ldm.modules.diffusionmodules.openaimodel.EncoderUNetModel"},
        {"cin256", "modules.ClassEmbedder", "modules.FrozenCLIPEmbedder",
            "found ldm.modules.encoders.modules.FrozenCLIPEmbedder"},
        {"cin256", "ldm.models.autoencoder.VQModelInterface", "mine.Autoencoder",
            "of first_stage_config: expected ldm.models.autoencoder.AutoencoderKL"},
        {"cin256", "model_channels: 32", "model_channels: 40", "a multiple of 32"},
        {"cin256", "model_channels: 32", "model_chanels: 32",
            "UNetModel has no key 'model_chanels'; did you mean 'model_channels'?"},
        {"cin256", "num_res_blocks: 1", "num_res_blocks: 1.5",
            "an integer from 1 to 16, found 1.5"},
        {"cin256", "num_res_blocks: 1", "num_res_blocks: 99999999999", "an integer from 1 to 16"},
        {"cin256", "num_head_channels: 16", "num_head_channels: 24", "a divisor of the channels"},
        {"cin256", "context_dim: 24", "context_dim: null", "expected the width of the context"},
        {"cin256", "context_dim: 24", "context_dim: 32",
            "the class embedder is 24 wide, but the UNet's cross_attention_dim is 32"},
        {"cin256", "in_channels: 4", "in_channels: 5",
            "has 4 latent channels, but the UNet takes 5"},
        {"cin256", "double_z: false", "double_z: true", "false for a VQ model"},
        {"cin256", "linear_start: 0.0015", "linear_start: .nan", "a number from"},
        {"cin256", "linear_start: 0.0015", "linear_start: [1]", "a number from"},
        {"cin256", "conditioning_key: crossattn", "conditioning_key: adm", "concat or crossattn"},
        {"cin256", "conditioning_key: crossattn", "conditioning_key: concat",
            "expects conditioning_key crossattn, found concat"},
        {"cin256", "timesteps: 1000", "scale_by_std: true", "tensor 'scale_factor' is expected"},
        {"cin256", "timesteps: 1000", "parameterization: x0", "expected eps, found x0"},
        {"cin256", "timesteps: 1000", "beta_schedule: cosine", "expected linear, found cosine"},
        {"cin256", "unet_config:", "unet_confog:",
            "key 'unet_config' of LatentDiffusion: expected "
            "a mapping, found nothing"},
        {"cin256", "unet_config:", "\tx", "not valid YAML"},
        {"inpainting_big", "attn_type: none", "attn_type: linear", "vanilla or none, found linear"},
        {"inpainting_big", "resblock_updown: true", "resblock_updown: maybe", "true or false"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct model *model = NULL;
        const char *folder = edited(cases[i].model, cases[i].from, cases[i].to);
        if (!CHECK_FAILS(model_open(folder, NULL, &model), CLAT_ERROR_INPUT, cases[i].words))
            model_close(model);
    }
}

/* A yaml that disagrees with its tensors opens; the first tensor that does not fit is named. */
static void disagreements(void)
{
    static const struct {
        const char *from, *to;
        enum component component;
        const char *words[4];
    } cases[] = {
        {"n_embed: 300", "n_embed: 301", COMPONENT_AUTOENCODER,
            {"'quantize.embedding.weight' (stored as 'first_stage_model.quantize",
                "expected [301, 4]", "by '", "config.yaml', found [300, 4]"}},
        {"num_res_blocks: 1", "num_res_blocks: 2", COMPONENT_UNET,
            {"has no tensor 'down_blocks.0.resnets.1.norm1.weight', which is stored as "
             "'model.diffusion_model.input_blocks.2.0.in_layers.0.weight'",
                "", "", ""}},
        {"target: ldm.modules.encoders.modules.ClassEmbedder\n",
            "target: ldm.modules.encoders.modules.ClassEmbedder # \n", COMPONENT_CONDITION, {NULL}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct model *model;
        struct component_info info;
        const char *folder = edited("cin256", cases[i].from, cases[i].to);
        if (!CHECK_OK(model_open(folder, NULL, &model)))
            continue;
        if (CHECK_OK(model_inspect(model, cases[i].component, &info))) {
            CHECK((info.fault_count > 0) == (cases[i].words[0] != NULL), "case %zu: %zu faults", i,
                info.fault_count);
            for (int k = 0; info.fault_count && k < 4; k++)
                CHECK(strstr(info.faults[0], cases[i].words[k]), "%s", info.faults[0]);
            component_info_free(&info);
        }
        model_close(model);
    }
}

static void pairs(void)
{
    struct model *model = NULL;
    struct bytes text = {0};
    const char *folder = edited("cin256", "timesteps: 1000", "timesteps: 1000");
    char first[512], second[512];
    CHECK_OK(model_open(folder, NULL, &model));
    model_close(model);
    unlink(check_scratch("compvis/config.yaml"));
    CHECK_FAILS(model_open(folder, NULL, &model), CLAT_ERROR_INPUT, "there is no .yaml beside it");
    forge_add(&text, "model: {}\n", 10);
    snprintf(first, sizeof first, "%s", check_scratch("compvis/a.yaml"));
    snprintf(second, sizeof second, "%s", check_scratch("compvis/b.yaml"));
    forge_save(&text, first);
    CHECK_FAILS(model_open(folder, NULL, &model), CLAT_ERROR_INPUT, "a.yaml:1: key 'target'");
    forge_save(&text, second);
    CHECK_FAILS(model_open(folder, NULL, &model), CLAT_ERROR_INPUT,
        "holds 'a.yaml' and 'b.yaml': name the one that is meant");
    unlink(first);
    unlink(second);
    unlink(check_scratch("compvis/model.ckpt"));
    CHECK_FAILS(model_open(folder, NULL, &model), CLAT_ERROR_INPUT, "holds no model");
    CHECK_FAILS(model_open(check_data("compvis/cin256/config.yaml"), NULL, &model),
        CLAT_ERROR_INPUT, "name the checkpoint itself");
    CHECK_FAILS(model_open("/nonexistent.ckpt", NULL, &model), CLAT_ERROR_INPUT, "no model folder");
    forge_free(&text);
}

/* ---- checkpoints made here ------------------------------------------------------------------ */

static void check_view(const char *words, const struct weight_view *view, const char *sentence)
{
    struct forged_zip zip;
    struct weights *weights = NULL;
    const char *path = check_scratch("compvis_forged/model.ckpt");
    forge_torch(&zip, words);
    forge_save(&zip.bytes, path);
    forge_free(&zip.bytes);
    if (!CHECK_FAILS(weights_open_view(path, view, &weights), CLAT_ERROR_INPUT, sentence))
        weights_close(weights);
}

#define A FORGE_STORAGE("FloatStorage", "0", "6")
#define BIAS(shape, stride) FORGE_TENSOR(A, "0", shape, stride)

static void broken_checkpoints(void)
{
    static const struct unet_config unet = {.levels = 1, .attention_heads = {4}};
    struct weight_view view = {.prefix = "model.diffusion_model.",
        .ema = true,
        .unet = &unet,
        .facts = {.dialect = DIALECT_COMPVIS_UNET, .layers = 1}};
    check_view("P2 } ( 'model.diffusion_model.out.2.bias'" BIAS(
                   "6 1t", "1 1t") "'model_ema.diffusion_modelout0bias'" BIAS("6 1t", "1 1t") "u .",
        &view,
        "'model.diffusion_model.out.2.bias' has no EMA copy 'model_ema.diffusion_modelout2bias'");
    check_view("P2 } ( 'model.diffusion_model.out.2.bias'" BIAS(
                   "6 1t", "1 1t") "'model_ema.diffusion_modelout2bias'" BIAS("5 1t", "1 1t") "u .",
        &view, "has another shape than");
    view.ema = false;
    check_view("P2 } ( 'model.diffusion_model.middle_block.1.qkv.bias'" BIAS("6 1t", "1 1t") "u .",
        &view, "expected q, k and v of 4 heads in its rows, found 6 rows");
    check_view("P2 } ( 'model.diffusion_model.middle_block.1.qkv.bias'" BIAS("0 1t", "1 1t") "u .",
        &view, "found 0 rows");
    check_view("P2 } ( 'model.diffusion_model.output_blocks.1.1.conv.bias'" BIAS("6 1t",
                   "1 1t") "'model.diffusion_model.output_blocks.1.2.conv.bias'" BIAS("6 1t",
                   "1 1t") "u .",
        &view, "'up_blocks.0.upsamplers.0.conv.bias' is there twice");
}

/* The latents' scale where training measured it: a tensor of the checkpoint. */
static void measured_scale(void)
{
    struct model *model = NULL;
    struct forged_zip zip;
    const char *folder = edited("cin256", "timesteps: 1000", "scale_by_std: true");
    const char *checkpoint = check_scratch("compvis/model.ckpt");
    unlink(checkpoint);
    forge_torch(&zip, "P2 } ( 'scale_factor'" FORGE_TENSOR(A, "2", ")", ")") "u .");
    forge_save(&zip.bytes, checkpoint);
    forge_free(&zip.bytes);
    if (CHECK_OK(model_open(folder, NULL, &model)))
        CHECK(model->autoencoder.scaling_factor == 3, "scaled by %g",
            (double)model->autoencoder.scaling_factor);
    model_close(model);
    forge_torch(&zip, "P2 } ( 'scale_factor'" FORGE_TENSOR(A, "0", "2 1t", "1 1t") "u .");
    forge_save(&zip.bytes, checkpoint);
    forge_free(&zip.bytes);
    CHECK_FAILS(model_open(folder, NULL, &model), CLAT_ERROR_INPUT, "expected [], found [2]");
    unlink(checkpoint);
}

int main(void)
{
    the_zoo();
    folders();
    configurations();
    leftovers();
    refusals();
    disagreements();
    pairs();
    broken_checkpoints();
    measured_scale();
    return check_result();
}
