/* names.c - from the names of other programs to ours and back. SPDX-License-Identifier: MIT
 *
 * A name is held against the patterns of one side (names_table.h); the numbers in it give a place,
 * and the pattern of the other side with the numbers of that place is its name there. */
#include "checkpoint/names_table.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define BLOCKS 4096 /* more than any model has */

struct place {
    int block, layer;
};

/* The place from a number that stands for a key ("{down}..."); false if no place has it there. */
static bool key_place(
    const char *key, int number, const struct name_facts *facts, struct place *place)
{
    int stride = facts->layers + 1;
    if (strncmp(key, "{b}", 3) == 0)
        place->block = number;
    else if (strncmp(key, "{l}", 3) == 0)
        place->layer = number;
    else if (strncmp(key, "{down}", 6) == 0)
        *place = (struct place){(number - 1) / stride, (number - 1) % stride};
    else if (strncmp(key, "{pool}", 6) == 0)
        place->block = (number - 1) / stride;
    else if (strncmp(key, "{up}", 4) == 0)
        *place = (struct place){number / stride, number % stride};
    else if (strncmp(key, "{last}", 6) == 0)
        place->block = number / stride;
    else if (strncmp(key, "{rise}", 6) == 0)
        place->block = facts->levels - 1 - number;
    else /* even, odd */
        place->block = number / 2;
    return place->block >= 0 && place->block < BLOCKS && place->layer >= 0;
}

/* The number that stands for a key at a place, -1 if the place has none. */
static int key_number(const char *key, const struct name_facts *facts, struct place place)
{
    int first = place.block * (facts->layers + 1);
    if (strncmp(key, "{b}", 3) == 0)
        return place.block;
    if (strncmp(key, "{l}", 3) == 0)
        return place.layer;
    if (strncmp(key, "{down}", 6) == 0)
        return place.layer < facts->layers ? 1 + first + place.layer : -1;
    if (strncmp(key, "{pool}", 6) == 0)
        return 1 + first + facts->layers;
    if (strncmp(key, "{up}", 4) == 0)
        return place.layer <= facts->layers ? first + place.layer : -1;
    if (strncmp(key, "{last}", 6) == 0)
        return first + facts->layers;
    if (strncmp(key, "{rise}", 6) == 0)
        return facts->levels - 1 - place.block;
    return 2 * place.block + (strncmp(key, "{odd}", 5) == 0);
}

/* A number as printf writes it, of at most four digits; -1 if there is none. */
static int take_number(const char **text)
{
    const char *at = *text;
    int number = 0;
    while (*at >= '0' && *at <= '9' && at - *text < 4)
        number = number * 10 + (*at++ - '0');
    if (at == *text || (**text == '0' && at - *text > 1) || (*at >= '0' && *at <= '9'))
        return -1;
    *text = at;
    return number;
}

/* Where the text goes on after a pattern ("" or ".weight"), and the place in it; NULL: it does not
 * begin with it. */
static const char *match_pattern(
    const char *text, const char *pattern, const struct name_facts *facts, struct place *place)
{
    *place = (struct place){0};
    for (; *pattern; pattern++) {
        if (*pattern != '{') {
            if (*text++ != *pattern)
                return NULL;
            continue;
        }
        int number = take_number(&text);
        if (number < 0 || !key_place(pattern, number, facts, place) ||
            key_number(pattern, facts, *place) != number)
            return NULL;
        pattern = strchr(pattern, '}');
    }
    return *text == '\0' || *text == '.' ? text : NULL;
}

/* The pattern with the numbers of a place, then `rest`. */
static bool write_pattern(const char *pattern, const struct name_facts *facts, struct place place,
    const char *rest, char name[NAME_SIZE])
{
    size_t size = 0;
    for (; *pattern; pattern++) {
        int number = *pattern == '{' ? key_number(pattern, facts, place) : 0;
        if (number < 0 || size + 16 > NAME_SIZE)
            return false;
        if (*pattern != '{') {
            name[size++] = *pattern;
            continue;
        }
        size += (size_t)sprintf(name + size, "%d", number);
        pattern = strchr(pattern, '}');
    }
    return (size_t)snprintf(name + size, NAME_SIZE - size, "%s", rest) < NAME_SIZE - size;
}

