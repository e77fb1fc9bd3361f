/* forge.c - model files made byte by byte, right or wrong. SPDX-License-Identifier: MIT */
#include "forge.h"
#include "check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

/* ---- bytes ---------------------------------------------------------------------------------- */

void forge_add(struct bytes *bytes, const void *data, size_t size)
{
    if (bytes->size + size > bytes->capacity) {
        bytes->capacity = 2 * (bytes->size + size) + 64;
        bytes->data = realloc(bytes->data, bytes->capacity);
        if (!bytes->data)
            abort();
    }
    if (size)
        memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

void forge_set(struct bytes *bytes, size_t at, int width, uint64_t value)
{
    for (int i = 0; i < width; i++)
        bytes->data[at + (size_t)i] = (unsigned char)(value >> (8 * i));
}

void forge_number(struct bytes *bytes, int width, uint64_t value)
{
    static const unsigned char zeros[8];
    forge_add(bytes, zeros, (size_t)width);
    forge_set(bytes, bytes->size - (size_t)width, width, value);
}

void forge_free(struct bytes *bytes)
{
    free(bytes->data);
    memset(bytes, 0, sizeof *bytes);
}

/* Written over, not truncated to nothing first: some file systems flush to the disk after that, and
 * tests write thousands of files. */
void forge_save(const struct bytes *bytes, const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT, 0666);
    if (file < 0 || write(file, bytes->data, bytes->size) != (ssize_t)bytes->size ||
        ftruncate(file, (off_t)bytes->size) != 0 || close(file) != 0)
        check_skip("cannot write %s", path);
}

void forge_load(struct bytes *bytes, const char *path)
{
    unsigned char block[4096];
    FILE *file = fopen(path, "rb");
    if (!file)
        check_skip("cannot read %s", path);
    for (size_t got; (got = fread(block, 1, sizeof block, file)) > 0;)
        forge_add(bytes, block, got);
    fclose(file);
}

void forge_safetensors(struct bytes *bytes, const char *header, size_t data)
{
    forge_number(bytes, 8, strlen(header));
    forge_add(bytes, header, strlen(header));
    for (size_t i = 0; i < data; i++)
        forge_number(bytes, 1, i);
}

/* ---- pickle --------------------------------------------------------------------------------- */

static void add_string(struct bytes *bytes, const char *text, size_t size)
{
    forge_add(bytes, "X", 1);
    forge_number(bytes, 4, size);
    forge_add(bytes, text, size);
}

static void add_name(struct bytes *bytes, const char *word, size_t size)
{
    forge_add(bytes, "c", 1);
    for (size_t i = 0; i < size; i++)
        forge_add(bytes, word[i] == ':' ? "\n" : &word[i], 1);
    forge_add(bytes, "\n", 1);
}

static void add_integer(struct bytes *bytes, const char *word)
{
    long long value = strtoll(word, NULL, 10);
    bool small = value >= INT32_MIN && value <= INT32_MAX;
    forge_add(bytes, small ? "J" : "\x8A\x08", small ? 1 : 2);
    forge_number(bytes, small ? 4 : 8, (uint64_t)value);
}

/* A letter and a number: memo and protocol. */
static void add_indexed(struct bytes *bytes, const char *word)
{
    unsigned long long value = strtoull(word + 1, NULL, 10);
    forge_add(bytes, word[0] == 'P' ? "\x80" : word, 1);
    forge_number(bytes, strchr("rj", word[0]) ? 4 : 1, value);
}

static void add_word(struct bytes *bytes, const char *word, size_t size)
{
    if (word[0] == '\'')
        add_string(bytes, word + 1, size - 2);
    else if (word[0] == '@')
        add_name(bytes, word + 1, size - 1);
    else if (word[0] == 'x' && size == 3)
        forge_number(bytes, 1, strtoull(word + 1, NULL, 16));
    else if (size == 2 && word[1] == 't')
        forge_number(bytes, 1, 0x84u + (unsigned)(word[0] - '0'));
    else if (word[0] == '-' || (word[0] >= '0' && word[0] <= '9'))
        add_integer(bytes, word);
    else if (size > 1)
        add_indexed(bytes, word);
    else
        forge_add(bytes, word[0] == 'T' ? "\x88" : word[0] == 'F' ? "\x89" : word, 1);
}

void forge_pickle(struct bytes *bytes, const char *words)
{
    while (*(words += strspn(words, " "))) {
        size_t size = *words == '\'' ? strcspn(words + 1, "'") + 2 : strcspn(words, " ");
        add_word(bytes, words, size);
        words += size;
    }
}

/* ---- zip ------------------------------------------------------------------------------------ */

