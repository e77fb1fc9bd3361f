/* manifest.c - lines of JSON, read with care and appended one by one. SPDX-License-Identifier: MIT
 */
#include "job/manifest.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/escape.h"
#include "formats/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIZE_LIMIT ((size_t)64 << 20) /* bytes of a manifest */

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool copy_digest(const struct json_t *object, const char *key, char out[DIGEST_TEXT])
{
    const char *text = json_as_string(json_member(object, key));
    if (!text || strlen(text) != DIGEST_TEXT - 1 ||
        strspn(text, "0123456789abcdef") != DIGEST_TEXT - 1)
        return false;
    memcpy(out, text, DIGEST_TEXT);
    return true;
}

/* False, or a failure of memory, if it is none. */
static enum clat_status take_line(
    struct manifest *manifest, const struct json_t *object, size_t number, bool *good)
{
    enum clat_status status = CLAT_OK;
    struct manifest_line line = {.number = number};
    const char *file = json_as_string(json_member(object, "file"));
    long long bytes;
    *good = file && *file && !strchr(file, '/') &&
            json_as_integer(json_member(object, "bytes"), &bytes) && bytes >= 0 &&
            copy_digest(object, "settings", line.settings) &&
            copy_digest(object, "digest", line.digest);
    if (!*good)
        return CLAT_OK;
    line.bytes = (uint64_t)bytes;
    TRY(memory_grow(
        &manifest->lines, &manifest->capacity, manifest->count, sizeof *manifest->lines));
    TRY(memory_string(file, &line.file));
    manifest->lines[manifest->count++] = line;
out:
    return status;
}

static enum clat_status read_line(
    struct manifest *manifest, const char *text, size_t size, size_t number, bool *good)
{
    enum clat_status status;
    struct json *document = NULL;
    struct json_rules rules = {.depth = 2};
    *good = false;
    status = json_parse(text, size, manifest->path, &rules, &document);
    if (status == CLAT_OK)
        status = take_line(manifest, json_root(document), number, good);
    json_close(document);
    return status == CLAT_ERROR_INPUT ? CLAT_OK : status;
}

static void tell(const struct manifest *manifest, size_t number,
    void (*warn)(void *user, const char *sentence), void *user)
{
    struct text text = {0};
    if (text_print(&text, "%s:%zu: this is no line of a manifest; its image is made again",
            manifest->path, number) == CLAT_OK)
        warn(user, text.data);
    text_free(&text);
}

static int compare_lines(const void *a, const void *b)
{
    const struct manifest_line *x = a, *y = b;
    int order = strcmp(x->file, y->file);
    return order ? order : (x->number > y->number) - (x->number < y->number);
}

static enum clat_status read_lines(struct manifest *manifest, const char *text, size_t size,
    void (*warn)(void *user, const char *sentence), void *user)
{
    enum clat_status status = CLAT_OK;
    const char *stop = text + size;
    for (size_t number = 1; text < stop; number++) {
        const char *end = memchr(text, '\n', (size_t)(stop - text));
        size_t length = (size_t)((end ? end : stop) - text);
        bool good = true;
        manifest->cut_off = !end;
        if (length)
            TRY(read_line(manifest, text, length, number, &good));
        manifest->damaged += !good;
        manifest->needs_repair |= !good;
        if (!good)
            tell(manifest, number, warn, user);
        text += length + 1;
    }
    if (manifest->count)
        qsort(manifest->lines, manifest->count, sizeof *manifest->lines, compare_lines);
out:
    return status;
}

enum clat_status manifest_open(const char *image, void (*warn)(void *user, const char *sentence),
    void *user, struct manifest *manifest)
{
    enum clat_status status;
    struct text path = {0};
    char *text = NULL;
    size_t size;
    TRY(text_print(&path, "%.*s" MANIFEST_NAME, (int)(name_of(image) - image), image));
    manifest->path = path.data;
    if (!file_exists(manifest->path))
        return CLAT_OK;
    TRY(file_read_text(manifest->path, SIZE_LIMIT, &text, &size));
    TRY(read_lines(manifest, text, size, warn, user));
out:
    free(text);
    return status;
}

void manifest_close(struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->count; i++)
        free(manifest->lines[i].file);
    free(manifest->lines);
    free(manifest->path);
    text_free(&manifest->claimed);
    *manifest = (struct manifest){.path = NULL};
}

/* ---- looking -------------------------------------------------------------------------------- */

/* The lines of a file; *count of them. */
static const struct manifest_line *find_lines(
    const struct manifest *manifest, const char *file, size_t *count)
{
    size_t low = 0, high = manifest->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(manifest->lines[middle].file, file) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (*count = 0; low + *count < manifest->count; ++*count)
        if (strcmp(manifest->lines[low + *count].file, file) != 0)
            break;
    return manifest->lines + low;
}

