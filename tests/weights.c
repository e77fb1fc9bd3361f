/* weights.c - components found and opened, shards, variants, older names, numbers as float32, and
 * memory given back. The model of the test is made here, by our own writer.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "base/file.h"
#include "checkpoint/weights.h"
#include "formats/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file with float tensors of 2 elements: the names up to NULL; element 0 is `value`. */
static void put_model(const char *path, float value, const char *const *names)
{
    struct safetensors_writer *writer;
    const float values[2] = {value, -value};
    CHECK_OK(safetensors_create(path, &writer));
    for (; *names; names++)
        CHECK_OK(safetensors_add_float(writer, *names, 1, (size_t[]){2}, values));
    CHECK_OK(safetensors_commit(writer));
}

static void put_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        check_skip("cannot write %s", path);
}

static const char *in(const char *folder, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "weights/%s/%s", folder, name);
    return check_scratch(path);
}

static void check_first(struct weights *weights, const char *name, float expected)
{
    const float *values = NULL;
    CHECK_OK(weights_float(weights, name, 1, (size_t[]){2}, &values));
    CHECK(values && values[0] == expected && values[1] == -expected, "%s: expected %g, found %g",
        name, (double)expected, values ? (double)values[0] : 0.0);
}

static void variants(void)
{
    static const char *const names[] = {"a", NULL};
    struct weights *weights;
    const char *folder = in("plain", "x");
    const char *plain = in("plain", "model.safetensors"),
               *fp16 = in("plain", "model.fp16.safetensors");
    char path[4096];
    snprintf(path, sizeof path, "%.*s", (int)(strlen(folder) - 2), folder);
    put_model(plain, 1, names);
    put_model(fp16, 2, names);
    CHECK_OK(weights_open_component(path, "model", NULL, &weights));
    check_first(weights, "a", 1);
    CHECK(strcmp(weights_path(weights), plain) == 0, "%s", weights_path(weights));
    weights_close(weights);
    CHECK_OK(weights_open_component(path, "model", "fp16", &weights));
    check_first(weights, "a", 2);
    weights_close(weights);
    CHECK_FAILS(weights_open_component(path, "model", "bf16", &weights), CLAT_ERROR_INPUT,
        "model.bf16.safetensors; there is the variant fp16");
    CHECK_FAILS(
        weights_open_component(path, "model", "../x", &weights), CLAT_ERROR_USAGE, "variant");
    unlink(plain);
    CHECK_OK(weights_open_component(path, "model", NULL, &weights));
    check_first(weights, "a", 2);
    weights_close(weights);
    unlink(fp16);
    CHECK_FAILS(weights_open_component(path, "model", NULL, &weights), CLAT_ERROR_INPUT,
        "expected model.safetensors, pytorch_model.bin or model_state.pdparams");
    CHECK_FAILS(weights_open_component("/nonexistent", "model", NULL, &weights), CLAT_ERROR_INPUT,
        "/nonexistent");
}

static void shards(void)
{
    static const char *const first[] = {"a", "b", NULL}, *const second[] = {"b", "c", NULL};
    struct weights *weights;
    char folder[4096];
    const char *index = in("shards", "diffusion_pytorch_model.safetensors.index.json");
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(index, '/') - index), index);
    put_model(in("shards", "one.safetensors"), 1, first);
    put_model(in("shards", "two.safetensors"), 2, second);
    put_text(index, "{\"metadata\":{\"total_size\":24},\"weight_map\":{\"c\":\"two.safetensors\","
                    "\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}");
    if (CHECK_OK(weights_open_component(folder, "diffusion_pytorch_model", NULL, &weights))) {
        CHECK(weights_count(weights) == 3 && weights_bytes(weights) == 24, "three tensors");
        check_first(weights, "a", 1);
        check_first(weights, "b", 2);
        check_first(weights, "c", 2);
        CHECK(strcmp(weights_at(weights, 2)->name, "c") == 0 && weights_at(weights, 2)->used,
            "in order");
        weights_close(weights);
    }
    static const struct {
        const char *map, *words;
    } cases[] = {
        {"{}", "object with tensors"},
        {"[]", "object with tensors"},
        {"{\"a\":\"../one.safetensors\"}", "same folder"},
        {"{\"a\":\"/etc/passwd\"}", "same folder"},
        {"{\"a\":\"..\"}", "same folder"},
        {"{\"a\":\"\"}", "same folder"},
        {"{\"a\":1}", "expected a file name"},
        {"{\"a\":\"three.safetensors\"}", "three.safetensors"},
        {"{\"c\":\"one.safetensors\"}", "'c' should be in"},
        {"{\"a\":\"one.safetensors\",\"a\":\"two.safetensors\"}", "duplicate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"weight_map\":%s}", cases[i].map);
        put_text(index, text);
        CHECK_FAILS(weights_open_component(folder, "diffusion_pytorch_model", NULL, &weights),
            CLAT_ERROR_INPUT, cases[i].words);
    }
}

