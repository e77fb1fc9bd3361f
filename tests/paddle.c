/* paddle.c - Paddle's .pdparams: files written here as paddle.save writes them (protocols 2 and 4,
 * old and new names, column-major, sliced) against the tensors they were made of, and one refusal
 * per rule. SPDX-License-Identifier: MIT */
#include "check.h"
#include "forge.h"
#include "checkpoint/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing -------------------------------------------------------------------------------- */

struct form {
    const char *label;
    int protocol;
    bool column_major; /* linear layers are [in][out] arrays that lie as [out][in] */
    bool old_names;    /* of LDMBert, and of attention */
    size_t slice;      /* longest array, in elements; 0: any */
};

static void put_text(struct bytes *bytes, int protocol, const char *text)
{
    size_t size = strlen(text);
    forge_add(bytes, protocol == 4 ? "\x8C" : "X", 1);
    forge_number(bytes, protocol == 4 ? 1 : 4, size);
    forge_add(bytes, text, size);
    if (protocol == 4)
        forge_add(bytes, "\x94", 1);
}

static void put_name(struct bytes *bytes, int protocol, const char *module, const char *name)
{
    char both[128];
    if (protocol == 4) {
        put_text(bytes, protocol, module);
        put_text(bytes, protocol, name);
        forge_add(bytes, "\x93\x94", 2);
        return;
    }
    snprintf(both, sizeof both, "c%s\n%s\n", module, name);
    forge_add(bytes, both, strlen(both));
}

/* Bytes of protocol 2: _codecs.encode(text, "latin1"). */
static void put_bytes(struct bytes *bytes, int protocol, const unsigned char *data, size_t size)
{
    size_t length = size;
    if (protocol == 4) {
        forge_add(bytes, "B", 1);
        forge_number(bytes, 4, size);
        forge_add(bytes, data, size);
        return;
    }
    for (size_t i = 0; i < size; i++)
        length += data[i] >> 7;
    put_name(bytes, protocol, "_codecs", "encode");
    forge_add(bytes, "X", 1);
    forge_number(bytes, 4, length);
    for (size_t i = 0; i < size; i++) {
        const unsigned char two[2] = {
            (unsigned char)(0xC0 | data[i] >> 6), (unsigned char)(0x80 | (data[i] & 0x3F))};
        forge_add(bytes, data[i] >> 7 ? two : data + i, data[i] >> 7 ? 2 : 1);
    }
    put_text(bytes, protocol, "latin1");
    forge_add(bytes, "\x86R", 2);
}

static void put_shape(struct bytes *bytes, int rank, const size_t *shape)
{
    forge_add(bytes, "(", 1);
    for (int i = 0; i < rank; i++) {
        forge_add(bytes, "J", 1);
        forge_number(bytes, 4, shape[i]);
    }
    forge_add(bytes, "t", 1);
}

static void put_array(struct bytes *bytes, int protocol, int rank, const size_t *shape,
    bool column_major, const float *values, size_t count)
{
    const char *module = protocol == 4 ? "numpy._core.multiarray" : "numpy.core.multiarray";
    put_name(bytes, protocol, module, "_reconstruct");
    put_name(bytes, protocol, "numpy", "ndarray");
    forge_add(bytes, "K\0\x85", 3);
    put_bytes(bytes, protocol, (const unsigned char *)"b", 1);
    forge_add(bytes, "\x87R(K\1", 5);
    put_shape(bytes, rank, shape);
    put_name(bytes, protocol, "numpy", "dtype");
    put_text(bytes, protocol, "f4");
    forge_add(bytes, "\x89\x88\x87R(K\3", 7);
    put_text(bytes, protocol, "<");
    forge_add(bytes, "NNNJ\xFF\xFF\xFF\xFFJ\xFF\xFF\xFF\xFFK\0tb", 17);
    forge_add(bytes, column_major ? "\x88" : "\x89", 1);
    put_bytes(bytes, protocol, (const unsigned char *)values, count * sizeof *values);
    forge_add(bytes, "tb", 2);
}

