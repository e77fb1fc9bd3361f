/* option_value.c - one option's value from text. SPDX-License-Identifier: MIT
 *
 * Texts are those of YAML and JSON scalars, and flat lists "[1, 2.5]". Numbers are finite unless
 * the option's range has an infinite end; null is a value where it is the default, and an empty
 * list. */
#include "sampling/option_value.h"
#include "base/memory.h"
#include "base/text.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REALS_LIMIT 100000 /* values in a list */
#define SHOWN_BYTES 40     /* of a wrong value */

static bool is_ranged(const struct clat_option *option)
{
    return option->lowest < option->highest;
}

static bool is_null(const struct clat_option *option, const char *text)
{
    return strcmp(text, "null") == 0 && strcmp(option->initial, "null") == 0;
}

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words && strcmp(*words, text) != 0)
        words++;
    return *words != NULL;
}

/* ---- scalars -------------------------------------------------------------------------------- */

static bool parse_bool(const char *text, int *field)
{
    static const char *const yes[] = {"true", "True", "TRUE", NULL}, *const no[] = {"false",
                                                                         "False", "FALSE", NULL};
    *field = is_one_of(text, yes);
    return *field || is_one_of(text, no);
}

static bool parse_int(const struct clat_option *option, const char *text, int *field)
{
    bool ranged = is_ranged(option);
    long long value,
        lowest = ranged && option->lowest > INT_MIN ? (long long)option->lowest : INT_MIN + 1ll;
    long long highest = ranged && option->highest < INT_MAX ? (long long)option->highest : INT_MAX;
    *field = INT_MIN;
    if (is_null(option, text))
        return true;
    if (!text_to_int(text, lowest, highest, &value))
        return false;
    *field = (int)value;
    return true;
}

static bool parse_infinity(const char *text, double *value)
{
    static const char *const words[] = {"inf", ".inf", "Infinity", NULL};
    *value = *text == '-' ? -(double)INFINITY : (double)INFINITY;
    return is_one_of(text + (*text == '-'), words);
}

static bool parse_number(const struct clat_option *option, const char *text, double *value)
{
    if (text_to_double(text, value))
        return !is_ranged(option) || (*value >= option->lowest && *value <= option->highest);
    return parse_infinity(text, value) && is_ranged(option) && *value >= option->lowest &&
           *value <= option->highest;
}

static bool parse_real(const struct clat_option *option, const char *text, double *field)
{
    *field = (double)NAN;
    return is_null(option, text) || parse_number(option, text, field);
}

static bool parse_choice(const struct clat_option *option, const char *text, int *field)
{
    *field = -1;
    for (int i = 0; option->choices[i]; i++)
        if (strcmp(option->choices[i], text) == 0)
            *field = i;
    return *field >= 0 || is_null(option, text);
}

/* ---- lists ---------------------------------------------------------------------------------- */

/* One element of "[1, 2.5]" from *at, which moves past it and its comma or bracket. */
static bool next_element(const char **at, char *element, size_t size, bool *last)
{
    const char *start = *at + strspn(*at, " \t\r\n");
    size_t length = strcspn(start, ",] \t\r\n");
    const char *end = start + length + strspn(start + length, " \t\r\n");
    if (length == 0 || length >= size || (*end != ',' && *end != ']'))
        return false;
    memcpy(element, start, length);
    element[length] = '\0';
    *last = *end == ']';
    *at = end + 1;
    return true;
}

/* "null", "[]" or "[1, 2.5]". The field owns its values. */
static enum clat_status parse_reals(
    const struct clat_option *option, const char *text, struct clat_reals *field, bool *valid)
{
    double *values = NULL;
    size_t count = 0, capacity = 0;
    enum clat_status status = CLAT_OK;
    bool last = strcmp(text, "null") == 0 || strcmp(text, "[]") == 0;
    *valid = last || text[0] == '[';
    const char *at = text + 1;
    while (*valid && !last) {
        char element[64];
        TRY(memory_grow(&values, &capacity, count, sizeof *values));
        *valid = count < REALS_LIMIT && next_element(&at, element, sizeof element, &last) &&
                 parse_number(option, element, &values[count++]) && (!last || *at == '\0');
    }
    if (*valid) {
        free((void *)field->values);
        *field = (struct clat_reals){values, count};
        values = NULL;
    }
out:
    free(values);
    return status;
}

/* ---- any ------------------------------------------------------------------------------------ */

static enum clat_status parse(
    const struct clat_option *option, const char *text, void *fields, bool *valid)
{
    void *field = (char *)fields + option->offset;
    switch (option->type) {
    case CLAT_BOOL:
        *valid = parse_bool(text, field);
        break;
    case CLAT_INT:
        *valid = parse_int(option, text, field);
        break;
    case CLAT_REAL:
        *valid = parse_real(option, text, field);
        break;
    case CLAT_CHOICE:
        *valid = parse_choice(option, text, field);
        break;
    case CLAT_REALS:
        return parse_reals(option, text, field, valid);
    }
    return CLAT_OK;
}

/* "a number from 0 to 1", "one of leading, trailing, linspace", ... */
static enum clat_status print_expected(const struct clat_option *option, struct text *text)
{
    static const char *const kinds[] = {[CLAT_BOOL] = "true or false",
        [CLAT_INT] = "a whole number",
        [CLAT_REAL] = "a number",
        [CLAT_CHOICE] = "one of",
        [CLAT_REALS] = "a list of numbers [X, Y, ...], at most 100000"};
    enum clat_status status;
    TRY(text_print(text, "%s", kinds[option->type]));
    if (option->type == CLAT_CHOICE)
        for (int i = 0; option->choices[i]; i++)
            TRY(text_print(text, "%s %s", i ? "," : "", option->choices[i]));
    else if (is_ranged(option) && option->type != CLAT_BOOL)
        TRY(text_print(text, "%s from %g to %g", option->type == CLAT_REALS ? ", each" : "",
            option->lowest, option->highest));
    if (strcmp(option->initial, "null") == 0)
        TRY(text_print(text, ", or null"));
out:
    return status;
}

/* Bytes of the value to show: all of it, or its beginning up to a whole character. */
static int shown_bytes(const char *value)
{
    size_t size = strlen(value);
    if (size <= SHOWN_BYTES)
        return (int)size;
    for (size = SHOWN_BYTES; size > 0 && ((unsigned char)value[size] & 0xC0) == 0x80;)
        size--;
    return (int)size;
}

static enum clat_status wrong_value(
    const struct clat_option *option, const char *value, enum clat_status code)
{
    struct text expected = {0};
    int shown = shown_bytes(value);
    enum clat_status status = print_expected(option, &expected);
    if (status == CLAT_OK)
        status = status_set(code, "%s is '%.*s%s', expected %s", option->name, shown, value,
            value[shown] ? "..." : "", expected.data);
    text_free(&expected);
    return status;
}

enum clat_status option_read(
    const struct clat_option *option, const char *text, void *fields, enum clat_status code)
{
    bool valid = false;
    enum clat_status status = parse(option, text, fields, &valid);
    if (status == CLAT_OK && !valid)
        status = wrong_value(option, text, code);
    return status;
}

void option_clear(const struct clat_option *option, void *fields)
{
    struct clat_reals *reals = (void *)((char *)fields + option->offset);
    if (option->type == CLAT_REALS)
        free((void *)reals->values);
}
