/* output.c - a pattern, piece by piece, into a file name. SPDX-License-Identifier: MIT */
#include "job/output.h"
#include "base/file.h"
#include "base/text.h"
#include "formats/escape.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One character as it is, or a field with what stands behind its colon. */
struct piece {
    char literal; /* 0: a field */
    char name[16];
    char argument[64]; /* "" if there is none */
};

static enum clat_status bad_field(const char *pattern)
{
    return status_set(CLAT_ERROR_USAGE,
        "output '%s': known fields are {index}, {index:05}, {seed}, "
        "{model}, {steps}, {prompt:40} and {date:%%Y%%m%%d}; a brace itself is {{ or }}",
        pattern);
}

/* "name" or "name:argument", of `size` bytes. */
static bool split_field(const char *field, size_t size, struct piece *piece)
{
    const char *colon = memchr(field, ':', size);
    size_t name = colon ? (size_t)(colon - field) : size;
    size_t argument = colon ? size - name - 1 : 0;
    if (name >= sizeof piece->name || argument >= sizeof piece->argument)
        return false;
    memcpy(piece->name, field, name);
    if (colon)
        memcpy(piece->argument, colon + 1, argument);
    return true;
}

/* *more is false at the end. */
static enum clat_status next_piece(
    const char *pattern, const char **at, struct piece *piece, bool *more)
{
    const char *text = *at;
    memset(piece, 0, sizeof *piece);
    *more = *text != '\0';
    if (*text != '{' && *text != '}') {
        piece->literal = *text;
        *at += *more;
        return CLAT_OK;
    }
    if (text[1] == text[0]) {
        piece->literal = *text;
        *at += 2;
        return CLAT_OK;
    }
    const char *end = *text == '{' ? strchr(text, '}') : NULL;
    if (!end || !split_field(text + 1, (size_t)(end - text - 1), piece))
        return bad_field(pattern);
    *at = end + 1;
    return CLAT_OK;
}

static bool is_field(const struct piece *piece, const char *name)
{
    return !piece->literal && strcmp(piece->name, name) == 0;
}

static bool has_field(const char *pattern, const char *name)
{
    struct piece piece;
    bool more = true;
    for (const char *at = pattern; next_piece(pattern, &at, &piece, &more) == CLAT_OK && more;)
        if (is_field(&piece, name))
            return true;
    return false;
}

bool output_has_index(const char *pattern)
{
    return has_field(pattern, "index");
}

bool output_is_per_image(const char *pattern)
{
    return output_has_index(pattern) || has_field(pattern, "seed") || has_field(pattern, "prompt");
}

enum output_kind output_kind(const char *pattern)
{
    if (!pattern)
        return OUTPUT_NONE;
    if (strcmp(pattern, "-") == 0)
        return OUTPUT_STREAM;
    if (text_ends_with(pattern, ".npy"))
        return OUTPUT_NPY;
    return text_ends_with(pattern, ".png") ? OUTPUT_PNG : OUTPUT_SAFETENSORS;
}

static bool add_date(const struct piece *piece, time_t now, char *out, size_t size)
{
    struct tm parts;
    const char *format = piece->argument[0] ? piece->argument : "%Y-%m-%d";
    return localtime_r(&now, &parts) && strftime(out, size, format, &parts) > 0;
}

static enum clat_status add_field(const char *pattern, const struct piece *piece,
    const struct output_fields *fields, struct text *out)
{
    char date[256];
    long long width = 0;
    bool is_date = is_field(piece, "date");
    if (piece->argument[0] && !is_date && !text_to_int(piece->argument, 0, 200, &width))
        return bad_field(pattern);
    if (is_field(piece, "index"))
        return text_print(out, "%0*zu", (int)width, fields->index);
    if (is_field(piece, "seed"))
        return text_print(out, "%0*llu", (int)width, (unsigned long long)fields->seed);
    if (is_field(piece, "steps"))
        return text_print(out, "%0*d", (int)width, fields->steps);
    if (is_field(piece, "model"))
        return escape_file_name(out, fields->model, width ? (size_t)width : 200);
    if (is_field(piece, "prompt"))
        return escape_file_name(out, fields->prompt, width ? (size_t)width : 40);
    if (is_date && add_date(piece, fields->time, date, sizeof date))
        return escape_file_name(out, date, 200);
    return bad_field(pattern);
}

/* Up to the first {index} if `to_index`, else all of it. */
static enum clat_status expand(
    const char *pattern, const struct output_fields *fields, bool to_index, struct text *out)
{
    enum clat_status status = text_add(out, "", 0);
    const char *at = pattern;
    while (status == CLAT_OK) {
        struct piece piece;
        bool more;
        status = next_piece(pattern, &at, &piece, &more);
        if (status != CLAT_OK || !more || (to_index && is_field(&piece, "index")))
            break;
        status = piece.literal ? text_add(out, &piece.literal, 1)
                               : add_field(pattern, &piece, fields, out);
    }
    return status;
}

enum clat_status output_path(const char *pattern, const struct output_fields *fields, char **path)
{
    struct text text = {0};
    enum clat_status status = expand(pattern, fields, false, &text);
    if (status != CLAT_OK)
        text_free(&text);
    *path = text.data;
    return status;
}

/* The number behind `stem` in a file name, or -1. */
static long long index_in(const char *name, const char *stem)
{
    size_t size = strlen(stem);
    if (strncmp(name, stem, size) != 0 || !isdigit((unsigned char)name[size]))
        return -1;
    long long value = 0;
    for (name += size; isdigit((unsigned char)*name) && value < 100000000; name++)
        value = 10 * value + (*name - '0');
    return value;
}

enum clat_status output_next_index(
    const char *pattern, const struct output_fields *fields, size_t *index)
{
    struct text prefix = {0};
    enum clat_status status = expand(pattern, fields, true, &prefix);
    long long largest = -1;
    if (status == CLAT_OK && output_has_index(pattern)) {
        char *slash = strrchr(prefix.data, '/');
        const char *stem = slash ? slash + 1 : prefix.data;
        char *folder =
            slash ? strndup(prefix.data, (size_t)(slash - prefix.data) + 1) : strdup(".");
        DIR *directory = folder ? opendir(folder) : NULL;
        for (struct dirent *entry; directory && (entry = readdir(directory));) {
            long long value = index_in(entry->d_name, stem);
            largest = value > largest ? value : largest;
        }
        if (directory)
            closedir(directory);
        free(folder);
    }
    *index = (size_t)(largest + 1);
    text_free(&prefix);
    return status;
}

enum clat_status output_check_folder(const char *path)
{
    enum clat_status status = CLAT_OK;
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!folder)
        return status_set(CLAT_ERROR_MEMORY, "no host memory for %s", path);
    if (!file_is_directory(folder))
        status = status_set(
            CLAT_ERROR_OUTPUT, "cannot write '%s': there is no folder '%s'", path, folder);
    else if (access(folder, W_OK) != 0)
        status = status_set(CLAT_ERROR_OUTPUT, "cannot write '%s': %s", path, strerror(errno));
    free(folder);
    return status;
}