/* Slices "name@@.k", flat; the facts that join them are put later. */
static void put_slices(
    struct bytes *bytes, const struct form *form, const char *name, const float *v, size_t count)
{
    for (size_t first = 0, k = 0; first < count; first += form->slice, k++) {
        char slice[NAME_SIZE + 32];
        size_t size = count - first < form->slice ? count - first : form->slice;
        snprintf(slice, sizeof slice, "%s@@.%zu", name, k);
        put_text(bytes, form->protocol, slice);
        put_array(bytes, form->protocol, 1, &size, false, v + first, size);
    }
}

static void put_slice_facts(struct bytes *bytes, const struct form *form, const char *name,
    int rank, const size_t *shape, size_t count)
{
    put_text(bytes, form->protocol, name);
    forge_add(bytes, "}(", 2);
    put_text(bytes, form->protocol, "OriginShape");
    put_shape(bytes, rank, shape);
    put_text(bytes, form->protocol, "slices");
    forge_add(bytes, "](", 2);
    for (size_t k = 0; k * form->slice < count; k++) {
        char slice[NAME_SIZE + 32];
        snprintf(slice, sizeof slice, "%s@@.%zu", name, k);
        put_text(bytes, form->protocol, slice);
    }
    forge_add(bytes, "eu", 2);
}

/* The name in the file: one of the foreign ones, if there are. */
static void file_name(const struct form *form, const char *ours, char name[NAME_SIZE])
{
    static const struct name_facts facts = {.dialect = DIALECT_PADDLE};
    struct name_match match;
    snprintf(name, NAME_SIZE, "%s", ours);
    if (form->old_names && names_to_theirs(&facts, ours, 0, &match))
        snprintf(name, NAME_SIZE, "%s", match.name);
}

static size_t count_of(const struct weight *weight)
{
    size_t count = 1;
    for (int axis = 0; axis < weight->rank; axis++)
        count *= weight->shape[axis];
    return count;
}

static void put_tensor(struct bytes *bytes, struct bytes *facts, const struct form *form,
    const struct weight *weight, const float *values)
{
    size_t count = count_of(weight), shape[WEIGHT_RANK];
    bool turned = names_is_transposed(weight->name, weight->rank);
    char name[NAME_SIZE];
    float *made = malloc((count + 1) * sizeof *made);
    file_name(form, weight->name, name);
    memcpy(shape, weight->shape, sizeof shape);
    memcpy(made, values, count * sizeof *made);
    if (turned) {
        shape[0] = weight->shape[1];
        shape[1] = weight->shape[0];
    }
    if (turned && !form->column_major)
        for (size_t i = 0; i < count; i++)
            made[i] = values[i % shape[1] * shape[0] + i / shape[1]];
    if (form->slice && count > form->slice) {
        put_slices(bytes, form, name, made, count);
        put_slice_facts(facts, form, name, weight->rank, shape, count);
    } else {
        put_text(bytes, form->protocol, name);
        put_array(
            bytes, form->protocol, weight->rank, shape, turned && form->column_major, made, count);
    }
    free(made);
}

static void put_file(const char *path, const struct form *form, struct weights *from)
{
    struct bytes bytes = {0}, facts = {0};
    forge_add(&bytes, form->protocol == 4 ? "\x80\4\x95\1\0\0\0\0\0\0\0}\x94(" : "\x80\2}(",
        form->protocol == 4 ? 14 : 4);
    for (size_t i = 0; i < weights_count(from); i++) {
        const struct weight *weight = weights_at(from, i);
        const float *values;
        if (CHECK_OK(weights_float(from, weight->name, weight->rank, weight->shape, &values)))
            put_tensor(&bytes, &facts, form, weight, values);
        weights_done(from);
    }
    if (facts.size) {
        put_text(&bytes, form->protocol, "UnpackBigParamInfor@@");
        forge_add(&bytes, "}(", 2);
        forge_add(&bytes, facts.data, facts.size);
        forge_add(&bytes, "u", 1);
    }
    put_text(&bytes, form->protocol, "StructuredToParameterName@@");
    forge_add(&bytes, "}u.", 3);
    forge_save(&bytes, path);
    forge_free(&bytes);
    forge_free(&facts);
}

