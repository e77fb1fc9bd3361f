/* safetensors.c - the format's rules one by one, and what we write read back.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "base/file.h"
#include "checkpoint/weights.h"
#include "formats/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Writes length, header and `data` bytes 0, 1, 2...; `length` 0 means the true one. */
static const char *put(uint64_t length, const char *header, size_t data)
{
    const char *path = check_scratch("safetensors/case.safetensors");
    FILE *file = fopen(path, "wb");
    if (!file)
        check_skip("cannot write %s", path);
    if (length == 0)
        length = strlen(header);
    for (int i = 0; i < 8; i++)
        fputc((int)(length >> (8 * i) & 0xFF), file);
    fputs(header, file);
    for (size_t i = 0; i < data; i++)
        fputc((int)(i & 0xFF), file);
    fclose(file);
    return path;
}

static void accepted(void)
{
    static const struct {
        const char *header;
        size_t data, count;
    } cases[] = {
        {"{}", 0, 0},
        {"{}      ", 0, 0},
        {"{\"__metadata__\":{\"format\":\"pt\"}}", 0, 0},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, 1},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[0,0]}}", 0, 1},
        {"{\"b\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[4,8]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
            8, 2},
        {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[3],\"data_offsets\":[0,3]}}", 3, 1},
        {"{\"a\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1, 1},
        {"{\"\\u00e4\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weights *weights;
        if (!CHECK_OK(weights_open_file(put(0, cases[i].header, cases[i].data), &weights)))
            continue;
        CHECK(weights_count(weights) == cases[i].count, "case %zu: %zu tensors", i,
            weights_count(weights));
        CHECK(strcmp(weights_format(weights), "safetensors") == 0, "%s", weights_format(weights));
        weights_close(weights);
    }
}

