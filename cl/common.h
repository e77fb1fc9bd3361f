/* common.h - what every kernel file begins with. SPDX-License-Identifier: MIT
 *
 * How a kernel is written. OpenCL C 1.2 and nothing optional: no double, no half arithmetic (half is
 * storage: vload_half, vstore_half), no images, no subgroups, float literals with an f, vectors in
 * memory only through vloadN and vstoreN (nothing is aligned to more than a float).
 *
 *     KERNEL_GROUP(64, 1, 1) void rows_scale(TENSOR_IN(x), int x_stride, TENSOR_OUT(y), ...)
 *     {
 *         __global const float *x = TENSOR_AT(x);
 *         __global float *y = TENSOR_AT(y);
 *         ...bounds are checked here: the grid is rounded up to whole work-groups...
 *     }
 *
 * A TENSOR is two arguments, the buffer and an offset into it, as ARG_TENSOR sets them. Strides and
 * counts come as int; `restrict` is meant: ops never get overlapping outputs. The buffer may be NULL
 * for a tensor that is left out: ask TENSOR_GIVEN(x).
 *
 * Two shapes of kernel. GPU: work-groups of at most 256, local memory, barriers in uniform flow. CPU:
 * one work-item of local size 1 is one thread that draws job numbers until none is left, and
 * computes on float16 values; launched with grid_jobs() and device_counter() as last argument:
 *
 *     KERNEL_CPU void rows_scale_cpu(TENSOR_IN(x), ..., int jobs, JOB_COUNTER)
 *     {
 *         JOBS(job, jobs)
 *         {
 *             ...one job, some 10 to 200 microseconds of work...
 *         }
 *         JOBS_END
 *     }
 *
 * No early return from such a kernel: each work-item must reach JOBS_END. Inline helpers take plain
 * pointers: `restrict` on theirs gains nothing and leaves marks that some compilers and the simulator
 * do not know. A struct is handed on by its address and not assigned: Mesa's compiler loses a copy
 * whose source is written again (docs/devices.md). */

#define TENSOR_IN(x) __global const float *restrict x##_memory, uint x##_offset
#define TENSOR_OUT(x) __global float *restrict x##_memory, uint x##_offset
#define TENSOR_AT(x) (x##_memory + x##_offset)
#define TENSOR_GIVEN(x) (x##_memory != 0)

/* Weights in memory: float, or half with -DHALF_WEIGHTS. Element i; vector j of 4, of 16; how many are in a
 * cache line of 64 bytes. */
#ifdef HALF_WEIGHTS
#define WEIGHT half
#define WEIGHT_AT(w, i) vload_half(i, w)
#define WEIGHT4(j, w) vload_half4(j, w)
#define WEIGHT16(j, w) vload_half16(j, w)
#define WEIGHT_LINE 32
#else
#define WEIGHT float
#define WEIGHT_AT(w, i) ((w)[i])
#define WEIGHT4(j, w) vload4(j, w)
#define WEIGHT16(j, w) vload16(j, w)
#define WEIGHT_LINE 16
#endif

#define KERNEL_GROUP(x, y, z) __kernel __attribute__((reqd_work_group_size(x, y, z)))
#define KERNEL_CPU KERNEL_GROUP(1, 1, 1)

/* The group's number in dimension d, where a group has `size` work-items. The host may cut a launch
 * into parts that begin at an offset (src/device/launch.h): get_group_id() begins anew in each, and
 * get_num_groups() and get_global_size() know only theirs. */
#define GROUP_ID(d, size) ((int)get_group_id(d) + (int)((uint)get_global_offset(d) / (size)))

/* job_counter[0] is the next job, [1] the work-items that are done; the last one leaves both zero for
 * the next launch of the in-order queue. Nobody waits, so no forward progress is assumed. A kernel
 * touches no tensor before JOBS: launched with an exhausted counter it is only built
 * (src/device/prepare.h). */
