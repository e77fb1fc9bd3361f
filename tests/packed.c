/* packed.c - packing of weights: tiles transposed and rounded, work shared among cores.
 * SPDX-License-Identifier: MIT
 *
 * That whole layers are packed as their kernels read them is in tests/op_gemm.c and op_conv.c. */
#include "ops/packed.h"
#include "base/shares.h"
#include "check.h"

#include <stdatomic.h>
#include <stdlib.h>

/* ---- shares --------------------------------------------------------------------------------- */

enum { UNITS = 1000 };

static void count_units(void *user, size_t first, size_t last)
{
    atomic_int *visits = user;
    for (size_t i = first; i < last; i++)
        atomic_fetch_add(&visits[i], 1);
}

/* Each unit once, none beyond the last. */
static void check_shares(size_t count)
{
    static atomic_int visits[UNITS];
    size_t wrong = 0;
    for (size_t i = 0; i < UNITS; i++)
        atomic_store(&visits[i], 0);
    shares_run(count, count_units, visits);
    for (size_t i = 0; i < UNITS; i++)
        wrong += atomic_load(&visits[i]) != (i < count);
    CHECK(wrong == 0, "%zu of %zu units", wrong, count);
}

/* ---- tiles ---------------------------------------------------------------------------------- */

enum { LENGTH = 37 };

/* What tile[k][lane] should be; every fifth lane has no row. */
static float expected(const float *source, int length, int lane, int row)
{
    return lane % 5 == 4 || row >= length ? 0.0f : source[lane * length + row];
}

static void check_tile(const float *source, int length, int count, int first)
{
    struct packed_lanes lanes = {.count = count, .length = (size_t)length};
    struct packed_tile tile;
    size_t wrong = 0;
    for (int lane = 0; lane < count; lane++)
        lanes.rows[lane] = lane % 5 == 4 ? NULL : source + lane * length;
    packed_transpose(&lanes, (size_t)first, &tile);
    for (int k = 0; k < PACKED_DEPTH; k++)
        for (int lane = 0; lane < count; lane++)
            wrong += tile.values[k][lane] != expected(source, length, lane, first + k);
    CHECK(wrong == 0, "%zu of %d lanes, %d of %d on", wrong, count, first, length);
}

/* `count` numbers from place 3 on, and nothing beside them. */
static void check_write(const float *source, int count)
{
    float floats[80];
    uint16_t halves[80];
    size_t wrong = 0;
    memset(floats, 0, sizeof floats);
    memset(halves, 0, sizeof halves);
    packed_write(&(struct packed){floats, false}, 3, source, count);
    packed_write(&(struct packed){halves, true}, 3, source, count);
    for (int i = 0; i < 80; i++) {
        float value = i >= 3 && i < 3 + count ? source[i - 3] : 0.0f;
        wrong += floats[i] != value || halves[i] != half_of(value);
    }
    CHECK(wrong == 0, "%zu of %d numbers", wrong, count);
}

int main(void)
{
    static float source[PACKED_LANES * LENGTH];
    check_random(source, PACKED_LANES * LENGTH, 1);
    for (size_t count = 0; count <= 20; count++)
        check_shares(count);
    check_shares(UNITS);
    for (int count = 1; count <= PACKED_LANES; count++)
        for (int first = 0; first < 3 * PACKED_DEPTH; first += PACKED_DEPTH) {
            check_tile(source, LENGTH, count, first);
            check_tile(source, PACKED_DEPTH, count, first);
        }
    for (int count = 0; count <= PACKED_LANES; count++)
        check_write(source, count);
    return check_result();
}
