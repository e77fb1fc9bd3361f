/* paddle.c - reading PaddlePaddle's .pdparams. SPDX-License-Identifier: MIT
 *
 * The file is one pickle: {name: array}, and beside the arrays
 *     "StructuredToParameterName@@": {...}                                 passed over
 *     "UnpackBigParamInfor@@": {name: {"OriginShape": shape, "slices": [names of flat arrays]}}
 * An array is _reconstruct(ndarray, (0,), b"b") with the state (1, shape, dtype, column-major?,
 * bytes); its dtype is dtype("f4", ...) with the state (3, "<", ...). In protocol 2 the bytes are
 * _codecs.encode(text, "latin1"). Source: paddle/framework/io.py, numpy's __reduce__. */
#include "formats/paddle.h"
#include "base/memory.h"
#include "formats/pickle.h"

#include <stdlib.h>
#include <string.h>

/* One array, before it is known whether it is a tensor or a slice of one. */
struct array {
    const struct cell *name; /* a string */
    struct weight weight;    /* bytes: of the data */
    struct weight_piece piece;
    bool is_slice;
};

struct reading {
    const struct file_map *map;
    struct weight_list *list;
    struct array *arrays; /* sorted by name */
    size_t count;
    size_t pieces; /* used of list->pieces */
};

