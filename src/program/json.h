/* json.h - JSON on standard output, written as it comes. SPDX-License-Identifier: MIT */
#ifndef CLATENT_PROGRAM_JSON_H
#define CLATENT_PROGRAM_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH 8

struct json {
    FILE *stream;
    int depth;
    bool has_member[JSON_DEPTH]; /* a comma is due before the next one */
    char closing[JSON_DEPTH];
};

/* `key` is NULL inside a list and at the top. */
void json_begin(struct json *json, const char *key, char bracket); /* '{' or '[' */
void json_end(struct json *json);                                  /* at the top: and a newline */
void json_string(struct json *json, const char *key, const char *text); /* NULL gives null */
void json_uint(struct json *json, const char *key, uint64_t value);
void json_real(struct json *json, const char *key, double value); /* not finite: null */
void json_bool(struct json *json, const char *key, bool value);

#endif
