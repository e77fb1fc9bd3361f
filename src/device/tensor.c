/* tensor.c - views of device memory, and copies between them and host arrays.
 * SPDX-License-Identifier: MIT */
#include "device/tensor.h"
#include "device/watchdog.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

size_t tensor_pixels(const struct tensor *tensor)
{
    return (size_t)tensor->n * (size_t)tensor->h * (size_t)tensor->w;
}

size_t tensor_elements(const struct tensor *tensor)
{
    return tensor_pixels(tensor) * (size_t)tensor->c;
}

struct tensor tensor_channels(const struct tensor *tensor, int first, int count)
{
    struct tensor view = *tensor;
    view.offset += (size_t)first;
    view.c = count;
    return view;
}

struct tensor tensor_batch(const struct tensor *tensor, int first, int count)
{
    struct tensor view = *tensor;
    view.offset += (size_t)first * (size_t)tensor->h * (size_t)tensor->w * (size_t)tensor->stride;
    view.n = count;
    return view;
}

struct tensor tensor_reshape(const struct tensor *tensor, int n, int h, int w, int c)
{
    struct tensor view = *tensor;
    view.n = n;
    view.h = h;
    view.w = w;
    view.c = c;
    view.stride = c;
    return view;
}

/* The rows of a tensor as the rectangle copies want them: bytes per row, rows, bytes between rows.
 */
struct rows {
    size_t host_origin[3], device_origin[3], region[3], device_pitch, host_pitch;
};

static struct rows tensor_rows(const struct tensor *tensor)
{
    size_t row = (size_t)tensor->c * sizeof(float);
    size_t pitch = (size_t)tensor->stride * sizeof(float);
    size_t start = tensor->offset * sizeof(float);
    return (struct rows){
        {0, 0, 0}, {start % pitch, start / pitch, 0}, {row, tensor_pixels(tensor), 1}, pitch, row};
}

static bool is_dense(const struct tensor *tensor)
{
    return tensor->stride == tensor->c;
}

/* A row of a strided view may begin before the end of a stride: then rows are copied one by one. */
static bool rows_fit(const struct rows *rows)
{
    return rows->device_origin[0] + rows->region[0] <= rows->device_pitch;
}

static cl_int copy_rows(
    struct device *device, const struct tensor *tensor, float *values, bool write)
{
    cl_int code = CL_SUCCESS;
    size_t row = (size_t)tensor->c, bytes = row * sizeof(float);
    for (size_t i = 0; i < tensor_pixels(tensor) && code == CL_SUCCESS; i++) {
        size_t start = (tensor->offset + i * (size_t)tensor->stride) * sizeof(float);
        code = write ? clEnqueueWriteBuffer(device->queue, tensor->memory, CL_TRUE, start, bytes,
                           values + i * row, 0, NULL, NULL)
                     : clEnqueueReadBuffer(device->queue, tensor->memory, CL_TRUE, start, bytes,
                           values + i * row, 0, NULL, NULL);
    }
    return code;
}

static cl_int write_values(struct device *device, const struct tensor *tensor, const float *values)
{
    struct rows rows = tensor_rows(tensor);
    if (is_dense(tensor))
        return clEnqueueWriteBuffer(device->queue, tensor->memory, CL_TRUE,
            tensor->offset * sizeof(float), tensor_elements(tensor) * sizeof(float), values, 0,
            NULL, NULL);
    if (!rows_fit(&rows))
        return copy_rows(device, tensor, (float *)values, true);
    return clEnqueueWriteBufferRect(device->queue, tensor->memory, CL_TRUE, rows.device_origin,
        rows.host_origin, rows.region, rows.device_pitch, 0, rows.host_pitch, 0, values, 0, NULL,
        NULL);
}

static cl_int read_values(struct device *device, const struct tensor *tensor, float *values)
{
    struct rows rows = tensor_rows(tensor);
    if (is_dense(tensor))
        return clEnqueueReadBuffer(device->queue, tensor->memory, CL_TRUE,
            tensor->offset * sizeof(float), tensor_elements(tensor) * sizeof(float), values, 0,
            NULL, NULL);
    if (!rows_fit(&rows))
        return copy_rows(device, tensor, values, false);
    return clEnqueueReadBufferRect(device->queue, tensor->memory, CL_TRUE, rows.device_origin,
        rows.host_origin, rows.region, rows.device_pitch, 0, rows.host_pitch, 0, values, 0, NULL,
        NULL);
}

enum clat_status tensor_write(
    struct device *device, const struct tensor *tensor, const float *values)
{
    enum clat_status status = CLAT_OK;
    if (device->dry || tensor_elements(tensor) == 0)
        return CLAT_OK;
    TRY(watchdog_drain(device, device->queue));
    cl_int code = write_values(device, tensor, values);
    if (code != CL_SUCCESS)
        status = opencl_fault(device, code, "writing %zu floats", tensor_elements(tensor));
out:
    return status;
}

enum clat_status tensor_read(struct device *device, const struct tensor *tensor, float *values)
{
    enum clat_status status = CLAT_OK;
    if (device->dry)
        memset(values, 0, tensor_elements(tensor) * sizeof(float));
    if (device->dry || tensor_elements(tensor) == 0)
        return CLAT_OK;
    TRY(device_finish(device));
    cl_int code = read_values(device, tensor, values);
    if (code != CL_SUCCESS)
        status = opencl_fault(device, code, "reading %zu floats", tensor_elements(tensor));
out:
    return status;
}

/* to[n][column][row] = from[n][row][column] */
static void transpose(float *to, const float *from, size_t n, size_t rows, size_t columns)
{
    for (size_t i = 0; i < n; i++)
        for (size_t row = 0; row < rows; row++)
            for (size_t column = 0; column < columns; column++)
                to[(i * columns + column) * rows + row] = from[(i * rows + row) * columns + column];
}

enum clat_status tensor_write_nchw(
    struct device *device, const struct tensor *tensor, const float *values)
{
    enum clat_status status;
    float *turned = NULL;
    TRY(memory_new(tensor_elements(tensor), sizeof *turned, &turned));
    transpose(turned, values, (size_t)tensor->n, (size_t)tensor->c,
        (size_t)tensor->h * (size_t)tensor->w);
    TRY(tensor_write(device, tensor, turned));
out:
    free(turned);
    return status;
}

enum clat_status tensor_read_nchw(struct device *device, const struct tensor *tensor, float *values)
{
    enum clat_status status;
    float *turned = NULL;
    TRY(memory_new(tensor_elements(tensor), sizeof *turned, &turned));
    TRY(tensor_read(device, tensor, turned));
    transpose(values, turned, (size_t)tensor->n, (size_t)tensor->h * (size_t)tensor->w,
        (size_t)tensor->c);
out:
    free(turned);
    return status;
}
