/* source.c - kernel text as one flat string. SPDX-License-Identifier: MIT
 *
 * Drivers never see an #include: no -I path with a blank in it can break one, no driver's cache can
 * miss a changed header, and the digest of the text covers everything. */
#include "device/program.h"

#include <stdio.h>
#include <string.h>

#define INCLUDE_DEPTH 4

static const char *find_text(const char *name)
{
    for (const struct kernel_source *source = kernel_sources; source->name; source++)
        if (strcmp(source->name, name) == 0)
            return source->text;
    return NULL;
}

/* The name in a line `#include "name"`, or false. */
static bool is_include(const char *line, char name[64])
{
    return sscanf(line, " # include \"%63[^\"\n]\"", name) == 1;
}

static enum clat_status expand(const char *name, int depth, struct text *text)
{
    enum clat_status status = CLAT_OK;
    char included[64];
    const char *line = find_text(name);
    if (!line)
        return status_set(CLAT_ERROR_INTERNAL, "there is no kernel file cl/%s", name);
    if (depth > INCLUDE_DEPTH)
        return status_set(CLAT_ERROR_INTERNAL, "cl/%s: includes are nested too deeply", name);
    while (*line) {
        const char *end = strchr(line, '\n');
        size_t size = end ? (size_t)(end - line) + 1 : strlen(line);
        if (is_include(line, included))
            TRY(expand(included, depth + 1, text));
        else
            TRY(text_add(text, line, size));
        line += size;
    }
out:
    return status;
}

enum clat_status source_expand(const char *file, struct text *text)
{
    char name[64];
    snprintf(name, sizeof name, "%s.cl", file);
    return expand(name, 0, text);
}
