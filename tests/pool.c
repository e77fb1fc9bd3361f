/* pool.c - the two-ended stack, tensor views and copies. SPDX-License-Identifier: MIT */
#include "check.h"
#include "device/tensor.h"

#include <string.h>

static bool is_between(const struct tensor *tensor, const struct pool *pool)
{
    size_t last = tensor->offset + (tensor_pixels(tensor) - 1) * (size_t)tensor->stride + tensor->c;
    return last * sizeof(float) <= pool->buffer.size && tensor->offset % 64 == 0;
}

static void check_ends(struct device *device)
{
    struct pool pool;
    struct tensor a, b, c;
    CHECK_OK(pool_open(device, 256 * 5 + 100, &pool));
    CHECK_OK(pool_take(&pool, POOL_FRONT, 1, 1, 1, 1, &a));
    CHECK_OK(pool_take(&pool, POOL_BACK, 1, 2, 2, 16, &b));
    struct pool_mark mark = pool_mark(&pool);
    CHECK_OK(pool_take(&pool, POOL_FRONT, 2, 3, 5, 4, &c));
    CHECK(is_between(&a, &pool) && is_between(&b, &pool) && is_between(&c, &pool),
        "offsets %zu %zu %zu", a.offset, b.offset, c.offset);
    CHECK(a.offset == 0 && c.offset == 64 && b.offset == 256, "offsets %zu %zu %zu", a.offset,
        c.offset, b.offset);
    CHECK(pool.front == 768 && pool.back == 256 && pool.peak == 1024, "%zu %zu %zu", pool.front,
        pool.back, pool.peak);
    CHECK_OK(pool_take(&pool, POOL_BACK, 1, 1, 1, 64, &c));
    CHECK_FAILS(pool_take(&pool, POOL_BACK, 1, 1, 1, 1, &c), CLAT_ERROR_INTERNAL, "256 more bytes");
    CHECK_FAILS(pool_take(&pool, POOL_FRONT, 1, 1, 1, 1, &c), CLAT_ERROR_INTERNAL, "1280 of 1380");
    pool_release(&pool, POOL_FRONT, mark);
    CHECK(pool.front == 256 && pool.back == 512, "%zu %zu", pool.front, pool.back);
    pool_release(&pool, POOL_BACK, mark);
    CHECK(pool.front == 256 && pool.back == 256 && pool.peak == 1280, "%zu %zu %zu", pool.front,
        pool.back, pool.peak);
    pool_close(&pool);
    pool_close(&pool); /* closing twice is harmless */
}

static void check_bad_sizes(struct device *device)
{
    struct pool pool;
    struct tensor t;
    CHECK_OK(pool_open(device, 4096, &pool));
    CHECK_FAILS(pool_take(&pool, POOL_FRONT, 1, 0, 1, 1, &t), CLAT_ERROR_INTERNAL, "1 x 0 x 1 x 1");
    CHECK_FAILS(pool_take(&pool, POOL_FRONT, 1, 1, -1, 1, &t), CLAT_ERROR_INTERNAL, "-1");
    CHECK_FAILS(pool_take(&pool, POOL_FRONT, 2147483647, 2147483647, 2147483647, 2, &t),
        CLAT_ERROR_INTERNAL, "cannot be made");
    pool_close(&pool);
}

static void check_views(void)
{
    struct tensor t = {.offset = 10, .n = 2, .h = 3, .w = 4, .c = 6, .stride = 8};
    struct tensor channels = tensor_channels(&t, 2, 3), batch = tensor_batch(&t, 1, 1);
    struct tensor shape = tensor_reshape(&t, 1, 1, 24, 6);
    CHECK(tensor_pixels(&t) == 24 && tensor_elements(&t) == 144, "%zu", tensor_elements(&t));
    CHECK(channels.offset == 12 && channels.c == 3 && channels.stride == 8, "%zu", channels.offset);
    CHECK(batch.offset == 10 + 96 && batch.n == 1 && batch.c == 6, "%zu", batch.offset);
    CHECK(shape.w == 24 && shape.c == 6 && shape.stride == 6, "%d", shape.stride);
}

/* Writes a slice of wider rows and reads it back; the columns beside it must stay. */
static void check_copies(struct device *device, int first, int count)
{
    enum { N = 2, H = 3, W = 5, C = 7 };
    float all[N * H * W * C], part[N * H * W * C], back[N * H * W * C], turned[N * H * W * C];
    struct pool pool;
    struct tensor t;
    check_random(all, N * H * W * C, 1);
    check_random(part, N * H * W * C, 2);
    CHECK_OK(pool_open(device, 4096, &pool));
    CHECK_OK(pool_take(&pool, POOL_BACK, N, H, W, C, &t));
    struct tensor slice = tensor_channels(&t, first, count);
    CHECK_OK(tensor_write(device, &t, all));
    CHECK_OK(tensor_write(device, &slice, part));
    CHECK_OK(tensor_read(device, &slice, back));
    CHECK(memcmp(part, back, sizeof(float) * N * H * W * count) == 0, "slice %d+%d", first, count);
    CHECK_OK(tensor_read(device, &t, back));
    int wrong = 0;
    for (int p = 0; p < N * H * W; p++)
        for (int c = 0; c < C; c++) {
            bool inside = c >= first && c < first + count;
            float want = inside ? part[p * count + c - first] : all[p * C + c];
            wrong += back[p * C + c] != want;
        }
    CHECK(wrong == 0, "%d of the whole are wrong after writing columns %d+%d", wrong, first, count);
    CHECK_OK(tensor_read_nchw(device, &slice, turned));
    for (int n = 0; n < N; n++)
        for (int c = 0; c < count; c++)
            for (int p = 0; p < H * W; p++)
                wrong += turned[(n * count + c) * H * W + p] != part[(n * H * W + p) * count + c];
    CHECK(wrong == 0, "%d wrong as nchw", wrong);
    CHECK_OK(tensor_write(device, &slice, all));
    CHECK_OK(tensor_write_nchw(device, &slice, turned));
    CHECK_OK(tensor_read(device, &slice, back));
    CHECK(memcmp(part, back, sizeof(float) * N * H * W * count) == 0, "nchw and back");
    pool_close(&pool);
}

static void check_dry(void)
{
    struct device *device;
    struct pool pool;
    struct tensor a, b;
    float value = 5;
    CHECK_OK(device_open_dry(NULL, &device));
    CHECK_OK(pool_open(device, 0, &pool));
    CHECK_OK(pool_take(&pool, POOL_FRONT, 1, 1000, 1000, 1000, &a));
    CHECK_OK(pool_take(&pool, POOL_BACK, 1, 1, 1, 1, &b));
    CHECK(pool.peak == 4000000000u + 256, "%zu", pool.peak);
    CHECK(!a.memory && device_memory_used(device) == 0, "memory on a dry device");
    CHECK_OK(tensor_write(device, &b, &value));
    CHECK_OK(tensor_read(device, &b, &value));
    CHECK(value == 0, "%g", (double)value);
    pool_close(&pool);
    device_close(device);
}

int main(void)
{
    struct device *device;
    check_views();
    check_dry();
    if (device_open(NULL, &device) != CLAT_OK)
        check_skip("%s", status_text());
    check_ends(device);
    check_bad_sizes(device);
    check_copies(device, 0, 7);
    check_copies(device, 0, 3);
    check_copies(device, 2, 5);
    check_copies(device, 3, 1);
    device_close(device);
    return check_result();
}
