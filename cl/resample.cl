/* resample.cl - nearest neighbour to any size. SPDX-License-Identifier: MIT
 *
 *     y[image][row][column][c] = x[image][row * in_h / out_h][column * in_w / out_w][c], rounded down
 *
 * Grid: (channels, output columns, images * output rows). The _cpu form: a job is one output row. */
#include "common.h"

KERNEL_GROUP(32, 8, 1)
void resize_nearest(TENSOR_IN(x), int x_stride, TENSOR_OUT(y), int y_stride, int in_h, int in_w,
    int out_h, int out_w, int c)
{
    int k = get_global_id(0), column = get_global_id(1), line = get_global_id(2);
    int image = line / out_h, from_row = line % out_h * in_h / out_h;
    if (k >= c || column >= out_w)
        return;
    size_t from = ((size_t)image * in_h + from_row) * in_w + column * in_w / out_w;
    size_t to = (size_t)line * out_w + column;
    TENSOR_AT(y)[to * y_stride + k] = TENSOR_AT(x)[from * x_stride + k];
}

KERNEL_CPU void resize_nearest_cpu(TENSOR_IN(x), int x_stride, TENSOR_OUT(y), int y_stride, int in_h,
    int in_w, int out_h, int out_w, int c, int lines, JOB_COUNTER)
{
    JOBS(line, lines)
    {
        int image = line / out_h, from_row = line % out_h * in_h / out_h;
        size_t from_line = ((size_t)image * in_h + from_row) * in_w;
        for (int column = 0; column < out_w; column++) {
            __global const float *in =
                TENSOR_AT(x) + (from_line + column * in_w / out_w) * x_stride;
            __global float *out = TENSOR_AT(y) + ((size_t)line * out_w + column) * y_stride;
            int k = 0;
            for (; k + 16 <= c; k += 16)
                vstore16(vload16(0, in + k), 0, out + k);
            for (; k < c; k++)
                out[k] = in[k];
        }
    }
    JOBS_END
}
