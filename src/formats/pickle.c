/* pickle.c - a pickle as plain cells. SPDX-License-Identifier: MIT
 *
 * A pickle is a program for a stack machine. This one has no way to do anything: a name of a class
 * or function is kept as text, a call is kept as name, arguments and state. Only the opcodes that
 * the file's writer uses are taken; everything is bounded: opcodes, stack, marks, memo, strings.
 * Source: Python's pickletools. */
#include "base/memory.h"
#include "base/text.h"
#include "formats/pickle_machine.h"

#include <stdlib.h>
#include <string.h>

#define OPCODES 20000000
#define MEMO 4000000
#define STRING_LIMIT 65536
#define NAME_LIMIT 1024

/* The length has `length_size` bytes. */
static enum clat_status read_text(struct machine *machine, int length_size, enum cell_kind kind)
{
    uint64_t length = 0;
    const unsigned char *text = NULL;
    struct cell *cell = NULL;
    enum clat_status status;
    TRY(machine_take_number(machine, length_size, &length));
    if (length > STRING_LIMIT && machine->writer == PICKLE_TORCH)
        return machine_bad(machine, "a string of more than 65536 bytes");
    if (length > SIZE_MAX / 2)
        return machine_bad(machine, "the pickle ends in the middle of an opcode");
    TRY(machine_take_bytes(machine, (size_t)length, &text));
    TRY(machine_push_new(machine, kind, &cell));
    cell->text = (const char *)text;
    cell->text_size = (size_t)length;
out:
    return status;
}

static enum clat_status read_unicode(struct machine *machine, int length_size)
{
    enum clat_status status = read_text(machine, length_size, CELL_STRING);
    if (status != CLAT_OK)
        return status;
    const struct cell *cell = machine->stack[machine->count - 1];
    if (cell->text_size <= STRING_LIMIT && !text_is_utf8(cell->text, cell->text_size))
        return machine_bad(machine, "a string is not UTF-8");
    return CLAT_OK;
}

/* "module LF name LF"; the cell's text is both with the LF between. */
static enum clat_status read_name(struct machine *machine)
{
    const char *begin = (const char *)machine->bytes + machine->at;
    size_t left = machine->size - machine->at;
    const char *first = memchr(begin, '\n', left);
    const char *second = first ? memchr(first + 1, '\n', left - (size_t)(first + 1 - begin)) : NULL;
    struct cell *cell = NULL;
    if (!second || second - begin > NAME_LIMIT || !text_is_utf8(begin, (size_t)(second - begin)))
        return machine_bad(machine, "module and name of at most 1024 bytes are expected");
    enum clat_status status = machine_push_new(machine, CELL_NAME, &cell);
    if (status != CLAT_OK)
        return status;
    cell->text = begin;
    cell->text_size = (size_t)(second - begin);
    machine->at += cell->text_size + 1;
    return CLAT_OK;
}

/* Module and name as two strings on the stack. */
static enum clat_status join_name(struct machine *machine)
{
    struct cell *module = NULL, *name = NULL, *cell = NULL;
    char *text = NULL;
    enum clat_status status;
    TRY(machine_pop(machine, &name));
    TRY(machine_pop(machine, &module));
    if (module->kind != CELL_STRING || name->kind != CELL_STRING ||
        module->text_size > NAME_LIMIT || name->text_size > NAME_LIMIT)
        return machine_bad(machine, "module and name of at most 1024 bytes are expected");
    TRY(machine_push_new(machine, CELL_NAME, &cell));
    cell->text_size = module->text_size + 1 + name->text_size;
    TRY(cell_take(&machine->pickle->store, cell->text_size, &text));
    memcpy(text, module->text, module->text_size);
    text[module->text_size] = '\n';
    memcpy(text + module->text_size + 1, name->text, name->text_size);
    cell->text = text;
out:
    return status;
}

/* Two's complement of 0 to 8 bytes. */
static enum clat_status read_long(struct machine *machine)
{
    uint64_t length = 0, value = 0;
    enum clat_status status;
    TRY(machine_take_number(machine, 1, &length));
    if (length > 8)
        return machine_bad(machine, "an integer of more than 8 bytes");
    TRY(machine_take_number(machine, (int)length, &value));
    if (length && length < 8 && value >> (8 * length - 1))
        value |= UINT64_MAX << (8 * length);
    TRY(machine_push_integer(machine, CELL_INTEGER, (int64_t)value));
out:
    return status;
}

