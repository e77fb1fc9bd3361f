/* json.c - fuzz target: JSON, strict and stricter, and the members of what was read.
 * SPDX-License-Identifier: MIT */
#include "formats/json.h"
#include "fuzz.h"

#include <stdlib.h>

static void walk(const struct json *document)
{
    const struct json_t *value;
    const char *key, *string;
    void *place = NULL;
    while (json_next(json_root(document), &place, &key, &value)) {
        char *text = NULL;
        int number = 0;
        float real = 0;
        bool boolean = false;
        (void)json_text(value, &text);
        free(text);
        (void)json_get_int(document, key, -5, 1000000, &number);
        (void)json_get_float(document, key, -1, 1e6, &real);
        (void)json_get_bool(document, key, &boolean);
        (void)json_get_string(document, key, &string);
        for (size_t i = 0; i < json_count(value) && json_kind(value) == KIND_ARRAY; i++)
            (void)json_kind_name(json_item(value, i));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct json_rules rules[] = {{.depth = 32}, {.depth = 4, .plain_integers = true}};
    for (int i = 0; i < 2; i++) {
        struct json *document = NULL;
        if (json_parse((const char *)data, size, "fuzz", &rules[i], &document) == CLAT_OK)
            walk(document);
        json_close(document);
    }
    return 0;
}
