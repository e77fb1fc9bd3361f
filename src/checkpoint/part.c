/* part.c - one file of weights. SPDX-License-Identifier: MIT */
#include "checkpoint/part.h"
#include "formats/paddle.h"
#include "formats/safetensors.h"
#include "formats/torch.h"

#include <stdlib.h>
#include <string.h>

static bool begins(const struct file_map *map, size_t at, const char *bytes, size_t size)
{
    return map->size >= at + size && memcmp(map->data + at, bytes, size) == 0;
}

/* What a file is that we cannot read, NULL if its bytes say nothing. */
static const char *foreign_format(const struct file_map *map)
{
    if (map->size == 0)
        return "it is empty";
    if (begins(map, 8, "{", 1))
        return NULL; /* safetensors: the eight bytes before may be anything */
    if (begins(map, 0, "version https://git-lfs", 23))
        return "it is a git-lfs pointer, the file itself was not downloaded";
    if (begins(map, 0, "<!", 2) || begins(map, 0, "<html", 5) || begins(map, 0, "<?xml", 5))
        return "it is a web page or XML, not a model file";
    if (begins(map, 257, "ustar", 5))
        return "it is a tar archive (torch before 0.1.10), which is not supported";
    if (begins(map, 0, "GGUF", 4))
        return "it is a GGUF file, which is not supported";
    return NULL;
}

static enum clat_status read_list(struct part *part)
{
    if (torch_is_zip(&part->map))
        return torch_read(&part->map, &part->list);
    if (torch_is_legacy(&part->map))
        return torch_read_legacy(&part->map, &part->list);
    if (paddle_is(&part->map))
        return paddle_read(&part->map, &part->list);
    return safetensors_read(&part->map, &part->list);
}

enum clat_status part_open(const char *path, const struct weight_view *view, struct part *part)
{
    static const struct weight_view diffusers = {.facts = {.dialect = DIALECT_DIFFUSERS}},
                                    paddle = {.facts = {.dialect = DIALECT_PADDLE}};
    enum clat_status status;
    TRY(file_map_open(path, &part->map));
    const char *foreign = foreign_format(&part->map);
    if (foreign)
        FAIL(CLAT_ERROR_INPUT, "'%s' cannot be read: %s", path, foreign);
    TRY(read_list(part));
    if (!view)
        view = paddle_is(&part->map) ? &paddle : &diffusers;
    TRY(view_apply(view, path, &part->list));
    part->touched_begin = part->map.size;
out:
    return status;
}

void part_close(struct part *part)
{
    weight_list_free(&part->list);
    file_map_close(&part->map);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct weight *)a)->name, ((const struct weight *)b)->name);
}

struct weight *part_find(const struct part *part, const char *name)
{
    const struct weight wanted = {.name = (char *)(uintptr_t)name};
    const struct weight_list *list = &part->list;
    return list->count ? bsearch(&wanted, list->items, list->count, sizeof wanted, by_name) : NULL;
}

void part_touch(struct part *part, const unsigned char *data, size_t size)
{
    size_t begin = (size_t)(data - part->map.data);
    if (begin < part->touched_begin)
        part->touched_begin = begin;
    if (begin + size > part->touched_end)
        part->touched_end = begin + size;
}

void part_forget(struct part *part)
{
    if (part->touched_end > part->touched_begin)
        file_map_forget(&part->map, part->touched_begin, part->touched_end - part->touched_begin);
    part->touched_begin = part->map.size;
    part->touched_end = 0;
}
