/* unit_hand.h - the sums of one operation become a factor of the next, in registers (behind unit.h).
 * SPDX-License-Identifier: MIT
 *
 * Attention multiplies twice, s = q kT and o = p v, where p is made of s number by number. What a lane has
 * of the sums s is what it must have of the factor p, or a neighbour has the rest, if p is the right
 * factor and if the keys of a tile stand in the right order:
 *
 *   mma    queries are rows of c, and of a. Sums v[0], v[1] of row g are one word of a; the four operations
 *          of 32 keys give lane t of a row its four words.
 *   all others   are turned: sT = k qT, oT = vT pT. Queries are columns of c, and of b.
 *   dpas   a lane has whole columns: v[0] .. v[7] of two operations, two by two, are its 8 words of b.
 *   mfma   v[0] .. v[3] of lanes g are rows 4g .. 4g + 3: its words 0 and 1, slots 2g and 2g + 1.
 *   wmma   generation 12: v[0] .. v[7] of half h are rows 8h .. 8h + 7, its words 0 to 3. Generation 11: they
 *          are rows 2i + h; keys stand so that these are keys 8h .. 8h + 7, and each lane gets the other
 *          four words from the one with the same column.
 *   dot2   v[2h] and v[2h + 1] of a column are, with lane q of four, rows 8h + q and 8h + 4 + q: slot q of
 *          8 keys. Each of the four lanes gets all four slots; an operation gives two factors.
 *
 *   UNIT_QUERIES, UNIT_OTHERS       queries of c; keys or channels of c
 *   UNIT_QUERY(lane, i), UNIT_OTHER(lane, i)   where c.v[i] lies
 *   UNIT_HELD, UNIT_HELD_OF(i)      a lane's sums are of so many queries; which of these v[i] is of
 *   UNIT_SHARED(unit, combine, x)   x = combine of it with all lanes that have sums of the same query
 *   UNIT_HANDED_KEY(n)              the key, of UNIT_DEPTH, that the n-th of the others is to be
 *   unit_query, unit_other          factors; unit_load_query, unit_load_other, unit_multiply_query
 *   unit_hand_on(unit, c, d, p)     sums of all keys to the factor of keys d*UNIT_DEPTH on */
#ifdef UNIT_MMA
#define UNIT_QUERIES UNIT_ROWS
#define UNIT_OTHERS UNIT_COLUMNS
#define UNIT_QUERY UNIT_ROW
#define UNIT_OTHER UNIT_COLUMN
#define UNIT_HELD 2
#define UNIT_HELD_OF(i) ((i) / 2)
#define unit_load_query unit_load_a
#define unit_load_other unit_load_b
#define unit_multiply_query(unit, query, other, c) unit_multiply(unit, query, other, c)
typedef unit_a unit_query;
typedef unit_b unit_other;
#else
#define UNIT_QUERIES UNIT_COLUMNS
#define UNIT_OTHERS UNIT_ROWS
#define UNIT_QUERY UNIT_COLUMN
#define UNIT_OTHER UNIT_ROW
#ifdef UNIT_DOT2
#define UNIT_HELD 2
#define UNIT_HELD_OF(i) ((i) / 4)
#else
#define UNIT_HELD 1
#define UNIT_HELD_OF(i) 0
#endif
#define unit_load_query unit_load_b
#define unit_load_other unit_load_a
#define unit_multiply_query(unit, query, other, c) unit_multiply(unit, other, query, c)
typedef unit_b unit_query;
typedef unit_a unit_other;
#endif

/* ---- words of other lanes: of the one whose number differs in the bit `distance` --------------- */

#ifdef EMULATE
UNIT_INLINE uint unit_read(const struct unit *unit, uint word, int lane)
{
    unit->exchange[unit->lane] = word;
    barrier(CLK_LOCAL_MEM_FENCE);
    word = unit->exchange[lane];
    barrier(CLK_LOCAL_MEM_FENCE);
    return word;
}

