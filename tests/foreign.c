/* foreign.c - images of other programs: what clat_image_info() makes of their texts, and of texts
 * that are no such thing. The images are made here, with texts as those programs write them.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "clatent.h"
#include "formats/png.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct clat_context *context;

/* An image of one pixel with one or two texts; a static name. */
static const char *make_image(
    const char *keyword, const char *text, const char *keyword2, const char *text2)
{
    static const float pixel[3] = {0, 0.5f, 1};
    const struct png_text texts[] = {{(char *)(size_t)keyword, (char *)(size_t)text},
        {(char *)(size_t)keyword2, (char *)(size_t)text2}};
    const char *path = check_scratch("foreign.png");
    struct text file = {0};
    CHECK_OK(png_encode(pixel, 1, 1, texts, keyword2 ? 2 : 1, &file));
    FILE *stream = fopen(path, "wb");
    CHECK(stream && fwrite(file.data, 1, file.size, stream) == file.size, "cannot write %s", path);
    if (stream)
        fclose(stream);
    text_free(&file);
    return path;
}

static const char *job_value(const struct clat_image_info *info, const char *key)
{
    for (size_t i = 0; i < info->job_count; i++)
        if (strcmp(info->job[i].key, key) == 0)
            return info->job[i].value;
    return "";
}

static bool loses(const struct clat_image_info *info, const char *words)
{
    for (size_t i = 0; i < info->loss_count; i++)
        if (strstr(info->losses[i], words))
            return true;
    return false;
}

struct expectation {
    const char *keyword, *text, *program;
    const char *job[10][2]; /* keys and values */
    const char *losses[8];
};

static const char comfy_run[] =
    "{\"3\": {\"class_type\": \"KSampler\", \"inputs\": {\"seed\": 77, \"steps\": 20, \"cfg\": 6.5,"
    " \"sampler_name\": \"dpmpp_2m\", \"scheduler\": \"karras\", \"denoise\": 1.0,"
    " \"model\": [\"10\", 0], \"positive\": [\"6\", 0], \"negative\": [\"7\", 0],"
    " \"latent_image\": [\"5\", 0]}},"
    " \"4\": {\"class_type\": \"CheckpointLoaderSimple\", \"inputs\": {\"ckpt_name\": "
    "\"big.ckpt\"}},"
    " \"10\": {\"class_type\": \"LoraLoader\", \"inputs\": {\"lora_name\": \"style\", \"model\": "
    "[\"4\", 0]}},"
    " \"5\": {\"class_type\": \"EmptyLatentImage\", \"inputs\": {\"width\": 512, \"height\": 384}},"
    " \"6\": {\"class_type\": \"CLIPTextEncode\", \"inputs\": {\"text\": [\"8\", 0]}},"
    " \"8\": {\"class_type\": \"StringConstant\", \"inputs\": {\"string\": \"a fox\\nin snow\"}},"
    " \"7\": {\"class_type\": \"CLIPTextEncode\", \"inputs\": {\"text\": \"blurry\"}}}";

static const char comfy_drawn[] =
    "{\"nodes\": [{\"id\": 7, \"type\": \"CLIPTextEncode\", \"widgets_values\": [\"\"]},"
    " {\"id\": 3, \"type\": \"KSampler\", \"widgets_values\": [5, \"randomize\", 12, 8, \"euler\","
    " \"normal\", 1], \"inputs\": [{\"name\": \"model\", \"link\": 1}, {\"name\": \"positive\","
    " \"link\": 4}, {\"name\": \"negative\", \"link\": 6}, {\"name\": \"latent_image\", \"link\": "
    "2}]},"
    " {\"id\": 6, \"type\": \"CLIPTextEncode\", \"widgets_values\": [\"a hill\"]},"
    " {\"id\": 5, \"type\": \"EmptyLatentImage\", \"widgets_values\": [256, 320, 1]},"
    " {\"id\": 4, \"type\": \"CheckpointLoaderSimple\", \"widgets_values\": [\"small.ckpt\"]}],"
    " \"links\": [[1, 4, 0, 3, 0, \"MODEL\"], [2, 5, 0, 3, 3, \"LATENT\"],"
    " [4, 6, 0, 3, 1, \"CONDITIONING\"], [6, 7, 0, 3, 2, \"CONDITIONING\"]]}";

