/* safetensors_stream.c - a safetensors file whose tensors are known before their numbers.
 * SPDX-License-Identifier: MIT
 *
 * With all names and shapes at hand the header can be written first, so that weights of any size
 * go straight to their file. Numbers are stored as F32 or, rounded to nearest even, as F16. */
#include "base/half.h"
#include "base/memory.h"
#include "formats/escape.h"
#include "formats/safetensors.h"

#include <stdlib.h>
#include <string.h>

struct safetensors_stream {
    struct file_out out;
    const struct safetensors_tensor *tensors;
    size_t count, at; /* the next one to come */
    enum dtype dtype;
    unsigned char block[1 << 14];
};

/* ---- the header ----------------------------------------------------------------------------- */

static enum clat_status count_bytes(
    const struct safetensors_tensor *tensor, enum dtype dtype, size_t *elements, size_t *bytes)
{
    struct weight weight = {.rank = tensor->rank};
    if (tensor->rank < 0 || tensor->rank > WEIGHT_RANK)
        return status_set(
            CLAT_ERROR_INTERNAL, "tensor '%s' has %d axes", tensor->name, tensor->rank);
    memcpy(weight.shape, tensor->shape, (size_t)tensor->rank * sizeof *tensor->shape);
    if (!weight_set_row_major(&weight, elements) || !size_mul(*elements, dtype_size(dtype), bytes))
        return status_set(CLAT_ERROR_INTERNAL, "tensor '%s' is too large", tensor->name);
    return CLAT_OK;
}

static enum clat_status print_entry(
    struct text *header, const struct safetensors_stream *stream, size_t i, size_t *offset)
{
    const struct safetensors_tensor *tensor = &stream->tensors[i];
    size_t elements, bytes, end;
    enum clat_status status;
    TRY(count_bytes(tensor, stream->dtype, &elements, &bytes));
    if (!size_add(*offset, bytes, &end) || end > SIZE_MAX / 2)
        FAIL(CLAT_ERROR_INTERNAL, "'%s' is too large", stream->out.path);
    TRY(text_print(header, ","));
    TRY(escape_json(header, tensor->name));
    TRY(text_print(header, ":{\"dtype\":\"%s\",\"shape\":[", dtype_name(stream->dtype)));
    for (int axis = 0; axis < tensor->rank; axis++)
        TRY(text_print(header, "%s%zu", axis ? "," : "", tensor->shape[axis]));
    TRY(text_print(header, "],\"data_offsets\":[%zu,%zu]}", *offset, end));
    *offset = end;
out:
    return status;
}

/* The libraries that read such files want to know that the numbers lie as torch's do. */
static enum clat_status write_header(struct safetensors_stream *stream)
{
    struct text header = {0};
    unsigned char frame[8];
    size_t offset = 0;
    enum clat_status status;
    TRY(text_print(&header, "{\"__metadata__\":{\"format\":\"pt\"}"));
    for (size_t i = 0; i < stream->count; i++)
        TRY(print_entry(&header, stream, i, &offset));
    TRY(text_print(&header, "}"));
    while (header.size % 8)
        TRY(text_add(&header, " ", 1));
    for (int i = 0; i < 8; i++)
        frame[i] = (unsigned char)((uint64_t)header.size >> (8 * i));
    TRY(file_out_write(&stream->out, frame, sizeof frame));
    TRY(file_out_write(&stream->out, header.data, header.size));
out:
    text_free(&header);
    return status;
}

enum clat_status safetensors_stream_open(const char *path, const struct safetensors_tensor *tensors,
    size_t count, enum dtype dtype, struct safetensors_stream **stream)
{
    struct safetensors_stream *made;
    enum clat_status status = memory_new(1, sizeof *made, &made);
    if (status != CLAT_OK)
        return status;
    made->tensors = tensors;
    made->count = count;
    made->dtype = dtype;
    TRY(file_out_open(path, &made->out));
    TRY(write_header(made));
    *stream = made;
    return CLAT_OK;
out:
    safetensors_stream_abort(made);
    return status;
}

/* ---- the numbers ---------------------------------------------------------------------------- */

static enum clat_status store(
    const struct safetensors_stream *stream, float value, unsigned char *bytes)
{
    uint32_t bits;
    uint16_t half;
    if (stream->dtype == DTYPE_F32) {
        memcpy(&bits, &value, sizeof bits);
        for (int i = 0; i < 4; i++)
            bytes[i] = (unsigned char)(bits >> (8 * i));
        return CLAT_OK;
    }
    if (!half_holds(value))
        return status_set(CLAT_ERROR_INPUT,
            "tensor '%s' holds %g, which f16 cannot: convert to f32",
            stream->tensors[stream->at].name, (double)value);
    half = half_of(value);
    bytes[0] = (unsigned char)half;
    bytes[1] = (unsigned char)(half >> 8);
    return CLAT_OK;
}

enum clat_status safetensors_stream_add(struct safetensors_stream *stream, const float *values)
{
    size_t elements, bytes, used = 0, size = dtype_size(stream->dtype);
    enum clat_status status;
    if (stream->at >= stream->count)
        return status_set(CLAT_ERROR_INTERNAL, "one tensor too many in '%s'", stream->out.path);
    TRY(count_bytes(&stream->tensors[stream->at], stream->dtype, &elements, &bytes));
    for (size_t i = 0; i < elements; i++, used += size) {
        if (used == sizeof stream->block) {
            TRY(file_out_write(&stream->out, stream->block, used));
            used = 0;
        }
        TRY(store(stream, values[i], stream->block + used));
    }
    TRY(file_out_write(&stream->out, stream->block, used));
    stream->at++;
out:
    return status;
}

enum clat_status safetensors_stream_commit(struct safetensors_stream *stream)
{
    enum clat_status status;
    if (stream->at != stream->count)
        FAIL(CLAT_ERROR_INTERNAL, "%zu of %zu tensors were written to '%s'", stream->at,
            stream->count, stream->out.path);
    TRY(file_out_commit(&stream->out));
out:
    safetensors_stream_abort(stream);
    return status;
}

void safetensors_stream_abort(struct safetensors_stream *stream)
{
    if (stream)
        file_out_abort(&stream->out);
    free(stream);
}
