/* config.c - the json files of a model as structs, checked. SPDX-License-Identifier: MIT
 *
 * Every reader starts from a table of the class defaults of diffusers or transformers, replaces
 * what the file gives, and refuses what the networks here do not compute: a wrong picture is worse
 * than a sentence. UNets and autoencoders: config_unet.c, config_autoencoder.c. */
#include "checkpoint/config.h"
#include "base/file.h"
#include "checkpoint/field.h"
#include "formats/json.h"

#include <stdlib.h>
#include <string.h>

/* ---- model_index.json ----------------------------------------------------------------------- */

/* A component is ["library", "Class"], or [null, null] if the pipeline was saved without it. */
static enum clat_status read_class(
    const struct json *document, const char *key, char *field, size_t size)
{
    const struct json_t *value = json_member(json_root(document), key);
    if (json_kind(value) == KIND_ABSENT || json_kind(value) == KIND_NULL)
        return CLAT_OK;
    if (json_kind(value) != KIND_ARRAY || json_count(value) != 2)
        return field_bad_list(document, key, "a list of library and class", value);
    const struct json_t *name = json_item(value, 1);
    if (json_kind(name) == KIND_NULL)
        return CLAT_OK;
    if (!json_as_string(name))
        return field_bad_list(document, key, "the name of a class", name);
    return field_copy(document, key, json_as_string(name), field, size);
}

/* The component under the first of some keys that the file has, else the last; `folder` gets it. */
static enum clat_status read_any(
    const struct json *document, const char *const *keys, char *field, size_t size, char folder[24])
{
    while (keys[1] && json_kind(json_member(json_root(document), *keys)) == KIND_ABSENT)
        keys++;
    strcpy(folder, *keys);
    return read_class(document, *keys, field, size);
}

/* What clatent writes where no pipeline's class says the task; and who wrote the file. */
static enum clat_status read_writer(const struct json *document, struct model_index *index)
{
    const char *task = "", *key = "_clatent_task";
    enum clat_status status;
    TRY(json_get_string(document, key, &task));
    TRY(field_copy(document, key, task, index->task, sizeof index->task));
    index->paddle =
        json_kind(json_member(json_root(document), "_ppdiffusers_version")) != KIND_ABSENT;
out:
    return status;
}

enum clat_status config_read_model_index(const char *model, struct model_index *index)
{
    struct json *document = NULL;
    char *path = NULL;
    const char *pipeline = "";
    static const char *const autoencoders[] = {"vqvae", "vae", NULL};
    static const char *const conditions[] = {"bert", "cond_stage", "text_encoder", NULL};
    enum clat_status status;
    memset(index, 0, sizeof *index);
    if (!file_is_directory(model))
        return status_set(CLAT_ERROR_INPUT, "there is no model folder '%s'", model);
    TRY(file_join(model, "model_index.json", &path));
    TRY(json_open(path, CONFIG_BYTES, &document));
    TRY(json_get_string(document, "_class_name", &pipeline));
    TRY(field_copy(document, "_class_name", pipeline, index->pipeline, sizeof index->pipeline));
    TRY(read_class(document, "unet", index->unet, sizeof index->unet));
    TRY(read_class(document, "tokenizer", index->tokenizer, sizeof index->tokenizer));
    TRY(read_class(document, "scheduler", index->scheduler, sizeof index->scheduler));
    TRY(read_any(document, autoencoders, index->autoencoder, sizeof index->autoencoder,
        index->autoencoder_folder));
    TRY(read_any(document, conditions, index->text_encoder, sizeof index->text_encoder,
        index->text_encoder_folder));
    TRY(read_writer(document, index));
out:
    json_close(document);
    free(path);
    return status;
}

/* ---- LDMBertModel --------------------------------------------------------------------------- */

static const struct ldmbert_config ldmbert_defaults = {
    .vocab_size = 30522,
    .max_position_embeddings = 77,
    .layers = 32,
    .heads = 8,
    .head_dim = 64,
    .d_model = 1280,
    .ffn_dim = 5120,
};

enum clat_status config_read_ldmbert(const char *path, struct ldmbert_config *config)
{
    struct json *document = NULL;
    enum clat_status status;
    *config = ldmbert_defaults;
    TRY(json_open(path, CONFIG_BYTES, &document));
    TRY(field_expect_string(document, "model_type", "ldmbert"));
    TRY(field_expect_string(document, "activation_function", "gelu"));
    TRY(field_expect_bool(document, "scale_embedding", false));
    TRY(json_get_int(document, "vocab_size", 1, 1 << 24, &config->vocab_size));
    TRY(json_get_int(
        document, "max_position_embeddings", 2, 65536, &config->max_position_embeddings));
    TRY(json_get_int(document, "encoder_layers", 1, 256, &config->layers));
    TRY(json_get_int(document, "encoder_attention_heads", 1, 1024, &config->heads));
    TRY(json_get_int(document, "head_dim", 1, 1024, &config->head_dim));
    TRY(json_get_int(document, "d_model", 1, CONFIG_CHANNELS, &config->d_model));
    TRY(json_get_int(document, "encoder_ffn_dim", 1, 1 << 20, &config->ffn_dim));
    TRY(json_get_int(document, "pad_token_id", 0, config->vocab_size - 1, &config->pad_token_id));
out:
    json_close(document);
    return status;
}

/* ---- BertTokenizer -------------------------------------------------------------------------- */

static const struct tokenizer_config tokenizer_defaults = {
    .do_lower_case = true,
    .tokenize_chinese_chars = true,
    .strip_accents = -1,
};

static enum clat_status read_strip_accents(const struct json *document, int *strip_accents)
{
    bool strip = false;
    const struct json_t *value = json_member(json_root(document), "strip_accents");
    enum clat_status status = json_get_bool(document, "strip_accents", &strip);
    if (json_kind(value) == KIND_BOOLEAN)
        *strip_accents = strip;
    return status;
}

enum clat_status config_read_tokenizer(const char *folder, struct tokenizer_config *config)
{
    struct json *document = NULL;
    char *path = NULL;
    enum clat_status status;
    *config = tokenizer_defaults;
    TRY(file_join(folder, "tokenizer_config.json", &path));
    if (!file_exists(path))
        goto out;
    TRY(json_open(path, CONFIG_BYTES, &document));
    TRY(json_get_bool(document, "do_lower_case", &config->do_lower_case));
    TRY(json_get_bool(document, "tokenize_chinese_chars", &config->tokenize_chinese_chars));
    TRY(read_strip_accents(document, &config->strip_accents));
    TRY(field_expect_bool(document, "do_basic_tokenize", true));
out:
    json_close(document);
    free(path);
    return status;
}

/* ---- scheduler_config.json ------------------------------------------------------------------ */

static enum clat_status read_settings(const struct json *document, struct settings *settings)
{
    void *place = NULL;
    const char *key;
    char *text;
    const struct json_t *value;
    while (json_next(json_root(document), &place, &key, &value)) {
        if (key[0] == '_' && strcmp(key, "_class_name") != 0 &&
            strcmp(key, "_use_default_values") != 0)
            continue;
        enum clat_status status = json_text(value, &text);
        if (status != CLAT_OK)
            return status;
        status = settings_set(settings, key, text, json_file(document));
        free(text);
        if (status != CLAT_OK)
            return status;
    }
    return CLAT_OK;
}

enum clat_status config_read_scheduler(const char *path, struct settings *settings)
{
    struct json *document = NULL;
    enum clat_status status;
    TRY(json_open(path, CONFIG_BYTES, &document));
    TRY(read_settings(document, settings));
out:
    json_close(document);
    return status;
}
