/* safetensors_writer.c - a safetensors file, tensor by tensor. SPDX-License-Identifier: MIT
 *
 * The header stands in front of the data but is known only at the end. So the data of each tensor
 * go to an unnamed temporary file at once, and commit writes header and data to the real one.
 * Tensors keep the order in which they were added; elements are 4 bytes wide, so all stay aligned.
 */
#include "formats/safetensors.h"
#include "base/memory.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct safetensors_writer {
    struct file_out out;
    FILE *data;           /* tmpfile() */
    size_t size;          /* bytes in data */
    struct text entries;  /* ,"name":{...} ... */
    struct text metadata; /* ,"key":"value" ... */
    char **names;         /* taken so far */
    size_t name_count, name_capacity;
};

enum clat_status safetensors_create(const char *path, struct safetensors_writer **writer)
{
    struct safetensors_writer *made;
    enum clat_status status = memory_new(1, sizeof *made, &made);
    if (status != CLAT_OK)
        return status;
    TRY(file_out_open(path, &made->out));
    made->data = tmpfile();
    if (!made->data)
        FAIL(CLAT_ERROR_OUTPUT, "cannot make a temporary file for '%s': %s", path, strerror(errno));
    *writer = made;
    return CLAT_OK;
out:
    safetensors_abort(made);
    return status;
}

void safetensors_abort(struct safetensors_writer *writer)
{
    if (!writer)
        return;
    file_out_abort(&writer->out);
    if (writer->data)
        fclose(writer->data);
    for (size_t i = 0; i < writer->name_count; i++)
        free(writer->names[i]);
    free(writer->names);
    text_free(&writer->entries);
    text_free(&writer->metadata);
    free(writer);
}

/* `bytes` as a JSON string; it must be UTF-8. */
static enum clat_status print_string(struct text *text, const char *bytes)
{
    enum clat_status status;
    size_t size = strlen(bytes);
    if (!text_is_utf8(bytes, size))
        return status_set(CLAT_ERROR_INPUT, "not UTF-8: '%s'", bytes);
    TRY(text_add(text, "\"", 1));
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '"' || c == '\\')
            TRY(text_print(text, "\\%c", c));
        else if (c < 0x20 || c == 0x7F)
            TRY(text_print(text, "\\u%04x", c));
        else
            TRY(text_add(text, bytes + i, 1));
    }
    TRY(text_add(text, "\"", 1));
out:
    return status;
}

static enum clat_status take_name(struct safetensors_writer *writer, const char *name)
{
    for (size_t i = 0; i < writer->name_count; i++)
        if (strcmp(writer->names[i], name) == 0)
            return status_set(CLAT_ERROR_INTERNAL, "tensor '%s' is written twice to '%s'", name,
                writer->out.path);
    enum clat_status status = memory_grow(
        &writer->names, &writer->name_capacity, writer->name_count, sizeof *writer->names);
    if (status == CLAT_OK)
        status = memory_string(name, &writer->names[writer->name_count]);
    if (status == CLAT_OK)
        writer->name_count++;
    return status;
}

static enum clat_status print_entry(struct safetensors_writer *writer, const char *name,
    const char *dtype, int rank, const size_t *shape, size_t bytes)
{
    struct text *entries = &writer->entries;
    enum clat_status status;
    TRY(text_print(entries, ","));
    TRY(print_string(entries, name));
    TRY(text_print(entries, ":{\"dtype\":\"%s\",\"shape\":[", dtype));
    for (int axis = 0; axis < rank; axis++)
        TRY(text_print(entries, "%s%zu", axis ? "," : "", shape[axis]));
    TRY(text_print(entries, "],\"data_offsets\":[%zu,%zu]}", writer->size, writer->size + bytes));
out:
    return status;
}