#define ONE(dtype, shape, offsets)                                                                 \
    "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void refused(void)
{
    static const struct {
        uint64_t length;
        const char *header;
        size_t data;
        const char *words;
    } cases[] = {
        {1, "{}", 0, "header length 1"},
        {3, "{}", 0, "header length 3"},
        {100000001, "{}", 0, "header length"},
        {UINT64_MAX, "{}", 0, "header length"},
        {UINT64_MAX - 7, "{}", 0, "header length"},
        {0, " {}", 0, "first byte"},
        {0, "{}\n", 0, "first byte"},
        {0, "{} {}", 0, "not JSON"},
        {0, "{\"a\":{\"dtype\":\"F32\"", 0, "one JSON object"},
        {0, "[]", 0, "one JSON object"},
        {0, "{\"a\":[[[[1]]]]}", 0, "levels deep"},
        {0, "{\"a\":1}", 0, "expected an object, found an integer"},
        {0, "{\"a\xFF\":{}}", 0, "not JSON"},
        {0, "{\"a\\u0000\":{}}", 0, "not JSON"},
        {0, "{\"a\\n\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "control"},
        {0, ONE("\"F32\"", "[1]", "[0,4]"), 0, "not inside"},
        {0, ONE("\"F32\"", "[1]", "[0,4]"), 5, "tensors end at data byte 4"},
        {0, ONE("\"F32\"", "[1]", "[4,8]"), 8, "begins at data byte 4, expected 0"},
        {0, ONE("\"F32\"", "[1]", "[4,0]"), 8, "not inside"},
        {0, ONE("\"F32\"", "[2]", "[0,4]"), 4, "give 8 bytes, data_offsets 4"},
        {0, ONE("\"F32\"", "[-1]", "[0,4]"), 4, "plain non-negative"},
        {0, ONE("\"F32\"", "[1.0]", "[0,4]"), 4, "plain non-negative"},
        {0, ONE("\"F32\"", "[1e0]", "[0,4]"), 4, "plain non-negative"},
        {0, ONE("\"F32\"", "[null]", "[0,4]"), 4, "plain non-negative"},
        {0, ONE("\"F32\"", "[\"1\"]", "[0,4]"), 4, "integers in shape"},
        {0, ONE("\"F32\"", "{}", "[0,4]"), 4, "array as shape"},
        {0, ONE("\"F32\"", "[1]", "[0,4,4]"), 4, "two integers"},
        {0, ONE("\"F32\"", "[1]", "4"), 4, "two integers"},
        {0, ONE("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "8 axes"},
        {0, ONE("\"F31\"", "[1]", "[0,4]"), 4, "a known dtype, found F31"},
        {0, ONE("4", "[1]", "[0,4]"), 4, "a string as dtype"},
        {0, ONE("\"F4\"", "[1]", "[0,0]"), 0, "whole number of bytes"},
        {0, ONE("\"F32\"", "[4294967296,4294967296]", "[0,0]"), 0, "larger shape"},
        {0, ONE("\"F32\"", "[2147483648,2147483648,4]", "[0,0]"), 0, "larger shape"},
        {0, ONE("\"F32\"", "[2147483648,2147483648,4,0]", "[0,0]"), 0, "larger shape"},
        {0, ONE("\"F32\"", "[2147483648,2147483648]", "[0,0]"), 0, "whole number of bytes"},
        {0, ONE("\"F32\"", "[99999999999999999999]", "[0,0]"), 0, "not JSON"},
        {0, "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":[]}}", 1,
            "found x"},
        {0, "{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "two integers"},
        {0, "{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "found nothing"},
        {0, "{\"__metadata__\":{\"a\":{}}}", 0, "a string, found an object"},
        {0, "{\"__metadata__\":[]}", 0, "__metadata__"},
        {0,
            "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
            "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
            2, "duplicate"},
        {0,
            "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
            "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
            3, "expected 2"},
        {0,
            "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
            "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[3,5]}}",
            5, "expected 2"},
        {0,
            "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
            "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}",
            2, "expected 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weights *weights;
        const char *path = put(cases[i].length, cases[i].header, cases[i].data);
        CHECK_FAILS(weights_open_file(path, &weights), CLAT_ERROR_INPUT, cases[i].words);
        CHECK(strstr(status_text(), path), "the file is named: %s", status_text());
    }
}

static void long_name(void)
{
    char header[2048], name[1030];
    struct weights *weights;
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    snprintf(header, sizeof header,
        "{\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", name);
    CHECK_FAILS(weights_open_file(put(0, header, 1), &weights), CLAT_ERROR_INPUT, "1024 bytes");
}

static void round_trip(void)
{
    const char *path = check_scratch("safetensors/ours.safetensors");
    struct safetensors_writer *writer;
    struct weights *weights;
    float values[24];
    const int32_t ids[3] = {101, -1, 102};
    check_random(values, 24, 2);
    CHECK_OK(safetensors_create(path, &writer));
    CHECK_OK(safetensors_add_metadata(writer, "prompt", "a \"quoted\" \\ line\n\xC3\xA4"));
    CHECK_OK(safetensors_add_float(writer, "latents", 3, (size_t[]){2, 3, 4}, values));
    CHECK_OK(safetensors_add_int(writer, "token_ids", 2, (size_t[]){1, 3}, ids));
    CHECK_OK(safetensors_add_float(writer, "nothing", 2, (size_t[]){0, 3}, values));
    CHECK_OK(safetensors_add_float(writer, "scalar", 0, NULL, values));
    CHECK_FAILS(
        safetensors_add_float(writer, "scalar", 0, NULL, values), CLAT_ERROR_INTERNAL, "twice");
    CHECK_OK(safetensors_commit(writer));
    if (!CHECK_OK(weights_open_file(path, &weights)))
        return;
    const float *back;
    CHECK(weights_count(weights) == 4, "%zu tensors", weights_count(weights));
    CHECK_OK(weights_float(weights, "latents", 3, (size_t[]){2, 3, 4}, &back));
    CHECK(memcmp(back, values, sizeof values) == 0, "the values come back");
    const struct weight *token_ids = weights_find(weights, "token_ids");
    CHECK(token_ids && token_ids->dtype == DTYPE_I32 && token_ids->data[0] == 101, "token ids");
    weights_close(weights);
}

static void aborted(void)
{
    const char *path = check_scratch("safetensors/aborted.safetensors");
    struct safetensors_writer *writer;
    CHECK_OK(safetensors_create(path, &writer));
    CHECK_OK(safetensors_add_float(writer, "a", 0, NULL, (float[]){1}));
    safetensors_abort(writer);
    CHECK(!file_exists(path), "nothing appears");
    CHECK_FAILS(safetensors_create("/nonexistent/a", &writer), CLAT_ERROR_OUTPUT, "/nonexistent");
}

int main(void)
{
    accepted();
    refused();
    long_name();
    round_trip();
    aborted();
    return check_result();
}
