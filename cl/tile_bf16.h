/* tile_bf16.h - matrix unit of a CPU: products of bf16 tiles with float sums, and floats as pairs of bf16.
 * SPDX-License-Identifier: MIT
 *
 * The unit (Intel's AMX; Architectures Software Developer's Manual, volume 1, chapter 18) has eight
 * tiles of 16 rows x 64 bytes. A tile holds 16 x 16 sums (float), or 16 rows of 32 bf16 in 16 words of
 * two; TILE_MULTIPLY adds, over the words w of a row of a and the rows w of b,
 *
 *     sum[i][j] += low(a[i][w]) low(b[w][j]) + high(a[i][w]) high(b[w][j])
 *
 * A kernel declares `struct tiles tiles;`, does TILES_BEGIN(&tiles) before its first tile and
 * TILES_END(&tiles) after its last one; between them any helper that is given the pointer works on the
 * tiles, numbered 0 to 7 by literals. Addresses may be of any space; strides are in words. The
 * compiler knows nothing of tiles, so the order of the statements is theirs.
 *
 * Only for devices of which the host has made sure that they have the unit (device/matrix_unit.h);
 * with -DEMULATE the same in plain OpenCL C, for tests.
 *
 * A float is the sum of two bf16 to 16 bits: hi = x rounded, lo = x - hi rounded. A product of two is
 * hi hi + hi lo + lo hi; the fourth part is below 2^-17 of it, as what rounding takes. Word w of a
 * STEP of 32 floats holds floats w (low) and w + 16 (high), in both factors: so they are put together
 * without moving lanes. */
#define TILE_ROWS 16
#define TILE_WORDS 256
#define TILE_STEP 32 /* floats in a row of a factor */

#ifdef EMULATE
struct tiles {
    uint word[8][TILE_WORDS];
};

#define TILES_BEGIN(tiles) ((void)0)
#define TILES_END(tiles) ((void)0)
#define TILE_ZERO(tiles, t)                                                                        \
    do {                                                                                           \
        for (int word_ = 0; word_ < TILE_WORDS; word_++)                                           \
            (tiles)->word[t][word_] = 0;                                                           \
    } while (0)
#define TILE_LOAD(tiles, t, address, stride)                                                       \
    do {                                                                                           \
        for (int word_ = 0; word_ < TILE_WORDS; word_++)                                           \
            (tiles)->word[t][word_] = as_uint((address)[word_ / 16 * (stride) + word_ % 16]);      \
    } while (0)
#define TILE_STORE(tiles, t, address, stride)                                                      \
    do {                                                                                           \
        for (int word_ = 0; word_ < TILE_WORDS; word_++)                                           \
            (address)[word_ / 16 * (stride) + word_ % 16] = as_float((tiles)->word[t][word_]);     \
    } while (0)
#define TILE_MULTIPLY(tiles, sum, a, b)                                                            \
    tile_multiply((tiles)->word[sum], (tiles)->word[a], (tiles)->word[b])

static inline void tile_multiply(uint *sum, const uint *a, const uint *b)
{
    for (int i = 0; i < TILE_ROWS; i++)
        for (int j = 0; j < 16; j++) {
            float low = 0.0f, high = 0.0f;
            for (int w = 0; w < 16; w++) {
                low = fma(as_float(a[i * 16 + w] << 16), as_float(b[w * 16 + j] << 16), low);
                high = fma(as_float(a[i * 16 + w] & 0xffff0000u),
                    as_float(b[w * 16 + j] & 0xffff0000u), high);
            }
            sum[i * 16 + j] = as_uint(as_float(sum[i * 16 + j]) + (low + high));
        }
}
#else
struct tiles {
    uint unused;
};

/* Palette 1; all eight tiles of 64 bytes (at 16, in 16 bits each) x 16 rows (at 48, in 8 bits). */
#define TILES_BEGIN(tiles)                                                                         \
    do {                                                                                           \
        const uint shape_[16] = {1, 0, 0, 0, 0x400040, 0x400040, 0x400040, 0x400040, 0, 0, 0, 0,   \
            0x10101010, 0x10101010, 0, 0};                                                         \
        __asm__ volatile("ldtilecfg (%0)" : : "r"((size_t)shape_) : "memory");                     \
    } while (0)
#define TILES_END(tiles) __asm__ volatile("tilerelease" : : : "memory")
#define TILE_ZERO(tiles, t) __asm__ volatile("tilezero %%tmm" #t : :)
#define TILE_LOAD(tiles, t, address, stride)                                                       \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t                                               \
                     :                                                                             \
                     : "r"((size_t)(address)), "r"((size_t)(stride)*4)                             \
                     : "memory")
#define TILE_STORE(tiles, t, address, stride)                                                      \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)"                                           \
                     :                                                                             \
                     : "r"((size_t)(address)), "r"((size_t)(stride)*4)                             \
                     : "memory")
#define TILE_MULTIPLY(tiles, sum, a, b)                                                            \
    __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #sum : :)
#endif