static enum clat_status read_float(struct machine *machine)
{
    const unsigned char *bytes = NULL;
    uint64_t bits = 0;
    struct cell *cell = NULL;
    enum clat_status status;
    TRY(machine_take_bytes(machine, 8, &bytes));
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | bytes[i]; /* big-endian, unlike everything else */
    TRY(machine_push_new(machine, CELL_FLOAT, &cell));
    memcpy(&cell->real, &bits, sizeof bits);
out:
    return status;
}

static enum clat_status read_integer(struct machine *machine, int size)
{
    uint64_t value = 0;
    enum clat_status status = machine_take_number(machine, size, &value);
    if (status != CLAT_OK)
        return status;
    return machine_push_integer(
        machine, CELL_INTEGER, size == 4 ? (int64_t)(int32_t)(uint32_t)value : (int64_t)value);
}

/* An index needs at least one byte of pickle, so the size of the pickle bounds the memo. */
static enum clat_status set_memo(struct machine *machine, uint64_t index)
{
    struct cell *cell = NULL;
    enum clat_status status;
    TRY(machine_top(machine, &cell));
    if (index >= MEMO || index >= machine->size)
        return machine_bad(machine, "a memo index that no writer would reach");
    size_t old = machine->memo_capacity;
    TRY(memory_grow(&machine->memo, &machine->memo_capacity, (size_t)index, sizeof *machine->memo));
    for (; old < machine->memo_capacity; old++)
        machine->memo[old] = NULL;
    machine->memo[index] = cell;
out:
    return status;
}

static enum clat_status put_memo(struct machine *machine, int size)
{
    uint64_t index = 0;
    enum clat_status status = machine_take_number(machine, size, &index);
    return status == CLAT_OK ? set_memo(machine, index) : status;
}

static enum clat_status get_memo(struct machine *machine, int size)
{
    uint64_t index = 0;
    enum clat_status status = machine_take_number(machine, size, &index);
    if (status != CLAT_OK)
        return status;
    if (index >= machine->memo_capacity || !machine->memo[index])
        return machine_bad(machine, "a memo entry that was never made");
    return machine_push(machine, machine->memo[index]);
}

/* The `count` values on top go into the list or dict below them; those for an object are dropped.
 */
static enum clat_status add_items(struct machine *machine, enum cell_kind kind, size_t count)
{
    if (machine_height(machine) < count + 1)
        return machine_bad(machine, "a container is needed below the values");
    struct cell *const *items = machine->stack + machine->count - count;
    struct cell *target = items[-1];
    if (target->kind != kind && target->kind != CELL_CALL)
        return machine_bad(machine, kind == CELL_DICT
                                        ? "items are set in something that is no dictionary"
                                        : "items are appended to something that is no list");
    if (kind == CELL_DICT && count % 2)
        return machine_bad(machine, "a key without a value");
    machine->count -= count;
    return target->kind == kind ? cell_extend(&machine->pickle->store, target, items, count)
                                : CLAT_OK;
}

static enum clat_status add_marked(struct machine *machine, enum cell_kind kind)
{
    size_t count = 0;
    enum clat_status status = machine_pop_mark(machine, &count);
    return status == CLAT_OK ? add_items(machine, kind, count) : status;
}

static bool is_pair(const struct cell *cell)
{
    return (cell->kind == CELL_TUPLE || cell->kind == CELL_LIST) && cell->count == 2;
}

