/* foreign_comfyui.c - ComfyUI's graph of nodes. SPDX-License-Identifier: MIT
 *
 * As it was run (chunk "prompt"), an object of nodes by number; an input is a value, or where it
 * comes from, ["4", 0]:
 *
 *     {"3": {"class_type": "KSampler", "inputs": {"seed": 1, "positive": ["6", 0], ...}}, ...}
 *
 * As it was drawn (chunk "workflow"), a list of nodes; what is not linked stands in a list of
 * values in the order of the class, which is known for the classes that matter here:
 *
 *     {"nodes": [{"id": 3, "type": "KSampler", "inputs": [{"name": "positive", "link": 4}, ...],
 *                 "widgets_values": [1, "fixed", 20, ...]}, ...], "links": [[4, 6, 0, 3, 1, ""],
 * ...]}
 *
 * From the sampler the links lead to prompts, size and model. */
#include "job/foreign.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINK_LIMIT 32 /* nodes that are followed in a row: a graph may be a circle */

struct graph {
    const struct json_t *root;
    bool drawn;
};

/* ---- nodes ---------------------------------------------------------------------------------- */

static const char *class_of(const struct graph *graph, const struct json_t *node)
{
    const char *name = json_as_string(json_member(node, graph->drawn ? "type" : "class_type"));
    return name ? name : "";
}

static const struct json_t *node_of_number(const struct graph *graph, long long number)
{
    const struct json_t *nodes = json_member(graph->root, "nodes");
    long long own;
    for (size_t i = 0; i < json_count(nodes); i++)
        if (json_as_integer(json_member(json_item(nodes, i), "id"), &own) && own == number)
            return json_item(nodes, i);
    return NULL;
}

/* The node that a link of a drawn graph comes from. */
static const struct json_t *origin_of_link(const struct graph *graph, long long number)
{
    const struct json_t *links = json_member(graph->root, "links");
    long long own, from;
    for (size_t i = 0; i < json_count(links); i++) {
        const struct json_t *link = json_item(links, i);
        if (json_as_integer(json_item(link, 0), &own) && own == number &&
            json_as_integer(json_item(link, 1), &from))
            return node_of_number(graph, from);
    }
    return NULL;
}

/* The node that feeds an input; NULL if none does. */
static const struct json_t *linked(
    const struct graph *graph, const struct json_t *node, const char *input)
{
    const struct json_t *inputs = json_member(node, "inputs");
    if (!graph->drawn) {
        const char *number = json_as_string(json_item(json_member(inputs, input), 0));
        return number ? json_member(graph->root, number) : NULL;
    }
    for (size_t i = 0; i < json_count(inputs); i++) {
        const char *name = json_as_string(json_member(json_item(inputs, i), "name"));
        long long link;
        if (name && strcmp(name, input) == 0 &&
            json_as_integer(json_member(json_item(inputs, i), "link"), &link))
            return origin_of_link(graph, link);
    }
    return NULL;
}

/* Where the values of a class stand in a drawn graph; between them are ones that only the drawing
 * needs. */
static const struct {
    const char *class, *input;
    size_t index;
} places[] = {
    {"KSampler", "seed", 0},
    {"KSampler", "steps", 2},
    {"KSampler", "cfg", 3},
    {"KSampler", "sampler_name", 4},
    {"KSampler", "scheduler", 5},
    {"KSampler", "denoise", 6},
    {"KSamplerAdvanced", "noise_seed", 1},
    {"KSamplerAdvanced", "steps", 3},
    {"KSamplerAdvanced", "cfg", 4},
    {"KSamplerAdvanced", "sampler_name", 5},
    {"KSamplerAdvanced", "scheduler", 6},
    {"CLIPTextEncode", "text", 0},
    {"EmptyLatentImage", "width", 0},
    {"EmptyLatentImage", "height", 1},
    {"CheckpointLoaderSimple", "ckpt_name", 0},
    {"LoraLoader", "lora_name", 0},
};

/* The value of an input that no node feeds; NULL if it has none. */
static const struct json_t *value_of(
    const struct graph *graph, const struct json_t *node, const char *input)
{
    if (!graph->drawn) {
        const struct json_t *value = json_member(json_member(node, "inputs"), input);
        return json_kind(value) == KIND_ARRAY ? NULL : value;
    }
    const struct json_t *values = json_member(node, "widgets_values");
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (strcmp(places[i].class, class_of(graph, node)) == 0 &&
            strcmp(places[i].input, input) == 0)
            return json_item(values, places[i].index);
    return NULL;
}

static bool is_sampler(const struct graph *graph, const struct json_t *node)
{
    return value_of(graph, node, "steps") && value_of(graph, node, "sampler_name");
}

