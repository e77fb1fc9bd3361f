/* call.c - which kernels a device was asked for, and for what. SPDX-License-Identifier: MIT */
#include "device/call.h"
#include "device/program.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool op_call_equals(const struct op_call *a, const struct op_call *b)
{
    return a->op && b->op && strcmp(a->op, b->op) == 0 && a->half == b->half &&
           a->units == b->units && memcmp(a->numbers, b->numbers, sizeof a->numbers) == 0;
}

void call_note(
    struct device *device, const char *op, bool half, double work, const int numbers[CALL_NUMBERS])
{
    if (!device->dry)
        return;
    const struct device_facts *facts = &device->facts;
    device->call = (struct op_call){.op = op,
        .half = half,
        .units = facts->matrix_unit != MATRIX_UNIT_NONE || facts->unit.kind != UNIT_NONE,
        .work = work};
    if (numbers)
        memcpy(device->call.numbers, numbers, sizeof device->call.numbers);
}

/* Times more or less than wanted. */
static double misfit(const struct op_call *call)
{
    return call->work > CALL_WORK ? call->work / CALL_WORK : CALL_WORK / (call->work + 1);
}

void kernel_note_call(const struct device *device, struct kernel *kernel)
{
    const struct op_call *call = &device->call;
    if (call->op && (!kernel->call.op || misfit(call) < misfit(&kernel->call)))
        kernel->call = *call;
}

static enum clat_status add_use(struct kernel_use **uses, size_t *room, size_t *count,
    const struct program *program, const struct kernel *kernel)
{
    enum clat_status status = memory_grow(uses, room, *count, sizeof **uses);
    if (status != CLAT_OK)
        return status;
    struct kernel_use *use = &(*uses)[(*count)++];
    *use = (struct kernel_use){.call = kernel->call};
    snprintf(use->file, sizeof use->file, "%s", program->file);
    snprintf(use->function, sizeof use->function, "%s", kernel->function);
    snprintf(use->options, sizeof use->options, "%s", program->options);
    return CLAT_OK;
}

enum clat_status device_uses(const struct device *device, struct kernel_use **uses, size_t *count)
{
    enum clat_status status = CLAT_OK;
    size_t room = 0;
    *uses = NULL;
    *count = 0;
    for (const struct program *program = device->programs; program; program = program->next)
        for (const struct kernel *kernel = program->kernels; kernel; kernel = kernel->next)
            TRY(add_use(uses, &room, count, program, kernel));
out:
    if (status != CLAT_OK) {
        free(*uses);
        *uses = NULL;
        *count = 0;
    }
    return status;
}
