/* damaged.c - thousands of damaged model files, made from small good ones. SPDX-License-Identifier:
 * MIT
 *
 * Every one must be refused with CLAT_ERROR_INPUT (or MEMORY) and a sentence that names the file,
 * or open with nothing but what the good file holds. Run under the sanitizers this also shows that
 * nothing reads where it should not. Kinds of damage: cut off at every byte, every byte with bits
 * flipped, every field of the right size set to the numbers where sizes break, bytes doubled or
 * left out, two files joined. */
#include "check.h"
#include "forge.h"
#include "base/status.h"
#include "checkpoint/config.h"
#include "checkpoint/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t files, refused, harmless;
static volatile float tensor_sum; /* so that every value is really read */

/* ---- what a good file holds ----------------------------------------------------------------- */

struct seed {
    const char *name;
    struct bytes bytes;
    bool checksums;       /* the format notices changed names and values */
    struct weights *good; /* the file as it should be */
};

static bool same_values(struct weights *weights, const struct weight *weight, struct weights *good)
{
    const struct weight *twin = weights_find(good, weight->name);
    const float *got, *want;
    size_t elements = 1;
    if (!twin || twin->dtype != weight->dtype || twin->rank != weight->rank ||
        memcmp(twin->shape, weight->shape, sizeof twin->shape) != 0)
        return false;
    for (int axis = 0; axis < weight->rank; axis++)
        elements *= weight->shape[axis];
    if (weight->dtype > DTYPE_F64)
        return true;
    int status = weights_float(weights, weight->name, weight->rank, weight->shape, &got);
    if (status != CLAT_OK)
        return status == CLAT_ERROR_INPUT; /* its checksum told */
    if (weights_float(good, weight->name, weight->rank, weight->shape, &want) != CLAT_OK)
        return false;
    return memcmp(got, want, elements * sizeof *got) == 0;
}

/* Reads every byte of every tensor that a network could ask for; the sum keeps the reads alive. */
static float read_all(struct weights *weights)
{
    float sum = 0;
    for (size_t i = 0; i < weights_count(weights); i++) {
        const struct weight *weight = weights_at(weights, i);
        const float *values;
        size_t elements = 1;
        for (int axis = 0; axis < weight->rank; axis++)
            elements *= weight->shape[axis];
        if (elements > 100000)
            continue; /* expanded far: the shape check of a network refuses it */
        if (weights_float(weights, weight->name, weight->rank, weight->shape, &values) == CLAT_OK)
            for (size_t k = 0; k < elements; k++)
                sum += values[k];
        weights_done(weights);
    }
    return sum;
}

static void check_opened(struct seed *seed, const char *what, struct weights *weights)
{
    harmless++;
    tensor_sum += read_all(weights);
    if (!seed->checksums)
        return;
    bool intact = weights_count(weights) == weights_count(seed->good);
    for (size_t i = 0; intact && i < weights_count(weights); i++)
        intact = same_values(weights, weights_at(weights, i), seed->good);
    CHECK(intact, "%s, %s: opened, but holds something else", seed->name, what);
}

/* The one place where a damaged file is judged. */
static void judge(struct seed *seed, const struct bytes *bytes, const char *what)
{
    char name[64];
    struct weights *weights = NULL;
    snprintf(name, sizeof name, "damaged/%s", seed->name);
    const char *path = check_scratch(name);
    forge_save(bytes, path);
    files++;
    status_clear();
    int status = weights_open_file(path, &weights);
    if (status == CLAT_OK) {
        check_opened(seed, what, weights);
        weights_close(weights);
        return;
    }
    refused++;
    CHECK(status == CLAT_ERROR_INPUT || status == CLAT_ERROR_MEMORY, "%s, %s: status %d, '%s'",
        seed->name, what, status, status_text());
    CHECK(strstr(status_text(), name), "%s, %s: the sentence does not name the file: '%s'",
        seed->name, what, status_text());
}

/* ---- kinds of damage ------------------------------------------------------------------------ */

static void cut_off(struct seed *seed)
{
    char what[64];
    for (size_t size = 0; size < seed->bytes.size; size++) {
        struct bytes part = seed->bytes;
        part.size = size;
        snprintf(what, sizeof what, "cut to %zu bytes", size);
        size_t before = harmless;
        judge(seed, &part, what);
        CHECK(harmless == before, "%s, %s: opened", seed->name, what);
    }
}

static void flip(struct seed *seed)
{
    static const unsigned char masks[] = {0x01, 0x80, 0xFF};
    char what[64];
    for (size_t at = 0; at < seed->bytes.size; at++)
        for (size_t k = 0; k < sizeof masks; k++) {
            seed->bytes.data[at] ^= masks[k];
            snprintf(what, sizeof what, "byte %zu xor %02x", at, masks[k]);
            judge(seed, &seed->bytes, what);
            seed->bytes.data[at] ^= masks[k];
        }
}