UNIT_INLINE uint unit_swap(const struct unit *unit, uint word, int distance)
{
    return unit_read(unit, word, unit->lane ^ distance);
}
#define UNIT_OF_FOUR(unit, word, q) unit_read(unit, word, (unit)->lane / 4 * 4 + (q))
#elif defined UNIT_MMA
UNIT_INLINE uint unit_swap(const struct unit *unit, uint word, int distance)
{
    uint other;
    __asm__ volatile("shfl.sync.bfly.b32 %0, %1, %2, 31, 0xffffffff;"
                     : "=r"(other)
                     : "r"(word), "r"(distance));
    return other;
}
#elif defined UNIT_WMMA /* 16 away; the selectors say: in the same order */
UNIT_INLINE uint unit_swap(const struct unit *unit, uint word, int distance)
{
    return __builtin_amdgcn_permlanex16(word, word, 0x76543210, 0xfedcba98, true, false);
}
#elif defined UNIT_MFMA
UNIT_INLINE uint unit_swap(const struct unit *unit, uint word, int distance)
{
    return __builtin_amdgcn_ds_bpermute((unit->lane ^ distance) * 4, word);
}
#elif defined UNIT_DOT2 /* among four lanes, two bits for each of them: whose word it gets */
#define UNIT_OF_FOUR(unit, word, q) ((uint)__builtin_amdgcn_mov_dpp(word, (q)*0x55, 15, 15, true))
UNIT_INLINE uint unit_swap(const struct unit *unit, uint word, int distance)
{
    return distance == 1 ? __builtin_amdgcn_mov_dpp(word, 0xb1, 15, 15, true)
                         : __builtin_amdgcn_mov_dpp(word, 0x4e, 15, 15, true);
}
#endif

UNIT_INLINE float unit_sum(float x, float y)
{
    return x + y;
}

#define UNIT_COMBINED(unit, combine, x, distance)                                                  \
    ((x) = combine(x, as_float(unit_swap(unit, as_uint(x), distance))))
#if defined UNIT_MMA || defined UNIT_DOT2
#define UNIT_SHARED(unit, combine, x)                                                              \
    do {                                                                                           \
        UNIT_COMBINED(unit, combine, x, 1);                                                        \
        UNIT_COMBINED(unit, combine, x, 2);                                                        \
    } while (0)
#elif defined UNIT_MFMA
#define UNIT_SHARED(unit, combine, x)                                                              \
    do {                                                                                           \
        UNIT_COMBINED(unit, combine, x, 16);                                                       \
        UNIT_COMBINED(unit, combine, x, 32);                                                       \
    } while (0)
#elif defined UNIT_WMMA
#define UNIT_SHARED(unit, combine, x) UNIT_COMBINED(unit, combine, x, 16)
#else
#define UNIT_SHARED(unit, combine, x) ((void)0)
#endif

/* ---- handing on ------------------------------------------------------------------------------- */

#ifdef UNIT_MMA
/* Word i of lane t is slot 4t + i of the row (unit_mma.h). */
#define UNIT_HANDED_KEY(n) ((n) % 8 / 2 * 8 + (n) / 8 * 2 + (n) % 2)

UNIT_INLINE void unit_hand_on(const struct unit *unit, const unit_c *c, int d, unit_query *p)
{
    UNROLL for (int i = 0; i < 4; i++)
    {
        p->w[i] = unit_word(c[d * 4 + i].v[0], c[d * 4 + i].v[1]);
        p->w[i + 4] = unit_word(c[d * 4 + i].v[2], c[d * 4 + i].v[3]);
    }
}
#elif defined UNIT_WMMA && WMMA_GENERATION == 11
#define UNIT_HANDED_KEY(n) ((n) / 2 + (n) % 2 * 8)

UNIT_INLINE void unit_hand_on(const struct unit *unit, const unit_c *c, int d, unit_query *p)
{
    UNIT_LOOP for (int i = 0; i < 4; i++)
    {
        uint word = unit_word(c[d].v[i * 2], c[d].v[i * 2 + 1]), other = unit_swap(unit, word, 16);
        p->w[i] = unit->lane < 16 ? word : other;
        p->w[i + 4] = unit->lane < 16 ? other : word;
    }
}
#elif defined UNIT_DOT2
#define UNIT_HANDED_KEY(n) ((n) % 4 * 2 + (n) / 4)

UNIT_INLINE void unit_hand_on(const struct unit *unit, const unit_c *c, int d, unit_query *p)
{
    UNIT_LOOP for (int s = 0; s < 8; s += 4)
    {
        int h = s + d % 2 * 2;
        uint word = unit_word(c[d / 2].v[h], c[d / 2].v[h + 1]);
        p->w[s] = UNIT_OF_FOUR(unit, word, 0);
        p->w[s + 1] = UNIT_OF_FOUR(unit, word, 1);
        p->w[s + 2] = UNIT_OF_FOUR(unit, word, 2);
        p->w[s + 3] = UNIT_OF_FOUR(unit, word, 3);
    }
}
#else
#define UNIT_HANDED_KEY(n) (n)

UNIT_INLINE void unit_hand_on(const struct unit *unit, const unit_c *c, int d, unit_query *p)
{
    UNROLL for (int i = 0; i < UNIT_B_WORDS; i++)
    {
        int first = d * UNIT_B_WORDS * 2 + i * 2; /* of the lane's sums */
        const float *two = c[first / UNIT_SUMS].v + first % UNIT_SUMS;
        p->w[i] = unit_word(two[0], two[1]);
    }
}
#endif