/* ---- reading -------------------------------------------------------------------------------- */

static void compare(const char *path, const struct form *form, struct weights *twin)
{
    struct weights *weights;
    if (!CHECK_OK(weights_open_file(path, &weights)))
        return;
    CHECK(strcmp(weights_format(weights), "paddle") == 0, "%s", weights_format(weights));
    CHECK(weights_count(weights) == weights_count(twin), "%s: %zu tensors", form->label,
        weights_count(weights));
    for (size_t i = 0; i < weights_count(twin); i++) {
        const struct weight *want = weights_at(twin, i);
        const float *got, *expected;
        if (CHECK_OK(weights_float(weights, want->name, want->rank, want->shape, &got)) &&
            CHECK_OK(weights_float(twin, want->name, want->rank, want->shape, &expected)))
            CHECK(memcmp(got, expected, count_of(want) * sizeof *got) == 0, "%s: %s", form->label,
                want->name);
        weights_done(weights);
        weights_done(twin);
    }
    weights_close(weights);
}

static void written_here(void)
{
    static const struct form forms[] = {
        {"protocol 4", 4, false, false, 0},
        {"protocol 4, old names", 4, false, true, 0},
        {"protocol 4, column-major", 4, true, false, 0},
        {"protocol 2", 2, false, true, 0},
        {"protocol 2, sliced", 2, false, false, 1000},
        {"protocol 4, sliced", 4, false, true, 333},
    };
    static const char *const files[] = {"ldm-text2im-tiny/bert/model.safetensors",
        "ldm-text2im-tiny/vqvae/diffusion_pytorch_model.safetensors"};
    for (size_t k = 0; k < sizeof files / sizeof *files; k++)
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
            const char *path = check_scratch("paddle/model_state.pdparams");
            struct weights *twin;
            if (!CHECK_OK(weights_open_file(check_data(files[k]), &twin)))
                continue;
            put_file(path, &forms[i], twin);
            compare(path, &forms[i], twin);
            weights_close(twin);
        }
}

/* ---- refusals ------------------------------------------------------------------------------- */

#define DTYPE(code, order) " @numpy:dtype ( '" code "' F T t R ( 3 '" order "' N N N 0 0 0 t b "
#define ARRAY(shape, dtype, fortran, data)                                                         \
    " @numpy.core.multiarray:_reconstruct ( @numpy:ndarray ( 0 t 'b' t R ( 1 " shape dtype fortran \
    " @_codecs:encode ( '" data "' 'latin1' t R t b "
#define FILE_OF(items) "P2 } ( " items " u ."

static void check_bad(const char *words, const char *sentence)
{
    struct bytes bytes = {0};
    struct weights *weights = NULL;
    const char *path = check_scratch("paddle/bad.pdparams");
    forge_pickle(&bytes, words);
    forge_save(&bytes, path);
    forge_free(&bytes);
    if (!CHECK_FAILS(weights_open_file(path, &weights), CLAT_ERROR_INPUT, sentence))
        weights_close(weights);
}

