/* kernel_programs.c FOLDER - every kernel program that the library builds, as files for compilers
 * that need no device (offline.sh). SPDX-License-Identifier: MIT
 *
 * The self-test, which knows every variant, runs on dry devices: once with the facts of a GPU, once
 * with those of a CPU. What it asked for is written as FOLDER/NAME.cl, the flat text that a driver
 * would get, and told on stdout:
 *
 *     gpu|cpu NAME FILE OPTIONS -- KERNEL...     (the kernels that were launched)
 *
 * A GPU that is given a kernel of work-groups of one, which is the shape for CPUs, is a fault. */
#include "device/opencl.h"
#include "device/peak.h"
#include "device/prepare.h"
#include "device/program.h"
#include "selftest/selftest.h"

#include <stdio.h>
#include <string.h>

static const char *folder;
static int faults;
static struct device *devices[2]; /* with the facts of a GPU, of a CPU */

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

static void tell_program(const struct program *program, bool cpu, int number)
{
    char name[64];
    snprintf(name, sizeof name, "%s-%s-%d", cpu ? "cpu" : "gpu", program->file, number);
    write_text(program, name);
    printf("%s %s %s %s --", cpu ? "cpu" : "gpu", name, program->file, program->options);
    for (const struct kernel *kernel = program->kernels; kernel; kernel = kernel->next) {
        check_shape(kernel, cpu);
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
    for (const struct program *p = devices[0]->programs; p; p = p->next)
        if (strcmp(p->file, program->file) == 0 && strcmp(p->options, program->options) == 0)
            return true;
    return false;
}

static void tell_device(bool cpu)
{
    struct device_facts facts = {.name = "dry",
        .is_cpu = cpu,
        .has_half_storage = true,
        .compute_units = 16,
        .global_memory = (size_t)4 << 30,
        .largest_buffer = (size_t)1 << 30,
        .local_memory = 32768,
        .work_group_limit = 256};
    struct device **device = &devices[cpu];
    double rate;
    int number = 0;
    if (device_open_dry(&facts, device) != CLAT_OK ||
        selftest_all(*device, ignore_check, NULL) != CLAT_OK ||
        (!cpu && peak_measure(*device, &rate) != CLAT_OK)) {
        fault("dry self-test", status_text());
        return;
    }
    for (const struct program *program = (*device)->programs; program; program = program->next)
        if (!cpu || !is_told(program))
            tell_program(program, cpu, ++number);
}

int main(int count, char **words)
{
    if (count != 2) {
        fprintf(stderr, "usage: kernel_programs FOLDER > LIST\n");
        return 2;
    }
    folder = words[1];
    tell_device(false);
    tell_device(true);
    device_close(devices[0]);
    device_close(devices[1]);
    return faults != 0;
}
