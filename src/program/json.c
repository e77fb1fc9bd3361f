/* json.c - JSON written as it comes. SPDX-License-Identifier: MIT */
#include "program/json.h"
#include "clatent.h"

#include <inttypes.h>
#include <math.h>

static void put_string(struct json *json, const char *text)
{
    const char *quoted = clat_json_string(text);
    fputs(quoted ? quoted : "null", json->stream);
    clat_free(quoted);
}

static void put_key(struct json *json, const char *key)
{
    if (json->depth > 0 && json->has_member[json->depth - 1])
        fputs(", ", json->stream);
    if (json->depth > 0)
        json->has_member[json->depth - 1] = true;
    if (key) {
        put_string(json, key);
        fputs(": ", json->stream);
    }
}

void json_begin(struct json *json, const char *key, char bracket)
{
    put_key(json, key);
    fputc(bracket, json->stream);
    json->closing[json->depth] = bracket == '{' ? '}' : ']';
    json->has_member[json->depth++] = false;
}

void json_end(struct json *json)
{
    fputc(json->closing[--json->depth], json->stream);
    if (json->depth == 0)
        fputc('\n', json->stream);
}

void json_string(struct json *json, const char *key, const char *text)
{
    put_key(json, key);
    if (text)
        put_string(json, text);
    else
        fputs("null", json->stream);
}

void json_uint(struct json *json, const char *key, uint64_t value)
{
    put_key(json, key);
    fprintf(json->stream, "%" PRIu64, value);
}

void json_real(struct json *json, const char *key, double value)
{
    put_key(json, key);
    if (isfinite(value))
        fprintf(json->stream, "%.6g", value);
    else
        fputs("null", json->stream);
}

void json_bool(struct json *json, const char *key, bool value)
{
    put_key(json, key);
    fputs(value ? "true" : "false", json->stream);
}