#define JOB_COUNTER __global volatile int *job_counter
#define JOBS(job, count) for (int job; (job = atomic_inc(job_counter)) < (count);)
/* For jobs that fetch for the next one: it is drawn when they begin, count or more if there is none. */
#define JOBS_AHEAD(job, next, count)                                                               \
    for (int job = atomic_inc(job_counter), next;                                                  \
         job < (count) && (next = atomic_inc(job_counter), true); job = next)
#define JOBS_END                                                                                   \
    if (atomic_inc(job_counter + 1) == (int)get_global_size(0) - 1) {                              \
        atomic_xchg(job_counter, 0);                                                               \
        atomic_xchg(job_counter + 1, 0);                                                           \
    }

/* Before a loop with constant bounds: arrays indexed by it then become registers. */
#define UNROLL _Pragma("unroll")
/* Before one whose copies would hold too many registers. */
#define ROLLED _Pragma("unroll 1")
/* An unrolled loop, whose index may name registers. */
#define EACH(i, count) UNROLL for (int i = 0; i < (count); i++)
/* For functions that get arrays: inlined by force, since an array that is passed by its address stays in
 * memory. */
#define INLINE static inline __attribute__((always_inline))

/* Asks for the cache line of a __global address: PREFETCH into the first level (PREFETCH_WRITE to
 * write there), PREFETCH_L2 into the second. Nothing where the host did not say that it works (the cast goes through size_t since
 * compilers refuse it directly). */
#ifdef HAS_PREFETCH
#define PREFETCH(address) __builtin_prefetch((__private const void *)(size_t)(address))
#define PREFETCH_WRITE(address) __builtin_prefetch((__private const void *)(size_t)(address), 1)
#define PREFETCH_L2(address) __builtin_prefetch((__private const void *)(size_t)(address), 0, 2)
#else
#define PREFETCH(address) ((void)0)
#define PREFETCH_WRITE(address) ((void)0)
#define PREFETCH_L2(address) ((void)0)
#endif

/* Sixteen values to p[0..15], in one store: PoCL makes three of a vstore16, and a load of the whole
 * soon after them has to wait. */
static inline void store16(float16 v, __global float *p)
{
#ifdef __clang__
    typedef float16 anywhere __attribute__((aligned(4)));
    *(__global anywhere *)p = v;
#else
    vstore16(v, 0, p);
#endif
}

/* Rows in jobs or groups: how many blocks of `block` cover `count`. */
#define BLOCKS(count, block) (((count) + (block)-1) / (block))

/* The first `count` of four values at p, the others zero; and where they go. */
static inline float4 load_quad(global const float *p, int count)
{
    if (count >= 4)
        return vload4(0, p);
    return (float4)(count > 0 ? p[0] : 0.0f, count > 1 ? p[1] : 0.0f, count > 2 ? p[2] : 0.0f, 0.0f);
}

static inline void store_quad(float4 v, global float *p, int count)
{
    if (count >= 4) {
        vstore4(v, 0, p);
        return;
    }
    if (count > 0)
        p[0] = v.x;
    if (count > 1)
        p[1] = v.y;
    if (count > 2)
        p[2] = v.z;
}

/* The sum of the lanes. */
static inline float sum16(float16 v)
{
    float8 a = v.lo + v.hi;
    float4 b = a.lo + a.hi;
    return (b.x + b.z) + (b.y + b.w);
}

/* Values of enum activation (ops/op.h). */
#define ACTIVATION_NONE 0
#define ACTIVATION_SILU 1
#define ACTIVATION_GELU 2
#define ACTIVATION_QUICK_GELU 3

/* silu, gelu, quick_gelu, activate for float; silu4 ... activate4 for float4, silu16 ... for float16. */
#define F float
#define I int
#define NAME(name) name
#include "activation.h"
#undef F
#undef I
#undef NAME
#define F float4
#define I int4
#define NAME(name) name##4
#include "activation.h"
#undef F
#undef I
#undef NAME
#define F float16
#define I int16
#define NAME(name) name##16
#include "activation.h"
#undef F
#undef I
#undef NAME
