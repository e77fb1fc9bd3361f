/* memory.c - checked sizes and host memory. SPDX-License-Identifier: MIT */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

bool size_mul(size_t a, size_t b, size_t *out)
{
    if (b != 0 && a > SIZE_MAX / b)
        return false;
    *out = a * b;
    return true;
}

bool size_add(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b)
        return false;
    *out = a + b;
    return true;
}

static enum clat_status no_memory(size_t count, size_t size)
{
    return status_set(
        CLAT_ERROR_MEMORY, "no host memory for %zu elements of %zu bytes", count, size);
}

enum clat_status memory_new(size_t count, size_t size, void *out)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        return no_memory(count, size);
    memcpy(out, &memory, sizeof memory);
    return CLAT_OK;
}

enum clat_status memory_grow(void *array, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity)
        return CLAT_OK;
    size_t wanted = *capacity ? *capacity : 8, bytes;
    while (wanted <= count)
        if (!size_mul(wanted, 2, &wanted))
            return no_memory(count, size);
    if (!size_mul(wanted, size, &bytes))
        return no_memory(wanted, size);
    void *memory;
    memcpy(&memory, array, sizeof memory);
    memory = realloc(memory, bytes);
    if (!memory)
        return no_memory(wanted, size);
    memcpy(array, &memory, sizeof memory);
    *capacity = wanted;
    return CLAT_OK;
}

enum clat_status memory_string(const char *text, char **out)
{
    size_t size = strlen(text) + 1;
    enum clat_status status = memory_new(size, 1, out);
    if (status == CLAT_OK)
        memcpy(*out, text, size);
    return status;
}
