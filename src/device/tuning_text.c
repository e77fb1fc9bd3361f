/* tuning_text.c - rows of a tuning table as text, and what they may say. SPDX-License-Identifier:
 * MIT */
#include "config.h" /* _GNU_SOURCE, before any system header */
#include "device/tuning.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MOST 20000

#define MATRIX_PARAMETERS                                                                          \
    {                                                                                              \
        [MATRIX_TILE] = {"tile", "32 64 128", 0, 0}, [MATRIX_PANELS] = {"panels", NULL, 1, 2},     \
        [MATRIX_PARTS] = {                                                                         \
            "parts",                                                                               \
            NULL,                                                                                  \
            1,                                                                                     \
            16                                                                                     \
        }                                                                                          \
    }

const struct tuned_kind tuned_kinds[TUNED_KINDS] = {
    [TUNED_LINEAR] = {"linear", {"in", "columns"},
        {[LINEAR_ENGINE] = {"engine", "packed unit clblast", 0, 0}}},
    [TUNED_CONV] = {"conv", {"pixels", "in", "out", "stride"},
        {[CONV_VARIANT] = {"variant",
             "tiled direct narrow narrow_in_groups winograd winograd_fused winograd_in_groups "
             "matrix_unit matrix_unit_of_sub-groups",
             0, 0}}},
    [TUNED_GEMM] = {"gemm", {"rows", "in", "columns"},
        {[GEMM_ROWS] = {"rows", "1 4 8", 0, 0}, [GEMM_PARTS] = {"parts", NULL, 1, 16}}},
    [TUNED_GEMM_CPU] = {"gemm_cpu", {"rows", "in", "columns"},
        {[GEMM_CPU_TILE] = {"tile", "6x4 8x2 12x1", 0, 0},
            [GEMM_CPU_ROW_BLOCK] = {"row_block", NULL, 1, 144},
            [GEMM_CPU_DEPTH] = {"depth", NULL, 16, 1 << 20}}},
    [TUNED_GEMM_MATRIX] = {"gemm_matrix", {"rows", "in", "columns"}, MATRIX_PARAMETERS},
    [TUNED_CONV_MATRIX] = {"conv_matrix", {"pixels", "in", "out"}, MATRIX_PARAMETERS},
    [TUNED_CONV_TILED] = {"conv_tiled", {"pixels", "in", "out"},
        {[GEMM_ROWS] = {"rows", "1 4 8", 0, 0}, [GEMM_PARTS] = {"parts", NULL, 1, 16}}},
    [TUNED_ATTENTION] = {"attention", {"tokens", "keys", "width"},
        {[ATTENTION_ROWS] = {"rows", "2 4", 0, 0}}},
    [TUNED_ATTENTION_CPU] = {"attention_cpu", {"tokens", "keys", "width"},
        {[ATTENTION_CPU_KEYS] = {"keys", "11 13", 0, 0},
            [ATTENTION_CPU_BLOCK] = {"block", NULL, 16, 1024}}},
};

void tuning_driver(const struct device_facts *facts, char *text, size_t size)
{
    snprintf(text, size, "%s %s", facts->platform, facts->driver);
}

/* ---- words ---------------------------------------------------------------------------------- */

/* Word number `index` of a list with spaces, counted from 1, into `word`; false: there are fewer.
 */
static bool word_of(const char *list, int index, char *word, size_t size)
{
    while (--index > 0 && list) {
        list = strchr(list, ' ');
        list = list ? list + 1 : NULL;
    }
    if (!list)
        return false;
    snprintf(word, size, "%.*s", (int)strcspn(list, " "), list);
    return true;
}

const char *tuning_word(enum tuned kind, int parameter, int value)
{
    static _Thread_local char word[32];
    const char *words = tuned_kinds[kind].parameters[parameter].words;
    if (value < 1 || !words || !word_of(words, value, word, sizeof word))
        word[0] = '\0';
    return word;
}

int tuning_number(enum tuned kind, int parameter, int value)
{
    return atoi(tuning_word(kind, parameter, value));
}

/* Cuts the spaces at both ends. */
static char *trim(char *text)
{
    text += strspn(text, " \t\r");
    size_t size = strlen(text);
    while (size > 0 && strchr(" \t\r", text[size - 1]))
        text[--size] = '\0';
    return text;
}

/* ---- one field ------------------------------------------------------------------------------ */

/* Where a row is, for sentences. */
struct place {
    const char *name;
    int line;
};

static enum clat_status parse_name(
    const struct place *place, const char *what, const char *field, char *name, size_t size)
{
    if (!field[0] || strlen(field) >= size)
        return status_set(CLAT_ERROR_INPUT, "%s:%d: %s: expected 1 to %zu letters, found %zu",
            place->name, place->line, what, size - 1, strlen(field));
    snprintf(name, size, "%s", field);
    return CLAT_OK;
}