static bool describes(const struct manifest_line *line, uint64_t bytes, const char *digest)
{
    return line->bytes == bytes && strcmp(line->digest, digest) == 0;
}

static enum clat_status print_line(
    struct text *out, const char *file, const char *settings, uint64_t bytes, const char *digest)
{
    enum clat_status status;
    TRY(text_print(out, "{\"file\": "));
    TRY(escape_json(out, file));
    TRY(text_print(out, ", \"settings\": \"%s\", \"bytes\": %" PRIu64 ", \"digest\": \"%s\"}\n",
        settings, bytes, digest));
out:
    return status;
}

/* A damaged line may have been about this file: it is ours, with settings that nobody knows. */
static enum clat_status claim(
    struct manifest *manifest, const char *image, uint64_t bytes, const char *digest)
{
    static const char unknown[] = "00000000000000000000000000000000";
    manifest->damaged--;
    return print_line(&manifest->claimed, name_of(image), unknown, bytes, digest);
}

enum clat_status manifest_look(struct manifest *manifest, const char *image,
    const char settings[DIGEST_TEXT], enum manifest_state *state)
{
    enum clat_status status = CLAT_OK;
    struct file_map map = {0};
    struct digest digest = digest_of_nothing;
    char text[DIGEST_TEXT];
    size_t count;
    *state = MANIFEST_NEW;
    if (!file_exists(image))
        return CLAT_OK;
    TRY(file_map_open(image, &map));
    digest_add(&digest, map.data, map.size);
    digest_text(&digest, text);
    const struct manifest_line *lines = find_lines(manifest, name_of(image), &count);
    *state = MANIFEST_FOREIGN;
    for (size_t i = 0; i < count; i++)
        if (describes(&lines[i], map.size, text))
            *state = strcmp(lines[i].settings, settings) == 0 ? MANIFEST_DONE : MANIFEST_OURS;
    if (*state == MANIFEST_FOREIGN && manifest->damaged) {
        TRY(claim(manifest, image, map.size, text));
        *state = MANIFEST_OURS;
    }
out:
    file_map_close(&map);
    return status;
}

/* ---- appending ------------------------------------------------------------------------------ */

static enum clat_status cannot_write(const struct manifest *manifest, int code)
{
    return status_set(CLAT_ERROR_OUTPUT, "cannot write '%s': %s", manifest->path,
        code ? strerror(code) : "unknown reason");
}

/* All good lines, in the order of files. */
static enum clat_status print_all(const struct manifest *manifest, struct text *out)
{
    enum clat_status status = text_add(out, "", 0);
    for (size_t i = 0; i < manifest->count && status == CLAT_OK; i++) {
        const struct manifest_line *line = &manifest->lines[i];
        status = print_line(out, line->file, line->settings, line->bytes, line->digest);
    }
    if (status == CLAT_OK && manifest->claimed.size)
        status = text_add(out, manifest->claimed.data, manifest->claimed.size);
    return status;
}

enum clat_status manifest_repair(struct manifest *manifest)
{
    enum clat_status status = CLAT_OK;
    struct text all = {0};
    struct file_out out = {0};
    if (!manifest->needs_repair)
        return CLAT_OK;
    TRY(print_all(manifest, &all));
    TRY(file_out_open(manifest->path, &out));
    TRY(file_out_write(&out, all.data, all.size));
    TRY(file_out_commit(&out));
    manifest->needs_repair = manifest->cut_off = false;
out:
    file_out_abort(&out);
    text_free(&all);
    return status;
}

/* In one call: others may append to the same file. */
static enum clat_status append(const struct manifest *manifest, const struct text *line)
{
    enum clat_status status = CLAT_OK;
    int file = open(
        manifest->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (file < 0)
        return cannot_write(manifest, errno);
    errno = 0;
    ssize_t written = write(file, line->data, line->size);
    if (written != (ssize_t)line->size || fsync(file) != 0)
        status = cannot_write(manifest, written < 0 || (size_t)written == line->size ? errno : 0);
    close(file);
    return status;
}

enum clat_status manifest_add(struct manifest *manifest, const char *image,
    const char settings[DIGEST_TEXT], const void *bytes, size_t size)
{
    enum clat_status status;
    struct text line = {0};
    struct digest digest = digest_of_nothing;
    char text[DIGEST_TEXT];
    digest_add(&digest, bytes, size);
    digest_text(&digest, text);
    TRY(text_print(&line, "%s", manifest->cut_off ? "\n" : ""));
    TRY(print_line(&line, name_of(image), settings, size, text));
    TRY(append(manifest, &line));
    manifest->cut_off = false;
out:
    text_free(&line);
    return status;
}
