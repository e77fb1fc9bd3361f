/* sweep.c - one axis, from its text. SPDX-License-Identifier: MIT */
#include "job/sweep.h"
#include "base/memory.h"
#include "base/text.h"
#include "job/values.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_SIZE 64 /* bytes of a number as text */

void sweep_axis_free(struct sweep_axis *axis)
{
    for (size_t i = 0; i < axis->count; i++)
        free(axis->items[i]);
    free(axis->items);
    *axis = (struct sweep_axis){0};
}

enum clat_status sweep_axis_add(struct sweep_axis *axis, const char *item, const char *where)
{
    enum clat_status status;
    TRY(job_value_check(axis->key, item, where));
    for (size_t i = 0; i < axis->count; i++)
        if (strcmp(axis->items[i], item) == 0)
            FAIL(CLAT_ERROR_USAGE, "%s: sweep: %s has '%s' twice", where, job_keys[axis->key].name,
                item);
    if (axis->count == SWEEP_LIMIT)
        FAIL(CLAT_ERROR_USAGE, "%s: sweep: %s has more than %d values", where,
            job_keys[axis->key].name, SWEEP_LIMIT);
    TRY(memory_grow(&axis->items, &axis->capacity, axis->count, sizeof *axis->items));
    TRY(memory_string(item, &axis->items[axis->count]));
    axis->count++;
out:
    return status;
}

/* ---- ranges --------------------------------------------------------------------------------- */

/* first-last, then (+step), [count], or neither, which is a step of 1. */
struct range {
    char first[NUMBER_SIZE], last[NUMBER_SIZE];
    double step; /* 0: not given */
    long long count;
};

/* The '-' between two numbers: not the sign of the first, nor of an exponent. */
static const char *find_dash(const char *text, size_t size)
{
    for (size_t i = 1; i < size; i++)
        if (text[i] == '-' && text[i - 1] != 'e' && text[i - 1] != 'E')
            return text + i;
    return NULL;
}

static bool copy_number(const char *text, size_t size, char out[NUMBER_SIZE])
{
    double number;
    while (size && text[size - 1] == ' ')
        size--;
    for (; size && *text == ' '; text++)
        size--;
    if (size == 0 || size >= NUMBER_SIZE)
        return false;
    memcpy(out, text, size);
    out[size] = '\0';
    return text_to_double(out, &number) && isfinite(number);
}

/* What stands behind the range: "", "(+5)", "[3]". */
static bool read_tail(const char *tail, struct range *range)
{
    char number[NUMBER_SIZE];
    size_t size = strlen(tail);
    if (size == 0)
        return true;
    if (size > 3 && strncmp(tail, "(+", 2) == 0 && tail[size - 1] == ')')
        return copy_number(tail + 2, size - 3, number) && text_to_double(number, &range->step) &&
               range->step > 0;
    return size > 2 && tail[0] == '[' && tail[size - 1] == ']' &&
           copy_number(tail + 1, size - 2, number) &&
           text_to_int(number, 2, SWEEP_LIMIT, &range->count);
}

/* False: it is a single value. */
static bool range_read(const char *text, struct range *range)
{
    size_t size = strcspn(text, "([");
    const char *dash = find_dash(text, size);
    *range = (struct range){.step = 0};
    return dash && copy_number(text, (size_t)(dash - text), range->first) &&
           copy_number(dash + 1, (size_t)(text + size - dash - 1), range->last) &&
           read_tail(text + size, range);
}

static enum clat_status bad_range(const char *text, const char *where, const char *why)
{
    return status_set(CLAT_ERROR_USAGE, "%s: sweep: the range '%s' %s", where, text, why);
}

/* Whole numbers of any size; a count of them is rounded to whole ones. */
static enum clat_status add_whole(
    struct sweep_axis *axis, const struct range *range, const char *text, const char *where)
{
    enum clat_status status = CLAT_OK;
    uint64_t first, last, step = range->step > 0 ? (uint64_t)fmin(range->step, 1e18) : 1;
    char item[NUMBER_SIZE];
    if (!text_to_uint64(range->first, &first) || !text_to_uint64(range->last, &last) ||
        first > last || (double)step != fmax(range->step, 1))
        return bad_range(text, where, "must be of whole numbers, the smaller one first");
    uint64_t values = range->count ? (uint64_t)range->count : (last - first) / step + 1;
    if (values == 0 || values > SWEEP_LIMIT)
        return bad_range(text, where, "is too long");
    for (uint64_t i = 0; i < values && status == CLAT_OK; i++) {
        double share = range->count ? (double)i / (double)(values - 1) : 0;
        uint64_t value = range->count ? first + (uint64_t)llround(share * (double)(last - first))
                                      : first + i * step;
        snprintf(item, sizeof item, "%" PRIu64, value);
        status = sweep_axis_add(axis, item, where);
    }
    return status;
}

