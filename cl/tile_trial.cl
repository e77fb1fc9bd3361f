/* tile_trial.cl - what is asked of a device before its matrix unit is used. SPDX-License-Identifier: MIT
 *
 * unit_state   of the process that runs kernels, by three questions that any x86-64 Linux can answer:
 *     state[0], [1]  what the processor says (CPUID 7.0 EDX) and the system has enabled (XCR0)
 *     state[2]       what the process may use (arch_prctl 158, ARCH_GET_XCOMP_PERM)
 * multiply     32 x 32 sums of a step of k, of words that the host made (tile_bf16.h) */
#include "common.h"
#include "tile_bf16.h"

#ifdef EMULATE
KERNEL_CPU void unit_state(global uint *state)
{
    state[0] = state[1] = state[2] = 0;
}
#else
KERNEL_CPU void unit_state(global uint *state)
{
    uint a = 7, b, c = 0, d, enabled, high;
    ulong allowed = 0;
    long code = 158;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    state[0] = d;
    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "0"(1), "2"(0));
    state[1] = state[2] = 0;
    if (!(c >> 27 & 1)) /* no XGETBV */
        return;
    __asm__ volatile("xgetbv" : "=a"(enabled), "=d"(high) : "c"(0));
    state[1] = enabled;
    __asm__ volatile("syscall"
                     : "+a"(code)
                     : "D"(0x1022l), "S"((size_t)&allowed)
                     : "rcx", "r11", "memory");
    state[2] = code ? 0 : (uint)allowed;
}
#endif

KERNEL_CPU void multiply(global const uint *a, global const uint *b, global float *sums)
{
    struct tiles tiles;
    TILES_BEGIN(&tiles);
    TILE_ZERO(&tiles, 0);
    TILE_ZERO(&tiles, 1);
    TILE_ZERO(&tiles, 2);
    TILE_ZERO(&tiles, 3);
    TILES_STEP(&tiles, a, b, 1);
    TILE_STORE(&tiles, 0, sums, 32);
    TILE_STORE(&tiles, 1, sums + 16, 32);
    TILE_STORE(&tiles, 2, sums + 16 * 32, 32);
    TILE_STORE(&tiles, 3, sums + 16 * 32 + 16, 32);
    TILES_END(&tiles);
}