static void names_and_shapes(void)
{
    static const char *const names[] = {"mid_block.attentions.0.query.weight",
        "mid_block.attentions.0.proj_attn.bias", "mid_block.attentions.0.to_v.weight",
        "down_blocks.0.resnets.0.conv1.weight", NULL};
    struct weights *weights;
    const float *values;
    const char *path = in("names", "model.safetensors");
    put_model(path, 1, names);
    if (!CHECK_OK(weights_open_file(path, &weights)))
        return;
    check_first(weights, "mid_block.attentions.0.to_q.weight", 1);
    check_first(weights, "mid_block.attentions.0.to_out.0.bias", 1);
    check_first(weights, "mid_block.attentions.0.to_v.weight", 1);
    CHECK(!weights_find(weights, "mid_block.attentions.0.to_k.weight"), "no key");
    CHECK(!weights_at(weights, 0)->used, "%s was not asked for", weights_at(weights, 0)->name);
    CHECK_OK(weights_float(
        weights, "down_blocks.0.resnets.0.conv1.weight", 4, (size_t[]){2, 1, 1, 1}, &values));
    CHECK_FAILS(weights_float(weights, "down_blocks.0.resnets.0.conv1.weight", 4,
                    (size_t[]){320, 4, 3, 3}, &values),
        CLAT_ERROR_INPUT, "expected [320, 4, 3, 3], found [2]");
    CHECK(strstr(status_text(), path) &&
              strstr(status_text(), "down_blocks.0.resnets.0.conv1.weight"),
        "%s", status_text());
    CHECK_FAILS(
        weights_float(weights, "down_blocks.0.resnets.0.conv2.weight", 1, (size_t[]){2}, &values),
        CLAT_ERROR_INPUT, "nearest name there is 'down_blocks.0.resnets.0.conv1.weight'");
    weights_close(weights);
}

/* Values whose bits are known, in each stored type. */
static void dtypes(void)
{
    static const char header[] =
        "{\"f16\":{\"dtype\":\"F16\",\"shape\":[8],\"data_offsets\":[0,16]},"
        "\"bf16\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[16,22]},"
        "\"odd\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[22,23]},"
        "\"f64\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[23,39]},"
        "\"f32\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[39,47]}}";
    /* 1, -2, 65504, 2^-24, -0, inf, 0.333251953125, 2^-14 - 2^-24 */
    static const unsigned char data[47] = {0x00, 0x3C, 0x00, 0xC0, 0xFF, 0x7B, 0x01, 0x00, 0x00,
        0x80, 0x00, 0x7C, 0x55, 0x35, 0xFF, 0x03, /* bf16: 1, -3.140625, 2^-126 */ 0x80, 0x3F, 0x49,
        0xC0, 0x80, 0x00, /* odd */ 7, /* f64: 0.1, -1e300 */ 0x9A, 0x99, 0x99, 0x99, 0x99, 0x99,
        0xB9, 0x3F, 0x9C, 0x75, 0x00, 0x88, 0x3C, 0xE4, 0x37, 0xFE, /* f32: 1, 0.1f */ 0x00, 0x00,
        0x80, 0x3F, 0xCD, 0xCC, 0xCC, 0x3D};
    const char *path = in("dtypes", "model.safetensors");
    struct weights *weights;
    const float *v = NULL;
    FILE *file = fopen(path, "wb");
    if (!file)
        check_skip("cannot write %s", path);
    const unsigned char length[8] = {(sizeof header - 1) & 0xFF, (sizeof header - 1) >> 8};
    fwrite(length, 1, 8, file);
    fwrite(header, 1, sizeof header - 1, file);
    fwrite(data, 1, sizeof data, file);
    fclose(file);
    if (!CHECK_OK(weights_open_file(path, &weights)))
        return;
    if (CHECK_OK(weights_float(weights, "f16", 1, (size_t[]){8}, &v)))
        CHECK(v[0] == 1 && v[1] == -2 && v[2] == 65504 && v[3] == 0x1p-24f && 1 / v[4] < 0 &&
                  v[5] > 3.4e38f && v[6] == 0.333251953125f && v[7] == 0x1p-14f - 0x1p-24f,
            "half: %g %g %g %g %g %g %g %g", (double)v[0], (double)v[1], (double)v[2], (double)v[3],
            (double)v[4], (double)v[5], (double)v[6], (double)v[7]);
    if (CHECK_OK(weights_float(weights, "bf16", 1, (size_t[]){3}, &v)))
        CHECK(v[0] == 1 && v[1] == -3.140625f && v[2] == 0x1p-126f, "bf16");
    if (CHECK_OK(weights_float(weights, "f32", 1, (size_t[]){2}, &v)))
        CHECK(v[0] == 1 && v[1] == 0.1f && (uintptr_t)v % 4 == 0, "f32 at an odd place");
    if (CHECK_OK(weights_float(weights, "f64", 1, (size_t[]){2}, &v)))
        CHECK(v[0] == 0.1f && v[1] < -3.4e38f, "f64");
    CHECK_FAILS(weights_float(weights, "odd", 1, (size_t[]){1}, &v), CLAT_ERROR_INPUT, "found U8");
    weights_done(weights);
    weights_close(weights);
}