static enum clat_status add_real(
    struct sweep_axis *axis, const struct range *range, const char *text, const char *where)
{
    enum clat_status status = CLAT_OK;
    double first, last, step = range->step > 0 ? range->step : 1;
    char item[NUMBER_SIZE];
    if (!text_to_double(range->first, &first) || !text_to_double(range->last, &last) ||
        first > last)
        return bad_range(text, where, "must have the smaller number first");
    double values = range->count ? (double)range->count : floor((last - first) / step + 1e-9) + 1;
    if (values > SWEEP_LIMIT)
        return bad_range(text, where, "is too long");
    if (range->count)
        step = (last - first) / (values - 1);
    for (int i = 0; i < (int)values && status == CLAT_OK; i++) {
        snprintf(item, sizeof item, "%.9g", first + i * step);
        status = sweep_axis_add(axis, item, where);
    }
    return status;
}

/* ---- values --------------------------------------------------------------------------------- */

static enum clat_status add_item(struct sweep_axis *axis, const char *text, const char *where)
{
    struct range range;
    enum key_kind kind = job_keys[axis->key].kind;
    bool numbers = kind == KEY_INT || kind == KEY_REAL || kind == KEY_SEEDS;
    if (!numbers || !range_read(text, &range))
        return sweep_axis_add(axis, text, where);
    return kind == KEY_REAL ? add_real(axis, &range, text, where)
                            : add_whole(axis, &range, text, where);
}

/* "10,20" */
static enum clat_status add_plain(struct sweep_axis *axis, const char *text, const char *where)
{
    enum clat_status status = CLAT_OK;
    char *copy = NULL, *rest = NULL;
    TRY(memory_string(text, &copy));
    for (char *item = copy; item; item = rest) {
        rest = strchr(item, ',');
        if (rest)
            *rest++ = '\0';
        TRY(add_item(axis, item, where));
    }
out:
    free(copy);
    return status;
}

/* "[10, 20]" */
static enum clat_status add_list(struct sweep_axis *axis, const char *text, const char *where)
{
    enum clat_status status;
    struct yaml_node root = {0};
    const char *name = job_keys[axis->key].name;
    TRY(yaml_parse(where, text, strlen(text), &root));
    if (root.count == 0)
        FAIL(CLAT_ERROR_USAGE, "%s: sweep: the list of %s is empty", where, name);
    for (size_t i = 0; i < root.count; i++) {
        if (!root.children[i].text)
            FAIL(CLAT_ERROR_USAGE, "%s: sweep: the values of %s must be texts or numbers", where,
                name);
        TRY(add_item(axis, root.children[i].text, where));
    }
out:
    yaml_free(&root);
    return status;
}

/* What an image's record has can be swept; how many there are, and who draws, is the sweep's. */
static bool can_sweep(int key)
{
    const char *name = job_keys[key].name;
    return job_keys[key].recorded && strcmp(name, "batch_size") != 0 &&
           strcmp(name, "generator") != 0;
}

static enum clat_status read_key(const char *text, const char *where, struct sweep_axis *axis)
{
    enum clat_status status = CLAT_OK;
    size_t size = strcspn(text, "=");
    char *name = strndup(text, size);
    if (!name)
        FAIL(CLAT_ERROR_MEMORY, "no host memory for %s", where);
    if (size == 0 || text[size] != '=')
        FAIL(CLAT_ERROR_USAGE, "%s: sweep: expected KEY=VALUE,VALUE,..., found '%s'", where, text);
    axis->key = job_key_find(name);
    if (axis->key < 0)
        TRY(job_key_unknown(name, where));
    if (!can_sweep(axis->key))
        FAIL(CLAT_ERROR_USAGE, "%s: sweep: %s cannot be an axis", where, job_keys[axis->key].name);
out:
    free(name);
    return status;
}

enum clat_status sweep_axis_read(const char *text, const char *where, struct sweep_axis *axis)
{
    enum clat_status status;
    TRY(read_key(text, where, axis));
    text += strcspn(text, "=") + 1;
    TRY(*text == '[' ? add_list(axis, text, where) : add_plain(axis, text, where));
out:
    return status;
}

enum clat_status sweep_axis_check(const char *text, const char *where)
{
    struct sweep_axis axis = {0};
    enum clat_status status = sweep_axis_read(text, where, &axis);
    sweep_axis_free(&axis);
    return status;
}
