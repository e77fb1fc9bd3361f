/* unit_emulated.h - any unit of unit.h in plain OpenCL C, for tests. SPDX-License-Identifier: MIT
 *
 * The lanes of a sub-group put their words of a and b where the unit's registers have them; then each
 * lane computes the sums that the unit would leave with it. So the loads, the places of the sums and
 * the kernel around them are put to the test; only the instruction itself is not. */
#define UNIT_SLOTS (UNIT_DEPTH / 2)
#define UNIT_EXCHANGE ((UNIT_ROWS + UNIT_COLUMNS) * UNIT_SLOTS)

/* The two values of a word, even k first. */
UNIT_INLINE float2 unit_values(local const uint *word)
{
#ifdef BF16
    return as_float2((uint2)(*word << 16, *word & 0xffff0000));
#else
    return vload_half2(0, (local const half *)word);
#endif
}

#ifdef UNIT_A_HALF_ROW
UNIT_INLINE void unit_give_a(const struct unit *unit, const unit_a *a)
{
    local ushort *halves = (local ushort *)unit->exchange;
    for (int i = 0; i < 2 * UNIT_A_WORDS; i++)
        halves[UNIT_A_HALF_ROW(unit->lane, i) * UNIT_DEPTH + UNIT_A_HALF_K(unit->lane, i)] =
            (ushort)(a->w[i / 2] >> i % 2 * 16);
}
#else
UNIT_INLINE void unit_give_a(const struct unit *unit, const unit_a *a)
{
    for (int i = 0; i < UNIT_A_WORDS; i++)
        if (UNIT_A_SLOT(unit->lane, i) >= 0)
            unit->exchange[UNIT_A_ROW(unit->lane, i) * UNIT_SLOTS + UNIT_A_SLOT(unit->lane, i)] =
                a->w[i];
}
#endif

UNIT_INLINE void unit_give_b(const struct unit *unit, const unit_b *b, local uint *b_words)
{
    for (int i = 0; i < UNIT_B_WORDS; i++)
        if (UNIT_B_SLOT(unit->lane, i) >= 0)
            b_words[UNIT_B_COLUMN(unit->lane, i) * UNIT_SLOTS + UNIT_B_SLOT(unit->lane, i)] =
                b->w[i];
}

UNIT_INLINE void unit_multiply(
    const struct unit *unit, const unit_a *a, const unit_b *b, unit_c *c)
{
    local uint *b_words = unit->exchange + UNIT_ROWS * UNIT_SLOTS;
    unit_give_a(unit, a);
    unit_give_b(unit, b, b_words);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = 0; i < UNIT_SUMS; i++) {
        local const uint *row = unit->exchange + UNIT_ROW(unit->lane, i) * UNIT_SLOTS;
        local const uint *column = b_words + UNIT_COLUMN(unit->lane, i) * UNIT_SLOTS;
        for (int s = 0; s < UNIT_SLOTS; s++) {
            float2 x = unit_values(row + s), y = unit_values(column + s);
            c->v[i] = fma(x.y, y.y, fma(x.x, y.x, c->v[i]));
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
}
