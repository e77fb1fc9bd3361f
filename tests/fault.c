/* fault.c - makes OpenCL fail within a test. SPDX-License-Identifier: MIT */
#include "fault.h"
#include "check.h"
#include "device/device.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct fault_layer *layer;

const struct fault_layer *fault_open(void)
{
    const char *build = getenv("top_builddir");
    char path[4096];
    struct device_entry *entries;
    size_t count;
    snprintf(path, sizeof path, "%s/tests/.libs/fault_layer.so", build ? build : ".");
    fault_none();
    setenv("OPENCL_LAYERS", path, 1);
    setenv("POCL_DEVICES", "pthread pthread", 0); /* one to go to */
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    layer = library ? dlsym(library, "clatent_fault_layer") : NULL;
    if (!layer)
        check_skip("%s", dlerror());
    setenv("CLFAULT_LIMITS", "memory=1", 1);
    if (device_list(&entries, &count) != CLAT_OK || count == 0)
        check_skip("no OpenCL device");
    if (entries[0].facts.global_memory != 1)
        check_skip("this OpenCL loader knows no layers");
    free(entries);
    fault_none();
    return layer;
}

void fault_set(const char *variable, const char *format, ...)
{
    char value[512];
    fault_none();
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    setenv(variable, value, 1);
    layer->reset();
}

void fault_also(const char *variable, const char *value)
{
    setenv(variable, value, 1);
    layer->reset();
}

void fault_none(void)
{
    static const char *const variables[] = {"CLFAULT", "CLFAULT_LOST", "CLFAULT_BUILD",
        "CLFAULT_MUTATE", "CLFAULT_LIMITS", "CLFAULT_CAPACITY", "CLFAULT_PCI", "CLFAULT_HANG",
        "CLFAULT_DEVICE"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
    if (layer)
        layer->reset();
}