static const struct expectation expectations[] = {
    {"parameters",
        "a castle, by night\nover a lake\nNegative prompt: people,\ncars\nSteps: 25, Sampler: "
        "DPM++ 2M, "
        "Schedule type: Karras, CFG scale: 7.5, Seed: 18446744073709551615, Size: 512x768, "
        "Model hash: 0123456789, Model: photo, Clip skip: 2, "
        "Lora hashes: \"a: 1, b: 2\", Version: v1.10",
        "AUTOMATIC1111",
        {{"prompt", "a castle, by night\nover a lake"}, {"num_inference_steps", "25"},
            {"scheduler", "DPM++ 2M Karras"}, {"guidance_scale", "7.5"},
            {"seed", "18446744073709551615"}, {"width", "512"}, {"height", "768"},
            {"rng", "philox"}},
        {"negative prompt: people,\ncars", "model: photo", "clip skip: 2"}},
    {"parameters",
        "Steps: 9 lines, no pairs: here\r\nSteps: 1, Sampler: Euler a, CFG scale: 3, Seed: 0, "
        "Size: 64x64, "
        "RNG: CPU, Denoising strength: 0.4, Tricky: \"a, b: \\\"c\\\"\"\r\n",
        "AUTOMATIC1111",
        {{"prompt", "Steps: 9 lines, no pairs: here"}, {"scheduler", "Euler a"}, {"seed", "0"},
            {"rng", "torch"}},
        {"strength: 0.4", "tricky: a, b: \"c\""}},
    {"parameters",
        "(sharp:1.2) <lora:x:1>\nSteps: 5000, Sampler: DPM fast, CFG scale: 7, Seed: 1, Size: "
        "63x64, ENSD: 31337",
        "AUTOMATIC1111", {{"prompt", "(sharp:1.2) <lora:x:1>"}, {"height", "64"}, {"seed", "1"}},
        {"weights and tags", "num_inference_steps must be", "width must be a multiple",
            "scheduler: DPM fast", "ensd: 31337"}},
    {"parameters",
        "{\"sui_image_params\": {\"prompt\": \"a cup\", \"seed\": 4, \"steps\": 7, \"cfgscale\": "
        "2, "
        "\"width\": 64, \"height\": 128, \"sampler\": \"heun\", \"model\": \"m\"}, "
        "\"swarm_version\": 1}",
        "SwarmUI",
        {{"prompt", "a cup"}, {"num_inference_steps", "7"}, {"guidance_scale", "2"},
            {"scheduler", "heun"}, {"height", "128"}},
        {"model: m"}},
    {"prompt", comfy_run, "ComfyUI",
        {{"prompt", "a fox\nin snow"}, {"seed", "77"}, {"num_inference_steps", "20"},
            {"guidance_scale", "6.5"}, {"scheduler", "dpmpp_2m karras"}, {"width", "512"},
            {"height", "384"}},
        {"negative prompt: blurry", "LoRA: style", "model: big.ckpt"}},
    {"workflow", comfy_drawn, "ComfyUI",
        {{"prompt", "a hill"}, {"seed", "5"}, {"num_inference_steps", "12"},
            {"guidance_scale", "8"}, {"scheduler", "euler normal"}, {"width", "256"},
            {"height", "320"}},
        {"model: small.ckpt"}},
    {"invokeai_metadata",
        "{\"app_version\": \"4\", \"generation_mode\": \"txt2img\", \"positive_prompt\": \"a "
        "boat\", "
        "\"negative_prompt\": \"\", \"width\": 512, \"height\": 512, \"seed\": 9, \"cfg_scale\": "
        "7.5, "
        "\"steps\": 30, \"scheduler\": \"dpmpp_2m_k\", \"model\": {\"name\": \"sd\", \"hash\": "
        "\"x\"}, "
        "\"loras\": [], \"clip_skip\": 1, \"vae\": {\"name\": \"v\"}}",
        "InvokeAI",
        {{"prompt", "a boat"}, {"seed", "9"}, {"guidance_scale", "7.5"},
            {"scheduler", "dpmpp_2m karras"}},
        {"model: sd", "clip_skip: 1", "vae"}},
    {"sd-metadata",
        "{\"model_weights\": \"sd-1\", \"app_id\": \"x\", \"image\": {\"prompt\": [{\"prompt\": "
        "\"an owl\", "
        "\"weight\": 1.0}], \"sampler\": \"k_lms\", \"steps\": 10, \"cfg_scale\": 5, \"seed\": 2, "
        "\"width\": 64, \"height\": 64, \"type\": \"txt2img\"}}",
        "InvokeAI", {{"prompt", "an owl"}, {"scheduler", "k_lms"}, {"seed", "2"}}, {"model: sd-1"}},
    {"Dream", "\"a tree - alone\" -s 50 -S 123 -W 512 -H 448 -C 7.5 -A k_euler_a -z 3", "InvokeAI",
        {{"prompt", "a tree - alone"}, {"num_inference_steps", "50"}, {"seed", "123"},
            {"width", "512"}, {"height", "448"}, {"scheduler", "k_euler_a"}},
        {"-z3"}},
};

