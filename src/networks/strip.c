/* strip.c - some rows of an image in a tensor. SPDX-License-Identifier: MIT */
#include "networks/strip.h"

struct rows rows_widen(struct rows rows, int by, int height)
{
    int first = rows.first - by, last = rows.last + by;
    return (struct rows){first > 0 ? first : 0, last < height ? last : height};
}

struct rows rows_before(struct rows rows, int height)
{
    int last = rows.last / 2 + 1;
    return (struct rows){rows.first > 0 ? (rows.first - 1) / 2 : 0, last < height ? last : height};
}

struct tensor strip_rows(const struct strip *strip, struct rows rows)
{
    struct tensor part = strip->tensor;
    part.offset += (size_t)(rows.first - strip->first) * (size_t)part.w * (size_t)part.stride;
    part.h = rows.last - rows.first;
    return part;
}

enum clat_status strip_new(
    const struct forward *run, struct rows rows, int w, int c, struct strip *strip)
{
    strip->first = rows.first;
    return pool_take(run->pool, POOL_BACK, 1, rows.last - rows.first, w, c, &strip->tensor);
}

enum clat_status strip_copy(
    const struct forward *run, const struct strip *from, struct rows rows, const struct strip *to)
{
    struct tensor x = strip_rows(from, rows), y = strip_rows(to, rows);
    if (rows.first >= rows.last)
        return CLAT_OK;
    return op_activate(run->pool, &x, ACTIVATION_NONE, &y);
}
