/* quirk.c - the table of drivers that need care. SPDX-License-Identifier: MIT
 *
 * A row needs a source: an issue, a manual, or "measured" with the version. Few rows is the aim. */
#include "device/quirk.h"

#include <string.h>
#include <strings.h>

const struct quirk quirk_rows[] = {
    {QUIRK_UNUSABLE, "Clover", NULL, NULL,
        "not used: Mesa's old OpenCL is unmaintained, try rusticl",
        "Mesa 25.2 release notes: Clover removed"},
    {QUIRK_UNUSABLE, "Intel Gen OCL Driver", NULL, NULL,
        "not used: Beignet gives wrong results, use the Intel compute runtime",
        "hashcat skips it, src/backend.c"},
    {QUIRK_UNUSABLE, "rusticl", "llvmpipe", "22.",
        "not used: this version leaves long loops before their end; Mesa 25 does not",
        "measured with 22.3.6: attention over 4096 keys and more leaves outputs unwritten, and the "
        "kernels of the CPU shape compile for minutes; 25.0.7 is right"},
    {QUIRK_SECOND_CHOICE, "rusticl", "llvmpipe", NULL,
        "other drivers of the CPU come first: kernels run several times slower",
        "measured with Mesa 25.0.7 beside PoCL 3.1"},
    {QUIRK_NO_OWN_CACHE, "Portable Computing Language", NULL, NULL,
        "kernels are cached by the driver, not by us",
        "pocl: clGetProgramInfo(BINARIES) compiles every kernel once more (inducer/pyopencl#731)"},
    {QUIRK_BUILDS_AT_LAUNCH, "Portable Computing Language", NULL, NULL,
        "kernels are built while weights load",
        "measured with 3.1: clBuildProgram 0.1 s, a kernel's first launch 0.1 to 2 s"},
    {QUIRK_IN_PROCESS, "Portable Computing Language", NULL, NULL,
        "matrix units of the CPU are used after a trial",
        "measured with 3.1: kernels take inline assembly, and run on threads of the process"},
    {QUIRK_PREFETCHES, "Portable Computing Language", NULL, NULL,
        "kernels for CPUs ask for cache lines ahead",
        "measured with 3.1 and 6.0; others may end the process: the SPIR-V translator of Mesa 25.0 "
        "calls exit() at __builtin_prefetch"},
    {QUIRK_PREFETCHES, "Intel(R) OpenCL", NULL, NULL, "kernels for CPUs ask for cache lines ahead",
        "measured with the CPU runtime 2026.2"},
    {QUIRK_BUILDS_TOGETHER, "Intel(R) OpenCL Graphics", NULL, NULL,
        "programs are built several at a time",
        "OpenCL 1.2, appendix A.2: calls of several threads are safe; said to gain; not measured "
        "here"},
    {QUIRK_BUILDS_TOGETHER, "AMD Accelerated Parallel Processing", NULL, NULL,
        "programs are built several at a time",
        "OpenCL 1.2, appendix A.2: calls of several threads are safe; said to gain; not measured "
        "here"},
    {QUIRK_NO_OWN_CACHE, "NVIDIA CUDA", NULL, NULL, "kernels are cached by the driver, not by us",
        "dlprimitives docs/kernel_cache.md: the binary is PTX, the driver compiles it again"},
    {QUIRK_NO_OWN_CACHE, "Oclgrind", NULL, NULL, "kernels are not cached",
        "a simulator: the cache would hide what it is to check"},
    {0, NULL, NULL, NULL, NULL, NULL},
};

bool quirk_contains(const char *text, const char *part)
{
    if (!part)
        return true;
    size_t size = strlen(part);
    for (; *text; text++)
        if (strncasecmp(text, part, size) == 0)
            return true;
    return size == 0;
}

static bool fits(const struct quirk *row, const struct device_facts *facts)
{
    return quirk_contains(facts->platform, row->platform) &&
           quirk_contains(facts->name, row->device) && quirk_contains(facts->driver, row->driver);
}

unsigned quirk_find(const struct device_facts *facts, const struct quirk **unusable)
{
    unsigned symptoms = 0;
    if (unusable)
        *unusable = NULL;
    for (const struct quirk *row = quirk_rows; row->symptom; row++) {
        if (!fits(row, facts))
            continue;
        symptoms |= row->symptom;
        if (unusable && row->symptom == QUIRK_UNUSABLE)
            *unusable = row;
    }
    return symptoms;
}