/* OrderedDict(), or OrderedDict([(key, value), ...]) as Python 2 wrote it. */
static enum clat_status make_ordered_dict(
    struct machine *machine, const struct cell *arguments, struct cell *dict)
{
    dict->kind = CELL_DICT;
    dict->items = NULL;
    dict->count = dict->capacity = 0;
    if (arguments->count == 0)
        return CLAT_OK;
    const struct cell *list = arguments->items[0];
    if (arguments->count != 1 || list->kind != CELL_LIST)
        return machine_bad(machine, "an OrderedDict of something that is no list");
    for (size_t i = 0; i < list->count; i++) {
        if (!is_pair(list->items[i]))
            return machine_bad(machine, "an OrderedDict of something that are no pairs");
        enum clat_status status =
            cell_extend(&machine->pickle->store, dict, list->items[i]->items, 2);
        if (status != CLAT_OK)
            return status;
    }
    return CLAT_OK;
}

static enum clat_status call(struct machine *machine)
{
    struct cell *result = NULL;
    enum clat_status status;
    TRY(machine_gather(machine, CELL_CALL, 2));
    TRY(machine_top(machine, &result));
    const struct cell *callable = result->items[0], *arguments = result->items[1];
    if (arguments->kind != CELL_TUPLE)
        return machine_bad(machine, "the arguments of a call must be a tuple");
    if (callable->kind != CELL_NAME && callable->kind != CELL_CALL)
        return machine_bad(machine, "something is called that is no name");
    if (cell_is_name(callable, "collections", "OrderedDict"))
        TRY(make_ordered_dict(machine, arguments, result));
out:
    return status;
}

/* An object keeps its last state; the attributes of an OrderedDict are dropped. */
static enum clat_status build(struct machine *machine)
{
    struct cell *state = NULL, *object = NULL;
    enum clat_status status;
    TRY(machine_pop(machine, &state));
    TRY(machine_top(machine, &object));
    if (object->kind != CELL_CALL && object->kind != CELL_DICT)
        return machine_bad(machine, "a state is given to something that is no object");
    if (object->kind == CELL_CALL && object->count == 2)
        return cell_extend(&machine->pickle->store, object, &state, 1);
    if (object->kind == CELL_CALL)
        object->items[2] = state;
out:
    return status;
}

static enum clat_status persistent(struct machine *machine)
{
    struct pickle *pickle = machine->pickle;
    enum clat_status status;
    TRY(machine_gather(machine, CELL_PERSISTENT, 1));
    TRY(memory_grow(&pickle->persistent, &pickle->persistent_capacity, pickle->persistent_count,
        sizeof *pickle->persistent));
    pickle->persistent[pickle->persistent_count++] = machine->stack[machine->count - 1];
out:
    return status;
}

static enum clat_status mark(struct machine *machine)
{
    if (machine->mark_count == PICKLE_MARKS)
        return machine_bad(machine, "more than 64 marks");
    machine->marks[machine->mark_count++] = machine->count;
    return CLAT_OK;
}

static enum clat_status marked_tuple(struct machine *machine)
{
    size_t count = 0;
    enum clat_status status = machine_pop_mark(machine, &count);
    return status == CLAT_OK ? machine_gather(machine, CELL_TUPLE, count) : status;
}

static enum clat_status protocol(struct machine *machine)
{
    uint64_t version = 0;
    enum clat_status status = machine_take_number(machine, 1, &version);
    if (status == CLAT_OK && machine->writer == PICKLE_TORCH && version != 2 && version != 3)
        return machine_bad(machine, "pickle protocol 2 is expected");
    if (status == CLAT_OK && (version < 2 || version > 4))
        return machine_bad(machine, "pickle protocol 2 to 4 is expected");
    return status;
}

/* A hint for readers that load the pickle piece by piece; this one has it all. */
static enum clat_status frame(struct machine *machine)
{
    uint64_t length = 0;
    enum clat_status status = machine_take_number(machine, 8, &length);
    if (status == CLAT_OK && length > machine->size - machine->at)
        return machine_bad(machine, "a frame that is longer than the pickle");
    return status;
}

static enum clat_status unknown(const struct machine *machine, unsigned char opcode)
{
    return status_set(CLAT_ERROR_INPUT,
        "'%s': %s, byte %zu: the pickle opcode 0x%02x is none that %s writes for tensors",
        machine->file, machine->part, machine->at - 1, opcode,
        machine->writer == PICKLE_TORCH ? "torch" : "Paddle");
}

