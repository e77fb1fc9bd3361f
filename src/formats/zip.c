/* zip.c - the members of a zip archive whose data are stored as they are. SPDX-License-Identifier:
 * MIT
 *
 *     (local header, name, extra, data, descriptor?)*  directory  (zip64 end, zip64 locator)?  end
 *
 * The directory counts: torch writes local headers with sizes and checksum zero and puts a
 * descriptor behind the data. What a local header does say must agree. Members may not overlap,
 * nothing may precede the first or follow the end, nothing may be compressed or encrypted. Source:
 * PKWARE, APPNOTE.TXT 6.3. */
#include "formats/zip.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define MEMBERS 20000
#define NAME_LIMIT 1024
enum { LOCAL_SIZE = 30, ENTRY_SIZE = 46, END_SIZE = 22, LOCATOR_SIZE = 20, END64_SIZE = 56 };
enum { FLAG_DESCRIPTOR = 1 << 3, FLAG_UTF8 = 1 << 11 };

struct directory {
    size_t offset, size, count;
};

static uint64_t get(const unsigned char *bytes, int size)
{
    uint64_t value = 0;
    while (size-- > 0)
        value = value << 8 | bytes[size];
    return value;
}

static enum clat_status bad(const struct file_map *map, size_t at, const char *what)
{
    return status_set(CLAT_ERROR_INPUT, "'%s': zip archive, byte %zu: %s", map->path, at, what);
}

/* ---- the end of the archive ----------------------------------------------------------------- */

/* The last end record whose comment reaches exactly to the end of the file. */
static bool find_end(const struct file_map *map, size_t *end)
{
    if (map->size < END_SIZE)
        return false;
    size_t lowest = map->size > END_SIZE + 65535 ? map->size - END_SIZE - 65535 : 0;
    for (size_t at = map->size - END_SIZE + 1; at-- > lowest;)
        if (memcmp(map->data + at, "PK\5\6", 4) == 0 &&
            at + END_SIZE + get(map->data + at + 20, 2) == map->size) {
            *end = at;
            return true;
        }
    return false;
}

/* A 16- or 32-bit field must hold the 64-bit value or be all ones. */
static bool agrees(uint64_t small, int size, uint64_t large)
{
    uint64_t ones = ((uint64_t)1 << (8 * size)) - 1;
    return small == ones || small == large;
}

/* Replaces count, size and offset by those of the zip64 record that the locator before `end` names.
 */
static enum clat_status read_end64(const struct file_map *map, size_t end, uint64_t *count,
    uint64_t *size, uint64_t *offset, size_t *stop)
{
    const unsigned char *locator = map->data + end - LOCATOR_SIZE;
    uint64_t at = get(locator + 8, 8);
    if (get(locator + 4, 4) != 0 || get(locator + 16, 4) > 1)
        return bad(map, end - LOCATOR_SIZE, "archives of several disks are not supported");
    if (end < LOCATOR_SIZE + END64_SIZE || at > end - LOCATOR_SIZE - END64_SIZE ||
        memcmp(map->data + at, "PK\6\6", 4) != 0)
        return bad(map, end - LOCATOR_SIZE, "the zip64 locator points to no zip64 end record");
    const unsigned char *record = map->data + at;
    if (get(record + 4, 8) != end - LOCATOR_SIZE - at - 12)
        return bad(map, (size_t)at, "the zip64 end record does not reach to its locator");
    if (get(record + 16, 4) || get(record + 20, 4) || get(record + 24, 8) != get(record + 32, 8))
        return bad(map, (size_t)at, "archives of several disks are not supported");
    if (!agrees(*count, 2, get(record + 32, 8)) || !agrees(*size, 4, get(record + 40, 8)) ||
        !agrees(*offset, 4, get(record + 48, 8)))
        return bad(map, (size_t)at, "the zip64 end record and the end record disagree");
    *count = get(record + 32, 8);
    *size = get(record + 40, 8);
    *offset = get(record + 48, 8);
    *stop = (size_t)at;
    return CLAT_OK;
}

static enum clat_status find_directory(const struct file_map *map, struct directory *directory)
{
    size_t end, stop;
    if (!find_end(map, &end))
        return bad(map, map->size, "no end record: the file is cut off or no zip archive");
    const unsigned char *record = map->data + end;
    if (get(record + 4, 2) || get(record + 6, 2) || get(record + 8, 2) != get(record + 10, 2))
        return bad(map, end, "archives of several disks are not supported");
    uint64_t count = get(record + 10, 2), size = get(record + 12, 4), offset = get(record + 16, 4);
    stop = end;
    if (end >= LOCATOR_SIZE && memcmp(record - LOCATOR_SIZE, "PK\6\7", 4) == 0) {
        enum clat_status status = read_end64(map, end, &count, &size, &offset, &stop);
        if (status != CLAT_OK)
            return status;
    }
    if (count < 1 || count > MEMBERS)
        return bad(map, end, "1 to 20000 members are expected");
    if (offset > stop || size != stop - offset)
        return bad(map, end, "the directory does not lie where the end record says");
    *directory = (struct directory){(size_t)offset, (size_t)size, (size_t)count};
    return CLAT_OK;
}