bool paddle_is(const struct file_map *map)
{
    static const char *const starts[] = {"\x80\x02}", "\x80\x03}", "\x80\x04\x95"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (map->size >= 3 && memcmp(map->data, starts[i], 3) == 0)
            return true;
    return false;
}

static enum clat_status bad(
    const struct reading *reading, const struct cell *name, const char *expected)
{
    return status_set(CLAT_ERROR_INPUT, "'%s': array '%.*s': expected %s", reading->map->path,
        (int)(name->text_size < 256 ? name->text_size : 256), name->text, expected);
}

/* ---- one array ------------------------------------------------------------------------------ */

/* The arguments of a call of numpy's function, in its module of before or since numpy 2. */
static const struct cell *numpy_call(const struct cell *cell, const char *name)
{
    if (cell->kind == CELL_CALL &&
        (cell_is_name(cell->items[0], "numpy.core.multiarray", name) ||
            cell_is_name(cell->items[0], "numpy._core.multiarray", name) ||
            cell_is_name(cell->items[0], "numpy", name)))
        return cell->items[1];
    return NULL;
}

/* The state that an object was given, if it is a tuple of at least `count`. */
static const struct cell *state_of(const struct cell *cell, size_t count)
{
    const struct cell *state = cell->count > 2 ? cell->items[2] : NULL;
    return state && state->kind == CELL_TUPLE && state->count >= count ? state : NULL;
}

/* bfloat16 has no type in numpy; Paddle writes it as u2. */
static enum clat_status read_dtype(const struct reading *reading, const struct cell *name,
    const struct cell *cell, enum dtype *dtype)
{
    static const struct {
        const char *code;
        enum dtype dtype;
    } codes[] = {{"f4", DTYPE_F32}, {"f2", DTYPE_F16}, {"u2", DTYPE_BF16}, {"f8", DTYPE_F64},
        {"i8", DTYPE_I64}, {"i4", DTYPE_I32}, {"i2", DTYPE_I16}, {"i1", DTYPE_I8}, {"u1", DTYPE_U8},
        {"b1", DTYPE_BOOL}};
    const struct cell *arguments = numpy_call(cell, "dtype");
    const struct cell *state = arguments ? state_of(cell, 2) : NULL;
    if (!state || arguments->count < 1)
        return bad(reading, name, "numpy.dtype with its state");
    if (cell_is_text(state->items[1], ">"))
        return bad(reading, name, "little-endian numbers, found big-endian ones");
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (cell_is_text(arguments->items[0], codes[i].code)) {
            *dtype = codes[i].dtype;
            return CLAT_OK;
        }
    return bad(reading, name, "a dtype of f2, f4, f8, u2 (bfloat16), i1 to i8, u1 or b1");
}

/* Bytes as they are, or as text; `size` is how many they must be. */
static bool read_bytes(const struct cell *cell, size_t size, struct weight_piece *piece)
{
    *piece = (struct weight_piece){.bytes = size};
    if (cell->kind == CELL_CALL && cell_is_name(cell->items[0], "_codecs", "encode") &&
        cell->items[1]->count == 2 && cell_is_text(cell->items[1]->items[1], "latin1")) {
        cell = cell->items[1]->items[0];
        piece->text = cell->kind == CELL_STRING;
    } else if (cell->kind == CELL_CALL && cell_is_name(cell->items[0], "__builtin__", "bytes")) {
        return size == 0 && cell->items[1]->count == 0;
    }
    if (!piece->text && cell->kind != CELL_BYTES)
        return false;
    piece->data = (const unsigned char *)cell->text;
    piece->size = cell->text_size;
    return piece->text ? piece->size >= size && piece->size - size <= size : piece->size == size;
}

static enum clat_status read_shape(const struct reading *reading, const struct cell *name,
    const struct cell *tuple, struct weight *weight, size_t *elements)
{
    if (tuple->kind != CELL_TUPLE || tuple->count > WEIGHT_RANK)
        return bad(reading, name, "a tuple of at most 8 sizes as shape");
    weight->rank = (int)tuple->count;
    for (size_t axis = 0; axis < tuple->count; axis++) {
        if (tuple->items[axis]->kind != CELL_INTEGER || tuple->items[axis]->integer < 0)
            return bad(reading, name, "a tuple of at most 8 sizes as shape");
        weight->shape[axis] = (size_t)tuple->items[axis]->integer;
    }
    return weight_set_row_major(weight, elements)
               ? CLAT_OK
               : bad(reading, name, "sizes up to 2^31 and a product that fits 63 bits");
}

static void set_column_major(struct weight *weight)
{
    size_t product = 1;
    for (int axis = 0; axis < weight->rank; axis++) {
        weight->stride[axis] = product;
        product *= weight->shape[axis] ? weight->shape[axis] : 1;
    }
}

static enum clat_status read_array(const struct reading *reading, const struct cell *name,
    const struct cell *cell, struct array *array)
{
    struct weight *weight = &array->weight;
    size_t elements = 0;
    enum clat_status status;
    const struct cell *state = numpy_call(cell, "_reconstruct") ? state_of(cell, 5) : NULL;
    *array = (struct array){.name = name};
    if (!state)
        return bad(reading, name, "a numpy array");
    TRY(read_shape(reading, name, state->items[1], weight, &elements));
    TRY(read_dtype(reading, name, state->items[2], &weight->dtype));
    const struct cell *column_major = state->items[3];
    if (column_major->kind != CELL_BOOLEAN && column_major->kind != CELL_INTEGER)
        return bad(reading, name, "true or false for column-major");
    if (column_major->integer)
        set_column_major(weight);
    if (!size_mul(elements, dtype_size(weight->dtype), &weight->bytes) ||
        !read_bytes(state->items[4], weight->bytes, &array->piece))
        return bad(reading, name, "as many bytes as shape and dtype say");
    if (!array->piece.data) /* of no bytes */
        array->piece.data = reading->map->data;
    weight->data = array->piece.data;
out:
    return status;
}

/* ---- the dictionary ------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const struct cell *first = ((const struct array *)a)->name,
                      *second = ((const struct array *)b)->name;
    size_t least = first->text_size < second->text_size ? first->text_size : second->text_size;
    int order = memcmp(first->text, second->text, least);
    return order ? order
                 : (first->text_size > second->text_size) - (first->text_size < second->text_size);
}

/* Values that are calls must be arrays; Paddle also writes (name, array). Others are passed over.
 */
static enum clat_status read_arrays(struct reading *reading, const struct cell *root)
{
    for (size_t i = 0; i + 1 < root->count; i += 2) {
        const struct cell *name = root->items[i], *value = root->items[i + 1];
        if (name->kind != CELL_STRING)
            return status_set(
                CLAT_ERROR_INPUT, "'%s': an array's name must be a string", reading->map->path);
        if (value->kind == CELL_TUPLE && value->count == 2)
            value = value->items[1];
        if (value->kind != CELL_CALL && value->kind != CELL_NAME)
            continue;
        enum clat_status status =
            read_array(reading, name, value, &reading->arrays[reading->count++]);
        if (status != CLAT_OK)
            return status;
    }
    qsort(reading->arrays, reading->count, sizeof *reading->arrays, by_name);
    return CLAT_OK;
}

static enum clat_status add(
    struct reading *reading, const struct cell *name, const struct weight *weight)
{
    return weight_list_add(reading->list, reading->map->path, name->text, name->text_size, weight);
}

static enum clat_status add_sliced(
    struct reading *reading, const struct cell *name, const struct cell *facts)
{
    const struct cell *shape = cell_find(facts, "OriginShape"),
                      *slices = cell_find(facts, "slices");
    struct weight weight = {.pieces = reading->list->pieces + reading->pieces};
    size_t elements = 0, total = 0;
    enum clat_status status;
    if (name->kind != CELL_STRING || !shape || !slices || slices->kind != CELL_LIST ||
        slices->count == 0)
        FAIL(CLAT_ERROR_INPUT, "'%s': UnpackBigParamInfor@@: shape and slices are expected",
            reading->map->path);
    TRY(read_shape(reading, name, shape, &weight, &elements));
    for (size_t i = 0; i < slices->count; i++) {
        const struct array wanted = {.name = slices->items[i]};
        struct array *slice =
            wanted.name->kind == CELL_STRING
                ? bsearch(&wanted, reading->arrays, reading->count, sizeof wanted, by_name)
                : NULL;
        if (!slice || slice->is_slice || slice->weight.rank != 1 ||
            (i && slice->weight.dtype != weight.dtype))
            return bad(reading, name, "slices that are flat arrays of one dtype, each used once");
        slice->is_slice = true;
        weight.dtype = slice->weight.dtype;
        total += slice->weight.bytes; /* all lie in the file */
        reading->list->pieces[reading->pieces++] = slice->piece;
    }
    if (!size_mul(elements, dtype_size(weight.dtype), &weight.bytes) || weight.bytes != total)
        return bad(reading, name, "slices with as many elements as OriginShape says");
    weight.piece_count = slices->count;
    weight.data = weight.pieces[0].data;
    TRY(add(reading, name, &weight));
out:
    return status;
}

static enum clat_status add_all_sliced(struct reading *reading, const struct cell *facts)
{
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; status == CLAT_OK && facts->kind == CELL_DICT && i + 1 < facts->count;
         i += 2)
        status = add_sliced(reading, facts->items[i], facts->items[i + 1]);
    return status;
}