static enum clat_status parse_kind(
    const struct place *place, const char *field, struct tuning_row *row)
{
    for (int kind = 0; kind < TUNED_KINDS; kind++)
        if (strcmp(tuned_kinds[kind].kernel, field) == 0) {
            row->kind = (enum tuned)kind;
            return CLAT_OK;
        }
    return status_set(CLAT_ERROR_INPUT,
        "%s:%d: kernel: expected linear, conv, gemm, gemm_cpu, gemm_matrix, conv_tiled, "
        "conv_matrix, attention or attention_cpu, found '%.40s'",
        place->name, place->line, field);
}

static enum clat_status parse_sides(const struct place *place, char *field, struct tuning_row *row)
{
    const struct tuned_kind *kind = &tuned_kinds[row->kind];
    int count = 0, wanted = 0;
    while (wanted < TUNING_SIDES && kind->sides[wanted])
        wanted++;
    for (char *word; (word = strsep(&field, " ")) != NULL;) {
        long long number = 0;
        if (!word[0])
            continue;
        if (count < wanted && strcmp(word, "*") != 0 && !text_to_int(word, 1, 1 << 30, &number))
            return status_set(CLAT_ERROR_INPUT,
                "%s:%d: %s of %s: expected * or a number above 0, found '%.40s'", place->name,
                place->line, kind->sides[count], kind->kernel, word);
        if (count < wanted)
            row->sides[count] = (int)number;
        count++;
    }
    if (count != wanted)
        return status_set(CLAT_ERROR_INPUT, "%s:%d: shape of %s: expected %d numbers, found %d",
            place->name, place->line, kind->kernel, wanted, count);
    return CLAT_OK;
}

/* The value that a parameter is given, 0 if it may not be that. */
static int parse_value(const struct tuned_parameter *parameter, const char *value)
{
    char word[32];
    long long number;
    if (!parameter->words)
        return text_to_int(value, parameter->least, parameter->most, &number) ? (int)number : 0;
    for (int i = 1; word_of(parameter->words, i, word, sizeof word); i++)
        if (strcmp(word, value) == 0)
            return i;
    return 0;
}

static enum clat_status refuse_value(
    const struct place *place, const struct tuned_parameter *parameter, const char *value)
{
    if (parameter->words)
        return status_set(CLAT_ERROR_INPUT, "%s:%d: %s: expected one of %s, found '%.40s'",
            place->name, place->line, parameter->name, parameter->words, value);
    return status_set(CLAT_ERROR_INPUT, "%s:%d: %s: expected a number from %d to %d, found '%.40s'",
        place->name, place->line, parameter->name, parameter->least, parameter->most, value);
}

static enum clat_status parse_parameter(
    const struct place *place, char *word, struct tuning_row *row)
{
    const struct tuned_kind *kind = &tuned_kinds[row->kind];
    char *value = strchr(word, '=');
    if (value)
        *value++ = '\0';
    for (int i = 0; value && i < TUNING_PARAMETERS && kind->parameters[i].name; i++) {
        if (strcmp(kind->parameters[i].name, word) != 0)
            continue;
        row->values[i] = parse_value(&kind->parameters[i], value);
        return row->values[i] ? CLAT_OK : refuse_value(place, &kind->parameters[i], value);
    }
    return status_set(CLAT_ERROR_INPUT, "%s:%d: %s has no parameter '%.40s'", place->name,
        place->line, kind->kernel, word);
}

static enum clat_status parse_values(const struct place *place, char *field, struct tuning_row *row)
{
    enum clat_status status = CLAT_OK;
    if (strcmp(field, "own") == 0)
        return CLAT_OK;
    if (!field[0])
        FAIL(CLAT_ERROR_INPUT, "%s:%d: parameters: expected NAME=VALUE or own, found nothing",
            place->name, place->line);
    for (char *word; (word = strsep(&field, " ")) != NULL;)
        if (word[0])
            TRY(parse_parameter(place, word, row));
out:
    return status;
}

/* One or two numbers. */
static enum clat_status parse_times(const struct place *place, char *field, struct tuning_row *row)
{
    double times[2] = {0, 0};
    int count = 0;
    for (char *word; (word = strsep(&field, " ")) != NULL;) {
        if (!word[0])
            continue;
        if (count == 2 || !text_to_double(word, &times[count]) || !(times[count] >= 0))
            return status_set(CLAT_ERROR_INPUT,
                "%s:%d: microseconds: expected at most two numbers, found '%.40s'", place->name,
                place->line, word);
        count++;
    }
    row->microseconds = times[0];
    row->rule = times[1];
    return CLAT_OK;
}