static void check_image(const struct expectation *want)
{
    const struct clat_image_info *info;
    const char *path = make_image(want->keyword, want->text, NULL, NULL);
    if (!CHECK_OK(clat_image_info(context, path, &info)))
        return;
    CHECK(info->program && strstr(info->program, want->program) && !info->version, "%s: made by %s",
        want->keyword, info->program);
    for (int i = 0; want->job[i][0]; i++) {
        const char *found = job_value(info, want->job[i][0]);
        CHECK(strcmp(found, want->job[i][1]) == 0, "%s: %s is '%s', not '%s'", want->keyword,
            want->job[i][0], found, want->job[i][1]);
    }
    for (int i = 0; want->losses[i]; i++)
        CHECK(loses(info, want->losses[i]), "%s: '%s' is not told", want->keyword, want->losses[i]);
    CHECK(info->argument_count == 1 + 2 * info->job_count &&
              strcmp(info->arguments[0], "generate") == 0,
        "%s: %zu arguments", want->keyword, info->argument_count);
    clat_free(info);
}

/* ---- what is not what it seems -------------------------------------------------------------- */

static void refuse(const char *keyword, const char *text, const char *words)
{
    const struct clat_image_info *info;
    if (!CHECK_OK(clat_image_info(context, make_image(keyword, text, NULL, NULL), &info)))
        return;
    CHECK(!info->program && !info->job_count && !info->argument_count, "%s is a job: %.60s",
        keyword, text);
    CHECK(!words || loses(info, words), "%s: '%s' is not told: %s", keyword, words,
        info->loss_count ? info->losses[0] : "nothing");
    CHECK(info->text_count == 1, "%zu texts", info->text_count);
    clat_free(info);
}

