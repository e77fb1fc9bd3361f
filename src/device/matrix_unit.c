/* matrix_unit.c - may this process use the tiles of an x86 CPU, and do they compute?
 * SPDX-License-Identifier: MIT
 *
 * Sources: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, 13.3 and 18;
 * Linux, Documentation/arch/x86/xstate.rst. Tile data is state component 18, its configuration 17.
 */
#include "config.h" /* _GNU_SOURCE, before any system header */
#include "device/matrix_unit.h"
#include "device/launch.h"
#include "device/opencl.h"
#include "device/program.h"
#include "device/quirk.h"

#include <stdint.h>
#include <string.h>

#define HAS_TILES (1u << 22 | 1u << 24) /* CPUID 7.0 EDX: AMX-BF16, AMX-TILE */
#define TILE_STATE (1u << 17 | 1u << 18)
#define TILE_DATA 18

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#define ARCH_REQ_XCOMP_PERM 0x1023

static bool is_present(void)
{
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) /* OSXSAVE: XGETBV works */
        return false;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & HAS_TILES) != HAS_TILES)
        return false;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & TILE_STATE) == TILE_STATE;
}

static bool is_granted(void)
{
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
}
#else
static bool is_present(void)
{
    return false;
}

static bool is_granted(void)
{
    return false;
}
#endif

bool matrix_unit_expected(const struct device_facts *facts, unsigned quirks)
{
    return facts->on_host && (quirks & QUIRK_IN_PROCESS) && is_present();
}

/* ---- the trial ------------------------------------------------------------------------------ */

#define SIDE 32
#define WORDS (SIDE * SIDE) /* of one factor: two parts of 32 x 16 words */

struct trial {
    struct buffer a, b, sums, state;
    uint32_t a_words[WORDS], b_words[WORDS];
};

/* Small whole numbers, so that every sum is exact. */
static int value_at(int index)
{
    return (int)((uint32_t)index * 2654435761u >> 20) % 15 - 7;
}

static uint32_t bits_of(int value)
{
    float number = (float)value;
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

/* Word i holds values 2i (low) and 2i + 1 (high). */
static void make_words(int first, uint32_t words[WORDS])
{
    for (int i = 0; i < WORDS; i++)
        words[i] = bits_of(value_at(first + 2 * i)) >> 16 | bits_of(value_at(first + 2 * i + 1));
}

/* Row of part `part` (0: first) of a; value `half` of word `word`. */
static int factor_a(int part, int row, int word, int half)
{
    return value_at(2 * (part * 512 + row * 16 + word) + half);
}

static int factor_b(int part, int column, int word, int half)
{
    int place = part * 512 + column / 16 * 256 + word * 16 + column % 16;
    return value_at(5000 + 2 * place + half);
}

/* a is lo, hi; b is hi, lo; lo lo is left out. */
static int sum_at(int row, int column)
{
    int sum = 0;
    for (int word = 0; word < 16; word++)
        for (int half = 0; half < 2; half++) {
            int lo = factor_a(0, row, word, half), hi = factor_a(1, row, word, half);
            sum +=
                (lo + hi) * factor_b(0, column, word, half) + hi * factor_b(1, column, word, half);
        }
    return sum;
}

static void copy_words(void *user, void *mapped)
{
    memcpy(mapped, user, WORDS * sizeof(uint32_t));
}

static enum clat_status read_values(
    struct device *device, const struct buffer *buffer, int count, void *values)
{
    struct tensor all = {
        .memory = buffer->memory, .n = 1, .h = 1, .w = 1, .c = count, .stride = count};
    return tensor_read(device, &all, values);
}

static bool is_right(const float sums[WORDS])
{
    for (int i = 0; i < WORDS; i++)
        if (sums[i] != (float)sum_at(i / SIDE, i % SIDE))
            return false;
    return true;
}

/* The process that runs the kernels may be another one, on another machine. */
static enum clat_status ask_state(struct device *device, struct trial *trial, bool *allowed)
{
    struct kernel *kernel;
    enum clat_status status;
    uint32_t state[3];
    TRY(kernel_find(device, "tile_trial", "unit_state", "", &kernel));
    TRY(buffer_new(device, sizeof state, &trial->state));
    TRY(launch(device, kernel, grid1(1, 1), ARG_BUFFER(&trial->state)));
    TRY(read_values(device, &trial->state, 3, state));
    *allowed = (state[0] & HAS_TILES) == HAS_TILES && (state[1] & TILE_STATE) == TILE_STATE &&
               state[2] >> TILE_DATA & 1;
out:
    return status;
}

static enum clat_status multiply(struct device *device, struct trial *trial, bool *right)
{
    struct kernel *kernel;
    enum clat_status status;
    float sums[WORDS];
    make_words(0, trial->a_words);
    make_words(5000, trial->b_words);
    TRY(kernel_find(device, "tile_trial", "multiply", "", &kernel));
    TRY(buffer_new(device, sizeof trial->a_words, &trial->a));
    TRY(buffer_new(device, sizeof trial->b_words, &trial->b));
    TRY(buffer_new(device, sizeof sums, &trial->sums));
    TRY(buffer_fill(device, &trial->a, copy_words, trial->a_words));
    TRY(buffer_fill(device, &trial->b, copy_words, trial->b_words));
    TRY(launch(device, kernel, grid1(1, 1), ARG_BUFFER(&trial->a), ARG_BUFFER(&trial->b),
        ARG_BUFFER(&trial->sums)));
    TRY(read_values(device, &trial->sums, WORDS, sums));
    *right = is_right(sums);
out:
    return status;
}

enum matrix_unit matrix_unit_try(struct device *device)
{
    struct trial trial = {0};
    bool allowed = false, right = false;
    if (!matrix_unit_expected(&device->facts, device->quirks) || !is_granted())
        return MATRIX_UNIT_NONE;
    if (ask_state(device, &trial, &allowed) == CLAT_OK && allowed)
        right = multiply(device, &trial, &right) == CLAT_OK && right;
    buffer_free(device, &trial.a);
    buffer_free(device, &trial.b);
    buffer_free(device, &trial.sums);
    buffer_free(device, &trial.state);
    return right ? MATRIX_UNIT_TILES : MATRIX_UNIT_NONE;
}
