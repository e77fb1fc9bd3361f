/* class_labels.c - classes by name, out of a text file with one in each line.
 * SPDX-License-Identifier: MIT
 *
 * Line 1 is class 0. A line may begin with an identifier (ImageNet's "n01440764", Open Images'
 * "/m/01s55n") and may hold several names between commas: "n01440764 tench, Tinca tinca". A name
 * fits if it is the whole line, the identifier, or one of the names, in whatever case. */
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "pipeline/condition.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FILE_LIMIT (4u << 20) /* bytes */

void class_labels_free(struct class_labels *labels)
{
    free(labels->text);
    free(labels->lines);
    *labels = (struct class_labels){0};
}

/* Cuts the text at its line ends; the last line need not have one. */
static enum clat_status cut(struct class_labels *labels, size_t size)
{
    enum clat_status status = CLAT_OK;
    size_t capacity = 0;
    for (char *line = labels->text; line < labels->text + size;) {
        char *end = line + strcspn(line, "\n");
        TRY(memory_grow(&labels->lines, &capacity, labels->count, sizeof *labels->lines));
        labels->lines[labels->count++] = line;
        if (end > line && end[-1] == '\r')
            end[-1] = '\0';
        *end = '\0';
        line = end + 1;
    }
out:
    return status;
}

enum clat_status class_labels_read(const char *path, struct class_labels *labels)
{
    enum clat_status status;
    size_t size;
    *labels = (struct class_labels){0};
    TRY(file_read_text(path, FILE_LIMIT, &labels->text, &size));
    if (!text_is_utf8(labels->text, size) || memchr(labels->text, '\0', size))
        FAIL(CLAT_ERROR_INPUT, "class_labels: '%s' is not UTF-8 text", path);
    TRY(cut(labels, size));
    if (!labels->count)
        FAIL(CLAT_ERROR_INPUT, "class_labels: '%s' is empty", path);
out:
    if (status != CLAT_OK)
        class_labels_free(labels);
    return status;
}

static bool same(const char *part, size_t size, const char *name)
{
    return strlen(name) == size && strncasecmp(part, name, size) == 0;
}

static bool looks_like_identifier(const char *word, size_t size)
{
    bool imagenet = size == 9 && word[0] == 'n' && strspn(word + 1, "0123456789") >= 8;
    return imagenet || (size > 3 && strncmp(word, "/m/", 3) == 0);
}

static bool names(const char *line, const char *name)
{
    size_t word = strcspn(line, " \t,");
    if (same(line, strlen(line), name))
        return true;
    if (looks_like_identifier(line, word)) {
        if (same(line, word, name))
            return true;
        line += word + strspn(line + word, " \t,");
    }
    while (*line) {
        size_t size = strcspn(line, ",");
        if (same(line, size, name))
            return true;
        line += size;
        line += strspn(line, ", ");
    }
    return false;
}

enum clat_status class_labels_find(const struct class_labels *labels, const char *where,
    const char *name, int classes, int *number)
{
    long long value;
    if (text_to_int(name, 0, classes - 1, &value)) {
        *number = (int)value;
        return CLAT_OK;
    }
    if (name[strspn(name, "-0123456789")] == '\0')
        return status_set(CLAT_ERROR_USAGE, "%s: expected a class from 0 to %d, found '%s'", where,
            classes - 1, name);
    if (!labels->count)
        return status_set(CLAT_ERROR_USAGE,
            "%s: '%s' is no number, and there are no names to look it up in: class_labels gives a "
            "file of them",
            where, name);
    for (size_t i = 0; i < labels->count && i < (size_t)classes; i++)
        if (names(labels->lines[i], name)) {
            *number = (int)i;
            return CLAT_OK;
        }
    return status_set(CLAT_ERROR_USAGE, "%s: class_labels has no class '%s' among its %zu lines",
        where, name, labels->count);
}
