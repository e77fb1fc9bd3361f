/* weight.h - what every model-file reader hands out: named views of tensors in a mapped file.
 * SPDX-License-Identifier: MIT */
#ifndef CLATENT_FORMATS_WEIGHT_H
#define CLATENT_FORMATS_WEIGHT_H

#include "base/file.h"
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dtype {
    DTYPE_F32,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_F64,
    DTYPE_I64,
    DTYPE_I32,
    DTYPE_I16,
    DTYPE_I8,
    DTYPE_U8,
    DTYPE_BOOL,
    DTYPE_OTHER /* present in a file, of no use to a network */
};
/* Bytes a dtype takes; 0 for DTYPE_OTHER. And its name ("F32"). */
size_t dtype_size(enum dtype dtype);
const char *dtype_name(enum dtype dtype);

#define WEIGHT_RANK 8
#define WEIGHT_COUNT 200000 /* most tensors in one file */
#define WEIGHT_NAME 1024    /* longest name, in bytes */

/* A stretch of a file with a checksum that is verified when a tensor in it is first asked for. */
struct weight_check {
    const unsigned char *data;
    size_t size;
    uint32_t crc; /* CRC-32 as in zip */
    bool done;
};

/* Bytes of a tensor that are not simply there: a slice of it, or text in UTF-8 whose characters
 * U+0000 to U+00FF are the bytes (so pickles of protocol 2 hold them). */
struct weight_piece {
    const unsigned char *data; /* inside a mapped file */
    size_t size;               /* in the file */
    size_t bytes;              /* of the tensor */
    bool text;
};

struct weight {
    char *name;   /* as the networks call it (diffusers' current names) */
    char *stored; /* as the file calls it; NULL: the same */
    enum dtype dtype;
    int rank; /* 0 is a scalar */
    size_t shape[WEIGHT_RANK];
    size_t stride[WEIGHT_RANK]; /* in elements; row-major if the tensor is contiguous */
    size_t group, group_stride; /* not 0: the first axis comes in groups of so many, and so many
                                   elements lie from one group's first to the next one's */
    const unsigned char *data;  /* first element, unaligned, inside a mapped file */
    size_t bytes;               /* from the first to past the last element reached */
    const struct weight_piece *pieces; /* [piece_count], one after the other; owned by the list */
    size_t piece_count;                /* not 0: `data` is only where the first piece lies */
    bool used;                         /* a network asked for it */
    struct weight_check *check;        /* or NULL; owned by the list */
};

/* Zero-initialise. */
struct weight_list {
    struct weight *items;
    size_t count, capacity;
    struct weight_check *checks; /* one array, made by the reader */
    struct weight_piece *pieces; /* the same */
    const char *format;          /* "safetensors", "torch zip", ... */
};
/* Adds a tensor with a copy of the name; refuses names that are too long, hold control characters
 * or are not UTF-8, and more than WEIGHT_COUNT tensors. `weight` gives all fields but the name. */
enum clat_status weight_list_add(struct weight_list *list, const char *file, const char *name,
    size_t name_size, const struct weight *weight);
/* Sorts by name; two tensors of the same name are CLAT_ERROR_INPUT. */
enum clat_status weight_list_sort(struct weight_list *list, const char *file);
void weight_list_free(struct weight_list *list);

/* Fills stride for a row-major tensor and *elements with the product of the shape. False if the
 * rank is too large, a size is over 2^31, or the product wraps (also if a zero hides it). */
bool weight_set_row_major(struct weight *weight, size_t *elements);
bool weight_is_row_major(const struct weight *weight);

/* True for F32, F16, BF16 and F64. */
bool dtype_is_float(enum dtype dtype);
/* Puts the pieces of a tensor together; bytes[weight->bytes]. False if a text is not such a text.
 */
bool weight_join(const struct weight *weight, unsigned char *bytes);
/* values[] = a tensor of such numbers (without pieces) in row-major order. Exact for F32, F16 and
 * BF16; F64 is rounded to nearest. */
void weight_to_float(const struct weight *weight, float *values);
/* True if the file's own bytes can serve as that array. */
bool weight_is_float_array(const struct weight *weight);

/* "[320, 4, 3, 3]" */
enum { WEIGHT_SHAPE_TEXT = 256 };
const char *weight_shape_text(int rank, const size_t *shape, char text[WEIGHT_SHAPE_TEXT]);

#endif
