/* arena.c - a list of pieces that hangs in front of the root. SPDX-License-Identifier: MIT */
#include "base/arena.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* Every piece is a header and then the bytes; the arena is the first piece. */
struct arena {
    struct arena *next;
    _Alignas(max_align_t) unsigned char bytes[];
};

static enum clat_status new_piece(size_t size, struct arena **piece)
{
    if (!size_add(size, sizeof **piece, &size))
        return status_set(CLAT_ERROR_MEMORY, "no host memory for a result");
    return memory_new(size, 1, piece);
}

enum clat_status arena_new(size_t size, struct arena **arena, void *root)
{
    enum clat_status status = new_piece(size, arena);
    if (status == CLAT_OK) {
        void *bytes = (*arena)->bytes;
        memcpy(root, &bytes, sizeof bytes);
    }
    return status;
}

enum clat_status arena_take(struct arena *arena, size_t count, size_t size, void *out)
{
    struct arena *piece;
    if (!size_mul(count, size, &size))
        return status_set(CLAT_ERROR_MEMORY, "no host memory for a result");
    enum clat_status status = new_piece(size, &piece);
    if (status != CLAT_OK)
        return status;
    piece->next = arena->next;
    arena->next = piece;
    void *bytes = piece->bytes;
    memcpy(out, &bytes, sizeof bytes);
    return CLAT_OK;
}

enum clat_status arena_string(struct arena *arena, const char *text, const char **out)
{
    char *copy = NULL;
    enum clat_status status = CLAT_OK;
    if (text)
        status = arena_take(arena, strlen(text) + 1, 1, &copy);
    if (copy)
        strcpy(copy, text);
    *out = copy;
    return status;
}

void arena_free(const void *root)
{
    if (!root)
        return;
    char *bytes = (char *)(uintptr_t)root;
    struct arena *piece = (struct arena *)(void *)(bytes - offsetof(struct arena, bytes));
    while (piece) {
        struct arena *next = piece->next;
        free(piece);
        piece = next;
    }
}
