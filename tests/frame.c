/* frame.c - see frame.h. SPDX-License-Identifier: MIT */
#include "frame.h"
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNTOUCHED 1e30f

static void write_whole(struct pool *pool, const struct framed *f, float outside, bool inside)
{
    size_t rows = tensor_pixels(&f->whole), own = tensor_pixels(&f->tensor), width = f->whole.c;
    float *all = malloc(rows * width * sizeof *all);
    for (size_t i = 0; i < rows * width; i++)
        all[i] = outside;
    for (size_t row = 0; inside && row < own; row++)
        memcpy(all + (row + FRAME_ROWS) * width + f->side, f->values + row * f->tensor.c,
            (size_t)f->tensor.c * sizeof *all);
    CHECK_OK(tensor_write(pool->device, &f->whole, all));
    free(all);
}

struct framed frame_new(struct pool *pool, int n, int tokens, int c, int side, uint64_t seed)
{
    struct framed f = {.side = side};
    CHECK_OK(
        pool_take(pool, POOL_FRONT, 1, 1, n * tokens + 2 * FRAME_ROWS, c + 2 * side, &f.whole));
    f.tensor = f.whole;
    f.tensor.offset += (size_t)FRAME_ROWS * f.whole.c + side;
    f.tensor.n = n;
    f.tensor.w = tokens;
    f.tensor.c = c;
    f.values = malloc((size_t)n * tokens * c * sizeof *f.values);
    if (seed)
        check_random(f.values, (size_t)n * tokens * c, seed);
    write_whole(pool, &f, seed ? NAN : UNTOUCHED, seed != 0);
    return f;
}

void frame_free(struct framed *framed)
{
    free(framed->values);
}

void frame_read(struct pool *pool, const char *label, struct framed *f)
{
    size_t rows = tensor_pixels(&f->whole), own = tensor_pixels(&f->tensor);
    size_t width = f->whole.c, inner = f->tensor.c, touched = 0;
    float *all = malloc(rows * width * sizeof *all);
    CHECK_OK(tensor_read(pool->device, &f->whole, all));
    for (size_t row = 0; row < rows; row++)
        for (size_t c = 0; c < width; c++) {
            size_t own_row = row - FRAME_ROWS, own_c = c - f->side;
            if (own_row < own && own_c < inner)
                f->values[own_row * inner + own_c] = all[row * width + c];
            else
                touched += all[row * width + c] != UNTOUCHED;
        }
    CHECK(touched == 0, "%s: %zu values outside of the output were written", label, touched);
    free(all);
}

static void fill_ones(void *user, void *mapped)
{
    memset(mapped, 0xFF, *(size_t *)user);
}

enum clat_status pool_poison(struct pool *pool)
{
    return buffer_fill(pool->device, &pool->buffer, fill_ones, &pool->buffer.size);
}