/* clang-format off */
static enum clat_status step_paddle(struct machine *machine, unsigned char opcode)
{
    switch (opcode) {
    case 0x95: return frame(machine);
    case 0x94: return set_memo(machine, machine->memo_next++);
    case 0x8C: return read_unicode(machine, 1);
    case 0x8D: return read_unicode(machine, 8);
    case 0x93: return join_name(machine);
    case 'C': return read_text(machine, 1, CELL_BYTES);
    case 'B': return read_text(machine, 4, CELL_BYTES);
    case 0x8E: return read_text(machine, 8, CELL_BYTES);
    default: return unknown(machine, opcode);
    }
}

static enum clat_status step(struct machine *machine, unsigned char opcode)
{
    switch (opcode) {
    case 0x80: return protocol(machine);
    case '(': return mark(machine);
    case 'N': return machine_push_integer(machine, CELL_NONE, 0);
    case 0x88: return machine_push_integer(machine, CELL_BOOLEAN, 1);
    case 0x89: return machine_push_integer(machine, CELL_BOOLEAN, 0);
    case 'J': return read_integer(machine, 4);
    case 'K': return read_integer(machine, 1);
    case 'M': return read_integer(machine, 2);
    case 0x8A: return read_long(machine);
    case 'G': return read_float(machine);
    case 'X': return read_unicode(machine, 4);
    case 'U': return read_text(machine, 1, CELL_STRING);
    case ')': return machine_gather(machine, CELL_TUPLE, 0);
    case 't': return marked_tuple(machine);
    case 0x85: return machine_gather(machine, CELL_TUPLE, 1);
    case 0x86: return machine_gather(machine, CELL_TUPLE, 2);
    case 0x87: return machine_gather(machine, CELL_TUPLE, 3);
    case ']': return machine_gather(machine, CELL_LIST, 0);
    case 'a': return add_items(machine, CELL_LIST, 1);
    case 'e': return add_marked(machine, CELL_LIST);
    case '}': return machine_gather(machine, CELL_DICT, 0);
    case 's': return add_items(machine, CELL_DICT, 2);
    case 'u': return add_marked(machine, CELL_DICT);
    case 'q': return put_memo(machine, 1);
    case 'r': return put_memo(machine, 4);
    case 'h': return get_memo(machine, 1);
    case 'j': return get_memo(machine, 4);
    case 'Q': return persistent(machine);
    case 'c': return read_name(machine);
    case 'R': return call(machine);
    case 0x81: return call(machine);
    case 'b': return build(machine);
    default:
        return machine->writer == PICKLE_PADDLE ? step_paddle(machine, opcode)
                                                : unknown(machine, opcode);
    }
}
/* clang-format on */

static enum clat_status run(struct machine *machine)
{
    const unsigned char *opcode = NULL;
    struct cell *root = NULL;
    for (size_t steps = 0; steps < OPCODES; steps++) {
        enum clat_status status = machine_take_bytes(machine, 1, &opcode);
        if (status == CLAT_OK && *opcode == '.')
            break;
        if (status == CLAT_OK)
            status = step(machine, *opcode);
        if (status != CLAT_OK)
            return status;
    }
    if (*opcode != '.')
        return machine_bad(machine, "more than 20 million opcodes");
    if (machine->mark_count || machine->count != 1)
        return machine_bad(machine, "exactly one value must be left at the end");
    enum clat_status status = machine_pop(machine, &root);
    machine->pickle->root = root;
    machine->pickle->used = machine->at;
    return status;
}

enum clat_status pickle_read(const unsigned char *bytes, size_t size, const char *file,
    const char *part, enum pickle_writer writer, struct pickle *pickle)
{
    struct machine machine = {.bytes = bytes,
        .size = size,
        .file = file,
        .part = part,
        .writer = writer,
        .pickle = pickle};
    enum clat_status status;
    memset(pickle, 0, sizeof *pickle);
    TRY(run(&machine));
out:
    free(machine.stack);
    free(machine.memo);
    if (status != CLAT_OK)
        pickle_free(pickle);
    return status;
}

void pickle_free(struct pickle *pickle)
{
    cell_store_free(&pickle->store);
    free(pickle->persistent);
    memset(pickle, 0, sizeof *pickle);
}