static void add_local(
    struct forged_zip *zip, size_t i, const struct forge_member *member, uint32_t crc)
{
    struct bytes *bytes = &zip->bytes;
    char name[64];
    size_t size = (size_t)snprintf(name, sizeof name, "archive/%s", member->name);
    size_t padding = 64 - (bytes->size + 30 + size + 4) % 64;
    zip->local[i] = bytes->size;
    forge_add(bytes, "PK\3\4", 4);
    forge_number(bytes, 4, 0x08080000u); /* version 0, flags */
    forge_number(bytes, 8, 0);           /* method, time, date, crc (first half) */
    forge_number(bytes, 8, 0);
    forge_number(bytes, 2, 0);
    forge_number(bytes, 2, size);
    forge_number(bytes, 2, 4 + padding);
    forge_add(bytes, name, size);
    forge_add(bytes, "FB", 2);
    forge_number(bytes, 2, padding);
    for (size_t k = 0; k < padding; k++)
        forge_add(bytes, "Z", 1);
    zip->data[i] = bytes->size;
    forge_add(bytes, member->data, member->size);
    forge_add(bytes, "PK\7\10", 4);
    forge_number(bytes, 4, crc);
    forge_number(bytes, 4, member->size);
    forge_number(bytes, 4, member->size);
}

static void add_entry(
    struct forged_zip *zip, size_t i, const struct forge_member *member, uint32_t crc)
{
    struct bytes *bytes = &zip->bytes;
    char name[64];
    size_t size = (size_t)snprintf(name, sizeof name, "archive/%s", member->name);
    zip->entry[i] = bytes->size;
    forge_add(bytes, "PK\1\2", 4);
    forge_number(bytes, 4, 0);
    forge_number(bytes, 2, 0x808);
    forge_number(bytes, 6, 0); /* method, time, date */
    forge_number(bytes, 4, crc);
    forge_number(bytes, 4, member->size);
    forge_number(bytes, 4, member->size);
    forge_number(bytes, 2, size);
    forge_number(bytes, 4, 0); /* extra, comment */
    forge_number(bytes, 8, 0); /* disk, attributes */
    forge_number(bytes, 4, zip->local[i]);
    forge_add(bytes, name, size);
}

static void add_ends(struct forged_zip *zip, size_t count, size_t directory)
{
    struct bytes *bytes = &zip->bytes;
    size_t size = bytes->size - directory;
    zip->end64 = bytes->size;
    forge_add(bytes, "PK\6\6", 4);
    forge_number(bytes, 8, 44);
    forge_number(bytes, 4, 0);
    forge_number(bytes, 8, 0);
    forge_number(bytes, 8, count);
    forge_number(bytes, 8, count);
    forge_number(bytes, 8, size);
    forge_number(bytes, 8, directory);
    zip->locator = bytes->size;
    forge_add(bytes, "PK\6\7", 4);
    forge_number(bytes, 4, 0);
    forge_number(bytes, 8, zip->end64);
    forge_number(bytes, 4, 1);
    zip->end = bytes->size;
    forge_add(bytes, "PK\5\6", 4);
    forge_number(bytes, 4, 0);
    forge_number(bytes, 2, count);
    forge_number(bytes, 2, count);
    forge_number(bytes, 4, size);
    forge_number(bytes, 4, directory);
    forge_number(bytes, 2, 0);
}

void forge_zip(struct forged_zip *zip, const struct forge_member *members, size_t count)
{
    uint32_t crcs[FORGE_MEMBERS];
    memset(zip, 0, sizeof *zip);
    for (size_t i = 0; i < count; i++) {
        crcs[i] = (uint32_t)crc32(0, members[i].data, (uInt)members[i].size);
        add_local(zip, i, &members[i], crcs[i]);
    }
    size_t directory = zip->bytes.size;
    for (size_t i = 0; i < count; i++)
        add_entry(zip, i, &members[i], crcs[i]);
    add_ends(zip, count, directory);
}

const char forge_good_pickle[] = "P2 } q0 ( 'a' " FORGE_TENSOR(
    FORGE_STORAGE("FloatStorage", "0", "6"), "0", "2 3 2t",
    "3 1 2t") "'b'" FORGE_TENSOR(FORGE_STORAGE("FloatStorage", "0", "6"), "0", "3 2 2t",
    "1 3 2t") "'c'" FORGE_TENSOR(FORGE_STORAGE("HalfStorage", "1", "4"), "0", "4 1t", "1 1t") "u .";

void forge_torch(struct forged_zip *zip, const char *words)
{
    struct bytes pickle = {0};
    /* 1, 2, 3, 4, 5, 6 as F32, little-endian */
    static const unsigned char six[24] = {0, 0, 0x80, 0x3F, 0, 0, 0, 0x40, 0, 0, 0x40, 0x40, 0, 0,
        0x80, 0x40, 0, 0, 0xA0, 0x40, 0, 0, 0xC0, 0x40};
    static const unsigned char halves[8] = {0, 0x3C, 0, 0x40, 0, 0x42, 0, 0x44}; /* 1, 2, 3, 4 */
    forge_pickle(&pickle, words);
    const struct forge_member members[] = {
        [FORGE_PICKLE] = {"data.pkl", pickle.data, pickle.size},
        [FORGE_BYTEORDER] = {"byteorder", "little", 6},
        [FORGE_STORAGE_0] = {"data/0", six, sizeof six},
        [FORGE_STORAGE_1] = {"data/1", halves, sizeof halves},
        [FORGE_VERSION] = {"version", "3\n", 2},
    };
    forge_zip(zip, members, sizeof members / sizeof *members);
    forge_free(&pickle);
}
