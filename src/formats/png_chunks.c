/* png_chunks.c - the texts of a PNG file, by walking its chunks. SPDX-License-Identifier: MIT
 *
 * file = signature, chunks; chunk = length (4 bytes, big-endian), type (4 letters), data, CRC-32 of
 * type and data. The first is IHDR, the last IEND. A lower-case first letter marks an ancillary
 * chunk: one that is damaged is passed over, while a damaged critical one makes the file bad. */
#include "base/memory.h"
#include "formats/png.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct chunk {
    size_t offset;             /* of the chunk in the file */
    const unsigned char *type; /* [4] */
    const unsigned char *data;
    size_t size;
    bool intact; /* the CRC is right */
};

struct walker {
    const char *name;
    const unsigned char *data;
    size_t size, at;
    size_t ancillary;  /* chunks so far */
    size_t text_bytes; /* in all texts so far */
    struct png_facts *facts;
};

static uint32_t read_u32(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static enum clat_status bad(const struct walker *walker, size_t offset, const char *what)
{
    return status_set(
        CLAT_ERROR_INPUT, "%s: not a good PNG file: %s at byte %zu", walker->name, what, offset);
}

static bool is_type(const struct chunk *chunk, const char *type)
{
    return memcmp(chunk->type, type, 4) == 0;
}

static bool is_letter(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static enum clat_status next_chunk(struct walker *walker, struct chunk *chunk)
{
    size_t left = walker->size - walker->at;
    const unsigned char *head = walker->data + walker->at;
    if (left < 12)
        return bad(walker, walker->at, "the file ends early");
    uint32_t size = read_u32(head);
    if (size > 0x7FFFFFFF || size > left - 12)
        return bad(walker, walker->at, "a chunk is longer than the file");
    for (int i = 4; i < 8; i++)
        if (!is_letter(head[i]))
            return bad(walker, walker->at + 4, "a chunk type is not four letters");
    *chunk = (struct chunk){walker->at, head + 4, head + 8, size, false};
    chunk->intact =
        crc32(crc32(0, NULL, 0), head + 4, (uInt)(size + 4)) == read_u32(head + 8 + size);
    walker->at += 12 + (size_t)size;
    if (!chunk->intact && !(chunk->type[0] & 0x20))
        return bad(walker, chunk->offset, "wrong checksum of a critical chunk");
    return CLAT_OK;
}

static enum clat_status read_header(struct walker *walker)
{
    static const unsigned char signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    struct chunk chunk;
    if (walker->size < 8 || memcmp(walker->data, signature, 8) != 0)
        return bad(walker, 0, "no PNG signature");
    walker->at = 8;
    enum clat_status status = next_chunk(walker, &chunk);
    if (status != CLAT_OK)
        return status;
    if (!is_type(&chunk, "IHDR") || chunk.size != 13)
        return bad(walker, chunk.offset, "no image header");
    uint32_t width = read_u32(chunk.data), height = read_u32(chunk.data + 4);
    if (width == 0 || height == 0 || width > PNG_SIDE_LIMIT || height > PNG_SIDE_LIMIT ||
        (uint64_t)width * height > PNG_PIXEL_LIMIT)
        return status_set(CLAT_ERROR_INPUT,
            "%s: %u x %u pixels; sides of 1 to %d and %u pixels are "
            "allowed",
            walker->name, width, height, PNG_SIDE_LIMIT, PNG_PIXEL_LIMIT);
    walker->facts->width = (int)width;
    walker->facts->height = (int)height;
    return CLAT_OK;
}

/* Inflates at most what the limit of all texts leaves. */
static enum clat_status unpack(
    const struct walker *walker, const unsigned char *data, size_t size, struct text *out)
{
    unsigned char block[4096];
    z_stream stream = {.next_in = (unsigned char *)(uintptr_t)data, .avail_in = (uInt)size};
    enum clat_status status = CLAT_OK;
    if (inflateInit(&stream) != Z_OK)
        return status_set(CLAT_ERROR_MEMORY, "no host memory to unpack a text");
    for (int result = Z_OK; result == Z_OK && status == CLAT_OK;) {
        stream.next_out = block;
        stream.avail_out = sizeof block;
        result = inflate(&stream, Z_NO_FLUSH);
        status = text_add(out, (char *)block, sizeof block - stream.avail_out);
        if (status == CLAT_OK && out->size + walker->text_bytes > PNG_TEXT_LIMIT)
            status = bad(walker, (size_t)(data - walker->data), "more than 4 MiB of text");
    }
    inflateEnd(&stream);
    return status;
}

/* To UTF-8; C0 controls other than newline and tab go. */
static enum clat_status add_latin1(const char *bytes, size_t size, struct text *out)
{
    enum clat_status status = text_add(out, "", 0);
    for (size_t i = 0; i < size && status == CLAT_OK; i++) {
        unsigned char c = (unsigned char)bytes[i];
        char pair[2] = {(char)(0xC0 | c >> 6), (char)(0x80 | (c & 0x3F))};
        if (c >= 0x80)
            status = text_add(out, pair, 2);
        else if (c >= 0x20 || c == '\n' || c == '\t')
            status = text_add(out, (char *)&c, 1);
    }
    return status;
}

static enum clat_status add_text(
    struct walker *walker, size_t offset, const char *keyword, const struct text *text)
{
    enum clat_status status = CLAT_OK;
    struct png_facts *facts = walker->facts;
    struct png_text made = {0};
    walker->text_bytes += text->size;
    if (walker->text_bytes > PNG_TEXT_LIMIT)
        return bad(walker, offset, "more than 4 MiB of text");
    TRY(memory_grow(&facts->texts, &facts->capacity, facts->count, sizeof *facts->texts));
    TRY(memory_string(keyword, &made.keyword));
    TRY(memory_string(text->data ? text->data : "", &made.text));
    facts->texts[facts->count++] = made;
    return CLAT_OK;
out:
    free(made.keyword);
    return status;
}

/* The parts of the three kinds of text chunk, as far as they are there. */
struct parts {
    const unsigned char *text;
    size_t size;
    bool packed, utf8;
};

/* After the keyword and its NUL. tEXt: text. zTXt: method, packed text. iTXt: packed?, method,
 * language NUL, translated keyword NUL, text. False if a part is missing. */
static bool find_parts(const struct chunk *chunk, const unsigned char *at, struct parts *parts)
{
    const unsigned char *end = chunk->data + chunk->size;
    *parts = (struct parts){.utf8 = is_type(chunk, "iTXt"), .packed = is_type(chunk, "zTXt")};
    if (parts->packed && at++ == end)
        return false;
    if (parts->utf8) {
        if (end - at < 2)
            return false;
        parts->packed = at[0] == 1;
        at += 2;
        for (int skip = 0; skip < 2; skip++) {
            at = memchr(at, 0, (size_t)(end - at));
            if (!at++)
                return false;
        }
    }
    parts->text = at;
    parts->size = (size_t)(end - at);
    return true;
}

/* A chunk that is not well formed is passed over: it is ancillary. */
static enum clat_status read_text(struct walker *walker, const struct chunk *chunk)
{
    enum clat_status status = CLAT_OK;
    struct text raw = {0}, text = {0};
    struct parts parts;
    const unsigned char *nul = memchr(chunk->data, 0, chunk->size < 80 ? chunk->size : 80);
    if (chunk->size > PNG_CHUNK_LIMIT)
        return bad(walker, chunk->offset, "a text chunk of more than 8 MiB");
    if (!nul || nul == chunk->data || !find_parts(chunk, nul + 1, &parts))
        return CLAT_OK;
    if (parts.packed)
        TRY(unpack(walker, parts.text, parts.size, &raw));
    else
        TRY(text_add(&raw, (const char *)parts.text, parts.size));
    bool is_good = parts.utf8 && text_is_utf8(raw.data, raw.size) && !memchr(raw.data, 0, raw.size);
    if (is_good)
        TRY(text_add(&text, raw.data, raw.size));
    else
        TRY(add_latin1(raw.data, raw.size, &text));
    TRY(add_text(walker, chunk->offset, (const char *)chunk->data, &text));
out:
    text_free(&raw);
    text_free(&text);
    return status;
}

static enum clat_status read_chunk(struct walker *walker, const struct chunk *chunk)
{
    bool is_text = is_type(chunk, "tEXt") || is_type(chunk, "zTXt") || is_type(chunk, "iTXt");
    bool is_ancillary = chunk->type[0] & 0x20;
    if (is_ancillary && ++walker->ancillary > PNG_ANCILLARY_LIMIT)
        return bad(walker, chunk->offset, "more than 256 ancillary chunks");
    return is_text && chunk->intact ? read_text(walker, chunk) : CLAT_OK;
}

enum clat_status png_read_facts(
    const char *name, const unsigned char *data, size_t size, struct png_facts *facts)
{
    enum clat_status status = CLAT_OK;
    struct walker walker = {.name = name, .data = data, .size = size, .facts = facts};
    struct chunk chunk;
    *facts = (struct png_facts){0};
    TRY(read_header(&walker));
    do {
        TRY(next_chunk(&walker, &chunk));
        TRY(read_chunk(&walker, &chunk));
    } while (!is_type(&chunk, "IEND"));
out:
    return status;
}

void png_facts_free(struct png_facts *facts)
{
    for (size_t i = 0; i < facts->count; i++) {
        free(facts->texts[i].keyword);
        free(facts->texts[i].text);
    }
    free(facts->texts);
    *facts = (struct png_facts){0};
}

const char *png_find_text(const struct png_facts *facts, const char *keyword)
{
    for (size_t i = facts->count; i > 0; i--)
        if (strcmp(facts->texts[i - 1].keyword, keyword) == 0)
            return facts->texts[i - 1].text;
    return NULL;
}
