/* option.c - a list of settings, the last of a key counts. SPDX-License-Identifier: MIT */
#include "base/option.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static void setting_free(struct setting *setting)
{
    free(setting->key);
    free(setting->value);
    free(setting->where);
    memset(setting, 0, sizeof *setting);
}

const struct setting *settings_find(const struct settings *settings, const char *key)
{
    for (size_t i = 0; i < settings->count; i++)
        if (strcmp(settings->items[i].key, key) == 0)
            return &settings->items[i];
    return NULL;
}

enum clat_status settings_set(
    struct settings *settings, const char *key, const char *value, const char *where)
{
    enum clat_status status;
    struct setting made = {0};
    TRY(memory_string(key, &made.key));
    TRY(memory_string(value, &made.value));
    TRY(memory_string(where, &made.where));
    const struct setting *old = settings_find(settings, key);
    if (old) {
        struct setting *place = &settings->items[old - settings->items];
        setting_free(place);
        *place = made;
        return CLAT_OK;
    }
    TRY(memory_grow(&settings->items, &settings->capacity, settings->count, sizeof made));
    settings->items[settings->count++] = made;
    return CLAT_OK;
out:
    setting_free(&made);
    return status;
}

/* The end of one part of "a=1,b=[1,2],c=3": the next comma outside brackets. */
static size_t part_length(const char *text)
{
    int depth = 0;
    size_t i = 0;
    for (; text[i] && (text[i] != ',' || depth > 0); i++)
        depth += (text[i] == '[') - (text[i] == ']');
    return i;
}

static enum clat_status read_part(
    struct settings *settings, const char *text, size_t size, const char *where)
{
    char *part = strndup(text, size), *equals = part ? strchr(part, '=') : NULL;
    enum clat_status status;
    if (!part)
        FAIL(CLAT_ERROR_MEMORY, "no host memory for %s", where);
    if (!equals || equals == part)
        FAIL(CLAT_ERROR_USAGE, "%s: expected option=value, found '%.60s'", where, part);
    *equals = '\0';
    TRY(settings_set(settings, part, equals + 1, where));
out:
    free(part);
    return status;
}

enum clat_status settings_read(struct settings *settings, const char *text, const char *where)
{
    enum clat_status status;
    for (;; text++) {
        size_t size = part_length(text);
        TRY(read_part(settings, text, size, where));
        text += size;
        if (*text == '\0')
            break;
    }
out:
    return status;
}

void settings_free(struct settings *settings)
{
    for (size_t i = 0; i < settings->count; i++)
        setting_free(&settings->items[i]);
    free(settings->items);
    memset(settings, 0, sizeof *settings);
}