/* The numbers at which sizes, counts and offsets break, in every aligned place and width. */
static void numbers(struct seed *seed)
{
    static const uint64_t values[] = {0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000,
        0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF};
    char what[64];
    struct bytes copy = {0};
    forge_add(&copy, seed->bytes.data, seed->bytes.size);
    for (size_t at = 0; at + 8 <= copy.size; at += 2)
        for (size_t k = 0; k < sizeof values / sizeof *values; k++)
            for (int width = 4; width <= 8; width += 4) {
                if (width == 4 && values[k] > UINT32_MAX)
                    continue;
                forge_set(&copy, at, width, values[k]);
                snprintf(what, sizeof what, "byte %zu: %d bytes set to %llx", at, width,
                    (unsigned long long)values[k]);
                judge(seed, &copy, what);
                memcpy(copy.data + at, seed->bytes.data + at, 8);
            }
    forge_free(&copy);
}

/* One byte left out, or there twice. */
static void shifted(struct seed *seed)
{
    char what[64];
    for (size_t at = 0; at < seed->bytes.size; at += 3)
        for (size_t again = 0; again < 2; again++) {
            struct bytes copy = {0};
            forge_add(&copy, seed->bytes.data, at + again);
            forge_add(&copy, seed->bytes.data + at + 1 - again, seed->bytes.size - at - 1 + again);
            snprintf(what, sizeof what, "byte %zu %s", at, again ? "doubled" : "left out");
            judge(seed, &copy, what);
            forge_free(&copy);
        }
}

/* Something before, something behind, and two whole files in one. */
static void joined(struct seed *seed)
{
    static const char *const parts[] = {"PK\3\4", "\0", "{}", "\x80\2}.", "#!/bin/sh\n"};
    for (size_t k = 0; k < sizeof parts / sizeof *parts + 1; k++)
        for (int behind = 0; behind < 2; behind++) {
            struct bytes copy = {0}, part = {0};
            if (k < sizeof parts / sizeof *parts)
                forge_add(&part, parts[k], *parts[k] ? strlen(parts[k]) : 1);
            else
                forge_add(&part, seed->bytes.data, seed->bytes.size);
            const struct bytes *first = behind ? &seed->bytes : &part;
            const struct bytes *second = behind ? &part : &seed->bytes;
            forge_add(&copy, first->data, first->size);
            forge_add(&copy, second->data, second->size);
            size_t before = harmless;
            judge(seed, &copy, behind ? "something behind" : "something before");
            CHECK(harmless == before, "%s with something %s: opened", seed->name,
                behind ? "behind" : "before");
            forge_free(&copy);
            forge_free(&part);
        }
}

/* ---- damage of whole models ----------------------------------------------------------------- */

static const char *const config_keys[] = {"_class_name", "act_fn", "attention_head_dim",
    "block_out_channels", "center_input_sample", "cross_attention_dim", "down_block_types",
    "flip_sin_to_cos", "freq_shift", "in_channels", "layers_per_block", "norm_eps",
    "norm_num_groups", "out_channels", "sample_size", "up_block_types", "num_attention_heads",
    "use_linear_projection", "transformer_layers_per_block", "class_embed_type", "scaling_factor",
    "latent_channels"};
static const char *const config_values[] = {"null", "true", "-1", "0", "1", "1.5", "1e999",
    "2147483648", "9223372036854775808", "\"\"", "\"x\"", "[]", "[0]", "[1]", "[-1, 2]", "[[1]]",
    "{}", "[1, 1, 1, 1, 1, 1, 1, 1, 1]", "[\"DownBlock2D\"]", "[null, null]", "\"\\u0000\""};

/* Whatever the file says, what is handed out keeps to the limits of config.h. */
static bool unet_in_range(const struct unet_config *unet)
{
    bool good = unet->levels >= 1 && unet->levels <= CONFIG_LEVELS && unet->layers_per_block >= 1 &&
                unet->layers_per_block <= 16 && unet->norm_num_groups >= 1 &&
                unet->in_channels >= 1 && unet->out_channels >= 1 &&
                unet->cross_attention_dim >= 1 && unet->norm_eps > 0 && unet->sample_size >= 0 &&
                unet->sample_size <= 8192;
    for (int i = 0; good && i < unet->levels; i++)
        good = unet->block_out_channels[i] >= 1 && unet->attention_heads[i] >= 1 &&
               unet->block_out_channels[i] % unet->norm_num_groups == 0;
    return good;
}