/* Four bytes per value, little-endian whatever the host is. */
static enum clat_status write_words(
    struct safetensors_writer *writer, const void *values, size_t count)
{
    const unsigned char *from = values;
    for (size_t i = 0; i < count; i++, from += 4) {
        uint32_t word;
        memcpy(&word, from, 4);
        unsigned char bytes[4] = {(unsigned char)word, (unsigned char)(word >> 8),
            (unsigned char)(word >> 16), (unsigned char)(word >> 24)};
        if (fwrite(bytes, 1, 4, writer->data) != 4)
            return status_set(
                CLAT_ERROR_OUTPUT, "cannot write '%s': %s", writer->out.path, strerror(errno));
    }
    return CLAT_OK;
}

static enum clat_status add(struct safetensors_writer *writer, const char *name, const char *dtype,
    int rank, const size_t *shape, const void *values)
{
    struct weight weight = {.rank = rank};
    size_t elements;
    enum clat_status status;
    if (rank < 0 || rank > WEIGHT_RANK)
        return status_set(CLAT_ERROR_INTERNAL, "tensor '%s' has %d axes", name, rank);
    for (int axis = 0; axis < rank; axis++)
        weight.shape[axis] = shape[axis];
    if (!weight_set_row_major(&weight, &elements) || elements > (SIZE_MAX / 2 - writer->size) / 4)
        return status_set(CLAT_ERROR_INTERNAL, "tensor '%s' is too large", name);
    TRY(take_name(writer, name));
    TRY(print_entry(writer, name, dtype, rank, shape, elements * 4));
    TRY(write_words(writer, values, elements));
    writer->size += elements * 4;
out:
    return status;
}

enum clat_status safetensors_add_float(struct safetensors_writer *writer, const char *name,
    int rank, const size_t *shape, const float *values)
{
    return add(writer, name, "F32", rank, shape, values);
}

enum clat_status safetensors_add_int(struct safetensors_writer *writer, const char *name, int rank,
    const size_t *shape, const int32_t *values)
{
    return add(writer, name, "I32", rank, shape, values);
}

enum clat_status safetensors_add_metadata(
    struct safetensors_writer *writer, const char *key, const char *value)
{
    enum clat_status status;
    TRY(text_print(&writer->metadata, "%s", writer->metadata.size ? "," : ""));
    TRY(print_string(&writer->metadata, key));
    TRY(text_print(&writer->metadata, ":"));
    TRY(print_string(&writer->metadata, value));
out:
    return status;
}

static enum clat_status write_header(struct safetensors_writer *writer)
{
    struct text header = {0};
    unsigned char frame[8];
    enum clat_status status;
    const char *entries = writer->entries.size ? writer->entries.data + 1 : "";
    TRY(text_print(&header, "{"));
    if (writer->metadata.size)
        TRY(text_print(
            &header, "\"__metadata__\":{%s}%s", writer->metadata.data, *entries ? "," : ""));
    TRY(text_print(&header, "%s}", entries));
    while (header.size % 8)
        TRY(text_add(&header, " ", 1));
    for (int i = 0; i < 8; i++)
        frame[i] = (unsigned char)((uint64_t)header.size >> (8 * i));
    TRY(file_out_write(&writer->out, frame, sizeof frame));
    TRY(file_out_write(&writer->out, header.data, header.size));
out:
    text_free(&header);
    return status;
}

static enum clat_status copy_data(struct safetensors_writer *writer)
{
    unsigned char block[1 << 14];
    if (fflush(writer->data) != 0 || fseek(writer->data, 0, SEEK_SET) != 0)
        return status_set(
            CLAT_ERROR_OUTPUT, "cannot write '%s': %s", writer->out.path, strerror(errno));
    for (size_t left = writer->size; left;) {
        size_t wanted = left < sizeof block ? left : sizeof block;
        if (fread(block, 1, wanted, writer->data) != wanted)
            return status_set(CLAT_ERROR_OUTPUT, "cannot write '%s': the temporary data are gone",
                writer->out.path);
        enum clat_status status = file_out_write(&writer->out, block, wanted);
        if (status != CLAT_OK)
            return status;
        left -= wanted;
    }
    return CLAT_OK;
}

enum clat_status safetensors_commit(struct safetensors_writer *writer)
{
    enum clat_status status;
    TRY(write_header(writer));
    TRY(copy_data(writer));
    TRY(file_out_commit(&writer->out));
out:
    safetensors_abort(writer);
    return status;
}
