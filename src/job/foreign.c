/* foreign.c - which program wrote an image, and words that several of them share.
 * SPDX-License-Identifier: MIT */
#include "job/foreign.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the readers say ------------------------------------------------------------------- */

enum clat_status foreign_lose(struct foreign *foreign, const char *format, ...)
{
    char sentence[512];
    va_list arguments;
    if (foreign->loss_count == FOREIGN_LOSSES)
        return CLAT_OK;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    enum clat_status status = memory_string(sentence, &foreign->losses[foreign->loss_count]);
    foreign->loss_count += status == CLAT_OK;
    return status;
}

enum clat_status foreign_set(struct foreign *foreign, const char *key, const char *text)
{
    enum clat_status status = job_values_set(&foreign->values, key, text, foreign->program, false);
    if (status == CLAT_ERROR_MEMORY || status == CLAT_OK)
        return status;
    job_value_clear(&foreign->values.value[job_key_find(key)]);
    status = foreign_lose(foreign, "%s", status_text());
    status_clear();
    return status;
}

enum clat_status foreign_word(char **word, const char *text)
{
    return *word ? CLAT_OK : memory_string(text, word);
}

/* Weights and tags are instructions to other programs. */
static enum clat_status set_prompt(struct foreign *foreign, const char *text)
{
    bool tags = strstr(text, "<lora:") || strstr(text, "<hypernet:") || strstr(text, "BREAK");
    bool weights = false;
    for (const char *c = text; (c = strchr(c, ':')); c++) {
        size_t digits = strspn(c + 1, "0123456789.");
        weights |= digits && (c[1 + digits] == ')' || c[1 + digits] == ']');
    }
    enum clat_status status = foreign_set(foreign, "prompt", text);
    if (status == CLAT_OK && (tags || weights))
        status = foreign_lose(foreign, "weights and tags in the prompt are taken as words");
    return status;
}

/* Of more than one name each; `key` NULL: a loss. */
static const struct {
    const char *word, *key;
} shared[] = {
    {"seed", "seed"},
    {"noise_seed", "seed"},
    {"steps", "num_inference_steps"},
    {"cfg", "guidance_scale"},
    {"cfg_scale", "guidance_scale"},
    {"cfgscale", "guidance_scale"},
    {"cfg scale", "guidance_scale"},
    {"guidance_scale", "guidance_scale"},
    {"eta", "eta"},
    {"width", "width"},
    {"height", "height"},
};

enum clat_status foreign_share(
    struct foreign *foreign, const char *word, const char *text, bool *known)
{
    *known = true;
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        if (strcmp(shared[i].word, word) == 0)
            return foreign_set(foreign, shared[i].key, text);
    if (strcmp(word, "prompt") == 0 || strcmp(word, "positive_prompt") == 0)
        return set_prompt(foreign, text);
    if (strcmp(word, "negative_prompt") == 0 || strcmp(word, "negativeprompt") == 0)
        return *text ? foreign_lose(foreign, "negative prompt: %.200s", text) : CLAT_OK;
    if (strcmp(word, "sampler") == 0 || strcmp(word, "sampler_name") == 0)
        return foreign_word(&foreign->sampler, text);
    if (strcmp(word, "model") == 0)
        return foreign_lose(foreign, "model: %.200s (name your copy with --model)", text);
    if (strcmp(word, "denoise") == 0 || strcmp(word, "strength") == 0 ||
        strcmp(word, "denoising strength") == 0)
        return strcmp(text, "1") == 0 || strcmp(text, "1.0") == 0
                   ? CLAT_OK
                   : foreign_lose(foreign,
                         "strength: %.20s, from a picture that it does not name (--image FILE "
                         "--strength %.20s)",
                         text, text);
    *known = false;
    return CLAT_OK;
}

enum clat_status foreign_parse(const char *text, struct json **document)
{
    static const struct json_rules rules = {.depth = 64};
    return json_parse(text, strlen(text), "its text", &rules, document);
}

/* ---- who wrote it --------------------------------------------------------------------------- */

static enum clat_status read_run(const char *text, struct foreign *foreign)
{
    return foreign_comfyui(text, false, foreign);
}

static enum clat_status read_drawn(const char *text, struct foreign *foreign)
{
    return foreign_comfyui(text, true, foreign);
}

/* The first that an image has, and that can be read. */
static const struct {
    const char *keyword, *program;
    enum clat_status (*read)(const char *text, struct foreign *foreign);
} sources[] = {
    {"invokeai_metadata", "InvokeAI", foreign_invokeai},
    {"sd-metadata", "InvokeAI", foreign_invokeai},
    {"prompt", "ComfyUI", read_run},
    {"workflow", "ComfyUI", read_drawn},
    {"parameters", "AUTOMATIC1111's web UI or its kin", foreign_parameters},
    {"Dream", "InvokeAI", foreign_dream},
};

/* What a reader had said before it failed is forgotten. */
static void forget(struct foreign *foreign)
{
    job_values_free(&foreign->values);
    free(foreign->sampler);
    free(foreign->schedule);
    foreign->sampler = foreign->schedule = NULL;
    foreign->program = NULL;
}

enum clat_status foreign_read(const struct png_facts *facts, struct foreign *foreign)
{
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; i < sizeof sources / sizeof *sources && !foreign->program; i++) {
        const char *text = png_find_text(facts, sources[i].keyword);
        if (!text)
            continue;
        foreign->program = sources[i].program;
        status = sources[i].read(text, foreign);
        if (status == CLAT_ERROR_MEMORY)
            break;
        if (status == CLAT_OK)
            continue;
        forget(foreign);
        status = foreign_lose(foreign, "%s cannot be read: %s", sources[i].keyword, status_text());
        status_clear();
    }
    return status;
}

void foreign_free(struct foreign *foreign)
{
    forget(foreign);
    for (size_t i = 0; i < foreign->loss_count; i++)
        free(foreign->losses[i]);
    *foreign = (struct foreign){.program = NULL};
}
