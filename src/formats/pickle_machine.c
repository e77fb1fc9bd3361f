/* pickle_machine.c - the stack that a pickle's opcodes work on. SPDX-License-Identifier: MIT */
#include "formats/pickle_machine.h"
#include "base/memory.h"

#include <string.h>

#define CELLS 4000000
#define STACK 1000000

enum clat_status machine_bad(const struct machine *machine, const char *what)
{
    return status_set(CLAT_ERROR_INPUT, "'%s': %s, byte %zu: %s", machine->file, machine->part,
        machine->at, what);
}

enum clat_status machine_take_bytes(
    struct machine *machine, size_t size, const unsigned char **bytes)
{
    if (machine->size - machine->at < size)
        return machine_bad(machine, "the pickle ends in the middle of an opcode");
    *bytes = machine->bytes + machine->at;
    machine->at += size;
    return CLAT_OK;
}

enum clat_status machine_take_number(struct machine *machine, int size, uint64_t *value)
{
    const unsigned char *bytes = NULL;
    enum clat_status status = machine_take_bytes(machine, (size_t)size, &bytes);
    if (status != CLAT_OK)
        return status;
    *value = 0;
    while (size-- > 0)
        *value = *value << 8 | bytes[size];
    return CLAT_OK;
}

enum clat_status machine_new_cell(struct machine *machine, enum cell_kind kind, struct cell **cell)
{
    if (machine->cells++ >= CELLS)
        return machine_bad(machine, "more than 4 million values");
    enum clat_status status = cell_take(&machine->pickle->store, sizeof **cell, cell);
    if (status != CLAT_OK)
        return status;
    memset(*cell, 0, sizeof **cell);
    (*cell)->kind = kind;
    return CLAT_OK;
}

enum clat_status machine_push(struct machine *machine, struct cell *cell)
{
    if (machine->count >= STACK)
        return machine_bad(machine, "the stack has more than a million values");
    enum clat_status status =
        memory_grow(&machine->stack, &machine->capacity, machine->count, sizeof *machine->stack);
    if (status == CLAT_OK)
        machine->stack[machine->count++] = cell;
    return status;
}

enum clat_status machine_push_new(struct machine *machine, enum cell_kind kind, struct cell **cell)
{
    enum clat_status status = machine_new_cell(machine, kind, cell);
    return status == CLAT_OK ? machine_push(machine, *cell) : status;
}

enum clat_status machine_push_integer(struct machine *machine, enum cell_kind kind, int64_t value)
{
    struct cell *cell = NULL;
    enum clat_status status = machine_push_new(machine, kind, &cell);
    if (status == CLAT_OK)
        cell->integer = value;
    return status;
}

size_t machine_height(const struct machine *machine)
{
    return machine->count - (machine->mark_count ? machine->marks[machine->mark_count - 1] : 0);
}

enum clat_status machine_pop(struct machine *machine, struct cell **cell)
{
    if (machine_height(machine) == 0)
        return machine_bad(machine, "a value is needed and the stack is empty");
    *cell = machine->stack[--machine->count];
    return CLAT_OK;
}

enum clat_status machine_top(struct machine *machine, struct cell **cell)
{
    enum clat_status status = machine_pop(machine, cell);
    machine->count += status == CLAT_OK;
    return status;
}

enum clat_status machine_gather(struct machine *machine, enum cell_kind kind, size_t count)
{
    struct cell *cell = NULL;
    if (machine_height(machine) < count)
        return machine_bad(machine, "more values are needed than the stack has");
    enum clat_status status = machine_new_cell(machine, kind, &cell);
    if (status == CLAT_OK && count)
        status = cell_extend(
            &machine->pickle->store, cell, machine->stack + machine->count - count, count);
    if (status != CLAT_OK)
        return status;
    machine->count -= count;
    return machine_push(machine, cell);
}

enum clat_status machine_pop_mark(struct machine *machine, size_t *count)
{
    if (machine->mark_count == 0)
        return machine_bad(machine, "a mark is needed and there is none");
    *count = machine_height(machine);
    machine->mark_count--;
    return CLAT_OK;
}
