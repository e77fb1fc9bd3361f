/* resize.c - pictures at another size, byte for byte as PIL makes them
 * (tests/tools/make_resize.py). SPDX-License-Identifier: MIT */
#include "pipeline/resize.h"
#include "check.h"
#include "formats/npy.h"

#include <stdlib.h>
#include <string.h>

struct size {
    int height, width, new_height, new_width;
};
static const struct size cases[] = {{40, 33, 32, 32}, {33, 40, 32, 32}, {64, 95, 64, 64},
    {32, 32, 50, 70}, {7, 5, 32, 32}, {130, 100, 32, 96}, {64, 64, 36, 50}, {64, 64, 35, 50}};

/* The bytes that the generator has too. */
static unsigned char *make_picture(const struct size *size)
{
    size_t count = (size_t)size->height * (size_t)size->width * 3;
    unsigned char *values = malloc(count);
    for (size_t i = 0; values && i < count; i++)
        values[i] = (unsigned char)((uint32_t)i * 2654435761u >> 24);
    return values;
}

/* Compares one case with `want` and returns how many values it has. */
static size_t check_case(const struct size *size, const float *want)
{
    size_t count = (size_t)size->new_height * (size_t)size->new_width * 3, wrong = 0;
    unsigned char *from = make_picture(size), *to = NULL;
    CHECK_OK(
        resize_lanczos(from, size->height, size->width, 3, size->new_height, size->new_width, &to));
    for (size_t i = 0; to && i < count; i++)
        wrong += to[i] != want[i];
    CHECK(to && wrong == 0, "%d x %d to %d x %d: %zu of %zu bytes differ", size->height,
        size->width, size->new_height, size->new_width, wrong, count);
    free(from);
    free(to);
    return count;
}

static void test_reference(void)
{
    float *want = NULL;
    int rank;
    size_t shape[8], at = 0;
    if (!CHECK_OK(npy_read(check_data("resize.npy"), &want, &rank, shape)))
        return;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        at += check_case(&cases[i], want + at);
    CHECK(rank == 1 && at == shape[0], "%zu values", at);
    free(want);
}

static void test_unchanged(void)
{
    const struct size size = {9, 11, 9, 11};
    unsigned char *from = make_picture(&size), *to = NULL;
    CHECK_OK(resize_lanczos(from, 9, 11, 3, 9, 11, &to));
    CHECK(to && memcmp(from, to, 9 * 11 * 3) == 0, "the same size is the same picture");
    free(from);
    free(to);
}

int main(void)
{
    test_reference();
    test_unchanged();
    return check_result();
}