/* ---- one row -------------------------------------------------------------------------------- */

static const char *from_side(const struct name_row *row, bool ours)
{
    return ours ? row->ours : row->theirs;
}

/* The matches of a row's rest inside of its block, number `which` of them. `ours`: the name given
 * is one of ours. */
static bool match_inside(const struct name_facts *facts, const struct name_row *table, bool ours,
    const char *rest, int *which, struct name_match *match)
{
    for (const struct name_row *row = table; row->theirs; row++) {
        struct place place;
        const char *end =
            *rest == '.' ? match_pattern(rest + 1, from_side(row, ours), facts, &place) : NULL;
        if (!end || (*which)--)
            continue;
        match->part = row->part ? row->part - 1 : 0;
        match->parts = row->part ? 3 : 1;
        return (size_t)snprintf(match->name, NAME_SIZE, ".%s%s", from_side(row, !ours), end) <
               NAME_SIZE;
    }
    return false;
}

/* Match number *which of this row, or *which lowered by those it has. */
static bool match_row(const struct name_facts *facts, const struct name_row *row, bool ours,
    const char *name, int *which, struct name_match *match)
{
    struct place place;
    struct name_match inside = {.part = 0, .parts = 1};
    const char *rest = match_pattern(name, from_side(row, ours), facts, &place);
    const struct name_row *table = name_inside(facts, row->inside);
    if (!rest || (table && !match_inside(facts, table, ours, rest, which, &inside)))
        return false;
    if (!table && (*which)--)
        return false;
    match->part = inside.part;
    match->parts = inside.parts;
    return write_pattern(
        from_side(row, !ours), facts, place, table ? inside.name : rest, match->name);
}

/* Dialects near to ours also have names of ours. */
static bool match_same(const struct name_facts *facts, const char *name, struct name_match *match)
{
    if (facts->dialect != DIALECT_DIFFUSERS && facts->dialect != DIALECT_PADDLE)
        return false;
    match->part = 0;
    match->parts = 1;
    return (size_t)snprintf(match->name, NAME_SIZE, "%s", name) < NAME_SIZE;
}

/* A name of theirs that a row tells has no second meaning; one of ours may be theirs as well. */
static bool match_tables(const struct name_facts *facts, bool ours, const char *name, int which,
    struct name_match *match)
{
    int left = which;
    for (int i = 0; name_table(facts, i); i++)
        for (const struct name_row *row = name_table(facts, i); row->theirs; row++)
            if (match_row(facts, row, ours, name, &left, match))
                return true;
    return left == 0 && (ours || which == 0) && match_same(facts, name, match);
}

/* ---- the faces ------------------------------------------------------------------------------ */

bool names_to_ours(
    const struct name_facts *facts, const char *theirs, int which, struct name_match *match)
{
    return match_tables(facts, false, theirs, which, match);
}

bool names_to_theirs(
    const struct name_facts *facts, const char *ours, int which, struct name_match *match)
{
    return match_tables(facts, true, ours, which, match);
}

bool names_to_ema(const char *theirs, char ema[NAME_SIZE])
{
    size_t size = strlen("model_ema.");
    if (strncmp(theirs, "model.", 6) != 0 || strlen(theirs) + size >= NAME_SIZE)
        return false;
    strcpy(ema, "model_ema.");
    for (const char *at = theirs + 6; *at; at++)
        if (*at != '.')
            ema[size++] = *at;
    ema[size] = '\0';
    return true;
}

bool names_is_transposed(const char *ours, int rank)
{
    static const char *const tables[] = {"model.embed_tokens.weight",
        "model.embed_positions.weight", "quantize.embedding.weight", "class_embedding.weight",
        "embedding.weight"};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (strcmp(ours, tables[i]) == 0)
            return false;
    return rank == 2 && text_ends_with(ours, ".weight");
}
