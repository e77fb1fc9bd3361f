/* gemm_finish.h - what becomes of a product: bias, activation (GEGLU if pairs), residual.
 * SPDX-License-Identifier: MIT
 *
 * For kernels with rows of 16*VECTORS sums in private memory. */
struct finish {
    global const float *bias, *residual;
    global float *y;
    int activation, pairs, residual_stride, y_stride, columns; /* `columns` of y */
};

/* y[0..left) = value + residual, at most 16 of them */
static inline void store_part(
    float16 value, global const float *residual, global float *y, int left)
{
    float part[16];
    vstore16(value, 0, part);
    for (int i = 0; i < left; i++)
        y[i] = residual ? part[i] + residual[i] : part[i];
}

static inline void store_vector(float16 value, const struct finish *f, int row, int column)
{
    global float *y = f->y + (size_t)row * f->y_stride + column;
    global const float *residual =
        f->residual ? f->residual + (size_t)row * f->residual_stride + column : 0;
    if (column + 16 > f->columns)
        store_part(value, residual, y, f->columns - column);
    else
        vstore16(residual ? value + vload16(0, residual) : value, 0, y);
}

/* Row `row` of the product from column `first` on (in packed order) to y. */
static inline void store_row(const float *values, const struct finish *f, int row, int first)
{
    for (int j = 0; j < VECTORS; j++) {
        float16 value = vload16(j, values);
        if (f->bias)
            value += vload16(j, f->bias + first);
#if VECTORS > 1
        if (f->pairs) {
            float16 gate = vload16(j + 1, values);
            if (f->bias)
                gate += vload16(j + 1, f->bias + first);
            store_vector(value * gelu16(gate), f, row, (first + j * 16) / 2);
            j++;
            continue;
        }
#endif
        store_vector(activate16(f->activation, value), f, row, first + j * 16);
    }
}

/* Asks for the cache lines that store_row() of the same place will want. */
static inline void fetch_place(const struct finish *f, int row, int first)
{
    int column = f->pairs ? first / 2 : first, end = min(f->columns, column + (f->pairs ? 8 : 16) * VECTORS);
    for (; column < end; column += 16) {
        PREFETCH_WRITE(f->y + (size_t)row * f->y_stride + column);
        if (f->residual)
            PREFETCH(f->residual + (size_t)row * f->residual_stride + column);
    }
}