static void check_refused(void)
{
    char deep[4096];
    refuse("parameters", "", "fewer than three pairs");
    refuse("parameters", "just a text", "fewer than three pairs");
    refuse("parameters", "Steps: 3, Seed: 1", "fewer than three pairs");
    refuse("parameters", "{\"prompt\": ", "parameters cannot be read");
    refuse("parameters", "{}", "neither a prompt nor a seed");
    refuse("prompt", "a fox in snow", "prompt cannot be read");
    refuse("prompt", "{\"1\": {\"class_type\": \"SaveImage\", \"inputs\": {}}}",
        "none of its nodes is a sampler");
    refuse("prompt", "{\"1\": 1, \"2\": null, \"3\": [], \"4\": {\"inputs\": 3}}",
        "none of its nodes is a sampler");
    refuse("workflow", "{\"nodes\": 1, \"links\": {}}", "none of its nodes is a sampler");
    refuse(
        "workflow", "{\"nodes\": [1, {}, {\"type\": \"KSampler\", \"widgets_values\": {}}]}", "no");
    refuse("invokeai_metadata", "[]", "invokeai_metadata cannot be read");
    refuse("invokeai_metadata", "{\"seed\": {\"seed\": [[[]]]}}", "neither a prompt nor a seed");
    refuse("Dream", "\"no end", "its prompt has no end");
    refuse("Comment", "{\"prompt\": \"x\"}", NULL);
    memset(deep, '[', sizeof deep - 1);
    deep[0] = '{';
    deep[sizeof deep - 1] = '\0';
    refuse("prompt", deep, "nested more than 64 levels");
    refuse("sd-metadata", deep, "nested more than 64 levels");
}

/* Circles and dead ends: an answer all the same. */
static void check_circles(void)
{
    static const char circle[] =
        "{\"1\": {\"class_type\": \"KSampler\", \"inputs\": {\"steps\": 3, \"sampler_name\": "
        "\"ddim\", "
        "\"seed\": \"x\", \"positive\": [\"2\", 0], \"negative\": [\"9\", 0], \"model\": [\"1\", "
        "0], "
        "\"latent_image\": [\"2\", 0]}},"
        " \"2\": {\"class_type\": \"A\\u001b[2J\", \"inputs\": {\"conditioning\": [\"3\", 0]}},"
        " \"3\": {\"class_type\": \"B\", \"inputs\": {\"text\": [\"2\", 0]}}}";
    const struct clat_image_info *info;
    if (!CHECK_OK(clat_image_info(context, make_image("prompt", circle, NULL, NULL), &info)))
        return;
    CHECK(strcmp(job_value(info, "num_inference_steps"), "3") == 0, "steps");
    CHECK(loses(info, "prompt: its nodes are not understood"), "no word about the circle");
    CHECK(loses(info, "seed must be a whole number"), "no word about the seed");
    CHECK(info->loss_count <= 32, "%zu losses", info->loss_count);
    clat_free(info);
    /* A damaged text does not hide a good one. */
    if (!CHECK_OK(clat_image_info(
            context, make_image("prompt", "{", "parameters", expectations[1].text), &info)))
        return;
    CHECK(info->program && strcmp(job_value(info, "rng"), "torch") == 0,
        "the second text is not taken");
    CHECK(loses(info, "prompt cannot be read"), "the first text is not told");
    clat_free(info);
}

/* Prefixes of good texts, and good texts with a byte changed: nothing but an answer. */
static void check_damaged(void)
{
    for (size_t i = 0; i < sizeof expectations / sizeof *expectations; i++) {
        size_t size = strlen(expectations[i].text);
        char *text = malloc(size + 1);
        for (size_t k = 0; text && k < size; k += 7) {
            const struct clat_image_info *info;
            memcpy(text, expectations[i].text, size + 1);
            if (k % 2)
                text[k] = '\0';
            else
                text[k] = "{}[]\",:-9"[k % 9];
            CHECK_OK(clat_image_info(
                context, make_image(expectations[i].keyword, text, NULL, NULL), &info));
            clat_free(info);
        }
        free(text);
    }
}

int main(void)
{
    struct clat_options options = {
        .struct_size = sizeof options, .scheduler_folder = check_build("schedulers/.libs")};
    CHECK_OK(clat_open(&options, &context));
    for (size_t i = 0; i < sizeof expectations / sizeof *expectations; i++)
        check_image(&expectations[i]);
    check_refused();
    check_circles();
    check_damaged();
    clat_close(context);
    return check_result();
}
