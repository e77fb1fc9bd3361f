/* gemm_quad.h - the inputs and the output of a product, four columns at a time. SPDX-License-Identifier: MIT
 *
 * For kernels in work-groups. Options: GEGLU; ODD unless in and in2 are multiples of four; ALIGNED if every
 * row of x, x2, residual and y begins at a multiple of 16 bytes. Without it a compiler must not take four
 * floats at once, and some read them one by one. */
#ifndef GEGLU
#define GEGLU 0
#endif

#ifdef ALIGNED
#define QUAD_AT(p) (*(global const float4 *)(p))
#define QUAD_TO(v, p) (*(global float4 *)(p) = (v))
#else
#define QUAD_AT(p) vload4(0, p)
#define QUAD_TO(v, p) vstore4(v, 0, p)
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
    return QUAD_AT(from + (size_t)min(row, inputs->rows - 1) *
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
    global const float *residual = o->residual + (size_t)r * o->residual_stride + c;
    global float *y = o->y + (size_t)r * o->y_stride + c;
    bool whole = c + 4 <= o->columns;
    if (o->residual)
        v += whole ? QUAD_AT(residual) : load_quad(residual, o->columns - c);
    if (whole)
        QUAD_TO(v, y);
    else
        store_quad(v, y, o->columns - c);
}

#define OUTPUT_ARGUMENTS                                                                           \
    global const float *restrict bias, TENSOR_IN(residual), int residual_stride, TENSOR_OUT(y),    \
        int y_stride, int rows, int columns
#define OUTPUTS                                                                                    \
    {                                                                                              \
        TENSOR_GIVEN(residual) ? TENSOR_AT(residual) : 0, TENSOR_AT(y), residual_stride, y_stride, \
            rows, columns                                                                          \
    }
