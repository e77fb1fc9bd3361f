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

void settings_free(struct settings *settings)
{
    for (size_t i = 0; i < settings->count; i++)
        setting_free(&settings->items[i]);
    free(settings->items);
    memset(settings, 0, sizeof *settings);
}