static void refusals(void)
{
    static const struct {
        const char *words, *sentence;
    } cases[] = {
        {"P2 } ( 1 " ARRAY("( 1 t", DTYPE("f4", "<"), "F", "aaaa") " u .", "must be a string"},
        {"P2 } ( 'a' @os:system ( 'x' t R u .", "array 'a': expected a numpy array"},
        {FILE_OF("'a' @numpy:ndarray"), "expected a numpy array"},
        {FILE_OF("'a' " ARRAY("( 2 t", DTYPE("f4", "<"), "F", "aaaa")),
            "as many bytes as shape and dtype say"},
        {FILE_OF("'a' " ARRAY("( 1 t", DTYPE("f4", "<"), "F", "aaaaaaaaa")), "as many bytes"},
        {FILE_OF("'a' " ARRAY("( 1 t", DTYPE("f4", ">"), "F", "aaaa")), "big-endian"},
        {FILE_OF("'a' " ARRAY("( 1 t", DTYPE("c8", "<"), "F", "aaaaaaaa")), "a dtype of f2"},
        {FILE_OF("'a' " ARRAY("1", DTYPE("f4", "<"), "F", "aaaa")), "at most 8 sizes"},
        {FILE_OF("'a' " ARRAY("( 1 1 1 1 1 1 1 1 1 t", DTYPE("f4", "<"), "F", "aaaa")),
            "at most 8 sizes"},
        {FILE_OF("'a' " ARRAY("( 'x' t", DTYPE("f4", "<"), "F", "aaaa")), "at most 8 sizes"},
        {FILE_OF(
             "'a' " ARRAY("( 2147483647 2147483647 2147483647 t", DTYPE("f4", "<"), "F", "aaaa")),
            "fits 63 bits"},
        {FILE_OF("'a' " ARRAY("( 1 t", DTYPE("f4", "<"), "'yes'", "aaaa")), "column-major"},
        {FILE_OF("'a' " ARRAY("( 1 t", " 'f4' ", "F", "aaaa")), "numpy.dtype with its state"},
        {FILE_OF("'a' " ARRAY("( 1 t", DTYPE("f4", "<"), "F", "aaaa") "'a' " ARRAY(
             "( 1 t", DTYPE("f4", "<"), "F", "bbbb")),
            "there twice"},
        {FILE_OF("'UnpackBigParamInfor@@' } ( 'a' } u"), "shape and slices are expected"},
        {FILE_OF("'UnpackBigParamInfor@@' } ( 'a' } ( 'OriginShape' ( 1 t 'slices' ] ( 'b' e u u"),
            "each used once"},
        {FILE_OF("'b' " ARRAY("( 1 t", DTYPE("f4", "<"), "F",
             "aaaa") "'UnpackBigParamInfor@@' } ( 'a' } ( 'OriginShape' ( 2 t 'slices' ] ( 'b' e u "
                     "u"),
            "as many elements as OriginShape says"},
        {FILE_OF("'b' " ARRAY("( 1 t", DTYPE("f4", "<"), "F",
             "aaaa") "'UnpackBigParamInfor@@' } ( 'a' } ( 'OriginShape' ( 2 t 'slices' ] ( 'b' 'b' "
                     "e u u"),
            "each used once"},
        {"P2 } . .", "goes on after the end"},
        {"P4 x95 xFF x00 x00 x00 x00 x00 x00 x00 } .", "a frame that is longer"},
        {"P2 } x97 .", "is none that Paddle writes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_bad(cases[i].words, cases[i].sentence);
}

/* The text of an array is looked at when its numbers are wanted: U+0100 is no byte. */
static void wide_text(void)
{
    struct bytes bytes = {0};
    struct weights *weights;
    const float *values;
    const char *path = check_scratch("paddle/wide.pdparams");
    forge_pickle(&bytes, FILE_OF("'a' " ARRAY("( 1 t", DTYPE("f4", "<"), "F",
                             "aa\xC4\x80"
                             "a")));
    forge_save(&bytes, path);
    forge_free(&bytes);
    if (!CHECK_OK(weights_open_file(path, &weights)))
        return;
    CHECK_FAILS(weights_float(weights, "a", 1, (size_t[]){1}, &values), CLAT_ERROR_INPUT,
        "which holds other characters");
    weights_close(weights);
}

int main(void)
{
    written_here();
    refusals();
    wide_text();
    return check_result();
}