/* ---- rows ----------------------------------------------------------------------------------- */

enum { FIELD_DEVICE, FIELD_DRIVER, FIELD_KERNEL, FIELD_SHAPE, FIELD_VALUES, FIELD_TIMES, FIELDS };

static enum clat_status parse_row(const struct place *place, char *line, struct tuning_row *row)
{
    enum clat_status status = CLAT_OK;
    char *fields[FIELDS] = {NULL}, *field;
    int count = 0;
    for (; (field = strsep(&line, "|")) != NULL; count++)
        if (count < FIELDS)
            fields[count] = trim(field);
    if (count != FIELDS && count != FIELDS - 1)
        FAIL(CLAT_ERROR_INPUT,
            "%s:%d: expected device | driver | kernel | shape | parameters | microseconds, found "
            "%d fields",
            place->name, place->line, count);
    *row = (struct tuning_row){.kind = TUNED_LINEAR};
    TRY(parse_name(place, "device", fields[FIELD_DEVICE], row->device, sizeof row->device));
    TRY(parse_name(place, "driver", fields[FIELD_DRIVER], row->driver, sizeof row->driver));
    TRY(parse_kind(place, fields[FIELD_KERNEL], row));
    TRY(parse_sides(place, fields[FIELD_SHAPE], row));
    TRY(parse_values(place, fields[FIELD_VALUES], row));
    if (fields[FIELD_TIMES])
        TRY(parse_times(place, fields[FIELD_TIMES], row));
out:
    return status;
}

static enum clat_status parse_line(struct tuning *tuning, const struct place *place, char *line)
{
    enum clat_status status = CLAT_OK;
    struct tuning_row row;
    line[strcspn(line, "#")] = '\0';
    line = trim(line);
    if (!line[0])
        return CLAT_OK;
    if (tuning_count(tuning) >= ROWS_MOST)
        FAIL(CLAT_ERROR_INPUT, "%s:%d: more than %d rows", place->name, place->line, ROWS_MOST);
    TRY(parse_row(place, line, &row));
    TRY(tuning_add(tuning, &row));
out:
    return status;
}

enum clat_status tuning_parse(struct tuning *tuning, const char *name, const char *text)
{
    enum clat_status status = CLAT_OK;
    struct place place = {name, 0};
    size_t before = tuning_count(tuning);
    struct text copy = {0};
    TRY(text_add(&copy, text, strlen(text)));
    if (!text_is_utf8(text, strlen(text)))
        FAIL(CLAT_ERROR_INPUT, "%s: expected text in UTF-8", name);
    for (char *rest = copy.data, *line; rest && (line = strsep(&rest, "\n")) != NULL;) {
        place.line++;
        TRY(parse_line(tuning, &place, line));
    }
out:
    if (status != CLAT_OK)
        tuning_cut(tuning, before);
    text_free(&copy);
    return status;
}

enum clat_status tuning_print_sides(struct text *text, const struct tuning_row *row)
{
    enum clat_status status = CLAT_OK;
    for (int i = 0; i < TUNING_SIDES && tuned_kinds[row->kind].sides[i]; i++)
        if (row->sides[i])
            TRY(text_print(text, "%s%d", i ? " " : "", row->sides[i]));
        else
            TRY(text_print(text, "%s*", i ? " " : ""));
out:
    return status;
}

enum clat_status tuning_print_values(struct text *text, const struct tuning_row *row)
{
    const struct tuned_kind *kind = &tuned_kinds[row->kind];
    enum clat_status status = CLAT_OK;
    const char *space = "";
    for (int i = 0; i < TUNING_PARAMETERS; i++) {
        if (!row->values[i])
            continue;
        if (kind->parameters[i].words)
            TRY(text_print(text, "%s%s=%s", space, kind->parameters[i].name,
                tuning_word(row->kind, i, row->values[i])));
        else
            TRY(text_print(text, "%s%s=%d", space, kind->parameters[i].name, row->values[i]));
        space = " ";
    }
    if (!space[0])
        TRY(text_print(text, "own"));
out:
    return status;
}

enum clat_status tuning_print(struct text *text, const struct tuning_row *row)
{
    enum clat_status status;
    TRY(text_print(
        text, "%s | %s | %s | ", row->device, row->driver, tuned_kinds[row->kind].kernel));
    TRY(tuning_print_sides(text, row));
    TRY(text_print(text, " | "));
    TRY(tuning_print_values(text, row));
    if (row->microseconds > 0)
        TRY(text_print(text, " | %.0f %.0f", row->microseconds, row->rule));
    TRY(text_print(text, "\n"));
out:
    return status;
}