/* Nearest bf16 of each lane, in the upper half of its word; halves away from zero. A number beyond
 * the largest bf16 becomes infinite. */
static inline uint16 bf16_round(float16 x)
{
    return (as_uint16(x) + 0x8000u) & 0xffff0000u;
}

/* One row of a step as words: hi of floats u (0..15) and v (16..31), then lo. What is not a finite
 * number gets a lo that is not a number, whatever its bits. */
static inline void bf16_split(float16 u, float16 v, uint16 *hi, uint16 *lo)
{
    uint16 u_hi = bf16_round(u), v_hi = bf16_round(v);
    float16 u_rest = u - as_float16(u_hi), v_rest = v - as_float16(v_hi);
    uint16 u_lo = select((uint16)(0x7fc00000u), bf16_round(u_rest), isequal(u_rest, u_rest));
    uint16 v_lo = select((uint16)(0x7fc00000u), bf16_round(v_rest), isequal(v_rest, v_rest));
    *hi = (u_hi >> 16) | v_hi;
    *lo = (u_lo >> 16) | v_lo;
}

/* ---- blocks of 32 x 32 sums: tiles 0, 1 are the upper rows, 2, 3 the lower; 4 to 7 the factors' ---- */

#define TILES_ZERO_SUMS(tiles)                                                                     \
    do {                                                                                           \
        TILE_ZERO(tiles, 0);                                                                       \
        TILE_ZERO(tiles, 1);                                                                       \
        TILE_ZERO(tiles, 2);                                                                       \
        TILE_ZERO(tiles, 3);                                                                       \
    } while (0)
#define TILES_LOAD_SUMS(tiles, sums, stride)                                                       \
    do {                                                                                           \
        TILE_LOAD(tiles, 0, sums, stride);                                                         \
        TILE_LOAD(tiles, 1, (sums) + 16, stride);                                                  \
        TILE_LOAD(tiles, 2, (sums) + 16 * (stride), stride);                                       \
        TILE_LOAD(tiles, 3, (sums) + 16 * (stride) + 16, stride);                                  \
    } while (0)
#define TILES_STORE_SUMS(tiles, sums, stride)                                                      \
    do {                                                                                           \
        TILE_STORE(tiles, 0, sums, stride);                                                        \
        TILE_STORE(tiles, 1, (sums) + 16, stride);                                                 \
        TILE_STORE(tiles, 2, (sums) + 16 * (stride), stride);                                      \
        TILE_STORE(tiles, 3, (sums) + 16 * (stride) + 16, stride);                                 \
    } while (0)

/* sums += a b over one step of k, or only the upper 16 rows unless `both`. b: [hi, lo][2 of 16
 * columns][TILE_WORDS]. The four tiles of a are anywhere, upper and lower rows of either part, their
 * rows `stride` words apart. */
#define TILES_STEP_AT(tiles, hi, hi_below, lo, lo_below, stride, b, both)                          \
    do {                                                                                           \
        TILE_LOAD(tiles, 6, b, 16);                                                                \
        TILE_LOAD(tiles, 7, (b) + TILE_WORDS, 16);                                                 \
        TILE_LOAD(tiles, 4, lo, stride);                                                           \
        TILE_MULTIPLY(tiles, 0, 4, 6);                                                             \
        TILE_MULTIPLY(tiles, 1, 4, 7);                                                             \
        if (both) {                                                                                \
            TILE_LOAD(tiles, 5, lo_below, stride);                                                 \
            TILE_MULTIPLY(tiles, 2, 5, 6);                                                         \
            TILE_MULTIPLY(tiles, 3, 5, 7);                                                         \
        }                                                                                          \
        TILE_LOAD(tiles, 4, hi, stride);                                                           \
        TILE_MULTIPLY(tiles, 0, 4, 6);                                                             \
        TILE_MULTIPLY(tiles, 1, 4, 7);                                                             \
        if (both) {                                                                                \
            TILE_LOAD(tiles, 5, hi_below, stride);                                                 \
            TILE_MULTIPLY(tiles, 2, 5, 6);                                                         \
            TILE_MULTIPLY(tiles, 3, 5, 7);                                                         \
        }                                                                                          \
        TILE_LOAD(tiles, 6, (b) + 2 * TILE_WORDS, 16);                                             \
        TILE_LOAD(tiles, 7, (b) + 3 * TILE_WORDS, 16);                                             \
        TILE_MULTIPLY(tiles, 0, 4, 6);                                                             \
        TILE_MULTIPLY(tiles, 1, 4, 7);                                                             \
        if (both) {                                                                                \
            TILE_MULTIPLY(tiles, 2, 5, 6);                                                         \
            TILE_MULTIPLY(tiles, 3, 5, 7);                                                         \
        }                                                                                          \
    } while (0)

/* The same for a as [lo, hi][2 of 16 rows][TILE_WORDS]. */
#define TILES_STEP(tiles, a, b, both)                                                              \
    TILES_STEP_AT(tiles, (a) + 2 * TILE_WORDS, (a) + 3 * TILE_WORDS, a, (a) + TILE_WORDS, 16, b, both)