static size_t resident_pages(void)
{
    unsigned long size, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return resident;
}

/* A sparse file of 64 tensors of 4 MiB: reading all of it must not make it all resident. */
static void memory(void)
{
    enum { COUNT = 64, ELEMENTS = 1 << 20 };
    const char *path = in("memory", "model.safetensors");
    char header[8192] = "{";
    size_t at = 1, page = (size_t)sysconf(_SC_PAGESIZE), most = 0, before = resident_pages();
    for (int i = 0; i < COUNT; i++)
        at += (size_t)snprintf(header + at, sizeof header - at,
            "%s\"t%d\":{\"dtype\":\"F32\",\"shape\":[%d],\"data_offsets\":[%zu,%zu]}", i ? "," : "",
            i, ELEMENTS, (size_t)i * ELEMENTS * 4, (size_t)(i + 1) * ELEMENTS * 4);
    at += (size_t)snprintf(header + at, sizeof header - at, "}");
    while (at % 8)
        header[at++] = ' ';
    const unsigned char length[8] = {at & 0xFF, (unsigned char)(at >> 8)};
    FILE *file = fopen(path, "wb");
    if (!file || !before)
        check_skip("no file %s or no /proc", path);
    fwrite(length, 1, 8, file);
    fwrite(header, 1, at, file);
    fclose(file);
    struct weights *weights;
    if (truncate(path, (off_t)(8 + at + (size_t)COUNT * ELEMENTS * 4)) != 0)
        check_skip("cannot make a sparse file");
    if (!CHECK_OK(weights_open_file(path, &weights)))
        return;
    float sum = 0;
    for (int i = 0; i < COUNT; i++) {
        char name[16];
        const float *values;
        snprintf(name, sizeof name, "t%d", i);
        if (!CHECK_OK(weights_float(weights, name, 1, (size_t[]){ELEMENTS}, &values)))
            break;
        const unsigned char *bytes = (const unsigned char *)values;
        CHECK(bytes == weights_find(weights, name)->data, "%s is the map itself", name);
        for (int k = 0; k < ELEMENTS; k += 512)
            sum += values[k];
        size_t now = resident_pages();
        most = now > most ? now : most;
        weights_done(weights);
    }
    CHECK(sum == 0, "holes are zeros");
    CHECK(most < before + ((size_t)24 << 20) / page, "%zu pages before, %zu at most", before, most);
    weights_close(weights);
    unlink(path);
}

static void foreign(void)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "empty"},
        {"version https://git-lfs.github.com/spec/v1\n", "git-lfs"},
        {"<!DOCTYPE html><html>", "web page"},
        {"GGUF", "GGUF"},
        {"\x80\x02}q", "the pickle ends"},
        {"12345", "at least 8 bytes"},
        {"just some text, no model", "header length"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weights *weights;
        const char *path = in("foreign", "file.bin");
        put_text(path, cases[i].text);
        CHECK_FAILS(weights_open_file(path, &weights), CLAT_ERROR_INPUT, cases[i].words);
    }
}

int main(void)
{
    variants();
    shards();
    names_and_shapes();
    dtypes();
    memory();
    foreign();
    return check_result();
}
