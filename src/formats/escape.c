/* escape.c - one walk over UTF-8, three ways to write what is not fit. SPDX-License-Identifier: MIT
 */
#include "formats/escape.h"

#include <stdint.h>
#include <string.h>

#define NAME_LIMIT 200 /* bytes */

struct character {
    const char *bytes;
    size_t size;   /* 1 to 4 */
    uint32_t code; /* Unicode; the byte itself if it is not UTF-8 */
    bool valid;
};

static uint32_t decode(const unsigned char *bytes, size_t size)
{
    uint32_t code = size == 1 ? bytes[0] : bytes[0] & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++)
        code = code << 6 | (bytes[i] & 0x3F);
    return code;
}

/* The character at *at, which moves on; false at the end. */
static bool next_character(const char **at, struct character *character)
{
    unsigned char first = (unsigned char)**at;
    size_t left = strnlen(*at, 4);
    if (first == 0)
        return false;
    size_t size = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    bool valid = size <= left && text_is_utf8(*at, size);
    if (!valid)
        size = 1;
    uint32_t code = valid ? decode((const unsigned char *)*at, size) : first;
    *character = (struct character){*at, size, code, valid};
    *at += size;
    return true;
}

static bool is_fit(const struct character *character)
{
    static const uint32_t ranges[][2] = {{0, 0x1F}, {0x7F, 0x9F}, {0x61C, 0x61C}, {0x200B, 0x200B},
        {0x200E, 0x200F}, {0x2028, 0x202E}, {0x2066, 0x2069}, {0xFEFF, 0xFEFF}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (character->code >= ranges[i][0] && character->code <= ranges[i][1])
            return false;
    return character->valid;
}

static enum clat_status add_json(struct text *out, const struct character *character)
{
    if (!character->valid)
        return text_add(out, "\\ufffd", 6);
    if (character->code == '"' || character->code == '\\')
        return text_print(out, "\\%c", (int)character->code);
    if (character->code == '\n')
        return text_add(out, "\\n", 2);
    if (!is_fit(character))
        return text_print(out, "\\u%04x", (unsigned)character->code);
    return text_add(out, character->bytes, character->size);
}

enum clat_status escape_json(struct text *out, const char *text)
{
    struct character character;
    enum clat_status status = text_add(out, "\"", 1);
    while (status == CLAT_OK && next_character(&text, &character))
        status = add_json(out, &character);
    return status == CLAT_OK ? text_add(out, "\"", 1) : status;
}

enum clat_status escape_terminal(struct text *out, const char *text, bool lines)
{
    struct character character;
    enum clat_status status = text_add(out, "", 0);
    while (status == CLAT_OK && next_character(&text, &character)) {
        if (is_fit(&character) || (lines && character.code == '\n'))
            status = text_add(out, character.bytes, character.size);
        else
            status =
                text_print(out, character.valid ? "\\u{%x}" : "\\x%02x", (unsigned)character.code);
    }
    return status;
}

enum clat_status escape_file_name(struct text *out, const char *text, size_t characters)
{
    struct character character;
    enum clat_status status = text_add(out, "", 0);
    size_t start = out->size;
    for (size_t i = 0; i < characters && status == CLAT_OK && next_character(&text, &character);
         i++) {
        bool is_bad =
            !is_fit(&character) || character.code == '/' || (i == 0 && character.code == '.');
        if (out->size - start + character.size > NAME_LIMIT)
            break;
        status = is_bad ? text_add(out, "_", 1) : text_add(out, character.bytes, character.size);
    }
    return status;
}
