/* foreign_flat.c - programs that write one JSON object of settings: InvokeAI, SwarmUI, Fooocus.
 * SPDX-License-Identifier: MIT
 *
 *     invokeai_metadata  {"positive_prompt": ..., "seed": 1, "scheduler": "dpmpp_2m_k", "model":
 * {...}} sd-metadata        {"model_weights": ..., "image": {"prompt": [{"prompt": ..., "weight":
 * 1}], "sampler": "k_lms", ...}} SwarmUI            {"sui_image_params": {"prompt": ...,
 * "cfgscale": 7, ...}} Dream              "a prompt" -s 50 -S 1 -W 512 -H 512 -C 7.5 -A k_lms */
#include "base/memory.h"
#include "job/foreign.h"

#include <stdlib.h>
#include <string.h>

/* "dpmpp_2m_k": InvokeAI's sign for the schedule of Karras. */
static enum clat_status set_scheduler(struct foreign *foreign, const char *name)
{
    size_t size = strlen(name);
    bool karras = size > 2 && strcmp(name + size - 2, "_k") == 0;
    char *sampler = strndup(name, karras ? size - 2 : size);
    if (!sampler)
        return status_set(CLAT_ERROR_MEMORY, "no host memory for a name");
    enum clat_status status = foreign_word(&foreign->sampler, sampler);
    if (status == CLAT_OK && karras)
        status = foreign_word(&foreign->schedule, "karras");
    free(sampler);
    return status;
}

static enum clat_status lose_model(struct foreign *foreign, const struct json_t *model)
{
    const char *name = json_as_string(json_member(model, "name"));
    bool known;
    if (!name)
        name = json_as_string(json_member(model, "model_name"));
    return name ? foreign_share(foreign, "model", name, &known) : CLAT_OK;
}

/* [{"prompt": "a", "weight": 1}, ...] */
static enum clat_status take_prompts(struct foreign *foreign, const struct json_t *list)
{
    const char *first = json_as_string(json_member(json_item(list, 0), "prompt"));
    bool known;
    enum clat_status status = CLAT_OK;
    if (first)
        status = foreign_share(foreign, "prompt", first, &known);
    if (status == CLAT_OK && json_count(list) > 1)
        status = foreign_lose(foreign, "a mixture of %zu prompts, of which only the first is taken",
            json_count(list));
    return status;
}

/* [768, 512], or "(768, 512)" of Fooocus: width and height. */
static enum clat_status take_resolution(struct foreign *foreign, const char *text)
{
    enum clat_status status = CLAT_OK;
    static const char *const keys[] = {"width", "height"};
    for (int i = 0; i < 2 && status == CLAT_OK; i++) {
        text += strcspn(text, "0123456789");
        size_t size = strspn(text, "0123456789");
        char *number = strndup(text, size);
        if (!number)
            return status_set(CLAT_ERROR_MEMORY, "no host memory for a size");
        status = foreign_set(foreign, keys[i], number);
        free(number);
        text += size;
    }
    return status;
}

