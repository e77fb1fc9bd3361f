/* kernel_programs.c FOLDER - every kernel program that the library builds, as files for compilers
 * that need no device (offline.sh). SPDX-License-Identifier: MIT
 *
 * The self-test, which knows every variant, runs on dry devices: with the facts of a GPU, with
 * those of a CPU, and of a GPU with each of the matrix units (device/group_unit.c) and either kind
 * of their factors. What it asked for is written as FOLDER/NAME.cl, the flat text that a driver
 * would get, and told on stdout, for a matrix unit what the plain GPU does not ask for:
 *
 *     gpu|cpu|UNIT NAME FILE OPTIONS -- KERNEL...     (the kernels that were launched)
 *
 * A GPU that is given a kernel of work-groups of one, which is the shape for CPUs, is a fault. */
#include "device/group_unit.h"
#include "device/launch.h"
#include "device/opencl.h"
#include "device/peak.h"
#include "device/prepare.h"
#include "device/program.h"
#include "selftest/selftest.h"

#include <stdio.h>
#include <string.h>

static const char *folder;
static int faults;
static struct device *gpu; /* without a matrix unit */

static void fault(const char *what, const char *which)
{
    fprintf(stderr, "kernel_programs: %s: %s\n", what, which);
    faults++;
}

static void check_shape(const struct kernel *kernel, bool cpu)
{
    const struct rehearsal *first = kernel->rehearsal;
    if (!cpu && first && first->grid.local[0] * first->grid.local[1] * first->grid.local[2] == 1)
        fault("a GPU was given work-groups of one", kernel->function);
}

static void write_text(const struct program *program, const char *name)
{
    char path[1024];
    struct text source = {0};
    FILE *file;
    snprintf(path, sizeof path, "%s/%s.cl", folder, name);
    if (source_expand(program->file, &source) != CLAT_OK)
        fault(program->file, status_text());
    else if (!(file = fopen(path, "w")) ||
             fwrite(source.data, 1, source.size, file) != source.size || fclose(file) != 0)
        fault("cannot be written", path);
    text_free(&source);
}

static void tell_program(const struct program *program, const char *shape)
{
    static int number;
    char name[64];
    snprintf(name, sizeof name, "%s-%s-%d", shape, program->file, ++number);
    write_text(program, name);
    printf("%s %s %s %s --", shape, name, program->file, program->options);
    for (const struct kernel *kernel = program->kernels; kernel; kernel = kernel->next) {
        check_shape(kernel, strcmp(shape, "cpu") == 0);
        printf(" %s", kernel->function);
    }
    printf("\n");
}

static void ignore_check(void *user, const struct selftest_check *check)
{
    (void)user;
    (void)check; /* nothing was computed */
}

/* True if the GPU builds the same. */
static bool is_told(const struct program *program)
{
    for (const struct program *p = gpu->programs; p; p = p->next)
        if (strcmp(p->file, program->file) == 0 && strcmp(p->options, program->options) == 0)
            return true;
    return false;
}

static enum clat_status ask_for_all(struct device *device)
{
    const struct device_facts *facts = device_facts(device);
    struct group_unit unit = facts->unit; /* as the device was opened */
    struct kernel *kernel;
    char options[UNIT_OPTIONS];
    double rate;
    enum clat_status status;
    if (unit.kind != UNIT_NONE) {
        unit_options(&unit, options);
        TRY(kernel_find(device, "unit_trial", "unit_trial", options, &kernel));
    }
    TRY(selftest_all(device, ignore_check, NULL));
    if (!facts->is_cpu)
        TRY(peak_measure(device, &rate));
out:
    return status;
}

static struct device *tell_device(const char *shape, bool cpu, struct group_unit unit)
{
    struct device_facts facts = {.name = "dry",
        .is_cpu = cpu,
        .has_half_storage = true,
        .unit = unit,
        .compute_units =
            unit.kind == UNIT_NONE ? 16 : 4, /* few: the widest tiles are chosen, too */
        .global_memory = (size_t)4 << 30,
        .largest_buffer = (size_t)1 << 30,
        .local_memory = 32768,
        .work_group_limit = 256};
    struct device *device;
    if (device_open_dry(&facts, &device) != CLAT_OK || ask_for_all(device) != CLAT_OK) {
        fault("dry self-test", status_text());
        return device;
    }
    for (const struct program *program = device->programs; program; program = program->next)
        if (!gpu || !is_told(program))
            tell_program(program, shape);
    return device;
}

static void tell_units(void)
{
    for (int kind = UNIT_NONE + 1; kind < UNIT_KINDS; kind++) {
        const struct unit_shape *shape = unit_shape((enum unit_kind)kind);
        for (int bf16 = 0; bf16 <= shape->has_bf16; bf16++)
            device_close(tell_device(shape->name, false,
                (struct group_unit){.kind = (enum unit_kind)kind, .bf16 = bf16}));
    }
}

int main(int count, char **words)
{
    if (count != 2) {
        fprintf(stderr, "usage: kernel_programs FOLDER > LIST\n");
        return 2;
    }
    folder = words[1];
    gpu = tell_device("gpu", false, (struct group_unit){0});
    device_close(tell_device("cpu", true, (struct group_unit){0}));
    tell_units();
    device_close(gpu);
    return faults != 0;
}