/* ---- the directory -------------------------------------------------------------------------- */

static const char *name_fault(const char *name, size_t size)
{
    if (size == 0 || size > NAME_LIMIT)
        return "a member name of 1 to 1024 bytes is expected";
    if (name[0] == '/' || memchr(name, '\\', size) || !text_is_utf8(name, size))
        return "a member name must be a relative path in UTF-8";
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)name[i] < 0x20)
            return "a member name has a control character";
    for (size_t at = 0; at < size;) {
        const char *slash = memchr(name + at, '/', size - at);
        size_t length = slash ? (size_t)(slash - name) - at : size - at;
        if (length == 0 || (length <= 2 && memcmp(name + at, "..", length) == 0))
            return "a member name has an empty part, '.' or '..'";
        at += length + 1;
    }
    return NULL;
}

/* Fields that are all ones stand in the zip64 extra field (id 1), in this order. */
static bool read_extra64(const unsigned char *extra, size_t size, uint64_t *fields[3])
{
    while (size >= 4) {
        size_t length = (size_t)get(extra + 2, 2);
        if (length > size - 4)
            return false;
        if (get(extra, 2) == 1) {
            const unsigned char *at = extra + 4;
            for (int i = 0; i < 3; i++) {
                if (*fields[i] != 0xFFFFFFFFu)
                    continue;
                if (length < 8)
                    return false;
                *fields[i] = get(at, 8);
                at += 8;
                length -= 8;
            }
            return true;
        }
        extra += 4 + length;
        size -= 4 + length;
    }
    return *fields[0] != 0xFFFFFFFFu && *fields[1] != 0xFFFFFFFFu && *fields[2] != 0xFFFFFFFFu;
}

/* The local header repeats name, method and flags; sizes and checksum too unless a descriptor
 * follows. */
static enum clat_status check_local(const struct file_map *map, const unsigned char *entry,
    size_t directory, struct zip_member *member)
{
    size_t at = member->header, begin;
    if (at > directory || directory - at < LOCAL_SIZE || memcmp(map->data + at, "PK\3\4", 4) != 0)
        return bad(map, at, "no local header where the directory says");
    const unsigned char *local = map->data + at;
    size_t names = (size_t)get(local + 26, 2), extra = (size_t)get(local + 28, 2);
    if (get(local + 6, 2) != get(entry + 8, 2) || get(local + 8, 2) != get(entry + 10, 2))
        return bad(map, at, "local header and directory disagree about flags or method");
    if (directory - at - LOCAL_SIZE < names + extra || names != member->name_size ||
        memcmp(local + LOCAL_SIZE, member->name, names) != 0)
        return bad(map, at, "local header and directory disagree about the name");
    begin = at + LOCAL_SIZE + names + extra;
    if (directory - begin < member->size)
        return bad(map, at, "the data of the member run into the directory");
    bool descriptor = get(local + 6, 2) & FLAG_DESCRIPTOR;
    uint64_t crc = get(local + 14, 4), stored = get(local + 18, 4), full = get(local + 22, 4);
    if (descriptor && !crc && !stored && !full)
        return (void)(member->data = map->data + begin), CLAT_OK;
    if (crc != member->crc || !agrees(stored, 4, member->size) || !agrees(full, 4, member->size))
        return bad(map, at, "local header and directory disagree about size or checksum");
    member->data = map->data + begin;
    return CLAT_OK;
}

