/* npy.c - NumPy's files: every form that NumPy writes (tests/tools/make_npy.py), our own, broken
 * ones. SPDX-License-Identifier: MIT */
#include "check.h"
#include "base/file.h"
#include "formats/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* (i - 7) / 8 in the shape 2x3x4. */
static void numpy_files(void)
{
    static const char *const names[] = {"f2-little", "f2-big", "f4-little", "f4-big", "f8-little",
        "f8-big", "fortran", "version2", "version3"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        char name[64];
        float *values;
        int rank;
        size_t shape[8];
        snprintf(name, sizeof name, "npy/%s.npy", names[k]);
        if (!CHECK_OK(npy_read(check_data(name), &values, &rank, shape)))
            continue;
        CHECK(rank == 3 && shape[0] == 2 && shape[1] == 3 && shape[2] == 4, "%s: shape", names[k]);
        for (int i = 0; i < 24; i++)
            CHECK(values[i] == (float)(i - 7) / 8, "%s: [%d] = %g", names[k], i, (double)values[i]);
        free(values);
    }
    float *values = NULL;
    int rank = -1;
    size_t shape[8];
    CHECK_OK(npy_read(check_data("npy/scalar.npy"), &values, &rank, shape));
    CHECK(rank == 0 && values && values[0] == 1.5f, "a scalar");
    free(values);
    CHECK_FAILS(npy_read(check_data("npy/int64.npy"), &values, &rank, shape), CLAT_ERROR_INPUT,
        "expected floats");
}

static void round_trip(void)
{
    static const size_t shapes[][8] = {{0}, {5}, {1, 4, 3}, {2, 0, 3}, {1, 1, 1, 1, 1, 1, 1, 2}};
    static const int ranks[] = {0, 1, 3, 3, 8};
    float values[16];
    check_random(values, 16, 1);
    for (size_t k = 0; k < sizeof ranks / sizeof *ranks; k++) {
        const char *path = check_scratch("npy/ours.npy");
        float *back;
        int rank;
        size_t shape[8], count = 1;
        CHECK_OK(npy_write(path, values, ranks[k], shapes[k]));
        if (!CHECK_OK(npy_read(path, &back, &rank, shape)))
            continue;
        CHECK(rank == ranks[k] && memcmp(shape, shapes[k], (size_t)rank * sizeof *shape) == 0,
            "case %zu: shape", k);
        for (int axis = 0; axis < rank; axis++)
            count *= shape[axis];
        CHECK(memcmp(back, values, count * sizeof *back) == 0, "case %zu: values", k);
        free(back);
    }
}

static void broken(const char *header, size_t data, const char *words)
{
    const char *path = check_scratch("npy/broken.npy");
    float *values;
    int rank;
    size_t shape[8];
    FILE *file = fopen(path, "wb");
    if (!file)
        check_skip("cannot write %s", path);
    fprintf(file, "\x93NUMPY\x01%c%c%c%s", 0, (int)strlen(header), 0, header);
    for (size_t i = 0; i < data; i++)
        fputc(0, file);
    fclose(file);
    CHECK_FAILS(npy_read(path, &values, &rank, shape), CLAT_ERROR_INPUT, words);
    CHECK(strstr(status_text(), path), "the file is named: %s", status_text());
}

static void refusals(void)
{
    broken("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 4, "needs 8 bytes");
    broken("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 12, "needs 8 bytes");
    broken("{'descr': '<f4', 'fortran_order': False, 'shape': (2), }", 8, "header");
    broken("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", 8, "header");
    broken("{'descr': '<f4', 'fortran_order': False}", 8, "header");
    broken("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}", 4, "header");
    broken("{'descr': '<f4', 'fortran_order': No, 'shape': ()}", 4, "header");
    broken("{'descr': '<f4', 'fortran_order': False, 'shape': ()} x", 4, "header");
    broken("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", 4, "header");
    broken("{'descr': '|O', 'fortran_order': False, 'shape': ()}", 4, "expected floats");
    broken("{'descr': '<f4', 'fortran_order': False, 'shape': (2147483648, 2147483648, 8)}", 0,
        "too large");
    broken("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", 0,
        "too large");
    broken(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 0, "header");
    float *values;
    int rank;
    size_t shape[8];
    CHECK_FAILS(
        npy_read(check_data("npy/none.npy"), &values, &rank, shape), CLAT_ERROR_INPUT, "none");
    CHECK_FAILS(
        npy_write("/nonexistent/x.npy", (float[]){0}, 0, shape), CLAT_ERROR_OUTPUT, "/nonex");
}

int main(void)
{
    numpy_files();
    round_trip();
    refusals();
    return check_result();
}