static void judge_config(const char *text, const char *file)
{
    struct unet_config unet;
    struct autoencoder_config autoencoder;
    struct bytes bytes = {0};
    const char *path = check_scratch(file);
    forge_add(&bytes, text, strlen(text));
    forge_save(&bytes, path);
    forge_free(&bytes);
    const int status[2] = {
        config_read_unet(path, &unet), config_read_autoencoder(path, &autoencoder)};
    for (int k = 0; k < 2; k++) {
        files++;
        refused += status[k] != CLAT_OK;
        harmless += status[k] == CLAT_OK;
        CHECK(
            status[k] == CLAT_OK || (status[k] == CLAT_ERROR_INPUT && strstr(status_text(), file)),
            "%s: status %d, '%s'", text, status[k], status_text());
    }
    if (status[0] == CLAT_OK)
        CHECK(unet_in_range(&unet), "%s: out of range", text);
}

static void configurations(void)
{
    char text[512];
    for (size_t i = 0; i < sizeof config_keys / sizeof *config_keys; i++)
        for (size_t k = 0; k < sizeof config_values / sizeof *config_values; k++) {
            snprintf(text, sizeof text, "{\"%s\": %s}", config_keys[i], config_values[k]);
            judge_config(text, "damaged/config.json");
        }
}

/* A component whose index or shard is damaged: opened as a whole, every tensor asked for. */
static void judge_component(const char *folder, const char *what)
{
    struct weights *weights = NULL;
    files++;
    status_clear();
    int status = weights_open_component(folder, "model", NULL, &weights);
    if (status != CLAT_OK) {
        refused++;
        CHECK(status == CLAT_ERROR_INPUT && strstr(status_text(), "damaged/component"),
            "component, %s: status %d, '%s'", what, status, status_text());
        return;
    }
    harmless++;
    tensor_sum += read_all(weights);
    weights_close(weights);
}

static void components(void)
{
    static const char index[] = "{\"metadata\":{\"total_size\":8},\"weight_map\":"
                                "{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}";
    static const char *const shards[] = {
        "damaged/component/one.safetensors", "damaged/component/two.safetensors"};
    char folder[4096], what[64];
    const char *path = check_scratch("damaged/component/model.safetensors.index.json");
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    for (int k = 0; k < 2; k++) {
        struct bytes shard = {0};
        forge_safetensors(&shard,
            k ? "{\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"
              : "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
            4);
        forge_save(&shard, check_scratch(shards[k]));
        forge_free(&shard);
    }
    for (size_t at = 0; at < sizeof index; at++)
        for (int k = 0; k < 3; k++) {
            struct bytes bytes = {0};
            forge_add(&bytes, index, k == 0 ? at : sizeof index - 1);
            if (k && at < bytes.size)
                bytes.data[at] = (unsigned char)(k == 1 ? '/' : bytes.data[at] ^ 4);
            snprintf(what, sizeof what, "index byte %zu, damage %d", at, k);
            forge_save(&bytes, check_scratch("damaged/component/model.safetensors.index.json"));
            judge_component(folder, what);
            forge_free(&bytes);
        }
    remove(path);
}

/* ---- seeds ---------------------------------------------------------------------------------- */

static void sweep(struct seed *seed)
{
    char name[64];
    size_t before = files;
    snprintf(name, sizeof name, "damaged/good-%s", seed->name);
    const char *path = check_scratch(name);
    forge_save(&seed->bytes, path);
    if (!CHECK_OK(weights_open_file(path, &seed->good)))
        return;
    cut_off(seed);
    flip(seed);
    numbers(seed);
    shifted(seed);
    joined(seed);
    fprintf(stderr, "%s: %zu damaged files\n", seed->name, files - before);
    weights_close(seed->good);
    forge_free(&seed->bytes);
}

int main(void)
{
    struct seed safetensors = {.name = "safetensors"}, zip = {.name = "zip", .checksums = true},
                legacy = {.name = "legacy"}, no_crc = {.name = "no-crc"};
    struct forged_zip torch;
    forge_safetensors(&safetensors.bytes,
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"w\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
        "\"h\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[24,28]},"
        "\"i\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[28,36]}}  ",
        36);
    sweep(&safetensors);
    forge_torch(&torch, forge_good_pickle);
    zip.bytes = torch.bytes;
    sweep(&zip);
    forge_load(&legacy.bytes, check_data("torch/legacy.pt"));
    sweep(&legacy);
    forge_load(&no_crc.bytes, check_data("torch/no_crc.pt"));
    sweep(&no_crc);
    configurations();
    components();
    fprintf(
        stderr, "%zu damaged files: %zu refused, %zu opened unharmed\n", files, refused, harmless);
    CHECK(files > 200 && refused > files / 2, "the damage was real");
    return check_result();
}