static enum clat_status read_member(const struct file_map *map, const struct directory *directory,
    size_t *at, struct zip_member *member)
{
    size_t left = directory->offset + directory->size - *at;
    const unsigned char *entry = map->data + *at;
    if (left < ENTRY_SIZE || memcmp(entry, "PK\1\2", 4) != 0)
        return bad(map, *at, "a directory entry is expected");
    size_t names = (size_t)get(entry + 28, 2), extra = (size_t)get(entry + 30, 2);
    size_t size = ENTRY_SIZE + names + extra + (size_t)get(entry + 32, 2);
    if (size > left)
        return bad(map, *at, "the directory entry is longer than the directory");
    member->name = (const char *)entry + ENTRY_SIZE;
    member->name_size = names;
    const char *fault = name_fault(member->name, names);
    if (fault)
        return bad(map, *at, fault);
    if (get(entry + 8, 2) & ~(uint64_t)(FLAG_DESCRIPTOR | FLAG_UTF8))
        return bad(map, *at, "an encrypted or otherwise unusual member is not supported");
    if (get(entry + 10, 2) != 0)
        return bad(map, *at, "a compressed member is not supported; unpack the archive first");
    uint64_t full = get(entry + 24, 4), stored = get(entry + 20, 4), header = get(entry + 42, 4);
    if (!read_extra64(entry + ENTRY_SIZE + names, extra, (uint64_t *[]){&full, &stored, &header}))
        return bad(map, *at, "the extra field is damaged");
    if (full != stored || full > map->size || header > map->size || get(entry + 34, 2))
        return bad(map, *at, "size or place of the member is not inside the file");
    member->size = (size_t)full;
    member->header = (size_t)header;
    member->crc = (uint32_t)get(entry + 16, 4);
    *at += size;
    return check_local(map, entry, directory->offset, member);
}

static int by_header(const void *a, const void *b)
{
    const struct zip_member *first = a, *second = b;
    return (first->header > second->header) - (first->header < second->header);
}

static int by_name(const void *a, const void *b)
{
    const struct zip_member *first = a, *second = b;
    size_t least = first->name_size < second->name_size ? first->name_size : second->name_size;
    int order = memcmp(first->name, second->name, least);
    return order ? order
                 : (first->name_size > second->name_size) - (first->name_size < second->name_size);
}

/* One after the other from byte 0; between two there is room for a descriptor. */
static enum clat_status check_overlap(const struct file_map *map, struct zip *zip)
{
    size_t end = 0;
    qsort(zip->members, zip->count, sizeof *zip->members, by_header);
    if (zip->members[0].header != 0)
        return bad(map, 0, "the first member must begin here");
    for (size_t i = 0; i < zip->count; i++) {
        const struct zip_member *member = &zip->members[i];
        if (member->header < end)
            return bad(map, member->header, "two members overlap");
        end = (size_t)(member->data - map->data) + member->size;
    }
    return CLAT_OK;
}

static enum clat_status check_names(const struct file_map *map, struct zip *zip)
{
    qsort(zip->members, zip->count, sizeof *zip->members, by_name);
    zip->folder = zip->members[0].name;
    const char *slash = memchr(zip->folder, '/', zip->members[0].name_size);
    zip->folder_size = slash ? (size_t)(slash - zip->folder) + 1 : 0;
    for (size_t i = 0; i < zip->count; i++) {
        const struct zip_member *member = &zip->members[i];
        if (!slash || member->name_size < zip->folder_size ||
            memcmp(member->name, zip->folder, zip->folder_size) != 0)
            return bad(map, member->header, "all members must be in one folder");
        if (i && by_name(member - 1, member) == 0)
            return bad(map, member->header, "two members have the same name");
    }
    return CLAT_OK;
}

enum clat_status zip_read(const struct file_map *map, struct zip *zip)
{
    struct directory directory = {0};
    enum clat_status status;
    memset(zip, 0, sizeof *zip);
    TRY(find_directory(map, &directory));
    TRY(memory_new(directory.count, sizeof *zip->members, &zip->members));
    size_t at = directory.offset;
    for (; zip->count < directory.count; zip->count++)
        TRY(read_member(map, &directory, &at, &zip->members[zip->count]));
    if (at != directory.offset + directory.size)
        FAIL(CLAT_ERROR_INPUT,
            "'%s': zip archive, byte %zu: the directory has more than %zu entries", map->path, at,
            directory.count);
    TRY(check_overlap(map, zip));
    TRY(check_names(map, zip));
out:
    if (status != CLAT_OK)
        zip_free(zip);
    return status;
}

void zip_free(struct zip *zip)
{
    free(zip->members);
    memset(zip, 0, sizeof *zip);
}

const struct zip_member *zip_find(const struct zip *zip, const char *name)
{
    char path[NAME_LIMIT + 1];
    size_t size = strlen(name);
    if (zip->folder_size + size > NAME_LIMIT)
        return NULL;
    memcpy(path, zip->folder, zip->folder_size);
    memcpy(path + zip->folder_size, name, size);
    const struct zip_member wanted = {.name = path, .name_size = zip->folder_size + size};
    return bsearch(&wanted, zip->members, zip->count, sizeof wanted, by_name);
}

/* zlib takes 32-bit lengths. */
uint32_t zip_checksum(const unsigned char *data, size_t size)
{
    uLong crc = crc32(0, NULL, 0);
    for (size_t piece; size; data += piece, size -= piece) {
        piece = size < (size_t)1 << 30 ? size : (size_t)1 << 30;
        crc = crc32(crc, data, (uInt)piece);
    }
    return (uint32_t)crc;
}
