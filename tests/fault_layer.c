/* fault_layer.c - a layer between the OpenCL loader and the driver that makes things go wrong.
 * SPDX-License-Identifier: MIT
 *
 * Loaded by the loader itself: OPENCL_LAYERS=.../fault_layer.so PROGRAM. What goes wrong stands in
 * the environment; counts begin with 1, and a later one is always meant over the whole process:
 *
 *   CLFAULT=clCreateBuffer:-4:17   the 17th call of this function gives -4; 17+ is that one and all
 *                                  later ones; several rules are separated by spaces, and the
 *                                  function "any" counts all that can fail
 *   CLFAULT_LOST="40:-9999 90:-5"  the 40th launch of a kernel gives -9999, and from then on every
 *                                  call on its context fails
 *   CLFAULT_HANG=N                 the N-th launch and what stands behind it is never done, and
 *                                  waiting for it never ends
 *   CLFAULT_HANG_BUILD=N           the N-th program to be built is never done
 *   CLFAULT_DEVICE=N               the three above are of the N-th device only, counted from 0 in
 *                                  the order of the first calls on them, as is what they count
 *   CLFAULT_BUILD=TEXT             programs whose source holds TEXT do not build
 *   CLFAULT_MUTATE='TEXT|OLD|NEW'  in programs whose source holds TEXT, OLD is replaced by NEW
 *   CLFAULT_LIMITS="memory=1073741824 gpu=1"
 *                                  what devices say of themselves
 *   CLFAULT_PCI=khr | amd | nv     the extension that tells where devices are on the PCI bus: the
 *                                  first at 0001:03:02.1 (amd: 0000:03:02.1), the next in slot 3
 *   CLFAULT_CAPACITY=BYTES         buffers beyond so many bytes in all give -4
 *   CLFAULT_LOG=FILE               receives at exit: faults, calls by function, references to
 *                                  objects that were never released
 *
 * A test that is in the process itself finds the functions of fault.h besides. Rules are in
 * fault_rules.c; the functions of OpenCL that they meet are in fault_objects.c, fault_programs.c,
 * fault_queue.c and fault_devices.c. */
#include "fault_layer.h"
#include "fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const cl_icd_dispatch *driver;
static cl_icd_dispatch layer;

/* ---- for tests ------------------------------------------------------------------------------ */

static void read_environment(void)
{
    rules_read();
    mutation_read();
}

static void layer_reset(void)
{
    for (int i = 0; i < CALL_COUNT; i++)
        counts[i] = 0;
    total = fired = 0;
    read_environment();
}

static int layer_calls(const char *function)
{
    int call = find_call(function);
    return call < CALL_COUNT ? counts[call] : total;
}

static int layer_faults(void)
{
    return fired;
}

static int layer_references(void)
{
    int sum = 0;
    for (int i = 0; i < KINDS; i++)
        sum += references[i];
    return sum;
}

EXPORT const struct fault_layer clatent_fault_layer = {
    layer_reset, layer_calls, layer_faults, layer_references};

/* ---- for the loader -------------------------------------------------------------------------- */

EXPORT cl_int CL_API_CALL clGetLayerInfo(
    cl_layer_info what, size_t size, void *value, size_t *size_out)
{
    cl_layer_api_version version = CL_LAYER_API_VERSION_100;
    if (what != CL_LAYER_API_VERSION || (value && size < sizeof version))
        return CL_INVALID_VALUE;
    if (value)
        memcpy(value, &version, sizeof version);
    if (size_out)
        *size_out = sizeof version;
    return CL_SUCCESS;
}

EXPORT cl_int CL_API_CALL clInitLayer(cl_uint count, const cl_icd_dispatch *target,
    cl_uint *count_out, const cl_icd_dispatch **layer_out)
{
    if (!target || !count_out || !layer_out || count < sizeof layer / sizeof(void *))
        return CL_INVALID_VALUE;
    driver = target;
    read_environment();
    layer = *driver;
    take_objects(&layer);
    take_programs(&layer);
    take_queue(&layer);
    take_devices(&layer);
    *count_out = sizeof layer / sizeof(void *);
    *layer_out = &layer;
    return CL_SUCCESS;
}

/* ---- at exit -------------------------------------------------------------------------------- */

static void __attribute__((destructor)) write_log(void)
{
    const char *path = getenv("CLFAULT_LOG");
    FILE *file = path && driver ? fopen(path, "w") : NULL;
    if (!file)
        return;
    fprintf(file, "faults %d\ncalls any %d\n", fired, total);
    for (int i = 0; i < CALL_COUNT; i++)
        fprintf(file, "calls %s %d\n", call_names[i], counts[i]);
    for (int i = 0; i < KINDS; i++)
        if (references[i])
            fprintf(file, "left %s %d\n", kind_names[i], references[i]);
    fclose(file);
}
