/* gemm_quad.h - the inputs and the output of a product, four columns at a time. SPDX-License-Identifier: MIT
 *
 * For kernels in work-groups. Options: GEGLU; ODD unless in and in2 are multiples of four. */
#ifndef GEGLU
#define GEGLU 0
#endif

/* The two inputs as one matrix. */
struct inputs {
    global const float *x, *x2;
    int x_stride, x2_stride, in, k, rows;
};

/* Columns [column, column + 4) of some rows. What comes of rows beyond the last is not stored; columns
 * beyond the last meet weights of zero. */
#ifdef ODD
static inline float4 input_quad(const struct inputs *inputs, int row, int column)
{
    size_t r = min(row, inputs->rows - 1);
    float quad[4];
    for (int i = 0; i < 4; i++) {
        int c = min(column + i, inputs->k - 1);
        quad[i] = c < inputs->in ? inputs->x[r * inputs->x_stride + c]
                                 : inputs->x2[r * inputs->x2_stride + c - inputs->in];
    }
    return vload4(0, quad);
}
#else
static inline float4 input_quad(const struct inputs *inputs, int row, int column)
{
    int c = min(column, inputs->k - 4);
    bool second = c >= inputs->in;
    global const float *from = second ? inputs->x2 + (c - inputs->in) : inputs->x + c;
    return vload4(0, from + (size_t)min(row, inputs->rows - 1) *
            (second ? inputs->x2_stride : inputs->x_stride));
}
#endif

/* Where the results go. */
struct outputs {
    global const float *residual;
    global float *y;
    int residual_stride, y_stride, rows, columns;
};

/* Columns c .. + 3 of row r: v or v*gelu(gate), + residual. */
static inline void output_quad(const struct outputs *o, int r, int c, float4 v, float4 gate)
{
    if (r >= o->rows || c >= o->columns)
        return;
    if (GEGLU)
        v *= gelu4(gate);
    if (o->residual)
        v += load_quad(o->residual + (size_t)r * o->residual_stride + c, o->columns - c);
    store_quad(v, o->y + (size_t)r * o->y_stride + c, o->columns - c);
}

#define OUTPUT_ARGUMENTS                                                                           \
    global const float *restrict bias, TENSOR_IN(residual), int residual_stride, TENSOR_OUT(y),    \
        int y_stride, int rows, int columns
#define OUTPUTS                                                                                    \
    {                                                                                              \
        TENSOR_GIVEN(residual) ? TENSOR_AT(residual) : 0, TENSOR_AT(y), residual_stride, y_stride, \
            rows, columns                                                                          \
    }
