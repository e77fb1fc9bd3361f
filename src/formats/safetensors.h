/* safetensors.h - reading and writing safetensors files. SPDX-License-Identifier: MIT */
#ifndef CLATENT_FORMATS_SAFETENSORS_H
#define CLATENT_FORMATS_SAFETENSORS_H

#include "base/file.h"
#include "base/status.h"
#include "formats/weight.h"
#include <stddef.h>
#include <stdint.h>

/* All tensors of a mapped file, sorted by name; their data stay in the map. CLAT_ERROR_INPUT if any
 * rule of the format is broken. */
enum clat_status safetensors_read(const struct file_map *map, struct weight_list *list);

/* A file written tensor by tensor: data goes to the temporary file at once, the header is put in
 * front on commit. */
struct safetensors_writer;
enum clat_status safetensors_create(const char *path, struct safetensors_writer **writer);
enum clat_status safetensors_add_float(struct safetensors_writer *writer, const char *name,
    int rank, const size_t *shape, const float *values);
enum clat_status safetensors_add_int(struct safetensors_writer *writer, const char *name, int rank,
    const size_t *shape, const int32_t *values);
/* Metadata: string to string. */
enum clat_status safetensors_add_metadata(
    struct safetensors_writer *writer, const char *key, const char *value);
enum clat_status safetensors_commit(struct safetensors_writer *writer); /* and frees it */
void safetensors_abort(struct safetensors_writer *writer);

/* A file of weights, whose names and shapes are known before: the header goes first, and values
 * are given in the order of the tensors. */
struct safetensors_tensor {
    const char *name;
    int rank;
    size_t shape[WEIGHT_RANK];
};
struct safetensors_stream;
/* dtype: DTYPE_F32 or DTYPE_F16. `tensors` must live until the stream is closed. */
enum clat_status safetensors_stream_open(const char *path, const struct safetensors_tensor *tensors,
    size_t count, enum dtype dtype, struct safetensors_stream **stream);
/* CLAT_ERROR_INPUT if a value does not fit F16. */
enum clat_status safetensors_stream_add(struct safetensors_stream *stream, const float *values);
enum clat_status safetensors_stream_commit(struct safetensors_stream *stream); /* and frees it */
void safetensors_stream_abort(struct safetensors_stream *stream);

#endif