static enum clat_status add_whole(struct reading *reading)
{
    enum clat_status status = CLAT_OK;
    for (size_t i = 0; status == CLAT_OK && i < reading->count; i++) {
        struct array *array = &reading->arrays[i];
        if (array->is_slice)
            continue;
        if (array->piece.text) {
            array->weight.pieces = &reading->list->pieces[reading->pieces];
            array->weight.piece_count = 1;
            reading->list->pieces[reading->pieces++] = array->piece;
        }
        status = add(reading, array->name, &array->weight);
    }
    return status;
}

enum clat_status paddle_read(const struct file_map *map, struct weight_list *list)
{
    struct pickle pickle = {0};
    struct reading reading = {.map = map, .list = list};
    enum clat_status status;
    TRY(pickle_read(map->data, map->size, map->path, "pickle", PICKLE_PADDLE, &pickle));
    const struct cell *root = pickle.root;
    if (pickle.used != map->size)
        FAIL(CLAT_ERROR_INPUT, "'%s': the file goes on after the end of its pickle", map->path);
    if (root->kind != CELL_DICT)
        FAIL(CLAT_ERROR_INPUT, "'%s': a dictionary of arrays is expected", map->path);
    TRY(memory_new(root->count / 2, sizeof *reading.arrays, &reading.arrays));
    TRY(memory_new(root->count / 2, sizeof *list->pieces, &list->pieces));
    TRY(read_arrays(&reading, root));
    const struct cell *sliced = cell_find(root, "UnpackBigParamInfor@@");
    if (sliced)
        TRY(add_all_sliced(&reading, sliced));
    TRY(add_whole(&reading));
    TRY(weight_list_sort(list, map->path));
    list->format = "paddle";
out:
    free(reading.arrays);
    pickle_free(&pickle);
    return status;
}