static bool says_nothing(const char *key)
{
    static const char *const keys[] = {"app_version", "app_id", "generation_mode", "rand_device",
        "model_hash", "type", "postprocessing", "swarm_version", "version", "created_by",
        "metadata_scheme"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

/* One member; what it says beyond our keys is a loss. */
static enum clat_status take_member(
    struct foreign *foreign, const char *key, const struct json_t *value)
{
    enum clat_status status;
    char *text = NULL;
    bool known = true;
    enum json_kind kind = json_kind(value);
    if (strcmp(key, "model") == 0 && kind == KIND_OBJECT)
        return lose_model(foreign, value);
    if (strcmp(key, "prompt") == 0 && kind == KIND_ARRAY)
        return take_prompts(foreign, value);
    if (kind == KIND_OBJECT)
        return foreign_lose(foreign, "%.40s", key);
    if (kind == KIND_NULL || says_nothing(key) || (kind == KIND_ARRAY && json_count(value) == 0))
        return CLAT_OK;
    status = json_text(value, &text);
    if (status == CLAT_ERROR_MEMORY)
        return status;
    if (status != CLAT_OK) /* a list of lists */
        return foreign_lose(foreign, "%.40s", key);
    if (strcmp(key, "scheduler") == 0)
        status = set_scheduler(foreign, text);
    else if (strcmp(key, "resolution") == 0)
        status = take_resolution(foreign, text);
    else if (strcmp(key, "model_weights") == 0 || strcmp(key, "base_model") == 0)
        status = foreign_share(foreign, "model", text, &known);
    else
        status = foreign_share(foreign, key, text, &known);
    if (status == CLAT_OK && !known && *text)
        status = foreign_lose(foreign, "%.40s: %.200s", key, text);
    free(text);
    return status;
}

static enum clat_status take_members(struct foreign *foreign, const struct json_t *object)
{
    enum clat_status status = CLAT_OK;
    void *place = NULL;
    const char *key;
    const struct json_t *value;
    while (status == CLAT_OK && json_next(object, &place, &key, &value))
        if (strcmp(key, "image") == 0 || strcmp(key, "sui_image_params") == 0)
            status = take_members(foreign, value);
        else
            status = take_member(foreign, key, value);
    return status;
}

enum clat_status foreign_flat(const char *program, const char *text, struct foreign *foreign)
{
    enum clat_status status;
    struct json *document = NULL;
    foreign->program = program;
    TRY(foreign_parse(text, &document));
    TRY(take_members(foreign, json_root(document)));
    if (!foreign->values.value[job_key_find("seed")].where &&
        !foreign->values.value[job_key_find("prompt")].where)
        FAIL(CLAT_ERROR_INPUT, "it has neither a prompt nor a seed");
out:
    json_close(document);
    return status;
}

enum clat_status foreign_invokeai(const char *text, struct foreign *foreign)
{
    return foreign_flat("InvokeAI", text, foreign);
}

/* ---- Dream ---------------------------------------------------------------------------------- */

static enum clat_status take_option(struct foreign *foreign, char letter, const char *value)
{
    static const struct {
        char letter;
        const char *word;
    } options[] = {{'s', "steps"}, {'S', "seed"}, {'W', "width"}, {'H', "height"},
        {'C', "cfg_scale"}, {'A', "sampler"}, {'f', "strength"}};
    bool known;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].letter == letter)
            return foreign_share(foreign, options[i].word, value, &known);
    return foreign_lose(foreign, "-%c%.100s", letter, value);
}

/* -s 50 or -s50, up to the next option. */
static enum clat_status take_options(struct foreign *foreign, const char *at)
{
    enum clat_status status = CLAT_OK;
    while (status == CLAT_OK && (at = strchr(at, '-')) && at[1]) {
        char letter = at[1];
        at += 2;
        at += strspn(at, " ");
        size_t size = strcspn(at, " ");
        char *value = strndup(at, size);
        if (!value)
            return status_set(CLAT_ERROR_MEMORY, "no host memory for an option");
        status = take_option(foreign, letter, value);
        free(value);
        at += size;
    }
    return status;
}

enum clat_status foreign_dream(const char *text, struct foreign *foreign)
{
    bool quoted = *text == '"', known;
    const char *start = text + quoted, *end = quoted ? strchr(start, '"') : strstr(start, " -");
    if (!end)
        return status_set(CLAT_ERROR_INPUT, "its prompt has no end");
    char *prompt = strndup(start, (size_t)(end - start));
    if (!prompt)
        return status_set(CLAT_ERROR_MEMORY, "no host memory for a prompt");
    enum clat_status status = foreign_share(foreign, "prompt", prompt, &known);
    free(prompt);
    return status == CLAT_OK ? take_options(foreign, end) : status;
}
