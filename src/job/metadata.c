/* metadata.c - the texts of an image file, written and read. SPDX-License-Identifier: MIT */
#include "job/metadata.h"
#include "base/memory.h"
#include "formats/escape.h"

#include <stdlib.h>
#include <string.h>

/* ---- our JSON ------------------------------------------------------------------------------- */

/* A number as JSON writes it: 1, -0.5, 1e-05; not 007, .5 or inf. */
static bool is_json_number(const char *text)
{
    double number;
    const char *digits = text + (*text == '-');
    size_t size = strlen(text);
    bool starts_well = *digits >= '0' && *digits <= '9' &&
                       !(digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9');
    return starts_well && strspn(text, "0123456789+-.eE") == size && text[size - 1] != '.' &&
           text_to_double(text, &number);
}

/* True if the text may stand in JSON without quotes: a number, true, false, null, a list of
 * numbers. */
static bool is_bare(const char *text)
{
    size_t size = strlen(text);
    bool is_list = size > 2 && text[0] == '[' &&
                   strspn(text + 1, "0123456789+-.eE, ") == size - 2 && text[size - 1] == ']';
    return is_list || strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ||
           strcmp(text, "null") == 0 || is_json_number(text);
}

static enum clat_status add_json_text(struct text *out, const char *text, bool bare)
{
    return bare ? text_add(out, text, strlen(text)) : escape_json(out, text);
}

/* {"name": "ddim", "eta": 0.3} */
static enum clat_status add_json_scheduler(
    struct text *out, const struct job_value *value, const struct settings *options)
{
    enum clat_status status = CLAT_OK;
    TRY(text_add(out, "{", 1));
    for (size_t i = 0; i < value->count; i++) {
        TRY(text_print(out, "\"name\": "));
        TRY(escape_json(out, value->items[i]));
    }
    for (size_t i = 0; i < options->count; i++) {
        TRY(text_print(out, "%s", i || value->count ? ", " : ""));
        TRY(escape_json(out, options->items[i].key));
        TRY(text_add(out, ": ", 2));
        TRY(add_json_text(out, options->items[i].value, is_bare(options->items[i].value)));
    }
    TRY(text_add(out, "}", 1));
out:
    return status;
}

static enum clat_status add_json_value(
    struct text *out, const struct job_values *values, size_t index)
{
    enum clat_status status = CLAT_OK;
    const struct job_value *value = &values->value[index];
    enum key_kind kind = job_keys[index].kind;
    bool bare = kind == KEY_INT || kind == KEY_REAL || kind == KEY_FLAG || kind == KEY_SEEDS ||
                (kind == KEY_LAYOUT && value->items[0][0] == '[');
    bool list = value->count > 1;
    if (kind == KEY_SCHEDULER)
        return add_json_scheduler(out, value, &values->scheduler_options);
    if (list)
        TRY(text_add(out, "[", 1));
    for (size_t i = 0; i < value->count; i++) {
        TRY(text_print(out, "%s", i ? ", " : ""));
        TRY(add_json_text(out, value->items[i], bare));
    }
    if (list)
        TRY(text_add(out, "]", 1));
out:
    return status;
}

enum clat_status metadata_job(const struct job_values *values, struct text *out)
{
    enum clat_status status = CLAT_OK;
    const char *separator = "";
    TRY(text_print(out, "{"));
    for (size_t i = 0; i < job_key_count; i++) {
        if (!values->value[i].where || !job_keys[i].recorded)
            continue;
        TRY(text_print(out, "%s\"%s\": ", separator, job_keys[i].name));
        TRY(add_json_value(out, values, i));
        separator = ", ";
    }
    TRY(text_print(out, "}"));
out:
    return status;
}

enum clat_status metadata_json(
    const struct job_values *values, const char *device, struct text *out)
{
    enum clat_status status = CLAT_OK;
    TRY(text_print(out, "{\"version\": \"%s\", \"device\": ", clat_version()));
    TRY(escape_json(out, device));
    TRY(text_print(out, ", \"job\": "));
    TRY(metadata_job(values, out));
    TRY(text_print(out, "}"));
out:
    return status;
}

static const struct yaml_node *find_member(const struct yaml_node *mapping, const char *key)
{
    for (size_t i = 0; i < mapping->count; i++)
        if (mapping->kind == NODE_MAPPING && strcmp(mapping->children[i].key, key) == 0)
            return &mapping->children[i];
    return NULL;
}

enum clat_status metadata_parse(
    const char *name, const char *json, struct job_values *values, char **version)
{
    enum clat_status status = CLAT_OK;
    struct yaml_node root;
    *version = NULL;
    TRY(yaml_parse(name, json, strlen(json), &root));
    const struct yaml_node *job = find_member(&root, "job"), *by = find_member(&root, "version");
    if (!job || !by || by->kind != NODE_SCALAR)
        FAIL(CLAT_ERROR_INPUT, "%s: its text '%s' has no version and job", name, METADATA_KEY);
    TRY(job_values_tree(values, name, NULL, job));
    TRY(memory_string(by->text, version));
out:
    yaml_free(&root);
    return status == CLAT_ERROR_USAGE ? CLAT_ERROR_INPUT : status;
}

/* ---- the line that everybody reads ---------------------------------------------------------- */

static const struct job_value *find_value(const struct job_values *values, const char *name)
{
    return &values->value[job_key_find(name)];
}

static const char *first_of(const struct job_values *values, const char *name)
{
    const struct job_value *value = find_value(values, name);
    return value->count ? value->items[0] : NULL;
}

/* "Label: text, ", the text in JSON's quotes if it holds what separates pairs. */
static enum clat_status add_pair(struct text *out, const char *label, const char *text)
{
    enum clat_status status = CLAT_OK;
    if (!text)
        return CLAT_OK;
    TRY(text_print(out, "%s: ", label));
    TRY(add_json_text(out, text, !strpbrk(text, ",\n:")));
    TRY(text_add(out, ", ", 2));
out:
    return status;
}

/* Samplers as AUTOMATIC1111's web UI calls them, where that is not our name: which scheduler with
 * which options. */
static const struct {
    const char *scheduler, *options, *word;
} samplers[] = {
    {"pndm", "skip_prk_steps=true", "PLMS"},
    {"euler_ancestral", NULL, "Euler a"},
    {"dpm2_ancestral", NULL, "DPM2 a"},
    {"dpmsolver_multistep", "algorithm_type=dpmsolver++,solver_order=2", "DPM++ 2M"},
    {"dpmsolver_multistep", "algorithm_type=sde-dpmsolver++,solver_order=2,solver_type=midpoint",
        "DPM++ 2M SDE"},
    {"dpmsolver_multistep", "algorithm_type=sde-dpmsolver++,solver_order=2,solver_type=heun",
        "DPM++ 2M SDE Heun"},
    {"dpmsolver_multistep", "algorithm_type=sde-dpmsolver++,solver_order=3", "DPM++ 3M SDE"},
    {"dpmsolver_sde", NULL, "DPM++ SDE"},
};

static bool has_options(const struct settings *options, const char *wanted)
{
    struct settings list = {0};
    bool has = !wanted || settings_read(&list, wanted, "samplers") == CLAT_OK;
    for (size_t i = 0; has && i < list.count; i++) {
        const struct setting *option = settings_find(options, list.items[i].key);
        has = option && strcmp(option->value, list.items[i].value) == 0;
    }
    settings_free(&list);
    return has;
}

static const char *sampler_word(const struct job_values *values)
{
    const char *name = first_of(values, "scheduler");
    for (size_t i = 0; name && i < sizeof samplers / sizeof *samplers; i++)
        if (strcmp(name, samplers[i].scheduler) == 0 &&
            has_options(&values->scheduler_options, samplers[i].options))
            return samplers[i].word;
    return name;
}

/* The schedule as AUTOMATIC1111's web UI calls it, NULL if the options are of none. */
static const char *schedule_word(const struct settings *options)
{
    static const char *const words[][2] = {{"use_karras_sigmas", "Karras"},
        {"use_exponential_sigmas", "Exponential"}, {"use_beta_sigmas", "Beta"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const struct setting *option = settings_find(options, words[i][0]);
        if (option && strcmp(option->value, "true") == 0)
            return words[i][1];
    }
    return NULL;
}

/* As AUTOMATIC1111's web UI calls them. */
static const char *rng_word(const struct job_values *values)
{
    const char *rng = first_of(values, "rng");
    return !rng || strcmp(rng, "torch") == 0 ? "CPU" : strcmp(rng, "philox") == 0 ? "NV" : rng;
}

enum clat_status metadata_parameters(
    const struct job_values *values, const char *model, struct text *out)
{
    enum clat_status status = CLAT_OK;
    const char *prompt = first_of(values, "prompt");
    const struct setting *eta = settings_find(&values->scheduler_options, "eta");
    TRY(text_print(out, "%s\n", prompt ? prompt : ""));
    TRY(add_pair(out, "Steps", first_of(values, "num_inference_steps")));
    TRY(add_pair(out, "Sampler", sampler_word(values)));
    TRY(add_pair(out, "Schedule type", schedule_word(&values->scheduler_options)));
    TRY(add_pair(out, "CFG scale", first_of(values, "guidance_scale")));
    TRY(add_pair(out, "Seed", first_of(values, "seed")));
    TRY(text_print(out, "Size: %sx%s, ", first_of(values, "width"), first_of(values, "height")));
    TRY(add_pair(out, "Model", model));
    TRY(add_pair(out, "Eta", eta ? eta->value : NULL));
    TRY(add_pair(out, "Denoising strength", first_of(values, "strength")));
    TRY(text_print(out, "RNG: %s, Version: clatent %s", rng_word(values), clat_version()));
out:
    return status;
}

enum clat_status metadata_xmp(bool composite, struct text *out)
{
    return text_print(out,
        "<?xpacket begin=\"\xEF\xBB\xBF\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n"
        "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n"
        " <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n"
        "  <rdf:Description rdf:about=\"\"\n"
        "   xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\"\n"
        "   xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\"\n"
        "   Iptc4xmpExt:DigitalSourceType=\"http://cv.iptc.org/newscodes/digitalsourcetype/"
        "%s\"\n"
        "   xmp:CreatorTool=\"clatent %s\"/>\n"
        " </rdf:RDF>\n"
        "</x:xmpmeta>\n"
        "<?xpacket end=\"r\"?>",
        composite ? "compositeWithTrainedAlgorithmicMedia" : "trainedAlgorithmicMedia",
        clat_version());
}
