/* compvis.c - the yaml beside a CompVis checkpoint. SPDX-License-Identifier: MIT
 *
 * Source: ldm/models/diffusion/ddpm.py (LatentDiffusion), configs/ and models/ of the authors. */
#include "checkpoint/compvis.h"

#include <string.h>

/* LatentDiffusion's own rule: the key, else concat unless concat_mode is false; no condition has
 * none. */
static enum clat_status read_wrapper(const struct section *params, struct compvis_config *config)
{
    const char *key = NULL;
    bool concat = true;
    enum clat_status status;
    TRY(section_string(params, "conditioning_key", &key));
    TRY(section_bool(params, "concat_mode", &concat));
    config->wrapper = concat ? WRAPPER_CONCAT : WRAPPER_CROSSATTN;
    if (key && strcmp(key, "concat") != 0 && strcmp(key, "crossattn") != 0)
        return section_bad(params, "conditioning_key", "concat or crossattn");
    if (key)
        config->wrapper = strcmp(key, "concat") == 0 ? WRAPPER_CONCAT : WRAPPER_CROSSATTN;
    if (config->condition == COMPVIS_NONE)
        config->wrapper = WRAPPER_NONE;
out:
    return status;
}

static enum clat_status read_schedule(const struct section *params, struct compvis_config *config)
{
    const char *curve = "linear", *predicts = "eps";
    enum clat_status status;
    config->linear_start = 1e-4;
    config->linear_end = 2e-2;
    config->timesteps = 1000;
    TRY(section_real(params, "linear_start", 1e-9, 0.999, &config->linear_start));
    TRY(section_real(params, "linear_end", 1e-9, 0.999, &config->linear_end));
    TRY(section_int(params, "timesteps", 1, 100000, &config->timesteps));
    TRY(section_string(params, "beta_schedule", &curve));
    TRY(section_string(params, "parameterization", &predicts));
    TRY(section_expect_null(params, "given_betas"));
    if (strcmp(curve, "linear") != 0)
        return section_bad(params, "beta_schedule", "linear");
    if (strcmp(predicts, "eps") != 0)
        return section_bad(params, "parameterization", "eps");
out:
    return status;
}

static enum clat_status read_scale(const struct section *params, struct compvis_config *config)
{
    enum clat_status status;
    config->autoencoder.scaling_factor = 1;
    config->use_ema = true;
    TRY(section_float(params, "scale_factor", 1e-6, 1e6, &config->autoencoder.scaling_factor));
    TRY(section_bool(params, "scale_by_std", &config->scale_by_std));
    TRY(section_bool(params, "use_ema", &config->use_ema));
out:
    return status;
}

static enum clat_status read_diffusion(const struct section *params, struct compvis_config *config)
{
    static const char unet_target[] = "ldm.modules.diffusionmodules.openaimodel.UNetModel";
    struct section unet, unet_params, first;
    const char *target = "";
    enum clat_status status;
    TRY(section_open(params, "unet_config", true, &unet));
    TRY(section_string(&unet, "target", &target));
    if (strcmp(target, unet_target) != 0)
        return section_bad(&unet, "target", unet_target);
    TRY(section_open(&unet, "params", true, &unet_params));
    unet_params.name = "UNetModel";
    TRY(compvis_read_unet(&unet_params, &config->unet));
    TRY(section_open(params, "first_stage_config", true, &first));
    TRY(compvis_read_first_stage(&first, &config->autoencoder));
    TRY(compvis_read_condition(params, config));
    TRY(read_wrapper(params, config));
    TRY(read_schedule(params, config));
    TRY(read_scale(params, config));
out:
    return status;
}

/* The root's `model`: LatentDiffusion, or one of the autoencoders. */
static enum clat_status read_model(const struct section *root, struct compvis_config *config)
{
    static const char diffusion[] = "ldm.models.diffusion.ddpm.",
                      autoencoder[] = "ldm.models.autoencoder.";
    struct section model, params;
    const char *target = "";
    enum clat_status status;
    TRY(section_open(root, "model", true, &model));
    TRY(section_string(&model, "target", &target));
    config->autoencoder_only = strncmp(target, autoencoder, sizeof autoencoder - 1) == 0;
    if (config->autoencoder_only)
        return compvis_read_first_stage(&model, &config->autoencoder);
    const char *class =
        strncmp(target, diffusion, sizeof diffusion - 1) == 0 ? target + sizeof diffusion - 1 : "";
    if (strcmp(class, "LatentDiffusion") != 0 && strcmp(class, "Layout2ImgDiffusion") != 0)
        return section_bad(&model, "target",
            "ldm.models.diffusion.ddpm.LatentDiffusion or a class of ldm.models.autoencoder");
    TRY(section_open(&model, "params", true, &params));
    params.name = "LatentDiffusion";
    TRY(read_diffusion(&params, config));
out:
    return status;
}

/* Here the file is a part of a model, not of a command: its faults are the model's. */
static enum clat_status read_tree(const char *name, enum clat_status status, struct yaml_node *tree,
    struct compvis_config *config)
{
    struct section root = {.file = name, .name = "the file", .node = tree};
    *config = (struct compvis_config){0};
    if (status == CLAT_ERROR_USAGE)
        status = CLAT_ERROR_INPUT;
    if (status == CLAT_OK && tree->kind != NODE_MAPPING)
        status = status_set(CLAT_ERROR_INPUT, "'%s': a mapping is expected", name);
    if (status == CLAT_OK)
        status = read_model(&root, config);
    yaml_free(tree);
    return status;
}

enum clat_status compvis_read(const char *path, struct compvis_config *config)
{
    struct yaml_node tree = {0};
    enum clat_status status = yaml_read(path, &tree);
    return read_tree(path, status, &tree, config);
}

enum clat_status compvis_parse(
    const char *name, const char *text, size_t size, struct compvis_config *config)
{
    struct yaml_node tree = {0};
    enum clat_status status = yaml_parse(name, text, size, &tree);
    return read_tree(name, status, &tree, config);
}
