/* text.c - a growing string, UTF-8, the nearest known name, strict numbers.
 * SPDX-License-Identifier: MIT */
#include "base/text.h"
#include "base/memory.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- growing string ------------------------------------------------------------------------- */

static enum clat_status reserve(struct text *text, size_t more)
{
    size_t last;
    if (!size_add(text->size, more, &last))
        return status_set(CLAT_ERROR_MEMORY, "a text of more than %zu bytes", text->size);
    return memory_grow(&text->data, &text->capacity, last, 1);
}

enum clat_status text_add(struct text *text, const char *bytes, size_t size)
{
    enum clat_status status = reserve(text, size);
    if (status != CLAT_OK)
        return status;
    if (size)
        memcpy(text->data + text->size, bytes, size);
    text->size += size;
    text->data[text->size] = '\0';
    return CLAT_OK;
}

enum clat_status text_print(struct text *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    enum clat_status status = CLAT_OK;
    int size = vsnprintf(NULL, 0, format, arguments);
    if (size < 0)
        FAIL(CLAT_ERROR_INTERNAL, "cannot format '%s'", format);
    TRY(reserve(text, (size_t)size));
    vsnprintf(text->data + text->size, (size_t)size + 1, format, again);
    text->size += (size_t)size;
out:
    va_end(again);
    va_end(arguments);
    return status;
}

void text_free(struct text *text)
{
    free(text->data);
    memset(text, 0, sizeof *text);
}

/* ---- UTF-8 ---------------------------------------------------------------------------------- */

/* Bytes of the well-formed sequence at `bytes`, 0 if it is not one (Unicode 15, table 3-7). */
static size_t utf8_sequence(const unsigned char *bytes, size_t size)
{
    unsigned char lead = bytes[0], low = 0x80, high = 0xBF;
    size_t length = lead < 0x80   ? 1
                    : lead < 0xC2 ? 0
                    : lead < 0xE0 ? 2
                    : lead < 0xF0 ? 3
                    : lead < 0xF5 ? 4
                                  : 0;
    if (length == 0 || length > size)
        return 0;
    if (lead == 0xE0)
        low = 0xA0; /* overlong below */
    else if (lead == 0xED)
        high = 0x9F; /* surrogates above */
    else if (lead == 0xF0)
        low = 0x90;
    else if (lead == 0xF4)
        high = 0x8F; /* above U+10FFFF */
    for (size_t i = 1; i < length; i++, low = 0x80, high = 0xBF)
        if (bytes[i] < low || bytes[i] > high)
            return 0;
    return length;
}

bool text_is_utf8(const char *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        size_t length = utf8_sequence((const unsigned char *)bytes + at, size - at);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

/* ---- nearest name --------------------------------------------------------------------------- */

#define LONGEST_WORD 255

/* Levenshtein distance, given up (limit + 1) once every way costs more than `limit`. */
static size_t edit_distance(
    const char *a, size_t a_size, const char *b, size_t b_size, size_t limit)
{
    size_t row[LONGEST_WORD + 1];
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0], least = row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t cost = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < cost)
                cost = row[j] + 1;
            if (row[j - 1] + 1 < cost)
                cost = row[j - 1] + 1;
            row[j] = cost;
            least = cost < least ? cost : least;
        }
        if (least > limit)
            return limit + 1;
    }
    return row[b_size];
}

const char *text_nearest(const char *word, const char *const *names)
{
    const char *nearest = NULL;
    size_t size = strlen(word), limit = size / 3 < 2 ? 2 : size / 3;
    if (size > LONGEST_WORD)
        return NULL;
    for (; *names; names++) {
        size_t length = strlen(*names);
        size_t apart = length > size ? length - size : size - length;
        if (length > LONGEST_WORD || apart > limit)
            continue;
        size_t distance = edit_distance(word, size, *names, length, limit);
        if (distance > limit)
            continue;
        nearest = *names;
        if (distance == 0)
            break;
        limit = distance - 1; /* from here on only a nearer one counts */
    }
    return nearest;
}

/* ---- numbers -------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *text)
{
    while (is_digit(*text))
        text++;
    return text;
}

bool text_to_uint64(const char *text, uint64_t *out)
{
    if (!is_digit(*text) || *skip_digits(text) != '\0')
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    if (errno || value > UINT64_MAX)
        return false;
    *out = value;
    return true;
}

bool text_to_int(const char *text, long long lowest, long long highest, long long *out)
{
    const char *digits = text + (*text == '-' || *text == '+');
    if (!is_digit(*digits) || *skip_digits(digits) != '\0')
        return false;
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno || value < lowest || value > highest)
        return false;
    *out = value;
    return true;
}

/* [-+]? (digits [. digits?]? | . digits) ([eE] [-+]? digits)? */
static bool is_decimal(const char *text)
{
    text += *text == '-' || *text == '+';
    const char *whole = text, *end = skip_digits(whole), *fraction = end;
    size_t digits = (size_t)(end - whole);
    if (*end == '.') {
        fraction = end + 1;
        end = skip_digits(fraction);
        digits += (size_t)(end - fraction);
    }
    if (digits == 0)
        return false;
    if (*end == 'e' || *end == 'E') {
        const char *power = end + 1;
        power += *power == '-' || *power == '+';
        end = skip_digits(power);
        if (end == power)
            return false;
    }
    return *end == '\0';
}

bool text_to_double(const char *text, double *out)
{
    if (!is_decimal(text))
        return false;
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c)
        return false;
    locale_t before = uselocale(c);
    double value = strtod(text, NULL);
    uselocale(before);
    freelocale(c);
    if (!isfinite(value))
        return false;
    *out = value;
    return true;
}

bool text_ends_with(const char *text, const char *ending)
{
    size_t size = strlen(text), tail = strlen(ending);
    return size > tail && strcmp(text + size - tail, ending) == 0;
}