/* The first sampler, in the order of the file, and how many there are. */
static const struct json_t *find_sampler(const struct graph *graph, size_t *count)
{
    const struct json_t *first = NULL, *node, *nodes = json_member(graph->root, "nodes");
    void *place = NULL;
    const char *number;
    *count = 0;
    for (size_t i = 0; graph->drawn && i < json_count(nodes); i++)
        if (is_sampler(graph, json_item(nodes, i)) && ++*count == 1)
            first = json_item(nodes, i);
    while (!graph->drawn && json_next(graph->root, &place, &number, &node))
        if (is_sampler(graph, node) && ++*count == 1)
            first = node;
    return first;
}

/* ---- what they say -------------------------------------------------------------------------- */

/* An input's value under a word that programs share; nothing if it has none. */
static enum clat_status share(struct foreign *foreign, const struct graph *graph,
    const struct json_t *node, const char *input, const char *word)
{
    enum clat_status status = CLAT_OK;
    const struct json_t *value = value_of(graph, node, input);
    char *text = NULL;
    bool known;
    if (json_kind(value) < KIND_INTEGER || json_kind(value) > KIND_STRING)
        return CLAT_OK;
    TRY(json_text(value, &text));
    TRY(foreign_share(foreign, word, text, &known));
out:
    free(text);
    return status;
}

/* The first of a node's inputs that has a text, or that another node feeds: that one's. */
static enum clat_status take_text(
    struct foreign *foreign, const struct graph *graph, const struct json_t *node, const char *word)
{
    static const char *const inputs[] = {"text", "text_g", "string", "value", "prompt",
        "conditioning", "conditioning_1", "conditioning_to", "positive"};
    enum { INPUTS = sizeof inputs / sizeof *inputs };
    for (int links = 0; node && links < LINK_LIMIT; links++) {
        const struct json_t *next = NULL;
        for (int i = 0; i < INPUTS; i++) {
            if (json_as_string(value_of(graph, node, inputs[i])))
                return share(foreign, graph, node, inputs[i], word);
            if (!next)
                next = linked(graph, node, inputs[i]);
        }
        node = next;
    }
    return foreign_lose(foreign, "%s: its nodes are not understood", word);
}

static enum clat_status take_size(
    struct foreign *foreign, const struct graph *graph, const struct json_t *node)
{
    enum clat_status status;
    if (!value_of(graph, node, "width"))
        return foreign_lose(foreign, "it starts from a picture or from other latents");
    TRY(share(foreign, graph, node, "width", "width"));
    TRY(share(foreign, graph, node, "height", "height"));
out:
    return status;
}

/* Back to the checkpoint, past what changes its weights. */
static enum clat_status take_model(
    struct foreign *foreign, const struct graph *graph, const struct json_t *node)
{
    enum clat_status status = CLAT_OK;
    for (int links = 0; node && links < LINK_LIMIT && status == CLAT_OK; links++) {
        const char *lora = json_as_string(value_of(graph, node, "lora_name"));
        if (value_of(graph, node, "ckpt_name"))
            return share(foreign, graph, node, "ckpt_name", "model");
        if (value_of(graph, node, "unet_name"))
            return share(foreign, graph, node, "unet_name", "model");
        status = lora ? foreign_lose(foreign, "LoRA: %.200s", lora)
                      : foreign_lose(foreign, "node %.100s", class_of(graph, node));
        node = linked(graph, node, "model");
    }
    return status;
}

static enum clat_status take_schedule(
    struct foreign *foreign, const struct graph *graph, const struct json_t *sampler)
{
    const char *schedule = json_as_string(value_of(graph, sampler, "scheduler"));
    return schedule ? foreign_word(&foreign->schedule, schedule) : CLAT_OK;
}

static enum clat_status take_sampler(
    struct foreign *foreign, const struct graph *graph, const struct json_t *sampler)
{
    static const char *const inputs[] = {
        "seed", "noise_seed", "steps", "cfg", "sampler_name", "denoise"};
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs && status == CLAT_OK; i++)
        status = share(foreign, graph, sampler, inputs[i], inputs[i]);
    TRY(status);
    TRY(take_schedule(foreign, graph, sampler));
    TRY(take_text(foreign, graph, linked(graph, sampler, "positive"), "prompt"));
    TRY(take_text(foreign, graph, linked(graph, sampler, "negative"), "negative_prompt"));
    TRY(take_size(foreign, graph, linked(graph, sampler, "latent_image")));
    TRY(take_model(foreign, graph, linked(graph, sampler, "model")));
out:
    return status;
}

enum clat_status foreign_comfyui(const char *text, bool drawn, struct foreign *foreign)
{
    enum clat_status status;
    struct json *document = NULL;
    size_t samplers;
    TRY(foreign_parse(text, &document));
    struct graph graph = {json_root(document), drawn};
    const struct json_t *sampler = find_sampler(&graph, &samplers);
    if (!sampler)
        FAIL(CLAT_ERROR_INPUT, "none of its nodes is a sampler that is known");
    TRY(take_sampler(foreign, &graph, sampler));
    if (samplers > 1)
        TRY(foreign_lose(foreign, "%zu samplers, of which the first is taken", samplers));
out:
    json_close(document);
    return status;
}
